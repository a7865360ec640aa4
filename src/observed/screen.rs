//! What the screen of an agent shows while it starts: is it ready, or does it ask something? Pure.
//!
//! Only what follows from a screen leaves here; its text is nobody else's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a screen shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Screen {
    /// A question that only a person can answer; the words by which it was known.
    Asks(String),
    /// The prompt of an agent that is ready.
    Ready,
    /// Neither.
    Other,
}

/// Words of dialogs that agents show at their start: is the directory to be trusted, who pays, do you accept the risk. To answer one is to decide
/// it, and the answer that is offered may be "exit".
const QUESTIONS: &[&str] = &[
    "Quick safety check",
    "Do you trust the files in this folder",
    "Do you trust the contents of this directory",
    "Do you trust this folder",
    "Confirm folder trust",
    "Workspace Trust Required",
    // In capitals: without, it is a line of an agent that works.
    "Bypass Permissions mode",
    "Choose the text style that looks best",
    "Select login method",
    "Please run /login",
    "Paste code here if prompted",
    "Sign in with ChatGPT",
    "How would you like to authenticate",
    "Press any key to log in",
];

/// The prompt is among the last lines that are not empty.
const LINES_AT_END: usize = 10;

/// What the rows of a screen show, to one who knows how the prompt begins.
pub fn read(rows: &[&str], prompt: Option<&str>) -> Screen {
    let rows: Vec<String> = rows.iter().map(|row| bare(row)).filter(|row| !row.is_empty()).collect();
    // A dialog in a narrow pane breaks its lines.
    let whole = rows.join(" ");
    if let Some(question) = QUESTIONS.iter().find(|question| whole.contains(**question)) {
        return Screen::Asks((*question).to_owned());
    }
    let Some(prompt) = prompt.map(bare).filter(|prompt| !prompt.is_empty()) else { return Screen::Other };
    let is_prompt = |row: &String| {
        row.strip_prefix(&prompt).is_some_and(|rest| {
            // `❯ 1. Yes` is a choice, and `>>> ` another prompt.
            let rest_is_apart = rest.is_empty() || rest.starts_with(' ');
            rest_is_apart && !rest.trim_start().split('.').next().is_some_and(is_number)
        })
    };
    if rows.iter().rev().take(LINES_AT_END).any(is_prompt) { Screen::Ready } else { Screen::Other }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A row without frames and margins, with ordinary spaces: agents print a space after their prompt that does not break.
fn bare(row: &str) -> String {
    let spaced = row.replace('\u{a0}', " ");
    spaced.trim_matches(|letter: char| letter.is_whitespace() || "│┃|║╭╮╰╯─".contains(letter)).to_owned()
}

/// Takes the answers to several questions for screens apart: each between a line `gtctl-screen MARK INDEX` and a line `gtctl-screen-end MARK`. What
/// has no end is missing. Nobody on a screen knows the mark.
pub fn parse<'a>(text: &'a str, mark: &str) -> BTreeMap<usize, Vec<&'a str>> {
    let (begin, end) = (format!("gtctl-screen {mark} "), format!("gtctl-screen-end {mark}"));
    let mut found = BTreeMap::new();
    let mut current: Option<(usize, Vec<&str>)> = None;
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some(index) = line.strip_prefix(&begin) {
            let number = index.parse().ok().filter(|number: &usize| number.to_string() == index);
            current = number.map(|number| (number, Vec::new()));
        } else if line == end {
            found.extend(current.take());
        } else if let Some((_, rows)) = &mut current {
            rows.push(line);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_seen_with_and_without_a_frame() {
        assert_eq!(read(&["hello", "❯\u{a0}", "", "  ? for help"], Some("❯ ")), Screen::Ready);
        assert_eq!(read(&["│ › Ask anything        │"], Some("› ")), Screen::Ready);
        assert_eq!(read(&["Loading ❯ "], Some("❯ ")), Screen::Other);
        assert_eq!(read(&[">>> "], Some("> ")), Screen::Other, "another prompt");
        assert_eq!(read(&["❯"], None), Screen::Other, "nothing is known of its prompt");
        let mut scrolled = vec!["❯ "];
        scrolled.extend(["x"; LINES_AT_END]);
        assert_eq!(read(&scrolled, Some("❯ ")), Screen::Other, "the prompt of a shell before it");
    }

    #[test]
    fn s94_a_question_comes_before_a_prompt() {
        let trust = [
            "Quick safety check: is this a project you trust?",
            "❯ 1. Yes, I trust this folder",
            "  2. No, exit",
        ];
        assert_eq!(read(&trust, Some("❯ ")), Screen::Asks("Quick safety check".to_owned()));
        let broken = ["│ Do you trust the contents │", "│ of this directory?        │"];
        assert!(matches!(read(&broken, None), Screen::Asks(_)), "broken into rows");
        assert_eq!(
            read(&["Which one?", "❯ 1. Yes", "  2. No"], Some("❯ ")),
            Screen::Other,
            "a choice is no prompt"
        );
        assert_eq!(read(&["❯ ", "⏵⏵ bypass permissions on"], Some("❯ ")), Screen::Ready);
    }

    #[test]
    fn screens_are_told_apart_and_none_speaks_for_another() {
        let text = "gtctl-screen m 0\na\n\ngtctl-screen x 1\ngtctl-screen-end m\ngtctl-screen m 1\nb\n";
        let found = parse(text, "m");
        assert_eq!(
            found,
            BTreeMap::from([(0, vec!["a", "", "gtctl-screen x 1"])]),
            "one without end is not there"
        );
        for end in 0..text.len() {
            assert!(parse(&text[..end], "m").keys().all(|index| *index == 0));
        }
    }
}
