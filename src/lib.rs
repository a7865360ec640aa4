//! gtctl keeps a Gas Town running the way its files say.
//!
//! Data moves down this list; a module may use those above it, never those below.
//!
//! | room | holds | may touch |
//! |---|---|---|
//! | [`model`] | addresses, incarnations, times, reasons | nothing |
//! | [`machine`] | the one door to the outside: time, chance, files, processes, tmux's text | everything |
//! | [`town`] | locating a town; its files, read with positions; editing `town.toml` | files |
//! | [`desired`] | files to graph; holds with their origins | nothing |
//! | [`observed`] | the snapshot, and reading it | tmux, `/proc`, files |
//! | [`ledger`] | memory, backoff, crash loops | one file |
//! | [`mod@plan`] | the pure function that decides | nothing |
//! | [`act`] | carrying a plan out | tmux, signals |
//! | [`report`] | words, JSON, diagnostics, events, recordings | the event log, recordings |
//! | [`controller`] | what wakes it, the lock, the loop, the socket | all above |
//! | [`sim`] | a simulated world behind the same door, with all its accidents | nothing |
//! | [`cli`] | one file a verb | all above |
//! | [`sim`] | a simulated world behind the same door | nothing |
//!
//! The path of the data: `town.toml` and gt's files → [`desired::Desired`]; tmux and processes → [`observed::Observed`]; what happened
//! before → [`ledger::Ledger`]; these three → [`plan::plan()`] → [`plan::Plan`], which is printed, or carried out step by step; what came of
//! it → ledger and event log.

pub mod act;
pub mod cli;
pub mod controller;
pub mod desired;
pub mod ledger;
pub mod machine;
pub mod model;
pub mod observed;
pub mod plan;
pub mod report;
pub mod sim;
pub mod town;
