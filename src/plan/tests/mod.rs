//! What `plan()` promises: tables for each rule, then the laws over random worlds.

mod asked;
mod boot;
pub(crate) mod builders;
mod ceilings;
mod employed;
mod holds;
mod laws;
mod opening;
mod order;
mod orphans;
mod ownership;
mod poke;
mod polecats;
mod raw;
mod restraint;
mod seats;
mod starts;
mod states;
mod stuck;
mod survivors;
mod tables;
mod unmanaged;
mod wake;
mod words;
pub(crate) mod worlds;
