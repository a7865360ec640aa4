//! The snapshot's types: what one look found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    Address, BootId, Exit, IncarnationId, Label, Marker, PaneId, ProcessId, Ready, Seen, SessionId, SpecHash,
    Stamp, TownId,
};

use super::limit::UsageLimit;
use super::orphans::Orphan;
use super::screen::Screen;
use super::work::Work;

/// What a look is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wants {
    /// The town whose sessions are ours.
    pub town: TownId,
    /// Its root.
    pub root: PathBuf,
    /// Session names that our objects would use; an unlabelled session with such a name is asked for gt's environment.
    pub names: BTreeSet<String>,
    /// Where each object would be started.
    pub places: BTreeMap<Address, PlaceWanted>,
    /// Where each object that is to say that it is well says so.
    pub heartbeats: BTreeMap<Address, HeartbeatWanted>,
    /// Processes that the ledger remembers: what became of them?
    pub past: BTreeMap<Address, PastProcess>,
    /// The tmux server that the ledger remembers, and the path of its socket.
    pub server: Option<(PastProcess, String)>,
    /// Lives whose start is not over, and how to see that they are ready: their screens are looked at.
    pub openings: BTreeMap<IncarnationId, Ready>,
    /// Lives that have ended and whose last words are known.
    pub endings: BTreeSet<IncarnationId>,
    /// Of whom else last words are asked for.
    pub last_words: LastWords,
    /// How much memory is to be available, in MiB; `None` if that does not matter.
    pub free_memory: Option<u64>,
    /// Objects of which it is asked when their terminals last showed something new.
    pub activity: BTreeSet<Address>,
}

/// Of whom last words are asked for. Each is one more question to tmux, and somebody waits for the successor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastWords {
    /// Of all that have ended.
    #[default]
    OfAll,
    /// Of those of whom tmux has told how they ended: after the others it is asked once more in a moment.
    OfTold,
}

/// A process that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastProcess {
    /// Which.
    pub process: ProcessId,
    /// The boot that it was seen in, if that was written down. In another one the same pid and start time are somebody else's: daemons start
    /// at the same moment of each boot.
    pub boot: Option<BootId>,
}

/// Directories to start in, and a program to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceWanted {
    /// Working directories, absolute, the first that exists is taken; gt itself has more than one layout.
    pub directories: Vec<PathBuf>,
    /// The program as configured: a name to find on PATH, or a path.
    pub program: String,
    /// The PATH that the object's environment sets, if it sets one.
    pub path: Option<String>,
}

/// A file in which an agent says from time to time that it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatWanted {
    /// The town.
    pub root: PathBuf,
    /// The file, relative to it.
    pub file: String,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observed {
    /// When.
    pub at: Stamp,
    /// How long the machine has been awake since it was booted (CLOCK_MONOTONIC): what agents had time to do something in.
    #[serde(default)]
    pub awake: Duration,
    /// For how long the one that looks had not looked before, if that was much longer than it meant to: it was stopped, and with it perhaps all agents.
    #[serde(default)]
    pub away: Option<Duration>,
    /// The path of the socket that was asked.
    pub socket: String,
    /// The tmux server and everything in it.
    pub server: Seen<Server>,
    /// Whether an object could be started where it should.
    pub places: BTreeMap<Address, Place>,
    /// When each object that is to say that it is well last said so, by its own clock; `Known(None)` if there is no such file.
    #[serde(default)]
    pub heartbeats: BTreeMap<Address, Seen<Option<jiff::Timestamp>>>,
    /// What beads said last of the work of each polecat that they were asked about.
    #[serde(default)]
    pub work: BTreeMap<Address, Seen<Work>>,
    /// Where gt is, for letters; `None` if it is nowhere, or nobody would write any.
    #[serde(default)]
    pub gt: Option<Seen<PathBuf>>,
    /// Whether a remembered process still lives.
    pub past: BTreeMap<Address, Seen<bool>>,
    /// Whether the remembered tmux server still lives; `None` if none is remembered.
    pub past_server: Option<Seen<bool>>,
    /// How much memory is available, in MiB, if that is less than it is to be; `None` if that does not matter.
    #[serde(default)]
    pub low_memory: Option<Seen<Option<u64>>>,
    /// Processes of this town that are in no pane of the server; `None` if nobody searched for them.
    #[serde(default)]
    pub orphans: Option<Seen<Vec<Orphan>>>,
}

/// The tmux server at the town's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// There is none: nobody listens at the socket, and neither the ledger nor the kernel knows of one.
    Down,
    /// One lives, but its socket file is gone, so nobody can talk to it (docs/tmux.md).
    SocketLost {
        /// Its pid, if the ledger remembers it.
        pid: Option<i32>,
    },
    /// It answers.
    Up(ServerUp),
}

