//! Where an object would be started: does its directory exist, is its program somewhere?

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Place, PlaceWanted};
use crate::model::Seen;

/// Looks at one place. `path` is the PATH of gtctl itself, for objects that set none.
pub fn look(wanted: &PlaceWanted, path: Option<&OsString>) -> Place {
    let path = wanted.path.clone().map(OsString::from).or_else(|| path.cloned()).unwrap_or_default();
    let directory = first_existing(&wanted.directories);
    let program = match &directory {
        Seen::Known(Some(directory)) => program(&wanted.program, &path, directory),
        Seen::Known(None) => program(&wanted.program, &path, Path::new("/")),
        Seen::Unknown(why) => Seen::Unknown(why.clone()),
    };
    Place { directory, program, path: path.to_string_lossy().into_owned() }
}

/// Whether this is a directory. Not being allowed to look is no answer.
pub fn is_directory(path: &Path) -> Seen<bool> {
    match std::fs::metadata(path) {
        Ok(metadata) => Seen::Known(metadata.is_dir()),
        Err(error) => match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Seen::Known(false),
            _ => Seen::unknown(format!("{}: {error}", path.display())),
        },
    }
}

fn first_existing(directories: &[PathBuf]) -> Seen<Option<PathBuf>> {
    for directory in directories {
        match is_directory(directory) {
            Seen::Known(true) => return Seen::Known(Some(directory.clone())),
            Seen::Known(false) => {}
            Seen::Unknown(why) => return Seen::Unknown(why),
        }
    }
    Seen::Known(None)
}

fn program(program: &str, path: &OsString, directory: &Path) -> Seen<Option<PathBuf>> {
    match which::which_in(program, Some(path), directory) {
        Ok(found) => Seen::Known(Some(found)),
        Err(which::Error::CannotFindBinaryPath) => Seen::Known(None),
        Err(error) => Seen::unknown(format!("{program}: {error}")),
    }
}
