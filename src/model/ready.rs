//! The first words of an agent, and how to see that it is ready for them.

use serde::{Deserialize, Serialize};

use super::Period;

/// How to see that an agent is ready.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ready {
    /// How a line of its screen begins that only a ready one shows; `None` where nothing does.
    pub prompt: Option<String>,
    /// How long after its start it is taken for ready where nothing shows it.
    pub delay: Period,
}

/// What an agent is told first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Words {
    /// The text; [`NOW`] stands in it for the moment at which the agent is started, which is no part of what it is started from.
    pub text: String,
    /// Whether they are typed when it is ready; else they are its last argument.
    pub typed: bool,
}

/// What stands in first words for the local time.
pub const NOW: &str = "{now}";

impl Words {
    /// The text as it is said at this time.
    pub fn at(&self, local: &jiff::Zoned) -> String {
        self.text.replace(NOW, &local.strftime("%Y-%m-%dT%H:%M").to_string())
    }
}
