//! gt's JSON files, read as gt's own reader does (Go's `encoding/json`), but with the place of every mistake.
//!
//! Keys match in any case of letters, the last of several equal keys counts, unknown keys are ignored, `null` is absence,
//! and a wrong type in a known field fails the file.

use jsonc_parser::ast::{Array, Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};

use crate::model::Position;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::source::{Lines, Source};

/// JSON and nothing beyond it: gt refuses comments and trailing commas, so a file with them says nothing to gt either.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A JSON file while it is read: gathers every mistake instead of stopping at the first.
pub(super) struct Reader<'a> {
    source: &'a Source,
    lines: Lines<'a>,
    /// The mistakes so far.
    pub mistakes: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source) -> Self {
        Self { source, lines: source.lines(), mistakes: Vec::new() }
    }

    /// Parses the file, whose top must be an object. On `None` the reason is in `mistakes`.
    pub fn parse(&mut self) -> Option<Object<'a>> {
        match jsonc_parser::parse_to_ast(&self.source.text, &CollectOptions::default(), &STRICT) {
            Ok(parsed) => match parsed.value {
                Some(_) if self.is_lax() => None,
                Some(Value::Object(object)) => Some(object),
                Some(other) => self.wrong_type(&other, "the file", "an object"),
                None => {
                    let title = format!("{} is empty", self.source.file);
                    self.mistakes.push(Diagnostic::error(title, Label::file(&self.source.file)));
                    None
                }
            },
            Err(error) => {
                let range = error.range();
                let what = error.kind().to_string().to_lowercase();
                self.mistake(format!("not valid JSON: {what}"), range.start..range.end);
                None
            }
        }
    }

    /// Whether the parser let something through that JSON has not: line breaks and other control characters in a string.
    fn is_lax(&mut self) -> bool {
        let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&self.source.text) else {
            return false;
        };
        let before: usize =
            self.source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        // The column counts the bytes before the place.
        let at = self.source.text.floor_char_boundary(before + error.column());
        self.mistake("not valid JSON: control character in a string".to_owned(), at..at);
        true
    }

    /// Ends the reading: the value if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Diagnostic>> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(self.mistakes) }
    }

    /// Where something starts.
    pub fn position(&self, node: &impl Ranged) -> Position {
        self.lines.position(node.range().start)
    }

    /// Points at something.
    pub fn label(&self, node: &impl Ranged, text: impl Into<String>) -> Label {
        self.source.label(node.range().start..node.range().end, text)
    }

    /// A field of an object; `None` if it is absent or null.
    pub fn field<'v>(&self, object: &'v Object<'a>, name: &str) -> Option<&'v Value<'a>> {
        let mut all = object.properties.iter().rev();
        all.find(|property| property.name.as_str().eq_ignore_ascii_case(name)).and_then(non_null)
    }

    /// A field that must be an object.
    pub fn object<'v>(&mut self, object: &'v Object<'a>, name: &str) -> Option<&'v Object<'a>> {
        let value = self.field(object, name)?;
        value.as_object().or_else(|| self.wrong_type(value, name, "an object"))
    }

    /// A field that must be an array.
    pub fn array<'v>(&mut self, object: &'v Object<'a>, name: &str) -> Option<&'v Array<'a>> {
        let value = self.field(object, name)?;
        value.as_array().or_else(|| self.wrong_type(value, name, "an array"))
    }

    /// A field that must be a string; and where it starts.
    pub fn string<'v>(&mut self, object: &'v Object<'a>, name: &str) -> Option<(&'v str, &'v Value<'a>)> {
        let value = self.field(object, name)?;
        let text = value.as_string_lit().or_else(|| self.wrong_type(value, name, "a string"))?;
        Some((text.value.as_ref(), value))
    }

    /// A field that must be true or false; and where it starts.
    pub fn boolean<'v>(&mut self, object: &'v Object<'a>, name: &str) -> Option<(bool, &'v Value<'a>)> {
        let value = self.field(object, name)?;
        let flag = value.as_boolean_lit().or_else(|| self.wrong_type(value, name, "true or false"))?;
        Some((flag.value, value))
    }

    /// A field that must be a whole number; and where it starts.
    pub fn integer<'v>(&mut self, object: &'v Object<'a>, name: &str) -> Option<(i64, &'v Value<'a>)> {
        let value = self.field(object, name)?;
        let number = value.as_number_lit().and_then(|literal| literal.value.parse().ok());
        let number = number.or_else(|| self.wrong_type(value, name, "a whole number"))?;
        Some((number, value))
    }

    /// A field that must be an array of strings, each with where it starts. A null element is an empty string, as in Go.
    pub fn strings(&mut self, object: &Object<'a>, name: &str) -> Option<Vec<(String, Position)>> {
        let elements = &self.array(object, name)?.elements;
        let mut found = Vec::new();
        for element in elements {
            let text = match element {
                Value::StringLit(text) => text.value.to_string(),
                Value::NullKeyword(_) => String::new(),
                other => {
                    self.wrong_type::<()>(other, &format!("an element of {name}"), "a string");
                    continue;
                }
            };
            found.push((text, self.position(element)));
        }
        Some(found)
    }

    /// The entries of a map, the last of equal keys alone, in the order of the file; null values too.
    pub fn entries<'v>(&self, object: &'v Object<'a>) -> Vec<&'v ObjectProp<'a>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut last: Vec<_> =
            object.properties.iter().rev().filter(|one| seen.insert(one.name.as_str())).collect();
        last.reverse();
        last
    }

    /// Notes a wrong type; always `None`, to end a chain with.
    pub fn wrong_type<T>(&mut self, value: &Value<'a>, name: &str, expected: &str) -> Option<T> {
        let found = match value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "a boolean",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        let name = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
        let label = self.label(value, format!("found {found}"));
        self.mistakes.push(Diagnostic::error(format!("{name} must be {expected}"), label));
        None
    }

    fn mistake(&mut self, title: String, span: std::ops::Range<usize>) {
        let label = self.source.label(span, "");
        self.mistakes.push(Diagnostic::error(title, label));
    }
}

fn non_null<'v, 'a>(property: &'v ObjectProp<'a>) -> Option<&'v Value<'a>> {
    property.value.as_null_keyword().is_none().then_some(&property.value)
}
