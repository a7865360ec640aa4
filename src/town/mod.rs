//! A town on disk: where it is, what its files say and where exactly they say it, and the one file gtctl edits.
//!
//! A path comes in and is located; each file is read whole or refused ([`source`]), parsed with the place of every value
//! ([`positions`]), and checked; every mistake of every file leaves as a [`Diagnostic`], all at once. What comes out is
//! [`TownFiles`]: plain data that has not yet been weighed against each other. That is the next room's work.

pub(crate) mod closest;
pub mod diagnostic;
pub mod edit;
pub mod files;
pub mod locate;
pub mod positions;
pub mod schema;
pub mod source;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use edit::{EditError, set_rig_state, write_edit};
pub use files::{
    AutoRestart, DaemonFile, DisabledPatrol, DisabledPatrols, Patrol, RigEntry, RigsFile, Starts, Stop,
    Stops, Town, TownFiles, Wisp, WispStatus, read_all,
};
pub use locate::{LocateError, TownRoot, Where, locate};
pub use positions::Positions;
pub use source::Source;
