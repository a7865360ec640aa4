//! The text of a session's `@gtctl` option, read once: each plan asks each session who it is.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Marker;

/// A label: any text, and the marker that it is, if it is one. Copies share the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Label {
    text: Arc<str>,
    marker: Option<Marker>,
}

impl Label {
    /// The marker that it is.
    pub fn marker(&self) -> Option<&Marker> {
        self.marker.as_ref()
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self { marker: text.parse().ok(), text: text.into() }
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.text.as_ref().to_owned()
    }
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
