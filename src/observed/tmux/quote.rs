//! Quoting for tmux's own parser. No shell ever sees these texts.

/// One word of a tmux command line: single-quoted, where nothing is special but the quote itself. Line ends are written as escapes in
/// double quotes: inside single quotes tmux 3.3a drops the indentation of the next line, and whole lines that begin with `#`.
///
/// A NUL cannot be part of an argument at all; the files' checks refuse it.
pub fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('\n', r#"'"\n"'"#).replace('\r', r#"'"\r"'"#))
}

/// A text for an option that tmux expands as a format (`-c`, `-s`, `-F`): `#` begins an expansion, even a command, so it is
/// doubled.
pub fn format_literal(text: &str) -> String {
    word(&text.replace('#', "##"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s109_a_quoted_word_has_no_way_out() {
        assert_eq!(word("a'b; $(x) `y` \"z\" #{pid} \\"), r#"'a'\''b; $(x) `y` "z" #{pid} \'"#);
        assert_eq!(word("a\n  # b"), r#"'a'"\n"'  # b'"#);
        assert_eq!(format_literal("#(touch P)"), "'##(touch P)'");
    }
}
