//! What the processes of a machine are to gtctl: alive, a family, a bare shell.

use std::path::Path;
use std::time::Duration;

use crate::machine::{Found, Machine};
use crate::model::{ProcessId, Seen};

/// Whether this very process lives: same pid, same start time, not a zombie.
pub fn is_alive(machine: &impl Machine, id: ProcessId) -> Seen<bool> {
    machine.find(id.pid).map(|found| found.is_some_and(|found| found.id == id && !found.zombie))
}

/// The process and all its descendants that live, parents first. Unknown if any of them could not be read.
pub fn tree(machine: &impl Machine, root: ProcessId) -> Seen<Vec<ProcessId>> {
    let mut all: Vec<ProcessId> = Vec::new();
    let mut next = vec![(root.pid, None)];
    while let Some((pid, parent)) = next.pop() {
        let found = match machine.find(pid) {
            Seen::Unknown(why) => return Seen::Unknown(why),
            Seen::Known(found) => found.filter(|found| !found.zombie),
        };
        // A pid that was read as a child and is somebody else's child now has been reused in between.
        let is_of_the_family =
            |found: &Found| parent.map_or(found.id == root, |parent| found.parent == parent);
        let Some(found) = found.filter(is_of_the_family) else { continue };
        all.push(found.id);
        match machine.children(pid) {
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

/// Shells by the name of their executable. Used only to recognise what a wrapper leaves behind, never to tell whether an
/// agent lives: a shell that runs a script, or has a child, is an agent like any other.
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "tcsh", "csh", "busybox"];

/// Whether a program, given by name or path, is a shell.
pub fn is_shell(program: impl AsRef<Path>) -> bool {
    let name = program.as_ref().file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| SHELLS.contains(&name))
}

/// Whether the process is an interactive shell with no script, no `-c` and no children.
pub fn is_bare_shell(machine: &impl Machine, pid: i32) -> Seen<bool> {
    match machine.executable(pid) {
        Seen::Unknown(why) => return Seen::Unknown(why),
        Seen::Known(executable) if executable.as_ref().is_some_and(is_shell) => {}
        Seen::Known(_) => return Seen::Known(false),
    }
    let takes_no_script = |flag: &String| flag.starts_with('-') && !names_a_script(flag);
    match machine.arguments(pid) {
        Seen::Unknown(why) => Seen::Unknown(why),
        // Just after an exec the arguments are not there yet, not even the name; that is no proof of anything.
        Seen::Known(arguments) => match arguments.as_deref() {
            Some([_, flags @ ..]) if flags.iter().all(takes_no_script) => {
                machine.children(pid).map(|children| children.is_empty())
            }
            _ => Seen::Known(false),
        },
    }
}

/// Whether a shell's flag takes a command: `-c`, `-lc`.
fn names_a_script(flag: &str) -> bool {
    !flag.starts_with("--") && flag.contains('c')
}

/// Who is behind a process that may be a wrapper around an agent. The agent's end leaves a shell alive, so it is worth hearing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// It is no shell.
    NoShell,
    /// It has no child, or cannot be read: there is nothing to hear.
    Nobody,
    /// The oldest child of a shell.
    Child(ProcessId),
}

/// Looks who is behind a process.
pub fn behind(machine: &impl Machine, pid: i32) -> Behind {
    let Seen::Known(Some(executable)) = machine.executable(pid) else { return Behind::Nobody };
    if !is_shell(&executable) {
        return Behind::NoShell;
    }
    let Seen::Known(children) = machine.children(pid) else { return Behind::Nobody };
    let living = children.into_iter().filter_map(|child| match machine.find(child) {
        Seen::Known(found) => found.filter(|found| !found.zombie).map(|found| found.id),
        Seen::Unknown(_) => None,
    });
    living.min_by_key(|id| id.start).map_or(Behind::Nobody, Behind::Child)
}

/// How long the process has lived, given the time since boot.
pub fn lived(machine: &impl Machine, id: ProcessId, since_boot: Duration) -> Duration {
    since_boot.saturating_sub(machine.started(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use std::process::{Child, Command, Stdio};

    fn pid(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn this() -> ThisMachine {
        ThisMachine::new()
    }

    #[test]
    fn a_zombie_is_dead_and_a_reused_pid_is_another_process() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let Seen::Known(Some(found)) = this().find(pid(&child)) else { panic!("a living child is found") };
        assert_eq!(is_alive(&this(), found.id), Seen::Known(true));
        assert_eq!(
            is_alive(&this(), ProcessId { start: found.id.start + 1, ..found.id }),
            Seen::Known(false)
        );
        child.kill().unwrap();
        while !matches!(this().find(pid(&child)), Seen::Known(Some(Found { zombie: true, .. }))) {
            std::thread::yield_now();
        }
        assert_eq!(is_alive(&this(), found.id), Seen::Known(false));
        child.wait().unwrap();
    }

    #[test]
    fn s07_a_shell_with_a_script_or_a_child_is_no_bare_shell() {
        let mut script =
            Command::new("bash").args(["-c", "read line; true"]).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(is_bare_shell(&this(), pid(&script)), Seen::Known(false));
        script.kill().unwrap();
        script.wait().unwrap();
        let mut bare = Command::new("bash").stdin(Stdio::piped()).spawn().unwrap();
        while is_bare_shell(&this(), pid(&bare)) != Seen::Known(true) {
            std::thread::yield_now();
        }
        bare.kill().unwrap();
        bare.wait().unwrap();
    }
}
