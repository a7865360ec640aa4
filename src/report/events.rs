//! The event log: `daemon/gtctl/events.jsonl`, one JSON object a line, for a change and never for a state.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::Disk;
use crate::model::{Address, Evidence, Origin, Reason};

/// The log's name, below `daemon/gtctl/`.
pub const EVENTS_FILE: &str = "events.jsonl";

/// The log is renamed to `events.jsonl.1` when it has grown to this; two files are kept.
const LOG_SIZE_MAX: u64 = 8 * 1024 * 1024;

/// So much of the end of the log is looked at for what was told last: hundreds of events.
const TAIL_SIZE: u64 = 256 * 1024;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When.
    pub at: jiff::Timestamp,
    /// What kind of thing.
    pub kind: Kind,
    /// To whom; `None` for the town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Address>,
    /// What was done: `start`, `restart`, `kill`, `nudge`, `adopt`, `notify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// In words.
    pub text: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What that rested on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Which life of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something is about to be done.
    Step,
    /// What came of it.
    Outcome,
    /// Something is held back that was not, or for another reason.
    Held,
    /// An object runs that did not.
    Running,
    /// Somebody asked for something: a stop, a start, a restart, a nudge.
    Request,
    /// A ceiling refused a plan.
    Refusal,
    /// The files became wrong, or right again.
    Config,
    /// Many agents died together.
    MassDeath,
    /// The tmux server was lost, or another one took its place.
    Server,
    /// Clocks ran apart: the wall clock was set, the machine slept, or the controller was stopped.
    Clock,
    /// The controller started or ended.
    Controller,
}

impl Event {
    /// An event of the town.
    pub fn of_town(at: jiff::Timestamp, kind: Kind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            at,
            kind,
            object: None,
            action: None,
            text,
            reason: None,
            evidence: Vec::new(),
            origin: None,
            incarnation: None,
        }
    }
}

/// Appends to the log and rotates it.
#[derive(Debug, Clone)]
pub struct EventLog {
    path: PathBuf,
}

impl EventLog {
    /// The log in this directory, which is created when the first event is.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join(EVENTS_FILE) }
    }

    /// The last event of each object, of those that are near the end of the log. Best effort: what cannot be read is not there.
    pub fn tail(&self, disk: &dyn Disk) -> Vec<Event> {
        let text = disk.read(&self.path, TAIL_SIZE).unwrap_or_default();
        let events =
            text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok());
        let last: BTreeMap<Option<Address>, Event> =
            events.map(|event| (event.object.clone(), event)).collect();
        last.into_values().collect()
    }

    /// Appends events, each as one line.
    pub fn append(&self, disk: &dyn Disk, events: &[Event]) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for event in events {
            serde_json::to_writer(&mut lines, event)?;
            lines.push(b'\n');
        }
        disk.append(&self.path, &lines, LOG_SIZE_MAX, &self.path.with_extension("jsonl.1"))
    }
}

/// Reads the log, oldest first. Lines that make no sense, such as a torn last one, are passed over; of a file that is far larger than a
/// log grows, the end is read.
pub fn read(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let path = directory.join(EVENTS_FILE);
    for file in [path.with_extension("jsonl.1"), path] {
        match disk.read(&file, 2 * LOG_SIZE_MAX) {
            Ok(text) => {
                let lines = text.split(|byte| *byte == b'\n');
                events.extend(lines.filter_map(|line| serde_json::from_slice::<Event>(line).ok()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}
