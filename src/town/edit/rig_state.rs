//! The state of a rig in the text of `town.toml`.

use std::ops::Range;

use serde_json::{Map, Value as Json};
use toml_edit::{Document, Item, TableLike, Value};

use super::{EditError, splice};
use crate::model::Name;
use crate::town::files::town_toml::{RigState, to_json};
use crate::town::source::Source;

/// The keys that park and dock write, in the order they are written in.
const KEYS: [&str; 3] = ["state", "reason", "until"];

/// The text with the rig's `state`, `reason` and `until` as given; [`RigState::Active`] removes all three, and so does
/// `None` with its key: yesterday's reason does not explain today's park.
///
/// Whatever else is in the text stays as it is, byte for byte, comments beside removed keys too. An empty `[rigs.x]` is
/// left behind rather than removed: in a town without `mayor/rigs.json` the tables are the list of rigs, and a rig that is
/// unparked must not vanish. A rig that the text does not mention gets a table at the end.
///
/// The result is parsed again and must differ in these three keys alone; otherwise it is refused.
pub fn set_rig_state(
    text: &str,
    rig: &Name,
    state: RigState,
    reason: Option<&str>,
    until: Option<jiff::Timestamp>,
) -> Result<String, EditError> {
    let before = parse(text)?;
    if state == RigState::Active && find(&before, rig)?.item.is_none() {
        return Ok(text.to_owned());
    }
    let values = values(state, reason, until)?;
    let mut after = text.to_owned();
    for (key, value) in KEYS.into_iter().zip(&values) {
        after = set(&after, rig, key, value.as_ref().map(Value::to_string).as_deref())?;
    }
    let expected = expected(to_json(before.as_table()), rig, &values);
    let done = parse(&after).is_ok_and(|document| Some(to_json(document.as_table())) == expected);
    if done { Ok(after) } else { Err(EditError::Unsafe(rig.to_string())) }
}

fn values(
    state: RigState,
    reason: Option<&str>,
    until: Option<jiff::Timestamp>,
) -> Result<[Option<Value>; 3], EditError> {
    let state = match state {
        RigState::Active => return Ok([None, None, None]),
        RigState::Parked => "parked",
        RigState::Docked => "docked",
    };
    let moment = |at: jiff::Timestamp| {
        at.to_string().parse::<toml_edit::Datetime>().map_err(|_| EditError::Moment(at))
    };
    Ok([Some(Value::from(state)), reason.map(Value::from), until.map(moment).transpose()?.map(Value::from)])
}

fn parse(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text).map_err(|error| {
        let source = Source { file: String::new(), text: text.to_owned() };
        let line = source.position(error.span().map_or(0, |span| span.start)).line;
        EditError::Syntax { line, message: error.message().lines().next().unwrap_or_default().to_owned() }
    })
}

/// Where a rig stands in the document.
struct Site<'a> {
    rigs: Option<&'a Item>,
    item: Option<&'a Item>,
    /// The key that names the rig, where it first appears.
    key: Option<Range<usize>>,
}

fn find<'a>(document: &'a Document<&str>, rig: &Name) -> Result<Site<'a>, EditError> {
    let rigs = document.as_table().get("rigs");
    let Some(found) = rigs else { return Ok(Site { rigs, item: None, key: None }) };
    let table = found.as_table_like().ok_or_else(|| EditError::NotATable("rigs".to_owned()))?;
    let item = table.get(rig.as_str());
    if item.is_some_and(|item| !item.is_table_like()) {
        return Err(EditError::NotATable(format!("rigs.{rig}")));
    }
    Ok(Site { rigs, item, key: table.key(rig.as_str()).and_then(toml_edit::Key::span) })
}

/// Sets or removes one key of the rig.
fn set(text: &str, rig: &Name, key: &str, value: Option<&str>) -> Result<String, EditError> {
    let document = parse(text)?;
    let site = find(&document, rig)?;
    let table = site.item.and_then(Item::as_table_like);
    let old = table.and_then(|table| Some((table.key(key)?.span()?, table.get(key)?.span()?, table)));
    match (old, value) {
        (None, None) => Ok(text.to_owned()),
        (Some((_, span, _)), Some(value)) => Ok(splice::replace(text, span, value)),
        (Some((key, span, table)), None) => Ok(remove(text, &site, key.start..span.end, table)),
        (None, Some(value)) => {
            let earlier =
                KEYS.iter().take_while(|one| **one != key).filter_map(|one| table?.get(one)?.span()).last();
            insert(text, rig, &site, earlier, &format!("{key} = {value}"))
        }
    }
}

/// Whether the entries of the rig stand between braces: its own, or those of `rigs` with dotted keys.
fn is_inline(site: &Site<'_>) -> bool {
    site.item.is_some_and(Item::is_inline_table)
}

