//! What every integration test stands on: a town of its own on a tmux server of its own, with agents that only pretend.
//!
//! A test reads as given (a [`TestTown`] with fake agents), when (a verb, a signal, a fault of the [`Shim`]), then (what
//! is seen from outside: tmux, `/proc`, the agents' own records). Nothing here asks gtctl whether gtctl did well.
//!
//! - `guard`: the one door to tmux; it refuses every server but a town's own.
//! - `town`: the directory, its files, `town.toml`.
//! - `agents`: the fake agents, and what they recorded.
//! - `tmux`, `proc`: the world as it is.
//! - `shim`: a `tmux` that fails, lies or dawdles on request, and counts.
//! - `run`, `controller`: gtctl at work, always with a deadline; `gt_daemon`: what it may find there instead.
//! - `ask`: the questions of the "then" part, and waiting for the answer.
//! - `plan`: gtctl's own words, read from JSON.
//! - `wait`: the only place that sleeps.

// Each test binary uses its part of this module, and a panic is how a test says no.
#![allow(dead_code, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod agents;
pub mod ask;
pub mod controller;
pub mod gt_daemon;
pub mod guard;
pub mod plan;
pub mod proc;
pub mod run;
pub mod shim;
pub mod tmux;
pub mod town;
pub mod wait;

pub use agents::Fake;
pub use controller::RunningController;
pub use gt_daemon::GtDaemon;
pub use plan::Plan;
pub use proc::{Life, Stopped};
pub use run::Ran;
pub use shim::{Mode, Shim};
pub use tmux::Session;
pub use town::TestTown;
pub use wait::SOON;
