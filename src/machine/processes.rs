//! Processes, as `/proc` tells of them. Gone is an answer; not being able to read is not (law 1). The `procfs` crate parses the text, and its
//! parser is not ours to fuzz; what we make of its numbers is in `observed::processes`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use procfs::process::{FDTarget, Process};
use procfs::{ProcError, ProcResult};

use crate::model::{ProcessId, Seen};

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The process.
    pub id: ProcessId,
    /// Its parent.
    pub parent: i32,
    /// Whether it has ended and only waits to be collected: dead, although `kill(pid, 0)` says otherwise.
    pub zombie: bool,
}

/// The process with this pid; `Known(None)` if there is none.
pub fn find(pid: i32) -> Seen<Option<Found>> {
    answer(Process::new(pid).and_then(|process| process.stat()).map(|stat| Found {
        id: ProcessId { pid, start: stat.starttime },
        parent: stat.ppid,
        zombie: matches!(stat.state, 'Z' | 'X' | 'x'),
    }))
}

/// The living children of a process, of all its threads; none if it is gone.
///
/// Unknown on a kernel that does not tell children at all: there every shell would seem to be bare.
pub fn children(pid: i32) -> Seen<Vec<i32>> {
    if !Path::new("/proc/thread-self/children").exists() {
        return Seen::unknown("this kernel does not tell the children of a process (CONFIG_PROC_CHILDREN)");
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

/// The program that a process runs.
pub fn executable(pid: i32) -> Seen<Option<PathBuf>> {
    answer(Process::new(pid).and_then(|process| process.exe()))
}

/// The arguments of a process.
pub fn arguments(pid: i32) -> Seen<Option<Vec<String>>> {
    answer(Process::new(pid).and_then(|process| process.cmdline()))
}

/// Whether some process has a listening socket bound to this path, also if the file has been removed since.
pub fn socket_is_bound(path: &Path) -> Seen<bool> {
    answer(procfs::net::unix().map(|entries| entries.iter().any(|entry| entry.path.as_deref() == Some(path))))
        .map(|bound| bound.unwrap_or(false))
}

/// The paths in this directory that sockets are bound to, whether or not the files are still there.
pub fn bound_in(directory: &Path) -> Seen<BTreeSet<PathBuf>> {
    let is_in = |path: &PathBuf| path.parent() == Some(directory);
    answer(
        procfs::net::unix()
            .map(|entries| entries.into_iter().filter_map(|entry| entry.path).filter(is_in).collect()),
    )
    .map(Option::unwrap_or_default)
}

/// The processes that have this file open, also if it has been removed since; those of other users, who do not show it, are not among them.
pub fn having_open(path: &Path) -> Seen<Vec<ProcessId>> {
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

/// The control group of a process in systemd's tree, for example `/user.slice/…/gtctl.service`; `Known(None)` if it is gone or in none.
pub fn control_group(pid: i32) -> Seen<Option<String>> {
    let groups = match answer(Process::new(pid).and_then(|process| process.cgroups())) {
        Seen::Known(groups) => groups.map(|groups| groups.0).unwrap_or_default(),
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    // Version 1 has a tree of systemd's own, version 2 has but one.
    let own = groups.iter().find(|group| group.controllers.iter().any(|name| name == "name=systemd"));
    let group = own.or_else(|| groups.iter().find(|group| group.hierarchy == 0));
    Seen::Known(group.map(|group| group.pathname.clone()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_zombie_is_told_from_the_living_and_from_what_is_gone() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(matches!(find(pid), Seen::Known(Some(Found { zombie: false, .. }))));
        child.kill().unwrap();
        while !matches!(find(pid), Seen::Known(Some(Found { zombie: true, .. }))) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(find(pid), Seen::Known(None));
    }
}
