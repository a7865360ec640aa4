//! One life of an object, and the proof that it is ours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Address;

/// A process that cannot be mistaken for another: its pid and its start time. A pid alone is reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid.
    pub pid: i32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

/// tmux's `$7`. Unique for the life of one server; restarts at `$0` with the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

/// tmux's `%12`. Unique for the life of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaneId(pub u32);

impl fmt::Display for PaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// A town, told apart from every other on the machine: the first 12 hex digits of the SHA-256 of its real path.
///
/// The path and not a stored id: a copied town directory must not claim the sessions of the original.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TownId([u8; ID_LENGTH]);

/// The hash of what an object was started from (command, environment, directory); a changed spec has another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpecHash([u8; ID_LENGTH]);

/// Names one life of one object. Drawn at random when it is started.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncarnationId([u8; ID_LENGTH]);

/// Digits of an id.
const ID_LENGTH: usize = 12;

/// A text that is not 12 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not made of {ID_LENGTH} hex digits", .0.escape_debug())]
pub struct BadId(String);

macro_rules! hex_id {
    ($name:ident) => {
        impl $name {
            /// Takes the first digits of a hex text; `None` if it is shorter or not lower-case hex.
            pub fn from_hex(hex: &str) -> Option<Self> {
                let digits = hex.as_bytes().first_chunk()?;
                digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(*digits))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                // Hex digits are text.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::from_hex(&text).filter(|_| text.len() == ID_LENGTH).ok_or(BadId(text))
            }
        }
    };
}
hex_id!(TownId);
hex_id!(SpecHash);
hex_id!(IncarnationId);

impl IncarnationId {
    /// What a life is called that nobody has labelled.
    pub fn of_process(process: ProcessId) -> Self {
        let digits = format!("{:06x}{:06x}", process.pid & 0xff_ffff, process.start & 0xff_ffff);
        Self::from_hex(&digits).unwrap_or_else(|| unreachable!("12 hex digits"))
    }
}

/// The label on a session that ties it to a town, an object and an incarnation: `TOWN.ADDRESS.INCARNATION`, kept in the
/// session's user option `@gtctl`. A dot cannot be part of a name, so the text splits one way only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Marker {
    /// The town it belongs to.
    pub town: TownId,
    /// The object it is a life of.
    pub address: Address,
    /// Which life.
    pub incarnation: IncarnationId,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.town, self.address, self.incarnation)
    }
}

impl FromStr for Marker {
    type Err = BadMarker;

    fn from_str(text: &str) -> Result<Self, BadMarker> {
        let bad = || BadMarker(text.to_owned());
        let mut parts = text.splitn(3, '.');
        let (Some(town), Some(address), Some(life)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let marker = Self {
            town: TownId::from_hex(town).ok_or_else(bad)?,
            address: address.parse().map_err(|_| bad())?,
            incarnation: IncarnationId::from_hex(life).ok_or_else(bad)?,
        };
        if marker.to_string() == text { Ok(marker) } else { Err(bad()) }
    }
}

impl From<Marker> for String {
    fn from(marker: Marker) -> Self {
        marker.to_string()
    }
}

impl TryFrom<String> for Marker {
    type Error = BadMarker;
    fn try_from(text: String) -> Result<Self, BadMarker> {
        text.parse()
    }
}

/// A text that is not a [`Marker`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a gtctl marker", .0.escape_debug())]
pub struct BadMarker(String);

/// One life of an object: enough to act on it and on nothing else (law 3).
#[derive(Debug, Clone, PartialEq, Hash, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// The tmux server it lives in.
    pub server: ProcessId,
    /// Its session.
    pub session: SessionId,
    /// The pane its agent was started in.
    pub pane: PaneId,
    /// The pane's process.
    pub process: ProcessId,
    /// Its label.
    pub marker: Marker,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Hash, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// Status zero.
    pub fn is_clean(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_and_nothing_else_reads_as_one() {
        let text = "0123456789ab.gastown/crew/max.ba9876543210";
        assert_eq!(text.parse::<Marker>().map(|m| m.to_string()), Ok(text.to_owned()));
        for bad in [
            "",
            "x",
            "0123456789ab.mayor",
            "0123456789ab.mayor.zz",
            "0123456789ab.mayor.ba9876543210.",
            "0123456789AB.mayor.ba9876543210",
        ] {
            assert!(bad.parse::<Marker>().is_err(), "{bad:?}");
        }
    }
}
