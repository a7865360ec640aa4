//! Processes, as `/proc` tells of them. Gone is an answer; not being able to read is not (law 1). The `procfs` crate parses the text, and its
//! parser is not ours to fuzz; what we make of its numbers is in `observed::processes`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
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

/// A living process, as the table of all of them has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The process.
    pub id: ProcessId,
    /// Its parent.
    pub parent: i32,
    /// Whether it belongs to the user that gtctl runs as.
    pub own: bool,
    /// Whether it leads a session: what a terminal was opened for, or who called `setsid`.
    pub leads: bool,
    /// Whether its session has a terminal that is open.
    pub terminal: bool,
    /// What the kernel calls it: its program, cut to 15 bytes. Words for people, and a reason to leave it alone; never a proof.
    pub name: String,
}

/// All living processes. What ends while the table is read may be missing, what lives all the time is not.
pub fn all() -> Seen<Vec<Listed>> {
    let own = rustix::process::geteuid().as_raw();
    let read = || -> ProcResult<Vec<Listed>> {
        let mut all = Vec::new();
        for process in procfs::process::all_processes()? {
            let found = process.and_then(|process| Ok((process.uid()?, process.stat()?)));
            match found {
                Ok((user, stat)) if !matches!(stat.state, 'Z' | 'X' | 'x') => all.push(Listed {
                    id: ProcessId { pid: stat.pid, start: stat.starttime },
                    parent: stat.ppid,
                    own: user == own,
                    leads: stat.session == stat.pid,
                    terminal: stat.tty_nr != 0,
                    name: stat.comm,
                }),
                Ok(_) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    };
    match answer(read()) {
        Seen::Known(Some(all)) => Seen::Known(all),
        Seen::Known(None) => Seen::unknown("/proc cannot be read"),
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}

/// What a process found in its environment when it was started, of these variables alone: others may be secrets.
pub fn environment(pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
    let read = || -> ProcResult<BTreeMap<String, String>> {
        let mut all = Process::new(pid)?.environ()?;
        let take = |name: &&str| {
            let value = all.remove(OsStr::new(name))?;
            Some(((*name).to_owned(), value.into_string().ok()?))
        };
        Ok(names.iter().filter_map(take).collect())
    };
    answer(read())
}

/// Whether a process has a terminal of a terminal program for its input, be that still there or not: who loses such a terminal keeps it open.
pub fn input_is_terminal(pid: i32) -> Seen<Option<bool>> {
    let target = Process::new(pid).and_then(|process| process.fd_from_fd(0)).map(|input| input.target);
    answer(target.map(|target| matches!(target, FDTarget::Path(path) if path.starts_with("/dev/pts"))))
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
    use std::process::{Command, Stdio};

    #[test]
    fn the_table_tells_of_a_child_what_it_is_and_no_more_of_its_environment_than_asked() {
        let mut child = Command::new("sleep")
            .arg("1000")
            .env("GTCTL_TEST_MARK", "here")
            .env("GTCTL_TEST_SECRET", "hidden")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let Seen::Known(all) = all() else { panic!("the table can be read") };
        let listed = all.iter().find(|one| one.id.pid == pid).unwrap();
        assert_eq!(
            (listed.parent, listed.own, listed.leads),
            (i32::try_from(std::process::id()).unwrap(), true, false)
        );
        // Between fork and exec it has the environment of this test.
        let asked = ["GTCTL_TEST_MARK", "GTCTL_TEST_ABSENT"];
        let told = loop {
            match environment(pid, &asked) {
                Seen::Known(Some(told)) if !told.is_empty() => break told,
                Seen::Known(Some(_)) => std::thread::yield_now(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told, BTreeMap::from([("GTCTL_TEST_MARK".to_owned(), "here".to_owned())]));
        assert_eq!(input_is_terminal(pid), Seen::Known(Some(false)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(environment(pid, &asked), Seen::Known(None));
    }

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
