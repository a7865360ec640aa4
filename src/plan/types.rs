//! The plan as data: it can be printed, stored, compared and carried out.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::letters::Letter;
use super::state::State;
use crate::desired::HoldKind;
use crate::ledger::Cause;
use crate::model::{
    Address, Evidence, Incarnation, Label, Origin, PaneId, ProcessId, Reason, SessionId, Stamp,
};
use crate::observed::Orphan;

/// What is asked of this very plan, and not of the town.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Stop what is ours and no longer listed in any file.
    pub prune: bool,
    /// Start no agent that looks after the deacon: `GT_DEGRADED=true` in the environment of whoever plans.
    pub degraded: bool,
}

/// What is to be done, what is not, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One verdict an object, in order of waves and addresses.
    pub verdicts: Vec<Verdict>,
    /// Sessions that are not managed.
    pub unmanaged: Vec<Unmanaged>,
    /// A ceiling was hit: what it refused, and under which id it can be approved.
    pub refusal: Option<Refusal>,
    /// When the plan would be another one although nothing else changes.
    pub wake: Option<Stamp>,
    /// Processes of ours that no session shows, if the process table was searched.
    pub lone: Vec<Lone>,
    /// Something is to be started, or was last seen without a terminal, and nobody has searched the process table: it must be before anything follows.
    pub search: bool,
}

/// What is to become of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Which.
    pub address: Address,
    /// What holds it back most strictly; `None` if it should run.
    pub wanted: Option<HoldKind>,
    /// How it stands.
    pub state: State,
    /// What follows.
    pub decision: Decision,
    /// Why.
    pub because: Reason,
    /// What that rests on.
    pub evidence: Vec<Evidence>,
    /// Who asked for it.
    pub origin: Origin,
    /// What the one who asked gave as a reason.
    pub note: Option<String>,
    /// It runs from another spec than the files give now; a restart would apply it.
    pub drifted: bool,
    /// How its silence stands, if it lives and is to say that it is well.
    pub silence: Option<Silence>,
    /// When it would be judged otherwise although nothing else happens, as far as its reason does not tell.
    pub next: Option<Stamp>,
}

/// How the silence of an agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Silence {
    /// It has not said for too long that it is well.
    pub stalled: bool,
    /// When its silence would lead to something else.
    pub next: Option<Stamp>,
}

/// What follows from a verdict.
#[expect(
    clippy::large_enum_variant,
    reason = "most verdicts of a plan that does anything are steps; boxes would buy nothing"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is as it should be.
    Nothing,
    /// Something would be done, and is held back.
    Held,
    /// Something is done.
    Step(Step),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// When its turn comes.
    pub gate: Gate,
}

/// The kinds of things to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start what has not run.
    Start(Launch),
    /// Start again what has ended. Not a kill: what is dead cannot be killed.
    Restart(Launch),
    /// Stop it.
    Kill(Fence),
    /// Type into it.
    Nudge {
        /// Into what.
        fence: Fence,
        /// What.
        text: String,
    },
    /// Label a session of gt's as ours.
    Adopt(Fence),
    /// End a process of ours that outlived its terminal or its agent.
    Reap(Box<Quarry>),
    /// Tell somebody of it.
    Notify {
        /// What.
        letter: Letter,
        /// gt, found.
        program: PathBuf,
    },
}

impl Action {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Restart(_) => "restart",
            Self::Kill(_) => "kill",
            Self::Nudge { .. } => "nudge",
            Self::Adopt(_) => "adopt",
            Self::Reap(_) => "reap",
            Self::Notify { .. } => "notify",
        }
    }

    /// The launch, if it starts something.
    pub fn launch(&self) -> Option<&Launch> {
        match self {
            Self::Start(launch) | Self::Restart(launch) => Some(launch),
            Self::Kill(_) | Self::Nudge { .. } | Self::Adopt(_) | Self::Reap(_) | Self::Notify { .. } => None,
        }
    }
}

/// How a start is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Where its session comes from.
    pub into: LaunchInto,
    /// What it weighs in the ledger.
    pub cause: Cause,
    /// Its working directory, seen to exist.
    pub directory: PathBuf,
    /// Its program, found.
    pub program: PathBuf,
}

/// Where a start finds its session.
#[derive(Debug, Clone, PartialEq)]
pub enum LaunchInto {
    /// A new session; fails if the name is taken.
    NewSession,
    /// The dead pane of its session; fails if the pane is alive.
    DeadPane(Fence),
    /// A new window of its session, whose agent pane is gone.
    NewWindow(Fence),
    /// A new session, after the old one with its bare shell is stopped.
    Replacing(Fence),
}

/// What must still be true at the moment of acting (law 3). Only [`presence`](super::presence()) makes one, from what was observed:
/// nobody can aim at a bare name. It can be written down, and never be read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fence {
    pub(super) server: ProcessId,
    pub(super) session: SessionId,
    pub(super) name: String,
    pub(super) label: Label,
    pub(super) window: Option<u32>,
    pub(super) pane: Option<(PaneId, i32)>,
    pub(super) process: Option<ProcessId>,
}

