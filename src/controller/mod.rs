//! The controller: what wakes it, the lock, the loop, the socket.
//!
//! [`Reconciler`] is one town being kept: it reads the files, looks, plans, records, acts and records again. [`once`] lets it work until
//! nothing is left to do, [`run`] for ever. Both hold the [`lock`], so there is one decider a town (law 5).

mod asking;
mod beads;
mod boot;
mod config;
mod convoys;
pub mod cost;
mod ear;
mod feed;
mod hearing;
mod heart;
pub mod holder;
pub mod identity;
mod lifecycle;
pub mod lock;
pub mod mail;
mod memory;
mod news;
pub mod once;
mod openings;
mod orders;
mod orphans;
mod parts;
mod reconciler;
pub mod requests;
mod rhythm;
pub mod run;
mod sight;
pub mod socket;
mod supervisor;
mod transport;
mod watch;
mod work;
mod world;

pub use beads::BEADS_FILE;
pub use config::ConfigTrouble;
pub use reconciler::{Pass, Reconciler};
pub use rhythm::Rhythm;
pub use world::World;
