//! One control-mode client of tmux that stays: commands go in as lines, answers and notices come out, and nothing is forked for them.
//!
//! It is a faster way to the same answers as a client for each script ([`super::tmux`]), and nothing rests on it: where there is none, or where it is not
//! known to speak to the server that others would reach at the socket, a client is run for each script. What is sent twice could be done twice, so what was
//! sent through a connection that broke is not sent again: its answer is lost, and the next look tells.
//!
//! - [`blocks`] takes its output apart.
//! - [`client`] is one client: questions, answers, and its end.
//! - [`kept`] has at most one, makes it anew when it is lost, and leaves nothing behind.

mod blocks;
mod client;
mod kept;

pub use kept::{Keeper, Kept};
