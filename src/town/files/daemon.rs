//! `mayor/daemon.json`: which patrols run; and `disabled_patrols` of `settings/config.json`, which says the same again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jsonc_parser::ast::Value;

use super::agents::environment;
use super::json::Reader;
use crate::machine::Disk;
use crate::model::{Position, Why};
use crate::town::diagnostic::Diagnostic;
use crate::town::source::{self, Source};

/// The file of the patrols.
pub const DAEMON_JSON: &str = "mayor/daemon.json";

/// The file of the town's settings.
pub const SETTINGS_JSON: &str = "settings/config.json";

/// The patrols that gtctl knows; what gt calls the others is gt's own business.
const PATROLS: &[&str] = &["deacon", "witness", "refinery"];

/// Which patrols run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaemonFile {
    /// The patrols that the file names, by name in small letters.
    patrols: BTreeMap<String, Patrol>,
    /// What gt's daemon puts into its own environment, and so into that of all that it starts.
    pub env: BTreeMap<String, String>,
}

/// One patrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patrol {
    /// Whether it runs.
    pub enabled: bool,
    /// The only rigs it runs for, if it is not all of them; never empty.
    pub rigs: Option<BTreeSet<String>>,
    /// Where the file says so; `None` where it is silent.
    pub position: Option<Position>,
}

impl Patrol {
    /// On for all rigs, as wherever no file says anything.
    pub const ON: &'static Self = &Self { enabled: true, rigs: None, position: None };
}

impl DaemonFile {
    /// What holds for a patrol: it is on unless the file has an object for it; then that object's `enabled` holds, and
    /// one that does not say `enabled` is off (trap 4).
    pub fn patrol(&self, name: &str) -> &Patrol {
        self.patrols.get(&name.to_ascii_lowercase()).unwrap_or(Patrol::ON)
    }
}

/// Reads `mayor/daemon.json`. `Ok(None)` means that there is none; every mistake in it is reported at once.
pub fn read_daemon(disk: &dyn Disk, root: &Path) -> Result<Option<DaemonFile>, Vec<Diagnostic>> {
    match source::read(disk, root, DAEMON_JSON) {
        Ok(Some(source)) => parse_daemon(&source).map(Some),
        Ok(None) => Ok(None),
        Err(diagnostic) => Err(vec![diagnostic]),
    }
}

/// Checks a text and makes it a [`DaemonFile`], or tells every mistake in it.
pub fn parse_daemon(source: &Source) -> Result<DaemonFile, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let mut found = BTreeMap::new();
    let file = reader.parse();
    let patrols = file.as_ref().and_then(|file| reader.object(file, "patrols"));
    for property in patrols.map(|patrols| reader.entries(patrols)).unwrap_or_default() {
        let name = property.name.as_str().to_ascii_lowercase();
        let object = match &property.value {
            Value::Object(object) => object,
            Value::NullKeyword(_) => {
                found.remove(&name);
                continue;
            }
            other => {
                if PATROLS.contains(&name.as_str()) {
                    reader.wrong_type::<()>(other, &name, "an object");
                }
                continue;
            }
        };
        let enabled = reader.boolean(object, "enabled");
        let position = match enabled {
            Some((_, value)) => reader.position(value),
            None => reader.position(&property.name),
        };
        let rigs = reader.strings(object, "rigs").filter(|rigs| !rigs.is_empty());
        let rigs = rigs.map(|rigs| rigs.into_iter().map(|(rig, _)| rig).collect());
        let enabled = enabled.is_some_and(|(enabled, _)| enabled);
        found.insert(name, Patrol { enabled, rigs, position: Some(position) });
    }
    let env = file.as_ref().map(|file| environment(&mut reader, file)).unwrap_or_default();
    reader.finish(DaemonFile { patrols: found, env })
}

/// A patrol that the settings switch off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledPatrol {
    /// Its name, as in `mayor/daemon.json`.
    pub name: String,
    /// Where it is switched off.
    pub position: Position,
}

/// `disabled_patrols` of `settings/config.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisabledPatrols {
    /// Whether the file is there at all.
    pub there: bool,
    /// The patrols that are switched off, of those that gtctl knows.
    pub patrols: Vec<DisabledPatrol>,
    /// Set if the file is there and could not be read. gt then switches nothing off, and so `patrols` is empty; whoever
    /// must not start a patrol on a file it could not read looks here.
    pub unread: Option<Why>,
}

