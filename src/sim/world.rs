//! The state of a simulated world: everything there is outside gtctl, as one value that can be cloned, compared and hashed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::answers::Answer;
use super::clock::Clock;
use super::disk::{File, SimDisk};
use super::places::Places;
use super::processes::{INIT, Process, Processes, Program, Temper};
use super::tmux::SimTmux;
use crate::machine::{Listed, Reply, Signal};
use crate::model::{Address, Exit, ProcessId, Seen};

/// Everything outside gtctl.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The clocks.
    pub clock: Clock,
    /// The processes.
    pub processes: Processes,
    /// The tmux servers.
    pub tmux: SimTmux,
    /// The files.
    pub disk: SimDisk,
    /// Programs that are nowhere.
    pub missing_programs: BTreeSet<String>,
    /// What programs answer, by their names and arguments; all others are nowhere.
    pub answers: BTreeMap<Vec<String>, Answer>,
    /// What another machine said of its programs and directories, if this one is made after it.
    pub places: Places,
    /// When which process will end by itself, and how.
    pub ends: BTreeMap<(Duration, ProcessId), Exit>,
    /// Who made each process, for those that live.
    pub made: BTreeMap<ProcessId, Made>,
    /// How each program behaves that is not ordinary, by its name.
    pub tempers: BTreeMap<String, Behaviour>,
    /// How many numbers have been drawn.
    pub drawn: u64,
    /// Who acts at this moment.
    pub actor: Actor,
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A controller, by its pid.
    Controller(i32),
    /// A person at the terminal.
    Person,
    /// gt, starting sessions of its own.
    Gt,
    /// A program that runs in a session.
    Program,
}

/// What is known for certain of a process, whatever gtctl makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Made {
    /// By whom.
    pub by: Actor,
    /// The object that its environment names.
    pub object: Option<Address>,
    /// Whether it is a life of that object: started in a pane, by a controller or by gt.
    pub is_agent: bool,
    /// Whether it is a tmux server, which ends with its last session, whoever founded it.
    pub is_server: bool,
    /// Whether a controller has seen it.
    pub seen: bool,
    /// When, since boot.
    pub at: Duration,
}

/// How a program behaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Behaviour {
    /// What it does when it is told to end.
    pub temper: Temper,
    /// After how long it ends by itself, and how.
    pub ends: Option<(Duration, Exit)>,
    /// Whether it starts a child that has a session of its own and outlives it.
    pub forks: bool,
}

/// Something that a controller brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A process began.
    Began {
        /// Which.
        process: ProcessId,
        /// What is known of it.
        made: Made,
    },
    /// A process ended.
    Ended {
        /// Which.
        process: ProcessId,
        /// What was known of it.
        made: Option<Made>,
        /// The label of the session that it was in, and the pid of that session's server.
        label: String,
        /// See `label`.
        server: Option<ProcessId>,
    },
}

impl World {
    /// A machine on which nothing runs, with so many pids.
    pub fn new(pids: std::ops::RangeInclusive<i32>) -> Self {
        Self {
            clock: Clock::new(),
            processes: Processes::new(pids),
            tmux: SimTmux::new(),
            disk: SimDisk::default(),
            missing_programs: BTreeSet::new(),
            answers: BTreeMap::new(),
            places: Places::default(),
            ends: BTreeMap::new(),
            made: BTreeMap::new(),
            tempers: BTreeMap::new(),
            drawn: 0,
            actor: Actor::Person,
        }
    }

    /// Runs a tmux client for whoever acts, and accounts for what came of it.
    pub fn tmux(&mut self, socket: &Path, arguments: &[&str], input: Option<&str>) -> (Reply, Vec<Deed>) {
        // What servers have not noticed yet, they notice before they serve anybody; nobody who asks them did that.
        let actor = std::mem::replace(&mut self.actor, Actor::Program);
        self.tmux.noticed(&mut self.processes);
        self.account(&BTreeMap::new());
        self.actor = actor;
        let before = self.whereabouts();
        let socket = socket.display().to_string();
        let reply = self.tmux.client(&mut self.processes, self.clock.ticks(), &socket, arguments, input);
        (reply, self.account(&before))
    }

    /// Where each process of a pane lives: what its session is labelled with, and which server it is in. Only what is about to change matters,
    /// so it is asked for before something is done.
    pub fn whereabouts(&self) -> BTreeMap<ProcessId, (String, ProcessId)> {
        self.tmux.panes().map(|pane| (pane.process, (pane.label.to_owned(), pane.server))).collect()
    }