impl Fence {
    /// The tmux server.
    pub fn server(&self) -> ProcessId {
        self.server
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The session's name when it was seen.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of the session's `@gtctl` option; empty for a session that is to be adopted.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether this is the session or the process of a life.
    pub fn is_of(&self, life: &Incarnation) -> bool {
        self.process == Some(life.process) || (self.server, self.session) == (life.server, life.session)
    }

    /// The life that this is, by its label and its process; `None` without both.
    pub fn incarnation(&self, process: ProcessId) -> Option<Incarnation> {
        let (pane, _) = self.pane?;
        let marker = self.label.marker()?.clone();
        Some(Incarnation { server: self.server, session: self.session, pane, process, marker })
    }

    /// Names the life that a step would end: its label, or its process where the label was lost. An approval is for such names.
    pub fn life(&self) -> String {
        match self.process {
            Some(process) if self.label.is_empty() => format!("process {}.{}", process.pid, process.start),
            _ => self.label.to_string(),
        }
    }

    /// The window that the agent's pane is in.
    pub fn window(&self) -> Option<u32> {
        self.window
    }

    /// The agent's pane and the pid that tmux had for it.
    pub fn pane(&self) -> Option<(PaneId, i32)> {
        self.pane
    }

    /// The agent's process, if it lives.
    pub fn process(&self) -> Option<ProcessId> {
        self.process
    }
}

/// A process that is to be ended, and what must still be true of it at that moment (law 3): as [`Fence`] for what no tmux command can reach. Only
/// [`orphans`](super::orphans) makes one, of what was found in the process table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quarry {
    pub(super) orphan: Orphan,
    pub(super) is_agent: bool,
    pub(super) force: Force,
}

impl Quarry {
    /// The process as it was found.
    pub fn orphan(&self) -> &Orphan {
        &self.orphan
    }

    /// Whether it is an agent without its terminal, and not what an agent left behind.
    pub fn is_agent(&self) -> bool {
        self.is_agent
    }

    /// How it is told.
    pub fn force(&self) -> Force {
        self.force
    }

    /// Names the process. An approval is for such names.
    pub fn life(&self) -> String {
        let ProcessId { pid, start } = self.orphan.process;
        format!("process {pid}.{start}")
    }
}

/// How a process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Force {
    /// It is asked.
    Term,
    /// It is not asked.
    Kill,
}

/// A process of ours that no session shows, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lone {
    /// Whose.
    pub address: Address,
    /// Which.
    pub process: ProcessId,
    /// What the kernel calls it.
    pub name: String,
    /// For how long it has lived.
    #[serde(rename = "lived-seconds", serialize_with = "whole_seconds")]
    pub lived: Duration,
    /// What it is.
    pub kind: LoneKind,
    /// Whether it is ended when its time has come, by what the files say.
    pub is_ended: bool,
}

/// What a process is that no session shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoneKind {
    /// An agent that outlived its terminal.
    Survivor,
    /// What an agent started, and left behind.
    Leftover,
    /// An agent in another tmux server than the town's.
    Elsewhere,
}

fn whole_seconds<S: serde::Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(length.as_secs())
}

/// When a step's turn comes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Now.
    Ready,
    /// When these have been seen alive (for a start) or gone (for a stop).
    After(Vec<Address>),
    /// When a start that is under way is done: `starts-in-flight`.
    Turn,
    /// Not before this moment: `starts-per-minute`.
    NotBefore(Stamp),
    /// Many have died together, so they are started one at a time: not before this moment.
    MassDeath(Stamp),
}

/// A session that is not managed, or a process of ours without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmanaged {
    /// Its name; `process 1234` for a process.
    pub session: String,
    /// Its id; for a process what the kernel calls it.
    pub id: String,
    /// What it is.
    pub why: String,
    /// Whether it carries this town's marker: then `--prune` stops it.
    pub ours: bool,
}

/// What a ceiling refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Names exactly this set of stops.
    pub id: String,
    /// What it would have stopped.
    pub stops: Vec<Address>,
    /// Exactly which lives, by their labels: these are approved, and no later ones.
    pub lives: Vec<String>,
    /// How many may be stopped.
    pub limit: usize,
}

impl Plan {
    /// The verdicts that do something.
    pub fn steps(&self) -> impl Iterator<Item = (&Verdict, &Step)> {
        self.verdicts.iter().filter_map(|verdict| match &verdict.decision {
            Decision::Step(step) => Some((verdict, step)),
            Decision::Nothing | Decision::Held => None,
        })
    }

    /// The verdict on one object.
    pub fn of(&self, address: &Address) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.address == *address)
    }
}

impl Verdict {
    /// Off, because no file turned it on; or a polecat without work, of which a rig may have many.
    pub fn is_off_by_default(&self) -> bool {
        let is_off = self.because == Reason::Disabled && self.origin == Origin::Default;
        is_off || (self.decision == Decision::Held && self.because.is_without_work())
    }

    /// Whether it is as the files want it: nothing to do, and nothing held back that no file holds back.
    pub fn is_as_wanted(&self) -> bool {
        match &self.decision {
            Decision::Nothing => !self.is_stalled(),
            Decision::Held => self.because.is_wish(),
            Decision::Step(_) => false,
        }
    }

    /// Whether it lives and has not said for too long that it is well.
    pub fn is_stalled(&self) -> bool {
        self.silence.as_ref().is_some_and(|silence| silence.stalled)
    }

    /// The word for how it stands, in output and in JSON.
    pub fn word(&self) -> &'static str {
        if self.is_stalled() { "stalled" } else { self.state.word() }
    }

    /// Makes it a hold for another reason.
    pub(super) fn hold(&mut self, because: Reason) {
        self.decision = Decision::Held;
        self.because = because;
    }

    pub(super) fn step_mut(&mut self) -> Option<&mut Step> {
        match &mut self.decision {
            Decision::Step(step) => Some(step),
            Decision::Nothing | Decision::Held => None,
        }
    }
}
