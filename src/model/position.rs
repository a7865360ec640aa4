//! Where something was asked for: a file, a line, a column.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a file of the town, as `town.toml:14:9`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The file, relative to the town's root.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Who asked for something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A line of a file.
    At(Position),
    /// The existence, or the lock, of a whole file (`ESTOP`, `daemon/shutdown.lock`).
    File(String),
    /// Somebody's request, by hand or by mail: who asked.
    Request(String),
    /// A bead, by its id.
    Bead(String),
    /// No file says anything else.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(position) => position.fmt(f),
            Self::File(file) => f.write_str(file),
            Self::Bead(id) => write!(f, "bead {id}"),
            Self::Request(by) => write!(f, "asked for by {by}"),
            Self::Default => f.write_str("built-in default"),
        }
    }
}
