//! Simulated tmux servers. They hear the text that a `tmux` client would send and answer the text that tmux 3.3a would answer; the test
//! `conformance` holds them against the real one.
//!
//! - [`lex`]: words, quotes, braces; `command` and `table`: names, flags, arguments.
//! - `target` and `finder`: what `-t` names; `format` and `values`: `#{…}`.
//! - `server`: sessions, windows, panes; `life`: how they come and go; `options`.
//! - `run`: one client; `sessions`, `panes`, `settings`, `lists`: its commands.
//! - [`SimTmux`]: all servers of a machine, and what befalls them from outside.
//!
//! What is not modelled is never guessed at: it fails as an unknown command does, or is empty, and is kept in [`SimTmux::unmodelled`].

mod command;
mod finder;
mod format;
mod lex;
mod life;
mod lists;
mod machine;
mod options;
mod panes;
mod pattern;
mod run;
mod server;
mod sessions;
mod settings;
mod table;
mod target;
mod values;

#[cfg(test)]
mod tests;

pub use machine::{PaneSeen, SimTmux};
