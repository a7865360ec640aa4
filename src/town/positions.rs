//! Where each key and value of a TOML file stands.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

use super::source::{Lines, Source};
use crate::model::Position;

/// The places of all keys and values of a file, by path: `["rigs", "gastown", "state"]`. Elements of arrays have their
/// index, from 0, as decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    root: Node,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    key: Option<Place>,
    value: Option<Place>,
    children: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    span: Range<usize>,
    position: Position,
}

impl Positions {
    /// Reads the places out of a parsed document of this source.
    pub fn new(document: &Document<&str>, source: &Source) -> Self {
        let lines = source.lines();
        Self { root: Node { children: table(document.as_table(), &lines), ..Node::default() } }
    }

    /// Where the value starts; for a table its header, or the key that opens it.
    pub fn of(&self, path: &[&str]) -> Option<&Position> {
        self.node(path)?.value.as_ref().map(|place| &place.position)
    }

    /// Where the value starts, or the innermost table around it that is in the file. For what a default decides.
    pub fn nearest(&self, path: &[&str]) -> Option<&Position> {
        self.deepest(path).map(|place| &place.position)
    }

    /// The bytes of the value.
    pub fn span(&self, path: &[&str]) -> Option<Range<usize>> {
        self.node(path)?.value.as_ref().map(|place| place.span.clone())
    }

    /// The bytes of the value, or of the innermost table around it that is in the file.
    pub fn nearest_span(&self, path: &[&str]) -> Option<Range<usize>> {
        self.deepest(path).map(|place| place.span.clone())
    }

    /// The bytes of the key. A key that several headers repeat has its first place.
    pub fn key(&self, path: &[&str]) -> Option<Range<usize>> {
        self.node(path)?.key.as_ref().map(|place| place.span.clone())
    }

    /// Where the key starts.
    pub fn key_position(&self, path: &[&str]) -> Option<&Position> {
        self.node(path)?.key.as_ref().map(|place| &place.position)
    }

    fn node(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, key| node.children.get(*key))
    }

    fn deepest(&self, path: &[&str]) -> Option<&Place> {
        let mut node = &self.root;
        let mut found = None;
        for key in path {
            let Some(child) = node.children.get(*key) else { break };
            found = child.value.as_ref().or(found);
            node = child;
        }
        found
    }
}

fn table(table: &dyn TableLike, lines: &Lines<'_>) -> BTreeMap<String, Node> {
    table
        .iter()
        .map(|(name, item)| {
            let key = place(table.key(name).and_then(toml_edit::Key::span), lines);
            (name.to_owned(), Node { key, value: place(item.span(), lines), children: children(item, lines) })
        })
        .collect()
}

fn children(item: &Item, lines: &Lines<'_>) -> BTreeMap<String, Node> {
    match item {
        Item::Table(inner) => table(inner, lines),
        Item::ArrayOfTables(list) => {
            numbered(list.iter().map(|inner| (inner.span(), table(inner, lines))), lines)
        }
        Item::Value(value) => value_children(value, lines),
        Item::None => BTreeMap::new(),
    }
}

fn value_children(value: &Value, lines: &Lines<'_>) -> BTreeMap<String, Node> {
    match value {
        Value::InlineTable(inner) => table(inner, lines),
        Value::Array(list) => {
            numbered(list.iter().map(|one| (one.span(), value_children(one, lines))), lines)
        }
        _ => BTreeMap::new(),
    }
}

fn numbered(
    elements: impl Iterator<Item = (Option<Range<usize>>, BTreeMap<String, Node>)>,
    lines: &Lines<'_>,
) -> BTreeMap<String, Node> {
    let node = |(span, children)| Node { key: None, value: place(span, lines), children };
    elements.enumerate().map(|(index, element)| (index.to_string(), node(element))).collect()
}

fn place(span: Option<Range<usize>>, lines: &Lines<'_>) -> Option<Place> {
    span.map(|span| Place { position: lines.position(span.start), span })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(text: &str) -> Positions {
        let source = Source { file: "town.toml".to_owned(), text: text.to_owned() };
        Positions::new(&Document::parse(source.text.as_str()).unwrap(), &source)
    }

    fn at(found: Option<&Position>) -> Option<(u32, u32)> {
        found.map(|position| (position.line, position.column))
    }

    #[test]
    fn every_way_to_write_a_value_has_its_place() {
        let found = positions(
            "town.naming = 'rig'\n[rigs.a]\nstate = 'parked'\nroles.refinery = { enabled = false }\n\
             [sessions.s]\ncommand = ['x', 'yy']\n[[list]]\nq = 1\n[[list]]\nq = 2\n",
        );
        assert_eq!(at(found.of(&["town", "naming"])), Some((1, 15)));
        assert_eq!(at(found.of(&["rigs", "a"])), Some((2, 1)));
        assert_eq!(at(found.of(&["rigs", "a", "state"])), Some((3, 9)));
        assert_eq!(at(found.of(&["rigs", "a", "roles", "refinery", "enabled"])), Some((4, 30)));
        assert_eq!(at(found.of(&["sessions", "s", "command", "1"])), Some((6, 17)));
        assert_eq!(at(found.of(&["list", "1", "q"])), Some((10, 5)));
        assert_eq!(found.key(&["rigs", "a", "state"]), Some(29..34));
        assert_eq!(found.of(&["rigs", "b"]), None);
    }

    #[test]
    fn what_is_absent_has_the_place_of_the_table_around_it() {
        let found = positions("[rigs.a]\n");
        assert_eq!(at(found.nearest(&["rigs", "a", "state"])), Some((1, 1)));
        assert_eq!(at(found.nearest(&["roles", "mayor"])), None);
    }
}
