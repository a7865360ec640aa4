//! Processes, as `/proc` tells of them. Gone is an answer; not being able to read is not (law 1).

use std::path::Path;
use std::time::Duration;

use procfs::process::Process;
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

/// Whether this very process lives: same pid, same start time, not a zombie.
pub fn is_alive(id: ProcessId) -> Seen<bool> {
    find(id.pid).map(|found| found.is_some_and(|found| found.id == id && !found.zombie))
}

/// The process and all its descendants that live, parents first. Unknown if any of them could not be read.
pub fn tree(root: ProcessId) -> Seen<Vec<ProcessId>> {
    let mut all: Vec<ProcessId> = Vec::new();
    let mut next = vec![(root.pid, None)];
    while let Some((pid, parent)) = next.pop() {
        let found = match find(pid) {
            Seen::Unknown(why) => return Seen::Unknown(why),
            Seen::Known(found) => found.filter(|found| !found.zombie),
        };
        // A pid that was read as a child and is somebody else's child now has been reused in between.
        let is_of_the_family =
            |found: &Found| parent.map_or(found.id == root, |parent| found.parent == parent);
        let Some(found) = found.filter(is_of_the_family) else { continue };
        all.push(found.id);
        match children(pid) {
            Seen::Unknown(why) => return Seen::Unknown(why),
            Seen::Known(children) => next.extend(children.into_iter().map(|child| (child, Some(pid)))),
        }
        if all.len() > TREE_SIZE_MAX {
            return Seen::unknown(format!("more than {TREE_SIZE_MAX} processes below {}", root.pid));
        }
    }
    Seen::Known(all)
}

/// More processes than this below one agent are not walked: something is very wrong there, and a walk would not end.
const TREE_SIZE_MAX: usize = 10_000;

/// The living children of a process, of all its threads; none if it is gone.
///
/// Unknown on a kernel that does not tell children at all: there every shell would seem to be bare.
fn children(pid: i32) -> Seen<Vec<i32>> {
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

/// Shells by the name of their executable. Used only to recognise what a wrapper leaves behind, never to tell whether an
/// agent lives: a shell that runs a script, or has a child, is an agent like any other.
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "tcsh", "csh", "busybox"];

/// Whether a program, given by name or path, is a shell.
pub fn is_shell(program: &str) -> bool {
    let name = Path::new(program).file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| SHELLS.contains(&name))
}

/// Whether the process is an interactive shell with no script, no `-c` and no children.
pub fn is_bare_shell(pid: i32) -> Seen<bool> {
    let read = || -> ProcResult<bool> {
        let process = Process::new(pid)?;
        let exe = process.exe()?;
        let is_shell =
            exe.file_name().and_then(|name| name.to_str()).is_some_and(|name| SHELLS.contains(&name));
        if !is_shell {
            return Ok(false);
        }
        let arguments = process.cmdline()?;
        // Just after an exec the arguments are not there yet; that is no proof of anything.
        if arguments.is_empty() {
            return Ok(false);
        }
        let only_flags =
            arguments.iter().skip(1).all(|argument| argument.starts_with('-') && !names_a_script(argument));
        // In the middle of an exec a process has its new program and no arguments yet, not even its name.
        Ok(only_flags && !arguments.is_empty())
    };
    match answer(read()).map(|bare| bare.unwrap_or(false)) {
        Seen::Known(true) => children(pid).map(|children| children.is_empty()),
        other => other,
    }
}

fn runs_a_shell(process: &Process) -> ProcResult<bool> {
    Ok(process.exe()?.to_str().is_some_and(is_shell))
}

/// The oldest child of a shell: the agent, if the shell is a wrapper around one. Its end leaves the shell alive, so it is worth hearing
/// of. `None` if the process is no shell, has no child, or cannot be read: then there is nothing to hear.
pub fn wrapped(pid: i32) -> Option<ProcessId> {
    if !runs_a_shell(&Process::new(pid).ok()?).ok()? {
        return None;
    }
    let Seen::Known(children) = children(pid) else { return None };
    let living = children.into_iter().filter_map(|child| match find(child) {
        Seen::Known(found) => found.filter(|found| !found.zombie).map(|found| found.id),
        Seen::Unknown(_) => None,
    });
    living.min_by_key(|id| id.start)
}

/// Whether a shell's flag takes a command: `-c`, `-lc`.
fn names_a_script(flag: &str) -> bool {
    !flag.starts_with("--") && flag.contains('c')
}

/// How long the process has lived, given the time since boot.
pub fn lived(id: ProcessId, since_boot: Duration) -> Duration {
    let ticks = procfs::ticks_per_second().max(1);
    let started = Duration::from_millis(id.start.saturating_mul(1000) / ticks);
    since_boot.saturating_sub(started)
}

/// Whether some process has a listening socket bound to this path, also if the file has been removed since.
pub fn socket_is_bound(path: &Path) -> Seen<bool> {
    answer(procfs::net::unix().map(|entries| entries.iter().any(|entry| entry.path.as_deref() == Some(path))))
        .map(|bound| bound.unwrap_or(false))
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
    fn a_zombie_is_dead_and_a_reused_pid_is_another_process() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let Seen::Known(Some(found)) = find(pid) else { panic!("a living child is found") };
        assert_eq!(is_alive(found.id), Seen::Known(true));
        assert_eq!(is_alive(ProcessId { start: found.id.start + 1, ..found.id }), Seen::Known(false));
        child.kill().unwrap();
        while !matches!(find(pid), Seen::Known(Some(Found { zombie: true, .. }))) {
            std::thread::yield_now();
        }
        assert_eq!(is_alive(found.id), Seen::Known(false));
        child.wait().unwrap();
        assert_eq!(find(pid), Seen::Known(None));
    }

    #[test]
    fn s07_a_shell_with_a_script_or_a_child_is_no_bare_shell() {
        let mut script = Command::new("bash")
            .args(["-c", "read line; true"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(is_bare_shell(i32::try_from(script.id()).unwrap()), Seen::Known(false));
        script.kill().unwrap();
        script.wait().unwrap();
        let mut bare = Command::new("bash").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(bare.id()).unwrap();
        while is_bare_shell(pid) != Seen::Known(true) {
            std::thread::yield_now();
        }
        bare.kill().unwrap();
        bare.wait().unwrap();
    }
}
