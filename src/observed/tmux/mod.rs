//! Talking to tmux: one client process per command batch, always with a deadline, never through a shell.

mod client;
mod errors;
mod parse;
pub mod quote;

pub use crate::machine::{IDENTITY, Reply, Socket, TmuxError};
pub use crate::machine::{VERSION_MIN, Version};
pub use client::Tmux;
pub use errors::{Refusal, classify};
pub use parse::{Line, Malformed, SNAPSHOT_FORMAT, Snapshot, parse_environments, parse_snapshot};
