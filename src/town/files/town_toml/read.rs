//! From the text of `town.toml` to its types, or to every mistake in it.

use std::path::Path;

use serde_json::Value as Json;
use toml_edit::{Document, Item, TableLike, Value};

use super::TownToml;
use crate::machine::Disk;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::files::check;
use crate::town::positions::Positions;
use crate::town::source::{self, Source};

/// The name of the file.
pub const TOWN_TOML: &str = "town.toml";

/// A `town.toml` that holds: checked, with the place of everything in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Town {
    /// What it says.
    pub toml: TownToml,
    /// Where it says so.
    pub positions: Positions,
    /// The text; `None` for a town that was made in memory.
    pub source: Option<Source>,
}

/// Reads `town.toml`. `Ok(None)` means that there is none; every mistake in it is reported at once. If its text is still that of `before`, it
/// is not taken apart again.
pub fn read_town_toml(
    disk: &dyn Disk,
    root: &Path,
    before: Option<&Town>,
) -> Result<Option<Town>, Vec<Diagnostic>> {
    match source::read(disk, root, TOWN_TOML) {
        Ok(source) if source.is_some() && source == before.and_then(|town| town.source.clone()) => {
            Ok(before.cloned())
        }
        Ok(Some(source)) => parse_town_toml(source).map(Some),
        Ok(None) => Ok(None),
        Err(diagnostic) => Err(vec![diagnostic]),
    }
}

/// Checks a text and makes it a [`Town`], or tells every mistake in it.
pub fn parse_town_toml(source: Source) -> Result<Town, Vec<Diagnostic>> {
    // An editor truncates a file before it writes it: an empty one is one that is being written (law 11).
    if source.text.trim_start_matches('\u{feff}').trim().is_empty() {
        let help = "to ask for nothing, write a comment into it, or remove the file";
        return Err(vec![
            Diagnostic::error(format!("{} is empty", source.file), Label::file(&source.file)).with_help(help),
        ]);
    }
    let document = Document::parse(source.text.as_str()).map_err(|error| {
        let title = format!("not valid TOML: {}", error.message().lines().next().unwrap_or("syntax error"));
        vec![Diagnostic::error(title, label(&source, error.span()))]
    })?;
    let positions = Positions::new(&document, &source);
    let mistakes = check::check(&to_json(document.as_table()), &positions, &source);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    match toml::from_str::<TownToml>(&source.text) {
        Ok(toml) => Ok(Town { toml, positions, source: Some(source) }),
        Err(error) => {
            let title = error.message().lines().next().unwrap_or("a value does not fit").to_owned();
            Err(vec![Diagnostic::error(title, label(&source, error.span()))])
        }
    }
}

fn label(source: &Source, span: Option<std::ops::Range<usize>>) -> Label {
    match span {
        Some(span) => source.label(span, ""),
        None => Label::file(&source.file),
    }
}

/// The data of a document as JSON, as its schema sees it: a date-time is its text, and a number that JSON does not know
/// (`nan`, `inf`) is null, which no schema of ours allows.
pub(crate) fn to_json(table: &dyn TableLike) -> Json {
    let object = table.iter().filter_map(|(key, item)| {
        let json = match item {
            Item::None => return None,
            Item::Value(value) => value_to_json(value),
            Item::Table(inner) => to_json(inner),
            Item::ArrayOfTables(list) => list.iter().map(|inner| to_json(inner)).collect(),
        };
        Some((key.to_owned(), json))
    });
    Json::Object(object.collect())
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::String(text.value().clone()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(flag) => Json::Bool(*flag.value()),
        Value::Datetime(moment) => Json::String(moment.value().to_string()),
        Value::Array(list) => list.iter().map(value_to_json).collect(),
        Value::InlineTable(inner) => to_json(inner),
    }
}
