//! Keys of an absurd length. They are refused before anything else is said about what is below them, for each such
//! word would repeat its whole path: a megabyte of file could ask for gigabytes of mistakes.

use serde_json::Value;

use super::Subject;
use crate::model::excerpt;
use crate::town::diagnostic::Diagnostic;

/// The longest key, in bytes. Names end at 64; only names of environment variables may be longer.
const LENGTH_MAX: usize = 256;

/// So much of it is shown.
const SHOWN: usize = 32;

pub(super) fn mistakes(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(subject, subject.json, &mut Vec::new(), &mut found);
    found
}

/// As deep as the file is, and its parser takes no deep one.
fn walk<'a>(subject: &Subject<'_>, value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<Diagnostic>) {
    for (key, below) in value.as_object().into_iter().flatten() {
        path.push(key);
        if key.len() > LENGTH_MAX {
            let title = format!("the key `{}` is longer than {LENGTH_MAX} bytes", excerpt(key, SHOWN));
            found.push(Diagnostic::error(title, subject.at_key(path, "")));
        } else {
            walk(subject, below, path, found);
        }
        path.pop();
    }
}
