//! Where each object would be started: does its directory exist, is its program somewhere?

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{Place, PlaceWanted};
use crate::machine::Disk;
use crate::model::{Address, Seen};

/// What was found of a program, and where it was looked for.
type Program = (Seen<Option<PathBuf>>, String);

/// Programs that were found, by their names and the PATH of their environments.
type Found<'a> = HashMap<(&'a str, Option<&'a str>), Program>;

/// Looks at all places. Agents share programs, and a PATH is long: each program is looked for once.
pub fn look(disk: &impl Disk, wanted: &BTreeMap<Address, PlaceWanted>) -> BTreeMap<Address, Place> {
    let mut found = Found::new();
    wanted.iter().map(|(who, wanted)| (who.clone(), place(disk, wanted, &mut found))).collect()
}

/// Looks at one place.
pub fn look_at(disk: &impl Disk, wanted: &PlaceWanted) -> Place {
    place(disk, wanted, &mut Found::new())
}

fn place<'a>(disk: &impl Disk, wanted: &'a PlaceWanted, found: &mut Found<'a>) -> Place {
    let directory = first_existing(disk, &wanted.directories);
    let base = match &directory {
        Seen::Known(Some(directory)) => directory,
        Seen::Known(None) | Seen::Unknown(_) => Path::new("/"),
    };
    let (program, path) = program(disk, wanted, base, found);
    let program = match &directory {
        Seen::Known(_) => program,
        Seen::Unknown(why) => Seen::Unknown(why.clone()),
    };
    Place { directory, program, path }
}

/// Finds a program. What is found is the same for all directories, unless a path begins in them.
fn program<'a>(disk: &impl Disk, wanted: &'a PlaceWanted, base: &Path, found: &mut Found<'a>) -> Program {
    let key = (wanted.program.as_str(), wanted.path.as_deref());
    if let Some(known) = found.get(&key) {
        return known.clone();
    }
    let (program, path) = disk.find_program(&wanted.program, wanted.path.as_deref(), base);
    let is_absolute = |path: &str| path.starts_with('/');
    if is_absolute(&wanted.program) || (!wanted.program.contains('/') && path.split(':').all(is_absolute)) {
        found.insert(key, (program.clone(), path.clone()));
    }
    (program, path)
}

fn first_existing(disk: &impl Disk, directories: &[PathBuf]) -> Seen<Option<PathBuf>> {
    for directory in directories {
        match disk.is_directory(directory) {
            Seen::Known(true) => return Seen::Known(Some(directory.clone())),
            Seen::Known(false) => {}
            Seen::Unknown(why) => return Seen::Unknown(why),
        }
    }
    Seen::Known(None)
}
