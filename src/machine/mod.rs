//! The machine: the one door through which time, chance, files, processes and tmux's text come in, and effects go out.
//!
//! [`ThisMachine`] is the one that gtctl runs on. The other one is simulated (`sim`): it hears the very same commands and answers the same
//! text, so everything behind this door, from the command lines to the parsers and the fences, is the same in both.

mod control;
mod direct;
mod disk;
pub mod ending;
mod own;
pub mod processes;
mod program;
mod this;
mod tmux;
mod version;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::model::{ProcessId, Seen, Stamp, TownId, Why};

pub use disk::{Disk, FILE_SIZE_MAX, Part, ReadError};
pub use processes::{Found, Listed};
pub use program::{Call, CallError};
pub use this::ThisMachine;
pub use tmux::{IDENTITY, Reply, Script, Socket, TmuxError};
pub use version::{VERSION_MIN, VERSION_OF_SAFE_CONTROL, Version};

/// What a program that may become a control client is started with; the client's own command line follows.
pub const LAUNCH: &[&str] = &["end-with-parent"];

/// Why a machine does not tell what gtctl costs.
const NOT_MEASURED: &str = "this machine does not measure what gtctl costs";

/// A file that is locked for as long as this lives.
#[derive(Debug)]
#[must_use = "the lock ends with it"]
pub struct FileLock(Option<std::fs::File>);

impl FileLock {
    /// The lock of a simulated file.
    pub fn simulated() -> Self {
        Self(None)
    }

    /// Whether the kernel holds it.
    pub fn is_real(&self) -> bool {
        self.0.is_some()
    }
}

/// A signal that gtctl sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Please end.
    Term,
    /// End.
    Kill,
    /// A child of yours has ended. tmux before 3.6 needs to be told now and then.
    Child,
}

/// A machine.
///
/// Processes are named by [`ProcessId`], never by a pid alone, wherever something is done to them.
pub trait Machine: Disk + Clone + Send + Sync + 'static {
    /// The moment; the only clock there is.
    fn now(&self) -> Stamp;

    /// How long it has been awake since it was booted: [`now`](Self::now) without the time asleep.
    fn awake(&self) -> Duration;

    /// Where this machine's clocks hang: the zone of local times.
    fn time_zone(&self) -> jiff::tz::TimeZone;

    /// A number that nobody can guess.
    fn draw(&self) -> u64;

    /// Waits.
    fn sleep(&self, length: Duration) -> impl Future<Output = ()> + Send;

    /// The pid of this very program.
    fn own_pid(&self) -> i32;

    /// When a process was started, as time since boot: what its [`ProcessId::start`] says in the unit of this machine.
    fn started(&self, id: ProcessId) -> Duration;

    /// How much memory programs can still have without others being swapped out, in MiB (`MemAvailable` of `/proc/meminfo`).
    fn memory_available(&self) -> Seen<u64>;

    /// How much CPU time this very program has used since it began: all its threads, user and system.
    fn cpu_used(&self) -> Seen<Duration> {
        Seen::unknown(NOT_MEASURED)
    }

    /// How much CPU time the programs have used that it has run, and what they have run and waited for; those that have not ended are not counted yet.
    fn cpu_of_programs(&self) -> Seen<Duration> {
        Seen::unknown(NOT_MEASURED)
    }

    /// How many programs it has run.
    fn programs_run(&self) -> Seen<u64> {
        Seen::unknown(NOT_MEASURED)
    }

    /// How much memory it has in use, in bytes: what is resident, with what it shares.
    fn memory_used(&self) -> Seen<u64> {
        Seen::unknown(NOT_MEASURED)
    }

    /// The process with this pid; `Known(None)` if there is none.
    fn find(&self, pid: i32) -> Seen<Option<Found>>;

    /// The children of a process, of all its threads; none if it is gone. Some may have ended and wait to be collected.
    fn children(&self, pid: i32) -> Seen<Vec<i32>>;

    /// The program that a process runs; `Known(None)` if it is gone.
    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>>;

    /// The arguments of a process; empty just after an exec, `Known(None)` if it is gone.
    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>>;

    /// All living processes; what lives while the table is read is in it.
    fn all(&self) -> Seen<Vec<Listed>>;

    /// What a process found in its environment when it was started, of these variables alone; `Known(None)` if it is gone.
    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>>;

    /// Whether a process has a terminal program's terminal for its input, also one that is gone; `Known(None)` if the process or its input is gone.
    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>>;

    /// Whether some process has a listening socket bound to this path, also if the file has been removed since.
    fn socket_is_bound(&self, path: &Path) -> Seen<bool>;

    /// Whether there is a socket's file at this path.
    fn has_socket_file(&self, path: &Path) -> bool;

    /// Sends a signal to this very process; nothing happens if it has ended.
    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why>;

    /// Waits until all have ended, but no longer than `limit`; those that are left.
    fn ended(&self, ids: &[ProcessId], limit: Duration) -> impl Future<Output = Vec<ProcessId>> + Send;

    /// Locks a file, which is made if it is not there, and waits for that no longer than `limit`; the lock ends with what is returned.
    fn lock(&self, path: &Path, limit: Duration) -> impl Future<Output = Result<FileLock, Why>> + Send;

    /// Where the file of a tmux server's socket is.
    fn socket_path(&self, socket: &Socket) -> PathBuf;

    /// Has tmux carry out a script, and waits for its answer, but no longer than `limit`.
    fn tmux(
        &self,
        socket: &Socket,
        script: &Script,
        limit: Duration,
    ) -> impl Future<Output = Result<Reply, TmuxError>> + Send;

    /// Whether tmux servers may be spoken to without running `tmux`, where that is known to come to the same. They may not, until this is said.
    fn speak_directly(&self, _wanted: bool) {}

    /// From now on keeps a client of tmux's for this town, where it can, so that nothing is forked for a script; whoever listens to `changed` hears when sessions
    /// come or go. Both are a help, and nothing rests on them. `since`: the oldest tmux for which it does so.
    fn keep_client(&self, _town: &TownId, _since: Version, _changed: UnboundedSender<()>) {}

    /// The server with this pid, of this version, has answered at `socket`: what depends on its version may begin. A client that is kept may take `limit` to join.
    fn met(&self, _socket: &Socket, _server: i32, _version: Version, _limit: Duration) {}

    /// Lets go of that client, and of what was made for it, but waits no longer than `limit`.
    fn leave_client(&self, _socket: &Socket, _limit: Duration) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Runs a program with an argv, never through a shell, and waits for its end, but no longer than its limit. What it started is ended with it
    /// if it is not done by then, or if nobody waits any more.
    fn run_program(&self, call: &Call) -> impl Future<Output = Result<Reply, CallError>> + Send;
}
