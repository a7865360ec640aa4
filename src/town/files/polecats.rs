//! `<rig>/polecats/`: each directory in it is a polecat, whoever made it. gt has no other list of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::check::bad_name;
use crate::machine::Disk;
use crate::model::{Name, Why, printable};
use crate::town::diagnostic::{Diagnostic, Label};

/// More directories than these in one rig are no polecats that anybody counts on: gt gives a rig ten.
const POLECATS_MAX: usize = 1000;

/// The polecats of a rig.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polecats {
    /// Their names.
    pub names: BTreeSet<Name>,
    /// Why the directory could not be read, if it could not: then the names are those of the last good reading (law 11).
    pub unread: Option<Why>,
}

/// The directory of a rig's polecats, relative to the town.
pub fn polecats_dir(rig: &Name) -> String {
    format!("{rig}/polecats")
}

/// Lists the polecats of these rigs; `before` is the last good list. What cannot be read or cannot be a name is a warning: a stray directory
/// stops no town.
pub fn read_polecats(
    disk: &dyn Disk,
    root: &Path,
    rigs: &BTreeSet<Name>,
    before: Option<&BTreeMap<Name, Polecats>>,
    warnings: &mut Vec<Diagnostic>,
) -> BTreeMap<Name, Polecats> {
    let of_rig = |rig: &Name| {
        let directory = polecats_dir(rig);
        let listed = match disk.directories(&root.join(&directory)) {
            Ok(found) => Polecats { names: names(&directory, &found, warnings), unread: None },
            Err(error) => {
                let title = format!("{directory} cannot be read: {error}");
                warnings.push(
                    Diagnostic::warning(title, Label::file(&directory))
                        .with_help("the polecats that were last seen there stay known"),
                );
                let known = before.and_then(|before| before.get(rig)).map(|polecats| polecats.names.clone());
                Polecats { names: known.unwrap_or_default(), unread: Some(Why::of(&error)) }
            }
        };
        (rig.clone(), listed)
    };
    let listed: Vec<(Name, Polecats)> = rigs.iter().map(of_rig).collect();
    listed.into_iter().filter(|(_, polecats)| *polecats != Polecats::default()).collect()
}

fn names(directory: &str, found: &BTreeSet<String>, warnings: &mut Vec<Diagnostic>) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for text in found.iter().filter(|text| !text.starts_with('.')) {
        let place = |said: String| Label { text: said, ..Label::file(directory) };
        let bad = bad_name(text, "the name of a polecat", place);
        match (bad, Name::parse(text)) {
            (None, Ok(name)) if names.len() < POLECATS_MAX => drop(names.insert(name)),
            (None, _) => {
                let title =
                    format!("{directory} has more than {POLECATS_MAX} directories; the rest is left alone");
                warnings.push(Diagnostic::warning(title, Label::file(directory)));
                break;
            }
            (Some(_), _) => {
                let title = format!("{directory}/{} is not kept: it cannot be a name", printable(text));
                warnings.push(Diagnostic::warning(title, Label::file(directory)));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use std::fs;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn read(
        root: &Path,
        before: Option<&BTreeMap<Name, Polecats>>,
    ) -> (BTreeMap<Name, Polecats>, Vec<String>) {
        let mut warnings = Vec::new();
        let rigs = BTreeSet::from([name("a"), name("b")]);
        let read = read_polecats(&ThisMachine::new(), root, &rigs, before, &mut warnings);
        (read, warnings.into_iter().map(|warning| warning.title).collect())
    }

    #[test]
    fn each_directory_is_a_polecat_in_either_layout_and_nothing_else_is() {
        let town = tempfile::tempdir().unwrap();
        for path in [
            "a/polecats/nux/a",
            "a/polecats/slit",
            "a/polecats/.claude",
            "a/polecats/witness",
            "a/polecats/x y",
        ] {
            fs::create_dir_all(town.path().join(path)).unwrap();
        }
        fs::write(town.path().join("a/polecats/README.md"), "").unwrap();
        let (read, warnings) = read(town.path(), None);
        assert_eq!(read[&name("a")].names, BTreeSet::from([name("nux"), name("slit")]));
        assert_eq!(read.len(), 1);
        // A reserved word would have the session of another object.
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn law_11_a_directory_that_cannot_be_read_leaves_the_last_list() {
        let town = tempfile::tempdir().unwrap();
        fs::create_dir_all(town.path().join("a/polecats/nux")).unwrap();
        let (before, _) = read(town.path(), None);
        fs::rename(town.path().join("a/polecats"), town.path().join("aside")).unwrap();
        // Not a directory any more: an answer that is none, also for root.
        fs::write(town.path().join("a/polecats"), "").unwrap();
        let (after, warnings) = read(town.path(), Some(&before));
        assert_eq!(after[&name("a")].names, before[&name("a")].names);
        assert!(after[&name("a")].unread.is_some());
        assert_eq!(warnings.len(), 1);
        fs::remove_file(town.path().join("a/polecats")).unwrap();
        assert!(read(town.path(), Some(&after)).0.is_empty(), "a directory that is gone has no polecats");
    }
}