fn is_dotted(site: &Site<'_>) -> bool {
    match site.item {
        Some(Item::Table(table)) => table.is_dotted(),
        Some(Item::Value(Value::InlineTable(table))) => table.is_dotted(),
        _ => false,
    }
}

fn remove(text: &str, site: &Site<'_>, entry: Range<usize>, table: &dyn TableLike) -> String {
    let start = match is_inline(site) {
        true => splice::inline_entry_start(text, entry.start),
        false => splice::line_start(text, entry.start) + splice::indent(text, entry.start).len(),
    };
    if is_dotted(site) && table.len() == 1 {
        // `rigs.x.state` alone makes the rig; without it `rigs.x = {}` does.
        let path =
            text.get(start..entry.start).unwrap_or_default().trim_end().trim_end_matches('.').trim_end();
        return splice::replace(text, start..entry.end, &format!("{path} = {{}}"));
    }
    match is_inline(site) {
        true => splice::remove_inline(text, start..entry.end),
        false => splice::remove_lines(text, start..entry.end),
    }
}

/// Adds an entry to the rig: behind the earlier of our keys, else at the head of the rig, else in a new table.
fn insert(
    text: &str,
    rig: &Name,
    site: &Site<'_>,
    earlier: Option<Range<usize>>,
    entry: &str,
) -> Result<String, EditError> {
    let refuse = || EditError::Unsafe(rig.to_string());
    let dotted = |start: usize| {
        let end = site.key.as_ref().map(|key| key.end)?;
        text.get(start..end).map(|path| format!("{path}.{entry}"))
    };
    match site.item {
        Some(Item::Value(Value::InlineTable(table))) if !table.is_dotted() => {
            let braces = table.span().ok_or_else(refuse)?;
            Ok(match earlier {
                Some(span) => splice::replace(text, span.end..span.end, &format!(", {entry}")),
                None => splice::insert_inline(text, braces, entry),
            })
        }
        Some(Item::Value(_)) => {
            let braces = site.rigs.and_then(Item::span).ok_or_else(refuse)?;
            let key = site.key.as_ref().ok_or_else(refuse)?;
            let entry = dotted(splice::inline_entry_start(text, key.start)).ok_or_else(refuse)?;
            Ok(match earlier {
                Some(span) => splice::replace(text, span.end..span.end, &format!(", {entry}")),
                None => splice::insert_inline(text, braces, &entry),
            })
        }
        Some(Item::Table(table)) if table.is_dotted() => {
            let key = site.key.as_ref().ok_or_else(refuse)?;
            let (start, indent) = (splice::line_start(text, key.start), splice::indent(text, key.start));
            let entry = dotted(start + indent.len()).ok_or_else(refuse)?;
            let at = earlier.map_or(start, |span| splice::next_line(text, span.end));
            Ok(splice::insert_line(text, at, &format!("{indent}{entry}")))
        }
        Some(Item::Table(table)) if !table.is_implicit() => {
            let header = table.span().ok_or_else(refuse)?;
            let at = splice::next_line(text, earlier.map_or(header.end, |span| span.end));
            Ok(splice::insert_line(text, at, &format!("{}{entry}", splice::indent(text, header.start))))
        }
        _ => Ok(new_table(text, rig, site, entry)),
    }
}

fn new_table(text: &str, rig: &Name, site: &Site<'_>, entry: &str) -> String {
    if let Some(Item::Value(Value::InlineTable(rigs))) = site.rigs
        && let (Some(braces), false) = (rigs.span(), rigs.is_dotted())
    {
        return splice::insert_inline(text, braces, &format!("{rig} = {{ {entry} }}"));
    }
    let ending = splice::line_ending(text);
    let gap = if text.is_empty() { "" } else { ending };
    splice::insert_line(text, text.len(), &format!("{gap}[rigs.{rig}]{ending}{entry}"))
}

/// What the data must be after the edit.
fn expected(before: Json, rig: &Name, values: &[Option<Value>; 3]) -> Option<Json> {
    let mut json = before;
    let empty = || Json::Object(Map::new());
    let rigs = json.as_object_mut()?.entry("rigs").or_insert_with(empty);
    let table = rigs.as_object_mut()?.entry(rig.as_str()).or_insert_with(empty).as_object_mut()?;
    for (key, value) in KEYS.into_iter().zip(values) {
        match value {
            Some(Value::Datetime(moment)) => table.insert(key.to_owned(), moment.value().to_string().into()),
            Some(value) => table.insert(key.to_owned(), value.as_str()?.into()),
            None => table.remove(key),
        };
    }
    Some(json)
}
