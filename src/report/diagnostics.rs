//! Diagnostics for people (as rustc prints them), for editors (one line each), and for programs (JSON).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::model::Position;
use crate::town::diagnostic::{Diagnostic, Label, Severity};
use crate::town::source::{Lines, Source};

/// Where the renderer gets the text of a file from; `None` if it cannot be had, and then no line of it is shown.
pub type Sources<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Every diagnostic with the lines it is about, a caret below them, and what to do.
///
/// The text may have changed since it was checked: a span that no longer fits points at the nearest place that exists.
/// After [`SHOWN_MAX`] it only says how many more there are.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources<'_>, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let files = Files::of(diagnostics, sources);
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN_MAX) {
        let report = [group(diagnostic, &files)];
        text.push_str(&renderer.render(&report));
        text.push_str("\n\n");
    }
    if let Some(more) = diagnostics.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        _ = writeln!(text, "and {more} more; `-o json` tells all of them\n");
    }
    text
}

/// So many are shown to people; each costs a walk over its whole file, and nobody reads more.
const SHOWN_MAX: usize = 100;

/// The files that diagnostics speak of, each read once.
struct Files(BTreeMap<String, Source>);

impl Files {
    /// Only files in which a place is known.
    fn of(diagnostics: &[Diagnostic], sources: &Sources<'_>) -> Self {
        let labels = diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels);
        let named: BTreeSet<&String> =
            labels.filter(|label| label.span.is_some()).map(|label| &label.file).collect();
        let read = |file: &String| {
            // The renderer shows the ASCII ones of the control characters as pictures and prints the others as they are. This one
            // has as many bytes.
            let text = sources(file)?.replace(|c| ('\u{80}'..='\u{9f}').contains(&c), "·");
            Some((file.clone(), Source { file: file.clone(), text }))
        };
        Self(named.into_iter().filter_map(read).collect())
    }

    fn lines(&self) -> BTreeMap<&str, Lines<'_>> {
        self.0.iter().map(|(file, source)| (file.as_str(), source.lines())).collect()
    }
}

/// One line for each: `town.toml:4:9: error: title (help)`.
pub fn short(diagnostics: &[Diagnostic], sources: &Sources<'_>) -> String {
    let files = Files::of(diagnostics, sources);
    let lines = files.lines();
    let mut text = String::new();
    for diagnostic in diagnostics {
        if let Some(label) = diagnostic.labels.first() {
            match start(label, &lines) {
                Some(position) => _ = write!(text, "{position}: "),
                None => _ = write!(text, "{}: ", label.file),
            }
        }
        _ = write!(text, "{}: {}", diagnostic.severity.as_str(), diagnostic.title);
        if let Some(help) = &diagnostic.help {
            _ = write!(text, " ({help})");
        }
        text.push('\n');
    }
    text
}

/// An array of objects: `severity`, `title`, `help`, and `labels` with `file`, `text`, and, where a place is known, `line`,
/// `column` (in characters, both from 1) and `start`, `end` (in bytes, from 0).
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources<'_>) -> Value {
    let files = Files::of(diagnostics, sources);
    let lines = files.lines();
    let label = |label: &Label| {
        let position = start(label, &lines);
        json!({
            "file": label.file,
            "text": label.text,
            "line": position.as_ref().map(|at| at.line),
            "column": position.as_ref().map(|at| at.column),
            "start": label.span.as_ref().map(|span| span.start),
            "end": label.span.as_ref().map(|span| span.end),
        })
    };
    let one = |diagnostic: &Diagnostic| {
        json!({
            "severity": diagnostic.severity.as_str(),
            "title": diagnostic.title,
            "help": diagnostic.help,
            "labels": diagnostic.labels.iter().map(label).collect::<Vec<_>>(),
        })
    };
    diagnostics.iter().map(one).collect()
}

fn group<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.title.as_str()));
    let mut shown: Vec<&str> = Vec::new();
    for label in &diagnostic.labels {
        if shown.contains(&label.file.as_str()) {
            continue;
        }
        shown.push(&label.file);
        group = match files.0.get(&label.file).filter(|_| label.span.is_some()) {
            Some(source) => group.element(snippet(diagnostic, &label.file, &source.text)),
            None => group.element(Origin::path(label.file.as_str())),
        };
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The lines of one file, with all labels of that file.
fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: &'a str,
    text: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let mut snippet = Snippet::source(text).path(file);
    for (index, label) in diagnostic.labels.iter().enumerate().filter(|(_, label)| label.file == file) {
        let Some(span) = &label.span else { continue };
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let words = Some(label.text.as_str()).filter(|words| !words.is_empty());
        snippet = snippet.annotation(kind.span(within(text, span)).label(words));
    }
    snippet
}

/// The span cut to what the text has, at character boundaries: the renderer panics on others.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    start..text.ceil_char_boundary(span.end).max(start)
}

