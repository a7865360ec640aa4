//! Speaks to a tmux server in tmux's own protocol, without running `tmux`: a question costs a fifth of a millisecond in the place of some, and forks nothing.
//!
//! The protocol is version 8 (`tmux-protocol.h`), the one of all versions since 2.1; what is used of it is what tmux 3.2 and later send for `tmux source-file -`
//! with no terminal. A server that speaks another version says so and hangs up. It is tmux's own affair all the same, so nothing rests on it:
//!
//! - The server at a socket is spoken to directly only after it has answered a question that changes nothing with exactly what `tmux` was told.
//! - Whenever it cannot be reached, or is another one now, `tmux` is run, and what `tmux` says counts.
//! - What was sent twice could be done twice: after a connection that broke in between, an act is not sent again. Its answer is lost, and the next look tells.
//!
//! - [`message`] makes messages and takes them apart.
//! - [`exchange`] has one script carried out.
//! - [`proven`] knows which server may be spoken to.

mod exchange;
mod message;
mod proven;

pub use proven::Direct;
