//! What must hold of every diagnostic and of every graph, whatever the files say.

use std::collections::BTreeSet;

use gtctl::desired::Desired;
use gtctl::model::{Origin, Position};
use gtctl::report::diagnostics;
use gtctl::town::{Diagnostic, Source};

/// The bytes as text; what is no UTF-8 never reaches a parser.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn source(file: &str, text: &str) -> Source {
    Source { file: file.to_owned(), text: text.to_owned() }
}

/// Mistakes are told in one line each, at a place that exists, and nothing of a file reaches a terminal raw.
pub fn of_diagnostics(found: &[Diagnostic], files: &[(&str, &str)]) {
    assert!(!found.is_empty(), "a refusal says why");
    let text_of = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
    for one in found {
        assert!(!one.title.is_empty(), "{one:?} says nothing");
        let first = one.labels.first().unwrap_or_else(|| panic!("{one:?} names no file"));
        let as_a_whole = one.title.ends_with("is empty")
            || one.title.starts_with("cannot read")
            || one.title.contains(" MiB ")
            // The TOML parser does not say where it was when it was too deep.
            || one.title.ends_with("recursion limit");
        assert!(first.span.is_some() || as_a_whole || text_of(&first.file).is_none(), "{one:?} has no place");
        for said in [Some(&one.title), one.help.as_ref()]
            .into_iter()
            .flatten()
            .chain(one.labels.iter().map(|label| &label.text))
        {
            assert!(!said.contains(char::is_control), "{said:?} holds a control character");
            // A thousand characters, some of them written as escapes.
            assert!(said.len() <= 16 * 1024, "{} bytes are not read by anybody", said.len());
        }
        for label in &one.labels {
            assert!(!label.file.is_empty(), "{one:?} names no file");
            let (Some(span), Some(text)) = (&label.span, text_of(&label.file)) else { continue };
            assert!(
                span.start <= span.end && span.end <= text.len(),
                "{one:?} points out of {} bytes",
                text.len()
            );
            assert!(
                text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
                "{one:?} points into a character"
            );
        }
    }
    // A line of a megabyte is costly to show, and ten of them show it.
    let is_large = files.iter().any(|(_, text)| text.len() > 64 * 1024);
    of_renderings(found.get(..10).filter(|_| is_large).unwrap_or(found), files);
}

/// All three forms can be made, and are safe to print.
pub fn of_renderings(found: &[Diagnostic], files: &[(&str, &str)]) {
    let sources =
        |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    let plain = diagnostics::render(found, &sources, false);
    assert!(!plain.contains(|c: char| c.is_control() && c != '\n'), "{plain:?} holds a control character");
    assert!(diagnostics::render(found, &sources, true).len() >= plain.len());
    assert_eq!(diagnostics::short(found, &sources).lines().count(), found.len(), "one line each");
    let json = diagnostics::to_json(found, &sources);
    // Each look walks over the text; the first and the last places show the rule.
    let all = json.as_array().unwrap();
    let some = all.iter().take(20).chain(all.iter().rev().take(20));
    for label in some.flat_map(|one| one["labels"].as_array().unwrap()) {
        let (Some(line), Some(column)) = (label["line"].as_u64(), label["column"].as_u64()) else { continue };
        let text = sources(label["file"].as_str().unwrap()).unwrap();
        inside(&text, line, column);
    }
}

/// A position is that of a character of the text, or of its end.
pub fn of_position(position: &Position, text: &str) {
    inside(text, position.line.into(), position.column.into());
}

fn inside(text: &str, line: u64, column: u64) {
    let (line, column) = (usize::try_from(line).unwrap(), usize::try_from(column).unwrap());
    let found = text.split('\n').nth(line.checked_sub(1).expect("lines count from 1"));
    let found = found.unwrap_or_else(|| panic!("there is no line {line} in {text:?}"));
    assert!(
        (1..=found.chars().count() + 1).contains(&column),
        "there is no column {column} in line {line} of {text:?}"
    );
}

/// Whatever the files ask for, a graph is one: no dangling edge, no circle, no shared session, a program for everything.
pub fn of_graph(desired: &Desired, files: &[(&str, &str)]) {
    let mut sessions = BTreeSet::new();
    for (address, object) in &desired.objects {
        assert_eq!(address, &object.address);
        assert_eq!(address.to_string().parse().as_ref(), Ok(address));
        assert!(!object.recipe.program().is_empty(), "{address} has no program");
        assert!(
            !object.recipe.command.iter().any(|word| word.contains('\0')),
            "{address} has an argument that ends early"
        );
        assert!(
            sessions.insert(object.recipe.session.to_lowercase()),
            "two objects are {}",
            object.recipe.session
        );
        assert!(object.recipe.directories.iter().all(|directory| directory.is_absolute()));
        assert!(
            object.holds.is_sorted_by(|one, next| one.kind >= next.kind),
            "the strictest hold comes first"
        );
        let waves: Vec<usize> = object.after.iter().map(|need| desired.objects[need].wave).collect();
        assert_eq!(
            object.wave,
            waves.iter().max().map_or(0, |wave| wave + 1),
            "{address} starts in the wrong wave"
        );
        for origin in object.holds.iter().map(|hold| &hold.origin).chain([&object.origin]) {
            if let Origin::At(position) = origin
                && let Some((_, text)) = files.iter().find(|(file, _)| *file == position.file)
            {
                of_position(position, text);
            }
        }
    }
}
