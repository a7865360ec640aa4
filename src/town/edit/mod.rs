//! Editing `town.toml` for people: park, dock and their opposites. First the text is changed, which can be shown and
//! refused; then it is written, if the file still says what was read.

mod rig_state;
mod splice;
mod write;

pub use rig_state::set_rig_state;
pub use write::write_edit;

#[cfg(test)]
mod tests;

use std::io;

/// Why an edit was not made. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML to begin with.
    #[error("town.toml:{line}: {message}; mend it first, `gtctl check` shows how")]
    Syntax {
        /// The line, from 1.
        line: u32,
        /// What the parser says.
        message: String,
    },
    /// `rigs`, or the rig below it, is no table.
    #[error("`{0}` in town.toml is not a table; mend it first, `gtctl check` shows how")]
    NotATable(String),
    /// TOML cannot write this moment.
    #[error("{0} is too far away for town.toml")]
    Moment(jiff::Timestamp),
    /// The edit would have changed something else as well.
    #[error("town.toml writes rig `{0}` in a way that gtctl cannot change safely; edit the file by hand")]
    Unsafe(String),
    /// Somebody else wrote the file in the meantime.
    #[error("town.toml has changed since it was read; look at it, and try again")]
    Changed,
    /// Another gtctl is editing.
    #[error("another gtctl is editing town.toml (it holds {lock}); try again")]
    Locked {
        /// The lock file, relative to the town.
        lock: String,
    },
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The operating system refused.
    #[error("cannot {what}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}
