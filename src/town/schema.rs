//! The JSON Schema of `town.toml`, generated from its types: what editors complete from and what a file is checked with.

use std::sync::OnceLock;

use jsonschema::Validator;
use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use super::files::town_toml::TownToml;

/// The schema, draft 7, every object closed. The same file is published as `schema/town.schema.json`.
pub fn schema() -> Value {
    generated().clone()
}

/// The same, generated once.
pub(crate) fn generated() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(tidy));
        settings.into_generator().into_root_schema_for::<TownToml>().to_value()
    })
}

/// The compiled schema. `None` cannot happen while the test below passes.
pub(crate) fn validator() -> Option<&'static Validator> {
    static VALIDATOR: OnceLock<Option<Validator>> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::validator_for(generated()).ok()).as_ref()
}

/// Takes out what TOML has no word for (null), what editors do not know (`uint`), and the defaults of whole tables, which
/// stand at their keys.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("format").and_then(Value::as_str).is_some_and(|format| format != "date-time") {
        object.remove("format");
    }
    if object.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
        object.remove("default");
    }
    let Some(Value::Array(types)) = object.get_mut("type") else { return };
    types.retain(|one| one != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
}

/// The schema of the value at a path, references followed; `None` where the schema has no such place.
pub(crate) fn at<'a>(root: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(resolve(root, root)?, |schema, key| {
        let property = schema.get("properties").and_then(|properties| properties.get(key));
        let below =
            property.or_else(|| schema.get("additionalProperties")).or_else(|| schema.get("items"))?;
        resolve(root, below).filter(|schema| schema.is_object())
    })
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    let only = schema.get("allOf").and_then(|list| list.get(0)).unwrap_or(schema);
    match only.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.strip_prefix('#')?),
        None => Some(only),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/town.schema.json");

    #[test]
    fn the_published_schema_is_current() {
        let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("GTCTL_UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/schema")).unwrap();
            std::fs::write(FILE, &current).unwrap();
        }
        let published = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(published == current, "schema/town.schema.json is stale; run the tests with GTCTL_UPDATE=1");
    }

    #[test]
    fn the_schema_compiles_and_every_object_is_closed() {
        assert!(validator().is_some());
        let root = schema();
        let mut tables: Vec<&Value> = root["definitions"].as_object().unwrap().values().collect();
        tables.push(&root);
        for table in tables.iter().filter(|table| table["type"] == "object") {
            assert_eq!(table["additionalProperties"], false, "{table}");
        }
    }
}
