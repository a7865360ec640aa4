//! A simulated machine, seen from one controller: the same door as the real one ([`crate::machine`]), with a world of values behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::clock::TICKS_PER_SECOND;
use super::fate::{Fate, Fates, Point};
use super::processes::Process;
use super::world::{Actor, Deed, World, after_env, executable_of};
use crate::machine::{
    Call, CallError, Disk, FileLock, Found, Listed, Machine, Part, ReadError, Reply, Script, Signal, Socket,
    TmuxError,
};
use crate::model::{ProcessId, Seen, Stamp, Why};

/// How long a tmux client takes, without trouble.
pub const CLIENT: Duration = Duration::from_millis(2);

/// Where tmux keeps its sockets.
pub const SOCKETS: &str = "/tmp/tmux-0";

/// A world that several hold, and what happens to those who reach into it.
#[derive(Debug)]
pub struct Shared {
    /// The world.
    pub world: World,
    /// What becomes of each thing that a controller does.
    pub fates: Fates,
    /// What controllers have brought about since somebody last looked here, each with the controller's pid.
    pub deeds: Vec<(i32, Deed)>,
    /// How long a tmux client takes.
    pub client_takes: Duration,
    /// What the last future that was polled waits for.
    pub waiting: Wait,
    /// The last answer that each controller had to a look.
    earlier: BTreeMap<i32, Reply>,
}

/// What a future waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wait {
    /// Nothing: it can go on at once.
    #[default]
    Nothing,
    /// A moment since boot, or the end of all of these processes.
    Until {
        /// The moment.
        moment: Duration,
        /// The processes; none if only the moment counts.
        ended: Vec<ProcessId>,
    },
    /// Nothing that will ever come: its controller is dead.
    Never,
}

impl Shared {
    /// A world without trouble.
    pub fn new(world: World) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            world,
            fates: Fates::default(),
            deeds: Vec::new(),
            client_takes: CLIENT,
            waiting: Wait::Nothing,
            earlier: BTreeMap::new(),
        }))
    }

    /// Whether a future that waits for this can go on.
    pub fn is_over(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Nothing => true,
            Wait::Never => false,
            Wait::Until { moment, ended } => {
                let all_ended = !ended.is_empty() && !ended.iter().any(|id| self.world.is_alive(*id));
                all_ended || self.world.clock.since_boot() >= *moment
            }
        }
    }
}

/// A simulated machine, seen from one controller.
#[derive(Debug, Clone)]
pub struct SimMachine {
    shared: Arc<Mutex<Shared>>,
    pid: i32,
}

impl SimMachine {
    /// The machine as the controller with this pid sees it.
    pub fn new(shared: Arc<Mutex<Shared>>, pid: i32) -> Self {
        Self { shared, pid }
    }

    /// The world, for as long as nobody else needs it.
    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        // A test that panicked while it held the world has failed already.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody else go first, if they like.
    pub(super) fn turn(&self) -> impl Future<Output = ()> + Send {
        let mut asked = false;
        poll_fn(move |_| {
            let mut shared = self.shared();
            if asked && !shared.fates.is_dead(self.pid) {
                return Poll::Ready(());
            }
            asked = true;
            shared.waiting = if shared.fates.is_dead(self.pid) { Wait::Never } else { Wait::Nothing };
            Poll::Pending
        })
    }

    /// Waits until a moment, or until all of `ids` have ended, if there are any.
    pub(super) fn wait(
        &self,
        length: Duration,
        ids: Vec<ProcessId>,
    ) -> impl Future<Output = Vec<ProcessId>> + Send {
        let moment = self.shared().world.clock.since_boot() + length;
        let boot = self.shared().world.clock.boot();
        poll_fn(move |_| {
            let mut shared = self.shared();
            if shared.fates.is_dead(self.pid) || shared.world.clock.boot() != boot {
                shared.waiting = Wait::Never;
                return Poll::Pending;
            }
            let wait = Wait::Until { moment, ended: ids.clone() };
            if shared.is_over(&wait) {
                return Poll::Ready(ids.iter().copied().filter(|id| shared.world.is_alive(*id)).collect());
            }
            shared.waiting = wait;
            Poll::Pending
        })
    }

    /// Runs a tmux client for this controller.
    fn apply(&self, socket: &Path, script: &Script) -> Reply {
        let mut shared = self.shared();
        let actor = std::mem::replace(&mut shared.world.actor, Actor::Controller(self.pid));
        let (reply, deeds) = shared.world.tmux(socket, script.arguments(), Some(&script.text()));
        shared.world.actor = actor;
        shared.deeds.extend(deeds.into_iter().map(|deed| (self.pid, deed)));
        shared.fates.done(self.pid);
        reply
    }

