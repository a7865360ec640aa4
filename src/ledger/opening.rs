//! The start of an agent, from its first instruction to the moment at which it is ready: its first words wait for that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::asked::AskedNudge;
use super::record::Ledger;
use crate::model::{Address, IncarnationId, Ready, Stamp};

/// A start that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opening {
    /// The life that begins.
    pub incarnation: IncarnationId,
    /// How to see that it is ready.
    pub ready: Ready,
    /// When it was started.
    pub at: Stamp,
}

/// First words that could not be typed for so long are given up: whoever found the agent waiting has told it what to do.
pub const WORDS_LAST: Duration = Duration::from_secs(3600);

/// Who asks for first words.
const BY: &str = "its start";

impl Ledger {
    /// A life of it is about to begin; `words` are to be typed when it is ready. Void for every other life: whoever remembers the start
    /// remembers the words, and nobody types them twice.
    pub fn open(&mut self, address: &Address, opening: Opening, words: Option<String>) {
        if let Some(text) = words {
            let asked = AskedNudge {
                address: address.clone(),
                incarnation: opening.incarnation.clone(),
                text,
                by: BY.to_owned(),
                at: opening.at.clone(),
                until: opening.at.plus(WORDS_LAST),
                begun: false,
            };
            // They come before whatever else waits for it.
            self.nudges.insert(0, asked);
        }
        self.openings.insert(address.clone(), opening);
    }

    /// Whether anything waits to be typed into this life.
    pub fn waits_to_be_typed(&self, address: &Address, incarnation: &IncarnationId) -> bool {
        self.nudges
            .iter()
            .any(|nudge| nudge.address == *address && nudge.incarnation == *incarnation && !nudge.begun)
    }
}
