//! Act: carrying out one step, fenced, with a deadline, and believing only what is seen.
//!
//! An [`Order`] is a step with all that is needed to carry it out. [`Do`] takes it and answers with an [`Outcome`]; the real hand is
//! [`Host`]. Each command is guarded inside the tmux server (law 3, [`fence`]) and each signal is aimed at one process that cannot be mistaken, through a pidfd ([`Machine::signal`]).

mod adopt;
pub mod fence;
mod notify;
pub mod nudge;
mod reap;
mod start;
mod stop;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::desired::Recipe;
use crate::machine::Machine;
use crate::model::{Address, Incarnation, IncarnationId, Marker, SpecHash, TownId, Why};
use crate::observed::host::Host;
use crate::plan::Action;

/// The hand: carries out one step.
pub trait Do {
    /// Carries it out and waits until the effect is seen or the deadline has passed. Never panics, never blocks for ever.
    fn carry_out(&self, order: &Order) -> impl Future<Output = Outcome> + Send;

    /// A number that nobody can guess, for the names of incarnations and for jitter.
    fn draw(&self) -> u64;

    /// The zone of local times, for what agents are told.
    fn time_zone(&self) -> jiff::tz::TimeZone;
}

/// A step, and all that is needed to carry it out.
#[derive(Debug, Clone)]
pub struct Order {
    /// For whom.
    pub address: Address,
    /// What.
    pub action: Action,
    /// The town.
    pub town: TownId,
    /// Its root.
    pub root: PathBuf,
    /// What the object is started from; `None` for an object that no file lists, which can only be stopped.
    pub recipe: Option<Recipe>,
    /// Its first words, as they are said now.
    pub words: Option<String>,
    /// The name of the life that a start begins.
    pub incarnation: IncarnationId,
    /// How long a new agent must live to count as started.
    pub settle: Duration,
    /// How long a stop waits before it sends the next, stronger signal.
    pub stop_timeout: Duration,
    /// How long gt may take for a letter.
    pub mail_timeout: Duration,
}

impl Order {
    /// The label that a start or an adoption writes.
    pub fn marker(&self) -> Marker {
        Marker {
            town: self.town.clone(),
            address: self.address.clone(),
            incarnation: self.incarnation.clone(),
        }
    }

    /// The spec that a start is made from.
    pub fn spec(&self) -> Option<SpecHash> {
        self.recipe.as_ref().map(Recipe::spec)
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done, and that was seen.
    Done(Option<Box<Incarnation>>),
    /// It was not done, or did not last.
    Failed(Why),
    /// The fence held: what was planned against is not there any more. Nothing was done.
    Refused(Why),
    /// tmux was told and nothing shows whether it did it. Only the next look can tell.
    Unconfirmed(Why),
}

impl Outcome {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Unconfirmed(_) => "unconfirmed",
        }
    }

    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(Why::new(why))
    }

    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(Why::new(why))
    }

    fn unconfirmed(why: impl Into<String>) -> Self {
        Self::Unconfirmed(Why::new(why))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("done"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unconfirmed(why) => write!(f, "unconfirmed: {why}"),
        }
    }
}

impl<M: Machine> Do for Host<M> {
    async fn carry_out(&self, order: &Order) -> Outcome {
        match &order.action {
            Action::Start(launch) | Action::Restart(launch) => start::start(self, order, launch).await,
            Action::Kill(fence) => stop::stop(self, fence, order.stop_timeout).await,
            Action::Nudge { fence, text } => nudge::nudge(self, order, fence, text).await,
            Action::Adopt(fence) => adopt::adopt(self, order, fence).await,
            Action::Reap(quarry) => reap::reap(self, quarry, order.stop_timeout).await,
            Action::Notify { letter, program } => notify::notify(self, order, letter, program).await,
        }
    }

    fn draw(&self) -> u64 {
        self.machine.draw()
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        self.machine.time_zone()
    }
}
