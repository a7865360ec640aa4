//! tmux's options: user options, whose names begin with `@`, and the few of its own that are modelled.

use std::collections::BTreeMap;

/// Options of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Options(BTreeMap<String, String>);

impl Options {
    /// Its own value of an option, not one that it inherits.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets an option.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// Takes an option away; then it is inherited, or its default.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Whose an option of tmux is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Server,
    Session,
    Window,
    WindowOrPane,
}

/// What an option of tmux can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Choice(&'static [&'static str]),
    Number,
}

/// An option of tmux.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// What it can be.
    pub kind: Kind,
    /// What it is at first.
    pub default: &'static str,
}

const fn known(name: &'static str, scope: Scope, kind: Kind, default: &'static str) -> Known {
    Known { name, scope, kind, default }
}

/// The options that are modelled. `automatic-rename` and `window-size` can be set; what they do is not seen here.
pub(super) static KNOWN: &[Known] = &[
    known("exit-empty", Scope::Server, Kind::Flag, "on"),
    known("base-index", Scope::Session, Kind::Number, "0"),
    known("automatic-rename", Scope::Window, Kind::Flag, "on"),
    known("pane-base-index", Scope::Window, Kind::Number, "0"),
    known("remain-on-exit", Scope::WindowOrPane, Kind::Choice(&["off", "on", "failed"]), "off"),
    known("window-size", Scope::Window, Kind::Choice(&["largest", "smallest", "manual", "latest"]), "latest"),
];

impl Known {
    /// What a text means as its value, given the value it has now; what tmux says if it means nothing.
    pub fn read(&self, text: Option<&str>, now: &str) -> Result<String, String> {
        let on_or_off = |on: bool| if on { "on" } else { "off" }.to_owned();
        match (self.kind, text) {
            (Kind::Flag, None | Some("")) => Ok(on_or_off(now != "on")),
            (Kind::Flag, Some(text)) => match text.to_ascii_lowercase().as_str() {
                "1" | "on" | "yes" => Ok(on_or_off(true)),
                "0" | "off" | "no" => Ok(on_or_off(false)),
                _ => Err(format!("bad value: {text}")),
            },
            // The first two of the choices take turns.
            (Kind::Choice([first, second, ..]), None) => Ok(if now == *first {
                second
            } else if now == *second {
                first
            } else {
                now
            }
            .to_owned()),
            (Kind::Choice(choices), Some(text)) if choices.contains(&text) => Ok(text.to_owned()),
            (Kind::Choice(_), Some(text)) => Err(format!("unknown value: {text}")),
            (Kind::Choice(_) | Kind::Number, None) => Err("empty value".to_owned()),
            (Kind::Number, Some(text)) => match text.parse::<i64>() {
                Err(_) => Err(format!("value is invalid: {text}")),
                Ok(number) if number < 0 => Err(format!("value is too small: {text}")),
                Ok(number) if number > i64::from(i32::MAX) => Err(format!("value is too large: {text}")),
                Ok(number) => Ok(number.to_string()),
            },
        }
    }
}

/// A text as tmux writes it where it could be read again: quoted, if it must be.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let must_be = text.contains([' ', '#', '\'', ';', '$', '{', '}', '%']);
    let may_be = text.contains('"');
    if text.len() == 1 && text != " " && (must_be || may_be || text == "~") {
        return format!("\\{text}");
    }
    let mut inner = text.replace('\\', r"\\");
    if !must_be {
        return if may_be { format!("'{inner}'") } else { inner };
    }
    inner = inner.replace('"', r#"\""#);
    // A `$` is hidden only where it would begin a variable.
    let mut out = String::from("\"");
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins = |next: &char| next.is_ascii_alphabetic() || matches!(next, '_' | '{');
        if letter == '$' && letters.peek().is_some_and(begins) {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: Option<&str>, now: &str) -> Result<String, String> {
        KNOWN.iter().find(|known| known.name == name).unwrap().read(text, now)
    }

    #[test]
    fn values_are_read_as_tmux_does() {
        assert_eq!(read("exit-empty", Some("No"), "on").as_deref(), Ok("off"));
        assert_eq!(read("exit-empty", None, "off").as_deref(), Ok("on"));
        assert_eq!(read("remain-on-exit", None, "off").as_deref(), Ok("on"));
        assert_eq!(read("remain-on-exit", None, "failed").as_deref(), Ok("failed"));
        assert_eq!(read("remain-on-exit", Some("1"), "off").unwrap_err(), "unknown value: 1");
        assert_eq!(read("base-index", Some("-1"), "0").unwrap_err(), "value is too small: -1");
    }
}
