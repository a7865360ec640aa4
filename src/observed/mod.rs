//! Observed: one look at what runs.
//!
//! [`Wants`] says what a look is for; [`Look`] takes it and returns one consistent [`Observed`]. The real one is [`host::Host`]: a single
//! `tmux` command for all sessions and panes, then `/proc` for the processes below ours. Each part is known or unknown on its own
//! (law 1); nothing here decides anything.

pub mod beads;
mod heartbeats;
pub mod host;
pub mod mail;
pub mod places;
pub mod processes;
pub mod screen;
mod snapshot;
pub mod tmux;
pub mod work;

pub use screen::Screen;
pub use snapshot::{
    Claim, HeartbeatWanted, Life, Observed, Pane, PastProcess, Place, PlaceWanted, Server, ServerUp, Session,
    Wants,
};
pub use work::Work;

/// The eye: takes one look at the world.
pub trait Look {
    /// Looks once. Never fails as a whole: what could not be seen is unknown in the answer.
    fn look(&self, wants: &Wants) -> impl Future<Output = Observed> + Send;

    /// The moment; the only clock there is.
    fn now(&self) -> crate::model::Stamp;
}
