//! Changes to a text that leave every other byte of it alone: comments, blank lines, CRLF, a missing final newline.

use std::ops::Range;

/// The ending of the first line, which the others follow.
pub(super) fn line_ending(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The text with these bytes replaced.
pub(super) fn replace(text: &str, span: Range<usize>, with: &str) -> String {
    let (before, after) = (text.get(..span.start).unwrap_or(text), text.get(span.end..).unwrap_or_default());
    format!("{before}{with}{after}")
}

/// Where the line of this byte starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Where the line after this byte starts; the end of the text if there is none.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}

/// The blanks that the line of this byte starts with.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = text.get(line_start(text, at)..at).unwrap_or_default();
    let blanks = line.len() - line.trim_start().len();
    line.get(..blanks).unwrap_or_default()
}

/// Adds a line before the line that starts here. A text without a final newline stays one.
pub(super) fn insert_line(text: &str, at: usize, line: &str) -> String {
    let ending = line_ending(text);
    let unfinished = at == text.len() && !text.is_empty() && !text.ends_with('\n');
    let line = if unfinished { format!("{ending}{line}") } else { format!("{line}{ending}") };
    replace(text, at..at, &line)
}

/// Removes the lines of an entry, but not the comment behind it.
pub(super) fn remove_lines(text: &str, entry: Range<usize>) -> String {
    let (start, end) = (line_start(text, entry.start), next_line(text, entry.end));
    let rest = text.get(entry.end..end).unwrap_or_default().trim();
    if rest.starts_with('#') {
        let comment = entry.end + text.get(entry.end..).and_then(|tail| tail.find('#')).unwrap_or_default();
        return replace(text, start + indent(text, entry.start).len()..comment, "");
    }
    if end == text.len() && !text.ends_with('\n') {
        // The last line goes with the newline before it, so that a text without a final newline stays one.
        let before = text.get(..start).unwrap_or_default();
        let start = before.strip_suffix("\r\n").or_else(|| before.strip_suffix('\n')).unwrap_or(before).len();
        return replace(text, start..end, "");
    }
    replace(text, start..end, "")
}

/// Adds an entry at the head of an inline table.
pub(super) fn insert_inline(text: &str, braces: Range<usize>, entry: &str) -> String {
    let inside = braces.start + 1..braces.end.saturating_sub(1);
    let body = text.get(inside.clone()).unwrap_or_default();
    let with = if body.trim().is_empty() {
        format!(" {entry} ")
    } else {
        format!(" {entry}, {}", body.trim_start())
    };
    replace(text, inside, &with)
}

/// Removes an entry of an inline table together with one comma.
pub(super) fn remove_inline(text: &str, entry: Range<usize>) -> String {
    let before = text.get(..entry.start).unwrap_or_default();
    let after = text.get(entry.end..).unwrap_or_default();
    if let Some(rest) = after.trim_start().strip_prefix(',') {
        return format!("{before}{}", rest.trim_start());
    }
    match before.trim_end().strip_suffix(',') {
        Some(rest) => format!("{rest}{after}"),
        None => format!("{}{}", before.trim_end(), after.trim_start()),
    }
}

/// Where the entry of an inline table that has its last key here starts, dotted keys included.
pub(super) fn inline_entry_start(text: &str, key: usize) -> usize {
    let before = text.get(..key).unwrap_or_default();
    let start = before.rfind(['{', ',', '\n']).map_or(0, |separator| separator + 1);
    let blanks = text.get(start..key).map_or(0, |part| part.len() - part.trim_start().len());
    start + blanks
}
