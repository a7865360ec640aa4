//! The process table, looked at for what bears a mark of this town and is in no pane that a look has shown: agents that outlived their terminals, and
//! what agents left behind.
//!
//! A name proves nothing: who is listed here found the town in its environment, or is remembered with its start time. What tmux shows, every tmux and
//! every gtctl is none of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{Listed, Machine};
use crate::model::{Address, ProcessId, Seen};

use super::{Claim, Server, Wants, processes};

/// The variables that tell whose a process is.
const MARKS: &[&str] = &[
    "GTCTL_TOWN",
    "GTCTL_OBJECT",
    "GTCTL_INCARNATION",
    "GT_ROOT",
    "GT_ROLE",
    "GT_RIG",
    "GT_CREW",
    "GT_POLECAT",
    "GT_PANE_ID",
];

/// A longer line of ancestors is none: it has been read while pids were reused.
const ANCESTORS_MAX: usize = 4096;

/// A living process of this user that may be of this town and is in no pane that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Orphan {
    /// Which.
    pub process: ProcessId,
    /// What the kernel calls it; words for people.
    pub name: String,
    /// For how long it has lived.
    pub lived: Duration,
    /// What it found in its environment.
    pub claim: Claim,
    /// The object that it is remembered as a life of, by pid, start time and boot.
    pub remembered: Option<Address>,
    /// Whether it leads its session.
    pub leads: bool,
    /// How it stands with a terminal.
    pub terminal: Terminal,
    /// The nearest tmux server that it descends from.
    pub tmux: Option<Above>,
    /// Whether something below it has a terminal that is open: then somebody may look at what it keeps.
    pub hosts: bool,
}

/// How a process stands with a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terminal {
    /// Its session has one.
    Open,
    /// Its session has none, and its input is one: it lost it.
    Lost,
    /// It has none.
    None,
}

/// A tmux server above a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Above {
    /// The server.
    pub server: ProcessId,
    /// Whether it is the parent.
    pub is_parent: bool,
    /// The life that founded it, if an agent did: all that runs in such a server has that mark.
    pub founded_by: Option<String>,
}

/// The table, by pids.
struct Table {
    all: BTreeMap<i32, Listed>,
    /// Pids of processes above one with an open terminal.
    hosts: BTreeSet<i32>,
    /// gtctl itself, and what it runs in.
    own: BTreeSet<i32>,
}

impl Table {
    fn read(machine: &impl Machine) -> Seen<Self> {
        machine.all().map(|listed| {
            let all = listed.into_iter().map(|one| (one.id.pid, one)).collect();
            let mut table = Self { all, hosts: BTreeSet::new(), own: BTreeSet::new() };
            let in_terminals: Vec<i32> =
                table.all.values().filter(|one| one.terminal).map(|one| one.id.pid).collect();
            for pid in in_terminals {
                let above: Vec<i32> = table.above(pid).map(|one| one.id.pid).collect();
                table.hosts.extend(above);
            }
            let own = machine.own_pid();
            table.own = std::iter::once(own).chain(table.above(own).map(|one| one.id.pid)).collect();
            table
        })
    }

    /// The ancestors of a process, the nearest first.
    fn above(&self, pid: i32) -> impl Iterator<Item = &Listed> {
        let parent = |pid: i32| self.all.get(&pid).map(|one| one.parent);
        let next = move |pid: &i32| parent(*pid).filter(|pid| *pid > 1);
        std::iter::successors(next(&pid), next).take(ANCESTORS_MAX).filter_map(|pid| self.all.get(&pid))
    }

    /// Whether a tmux server has started it.
    fn is_in_a_pane(&self, one: &Listed) -> bool {
        self.all.get(&one.parent).is_some_and(|parent| parent.name.starts_with("tmux"))
    }

    /// Whether it is in a pane that the look has shown, or below one.
    fn is_in_sight(&self, one: &Listed, panes: &BTreeSet<i32>, server: Option<ProcessId>) -> bool {
        let Some(server) = server else { return false };
        let mut line = std::iter::once(one).chain(self.above(one.id.pid));
        line.any(|it| it.parent == server.pid && panes.contains(&it.id.pid))
    }
}

/// Whether it is a tool that other people's work hangs on, whatever mark it has found in its environment.
fn is_tool(one: &Listed) -> bool {
    one.name.starts_with("tmux") || one.name == "gtctl"
}

