//! The machine that gtctl runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::UnboundedSender;

use super::control::{Keeper, Kept};
use super::direct::Direct;
use super::ending::{self, Ending};
use super::processes::{self, Observe};
use super::{
    Call, CallError, Disk, FileLock, Found, Listed, Machine, Part, ReadError, Reply, Script, Signal, Socket,
    TmuxError, Version, disk, own, program, tmux,
};
use crate::model::{BootId, ProcessId, Seen, Stamp, TownId, Why};

/// How soon a lock that somebody holds is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// The clock of time since boot, also while asleep: the one that the start times of processes are told in.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
/// The clock of time since boot. Where there is but one such clock, time asleep is not told from time awake.
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The machine that gtctl runs on.
#[derive(Debug, Clone)]
pub struct ThisMachine {
    boot: BootId,
    kept: Kept,
    direct: Direct,
    launcher: Option<PathBuf>,
}

impl ThisMachine {
    /// The machine that gtctl runs on, in this boot; on a system that does not tell its boots apart, none differs from another.
    pub fn new() -> Self {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot: BootId(id.trim().to_owned()),
            kept: Kept::default(),
            direct: Direct::default(),
            launcher: None,
        }
    }

    /// The same machine with a gtctl that makes control clients end with this process ([`LAUNCH`](super::LAUNCH)).
    pub fn launching_with(self, gtctl: PathBuf) -> Self {
        Self { launcher: Some(gtctl), ..self }
    }

    /// What the installed tmux says of its version; `None` if it fails to tell.
    pub async fn tmux_version(limit: Duration) -> Result<Option<String>, TmuxError> {
        tmux::version(limit).await
    }
}

impl Default for ThisMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for ThisMachine {
    fn read_text(&self, root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
        disk::read_text(root, relative)
    }

