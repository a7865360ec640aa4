//! Where each object would be started: does its directory exist, is its program somewhere?

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{Place, PlaceWanted};
use crate::machine::Disk;
use crate::model::{Address, Seen};

/// What was found of a program, and where it was looked for.
type Program = (Seen<Option<PathBuf>>, String);

/// What one look has found already. Agents share directories and programs, and a PATH is long: each is looked for once.
#[derive(Default)]
struct Known<'a> {
    programs: HashMap<(&'a str, Option<&'a str>), Program>,
    directories: HashMap<&'a Path, Seen<bool>>,
}

/// Looks at all places.
pub fn look(disk: &impl Disk, wanted: &BTreeMap<Address, PlaceWanted>) -> BTreeMap<Address, Place> {
    let mut known = Known::default();
    wanted.iter().map(|(who, wanted)| (who.clone(), place(disk, wanted, &mut known))).collect()
}

/// Looks at one place.
pub fn look_at(disk: &impl Disk, wanted: &PlaceWanted) -> Place {
    place(disk, wanted, &mut Known::default())
}

fn place<'a>(disk: &impl Disk, wanted: &'a PlaceWanted, known: &mut Known<'a>) -> Place {
    let directory = first_existing(disk, &wanted.directories, known);
    let base = match &directory {
        Seen::Known(Some(directory)) => directory,
        Seen::Known(None) | Seen::Unknown(_) => Path::new("/"),
    };
    let (program, path) = program(disk, wanted, base, known);
    let program = match &directory {
        Seen::Known(_) => program,
        Seen::Unknown(why) => Seen::Unknown(why.clone()),
    };
    Place { directory, program, path }
}

/// Finds a program. What is found is the same for all directories, unless a path begins in them.
fn program<'a>(disk: &impl Disk, wanted: &'a PlaceWanted, base: &Path, known: &mut Known<'a>) -> Program {
    let key = (wanted.program.as_str(), wanted.path.as_deref());
    if let Some(found) = known.programs.get(&key) {
        return found.clone();
    }
    let (program, path) = disk.find_program(&wanted.program, wanted.path.as_deref(), base);
    let is_absolute = |path: &str| path.starts_with('/');
    if is_absolute(&wanted.program) || (!wanted.program.contains('/') && path.split(':').all(is_absolute)) {
        known.programs.insert(key, (program.clone(), path.clone()));
    }
    (program, path)
}

fn first_existing<'a>(
    disk: &impl Disk,
    directories: &'a [PathBuf],
    known: &mut Known<'a>,
) -> Seen<Option<PathBuf>> {
    for directory in directories {
        match known.directories.entry(directory).or_insert_with(|| disk.is_directory(directory)) {
            Seen::Known(true) => return Seen::Known(Some(directory.clone())),
            Seen::Known(false) => {}
            Seen::Unknown(why) => return Seen::Unknown(why.clone()),
        }
    }
    Seen::Known(None)
}
