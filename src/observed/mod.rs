//! Observed: one look at what runs.
//!
//! [`Wants`] says what a look is for; [`Look`] takes it and returns one consistent [`Observed`]. The real one is [`host::Host`]: a single
//! `tmux` command for all sessions and panes, then `/proc` for the processes below ours. Each part is known or unknown on its own
//! (law 1); nothing here decides anything.

mod activity;
pub mod beads;
mod heartbeats;
pub mod host;
mod limit;
pub mod mail;
pub mod orphans;
pub mod places;
pub mod processes;
pub mod screen;
mod snapshot;
pub mod tmux;
pub mod work;

use crate::model::Seen;
pub use limit::{UsageLimit, usage_limit};
pub use orphans::{Above, Orphan, Terminal};
pub use screen::Screen;
pub use snapshot::{
    Claim, HeartbeatWanted, LastWords, Life, Observed, Pane, PastProcess, Place, PlaceWanted, Server,
    ServerUp, Session, Wants,
};
pub use work::Work;

/// The eye: takes one look at the world.
pub trait Look {
    /// Looks once. Never fails as a whole: what could not be seen is unknown in the answer.
    fn look(&self, wants: &Wants) -> impl Future<Output = Observed> + Send;

    /// Searches the process table for what is of this town and was not shown by the look before. A search comes after its look: who is in no pane of that and
    /// lives on is in the table.
    fn search(&self, wants: &Wants, server: &Server) -> Seen<Vec<orphans::Orphan>>;

    /// The moment; the only clock there is.
    fn now(&self) -> crate::model::Stamp;
}
