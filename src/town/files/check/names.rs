//! Names of rigs, crew and sessions, prefixes, and the tmux socket: checked here, once, and never quoted later (law 13).

use super::Subject;
use crate::model::{Name, RESERVED_NAMES};
use crate::town::diagnostic::{Diagnostic, Label};

pub(super) fn mistakes(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut key = |path: &[&str], name: &str, what: &str| {
        found.extend(bad_name(name, what, |text| subject.at_key(path, text)));
    };
    for (session, _) in subject.entries(&["sessions"]) {
        key(&["sessions", session], session, "the name of a session");
    }
    for (rig, _) in subject.entries(&["rigs"]) {
        key(&["rigs", rig], rig, "the name of a rig");
        for (member, _) in subject.entries(&["rigs", rig, "crew"]) {
            key(&["rigs", rig, "crew", member], member, "the name of a crew member");
        }
    }
    for (rig, table) in subject.entries(&["rigs"]) {
        if let Some(prefix) = table.get("prefix").and_then(|prefix| prefix.as_str()) {
            found.extend(bad_name(prefix, "a prefix", |text| subject.at(&["rigs", rig, "prefix"], text)));
        }
    }
    found.extend(bad_socket(subject));
    found
}

/// The diagnostic for a text that cannot be `what` ("the name of a rig"); `None` if it can.
pub(in crate::town::files) fn bad_name(
    text: &str,
    what: &str,
    label: impl Fn(String) -> Label,
) -> Option<Diagnostic> {
    match Name::parse(text) {
        Err(why) => Some(
            Diagnostic::error(why.to_string(), label(format!("cannot be {what}")))
                .with_help("a name is 1 to 64 of A-Z a-z 0-9 _ -, and does not start with -"),
        ),
        Ok(name) if name.is_reserved() => {
            let title = format!("`{name}` cannot be {what}: the word means something else in a town");
            let help = format!("reserved: {}", RESERVED_NAMES.join(", "));
            Some(Diagnostic::error(title, label(String::new())).with_help(help))
        }
        Ok(_) => None,
    }
}

fn bad_socket(subject: &Subject<'_>) -> Option<Diagnostic> {
    let socket = subject.get(&["town", "socket"])?.as_str()?;
    let is_name = !socket.is_empty()
        && socket.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !socket.starts_with('-')
        && !matches!(socket, "." | "..");
    let is_path = socket.starts_with('/') && socket.len() > 1 && !socket.contains('\0');
    if is_name || is_path {
        return None;
    }
    let title = format!("`{}` names no tmux socket", socket.escape_debug());
    let help = "write a name of A-Z a-z 0-9 _ . - for `tmux -L`, or an absolute path for `tmux -S`";
    Some(Diagnostic::error(title, subject.at(&["town", "socket"], "")).with_help(help))
}