/// Reads `disabled_patrols`, tolerantly as gt does: a file that cannot be used switches nothing off and is a warning.
pub fn read_disabled_patrols(disk: &dyn Disk, root: &Path) -> (DisabledPatrols, Vec<Diagnostic>) {
    let read = match source::read(disk, root, SETTINGS_JSON) {
        Ok(None) => return (DisabledPatrols::default(), Vec::new()),
        Ok(Some(source)) => parse_disabled_patrols(&source),
        Err(diagnostic) => Err(vec![diagnostic]),
    };
    match read {
        Ok(patrols) => (DisabledPatrols { there: true, patrols, unread: None }, Vec::new()),
        Err(mistakes) => {
            let why = mistakes.first().map_or_else(String::new, |first| first.title.clone());
            let unread = Some(Why::new(format!("{SETTINGS_JSON}: {why}")));
            let help =
                format!("until {SETTINGS_JSON} can be read, its `disabled_patrols` switches nothing off");
            let warnings = mistakes.into_iter().map(|one| one.into_warning().with_help(&help)).collect();
            (DisabledPatrols { there: true, patrols: Vec::new(), unread }, warnings)
        }
    }
}

fn parse_disabled_patrols(source: &Source) -> Result<Vec<DisabledPatrol>, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let file = reader.parse();
    let names = file.as_ref().and_then(|file| reader.strings(file, "disabled_patrols")).unwrap_or_default();
    // Every object asks this list, so it holds no more than there are patrols.
    let mut seen = BTreeSet::new();
    let known =
        names.into_iter().filter(|(name, _)| PATROLS.contains(&name.as_str()) && seen.insert(name.clone()));
    reader.finish(known.map(|(name, position)| DisabledPatrol { name, position }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DaemonFile, Vec<Diagnostic>> {
        parse_daemon(&Source { file: DAEMON_JSON.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn trap_4_a_silent_file_means_on_and_a_silent_object_means_off() {
        for silent in ["{}", r#"{"patrols":null}"#, r#"{"patrols":{}}"#, r#"{"patrols":{"witness":null}}"#] {
            assert_eq!(parse(silent).unwrap().patrol("witness"), Patrol::ON, "{silent}");
        }
        let enabled = |text| parse(text).unwrap().patrol("witness").enabled;
        assert!(!enabled(r#"{"patrols":{"witness":{}}}"#));
        assert!(!enabled(r#"{"patrols":{"witness":{"enabled":null}}}"#));
        assert!(enabled(r#"{"PATROLS":{"Witness":{"ENABLED":true}}}"#));
    }

    #[test]
    fn trap_7_an_empty_filter_means_all_rigs() {
        let rigs = |text| parse(text).unwrap().patrol("refinery").rigs.clone();
        assert_eq!(rigs(r#"{"patrols":{"refinery":{"enabled":true,"rigs":[]}}}"#), None);
        assert_eq!(
            rigs(r#"{"patrols":{"refinery":{"enabled":true,"rigs":["a"]}}}"#),
            Some(BTreeSet::from(["a".to_owned()]))
        );
    }

    #[test]
    fn wrong_types_fail_the_file_with_every_place() {
        let found = parse(
            "{\"patrols\":{\"witness\":{\"enabled\":\"true\"},\n\"refinery\":3,\"dolt_remotes\":{\"enabled\":true,\"rigs\":[1],\"interval\":5},\"mine\":7}}",
        );
        let titles: Vec<_> = found.unwrap_err().into_iter().map(|one| one.title).collect();
        assert_eq!(
            titles,
            [
                "`enabled` must be true or false",
                "`refinery` must be an object",
                "an element of rigs must be a string"
            ]
        );
    }

    #[test]
    fn settings_that_cannot_be_read_switch_nothing_off_and_say_so() {
        let town = tempfile::tempdir().unwrap();
        std::fs::create_dir(town.path().join("settings")).unwrap();
        let read = |text: &str| {
            std::fs::write(town.path().join(SETTINGS_JSON), text).unwrap();
            read_disabled_patrols(&crate::machine::ThisMachine::new(), town.path())
        };
        let (good, warnings) = read("{\"disabled_patrols\":[\n\"witness\"]}");
        assert_eq!(
            (good.patrols[0].name.as_str(), good.patrols[0].position.line, warnings.len()),
            ("witness", 2, 0)
        );
        for bad in ["", "{", "{\"disabled_patrols\":[1]}"] {
            let (none, warnings) = read(bad);
            assert!(none.patrols.is_empty() && none.unread.is_some());
            assert_eq!(warnings.len(), 1);
        }
    }
}