    fn is_there(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        disk::is_there(root, relative)
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn directories(&self, directory: &Path) -> io::Result<BTreeSet<String>> {
        disk::directories(directory)
    }

    fn files(&self, directory: &Path) -> io::Result<BTreeMap<String, u64>> {
        disk::files(directory)
    }

    fn is_locked(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        disk::is_locked(root, relative)
    }

    fn is_directory(&self, path: &Path) -> Seen<bool> {
        disk::is_directory(path)
    }

    fn find_program(
        &self,
        program: &str,
        search: Option<&str>,
        directory: &Path,
    ) -> (Seen<Option<PathBuf>>, String) {
        let path = search.map(OsString::from).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let found = match which::which_in(program, Some(&path), directory) {
            Ok(found) => Seen::Known(Some(found)),
            Err(which::Error::CannotFindBinaryPath) => Seen::Known(None),
            Err(error) => Seen::unknown(format!("{program}: {error}")),
        };
        (found, path.to_string_lossy().into_owned())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        disk::read(path, limit)
    }

    fn read_part(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Part> {
        disk::read_part(path, offset, limit)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        disk::replace(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8], limit: u64, aside: &Path) -> io::Result<()> {
        disk::append(path, bytes, limit, aside)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

impl Machine for ThisMachine {
    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::system()
    }

    fn now(&self) -> Stamp {
        Stamp { boot: self.boot.clone(), since_boot: read(SINCE_BOOT), wall: jiff::Timestamp::now() }
    }

    fn awake(&self) -> Duration {
        read(ClockId::Monotonic)
    }

    fn draw(&self) -> u64 {
        // Never seen to fail on a system that has booted; then the clock is unguessable enough for a label.
        getrandom::u64().unwrap_or_else(|_| {
            u64::try_from(read(SINCE_BOOT).as_nanos() & u128::from(u64::MAX)).unwrap_or(0)
        })
    }

    fn sleep(&self, length: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(length)
    }

    fn own_pid(&self) -> i32 {
        own::pid()
    }

    fn started(&self, id: ProcessId) -> Duration {
        processes::HERE.started(id)
    }

    fn memory_available(&self) -> Seen<u64> {
        processes::HERE.memory_available()
    }

    fn cpu_used(&self) -> Seen<Duration> {
        Seen::Known(own::cpu_used())
    }

    fn cpu_of_programs(&self) -> Seen<Duration> {
        own::cpu_of_programs()
    }

    fn programs_run(&self) -> Seen<u64> {
        Seen::Known(own::programs_run())
    }

    fn memory_used(&self) -> Seen<u64> {
        own::memory_used()
    }

    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        ending::HERE.living(pid).map_or_else(|| processes::HERE.find(pid), |found| Seen::Known(Some(found)))
    }

    fn children(&self, pid: i32) -> Seen<Vec<i32>> {
        processes::HERE.children(pid)
    }

    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>> {
        processes::HERE.executable(pid)
    }

    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>> {
        processes::HERE.arguments(pid)
    }

    fn all(&self) -> Seen<Vec<Listed>> {
        processes::HERE.all()
    }

    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        processes::HERE.environment(pid, names)
    }

    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>> {
        processes::HERE.input_is_terminal(pid)
    }

    fn socket_is_bound(&self, path: &Path) -> Seen<bool> {
        processes::HERE.socket_is_bound(path)
    }

    fn has_socket_file(&self, path: &Path) -> bool {
        path.exists()
    }

    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why> {
        ending::HERE.signal(id, signal)
    }

    fn ended(&self, ids: &[ProcessId], limit: Duration) -> impl Future<Output = Vec<ProcessId>> + Send {
        ending::HERE.ended(ids, limit)
    }

    async fn lock(&self, path: &Path, limit: Duration) -> Result<FileLock, Why> {
        let begun = std::time::Instant::now();
        let failed = |error: io::Error| Why::new(format!("{}: {error}", path.display()));
        let file = disk::open_lock(path).map_err(failed)?;
        while !disk::try_lock(&file).map_err(failed)? {
            if begun.elapsed() >= limit {
                return Err(Why::new(format!("{} is held by another process", path.display())));
            }
            tokio::time::sleep(LOCK_AGAIN).await;
        }
        Ok(FileLock(Some(file)))
    }

    fn socket_path(&self, socket: &Socket) -> PathBuf {
        let tmpdir = std::env::var_os("TMUX_TMPDIR").map(PathBuf::from);
        socket.path(tmpdir.as_deref())
    }

    async fn tmux(&self, socket: &Socket, script: &Script, limit: Duration) -> Result<Reply, TmuxError> {
        let path = self.socket_path(socket);
        match self.kept.ask(socket, &path, script, limit).await {
            // What changes nothing may be asked once more, and then the answer is what any other client would get.
            None => {}
            Some(Err(TmuxError::Lost)) if script.only_reads() => {}
            Some(answer) => return answer,
        }
        match self.direct.ask(&path, script, limit).await {
            None => {}
            Some(Err(TmuxError::Lost)) if script.only_reads() => {}
            Some(answer) => return answer,
        }
        let answer = tmux::client(socket, script, limit).await;
        if let Ok(reply) = &answer
            && script.only_reads()
        {
            self.direct.prove(&path, script, reply, limit).await;
        }
        answer
    }

    fn speak_directly(&self, wanted: bool) {
        self.direct.want(wanted);
    }

    fn keep_client(&self, town: &TownId, since: Version, changed: UnboundedSender<()>) {
        let keeper = Keeper { town: town.clone(), since, launcher: self.launcher.clone(), changed };
        self.kept.keep(keeper, self.draw());
    }

    fn met(&self, socket: &Socket, server: i32, version: Version, limit: Duration) {
        self.direct.met(server, version);
        self.kept.join(socket, &self.socket_path(socket), version, limit);
    }

    async fn leave_client(&self, socket: &Socket, limit: Duration) {
        if let Some(session) = self.kept.leave(limit).await {
            // Nobody is left to hear whether it was there.
            let _ =
                tmux::client(socket, &Script::acting(&[format!("kill-session -t ={session}")]), limit).await;
        }
    }

    async fn run_program(&self, call: &Call) -> Result<Reply, CallError> {
        program::run(call).await
    }
}