/// A tmux server that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerUp {
    /// Its process.
    pub id: ProcessId,
    /// Its version, for example `3.3a`.
    pub version: String,
    /// Its sessions.
    pub sessions: Vec<Session>,
}

/// A session of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its name now; people rename sessions.
    pub name: String,
    /// How many clients are attached to it, or to any session of its group.
    pub attached: u32,
    /// The text of its `@gtctl` option; empty if it has none.
    pub label: Label,
    /// What it was started from, where gtctl started it.
    pub spec: Option<SpecHash>,
    /// Its panes in the order of their ids.
    pub panes: Vec<Pane>,
    /// What gt's environment in it says; `None` if it was not asked, because it is labelled or nothing of it is ours.
    pub claim: Option<Seen<Claim>>,
}

impl Session {
    /// Its marker, if its label is one.
    pub fn marker(&self) -> Option<&Marker> {
        self.label.marker()
    }

    /// Whether a session without a label may be ours all the same: it has one of our names, or a pane that gtctl started something in. People rename
    /// sessions and unset options.
    pub fn may_be_ours(&self, wants: &Wants) -> bool {
        self.label.is_empty() && (self.lost_its_label() || wants.names.contains(&self.name))
    }

    /// Whether a session has no label, and a pane that gtctl started something in.
    pub fn lost_its_label(&self) -> bool {
        self.label.is_empty() && self.panes.iter().any(|pane| !pane.agent.is_empty())
    }

    /// The pane that the marked agent was started in.
    pub fn agent_pane(&self) -> Option<&Pane> {
        let marker = self.marker()?;
        self.panes.iter().find(|pane| pane.agent == marker.incarnation.as_str())
    }
}

/// A pane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pane {
    /// Its id.
    pub id: PaneId,
    /// Its window, tmux's `@3`.
    pub window: u32,
    /// The pid that tmux has for it.
    pub pid: i32,
    /// The text of its `@gtctl_agent` option: the incarnation that was started in it.
    pub agent: String,
    /// Whether it is in copy mode or another mode that swallows keys.
    pub in_mode: bool,
    /// What its screen shows; `None` if it was not looked at, because the start of its agent is over.
    #[serde(default)]
    pub screen: Option<Seen<Screen>>,
    /// The limit that its agent told of before it ended; `None` if that was not looked at, because it lives or is known already.
    #[serde(default)]
    pub ending: Option<Seen<Option<UsageLimit>>>,
    /// When its window last showed something new, in seconds since 1970; `None` if that was not asked for.
    #[serde(default)]
    pub activity: Option<Seen<u64>>,
    /// What became of its process. Looked at only where it matters; elsewhere unknown.
    pub life: Seen<Life>,
}

/// The four lives of a pane's process. `pane_dead` alone tells none of them: it only says that the terminal closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Life {
    /// The process lives and has its terminal.
    Running {
        /// Which process.
        process: ProcessId,
        /// For how long.
        lived: Duration,
        /// Whether it is a bare shell without children: what a wrapper leaves behind when its agent is gone.
        bare_shell: Seen<bool>,
    },
    /// The terminal closed, the process lives on.
    Detached {
        /// Which process.
        process: ProcessId,
    },
    /// Both witnesses say so: tmux has closed the pane, and the kernel has no such process.
    Gone {
        /// How it ended. tmux before 3.6 loses half of these, so `None` is common.
        exit: Option<Exit>,
    },
    /// The kernel says it is gone, tmux has not noticed yet.
    Ending,
}

/// What gt's session environment says of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Claim {
    /// `GT_ROOT`: the town it belongs to.
    pub root: Option<String>,
    /// `GT_ROLE`: bare (`witness`) or compound (`gastown/witness`).
    pub role: Option<String>,
    /// `GT_RIG`
    pub rig: Option<String>,
    /// `GT_CREW` or `GT_POLECAT`
    pub worker: Option<String>,
    /// `GT_PANE_ID`: where gt started the agent, if it said.
    pub pane: Option<String>,
    /// `GTCTL_TOWN`: set at birth by gtctl; a session with it lost its label.
    pub gtctl_town: Option<String>,
    /// `GTCTL_OBJECT`
    pub gtctl_object: Option<String>,
    /// `GTCTL_INCARNATION`
    #[serde(default)]
    pub gtctl_incarnation: Option<String>,
}

/// Whether an object could be started where it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// The first of the wanted directories that exists; `Known(None)` if none does. Never a fallback to another one.
    pub directory: Seen<Option<PathBuf>>,
    /// The program, found; `Known(None)` if it is nowhere.
    pub program: Seen<Option<PathBuf>>,
    /// Where the program was looked for.
    pub path: String,
}
