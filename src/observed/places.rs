//! Where an object would be started: does its directory exist, is its program somewhere?

use std::path::{Path, PathBuf};

use super::{Place, PlaceWanted};
use crate::machine::Disk;
use crate::model::Seen;

/// Looks at one place.
pub fn look(disk: &impl Disk, wanted: &PlaceWanted) -> Place {
    let directory = first_existing(disk, &wanted.directories);
    let base = match &directory {
        Seen::Known(Some(directory)) => directory,
        Seen::Known(None) | Seen::Unknown(_) => Path::new("/"),
    };
    let (program, path) = disk.find_program(&wanted.program, wanted.path.as_deref(), base);
    let program = match &directory {
        Seen::Known(_) => program,
        Seen::Unknown(why) => Seen::Unknown(why.clone()),
    };
    Place { directory, program, path }
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
