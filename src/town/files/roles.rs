//! `roles/<role>.toml` of the town and of each rig: what gt's users change about a role. These are gt's files: a key that gtctl does not know
//! is a warning, a value of another type is a mistake, and a mistake holds back the role (law 11).

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml_edit::Document;

use super::agents::{Said, bad_variable};
use super::start_command::{StartCommand, parse_start_command};
use super::town_toml::to_json;
use crate::town::closest::did_you_mean;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::positions::Positions;
use crate::town::source::Source;

/// The roles that have such a file, of those that gtctl starts.
pub const ROLES: &[&str] = &["mayor", "deacon", "boot", "witness", "refinery", "polecat", "crew"];

/// The keys of such a file by table; `env` has any.
const KEYS: &[(&str, &[&str])] = &[
    ("", &["role", "scope", "session", "env", "health", "nudge", "prompt_template"]),
    ("session", &["pattern", "work_dir", "needs_pre_sync", "start_command"]),
    ("health", &["ping_timeout", "consecutive_failures", "kill_cooldown", "stuck_threshold"]),
];

/// What a role file changes. What is absent or empty changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleFile {
    /// The name of its sessions, with placeholders; gtctl has names of its own, and only compares.
    pub pattern: Option<Said<String>>,
    /// Its working directory, with placeholders.
    pub work_dir: Option<Said<String>>,
    /// What starts it; never gt's built-in command, which means nothing.
    pub start_command: Option<Said<StartCommand>>,
    /// Environment variables, with placeholders in the values.
    pub env: BTreeMap<String, String>,
    /// What it is told first.
    pub nudge: Option<Said<String>>,
}

/// The path of a role's file.
pub fn role_file(role: &str) -> String {
    format!("roles/{role}.toml")
}

/// Checks a role file; beside what it says, what in it has no effect.
pub fn parse_role(source: &Source) -> Result<(RoleFile, Vec<Diagnostic>), Vec<Diagnostic>> {
    let document = Document::parse(source.text.as_str()).map_err(|error| {
        let title = format!("not valid TOML: {}", error.message().lines().next().unwrap_or("syntax error"));
        let label = error.span().map_or_else(|| Label::file(&source.file), |span| source.label(span, ""));
        vec![Diagnostic::error(title, label)]
    })?;
    let json = to_json(document.as_table());
    let mut role =
        Reading { json: &json, positions: Positions::new(&document, source), source, mistakes: Vec::new() };
    let warnings = role.unknown_keys();
    let file = RoleFile {
        pattern: role.text(&["session", "pattern"]),
        work_dir: role.text(&["session", "work_dir"]),
        start_command: role.start_command(),
        env: role.env(),
        nudge: role.text(&["nudge"]),
    };
    if role.mistakes.is_empty() { Ok((file, warnings)) } else { Err(role.mistakes) }
}

