//! The text of a session's `@gtctl` option, read once: each plan asks each session who it is.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Marker;

/// A label: any text, and the marker that it is, if it is one. Copies share both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Label(Arc<Read>);

#[derive(Debug, PartialEq, Eq)]
struct Read {
    text: String,
    marker: Option<Marker>,
}

impl Label {
    /// The marker that it is.
    pub fn marker(&self) -> Option<&Marker> {
        self.0.marker.as_ref()
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self(Arc::new(Read { marker: text.parse().ok(), text }))
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0.text.clone()
    }
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}