fn start(label: &Label, lines: &BTreeMap<&str, Lines<'_>>) -> Option<Position> {
    let span = label.span.as_ref()?;
    lines.get(label.file.as_str()).map(|lines| lines.position(span.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOWN: &str = "[rigs.gastown]\nstate = \"parked\"\nroles.refinary = { enabled = false }\n";

    fn sources(file: &str) -> Option<String> {
        match file {
            "town.toml" => Some(TOWN.to_owned()),
            "mayor/rigs.json" => Some("{\"rigs\": {\"gastwn\": {}}}\n".to_owned()),
            _ => None,
        }
    }

    fn unknown_key() -> Diagnostic {
        Diagnostic::error(
            "unknown key `refinary`",
            Label::at("town.toml", 38..46, "not a key of `rigs.gastown.roles`"),
        )
        .with_help("did you mean `refinery`?")
    }

    #[test]
    fn an_error_shows_its_line_a_caret_and_what_to_do() {
        insta::assert_snapshot!(render(&[unknown_key()], &sources, false), @r#"
        error: unknown key `refinary`
         --> town.toml:3:7
          |
        3 | roles.refinary = { enabled = false }
          |       ^^^^^^^^ not a key of `rigs.gastown.roles`
          |
          = help: did you mean `refinery`?
        "#);
    }

    #[test]
    fn two_places_that_disagree_are_both_shown() {
        let other = Label::at("mayor/rigs.json", 10..18, "the only rig there is");
        let warning = Diagnostic::warning("no such rig", Label::at("town.toml", 6..13, "")).with_label(other);
        insta::assert_snapshot!(render(&[warning], &sources, false), @r#"
        warning: no such rig
         --> town.toml:1:7
          |
        1 | [rigs.gastown]
          |       ^^^^^^^
          |
         ::: mayor/rigs.json:1:11
          |
        1 | {"rigs": {"gastwn": {}}}
          |           -------- the only rig there is
        "#);
        let same = Diagnostic::error("these two", Label::at("town.toml", 15..20, "this"))
            .with_label(Label::at("town.toml", 0..14, "and this"));
        insta::assert_snapshot!(render(&[same], &sources, false), @r#"
        error: these two
         --> town.toml:2:1
          |
        1 | [rigs.gastown]
          | -------------- and this
        2 | state = "parked"
          | ^^^^^ this
        "#);
    }

    #[test]
    fn an_error_without_a_place_names_its_file() {
        let empty = Diagnostic::error("mayor/daemon.json is empty", Label::file("mayor/daemon.json"));
        insta::assert_snapshot!(render(&[empty], &sources, false), @r#"
        error: mayor/daemon.json is empty
        --> mayor/daemon.json
        "#);
    }

    #[test]
    fn a_file_that_changed_since_still_renders() {
        for span in [0..0, 80..90, 500..900, TOWN.len()..TOWN.len()] {
            let late = Diagnostic::error("late", Label::at("town.toml", span.clone(), "here"));
            assert!(render(&[late], &sources, true).contains("late"), "{span:?}");
        }
        let (start, end) = (9, 3);
        let swapped = Diagnostic::error("swapped", Label::at("town.toml", start..end, ""));
        assert!(render(&[swapped], &|_| Some("aé\u{301}ü".into()), false).contains("swapped"));
        assert!(render(&[unknown_key()], &|_| Some(String::new()), false).contains("refinary"));
    }

    #[test]
    fn the_short_form_is_a_line_each() {
        let empty = Diagnostic::error("mayor/daemon.json is empty", Label::file("mayor/daemon.json"));
        insta::assert_snapshot!(short(&[unknown_key(), empty], &sources), @r#"
        town.toml:3:7: error: unknown key `refinary` (did you mean `refinery`?)
        mayor/daemon.json: error: mayor/daemon.json is empty
        "#);
    }

    #[test]
    fn the_json_form_has_lines_and_bytes() {
        insta::assert_snapshot!(to_json(&[unknown_key()], &sources), @r#"[{"help":"did you mean `refinery`?","labels":[{"column":7,"end":46,"file":"town.toml","line":3,"start":38,"text":"not a key of `rigs.gastown.roles`"}],"severity":"error","title":"unknown key `refinary`"}]"#);
    }

    #[test]
    fn thousands_of_mistakes_are_not_all_shown_to_people_and_all_told_to_programs() {
        let many = vec![unknown_key(); SHOWN_MAX + 5];
        let shown = render(&many, &sources, false);
        assert_eq!(shown.matches("error: unknown key").count(), SHOWN_MAX);
        assert!(shown.ends_with("and 5 more; `-o json` tells all of them\n\n"), "{shown}");
        assert!(!render(&many[..SHOWN_MAX], &sources, false).contains("more;"));
        assert_eq!(to_json(&many, &sources).as_array().map(Vec::len), Some(many.len()));
    }

    #[test]
    fn nothing_of_a_file_commands_a_terminal() {
        let text = "a\u{1b}[2J\u{9b}2J = 1\r\n";
        let said = Diagnostic::error(text, Label::at("town.toml", 0..1, text)).with_help(text);
        for shown in [
            render(std::slice::from_ref(&said), &|_| Some(text.into()), false),
            short(&[said], &|_| Some(text.into())),
        ] {
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
}
