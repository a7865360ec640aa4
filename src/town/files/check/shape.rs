//! Unknown keys, wrong types, values out of range: the schema's errors, in our own words.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::Subject;
use crate::town::closest::did_you_mean;
use crate::town::diagnostic::Diagnostic;
use crate::town::schema;

pub(super) fn mistakes(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(validator) = schema::validator() else { return Vec::new() };
    let root = schema::generated();
    validator.iter_errors(subject.json).flat_map(|error| translate(subject, root, &error)).collect()
}

fn translate(subject: &Subject<'_>, root: &Value, error: &ValidationError<'_>) -> Vec<Diagnostic> {
    let pointer = error.instance_path().as_str().to_owned();
    let keys: Vec<String> =
        pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let path: Vec<&str> = keys.iter().map(String::as_str).collect();
    let value = error.instance();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| unknown_key(subject, root, &path, key)).collect()
        }
        // NaN and the infinities arrive as null: what may stand there instead says more than the type.
        Kind::Type { .. } if value.is_null() => vec![out_of_range(subject, root, &path, value)],
        Kind::Type { kind } => vec![wrong_type(subject, &path, &type_names(kind), value)],
        Kind::Minimum { .. } | Kind::Maximum { .. } => vec![out_of_range(subject, root, &path, value)],
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
            vec![alternatives(subject, &path, context.iter().flatten(), value)]
        }
        // The types use nothing else of JSON Schema; should one begin to, its own words are better than silence.
        _ => vec![Diagnostic::error(format!("`{}`: {error}", path.join(".")), subject.at(&path, ""))],
    }
}

fn unknown_key(subject: &Subject<'_>, root: &Value, path: &[&str], key: &str) -> Diagnostic {
    let properties =
        schema::at(root, path).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let known: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let place = if path.is_empty() { String::new() } else { format!("not a key of `{}`", path.join(".")) };
    let label = subject.at_key(&[path, &[key]].concat(), place);
    Diagnostic::error(format!("unknown key `{}`", key.escape_debug()), label)
        .with_help(did_you_mean(key, &known))
}

fn wrong_type(subject: &Subject<'_>, path: &[&str], expected: &str, value: &Value) -> Diagnostic {
    let period = super::periods::allowed(path);
    let title = format!("`{}` must be {}", path.join("."), period.as_deref().unwrap_or(expected));
    Diagnostic::error(title, subject.at(path, format!("found {}", type_of(value))))
}

fn out_of_range(subject: &Subject<'_>, root: &Value, path: &[&str], value: &Value) -> Diagnostic {
    let limit = |name| schema::at(root, path).and_then(|schema| schema.get(name)).map(Value::to_string);
    let range = match (limit("minimum"), limit("maximum")) {
        (Some(low), Some(high)) => format!("lie between {low} and {high}"),
        (Some(low), None) => format!("be at least {low}"),
        (None, Some(high)) => format!("be at most {high}"),
        (None, None) => "be in range".to_owned(),
    };
    let title = format!("`{}` must {range}", path.join("."));
    Diagnostic::error(
        title,
        subject.at(
            path,
            if value.is_null() { format!("found {}", type_of(value)) } else { format!("found {value}") },
        ),
    )
}

/// A word of a fixed set, or one of several types.
fn alternatives<'a>(
    subject: &Subject<'_>,
    path: &[&str],
    refusals: impl Iterator<Item = &'a ValidationError<'static>>,
    value: &Value,
) -> Diagnostic {
    let (mut words, mut types) = (Vec::new(), Vec::new());
    for refusal in refusals {
        match refusal.kind() {
            Kind::Constant { expected_value } => words.extend(expected_value.as_str().map(str::to_owned)),
            Kind::Enum { options } => {
                words.extend(
                    options.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
                );
            }
            Kind::Type { kind } => types.push(type_names(kind)),
            _ => {}
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match value.as_str() {
        Some(text) if !words.is_empty() => {
            let title = format!("unknown value `{}` for `{}`", text.escape_debug(), path.join("."));
            let near = crate::town::closest::closest(text, words.iter().copied());
            let near = near.map_or(String::new(), |word| format!("did you mean `{word}`? "));
            let help = format!("{near}allowed: {}", words.join(", "));
            Diagnostic::error(title, subject.at(path, "")).with_help(help)
        }
        _ if !words.is_empty() => {
            wrong_type(subject, path, &format!("one of the words {}", words.join(", ")), value)
        }
        _ => {
            types.dedup();
            wrong_type(subject, path, &types.join(" or "), value)
        }
    }
}

fn type_names(kind: &TypeKind) -> String {
    let name = |one: JsonType| match one {
        JsonType::Null => "nothing",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "a table",
    };
    match kind {
        TypeKind::Single(one) => name(*one).to_owned(),
        TypeKind::Multiple(set) => set.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

/// The type and not the value: it may be a secret.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "a number that is not finite",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}
