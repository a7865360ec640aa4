//! How an object stands, as a value; [`presence`](super::presence()) finds out which.

use std::time::Duration;

use super::types::Fence;
use crate::ledger::KnownLife;
use crate::model::{Exit, Incarnation, ProcessId, Seen, SpecHash, Why};
use crate::observed::Screen;

/// How an object stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// There is no session, and the ledger knows of no earlier one.
    Absent,
    /// There was one; its process is gone.
    Vanished,
    /// There was one, in a tmux server that is gone.
    ServerLost,
    /// It lives, but not yet for long enough to count.
    Starting(Alive),
    /// It lives.
    Running(Alive),
    /// Only a bare shell is left in its pane.
    BareShell(Alive),
    /// Its process ended in its pane.
    Dead {
        /// Its session.
        fence: Fence,
        /// How it ended.
        exit: Option<Exit>,
    },
    /// Its session is there, the pane it ran in is not.
    PaneGone {
        /// Its session.
        fence: Fence,
    },
    /// Its terminal closed, its process lives on.
    Detached {
        /// The process.
        process: ProcessId,
        /// Its session, if that is still there.
        fence: Option<Fence>,
    },
    /// It lives in another tmux server than the town's.
    Elsewhere {
        /// The process.
        process: ProcessId,
    },
    /// The kernel says it is gone, tmux has not noticed yet: look again in a moment.
    Ending,
    /// gt started it; its environment proves that it is this object of this town.
    Adoptable(Alive),
    /// Something else has its name.
    Foreign {
        /// The name.
        session: String,
        /// Why it is not ours.
        why: Why,
    },
    /// Several living sessions carry its marker.
    Duplicate {
        /// How many.
        count: usize,
    },
    /// The tmux server lives, its socket file does not.
    SocketLost {
        /// The server's pid.
        pid: Option<i32>,
    },
    /// It cannot be told.
    Unknown(Why),
}

/// A living agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Alive {
    /// What to act on.
    pub fence: Fence,
    /// Which life it is. One that is not labelled yet is known by its process.
    pub incarnation: Option<Incarnation>,
    /// For how long its process has lived.
    pub lived: Duration,
    /// Whether somebody is attached.
    pub attached: bool,
    /// What it was started from.
    pub spec: Option<SpecHash>,
    /// What its screen shows; `None` if its start is over.
    pub screen: Option<Seen<Screen>>,
}

impl State {
    /// The word for it, in output and in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Absent | Self::Vanished | Self::ServerLost => "absent",
            Self::Starting(_) => "starting",
            Self::Running(Alive { screen: Some(Seen::Known(Screen::Asks(_))), .. }) => "waiting",
            Self::Running(_) | Self::Adoptable(_) => "running",
            Self::BareShell(_) | Self::Dead { .. } | Self::PaneGone { .. } => "dead",
            Self::Detached { .. } => "detached",
            Self::Elsewhere { .. } => "elsewhere",
            Self::Foreign { .. } => "foreign",
            Self::Duplicate { .. } => "duplicate",
            Self::Ending | Self::SocketLost { .. } | Self::Unknown(_) => "unknown",
        }
    }

    /// Which life of it there is; `None` if that is not known.
    pub fn life(&self) -> Option<KnownLife<'_>> {
        match self {
            Self::Starting(alive) | Self::Running(alive) | Self::BareShell(alive) => {
                Some(KnownLife::Of(&alive.incarnation.as_ref()?.marker.incarnation))
            }
            Self::Absent
            | Self::Vanished
            | Self::ServerLost
            | Self::Dead { .. }
            | Self::PaneGone { .. }
            | Self::Foreign { .. } => Some(KnownLife::None),
            Self::Detached { .. }
            | Self::Elsewhere { .. }
            | Self::Adoptable(_)
            | Self::Ending
            | Self::Duplicate { .. }
            | Self::SocketLost { .. }
            | Self::Unknown(_) => None,
        }
    }

    /// The living agent, if there is exactly one and it is labelled.
    pub fn alive(&self) -> Option<&Alive> {
        match self {
            Self::Starting(alive) | Self::Running(alive) => Some(alive),
            _ => None,
        }
    }

    /// The one life of it that is in sight, and for how long it has lived: what a memory needs to find it again when its session is gone.
    pub fn in_sight(&self) -> Option<(Incarnation, Duration)> {
        match self {
            Self::Starting(alive) | Self::Running(alive) | Self::Adoptable(alive) => {
                Some((alive.incarnation.clone()?, alive.lived))
            }
            Self::Detached { process, fence: Some(fence) } => {
                Some((fence.incarnation(*process)?, Duration::ZERO))
            }
            Self::Absent
            | Self::Vanished
            | Self::ServerLost
            | Self::BareShell(_)
            | Self::Dead { .. }
            | Self::PaneGone { .. }
            | Self::Detached { fence: None, .. }
            | Self::Elsewhere { .. }
            | Self::Ending
            | Self::Foreign { .. }
            | Self::Duplicate { .. }
            | Self::SocketLost { .. }
            | Self::Unknown(_) => None,
        }
    }

    /// Whether stopping it would end a living process of ours.
    pub fn has_living_process(&self) -> bool {
        match self {
            Self::Starting(_)
            | Self::Running(_)
            | Self::BareShell(_)
            | Self::Detached { .. }
            | Self::Adoptable(_) => true,
            Self::Absent
            | Self::Vanished
            | Self::ServerLost
            | Self::Dead { .. }
            | Self::PaneGone { .. }
            | Self::Elsewhere { .. }
            | Self::Ending
            | Self::Foreign { .. }
            | Self::Duplicate { .. }
            | Self::SocketLost { .. }
            | Self::Unknown(_) => false,
        }
    }
}
