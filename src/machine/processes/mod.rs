//! What the system tells of processes. Gone is an answer; not being able to read is not (law 1).
//!
//! There are two ways to look: [`Linux`] reads `/proc`, [`Portable`] asks the crate `sysinfo`, which knows other systems. [`Here`] is the one that gtctl
//! uses. On Linux both are there, and one suite of tests holds both to the same promises (`tests/processes.rs`); where they differ is written in
//! `docs/portability.md`.

#[cfg(target_os = "linux")]
mod linux;
pub(in crate::machine) mod portable;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{ProcessId, Seen};

#[cfg(target_os = "linux")]
pub use linux::Linux;
pub use portable::Portable;

/// How gtctl looks at processes on this system.
#[cfg(target_os = "linux")]
pub type Here = Linux;
/// How gtctl looks at processes on this system.
#[cfg(not(target_os = "linux"))]
pub type Here = Portable;

/// How gtctl looks at processes on this system.
#[cfg(target_os = "linux")]
pub const HERE: Here = Linux;
/// How gtctl looks at processes on this system.
#[cfg(not(target_os = "linux"))]
pub const HERE: Here = Portable;

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The process.
    pub id: ProcessId,
    /// Its parent; 0 if it has none.
    pub parent: i32,
    /// Whether it has ended and only waits to be collected: dead, although `kill(pid, 0)` says otherwise.
    pub zombie: bool,
}

/// A living process, as the table of all of them has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The process.
    pub id: ProcessId,
    /// Its parent; 0 if it has none.
    pub parent: i32,
    /// Whether it belongs to the user that gtctl runs as.
    pub own: bool,
    /// Whether it leads a session: what a terminal was opened for, or who called `setsid`.
    pub leads: bool,
    /// Whether its session has a terminal that is open.
    pub terminal: Seen<bool>,
    /// What the system calls it: its program, on Linux cut to 15 bytes. Words for people, and a reason to leave it alone; never a proof.
    pub name: String,
}

impl Listed {
    /// Whether its session may have a terminal that is open, as far as can be told.
    pub fn may_have_a_terminal(&self) -> bool {
        self.terminal != Seen::Known(false)
    }
}

/// Somebody who can see processes.
///
/// A pid is a question here, never a name: what is done to a process is aimed at the [`ProcessId`] that came as an answer.
pub trait Observe: Copy + Send + Sync + 'static {
    /// The process with this pid; `Known(None)` if there is none.
    fn find(&self, pid: i32) -> Seen<Option<Found>>;

    /// When a process was started, as time since boot: what its [`ProcessId::start`] says in the unit of this system.
    fn started(&self, id: ProcessId) -> Duration;

    /// The children of a process, of all its threads; none if it is gone. Some may have ended and wait to be collected.
    fn children(&self, pid: i32) -> Seen<Vec<i32>>;

    /// The program that a process runs; `Known(None)` if it is gone.
    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>>;

    /// The arguments of a process, without empty ones; `Known(None)` if it is gone.
    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>>;

    /// All living processes. What ends while the table is read may be missing, what lives all the time is not; but those of other users may be hidden.
    fn all(&self) -> Seen<Vec<Listed>>;

    /// What a process found in its environment when it was started, of these variables alone: others may be secrets. `Known(None)` if it is gone.
    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>>;

    /// Whether a process has a terminal of a terminal program for its input, be that still there or not: who loses such a terminal keeps it open.
    /// `Known(None)` if the process or its input is gone.
    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>>;

    /// Whether some process has a listening socket bound to this path, also if the file has been removed since.
    fn socket_is_bound(&self, path: &Path) -> Seen<bool>;

    /// The paths in this directory that sockets are bound to, whether or not the files are still there.
    fn bound_in(&self, _directory: &Path) -> Seen<BTreeSet<PathBuf>> {
        Seen::unknown("this system does not tell which sockets are bound")
    }

    /// The processes that have this file open, also if it has been removed since; those of other users, who do not show it, are not among them.
    fn having_open(&self, _path: &Path) -> Seen<Vec<ProcessId>> {
        Seen::unknown("this system does not tell who has a file open")
    }

    /// The control group of a process in systemd's tree, for example `/user.slice/…/gtctl.service`; `Known(None)` if it is gone or in none.
    fn control_group(&self, _pid: i32) -> Seen<Option<String>> {
        Seen::unknown("this system has no control groups")
    }

    /// Who holds a lock on the file with this inode; `Known(None)` if nobody does.
    fn lock_holder(&self, _inode: u64) -> Seen<Option<i32>> {
        Seen::unknown("this system does not tell who holds a lock")
    }

    /// How much memory processes can still have without others being swapped out, in MiB.
    fn memory_available(&self) -> Seen<u64>;

    /// How much memory a process has in use, in bytes: what is resident, with what it shares; `Known(None)` if it is gone.
    fn memory(&self, pid: i32) -> Seen<Option<u64>>;

    /// How much CPU time the children of a process have used that it has collected, with theirs; `Known(None)` if it is gone.
    fn cpu_of_children(&self, _pid: i32) -> Seen<Option<Duration>> {
        Seen::unknown("this system does not tell what CPU time the children of a process have used")
    }

    /// Whether this very process lives: same pid, same start time, not ended.
    fn is_alive(&self, id: ProcessId) -> Seen<bool> {
        self.find(id.pid).map(|found| found.is_some_and(|found| found.id == id && !found.zombie))
    }
}

#[cfg(target_os = "linux")]
const KIBIBYTE: u64 = 1024;
const MEBIBYTE: u64 = 1024 * 1024;

/// Of the lines of an environment, what was asked for. A name that is there twice has the value that `getenv` finds, the first one.
fn of_names<'a>(lines: impl IntoIterator<Item = &'a [u8]>, names: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = line.split_at(at);
        if let Some(name) = names.iter().find(|wanted| wanted.as_bytes() == name)
            && let Ok(value) = str::from_utf8(value.get(1..).unwrap_or_default())
        {
            found.entry((*name).to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    found
}

/// The arguments as text; unknown if one of them is none.
fn as_texts<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Seen<Vec<String>> {
    let texts = arguments.into_iter().map(|argument| argument.to_str().map(str::to_owned));
    match texts.collect() {
        Some(texts) => Seen::Known(texts),
        None => Seen::unknown("an argument is not UTF-8"),
    }
}
