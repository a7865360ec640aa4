//! What freezes a town or a rig: `ESTOP`, `ESTOP.<rig>`, and a shutdown that is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::machine::Disk;
use crate::model::{Name, Seen, printable};
use crate::town::source;

/// The file of a stop of the whole town.
pub const ESTOP: &str = "ESTOP";

/// The file that `gt down` locks while it works.
pub const SHUTDOWN_LOCK: &str = "daemon/shutdown.lock";

/// What stops there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stops {
    /// The stop of the whole town.
    pub town: Seen<Option<Stop>>,
    /// The stops of rigs.
    pub rigs: BTreeMap<Name, Seen<Option<Stop>>>,
    /// Whether `gt down` is working at this moment.
    pub shutdown: Seen<bool>,
}

/// A stop. That its file exists is the stop; what is in it is only for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The file, relative to the town.
    pub file: String,
    /// `manual` or `auto`, if the file says so.
    pub trigger: Option<String>,
    /// Why, if the file says so.
    pub reason: Option<String>,
    /// Since when, if the file says so.
    pub since: Option<jiff::Timestamp>,
}

/// The rigs that a file `ESTOP.<rig>` names, whether or not any other file does.
pub fn stopped_rigs(disk: &dyn Disk, root: &Path) -> BTreeSet<Name> {
    let names = disk.names(root);
    names.iter().filter_map(|name| Name::parse(name.strip_prefix("ESTOP.")?).ok()).collect()
}

/// Looks for all stops. What cannot be looked at is unknown, never "no stop".
pub fn read_stops(disk: &dyn Disk, root: &Path, rigs: &BTreeSet<Name>) -> Stops {
    let of_rig = |rig: &Name| (rig.clone(), read_stop(disk, root, format!("{ESTOP}.{rig}")));
    Stops {
        town: read_stop(disk, root, ESTOP.to_owned()),
        rigs: rigs.iter().map(of_rig).collect(),
        shutdown: shutdown(disk, root),
    }
}

fn read_stop(disk: &dyn Disk, root: &Path, file: String) -> Seen<Option<Stop>> {
    // Not followed: a link to nothing is still somebody's stop.
    match disk.is_there(root, &file) {
        Ok(true) => {}
        Ok(false) => return Seen::Known(None),
        Err(error) => return Seen::unknown(format!("cannot look for {file}: {error}")),
    }
    let text = source::read(disk, root, &file).ok().flatten().map(|source| source.text).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let mut parts = line
        .splitn(3, '\t')
        .map(|part| Some(printable(part.trim()).into_owned()).filter(|part| !part.is_empty()));
    let mut part = || parts.next().flatten();
    let (trigger, since, reason) = (part(), part(), part());
    Seen::Known(Some(Stop { file, trigger, reason, since: since.and_then(|text| text.parse().ok()) }))
}

/// Whether the lock is held. The file stays behind after every shutdown, so that it exists means nothing (trap 1).
fn shutdown(disk: &dyn Disk, root: &Path) -> Seen<bool> {
    match disk.is_locked(root, SHUTDOWN_LOCK) {
        Ok(held) => Seen::Known(held),
        Err(why) => Seen::unknown(format!("cannot look at {SHUTDOWN_LOCK}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use rustix::fs::FlockOperation;
    use std::fs;

    fn stops(root: &Path) -> Stops {
        read_stops(&ThisMachine::new(), root, &BTreeSet::from([Name::parse("r").unwrap()]))
    }

    #[test]
    fn a_stop_is_that_its_file_exists() {
        let town = tempfile::tempdir().unwrap();
        assert_eq!(stops(town.path()).town, Seen::Known(None));
        fs::write(town.path().join("ESTOP.r"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", town.path().join("ESTOP")).unwrap();
        let found = stops(town.path());
        assert!(matches!(found.town, Seen::Known(Some(_))));
        assert!(matches!(found.rigs.values().next(), Some(Seen::Known(Some(_)))));
        assert!(matches!(stops(&town.path().join("gone")).town, Seen::Unknown(_)));
    }

    #[test]
    fn what_is_in_a_stop_is_read_for_people() {
        let town = tempfile::tempdir().unwrap();
        fs::write(town.path().join("ESTOP"), "auto\t2026-01-24T10:00:00Z\tdisk full\n").unwrap();
        let Seen::Known(Some(stop)) = stops(town.path()).town else { panic!() };
        assert_eq!((stop.trigger.as_deref(), stop.reason.as_deref()), (Some("auto"), Some("disk full")));
        assert_eq!(stop.since, "2026-01-24T10:00:00Z".parse().ok());
    }

    #[test]
    fn trap_1_a_shutdown_is_a_held_lock_and_not_a_file() {
        let town = tempfile::tempdir().unwrap();
        assert_eq!(stops(town.path()).shutdown, Seen::Known(false));
        fs::create_dir(town.path().join("daemon")).unwrap();
        let lock = fs::File::create(town.path().join(SHUTDOWN_LOCK)).unwrap();
        assert_eq!(stops(town.path()).shutdown, Seen::Known(false));
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert_eq!(stops(town.path()).shutdown, Seen::Known(true));
        drop(lock);
        assert_eq!(stops(town.path()).shutdown, Seen::Known(false));
    }
}
