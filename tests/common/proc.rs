//! Processes as the kernel knows them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// One life of one process: a pid with the start time that tells it from the next process of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// The pid.
    pub pid: i32,
    start: u64,
}

impl Life {
    /// Of the process that has this pid now; `None` if there is none, or only a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, so count from the last parenthesis: state is the first field after it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let alive = !matches!(*fields.first()?, "Z" | "X");
        alive.then_some(Self { pid, start: fields.get(19)?.parse().ok()? })
    }

    /// Whether this very process still runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// How long ago it began; `None` if it is gone.
    pub fn age(self) -> Option<Duration> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let ticks = rustix::param::clock_ticks_per_second();
        let began = Duration::from_millis(self.start * 1000 / ticks);
        self.is_alive().then(|| Duration::from_secs_f64(uptime).saturating_sub(began))
    }

    /// Sends a signal, unless the process is gone.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            send(self.pid, signal);
        }
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Its arguments.
    pub fn argv(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        split_nul(&bytes)
    }

    /// The environment it was started with.
    pub fn environ(self) -> BTreeMap<String, String> {
        let bytes = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let pairs = split_nul(&bytes);
        pairs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// Its working directory.
    pub fn directory(self) -> std::path::PathBuf {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).unwrap_or_default()
    }
}

/// Whether a process with this pid runs (a zombie does not).
pub fn process_alive(pid: i32) -> bool {
    Life::of(pid).is_some()
}

/// Sends a signal to a pid; that it is gone by then is no error.
pub fn send(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a pid is positive");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("cannot signal {pid:?}: {error}"),
    }
}

/// Stops a process (SIGSTOP) for as long as the value lives.
pub struct Stopped(Life);

impl Stopped {
    /// Stops it.
    pub fn stop(life: Life) -> Self {
        life.signal(Signal::STOP);
        Self(life)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// Every process, other than this one, that provably stems from the test directory `root`: its environment, its arguments or its
/// working directory name it. The directory's name is random, so nothing else does.
pub fn processes_of(root: &Path) -> Vec<Life> {
    let needle = root.as_os_str().as_encoded_bytes();
    let own = std::process::id().cast_signed();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some(life) = Life::of(pid).filter(|_| pid != own) else { continue };
        let names_root = |file: &str| {
            fs::read(entry.path().join(file))
                .is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
        };
        if names_root("environ") || names_root("cmdline") || life.directory().starts_with(root) {
            found.push(life);
        }
    }
    found
}

/// The short name of a process, as `ps` shows it.
pub fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn split_nul(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() { Vec::new() } else { text.split('\0').map(str::to_owned).collect() }
}
