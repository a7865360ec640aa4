//! `mayor/rigs.json`: which rigs the town has, and the beads prefix of each.

use std::collections::BTreeMap;
use std::path::Path;

use jsonc_parser::ast::{Object, ObjectProp, Value};

use super::check::bad_name;
use super::json::Reader;
use crate::machine::Disk;
use crate::model::{Name, Position};
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::source::{self, Source};

/// The file.
pub const RIGS_JSON: &str = "mayor/rigs.json";

/// The newest version of the file that gtctl understands.
const VERSION_MAX: i64 = 1;

/// The rigs of the town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigsFile {
    /// The rigs by name.
    pub rigs: BTreeMap<Name, RigEntry>,
    /// The text.
    pub source: Source,
}

/// One rig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigEntry {
    /// Its beads prefix, without the `-` that may end it in the file.
    pub prefix: Option<Name>,
    /// Where the rig is named.
    pub position: Position,
    /// Where the prefix is given.
    pub prefix_position: Option<Position>,
}

/// Reads `mayor/rigs.json`. `Ok(None)` means that there is none; every mistake in it is reported at once.
pub fn read_rigs(disk: &dyn Disk, root: &Path) -> Result<Option<RigsFile>, Vec<Diagnostic>> {
    match source::read(disk, root, RIGS_JSON) {
        Ok(Some(source)) => parse_rigs(source).map(Some),
        Ok(None) => Ok(None),
        Err(diagnostic) => Err(vec![diagnostic]),
    }
}

/// Checks a text and makes it a [`RigsFile`], or tells every mistake in it.
pub fn parse_rigs(source: Source) -> Result<RigsFile, Vec<Diagnostic>> {
    let mut reader = Reader::new(&source);
    let mut rigs = BTreeMap::new();
    if let Some(file) = reader.parse() {
        if let Some((version, value)) = reader.integer(&file, "version")
            && version > VERSION_MAX
        {
            let title =
                format!("version {version} of {RIGS_JSON} is newer than this gtctl, which knows version 1");
            let label = reader.label(value, "");
            reader.mistakes.push(Diagnostic::error(title, label).with_help("install a newer gtctl"));
        }
        if let Some(object) = reader.object(&file, "rigs") {
            rigs = entries(&mut reader, object);
        }
    }
    let rigs = reader.finish(rigs)?;
    Ok(RigsFile { rigs, source })
}

fn entries<'a>(reader: &mut Reader<'a>, rigs: &Object<'a>) -> BTreeMap<Name, RigEntry> {
    let mut found = BTreeMap::new();
    let mut owners: BTreeMap<Name, (String, Label)> = BTreeMap::new();
    for property in reader.entries(rigs) {
        let key = property.name.as_str();
        let position = reader.position(&property.name);
        let bad = bad_name(key, "the name of a rig", |text| reader.label(&property.name, text));
        reader.mistakes.extend(bad);
        let prefix = prefix(reader, property);
        let name = Name::parse(key);
        // A bad name is a mistake already; it may be long, and is not told again for each rig with the same prefix.
        if let (Some((prefix, _, label)), Ok(_)) = (&prefix, &name) {
            if let Some((other, first)) = owners.get(prefix) {
                let title = format!("rigs `{other}` and `{key}` have the same prefix `{prefix}`");
                let help = "sessions and beads of the two could not be told apart; give each its own";
                let both = Diagnostic::error(title, label.clone()).with_label(first.clone()).with_help(help);
                reader.mistakes.push(both);
            }
            owners.entry(prefix.clone()).or_insert((key.to_owned(), label.clone()));
        }
        let (prefix, prefix_position) = prefix.map(|(name, position, _)| (name, position)).unzip();
        if let Ok(name) = name {
            found.insert(name, RigEntry { prefix, position, prefix_position });
        }
    }
    found
}

