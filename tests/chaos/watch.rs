//! Looks at `/proc` all the time, from a thread of its own, and holds what it sees against the promises.
//!
//! What is an agent: a session leader with gtctl's variables in its environment. Its children are none, nor is what `setsid` left
//! behind, nor a pane that a person opened in its session and that inherits the variables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::{Life, agents, wait};

use super::checks;
use super::history::{Agent, History, now};

/// Marks a process that the nemesis started, in its environment.
pub const BY_HAND: &str = "GTCTL_CHAOS_HAND";

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(15);

/// How old a session leader must be, in seconds, to be taken for a stranger for good.
const GROWN_UP: f64 = 2.0;

/// The history, for the one who hurts and the one who looks.
pub type Shared = Arc<Mutex<History>>;

/// The history; a test that has failed elsewhere is no reason not to tell it.
pub fn open(shared: &Shared) -> MutexGuard<'_, History> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The looking thread; ends when it is dropped.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look at the processes of this test directory.
    pub fn begin(root: &Path, shared: Shared) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut eye) = (stop.clone(), Eye::new(root));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                eye.look(&shared);
                wait::poll(INTERVAL, || stopped.load(Ordering::Relaxed).then_some(()));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What one look saw.
#[derive(Default)]
pub struct Sample {
    /// Living agents, by object.
    pub agents: BTreeMap<Life, Agent>,
    /// Living tmux servers.
    pub servers: Vec<Life>,
    /// Living tmux clients and who started them.
    pub clients: Vec<(Life, i32)>,
}

struct Eye {
    root: PathBuf,
    /// Session leaders that have shown to be nothing of interest.
    strangers: BTreeSet<Life>,
    /// How much of the log of starts has been read.
    read: usize,
    /// Which ledger was read last; each is a new file.
    ledger: Option<(u64, i64, i64)>,
}

/// The fields of `/proc/PID/stat` that matter.
struct Stat {
    comm: String,
    parent: i32,
    leads: bool,
}

