//! The machine that gtctl runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::control::{Keeper, Kept};
use super::{
    Call, CallError, Disk, FileLock, Found, Listed, Machine, Part, ReadError, Reply, Script, Signal, Socket,
    TmuxError, disk, pidfd, processes, program, tmux,
};
use crate::model::{BootId, ProcessId, Seen, Stamp, TownId, Why};

/// How soon a lock that somebody holds is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// The machine that gtctl runs on.
#[derive(Debug, Clone)]
pub struct ThisMachine {
    boot: BootId,
    kept: Kept,
}

impl ThisMachine {
    /// The machine that gtctl runs on, in this boot; on a system that does not tell its boots apart, none differs from another.
    pub fn new() -> Self {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot: BootId(id.trim().to_owned()), kept: Kept::default() }
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
        // Time since boot, also while asleep; the clock that process start times are told in.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let since_boot =
            Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
        Stamp { boot: self.boot.clone(), since_boot, wall: jiff::Timestamp::now() }
    }

    fn awake(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn draw(&self) -> u64 {
        let mut bytes = [0; 8];
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(_) => u64::from_le_bytes(bytes),
            // Never seen on a system that has booted; then the clock is unguessable enough for a label.
            Err(_) => u64::try_from(self.now().since_boot.as_nanos() & u128::from(u64::MAX)).unwrap_or(0),
        }
    }

    fn sleep(&self, length: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(length)
    }

    fn own_pid(&self) -> i32 {
        rustix::process::getpid().as_raw_pid()
    }

    fn ticks_per_second(&self) -> u64 {
        procfs::ticks_per_second()
    }

    fn memory_available(&self) -> Seen<u64> {
        use procfs::Current;
        match procfs::Meminfo::current() {
            Ok(procfs::Meminfo { mem_available: Some(bytes), .. }) => Seen::Known(bytes / (1024 * 1024)),
            Ok(_) => Seen::unknown("this kernel does not tell how much memory is available"),
            Err(error) => Seen::Unknown(Why::of(&error)),
        }
    }

    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        processes::find(pid)
    }

    fn children(&self, pid: i32) -> Seen<Vec<i32>> {
        processes::children(pid)
    }

    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>> {
        processes::executable(pid)
    }

    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>> {
        processes::arguments(pid)
    }

    fn all(&self) -> Seen<Vec<Listed>> {
        processes::all()
    }

    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        processes::environment(pid, names)
    }

    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>> {
        processes::input_is_terminal(pid)
    }

    fn socket_is_bound(&self, path: &Path) -> Seen<bool> {
        processes::socket_is_bound(path)
    }

    fn has_socket_file(&self, path: &Path) -> bool {
        path.exists()
    }

    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why> {
        pidfd::signal(id, signal).map_err(|errno| Why::of(&errno))
    }

    fn ended(&self, ids: &[ProcessId], limit: Duration) -> impl Future<Output = Vec<ProcessId>> + Send {
        pidfd::all_ended(ids.to_vec(), limit)
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
        let reply = tmux::client(socket, script, limit).await?;
        if reply.code == Some(0) {
            self.kept.join(socket, &path, limit);
        }
        Ok(reply)
    }

    fn keep_client(&self, town: &TownId, changed: UnboundedSender<()>) {
        // This very program, also when another one has taken its place on disk.
        let launcher = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"));
        self.kept.keep(Keeper { town: town.clone(), launcher, changed }, self.draw());
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