/// The prefix of an entry; also checks the types of the fields that gt reads.
fn prefix<'a>(reader: &mut Reader<'a>, property: &ObjectProp<'a>) -> Option<(Name, Position, Label)> {
    let rig = match &property.value {
        Value::Object(rig) => rig,
        Value::NullKeyword(_) => return None,
        other => return reader.wrong_type(other, property.name.as_str(), "an object"),
    };
    for text in ["git_url", "push_url", "upstream_url", "local_repo", "added_at"] {
        reader.string(rig, text);
    }
    let beads = reader.object(rig, "beads")?;
    reader.string(beads, "repo");
    let (text, value) = reader.string(beads, "prefix")?;
    if text.is_empty() {
        return None;
    }
    let text = text.strip_suffix('-').unwrap_or(text);
    let label = reader.label(value, format!("prefix of `{}`", property.name.as_str().escape_debug()));
    if let Some(bad) = bad_name(text, "a prefix", |text| reader.label(value, text)) {
        reader.mistakes.push(bad);
        return None;
    }
    Some((Name::parse(text).ok()?, reader.position(value), label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RigsFile, Vec<String>> {
        let source = Source { file: RIGS_JSON.to_owned(), text: text.to_owned() };
        parse_rigs(source).map_err(|found| found.into_iter().map(|one| one.title).collect())
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    const GOOD: &str = "{\"version\":1,\n \"rigs\":{\"gastown\":{\"git_url\":\"git@x:g.git\",\"beads\":{\"repo\":\"\",\"prefix\":\"gt-\"}},\n  \"b\":null}}";

    #[test]
    fn rigs_have_a_place_and_lose_one_dash_of_their_prefix() {
        let file = parse(GOOD).unwrap();
        let rig = &file.rigs[&name("gastown")];
        assert_eq!(rig.prefix, Some(name("gt")));
        assert_eq!((rig.position.line, rig.position.column), (2, 10));
        assert_eq!(rig.prefix_position.as_ref().map(|at| at.line), Some(2));
        assert_eq!(file.rigs[&name("b")].prefix, None);
    }

    #[test]
    fn it_reads_what_go_reads() {
        let file =
            parse(r#"{"RIGS":{"a":{}},"Rigs":{"b":{"BEADS":{"Prefix":"x"}},"b":{"beads":null}},"new":[1]}"#)
                .unwrap();
        assert_eq!(file.rigs.keys().collect::<Vec<_>>(), [&name("b")]);
        assert_eq!(file.rigs[&name("b")].prefix, None);
        assert!(parse("{}").unwrap().rigs.is_empty());
        for bad in [
            "",
            " ",
            "[]",
            "null",
            "{\"rigs\":[]}",
            "{\"version\":\"1\"}",
            "{\"rigs\":{\"a\":{\"git_url\":1}}}",
            "{} x",
            "{,}",
            "{\"rigs\":{},}",
            "// x\n{}",
            "{\"version\":01}",
            "{\"a\":\"\n\"}",
            "{\"a\":tru}",
            "{\"a\":1.}",
            "\u{feff}{}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("{\"version\":2}").unwrap_err()[0].contains("version 2"));
    }

    #[test]
    fn s76_s77_all_bad_names_are_reported_at_once() {
        let found =
            parse(r#"{"rigs":{"a b":{},"hq":{},"ok":{"beads":{"prefix":"mayor"}},"..":{}}}"#).unwrap_err();
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn s78_two_rigs_with_one_prefix_are_refused_at_both_places() {
        let text = r#"{"rigs":{"a":{"beads":{"prefix":"gt"}},"b":{"beads":{"prefix":"gt-"}}}}"#;
        let source = Source { file: RIGS_JSON.to_owned(), text: text.to_owned() };
        let found = parse_rigs(source).unwrap_err();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].title, "rigs `a` and `b` have the same prefix `gt`");
        assert_eq!(found[0].labels.len(), 2);
    }

    #[test]
    fn a_hostile_file_is_refused_and_does_not_overflow_the_stack() {
        assert!(parse(&"[".repeat(1_000_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn s73_a_torn_file_is_an_error_at_every_byte() {
        for end in 0..GOOD.len() {
            assert!(parse(&GOOD[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_control_character_in_a_string_is_pointed_at() {
        let text = "{\"rigs\":{\"a\":{\"git_url\":\"界\n\"}}}";
        let source = Source { file: RIGS_JSON.to_owned(), text: text.to_owned() };
        let found = parse_rigs(source).unwrap_err();
        assert_eq!(found[0].labels[0].span.as_ref().map(|span| span.start), text.find('\n'));
    }

    #[test]
    fn a_bad_name_is_told_once_and_not_again_with_each_rig_of_its_prefix() {
        let long = "é".repeat(100);
        let found = parse(&format!(
            "{{\"rigs\":{{\"{long}\":{{\"beads\":{{\"prefix\":\"x\"}}}},\"a\":{{\"beads\":{{\"prefix\":\"x\"}}}}}}}}"
        ));
        assert_eq!(found.unwrap_err().len(), 1);
    }
}
