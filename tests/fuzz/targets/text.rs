//! Names, quoting, and diagnostics at any place of any text.

use std::path::PathBuf;

use gtctl::machine::Socket;
use gtctl::model::{Address, IncarnationId, Marker, Name, Period, SpecHash, TownId};
use gtctl::observed::tmux::quote::{format_literal, word};
use gtctl::town::{Diagnostic, Label};

use super::Verdict;
use super::rules;

pub const NAME_WORDS: &[&str] = &[
    "mayor",
    "deacon",
    "boot",
    "/",
    ".",
    "gastown",
    "witness",
    "refinery",
    "polecats",
    "crew",
    "sessions",
    "0123456789ab",
    "ba9876543210",
    "-",
    "_",
    "30s",
    "15m",
    "1h",
    "2 hours",
    "250ms",
    "1d",
    "9999999999h",
    "1.5s",
    "PT15M",
    "1us",
    "1ns",
    "1w",
    "175307616h",
    "/tmp/socket",
    "ABCDEF",
    " ",
];

pub const QUOTE_WORDS: &[&str] = &[
    "'", "\"", "\\", ";", "#", "##", "#{", "#(", "}", "$HOME", "${X}", "~", "%1", "{", "\\;", "'\\''",
    "\"\\n\"", "a b", "-", "=", "[", "é", "\t", "`x`",
];

pub fn names(bytes: &[u8]) -> Verdict {
    let text = rules::text(bytes);
    let mut understood = false;
    match Name::parse(&text) {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert!(
                !text.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
                    && !text.starts_with('-')
                    && text.len() <= 64
            );
            understood = true;
        }
        Err(bad) => assert!(!bad.to_string().contains(char::is_control), "{bad} is safe to print"),
    }
    match text.parse::<Address>() {
        Ok(address) => {
            assert_eq!(address.to_string(), text);
            understood = true;
        }
        Err(bad) => assert!(!bad.to_string().contains(char::is_control), "{bad} is safe to print"),
    }
    match text.parse::<Marker>() {
        Ok(marker) => {
            assert_eq!(marker.to_string(), text);
            assert_eq!(
                serde_json::from_str::<Marker>(&serde_json::to_string(&marker).unwrap()).unwrap(),
                marker
            );
            understood = true;
        }
        Err(bad) => assert!(!bad.to_string().contains(char::is_control), "{bad} is safe to print"),
    }
    match Period::parse(&text) {
        Ok(period) => {
            assert!(!period.to_string().is_empty());
            let stored = String::from(period);
            assert_eq!(Period::parse(&stored), Ok(period), "{stored:?} is {text:?}");
            understood = true;
        }
        Err(bad) => assert!(!bad.to_string().contains(char::is_control), "{bad} is safe to print"),
    }
    assert_eq!(TownId::from_hex(&text).is_some(), IncarnationId::from_hex(&text).is_some());
    assert_eq!(TownId::from_hex(&text).is_some(), SpecHash::from_hex(&text).is_some());
    let socket = Socket::new(&text);
    assert_eq!(socket.arguments()[1], text);
    assert_eq!(matches!(socket, Socket::Path(_)), text.starts_with('/'));
    if let Socket::Path(path) = socket {
        assert_eq!(path, PathBuf::from(&text));
    }
    Verdict::of(understood)
}

/// Reads one word as tmux does, of the forms that gtctl writes: single quotes, `\'`, and line ends in double quotes.
fn unquoted(quoted: &str) -> Option<String> {
    let mut read = String::new();
    let mut rest = quoted;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("\\'") {
            read.push('\'');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\"\\n\"") {
            read.push('\n');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\"\\r\"") {
            read.push('\r');
            rest = after;
        } else {
            let (inside, after) = rest.strip_prefix('\'')?.split_once('\'')?;
            read.push_str(inside);
            rest = after;
        }
    }
    Some(read)
}

pub fn quote(bytes: &[u8]) -> Verdict {
    let text = rules::text(bytes);
    let quoted = word(&text);
    assert!(!quoted.contains(['\n', '\r']), "a word stays in its line");
    assert_eq!(unquoted(&quoted).as_deref(), Some(text.as_str()), "{quoted}");
    let literal = unquoted(&format_literal(&text)).unwrap();
    assert_eq!(literal.replace("##", "#"), text);
    assert_eq!(
        literal.matches('#').count(),
        2 * text.matches('#').count(),
        "every # is doubled, so none begins anything"
    );
    Verdict::Understood
}

/// A text, pointed at in places that its own bytes choose, also where it has none.
pub fn diagnostics(bytes: &[u8]) -> Verdict {
    let text = rules::text(bytes);
    let place = |index: usize| {
        bytes.iter().skip(index).step_by(3).take(4).fold(index, |sum, byte| sum * 31 + usize::from(*byte))
            % (text.len() + 3)
    };
    let said = text.get(..text.floor_char_boundary(40)).unwrap_or_default();
    let one = Diagnostic::error(format!("title {said}"), Label::at("town.toml", place(0)..place(1), said))
        .with_help(format!("help {said}"));
    let two = one.clone().with_label(Label::at("town.toml", place(2)..place(3), "")).into_warning();
    let three = two.clone().with_label(Label::at("other.json", place(1)..usize::MAX, said));
    let four =
        Diagnostic::error("no such file", Label::at("gone", 3..5, said)).with_label(Label::file("town.toml"));
    rules::of_renderings(&[one, two, three, four], &[("town.toml", &text), ("other.json", &text)]);
    Verdict::Understood
}
