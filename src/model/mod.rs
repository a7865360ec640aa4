//! Plain data that every room speaks: addresses, incarnations, times, reasons. Nothing here reads a clock or a file.

mod address;
mod excerpt;
mod incarnation;
mod label;
mod period;
mod position;
mod ready;
mod reason;
mod seen;
mod time;

pub use address::{Address, BadAddress, BadName, NAME_LENGTH_MAX, Name, RESERVED_NAMES, Role};
pub use excerpt::{excerpt, printable, some_of};
pub use incarnation::{
    BadId, BadMarker, Exit, Incarnation, IncarnationId, Marker, PaneId, ProcessId, SessionId, SpecHash,
    TownId,
};
pub use label::Label;
pub use period::{BadPeriod, Period};
pub use position::{Origin, Position};
pub use ready::{NOW, Ready, Words};
pub use reason::{Evidence, Reason};
pub use seen::{Seen, Why};
pub(crate) use time::seconds;
pub use time::{BootId, Stamp};
