//! Processes as Linux's `/proc` tells of them. The crate `procfs` parses its files, and its parser is not ours to fuzz; what we make of its numbers is in
//! `observed::processes`.
//!
//! A pass asks for the state and the program of each pane's process, so these two are read without detours: one file is opened and read with one call (4.0
//! µs on the machine of `docs/portability.md`, where the crate's own way through a directory takes a third more), one link is read (0.9 µs, two thirds of the crate's way).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::process::{FDTarget, Process, Stat};
use procfs::{Current, FromRead, Meminfo, ProcError, ProcResult};

use super::{Found, KIBIBYTE, Listed, MEBIBYTE, Observe, of_names};
use crate::model::{ProcessId, Seen, Why};

/// Reads `/proc`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Linux;

/// More than the 52 numbers and the name of `/proc/PID/stat` can take.
const STAT_SIZE_MAX: usize = 4096;

/// What most environments fit into. Larger ones take more than one read.
const ENVIRONMENT_SIZE: usize = 16 * 1024;

fn stat(pid: i32) -> ProcResult<Stat> {
    let mut bytes = [0; STAT_SIZE_MAX];
    // The kernel gives the whole of it to the first read that has the room.
    let length = File::open(format!("/proc/{pid}/stat"))?.read(&mut bytes)?;
    Stat::from_read(bytes.get(..length).unwrap_or_default())
}

fn has_ended(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X' | 'x')
}

fn listed(pid: i32, own: u32) -> ProcResult<Option<Listed>> {
    // The directory has the user that the process runs as; the files in it have root for one that does not let itself be looked at.
    let user = fs::metadata(format!("/proc/{pid}"))?.uid();
    let stat = stat(pid)?;
    if has_ended(&stat) {
        return Ok(None);
    }
    Ok(Some(Listed {
        id: ProcessId { pid: stat.pid, start: stat.starttime },
        parent: stat.ppid,
        own: user == own,
        leads: stat.session == stat.pid,
        terminal: Seen::Known(stat.tty_nr != 0),
        name: stat.comm,
    }))
}

