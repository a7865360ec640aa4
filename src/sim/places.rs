//! Where the programs and directories of a simulated machine are, as far as another machine was asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::Seen;
use crate::observed::{Place, PlaceWanted};

/// What another machine said of its programs and directories. Whatever it was not asked is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Places {
    programs: BTreeMap<Program, (Result<Option<PathBuf>, String>, String)>,
    unseen: BTreeMap<PathBuf, String>,
}

/// A program as it is looked for: its name, the path to search, and the directory to start from.
type Program = (String, Option<String>, PathBuf);

impl Places {
    /// Takes over what a machine said of one place.
    pub fn take(&mut self, wanted: &PlaceWanted, place: &Place) {
        let base = match &place.directory {
            Seen::Known(Some(directory)) => directory.clone(),
            Seen::Known(None) => PathBuf::from("/"),
            // Nothing is said of a program either, then.
            Seen::Unknown(why) => {
                let first = wanted.directories.first().cloned().unwrap_or_default();
                self.unseen.insert(first, why.to_string());
                return;
            }
        };
        let found = match &place.program {
            Seen::Known(found) => Ok(found.clone()),
            Seen::Unknown(why) => Err(why.to_string()),
        };
        self.programs
            .insert((wanted.program.clone(), wanted.path.clone(), base), (found, place.path.clone()));
    }

    /// What was said of a program; `None` if nobody asked.
    pub fn program(
        &self,
        name: &str,
        search: Option<&str>,
        base: &Path,
    ) -> Option<(Seen<Option<PathBuf>>, String)> {
        let key = (name.to_owned(), search.map(str::to_owned), base.to_owned());
        let (found, path) = self.programs.get(&key)?;
        let found = match found {
            Ok(found) => Seen::Known(found.clone()),
            Err(why) => Seen::unknown(why.clone()),
        };
        Some((found, path.clone()))
    }

    /// Why it cannot be told whether a directory is there, if it cannot.
    pub fn unseen(&self, directory: &Path) -> Option<&str> {
        self.unseen.get(directory).map(String::as_str)
    }
}
