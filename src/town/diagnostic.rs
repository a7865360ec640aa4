//! What is wrong with a file, as plain data. The text for people is made in [`crate::report::diagnostics`].

use std::ops::Range;

use crate::model::{excerpt, printable};

/// More than so many characters of a text are not told; a file can put a megabyte of its own into one.
const TEXT_LENGTH_MAX: usize = 1000;

/// A text as it is told.
fn told(text: String) -> String {
    printable(&excerpt(&text, TEXT_LENGTH_MAX)).into_owned()
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file is used, and something in it has no effect or a surprising one.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place that a diagnostic points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The file, relative to the town.
    pub file: String,
    /// Bytes of the file; `None` if the file as a whole is meant.
    pub span: Option<Range<usize>>,
    /// What is to be seen there; may be empty.
    pub text: String,
}

impl Label {
    /// A place in a file.
    pub fn at(file: impl Into<String>, span: Range<usize>, text: impl Into<String>) -> Self {
        Self { file: file.into(), span: Some(span), text: told(text.into()) }
    }

    /// A file as a whole.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), span: None, text: String::new() }
    }
}

/// One thing wrong with the files of a town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line of bounded length and without control characters, whatever the file says.
    pub title: String,
    /// Where. The first is the place to change; a second stands where two places disagree.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with its place.
    pub fn error(title: impl Into<String>, label: Label) -> Self {
        let title = told(title.into());
        Self { severity: Severity::Error, title, labels: vec![label], help: None }
    }

    /// A warning with its place.
    pub fn warning(title: impl Into<String>, label: Label) -> Self {
        Self { severity: Severity::Warning, ..Self::error(title, label) }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(told(help.into()));
        self
    }

    /// The same, with one more place.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// The same, as a warning: for files that are read tolerantly.
    #[must_use]
    pub fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}
