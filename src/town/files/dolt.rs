//! Where the town's database server listens. An agent's `bd` must be told, or it looks for the database at another place.
//!
//! gt has written that down in three places in the course of time: `dolt` of `mayor/town.json`, `listener` of `.dolt-data/config.yaml`, and
//! `GT_DOLT_PORT` in the `env` of `mayor/daemon.json`, which is read with that file. The first that speaks counts, as in gt.

use core::net::IpAddr;
use std::path::Path;

use jsonc_parser::ast::Object;
use saphyr::{LoadableYamlNode, Yaml};

use super::json::Reader;
use super::lenient;
use crate::machine::Disk;
use crate::model::Seen;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::source::Source;

/// What gt knows of the town as a whole.
pub const TOWN_JSON: &str = "mayor/town.json";

/// The server's own file, which gt writes before it starts the server.
pub const DOLT_CONFIG: &str = ".dolt-data/config.yaml";

/// Where a database server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The port.
    pub port: u16,
    /// The host, where the file names one that can be called.
    pub host: Option<String>,
}

/// A file that may say where it listens: which it is, and what it says, if it is there and says anything.
pub type Speaker = (&'static str, Seen<Option<Option<Endpoint>>>);

/// Reads both files, the nearest first.
pub fn read_endpoints(disk: &dyn Disk, root: &Path, warnings: &mut Vec<Diagnostic>) -> [Speaker; 2] {
    [
        (TOWN_JSON, lenient::read(disk, root, TOWN_JSON, warnings, of_town_json)),
        (DOLT_CONFIG, lenient::read(disk, root, DOLT_CONFIG, warnings, of_config)),
    ]
}

fn of_town_json(source: &Source) -> Result<Option<Endpoint>, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let file = reader.parse();
    let endpoint = file.and_then(|file| {
        let dolt = reader.object(&file, "dolt")?;
        Some(Endpoint { port: port(&mut reader, dolt)?, host: host(&mut reader, dolt) })
    });
    reader.finish(endpoint)
}

fn port<'a>(reader: &mut Reader<'a>, dolt: &Object<'a>) -> Option<u16> {
    let (number, value) = reader.integer(dolt, "port")?;
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    if port.is_none() {
        let label = reader.label(value, "");
        reader.mistakes.push(Diagnostic::error(format!("{number} is no port"), label));
    }
    port
}

fn host<'a>(reader: &mut Reader<'a>, dolt: &Object<'a>) -> Option<String> {
    let (text, _) = reader.string(dolt, "host")?;
    callable(text)
}

/// The `listener` of the server's own file.
fn of_config(source: &Source) -> Result<Option<Endpoint>, Vec<Diagnostic>> {
    let mistake =
        |title: String, at: std::ops::Range<usize>| vec![Diagnostic::error(title, source.label(at, ""))];
    let documents = Yaml::load_from_str(&source.text).map_err(|error| {
        let at = source.text.floor_char_boundary(error.marker().index().min(source.text.len()));
        mistake(format!("not valid YAML: {}", error.info()), at..at)
    })?;
    let listener = documents.first().and_then(|document| document.as_mapping_get("listener"));
    let Some(port) = listener.and_then(|listener| listener.as_mapping_get("port")) else { return Ok(None) };
    let number = port.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let Some(port) = number else {
        let title = "`listener.port` is no port".to_owned();
        return Err(vec![Diagnostic::error(title, Label::file(DOLT_CONFIG))]);
    };
    let host = listener.and_then(|listener| listener.as_mapping_get("host")).and_then(Yaml::as_str);
    Ok(Some(Endpoint { port, host: host.and_then(callable) }))
}

/// A host that somebody can call: one that listens at all addresses says only that.
fn callable(host: &str) -> Option<String> {
    let everywhere = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let is_name = !host.is_empty() && !host.contains('\0');
    (is_name && !everywhere).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { file: "file".to_owned(), text: text.to_owned() }
    }

    fn at(port: u16, host: Option<&str>) -> Option<Endpoint> {
        Some(Endpoint { port, host: host.map(str::to_owned) })
    }

    #[test]
    fn the_servers_own_file_is_read_as_yaml() {
        let read = |text: &str| of_config(&source(text)).unwrap();
        let file = "# by gt\nlog_level: warning\nlistener:\n  host: 127.0.0.1\n  port: 3308\n  max_connections: 50\n";
        assert_eq!(read(file), at(3308, Some("127.0.0.1")));
        assert_eq!(read("listener: {port: 3308, host: 0.0.0.0}"), at(3308, None), "nobody calls 0.0.0.0");
        assert_eq!(read("behavior:\n  port: 1\n"), None);
        assert_eq!(read(""), None);
        for wrong in ["listener: {port: 0}", "listener: {port: many}", "listener: [", "listener:\n\tport: 1"]
        {
            assert!(of_config(&source(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gts_own_file_of_the_town_may_name_it() {
        let read = |text: &str| of_town_json(&source(text)).ok();
        assert_eq!(
            read(r#"{"name":"t","dolt":{"host":"100.64.0.5","port":3307}}"#),
            Some(at(3307, Some("100.64.0.5")))
        );
        assert_eq!(read(r#"{"name":"t"}"#), Some(None));
        assert_eq!(read(r#"{"dolt":{"port":70000}}"#), None);
    }
}
