//! Every mistake in a `town.toml` that its text alone shows, all at once: first its shape, by the schema; then lengths of
//! time; then names; then what is to be started. Each file here is one concern and never stops at the first mistake.
//!
//! The checks read the data before it has types, for a file with one wrong type has no types at all.

mod keys;
mod launch;
mod names;
mod periods;
mod shape;

pub(super) use names::bad_name;

use serde_json::Value;

use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::positions::Positions;
use crate::town::source::Source;

/// The file under examination.
struct Subject<'a> {
    json: &'a Value,
    positions: &'a Positions,
    source: &'a Source,
}

/// Every mistake, in the order of the file.
pub(super) fn check(json: &Value, positions: &Positions, source: &Source) -> Vec<Diagnostic> {
    let subject = Subject { json, positions, source };
    let mut found = keys::mistakes(&subject);
    if found.is_empty() {
        found = shape::mistakes(&subject);
        found.extend(periods::mistakes(&subject));
        found.extend(names::mistakes(&subject));
        found.extend(launch::mistakes(&subject));
    }
    let place =
        |one: &Diagnostic| one.labels.first().and_then(|label| label.span.clone()).map(|span| span.start);
    found.sort_by_key(place);
    found
}

impl<'a> Subject<'a> {
    fn get(&self, path: &[&str]) -> Option<&'a Value> {
        path.iter().try_fold(self.json, |value, key| value.get(key))
    }

    /// The tables below a table, by their keys; none if it is not a table.
    fn entries(&self, path: &[&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.get(path)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// Points at a value, or at the table around it.
    fn at(&self, path: &[&str], text: impl Into<String>) -> Label {
        match self.positions.nearest_span(path) {
            Some(span) => self.source.label(span, text),
            None => Label::file(&self.source.file),
        }
    }

    /// Points at a key.
    fn at_key(&self, path: &[&str], text: impl Into<String>) -> Label {
        match self.positions.key(path) {
            Some(span) => self.source.label(span, text),
            None => self.at(path, text),
        }
    }
}