struct Reading<'a> {
    json: &'a Json,
    positions: Positions,
    source: &'a Source,
    mistakes: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn label(&self, path: &[&str]) -> Label {
        match self.positions.nearest_span(path) {
            Some(span) => self.source.label(span, ""),
            None => Label::file(&self.source.file),
        }
    }

    fn mistake(&mut self, path: &[&str], title: String) {
        let mistake = Diagnostic::error(title, self.label(path));
        self.mistakes.push(mistake);
    }

    /// A text that is not empty.
    fn text(&mut self, path: &[&str]) -> Option<Said<String>> {
        let value = path.iter().try_fold(self.json, |value, key| value.get(key))?;
        let name = path.join(".");
        let Some(text) = value.as_str() else {
            self.mistake(path, format!("`{name}` must be a string"));
            return None;
        };
        if text.contains('\0') {
            self.mistake(path, format!("`{name}` holds a NUL byte"));
            return None;
        }
        let said = || {
            let span = self.positions.span(path)?;
            let at = self.positions.of(path)?.clone();
            Some(Said { value: text.to_owned(), at, span })
        };
        if text.is_empty() { None } else { said() }
    }

    fn start_command(&mut self) -> Option<Said<StartCommand>> {
        let path = ["session", "start_command"];
        let said = self.text(&path)?;
        match parse_start_command(&said.value) {
            Ok(command) if command.is_gts_own() => None,
            Ok(command) => Some(Said { value: command, at: said.at, span: said.span }),
            Err(wrong) => {
                let help = "write a program and its arguments, or a script that does the rest";
                let mistake = Diagnostic::error(format!("`{}` {wrong}", path.join(".")), self.label(&path));
                self.mistakes.push(mistake.with_help(help));
                None
            }
        }
    }

    fn env(&mut self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let Some(table) = self.json.get("env") else { return env };
        let Some(table) = table.as_object() else {
            self.mistake(&["env"], "`env` must be a table".to_owned());
            return env;
        };
        for (name, value) in table {
            let path = ["env", name.as_str()];
            if let Some(title) = bad_variable(name) {
                self.mistake(&path, title);
            }
            match value.as_str() {
                Some(text) if text.contains('\0') => {
                    self.mistake(&path, "a variable holds a NUL byte".to_owned());
                }
                Some(text) => {
                    env.insert(name.clone(), text.to_owned());
                }
                None => self.mistake(&path, "a variable of env must be a string".to_owned()),
            }
        }
        env
    }

    /// Keys that gt does not know either; and tables that are none.
    fn unknown_keys(&mut self) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        for (table, known) in KEYS {
            let value = if table.is_empty() { Some(self.json) } else { self.json.get(table) };
            let Some(value) = value else { continue };
            let Some(object) = value.as_object() else {
                self.mistake(&[table], format!("`{table}` must be a table"));
                continue;
            };
            for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
                let path = if table.is_empty() { vec![key.as_str()] } else { vec![*table, key.as_str()] };
                let label = match self.positions.key(&path) {
                    Some(span) => self.source.label(span, ""),
                    None => self.label(&path),
                };
                let title = format!("`{}` has no effect", path.join(".").escape_debug());
                warnings.push(Diagnostic::warning(title, label).with_help(did_you_mean(key, known)));
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(RoleFile, Vec<String>), Vec<String>> {
        let source = Source { file: role_file("witness"), text: text.to_owned() };
        let titles = |found: Vec<Diagnostic>| found.into_iter().map(|one| one.title).collect::<Vec<_>>();
        parse_role(&source).map(|(file, warnings)| (file, titles(warnings))).map_err(titles)
    }

    #[test]
    fn a_role_file_changes_what_it_names() {
        let text = "role = 'witness'\nnudge = ''\n[session]\nwork_dir = '{town}/{rig}/x'\n\
                    start_command = 'exec claude --dangerously-skip-permissions'\n[env]\nA = '{rig}'\n[health]\nping_timeout = '30s'\n";
        let (file, warnings) = parse(text).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        let work_dir = file.work_dir.unwrap();
        assert_eq!((work_dir.value.as_str(), work_dir.at.line), ("{town}/{rig}/x", 4));
        assert_eq!((file.nudge, file.start_command), (None, None), "empty, and gt's own");
        assert_eq!(file.env["A"], "{rig}");
        assert_eq!(parse(""), Ok((RoleFile::default(), Vec::new())), "an empty file changes nothing");
    }

    #[test]
    fn an_unknown_key_is_a_warning_and_a_wrong_value_a_mistake() {
        let (_, warnings) = parse("nugde = 'x'\n[session]\nworkdir = 'y'\n").unwrap();
        assert_eq!(warnings, ["`nugde` has no effect", "`session.workdir` has no effect"]);
        let found =
            parse("nudge = 3\nhealth = 1\n[session]\nstart_command = 'a | b'\n[env]\n'B C' = 'x'\nD = 1\n");
        assert_eq!(found.unwrap_err().len(), 5);
        assert!(parse("[session").is_err());
    }
}