    /// What becomes of the next thing that this controller does.
    pub(super) fn fate(&self, point: Point) -> Fate {
        self.shared().fates.next(self.pid, point)
    }
}

fn part_of(bytes: &[u8], offset: u64, limit: u64) -> Part {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let until = from.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX)).min(bytes.len());
    let part = bytes.get(from..until).unwrap_or_default().to_vec();
    Part { bytes: part, length: bytes.len() as u64 }
}

impl Disk for SimMachine {
    fn read_text(&self, root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
        self.shared().world.disk.read_text(root, relative)
    }

    fn is_there(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        self.shared().world.disk.is_there(root, relative)
    }

    fn home(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/home/me"))
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        self.shared().world.disk.names(directory)
    }

    fn directories(&self, directory: &Path) -> io::Result<BTreeSet<String>> {
        Ok(self.shared().world.disk.directories_in(directory))
    }

    fn is_locked(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        let shared = self.shared();
        Ok(shared.world.disk.locked.contains(&root.join(relative)))
    }

    fn is_directory(&self, path: &Path) -> Seen<bool> {
        let shared = self.shared();
        match shared.world.places.unseen(path) {
            Some(why) => Seen::unknown(why),
            None => Seen::Known(shared.world.disk.is_directory(path)),
        }
    }

    fn find_program(
        &self,
        program: &str,
        search: Option<&str>,
        directory: &Path,
    ) -> (Seen<Option<PathBuf>>, String) {
        let shared = self.shared();
        if shared.world.missing_programs.contains(program) {
            return (Seen::Known(None), "/bin".to_owned());
        }
        let said = shared.world.places.program(program, search, directory);
        said.unwrap_or_else(|| (Seen::Known(Some(PathBuf::from(program))), "/bin".to_owned()))
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.shared().world.disk.read(path)?;
        let from = bytes.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(bytes.get(from..).unwrap_or_default().to_vec())
    }

    fn read_part(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Part> {
        let bytes = self.shared().world.disk.read(path)?;
        Ok(part_of(&bytes, offset, limit))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.fate(Point::Write) {
            Fate::Dead => Err(ErrorKind::Other.into()),
            Fate::Refused(_) | Fate::Unapplied => Err(ErrorKind::StorageFull.into()),
            Fate::Plain | Fate::Lost | Fate::Garbled(_) | Fate::Stale | Fate::Slow(_) => {
                let mut shared = self.shared();
                let result = shared.world.disk.replace(path, bytes);
                shared.fates.done(self.pid);
                result
            }
        }
    }

    fn files(&self, directory: &Path) -> io::Result<BTreeMap<String, u64>> {
        Ok(self.shared().world.disk.sizes(directory))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.shared().world.disk.remove(path) {
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8], limit: u64, aside: &Path) -> io::Result<()> {
        let mut shared = self.shared();
        if shared.fates.is_dead(self.pid) {
            return Err(ErrorKind::Other.into());
        }
        shared.world.disk.append(path, bytes, limit, aside)
    }
}

impl Machine for SimMachine {
    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::UTC
    }

    fn now(&self) -> Stamp {
        self.shared().world.clock.now()
    }

    fn awake(&self) -> Duration {
        self.shared().world.clock.awake()
    }

