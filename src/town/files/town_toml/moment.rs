//! A moment in `town.toml`: TOML's own date-time (`2026-12-01T09:00:00Z`, with offset) or the same as a string.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Native(toml::value::Datetime),
    Text(String),
}

/// Reads it; a local time is refused, for nobody can tell whose.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let text = match Option::<Either>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Either::Native(native)) => native.to_string(),
        Some(Either::Text(text)) => text,
    };
    text.parse().map(Some).map_err(|_| D::Error::custom(format!("`{}` is not a moment", text.escape_debug())))
}

/// Writes it as a string.
pub fn serialize<S: Serializer>(until: &Option<jiff::Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    until.map(|until| until.to_string()).serialize(serializer)
}

/// Two alternatives, because editors take `format: date-time` for TOML's own type and refuse a string there.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "string" }] })
}
