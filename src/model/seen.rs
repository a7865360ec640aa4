//! Law 1 as a type: a probe answers, or it does not; "no answer" is never "no".

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something is not known, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Why(pub String);

impl Why {
    /// From any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// From an error and all its causes, in one line.
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a probe found. `Option` is for "there is none"; `Seen` is for "could not look".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen<T> {
    /// The probe answered.
    Known(T),
    /// It failed, was slow, or made no sense.
    Unknown(Why),
}

impl<T> Seen<T> {
    /// Unknown, and why.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Why::new(why))
    }

    /// By reference.
    pub fn as_ref(&self) -> Seen<&T> {
        match self {
            Self::Known(value) => Seen::Known(value),
            Self::Unknown(why) => Seen::Unknown(why.clone()),
        }
    }

    /// Why it is not known, if it is not.
    pub fn why(self) -> Option<Why> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }

    /// Applies `f` to what is known.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(value) => Seen::Known(f(value)),
            Self::Unknown(why) => Seen::Unknown(why),
        }
    }
}
