//! What may be typed, and whether a screen shows that it was taken. Pure.

/// The longest text that is typed; a terminal in line mode cuts a line at 4096 bytes and says nothing.
pub const TEXT_LENGTH_MAX: usize = 4000;

/// The most that goes to the terminal at once.
const CHUNK_LENGTH_MAX: usize = 512;

/// How much of its end must be seen to know a text again; a narrow pane shows no more of it in one piece.
const TAIL_LENGTH: usize = 16;

/// Why a text is not typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// Nothing is left of it.
    #[error("there is nothing to type")]
    Empty,
    /// It is too long.
    #[error("a nudge has at most {TEXT_LENGTH_MAX} bytes")]
    TooLong,
}

/// One line without control characters: line ends and tabs become spaces, since an agent would take the first line end for the end, and
/// what else commands a terminal is left out.
pub fn sanitised(text: &str) -> Result<String, NoText> {
    let spaced = text.trim().replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
    let line: String = spaced.chars().filter(|c| !c.is_control()).collect();
    match line.len() {
        0 => Err(NoText::Empty),
        length if length > TEXT_LENGTH_MAX => Err(NoText::TooLong),
        _ => Ok(line),
    }
}

/// The text in pieces that a terminal takes at once, cut between characters.
pub fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK_LENGTH_MAX));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// Whether the text ends where the cursor stands: typed, and not sent. Rows as they are shown, the cursor's row counted from the first.
pub fn ends_at_cursor(rows: &[&str], cursor: usize, text: &str) -> bool {
    // A long text is broken into rows wherever it happens to be, and prompts have frames.
    let squeezed = |text: &str| -> String {
        text.chars().filter(|c| !c.is_whitespace() && !"│┃|║".contains(*c)).collect()
    };
    let at = squeezed(rows.get(cursor).copied().unwrap_or_default());
    let above = cursor.checked_sub(1).and_then(|row| rows.get(row)).copied().unwrap_or_default();
    let whole = squeezed(text);
    let from = whole.char_indices().rev().nth(TAIL_LENGTH - 1).map_or(0, |(index, _)| index);
    let tail = whole.get(from..).unwrap_or(&whole);
    // A text that was sent may still be shown in the row above, with an empty prompt under it.
    !at.is_empty() && !tail.is_empty() && (squeezed(above) + &at).ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_commands_no_terminal() {
        assert_eq!(sanitised("a\x1b[2Jb\x07\u{9b}c\x7f\n").unwrap(), "a[2Jbc");
        assert_eq!(sanitised(" one\r\ntwo\tthree\n").unwrap(), "one two three");
        assert_eq!(sanitised("\n\x1b"), Err(NoText::Empty));
        assert_eq!(sanitised(&"x".repeat(4001)), Err(NoText::TooLong));
        assert!(sanitised(&"x".repeat(4000)).is_ok());
    }

    #[test]
    fn chunks_are_cut_between_characters_and_nothing_is_lost() {
        let text = "ü€🦀".repeat(300);
        assert!(chunks(&text).iter().all(|chunk| !chunk.is_empty() && chunk.len() <= 512));
        assert_eq!(chunks(&text).concat(), text);
        assert_eq!(chunks("short"), ["short"]);
    }

    #[test]
    fn a_text_at_the_cursor_is_not_sent_yet() {
        let text = "check your hook and begin work";
        assert!(ends_at_cursor(&["", "> check your hook and begin work"], 1, text));
        assert!(
            ends_at_cursor(&["│ > check your hook and beg │", "│ in work │"], 1, text),
            "broken into rows"
        );
        assert!(!ends_at_cursor(&["> check your hook and begin work", "working ...", "> "], 2, text));
        assert!(!ends_at_cursor(&["> check your hook and begin work", "> "], 1, text), "sent");
        assert!(!ends_at_cursor(&["> check your hook and begin work", ""], 1, text), "sent");
        assert!(!ends_at_cursor(&[], 0, text));
        assert!(ends_at_cursor(&["$ go on"], 0, "go on"));
    }
}