    /// Takes note of the processes that have begun and ended since the last time, and lets the new ones be what they are.
    pub fn account(&mut self, before: &BTreeMap<ProcessId, (String, ProcessId)>) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let (mut begun, mut ended) = self.processes.changes();
        while !begun.is_empty() {
            for process in std::mem::take(&mut begun) {
                let made = self.hatch(process);
                deeds.push(Deed::Began { process, made: made.clone() });
                self.made.insert(process, made);
            }
            // Some start a child at once.
            let more = self.processes.changes();
            begun = more.0;
            ended.extend(more.1);
        }
        for process in ended {
            let (label, server) = match before.get(&process) {
                Some((label, server)) => (label.clone(), Some(*server)),
                None => (String::new(), None),
            };
            deeds.push(Deed::Ended { process, made: self.made.remove(&process), label, server });
            self.ends.retain(|(_, id), _| *id != process);
        }
        deeds
    }

    /// Gives a new process its temper and its end; what is known of it.
    fn hatch(&mut self, id: ProcessId) -> Made {
        let at = self.clock.since_boot();
        let Some(process) = self.processes.get(id.pid) else {
            return Made { by: self.actor, object: None, is_agent: false, is_server: false, seen: false, at };
        };
        let object = process.environment("GTCTL_OBJECT").or_else(|| process.environment("GT_ROLE"));
        let object = object.and_then(|object| object.parse().ok());
        let in_a_pane = self.tmux.is_server(self.parent_of(process));
        let by = if in_a_pane || process.parent == INIT { self.actor } else { Actor::Program };
        let behaviour =
            self.tempers.get(program_of(&process.program.arguments)).filter(|_| in_a_pane).cloned();
        let program = process.program.clone();
        if let Some(Behaviour { temper, ends, forks }) = behaviour {
            if forks {
                let child = Program { arguments: vec!["/bin/child".to_owned()], ..program };
                self.processes.spawn_leader(id.pid, child, self.clock.ticks());
            }
            if let Some((after, exit)) = ends {
                self.ends.insert((at + after, id), exit);
            }
            self.processes.set_temper(id, temper);
        }
        let is_agent = object.is_some() && in_a_pane && by != Actor::Person;
        Made { by, object, is_agent, is_server: self.tmux.is_server(id), seen: false, at }
    }

    fn parent_of(&self, process: &Process) -> ProcessId {
        self.processes.get(process.parent).map_or(process.id, |parent| parent.id)
    }

    /// A signal reaches this very process, or nobody.
    pub fn signal(&mut self, id: ProcessId, signal: Signal) -> Vec<Deed> {
        let before = self.whereabouts();
        match signal {
            Signal::Child => self.tmux.poked(&mut self.processes, id),
            Signal::Term | Signal::Kill => {
                self.processes.signal(id, signal);
                self.tmux.noticed(&mut self.processes);
            }
        }
        self.account(&before)
    }

    /// A tmux server is killed: its panes are hung up, its socket's file stays.
    pub fn kill_server(&mut self, server: ProcessId) {
        self.tmux.kill_server(&mut self.processes, server);
        self.account(&BTreeMap::new());
    }

    /// The machine is started again: nothing runs, and what was in `/tmp` is gone.
    pub fn reboot(&mut self) {
        self.processes = self.processes.emptied();
        self.tmux = SimTmux::new();
        self.ends.clear();
        self.made.clear();
        self.clock.reboot(Duration::from_secs(40));
    }

    /// Whether the server that would answer at a socket is stopped, so that its clients wait for ever.
    pub fn hangs(&self, socket: &Path) -> bool {
        let server = self.tmux.server_at(&self.processes, &socket.display().to_string());
        server.is_some_and(|server| self.processes.is_stopped(server))
    }

    /// Everything that lasts is put right: what was broken is whole, what was in the way is gone, and programs run until they are told to end.
    /// A memory that cannot be read is put away, as its message says.
    pub fn heal(&mut self, ledger: &Path) {
        self.disk.full = false;
        self.missing_programs.clear();
        self.tempers.clear();
        self.ends.clear();
        let is_whole = |file: &File| matches!(file, File::Bytes(bytes) if serde_json::from_slice::<Versioned>(bytes).is_ok_and(|it| it.version == 1));
        if !self.disk.get(ledger).is_some_and(is_whole) {
            self.disk.remove(ledger);
        }
        self.tmux.heal(&mut self.processes);
        self.account(&BTreeMap::new());
        let in_a_pane: BTreeSet<ProcessId> = self.tmux.panes().map(|pane| pane.process).collect();
        // Who sits where one of ours should is ended by a person, who alone may do that; and so is who lives without a terminal and was gt's.
        let in_the_way: Vec<ProcessId> = self
            .made
            .iter()
            .filter(|(id, _)| !self.tmux.is_server(**id))
            .filter(|(id, made)| {
                made.by == Actor::Person
                    || (made.object.is_some() && !in_a_pane.contains(*id) && !self.is_marked(**id))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in in_the_way {
            self.end(id, Exit::Signal(9));
        }
    }

    /// Lets time pass, and the programs end whose time has come.
    pub fn pass(&mut self, length: Duration) {
        let until = self.clock.since_boot() + length;
        while let Some((&(at, id), &exit)) = self.ends.iter().next().filter(|((at, _), _)| *at <= until) {
            self.ends.remove(&(at, id));
            self.clock.pass(at.saturating_sub(self.clock.since_boot()));
            self.end(id, exit);
        }
        self.clock.pass(until.saturating_sub(self.clock.since_boot()));
    }

    /// A process ends by itself.
    pub fn end(&mut self, id: ProcessId, exit: Exit) {
        let actor = std::mem::replace(&mut self.actor, Actor::Program);
        if self.tmux.is_server(id) {
            self.tmux.kill_server(&mut self.processes, id);
        } else if self.is_alive(id) {
            self.processes.end(id.pid, exit);
            self.tmux.noticed(&mut self.processes);
        }
        self.account(&BTreeMap::new());
        self.actor = actor;
    }

    /// The table of all processes.
    pub fn listed(&self) -> Vec<Listed> {
        let living = self.processes.iter().filter(|process| process.lives());
        let listed = living.map(|process| Listed {
            id: process.id,
            parent: process.parent,
            own: true,
            leads: process.leader == process.id,
            terminal: Seen::Known(process.terminal),
            name: name_of(&process.program.arguments),
        });
        listed.collect()
    }

    /// Whether this very process lives.
    pub fn is_alive(&self, id: ProcessId) -> bool {
        self.processes.is_alive(id)
    }

    /// The living processes that are lives of an object, whoever started them.
    pub fn lives(&self) -> impl Iterator<Item = (&Address, ProcessId, &Made)> {
        let agents = self.made.iter().filter(|(_, made)| made.is_agent);
        agents.filter_map(|(id, made)| Some((made.object.as_ref()?, *id, made)))
    }

    /// The lives of an object that gtctl must know of: all that have its mark in their environments, wherever they are, and those of gt's that it has
    /// labelled, can label, or has seen. One of gt's that was renamed before it was adopted carries neither our label nor our name; one that was out of
    /// sight before any controller had seen it has no mark of ours.
    pub fn own_lives(&self, address: &Address) -> Vec<ProcessId> {
        let all = self.lives().filter(|(of, ..)| *of == address);
        let must_be_known = |(_, id, made): &(&Address, ProcessId, &Made)| {
            let pane = self.tmux.panes().find(|pane| pane.process == *id);
            let in_sight = pane.is_some_and(|pane| {
                self.tmux.answers(&self.processes, pane.server)
                    && (made.by != Actor::Gt || !pane.label.is_empty())
            });
            made.seen || in_sight || self.is_marked(*id)
        };
        all.filter(must_be_known).map(|(_, id, _)| id).collect()
    }

    /// Whether a process has found gtctl's mark in its environment.
    fn is_marked(&self, id: ProcessId) -> bool {
        self.processes.get(id.pid).is_some_and(|process| process.environment("GTCTL_TOWN").is_some())
    }

    /// All lives of an object, whoever knows of them.
    pub fn lives_of(&self, address: &Address) -> Vec<ProcessId> {
        self.lives().filter(|(of, ..)| *of == address).map(|(_, id, _)| id).collect()
    }

    /// Whether it is one of gt's that was out of reach before it could be labelled.
    pub fn is_unlabelled(&self, id: ProcessId) -> bool {
        let pane = self.tmux.panes().find(|pane| pane.process == id);
        self.made.get(&id).is_some_and(|made| made.by == Actor::Gt)
            && pane.is_none_or(|pane| pane.label.is_empty())
    }

    /// A controller has seen this life.
    pub fn seen(&mut self, id: ProcessId) {
        if let Some(made) = self.made.get_mut(&id) {
            made.seen = true;
        }
    }

    /// What has been seen is in no memory any more.
    pub fn forget_seen(&mut self) {
        self.made.values_mut().for_each(|made| made.seen = false);
    }

    /// The next moment at which something happens by itself.
    pub fn next_end(&self) -> Option<Duration> {
        self.ends.keys().next().map(|(at, _)| *at)
    }
}

/// What every version of a ledger has.
#[derive(serde::Deserialize)]
struct Versioned {
    version: u32,
}

/// The program that a command runs: `/usr/bin/env` becomes it.
pub fn program_of(arguments: &[String]) -> &str {
    after_env(arguments).first().map_or("", String::as_str)
}

/// A command as its process has it after `/usr/bin/env -u NAME …` has become the program.
pub fn after_env(arguments: &[String]) -> &[String] {
    let Some((first, mut rest)) = arguments.split_first() else { return arguments };
    if first != "/usr/bin/env" && first != "env" {
        return arguments;
    }
    while let [flag, _, after @ ..] = rest
        && flag == "-u"
    {
        rest = after;
    }
    rest
}

/// What the kernel would call a process that runs a command.
fn name_of(arguments: &[String]) -> String {
    let program = program_of(arguments);
    program.rsplit('/').next().unwrap_or(program).chars().take(15).collect()
}

/// The file of a program's executable.
pub fn executable_of(arguments: &[String]) -> PathBuf {
    PathBuf::from(program_of(arguments))
}
