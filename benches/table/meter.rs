//! What something has cost: CPU time, memory, descriptors, switches, processes. All of it as the kernel counts it, none by gtctl's word.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// What one thread has used.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cpu: Duration,
    switches: u64,
}

/// What a process has used up to now, with its children.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Its own, and those of its children that live.
    threads: BTreeMap<i32, Used>,
    /// In hundredths of a second, with the threads that have ended.
    coarse: Duration,
    /// That of its children that have ended.
    children: Duration,
}

/// What a process has used between two moments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// By itself, and by those of its children that live.
    pub cpu: Duration,
    /// By the programs that it ran, as far as they have ended; in hundredths of a second.
    pub children: Duration,
    /// How often the threads of these were given the CPU.
    pub switches: u64,
}

impl Usage {
    /// Of a process that lives.
    pub fn of(pid: i32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|e| panic!("{pid}: {e}"));
        // The name may hold anything, so count from the last parenthesis: state is the first field after it.
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a stat").1.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<u64>().expect("ticks");
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
        let family = std::iter::once(pid).chain(children(pid));
        Self {
            threads: family.flat_map(threads).collect(),
            coarse: time(ticks(11) + ticks(12)),
            children: time(ticks(13) + ticks(14)),
        }
    }

    /// Of a process that has just begun.
    pub fn nothing() -> Self {
        Self { threads: BTreeMap::new(), coarse: Duration::ZERO, children: Duration::ZERO }
    }

    /// What has been used since `before`.
    pub fn since(&self, before: &Self) -> Spent {
        let mut spent = Spent { children: self.children - before.children, ..Spent::default() };
        for (thread, used) in &self.threads {
            let earlier = before.threads.get(thread).copied().unwrap_or_default();
            spent.cpu += used.cpu.saturating_sub(earlier.cpu);
            spent.switches += used.switches.saturating_sub(earlier.switches);
        }
        // What a thread has used that ended meanwhile is in the sum alone.
        if before.threads.keys().any(|thread| !self.threads.contains_key(thread)) {
            spent.cpu = spent.cpu.max(self.coarse - before.coarse);
        }
        spent
    }
}

/// Its children, dead ones included.
fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Those of one process; none if it is gone.
fn threads(pid: i32) -> BTreeMap<i32, Used> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let used = |task: fs::DirEntry| {
        let thread = task.file_name().to_str()?.parse().ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let switches = status
            .lines()
            .filter(|line| line.contains("ctxt_switches"))
            .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        Some((thread, Used { cpu: Duration::from_nanos(nanoseconds), switches: switches.sum() }))
    };
    tasks.flatten().filter_map(used).collect()
}

/// The CPU time of all programs that this one has run and that have ended, and of what they have run.
pub fn of_programs() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let time = |time: nix::sys::time::TimeVal| {
        Duration::new(
            time.tv_sec().unsigned_abs(),
            u32::try_from(time.tv_usec()).expect("less than a second") * 1000,
        )
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// How many processes and threads this machine has made since it was switched on.
pub fn made_by_all() -> u64 {
    number_in("/proc/stat", "processes ").expect("/proc/stat")
}

/// How many terminals are open on this machine.
pub fn terminals() -> u64 {
    fs::read_to_string("/proc/sys/kernel/pty/nr").map_or(0, |text| text.trim().parse().expect("a number"))
}

/// What of a process can leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Its memory, in KiB: VmRSS.
    pub rss: u64,
    /// That of its children.
    pub rss_of_children: u64,
    /// Its open files.
    pub files: usize,
    /// Its threads.
    pub threads: usize,
    /// Its children, dead ones included.
    pub children: usize,
}

impl Holdings {
    /// Of a process that lives.
    pub fn of(pid: i32) -> Self {
        let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
        let children = children(pid);
        let rss = |pid: i32| number_in(&format!("/proc/{pid}/status"), "VmRSS:");
        Self {
            rss: rss(pid).unwrap_or_else(|| panic!("{pid} is gone")),
            // One that has just ended has none.
            rss_of_children: children.iter().filter_map(|child| rss(*child)).sum(),
            files: count("fd"),
            threads: count("task"),
            children: children.len(),
        }
    }
}

/// The number after `name` at the beginning of a line.
fn number_in(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
