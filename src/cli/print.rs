//! The one place that writes to standard output and standard error.

use std::io::Write;

/// Writes to standard output. A reader that has gone away (`gtctl … | head`) is no error.
pub fn out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a JSON document to standard output.
pub fn json(value: &serde_json::Value) {
    out(&format!("{value:#}\n"));
}

/// Writes to standard error: progress and hints.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What is wrong, and what to do next.
pub fn error(what: &str, next: Option<&str>) {
    note(&format!("error: {what}"));
    if let Some(next) = next {
        note(&format!("help: {next}"));
    }
}
