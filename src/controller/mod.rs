//! The controller: what wakes it, the lock, the loop, the socket.
//!
//! [`Reconciler`] is one town being kept: it reads the files, looks, plans, records, acts and records again. [`once`] lets it work until
//! nothing is left to do, [`run`] for ever. Both hold the [`lock`], so there is one decider a town (law 5).

mod config;
mod ear;
mod lifecycle;
pub mod lock;
mod memory;
mod news;
pub mod once;
mod openings;
mod reconciler;
pub mod requests;
mod rhythm;
pub mod run;
pub mod socket;
mod watch;

pub use config::ConfigTrouble;
pub use reconciler::{Pass, Reconciler, World};
pub use rhythm::Rhythm;
