//! What is to be started: commands, environments, directories.

use std::path::{Component, Path};

use serde_json::Value;

use super::Subject;
use crate::town::diagnostic::Diagnostic;
use crate::town::files::agents::bad_variable;

pub(super) fn mistakes(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let of_beads =
        bad_program(subject, "beads", "write a name or a path, or leave it out to take `bd` or `br`");
    let of_mail = bad_program(subject, "mail", "write a name or a path, or leave it out to take `gt`");
    let mut found: Vec<Diagnostic> = of_beads.into_iter().chain(of_mail).collect();
    for path in tables(subject) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        found.extend(bad_command(subject, &path));
        found.extend(bad_environment(subject, &path));
        for key in ["directory", "prompt", "ready-prompt"] {
            found.extend(nul(subject, &[&path[..], &[key]].concat()));
        }
        found.extend(bad_choice(subject, &path));
        found.extend(bad_heartbeat(subject, &path));
    }
    found
}

/// The paths of all tables that say how something is started.
pub(super) fn tables(subject: &Subject<'_>) -> Vec<Vec<String>> {
    let owned = |path: &[&str]| path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let below = |path: &[&str]| -> Vec<Vec<String>> {
        subject.entries(path).map(|(key, _)| owned(&[path, &[key]].concat())).collect()
    };
    let mut paths = [below(&["agents"]), below(&["roles"]), below(&["sessions"])].concat();
    for (rig, _) in subject.entries(&["rigs"]) {
        paths.extend(below(&["rigs", rig, "roles"]));
        paths.extend(below(&["rigs", rig, "crew"]));
    }
    paths
}

/// The programs that are asked for beads and for mail.
fn bad_program(subject: &Subject<'_>, table: &str, help: &str) -> Option<Diagnostic> {
    let path = [table, "program"];
    if subject.get(&path)?.as_str()?.trim().is_empty() {
        let title = format!("`{table}.program` names no program");
        return Some(Diagnostic::error(title, subject.at(&path, "")).with_help(help));
    }
    nul(subject, &path)
}

fn bad_command(subject: &Subject<'_>, table: &[&str]) -> Vec<Diagnostic> {
    let path = [table, &["command"]].concat();
    let Some(words) = subject.get(&path).and_then(Value::as_array) else { return Vec::new() };
    if words.first().is_none_or(|program| program.as_str() == Some("")) {
        let title = format!("`{}` names no program", path.join("."));
        let help = "write the program and its arguments, for example [\"claude\", \"--model\", \"opus\"]";
        return vec![Diagnostic::error(title, subject.at(&path, "")).with_help(help)];
    }
    (0..words.len()).filter_map(|index| nul(subject, &[&path[..], &[&index.to_string()]].concat())).collect()
}

/// The file must lie in the town: everything else is read by somebody else's leave.
fn bad_heartbeat(subject: &Subject<'_>, table: &[&str]) -> Vec<Diagnostic> {
    let path = [table, &["heartbeat"]].concat();
    let Some(file) = subject.get(&path).and_then(Value::as_str) else { return Vec::new() };
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if Path::new(file).components().all(is_inside) {
        return nul(subject, &path).into_iter().collect();
    }
    let title = format!("`{}` leads out of the town", path.join("."));
    let help = "write it relative to the town, without `..`, for example \"deacon/heartbeat.json\"";
    vec![Diagnostic::error(title, subject.at(&path, "")).with_help(help)]
}

fn bad_environment(subject: &Subject<'_>, table: &[&str]) -> Vec<Diagnostic> {
    let path = [table, &["env"]].concat();
    let mut found = Vec::new();
    for (name, _) in subject.entries(&path) {
        let here = [&path[..], &[name]].concat();
        if let Some(title) = bad_variable(name) {
            let help = if name.starts_with("GTCTL_") {
                "use another name"
            } else {
                "use A-Z a-z 0-9 and _, and do not start with a digit"
            };
            found.push(Diagnostic::error(title, subject.at_key(&here, "")).with_help(help));
        }
        found.extend(nul(subject, &here));
    }
    found
}

/// The kernel ends every argument, variable and path at a NUL byte.
fn nul(subject: &Subject<'_>, path: &[&str]) -> Option<Diagnostic> {
    let has = subject.get(path)?.as_str()?.contains('\0');
    has.then(|| Diagnostic::error(format!("`{}` holds a NUL byte", path.join(".")), subject.at(path, "")))
}

/// A session is a command or an agent; nothing above it could decide which.
fn bad_choice(subject: &Subject<'_>, table: &[&str]) -> Option<Diagnostic> {
    let ["sessions", name] = table else { return None };
    let session = subject.get(table)?.as_object()?;
    let label = |key| subject.at_key(&["sessions", name, key], "");
    match (session.contains_key("command"), session.contains_key("agent")) {
        (true, true) => {
            let title = format!("session `{}` has both `command` and `agent`", name.escape_debug());
            Some(
                Diagnostic::error(title, label("agent"))
                    .with_label(label("command"))
                    .with_help("keep one of them"),
            )
        }
        (false, false) => {
            let title = format!("session `{}` has neither `command` nor `agent`", name.escape_debug());
            Some(Diagnostic::error(title, subject.at(table, "")).with_help("say what to run"))
        }
        _ => None,
    }
}
