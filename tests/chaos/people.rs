//! People at the town's tmux server.

use std::time::Instant;

use crate::common::{Fake, Life};

use super::generator::{Fault, Kind};
use super::history::Hand;
use super::nemesis::{Nemesis, Undo};
use super::town::{KEPT, Kept};
use super::watch::BY_HAND;

/// As many sessions as people have on the side.
const SESSIONS_MAX: usize = 8;

/// One pane, as tmux tells it.
#[derive(Debug, Clone)]
pub struct Pane {
    /// Its session.
    pub session: String,
    /// Itself.
    pub pane: String,
    /// Its process.
    pub pid: i32,
    /// Whether tmux takes it for dead.
    pub dead: bool,
    /// The object in its session's label; empty without one.
    pub object: String,
    /// Whether it is the one that the agent was started in.
    pub is_agent: bool,
    /// Its session's name.
    pub name: String,
}

impl Nemesis<'_> {
    /// Every pane on the server; `None` if it could not be asked.
    pub fn panes(&self) -> Option<Vec<Pane>> {
        let format = "#{session_id}\t#{pane_id}\t#{pane_pid}\t#{pane_dead}\t#{@gtctl}\t#{@gtctl_agent}\t#{session_name}";
        let ran = self.by_hand(&["list-panes", "-a", "-F", format])?;
        Some(ran.stdout.lines().filter_map(read_pane).collect())
    }

    pub(super) fn by_person(&mut self, fault: Fault) -> Option<()> {
        // Every second pane is opened beside an agent that is wrapped: what its shell is worth is not what the pane is worth.
        let wrapped = fault.kind == Kind::SplitPane && fault.shade.is_multiple_of(2);
        let some: Vec<Kept> = KEPT.into_iter().filter(|kept| !wrapped || kept.leaves_a_shell()).collect();
        let kept = some[fault.target % some.len()];
        self.number += 1;
        let number = self.number;
        if fault.kind == Kind::HandSession {
            let count =
                self.history(|history| history.hand.values().filter(|hand| hand.inside.is_none()).count());
            if count >= SESSIONS_MAX {
                return None;
            }
            self.tell(fault, format!("hand-{number}"));
            return self.new_session(&format!("hand-{number}"), None).map(drop);
        }
        let panes = self.panes()?;
        let pane = panes.iter().find(|pane| pane.object == kept.object && pane.is_agent);
        let session = pane.map(|pane| pane.session.as_str());
        self.tell(fault, format!("{} in {session:?}", kept.object));
        match fault.kind {
            Kind::TakeName => {
                self.history(|history| history.touch(kept.object));
                let life = self.new_session(kept.session, session)?;
                self.undo.push((Instant::now() + fault.lasts, Undo::Name(life)));
                Some(())
            }
            Kind::KillSession => {
                self.history(|history| history.touch(kept.object));
                self.by_hand(&["kill-session", "-t", session?]).map(drop)
            }
            Kind::RenameSession => {
                self.by_hand(&["rename-session", "-t", session?, &format!("moved-{number}")]).map(drop)
            }
            Kind::SplitPane => self.split(session?, &kept),
            Kind::KillPane => {
                // The session outlives the pane only with another one in it.
                self.split(session?, &kept);
                self.history(|history| history.touch(kept.object));
                self.by_hand(&["kill-pane", "-t", &pane?.pane]).map(drop)
            }
            _ => self.by_hand(&["set-option", "-u", "-t", &format!("{}:", session?), "@gtctl"]).map(drop),
        }
    }

    /// A session of somebody else's, in the place of `instead` if that is given.
    fn new_session(&self, name: &str, instead: Option<&str>) -> Option<Life> {
        let variable = format!("{BY_HAND}=1");
        let home = self.town.root().join("home").display().to_string();
        let mut args = match instead {
            Some(session) => vec!["kill-session", "-t", session, ";"],
            None => Vec::new(),
        };
        args.extend([
            "new-session",
            "-d",
            "-P",
            "-F",
            "#{pane_pid}",
            "-s",
            name,
            "-c",
            &home,
            "-e",
            &variable,
        ]);
        let argv = Fake::Named("hand").command(self.town.root());
        args.extend(argv.iter().map(String::as_str));
        let ran = self.by_hand(&args)?;
        self.keep(&ran.stdout, Hand { what: format!("session {name}"), inside: None })
    }

    fn split(&self, session: &str, kept: &Kept) -> Option<()> {
        let variable = format!("{BY_HAND}=1");
        let target = format!("{session}:");
        let mut args = vec!["split-window", "-d", "-P", "-F", "#{pane_pid}", "-t", &target, "-e", &variable];
        let argv = Fake::Named("hand").command(self.town.root());
        args.extend(argv.iter().map(String::as_str));
        let ran = self.by_hand(&args)?;
        let what = format!("a pane in the session of {}", kept.object);
        self.keep(&ran.stdout, Hand { what, inside: Some(kept.object.to_owned()) }).map(drop)
    }

    /// Remembers what was made, so that it must live.
    fn keep(&self, pid: &str, hand: Hand) -> Option<Life> {
        let life = Life::of(pid.trim().parse().ok()?)?;
        self.history(|history| {
            history.tell(format!("{} is process {}", hand.what, life.pid));
            history.hand.insert(life, hand);
        });
        Some(life)
    }
}

fn read_pane(line: &str) -> Option<Pane> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [session, pane, pid, dead, label, agent, name] = fields[..] else { return None };
    Some(Pane {
        session: session.to_owned(),
        pane: pane.to_owned(),
        pid: pid.parse().ok()?,
        dead: dead == "1",
        object: label.split('.').nth(1).unwrap_or_default().to_owned(),
        is_agent: !agent.is_empty() && label.ends_with(agent),
        name: name.to_owned(),
    })
}