    fn draw(&self) -> u64 {
        let mut shared = self.shared();
        shared.world.drawn += 1;
        // Spread over all bits: labels take the first digits, jitter the upper half.
        shared.world.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17)
    }

    async fn sleep(&self, length: Duration) {
        self.wait(length, Vec::new()).await;
    }

    fn own_pid(&self) -> i32 {
        self.pid
    }

    fn started(&self, id: ProcessId) -> Duration {
        Duration::from_millis(id.start.saturating_mul(1000) / TICKS_PER_SECOND)
    }

    fn memory_available(&self) -> Seen<u64> {
        // No simulated town asks for it.
        Seen::Known(u64::MAX)
    }

    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        let shared = self.shared();
        Seen::Known(shared.world.processes.get(pid).map(|process| Found {
            id: process.id,
            parent: process.parent,
            zombie: process.ended.is_some(),
        }))
    }

    fn children(&self, pid: i32) -> Seen<Vec<i32>> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        let shared = self.shared();
        let living = |pid: &i32| {
            let process = shared.world.processes.get(*pid);
            process.is_some_and(|process| process.ended.is_none())
        };
        Seen::Known(shared.world.processes.children(pid).filter(living).collect())
    }

    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>> {
        let shared = self.shared();
        Seen::Known(shared.world.processes.get(pid).map(|process| executable_of(&process.program.arguments)))
    }

    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>> {
        let shared = self.shared();
        Seen::Known(
            shared.world.processes.get(pid).map(|process| after_env(&process.program.arguments).to_vec()),
        )
    }

    fn all(&self) -> Seen<Vec<Listed>> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        Seen::Known(self.shared().world.listed())
    }

    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        let shared = self.shared();
        let told = |process: &Process| {
            let of = |name: &&str| Some(((*name).to_owned(), process.environment(name)?.to_owned()));
            names.iter().filter_map(of).collect()
        };
        Seen::Known(shared.world.processes.get(pid).filter(|process| process.lives()).map(told))
    }

    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        let shared = self.shared();
        let living = shared.world.processes.get(pid).filter(|process| process.lives());
        Seen::Known(living.map(|process| process.input))
    }

    fn socket_is_bound(&self, path: &Path) -> Seen<bool> {
        if let Fate::Refused(why) = self.fate(Point::Probe) {
            return Seen::unknown(why);
        }
        let shared = self.shared();
        Seen::Known(shared.world.tmux.is_bound(&shared.world.processes, &path.display().to_string()))
    }

    fn has_socket_file(&self, path: &Path) -> bool {
        self.shared().world.tmux.has_socket_file(&path.display().to_string())
    }

    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why> {
        match self.fate(Point::Signal) {
            Fate::Dead => Err(Why::new("this controller has ended")),
            Fate::Refused(why) => Err(Why::new(why)),
            Fate::Plain | Fate::Unapplied | Fate::Lost | Fate::Garbled(_) | Fate::Stale | Fate::Slow(_) => {
                let mut shared = self.shared();
                let actor = std::mem::replace(&mut shared.world.actor, Actor::Controller(self.pid));
                let deeds = shared.world.signal(id, signal);
                shared.world.actor = actor;
                shared.deeds.extend(deeds.into_iter().map(|deed| (self.pid, deed)));
                shared.fates.done(self.pid);
                Ok(())
            }
        }
    }

    fn ended(&self, ids: &[ProcessId], limit: Duration) -> impl Future<Output = Vec<ProcessId>> + Send {
        let ids = ids.to_vec();
        async move { if ids.is_empty() { Vec::new() } else { self.wait(limit, ids).await } }
    }

    fn socket_path(&self, socket: &Socket) -> PathBuf {
        match socket {
            Socket::Name(name) => Path::new(SOCKETS).join(name),
            Socket::Path(path) => path.clone(),
        }
    }

    async fn lock(&self, _path: &Path, _limit: Duration) -> Result<FileLock, Why> {
        Ok(FileLock::simulated())
    }

    async fn tmux(&self, socket: &Socket, script: &Script, limit: Duration) -> Result<Reply, TmuxError> {
        self.turn().await;
        let point = if script.only_reads() { Point::Look } else { Point::Command };
        let fate = self.fate(point);
        let path = self.socket_path(socket);
        let answer = match fate {
            Fate::Dead => None,
            Fate::Refused(why) => {
                Some(Reply { code: Some(1), stdout: String::new(), stderr: why.to_owned() })
            }
            Fate::Unapplied => None,
            // A client of a stopped server waits until it is ended itself, and then nobody gives the server its script.
            _ if self.shared().world.hangs(&path) => None,
            Fate::Stale => self.shared().earlier.get(&self.pid).cloned(),
            Fate::Plain | Fate::Lost | Fate::Garbled(_) | Fate::Slow(_) => {
                let reply = self.apply(&path, script);
                (fate != Fate::Lost).then_some(reply)
            }
        };
        let Some(mut reply) = answer else {
            self.wait(limit, Vec::new()).await;
            return Err(TmuxError::Timeout(limit));
        };
        match fate {
            Fate::Garbled(cut) => {
                let length = reply.stdout.len() * cut as usize / 1000;
                reply.stdout = reply.stdout.chars().take(length).collect();
            }
            Fate::Slow(length) => {
                self.wait(length.min(limit), Vec::new()).await;
            }
            Fate::Plain | Fate::Dead | Fate::Refused(_) | Fate::Unapplied | Fate::Lost | Fate::Stale => {}
        }
        if point == Point::Look {
            self.shared().earlier.insert(self.pid, reply.clone());
        }
        let length = self.shared().client_takes;
        self.wait(length, Vec::new()).await;
        self.turn().await;
        Ok(reply)
    }
    async fn run_program(&self, call: &Call) -> Result<Reply, CallError> {
        self.answer(call).await
    }
}
