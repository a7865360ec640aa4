//! Processes as the crate `sysinfo` tells of them, on systems that have no `/proc` of Linux's kind.
//!
//! The crate leaves out what it cannot read, and says nothing of why. So what is missing counts as gone only if the system itself says that there is no such
//! process (`kill` with signal 0, as POSIX has it); all else that is missing is unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};
use sysinfo::{
    MemoryRefreshKind, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, ThreadKind, UpdateKind,
};

use super::{Found, Listed, MEBIBYTE, Observe, as_texts, of_names};
use crate::model::{ProcessId, Seen};

/// Asks the crate `sysinfo`.
///
/// [`ProcessId::start`] is told in whole seconds: since the epoch on Apple's systems, where the kernel writes it down when the process begins, and since
/// boot on all others, where the kernel counts from there. So it is the same at each look, also when the clock was set meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

/// Whether start times are times of day.
const STARTS_ARE_TIMES_OF_DAY: bool = cfg!(target_vendor = "apple");

/// How often a process is looked for that exists and is not shown: it may just be beginning or ending.
const TRIES: usize = 3;

/// The table as it was at one moment, or a part of it.
struct Table {
    system: System,
    /// Seconds since the epoch.
    boot: u64,
}

impl Table {
    /// Reads it. Each time anew: what is remembered from one time to the next is how a reused pid would be taken for its predecessor.
    fn read(which: ProcessesToUpdate<'_>, kind: ProcessRefreshKind) -> Seen<Self> {
        for _ in 0..TRIES {
            let (before, system) = match (System::boot_time(), System::new()) {
                (Ok(boot), Ok(system)) => (boot, system),
                (Err(error), _) | (_, Err(error)) => return Seen::unknown(format!("processes: {error:?}")),
            };
            let mut table = Self { system, boot: before };
            table.system.refresh_processes_specifics(which, true, kind);
            // Where start times are counted from boot, the clock must not have been set in between.
            if System::boot_time().is_ok_and(|after| after == before) {
                return Seen::Known(table);
            }
        }
        Seen::unknown("the clock is being set")
    }

    fn get(&self, pid: i32) -> Option<Row<'_>> {
        let process = self.system.process(sysinfo::Pid::from_u32(u32::try_from(pid).ok()?))?;
        Some(Row { process, boot: self.boot })
    }

    /// All processes; threads are none.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let processes = self.system.processes().values();
        processes
            .filter(|process| process.thread_kind() != Some(ThreadKind::Userland))
            .map(|process| Row { process, boot: self.boot })
    }
}

/// A process of the table.
#[derive(Clone, Copy)]
struct Row<'a> {
    process: &'a sysinfo::Process,
    boot: u64,
}

impl Row<'_> {
    fn pid(&self) -> i32 {
        i32::try_from(self.process.pid().as_u32()).unwrap_or_default()
    }

    /// Which process it is; `None` if the system shows no more of it than its name, as Apple's do with those of other users.
    fn id(&self) -> Option<ProcessId> {
        let time = Some(self.process.start_time()).filter(|time| *time > 0)?;
        let start = if STARTS_ARE_TIMES_OF_DAY { time } else { time.saturating_sub(self.boot) };
        Some(ProcessId { pid: self.pid(), start })
    }

    fn parent(&self) -> i32 {
        self.process.parent().and_then(|parent| i32::try_from(parent.as_u32()).ok()).unwrap_or_default()
    }

    fn session(&self) -> Option<i32> {
        self.process.session_id().and_then(|session| i32::try_from(session.as_u32()).ok())
    }

    fn has_ended(&self) -> bool {
        matches!(self.process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
    }

    fn found(&self) -> Option<Found> {
        self.id().map(|id| Found { id, parent: self.parent(), zombie: self.has_ended() })
    }
}

/// Asks the system whether a signal could be sent to this pid. Of what is no pid, not even that is asked: 0 and less are groups.
fn knock(pid: i32) -> Result<(), Errno> {
    match Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw) {
        Some(pid) => test_kill_process(pid),
        None => Err(Errno::SRCH),
    }
}

/// Whether there is a process with this pid, be it that it has ended and waits to be collected.
pub(in crate::machine) fn is_there(pid: i32) -> bool {
    knock(pid) != Err(Errno::SRCH)
}

/// Whether there is one that this user could signal.
fn is_within_reach(pid: i32) -> bool {
    knock(pid).is_ok()
}

/// What the table tells of some pids.
pub(in crate::machine) fn find_all(pids: &[i32]) -> BTreeMap<i32, Seen<Option<Found>>> {
    look(pids, ProcessRefreshKind::nothing(), |row| row.found().map(Seen::Known))
}

