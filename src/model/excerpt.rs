//! Texts of files, made fit to be told: long ones cut, for a file may hold a megabyte and what it says is told for every object that it
//! concerns; control characters written out, for they command a terminal.

use std::borrow::Cow;
use std::fmt::Display;

/// A text, cut to its first `longest` characters with `…` behind them if it has more.
pub fn excerpt(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// A text without control characters: each is written as its escape.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        if one.is_control() { shown.extend(one.escape_debug()) } else { shown.push(one) }
    }
    Cow::Owned(shown)
}

/// So many entries of a list are shown.
const LIST_LENGTH_MAX: usize = 20;

/// The first entries of a list with commas between them, and how many more there are.
pub fn some_of<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    let mut list = list.into_iter();
    let shown: Vec<String> = list.by_ref().take(LIST_LENGTH_MAX).map(|one| one.to_string()).collect();
    match list.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left_to_print() {
        assert_eq!(printable("é\n\u{1b}[31m\u{9b}"), "é\\n\\u{1b}[31m\\u{9b}");
        assert!(matches!(printable("as \"it\" is"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_short_stays_as_it_is_and_what_is_long_says_so() {
        assert_eq!(excerpt("üü", 2), "üü");
        assert_eq!(excerpt("üüa", 2), "üü…");
        assert_eq!(some_of(["a", "b"]), "a, b");
        assert_eq!(some_of([0; 0]), "");
        assert!(some_of(0..22).ends_with("18, 19 and 2 more"));
    }
}