/// Looks through all processes. Unknown as a whole if one that could be an agent without a terminal, or in another tmux server, cannot be looked at: what is not seen would be started
/// a second time.
pub fn look(machine: &impl Machine, wants: &Wants, server: &Server) -> Seen<Vec<Orphan>> {
    let table = match Table::read(machine) {
        Seen::Known(table) => table,
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let (seen, panes) = match server {
        Server::Up(up) => {
            let panes = up.sessions.iter().flat_map(|session| &session.panes);
            (Some(up.id), panes.map(|pane| pane.pid).collect())
        }
        Server::Down | Server::SocketLost { .. } => (None, BTreeSet::new()),
    };
    let now = machine.now();
    let mut orphans = Vec::new();
    for one in table.all.values().filter(|one| one.own && !is_tool(one)) {
        if table.is_in_sight(one, &panes, seen) {
            continue;
        }
        let is_it = |past: &&super::PastProcess| {
            past.process == one.id && past.boot.as_ref().is_none_or(|boot| *boot == now.boot)
        };
        let remembered = wants.past.iter().find(|(_, past)| is_it(past)).map(|(address, _)| address.clone());
        match orphan(machine, wants, &table, one, remembered) {
            Seen::Known(Some(found)) => {
                let lived = processes::lived(machine, one.id, now.since_boot);
                orphans.push(Orphan { lived, ..found });
            }
            Seen::Known(None) => {}
            Seen::Unknown(why) if one.leads && (!one.terminal || table.is_in_a_pane(one)) => {
                return Seen::Unknown(why);
            }
            // It is no agent, without a terminal or in another tmux server, and nobody knows whose it is: it is left alone.
            Seen::Unknown(_) => {}
        }
    }
    Seen::Known(orphans)
}

/// What is to be known of a process that may be of this town; `Known(None)` if it is not, or is gone.
fn orphan(
    machine: &impl Machine,
    wants: &Wants,
    table: &Table,
    one: &Listed,
    remembered: Option<Address>,
) -> Seen<Option<Orphan>> {
    let marks = match machine.environment(one.id.pid, MARKS) {
        Seen::Known(Some(marks)) => marks,
        Seen::Known(None) => return Seen::Known(None),
        // Who it is, is remembered.
        Seen::Unknown(_) if remembered.is_some() => BTreeMap::new(),
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let claim = claim(&marks);
    let is_of_the_town = match &claim.gtctl_town {
        Some(town) => *town == wants.town.as_str(),
        None => claim.root.as_deref().is_some_and(|root| std::path::Path::new(root) == wants.root),
    };
    if !is_of_the_town && remembered.is_none() {
        return Seen::Known(None);
    }
    let terminal = match one.terminal {
        true => Terminal::Open,
        false => match machine.input_is_terminal(one.id.pid) {
            Seen::Known(Some(true)) => Terminal::Lost,
            Seen::Known(_) => Terminal::None,
            Seen::Unknown(_) if remembered.is_some() => Terminal::None,
            Seen::Unknown(why) => return Seen::Unknown(why),
        },
    };
    let above = table.above(one.id.pid).find(|above| above.name.starts_with("tmux"));
    let tmux = above.map(|server| Above {
        server: server.id,
        is_parent: server.id.pid == one.parent,
        founded_by: match machine.environment(server.id.pid, &["GTCTL_INCARNATION"]) {
            Seen::Known(marks) => marks.and_then(|mut marks| marks.remove("GTCTL_INCARNATION")),
            Seen::Unknown(_) => None,
        },
    });
    Seen::Known(Some(Orphan {
        process: one.id,
        name: one.name.clone(),
        lived: Duration::ZERO,
        claim,
        remembered,
        leads: one.leads,
        terminal,
        tmux,
        hosts: table.hosts.contains(&one.id.pid),
    }))
}

fn claim(marks: &BTreeMap<String, String>) -> Claim {
    let mark = |name: &str| marks.get(name).cloned();
    Claim {
        root: mark("GT_ROOT"),
        role: mark("GT_ROLE"),
        rig: mark("GT_RIG"),
        worker: mark("GT_CREW").or_else(|| mark("GT_POLECAT")),
        pane: mark("GT_PANE_ID"),
        gtctl_town: mark("GTCTL_TOWN"),
        gtctl_object: mark("GTCTL_OBJECT"),
        gtctl_incarnation: mark("GTCTL_INCARNATION"),
    }
}

/// Whether it still is what it was when it was planned to be ended: the same process with the same marks, without a terminal, and not what this very
/// program runs in; and the processes below it that have no terminal either. What `is_agent` ends with its children's terminals, all else must not keep
/// one open. `Known(None)` if it is another thing by now.
pub fn still(machine: &impl Machine, orphan: &Orphan, is_agent: bool) -> Seen<Option<Vec<ProcessId>>> {
    let table = match Table::read(machine) {
        Seen::Known(table) => table,
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let pid = orphan.process.pid;
    let Some(one) = table.all.get(&pid).filter(|one| one.id == orphan.process) else {
        return Seen::Known(None);
    };
    if !one.own || one.terminal || one.leads != orphan.leads || is_tool(one) || table.own.contains(&pid) {
        return Seen::Known(None);
    }
    match machine.environment(pid, MARKS) {
        Seen::Known(Some(marks)) if claim(&marks) == orphan.claim => {}
        Seen::Known(_) => return Seen::Known(None),
        Seen::Unknown(_) if orphan.remembered.is_some() => {}
        Seen::Unknown(why) => return Seen::Unknown(why),
    }
    if !is_agent && table.hosts.contains(&pid) {
        return Seen::Known(None);
    }
    let is_below = |one: &&Listed| table.above(one.id.pid).any(|above| above.id == orphan.process);
    let may_end =
        |one: &&Listed| one.own && !one.terminal && !is_tool(one) && !table.hosts.contains(&one.id.pid);
    let below = table.all.values().filter(is_below).filter(may_end).map(|one| one.id);
    Seen::Known(Some(std::iter::once(orphan.process).chain(below).collect()))
}