impl Observe for Linux {
    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        answer(stat(pid).map(|stat| Found {
            id: ProcessId { pid, start: stat.starttime },
            parent: stat.ppid,
            zombie: has_ended(&stat),
        }))
    }

    fn started(&self, id: ProcessId) -> Duration {
        Duration::from_millis(id.start.saturating_mul(1000) / procfs::ticks_per_second().max(1))
    }

    fn all(&self) -> Seen<Vec<Listed>> {
        let own = rustix::process::geteuid().as_raw();
        let read = || -> ProcResult<Vec<Listed>> {
            let mut all = Vec::new();
            for entry in fs::read_dir("/proc")? {
                let name = entry?.file_name();
                let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
                match listed(pid, own) {
                    Ok(found) => all.extend(found),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(all)
        };
        match answer(read()) {
            // Whoever reads it is in it.
            Seen::Known(Some(all)) if !all.is_empty() => Seen::Known(all),
            Seen::Known(_) => Seen::unknown("/proc cannot be read"),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        // Not through the crate, which makes a map of all of it: nine variables are wanted, of each process of the machine.
        let read = || -> ProcResult<Vec<u8>> {
            let mut bytes = Vec::with_capacity(ENVIRONMENT_SIZE);
            // Read as a stream: the kernel tells no size, and asking for it, or feeling one's way to it, costs more than the reading.
            File::open(format!("/proc/{pid}/environ"))?.take(u64::MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        answer(read().map(|bytes| of_names(bytes.split(|byte| *byte == 0), names)))
    }

    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>> {
        let target = Process::new(pid).and_then(|process| process.fd_from_fd(0)).map(|input| input.target);
        answer(target.map(|target| matches!(target, FDTarget::Path(path) if path.starts_with("/dev/pts"))))
    }

    /// Unknown on a kernel that does not tell children at all: there every shell would seem to be bare.
    fn children(&self, pid: i32) -> Seen<Vec<i32>> {
        if !Path::new("/proc/thread-self/children").exists() {
            return Seen::unknown(
                "this kernel does not tell the children of a process (CONFIG_PROC_CHILDREN)",
            );
        }
        let read = || -> ProcResult<Vec<i32>> {
            let mut all = Vec::new();
            for task in Process::new(pid)?.tasks()? {
                match task.and_then(|task| task.children()) {
                    Ok(children) => {
                        all.extend(children.into_iter().filter_map(|child| i32::try_from(child).ok()))
                    }
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(all)
        };
        answer(read()).map(Option::unwrap_or_default)
    }

    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>> {
        answer(fs::read_link(format!("/proc/{pid}/exe")).map_err(ProcError::from))
    }

    /// Empty just after an exec, and of one that has ended.
    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>> {
        answer(Process::new(pid).and_then(|process| process.cmdline()))
    }

    fn socket_is_bound(&self, path: &Path) -> Seen<bool> {
        answer(
            procfs::net::unix()
                .map(|entries| entries.iter().any(|entry| entry.path.as_deref() == Some(path))),
        )
        .map(|bound| bound.unwrap_or(false))
    }

    fn bound_in(&self, directory: &Path) -> Seen<BTreeSet<PathBuf>> {
        let is_in = |path: &PathBuf| path.parent() == Some(directory);
        answer(
            procfs::net::unix()
                .map(|entries| entries.into_iter().filter_map(|entry| entry.path).filter(is_in).collect()),
        )
        .map(Option::unwrap_or_default)
    }

    fn having_open(&self, path: &Path) -> Seen<Vec<ProcessId>> {
        let mut removed = path.as_os_str().to_owned();
        removed.push(" (deleted)");
        let is_it = |target: &FDTarget| matches!(target, FDTarget::Path(open) if open == path || open.as_os_str() == removed);
        let read = || -> ProcResult<Vec<ProcessId>> {
            let mut all = Vec::new();
            // What ends while it is looked at has nothing open; who may not be looked at is somebody else's.
            for process in procfs::process::all_processes()?.flatten() {
                let Ok(open) = process.fd() else { continue };
                if open.flatten().any(|one| is_it(&one.target))
                    && let Ok(stat) = process.stat()
                {
                    all.push(ProcessId { pid: process.pid, start: stat.starttime });
                }
            }
            Ok(all)
        };
        answer(read()).map(Option::unwrap_or_default)
    }

    fn control_group(&self, pid: i32) -> Seen<Option<String>> {
        let groups = match answer(Process::new(pid).and_then(|process| process.cgroups())) {
            Seen::Known(groups) => groups.map(|groups| groups.0).unwrap_or_default(),
            Seen::Unknown(why) => return Seen::Unknown(why),
        };
        // Version 1 has a tree of systemd's own, version 2 has but one.
        let own = groups.iter().find(|group| group.controllers.iter().any(|name| name == "name=systemd"));
        let group = own.or_else(|| groups.iter().find(|group| group.hierarchy == 0));
        Seen::Known(group.map(|group| group.pathname.clone()))
    }

    fn lock_holder(&self, inode: u64) -> Seen<Option<i32>> {
        match procfs::locks() {
            Ok(locks) => {
                Seen::Known(locks.into_iter().find(|lock| lock.inode == inode).and_then(|lock| lock.pid))
            }
            Err(error) => Seen::unknown(format!("/proc/locks: {error}")),
        }
    }

    fn memory_available(&self) -> Seen<u64> {
        match Meminfo::current() {
            Ok(Meminfo { mem_available: Some(bytes), .. }) => Seen::Known(bytes / MEBIBYTE),
            Ok(_) => Seen::unknown("this kernel does not tell how much memory is available"),
            Err(error) => Seen::Unknown(Why::of(&error)),
        }
    }

    /// VmRSS. One that has ended has none.
    fn memory(&self, pid: i32) -> Seen<Option<u64>> {
        let status = answer(Process::new(pid).and_then(|process| process.status()));
        status.map(|status| status.and_then(|status| status.vmrss).map(|kibibytes| kibibytes * KIBIBYTE))
    }

    /// In ticks of 10 ms, of the sum: what each child has used is added up in full.
    fn cpu_of_children(&self, pid: i32) -> Seen<Option<Duration>> {
        let ticks = |stat: Stat| u64::try_from(stat.cutime.saturating_add(stat.cstime)).unwrap_or_default();
        let length = |ticks: u64| {
            Duration::from_millis(ticks.saturating_mul(1000) / procfs::ticks_per_second().max(1))
        };
        answer(stat(pid)).map(|stat| stat.map(ticks).map(length))
    }
}

fn is_gone(error: &ProcError) -> bool {
    const ESRCH: i32 = 3;
    match error {
        ProcError::NotFound(_) => true,
        ProcError::Io(io, _) => io.raw_os_error() == Some(ESRCH),
        ProcError::PermissionDenied(_)
        | ProcError::Incomplete(_)
        | ProcError::Other(_)
        | ProcError::InternalError(_) => false,
    }
}

/// Gone, known, or unknown. "Not found" counts as gone only where `/proc` itself can be read: without it nothing is found.
fn answer<T>(result: ProcResult<T>) -> Seen<Option<T>> {
    match result {
        Ok(value) => Seen::Known(Some(value)),
        Err(error) if is_gone(&error) => {
            if Path::new("/proc/self/stat").exists() {
                Seen::Known(None)
            } else {
                Seen::unknown("/proc cannot be read")
            }
        }
        Err(error) => Seen::unknown(format!("/proc: {error}")),
    }
}