impl Eye {
    fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), strangers: BTreeSet::new(), read: 0, ledger: None }
    }

    fn look(&mut self, shared: &Shared) {
        let known: BTreeMap<Life, Agent> = open(shared).agents.clone();
        let sample = self.sample(&known);
        let (starts, remembered) = (self.new_starts(), self.remembered());
        let mut history = open(shared);
        history.remembered.extend(remembered);
        history.looks += 1;
        checks::starts(&mut history, starts);
        checks::lives(&mut history, &sample);
        checks::clients(&mut history, &sample);
        let began: Vec<(Life, Agent)> = sample
            .agents
            .iter()
            .filter(|(life, _)| !history.agents.contains_key(life))
            .map(|(life, agent)| (*life, agent.clone()))
            .collect();
        for (life, agent) in began {
            history.tell(format!("seen: {} lives as {}", agent.object, life.pid));
        }
        history.agents = sample.agents;
        history.servers = sample.servers;
    }

    fn sample(&mut self, known: &BTreeMap<Life, Agent>) -> Sample {
        let mut sample = Sample::default();
        let (mut leaders, mut parents) = (Vec::new(), BTreeSet::new());
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let Some((life, stat)) = stat(pid) else { continue };
            parents.insert(stat.parent);
            let is_tmux = stat.comm.starts_with("tmux");
            if stat.leads && !self.strangers.contains(&life) {
                leaders.push((life, stat));
            } else if is_tmux && !stat.comm.starts_with("tmux: server") {
                sample.clients.push((life, stat.parent));
            }
        }
        for (life, stat) in leaders {
            if let Some(agent) = known.get(&life) {
                sample.agents.insert(life, agent.clone());
            } else if stat.comm.starts_with("tmux: server") {
                // A server's child is called like it until it becomes its program.
                let is_ours = names(&environ(life.pid), &self.root);
                if is_ours && stat_of_parent(&stat).is_none_or(|comm| !comm.starts_with("tmux: server")) {
                    sample.servers.push(life);
                }
            } else {
                self.meet(life, &stat, &mut sample);
            }
        }
        let servers = sample.servers.clone();
        for (life, agent) in &mut sample.agents {
            agent.busy = parents.contains(&life.pid);
            if let Some(server) = &mut agent.server
                && let Some(life) = servers.iter().find(|life| life.pid == server.pid)
            {
                *server = *life;
            }
        }
        sample
    }

    /// A session leader that was not seen before, or has not shown yet what it is.
    fn meet(&mut self, life: Life, stat: &Stat, sample: &mut Sample) {
        let environ = environ(life.pid);
        if environ.is_empty() {
            return;
        }
        let variable = |name: &str| {
            let all = String::from_utf8_lossy(&environ);
            all.split('\0').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let object = variable("GTCTL_OBJECT").filter(|_| names(&environ, &self.root));
        let is_left_behind = matches!(stat.comm.as_str(), "sleep" | "setsid");
        match object {
            Some(object) if variable(BY_HAND).is_none() && !is_left_behind => {
                let server = Life::of(stat.parent)
                    .filter(|_| stat_of_parent(stat).is_some_and(|comm| comm.starts_with("tmux: server")));
                sample.agents.insert(life, Agent { object, server, busy: true });
            }
            // Who is young may become another program yet, and what is read in the middle of that is not whole.
            _ if age(life) < GROWN_UP => {}
            _ => drop(self.strangers.insert(life)),
        }
    }

    /// The agents in gtctl's memory, if that has changed.
    fn remembered(&mut self) -> Vec<(String, i32)> {
        let path = self.root.join("town/daemon/gtctl/ledger.json");
        let metadata = fs::metadata(&path).ok();
        let written = metadata.map(|metadata| (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
        if written == self.ledger {
            return Vec::new();
        }
        let text = fs::read(&path).unwrap_or_default();
        let Ok(ledger) = serde_json::from_slice::<serde_json::Value>(&text) else { return Vec::new() };
        self.ledger = written;
        let pid = |record: &serde_json::Value| {
            i32::try_from(record.pointer("/incarnation/process/pid")?.as_i64()?).ok()
        };
        let objects = ledger["objects"].as_object().into_iter().flatten();
        objects.filter_map(|(object, record)| Some((object.clone(), pid(record)?))).collect()
    }

    /// The starts that agents have recorded since the last look.
    fn new_starts(&mut self) -> Vec<(f64, String, i32)> {
        let text = fs::read_to_string(agents::log_dir(&self.root).join("starts")).unwrap_or_default();
        let new = text.get(self.read..).unwrap_or_default();
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        let read = |line: &str| {
            let mut words = line.split(' ');
            let at = words.next()?.parse().ok()?;
            let object = words.next()?.to_owned();
            Some((at, object, words.next()?.parse().ok()?))
        };
        new[..whole].lines().filter_map(read).collect()
    }
}

fn names(environ: &[u8], root: &Path) -> bool {
    let needle = root.as_os_str().as_encoded_bytes();
    environ.windows(needle.len()).any(|window| window == needle)
}

fn environ(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

fn stat_of_parent(of: &Stat) -> Option<String> {
    stat(of.parent).map(|(_, stat)| stat.comm)
}

/// A living process.
fn stat(pid: i32) -> Option<(Life, Stat)> {
    let life = Life::of(pid)?;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (front, back) = text.rsplit_once(')')?;
    let fields: Vec<&str> = back.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    let stat =
        Stat { comm: front.split_once('(')?.1.to_owned(), parent: number(1)?, leads: number(3)? == pid };
    Some((life, stat))
}

/// How long a process has lived, in seconds. The kernel counts hundredths.
pub fn age(life: Life) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", life.pid)).unwrap_or_default();
    let start = text.rsplit_once(')').and_then(|(_, back)| back.split_whitespace().nth(19)?.parse().ok());
    start.map_or(0.0, |ticks: f64| now() - ticks / 100.0)
}
