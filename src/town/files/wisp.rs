//! `.beads-wisp/config/<rig>.json`: what `gt rig park` and `gt rig config` say about a rig on this machine.

use std::path::Path;

use jsonc_parser::ast::Value;

use super::json::Reader;
use crate::machine::Disk;
use crate::model::{Name, Position, Seen};
use crate::town::diagnostic::Diagnostic;
use crate::town::source::{self, Source};

/// A rig's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WispStatus {
    /// Nothing else is said.
    #[default]
    Active,
    /// Resting for a while.
    Parked,
    /// Resting for long.
    Docked,
}

/// Whether gt's daemon may start and restart things of the rig.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoRestart {
    /// It may.
    #[default]
    Yes,
    /// It is switched off.
    No,
    /// The key is blocked, which switches it off as well.
    Blocked,
}

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wisp {
    /// `status`.
    pub status: WispStatus,
    /// `auto_restart`.
    pub auto_restart: AutoRestart,
    /// Where the status is given; `None` if it is active.
    pub status_position: Option<Position>,
    /// Where restarts are switched off; `None` if they are on.
    pub auto_restart_position: Option<Position>,
}

/// The file of a rig, relative to the town.
pub fn wisp_file(rig: &Name) -> String {
    format!(".beads-wisp/config/{rig}.json")
}

/// Reads the file of a rig. A missing one is `Known(None)`. One that cannot be used is unknown, with its place: gt takes
/// such a rig for active (trap 9), and a torn file of a parked rig would start it.
pub fn read_wisp(disk: &dyn Disk, root: &Path, rig: &Name) -> Seen<Option<Wisp>> {
    let file = wisp_file(rig);
    match source::read(disk, root, &file) {
        Ok(None) => Seen::Known(None),
        Err(diagnostic) => Seen::unknown(diagnostic.title),
        Ok(Some(source)) => match parse_wisp(&source) {
            Ok(wisp) => Seen::Known(Some(wisp)),
            Err(mistakes) => Seen::unknown(first(&source, &mistakes)),
        },
    }
}

fn first(source: &Source, mistakes: &[Diagnostic]) -> String {
    let Some(mistake) = mistakes.first() else { return source.file.clone() };
    match mistake.labels.first().and_then(|label| label.span.clone()) {
        Some(span) => format!("{}: {}", source.position(span.start), mistake.title),
        None => format!("{}: {}", source.file, mistake.title),
    }
}

fn parse_wisp(source: &Source) -> Result<Wisp, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let mut wisp = Wisp::default();
    if let Some(file) = reader.parse() {
        reader.string(&file, "rig");
        let blocked = reader.strings(&file, "blocked").unwrap_or_default();
        let is_blocked =
            |key: &str| blocked.iter().find(|(name, _)| name == key).map(|(_, position)| position.clone());
        let values = reader.object(&file, "values");
        // The keys below `values` are a map, and so exact, unlike the fields above.
        let entries = values.map(|values| reader.entries(values)).unwrap_or_default();
        let value = |key: &str| entries.iter().find(|one| one.name.as_str() == key).map(|one| &one.value);
        if let (Some(Value::StringLit(text)), None) = (value("status"), is_blocked("status")) {
            wisp.status = match text.value.as_ref() {
                "parked" => WispStatus::Parked,
                "docked" => WispStatus::Docked,
                _ => WispStatus::Active,
            };
            wisp.status_position = (wisp.status != WispStatus::Active).then(|| reader.position(text));
        }
        if let Some(position) = is_blocked("auto_restart") {
            (wisp.auto_restart, wisp.auto_restart_position) = (AutoRestart::Blocked, Some(position));
        } else if let Some(Value::BooleanLit(flag)) =
            value("auto_restart").filter(|one| one.as_boolean_lit().is_some_and(|flag| !flag.value))
        {
            (wisp.auto_restart, wisp.auto_restart_position) = (AutoRestart::No, Some(reader.position(flag)));
        }
    }
    reader.finish(wisp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Seen<Option<Wisp>> {
        let town = tempfile::tempdir().unwrap();
        let rig = Name::parse("r").unwrap();
        std::fs::create_dir_all(town.path().join(".beads-wisp/config")).unwrap();
        std::fs::write(town.path().join(wisp_file(&rig)), text).unwrap();
        read_wisp(&crate::machine::ThisMachine::new(), town.path(), &rig)
    }

    fn wisp(text: &str) -> Wisp {
        match read(text) {
            Seen::Known(Some(wisp)) => wisp,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_missing_file_says_nothing() {
        let town = tempfile::tempdir().unwrap();
        assert_eq!(
            read_wisp(&crate::machine::ThisMachine::new(), town.path(), &Name::parse("r").unwrap()),
            Seen::Known(None)
        );
    }

    #[test]
    fn status_is_read_exactly_as_the_daemon_reads_it() {
        for (text, status) in [
            (r#"{"values":{"status":"parked"}}"#, WispStatus::Parked),
            (r#"{"VALUES":{"status":"docked"}}"#, WispStatus::Docked),
            (r#"{"values":{"status":"Parked"}}"#, WispStatus::Active),
            (r#"{"values":{"Status":"parked"}}"#, WispStatus::Active),
            (r#"{"values":{"status":3}}"#, WispStatus::Active),
            (r#"{"values":{"status":"parked"},"blocked":["status"]}"#, WispStatus::Active),
            (r#"{"status":"parked"}"#, WispStatus::Active),
            (r#"{"rig":"r","values":null,"blocked":null}"#, WispStatus::Active),
        ] {
            assert_eq!(wisp(text).status, status, "{text}");
        }
        assert_eq!(wisp("{\"values\":{\n\"status\":\"parked\"}}").status_position.map(|at| at.line), Some(2));
    }

    #[test]
    fn only_a_false_or_a_block_switches_restarts_off() {
        for (text, expected) in [
            (r#"{"values":{"auto_restart":false}}"#, AutoRestart::No),
            (r#"{"values":{"auto_restart":"false"}}"#, AutoRestart::Yes),
            (r#"{"values":{"auto_restart":0}}"#, AutoRestart::Yes),
            (r#"{"values":{"auto_restart":null}}"#, AutoRestart::Yes),
            (r#"{"blocked":["auto_restart"]}"#, AutoRestart::Blocked),
        ] {
            assert_eq!(wisp(text).auto_restart, expected, "{text}");
        }
    }

    #[test]
    fn trap_9_a_torn_file_is_unknown_at_every_byte_and_names_its_place() {
        let whole = r#"{"rig":"r","values":{"status":"parked"},"blocked":[]}"#;
        for end in 0..whole.len() {
            assert!(matches!(read(&whole[..end]), Seen::Unknown(_)), "{end}");
        }
        let Seen::Unknown(why) = read("{\"values\":\n[]}") else { panic!() };
        assert_eq!(why.to_string(), ".beads-wisp/config/r.json:2:1: `values` must be an object");
    }
}