/// Reads something of some processes. `take` gives `None` for what the system does not show.
fn look<T>(
    pids: &[i32],
    kind: ProcessRefreshKind,
    take: impl Fn(Row<'_>) -> Option<Seen<T>>,
) -> BTreeMap<i32, Seen<Option<T>>> {
    let mut told = BTreeMap::new();
    for _ in 0..TRIES {
        let left: Vec<i32> = pids.iter().copied().filter(|pid| !told.contains_key(pid)).collect();
        let keys = left.iter().filter_map(|pid| u32::try_from(*pid).ok()).map(sysinfo::Pid::from_u32);
        let keys: Vec<sysinfo::Pid> = keys.collect();
        let table = match Table::read(ProcessesToUpdate::Some(&keys), kind) {
            Seen::Known(table) => table,
            Seen::Unknown(why) => {
                told.extend(left.into_iter().map(|pid| (pid, Seen::Unknown(why.clone()))));
                return told;
            }
        };
        for pid in left {
            match table.get(pid).and_then(&take) {
                Some(seen) => drop(told.insert(pid, seen.map(Some))),
                None if !is_there(pid) => drop(told.insert(pid, Seen::Known(None))),
                None => {}
            }
        }
    }
    for pid in pids {
        told.entry(*pid).or_insert_with(|| Seen::unknown("the system does not show this of the process"));
    }
    told
}

fn look_at<T>(
    pid: i32,
    kind: ProcessRefreshKind,
    take: impl Fn(Row<'_>) -> Option<Seen<T>>,
) -> Seen<Option<T>> {
    let told = look(&[pid], kind, take).remove(&pid);
    told.unwrap_or_else(|| Seen::unknown("the system does not show the process"))
}

/// What is to be known of a process to tell whose child it is.
#[derive(Debug, Clone, Copy)]
struct Kin {
    pid: i32,
    /// `None` if it is not shown.
    parent: Option<i32>,
    /// `None` if it is not shown.
    session: Option<i32>,
}

/// The children of a process. Unknown if one that does not show its parent is in the same session: it may be one.
fn children_of(pid: i32, session: Option<i32>, all: &[Kin]) -> Seen<Vec<i32>> {
    let may_be_one = |kin: &&Kin| {
        kin.parent.is_none() && (kin.session.is_none() || session.is_none() || kin.session == session)
    };
    match all.iter().find(may_be_one) {
        Some(hidden) => {
            Seen::unknown(format!("the system does not show the parent of process {}", hidden.pid))
        }
        None => Seen::Known(all.iter().filter(|kin| kin.parent == Some(pid)).map(|kin| kin.pid).collect()),
    }
}

impl Observe for Portable {
    fn find(&self, pid: i32) -> Seen<Option<Found>> {
        look_at(pid, ProcessRefreshKind::nothing(), |row| row.found().map(Seen::Known))
    }

    fn started(&self, id: ProcessId) -> Duration {
        let boot = if STARTS_ARE_TIMES_OF_DAY { System::boot_time().unwrap_or(id.start) } else { 0 };
        Duration::from_secs(id.start.saturating_sub(boot))
    }

    fn children(&self, pid: i32) -> Seen<Vec<i32>> {
        let table = match Table::read(ProcessesToUpdate::All, ProcessRefreshKind::nothing()) {
            Seen::Known(table) => table,
            Seen::Unknown(why) => return Seen::Unknown(why),
        };
        let Some(process) = table.get(pid) else {
            return if is_there(pid) {
                Seen::unknown("the system does not show the process")
            } else {
                Seen::Known(Vec::new())
            };
        };
        let kin = |row: Row<'_>| Kin {
            pid: row.pid(),
            parent: row.id().map(|_| row.parent()),
            session: row.session(),
        };
        // What has ended since the table was read is nobody's child any more.
        let all: Vec<Kin> =
            table.rows().map(kin).filter(|kin| kin.parent.is_some() || is_there(kin.pid)).collect();
        children_of(pid, process.session(), &all)
    }

    fn executable(&self, pid: i32) -> Seen<Option<PathBuf>> {
        let kind = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always);
        look_living(pid, kind, |row| {
            row.process.exe().filter(|path| path.is_absolute()).map(|path| Seen::Known(path.to_owned()))
        })
    }

    /// Unknown if there are none: they may be hidden, or not be there yet.
    fn arguments(&self, pid: i32) -> Seen<Option<Vec<String>>> {
        let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
        look_living(pid, kind, |row| {
            let arguments = row.process.cmd();
            (!arguments.is_empty()).then(|| as_texts(arguments.iter().map(|argument| argument.as_os_str())))
        })
    }

    /// Unknown as a whole if one that this user could signal does not show who it is. Nothing is known of terminals.
    fn all(&self) -> Seen<Vec<Listed>> {
        let kind = ProcessRefreshKind::nothing().with_user(UpdateKind::Always);
        let table = match Table::read(ProcessesToUpdate::All, kind) {
            Seen::Known(table) => table,
            Seen::Unknown(why) => return Seen::Unknown(why),
        };
        let own = geteuid().as_raw();
        let mut all = Vec::new();
        for row in table.rows().filter(|row| !row.has_ended()) {
            let user = row.process.effective_user_id().map(|user| **user);
            match (row.id(), user, row.session()) {
                (Some(id), Some(user), Some(session)) => all.push(Listed {
                    id,
                    parent: row.parent(),
                    own: user == own,
                    leads: session == id.pid,
                    terminal: Seen::unknown("this system does not tell who has a terminal"),
                    name: row.process.name().to_string_lossy().into_owned(),
                }),
                _ if !is_within_reach(row.pid()) => {}
                _ => {
                    return Seen::unknown(format!("the system does not show whose process {} is", row.pid()));
                }
            }
        }
        // Whoever reads it is in it.
        if all.is_empty() { Seen::unknown("the system shows no processes") } else { Seen::Known(all) }
    }

    /// Unknown if there is none at all: it may be hidden.
    fn environment(&self, pid: i32, names: &[&str]) -> Seen<Option<BTreeMap<String, String>>> {
        let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
        look_living(pid, kind, |row| {
            let lines = row.process.environ();
            let lines_of = || lines.iter().map(|line| line.as_encoded_bytes());
            (!lines.is_empty()).then(|| Seen::Known(of_names(lines_of(), names)))
        })
    }

    fn input_is_terminal(&self, pid: i32) -> Seen<Option<bool>> {
        if is_there(pid) {
            Seen::unknown("this system does not tell what a process has for its input")
        } else {
            Seen::Known(None)
        }
    }

    /// No socket of tmux is bound where no tmux of this user runs; more cannot be told.
    fn socket_is_bound(&self, _path: &Path) -> Seen<bool> {
        match self.all() {
            Seen::Known(all) if all.iter().any(|one| one.own && one.name.starts_with("tmux")) => {
                Seen::unknown("a tmux runs, and this system does not tell which sockets are bound")
            }
            Seen::Known(_) => Seen::Known(false),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    fn memory_available(&self) -> Seen<u64> {
        let mut system = match System::new() {
            Ok(system) => system,
            Err(error) => return Seen::unknown(format!("memory: {error:?}")),
        };
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        match system.available_memory() {
            0 => Seen::unknown("this system does not tell how much memory is available"),
            bytes => Seen::Known(bytes / MEBIBYTE),
        }
    }

    fn memory(&self, pid: i32) -> Seen<Option<u64>> {
        look_living(pid, ProcessRefreshKind::nothing().with_memory(), |row| {
            Some(row.process.memory()).filter(|bytes| *bytes > 0).map(Seen::Known)
        })
    }
}

/// Like [`look_at`], and one that has ended and waits to be collected is gone: it runs nothing any more.
fn look_living<T>(
    pid: i32,
    kind: ProcessRefreshKind,
    take: impl Fn(Row<'_>) -> Option<Seen<T>>,
) -> Seen<Option<T>> {
    let told = look_at(pid, kind, |row| match row.has_ended() {
        true => Some(Seen::Known(None)),
        false => take(row).map(|seen| seen.map(Some)),
    });
    told.map(Option::flatten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_1_who_does_not_show_its_parent_may_be_a_child_if_it_is_in_the_same_session() {
        let shown = |pid, parent| Kin { pid, parent: Some(parent), session: Some(7) };
        let hidden = |session| Kin { pid: 99, parent: None, session };
        let family = [shown(7, 1), shown(8, 7), shown(9, 8), shown(10, 7)];
        assert_eq!(children_of(7, Some(7), &family), Seen::Known(vec![8, 10]));
        assert_eq!(children_of(9, Some(7), &family), Seen::Known(vec![]));
        let with = |one: Kin| [family.as_slice(), &[one]].concat();
        assert_eq!(children_of(9, Some(7), &with(hidden(Some(3)))), Seen::Known(vec![]));
        for (of, one) in [(Some(7), hidden(Some(7))), (Some(7), hidden(None)), (None, hidden(Some(3)))] {
            assert!(matches!(children_of(9, of, &with(one)), Seen::Unknown(_)), "{of:?} {one:?}");
        }
    }
}
