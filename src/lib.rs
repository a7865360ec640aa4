//! gtctl keeps a Gas Town running the way its files say.
//!
//! Data moves down this list; a module may use those above it, never those below.
//!
//! | room | holds | may touch |
//! |---|---|---|
//! | [`model`] | addresses, incarnations, times, reasons | nothing |
//! | [`town`] | locating a town; its files, read with positions; editing `town.toml` | files |
//! | [`desired`] | files to graph; holds with their origins | nothing |
//! | [`observed`] | the snapshot, and reading it | tmux, `/proc`, files |
//! | [`ledger`] | memory, backoff, crash loops | one file |
//! | [`mod@plan`] | the pure function that decides | nothing |
//! | [`act`] | carrying a plan out | tmux, signals |
//! | [`report`] | words, JSON, diagnostics, events | the event log |
//! | [`controller`] | what wakes it, the lock, the loop, the socket | all above |
//! | [`cli`] | one file a verb | all above |
//!
//! The path of the data: `town.toml` and gt's files → [`desired::Desired`]; tmux and processes → [`observed::Observed`]; what happened
//! before → [`ledger::Ledger`]; these three → [`plan::plan()`] → [`plan::Plan`], which is printed, or carried out step by step; what came of
//! it → ledger and event log.

pub mod act;
pub mod cli;
pub mod controller;
pub mod desired;
pub mod ledger;
pub mod model;
pub mod observed;
pub mod plan;
pub mod report;
pub mod town;
