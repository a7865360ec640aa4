//! A machine that holds the bytes it is given: the doors to files and to tmux, without either.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gtctl::machine::{
    Call, CallError, Disk, FILE_SIZE_MAX, FileLock, Found, Listed, Machine, Part, ReadError, Reply, Script,
    Signal, Socket, TmuxError,
};
use gtctl::model::{BootId, ProcessId, Seen, Stamp, Why};

/// The town's root.
pub const ROOT: &str = "/town";

/// The pid of the tmux server of the kept answers.
pub const SERVER: i32 = 2422;

#[derive(Clone, Default)]
pub struct World {
    files: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    /// Whether its `/proc` cannot be read.
    is_blind: bool,
}

impl World {
    /// With one file of the town.
    pub fn with(self, relative: &str, bytes: &[u8]) -> Self {
        self.files.lock().unwrap().insert(Path::new(ROOT).join(relative), bytes.to_vec());
        self
    }

    /// Whose tmux gives this answer next.
    pub fn answering(self, code: Option<i32>, stdout: &str, stderr: &str) -> Self {
        let reply = Reply { code, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        self.replies.lock().unwrap().push_back(reply);
        self
    }

    /// Whose `/proc` cannot be read.
    pub fn blind(self) -> Self {
        Self { is_blind: true, ..self }
    }

    fn file(&self, path: &Path) -> Option<Vec<u8>> {
        self.files.lock().unwrap().get(path).cloned()
    }
}

/// Runs what never has to wait in this world.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("it waits for something");
}

/// A moment.
pub fn moment() -> Stamp {
    let wall = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(5000), wall }
}

impl Disk for World {
    fn read_text(&self, root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
        let Some(bytes) = self.file(&root.join(relative)) else { return Ok(None) };
        if bytes.len() as u64 > FILE_SIZE_MAX {
            return Err(ReadError::TooLarge);
        }
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|error| ReadError::NotUtf8 { offset: error.utf8_error().valid_up_to(), line: 1 })
    }

    fn is_there(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        Ok(self.file(&root.join(relative)).is_some())
    }

    fn home(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/home/me"))
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let files = self.files.lock().unwrap();
        files
            .keys()
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    fn directories(&self, directory: &Path) -> io::Result<BTreeSet<String>> {
        let files = self.files.lock().unwrap();
        let below = files.keys().filter_map(|path| path.strip_prefix(directory).ok());
        let first = below.filter(|path| path.components().count() > 1).filter_map(|path| path.iter().next());
        Ok(first.filter_map(|name| Some(name.to_str()?.to_owned())).collect())
    }

    fn is_locked(&self, _: &Path, _: &str) -> Result<bool, ReadError> {
        Ok(false)
    }

    fn is_directory(&self, path: &Path) -> Seen<bool> {
        let files = self.files.lock().unwrap();
        Seen::Known(files.keys().any(|file| file != path && file.starts_with(path)))
    }

    fn find_program(&self, program: &str, _: Option<&str>, _: &Path) -> (Seen<Option<PathBuf>>, String) {
        (Seen::Known(Some(Path::new("/bin").join(program))), "/bin".to_owned())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.file(path).ok_or(io::ErrorKind::NotFound)?;
        let start = bytes.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(bytes[start..].to_vec())
    }

    fn read_part(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Part> {
        let bytes = self.file(path).ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let until = from.saturating_add(usize::try_from(limit).unwrap()).min(bytes.len());
        Ok(Part { bytes: bytes[from..until].to_vec(), length: bytes.len() as u64 })
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn files(&self, directory: &Path) -> io::Result<BTreeMap<String, u64>> {
        let names = self.names(directory);
        Ok(names
            .into_iter()
            .map(|name| {
                (name.clone(), self.file(&directory.join(name)).map_or(0, |bytes| bytes.len() as u64))
            })
            .collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.lock().unwrap().remove(path).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn append(&self, path: &Path, bytes: &[u8], _: u64, _: &Path) -> io::Result<()> {
        self.files.lock().unwrap().entry(path.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }
}

/// Every pid is a process here that is the child of pid 2422, the server of the kept answers.
impl Machine for World {
    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::UTC
    }

    fn now(&self) -> Stamp {
        moment()
    }

    fn awake(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn draw(&self) -> u64 {
        4
    }

    async fn sleep(&self, _: Duration) {}

    fn own_pid(&self) -> i32 {
        7
    }

    async fn lock(&self, _: &Path, _: Duration) -> Result<FileLock, Why> {
        Ok(FileLock::simulated())
    }

    fn has_socket_file(&self, _: &Path) -> bool {
        true
    }

    fn started(&self, id: ProcessId) -> Duration {
        Duration::from_millis(id.start.saturating_mul(10))
    }

    fn memory_available(&self) -> Seen<u64> {
        Seen::Known(1024)
    }

    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        if self.is_blind && pid != SERVER {
            return Seen::unknown("too many open files");
        }
        Seen::Known((pid > 0).then_some(Found {
            id: ProcessId { pid, start: 1 },
            parent: SERVER,
            zombie: false,
        }))
    }

    fn children(&self, _: i32) -> Seen<Vec<i32>> {
        Seen::Known(Vec::new())
    }

    fn executable(&self, _: i32) -> Seen<Option<PathBuf>> {
        Seen::Known(Some(PathBuf::from("/bin/agent")))
    }

    fn arguments(&self, _: i32) -> Seen<Option<Vec<String>>> {
        Seen::Known(Some(vec!["agent".to_owned()]))
    }

    fn all(&self) -> Seen<Vec<Listed>> {
        Seen::Known(Vec::new())
    }

    fn environment(&self, _: i32, _: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        Seen::Known(Some(BTreeMap::new()))
    }

    fn input_is_terminal(&self, _: i32) -> Seen<Option<bool>> {
        Seen::Known(Some(false))
    }

    fn socket_is_bound(&self, _: &Path) -> Seen<bool> {
        Seen::Known(false)
    }

    fn signal(&self, _: ProcessId, _: Signal) -> Result<(), Why> {
        Ok(())
    }

    async fn ended(&self, ids: &[ProcessId], _: Duration) -> Vec<ProcessId> {
        ids.to_vec()
    }

    fn socket_path(&self, _: &Socket) -> PathBuf {
        PathBuf::from("/tmp/tmux-0/default")
    }

    async fn tmux(&self, _: &Socket, _: &Script, limit: Duration) -> Result<Reply, TmuxError> {
        self.replies.lock().unwrap().pop_front().ok_or(TmuxError::Timeout(limit))
    }

    async fn run_program(&self, call: &Call) -> Result<Reply, CallError> {
        let nothing = || CallError::NotFound(call.program.display().to_string());
        self.replies.lock().unwrap().pop_front().ok_or_else(nothing)
    }
}
