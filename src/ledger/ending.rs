//! How agents ended, by their own last words.

use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::{Address, IncarnationId, Stamp};

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ending {
    /// The life.
    pub life: IncarnationId,
    /// The limit that it told of.
    pub limit: Option<Limited>,
}

/// An account that has used up what it may.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limited {
    /// Whose.
    pub account: String,
    /// Until when nothing of it is started.
    pub until: Stamp,
    /// The words by which it was known.
    pub says: String,
}

impl Ledger {
    /// Remembers endings; true if one of them must survive this process.
    pub fn remember_endings(&mut self, endings: impl IntoIterator<Item = (Address, Ending)>) -> bool {
        let mut lasts = false;
        for (address, ending) in endings {
            lasts |= ending.limit.is_some();
            self.endings.insert(address, ending);
        }
        lasts
    }

    /// Whether this life ended because its account had used up what it may.
    pub fn ended_by_limit(&self, address: &Address, life: &IncarnationId) -> bool {
        self.endings.get(address).is_some_and(|ending| ending.life == *life && ending.limit.is_some())
    }

    /// Somebody knows that it goes on: the account of this object is held no longer. True if it was.
    pub(super) fn lift_limit(&mut self, address: &Address) -> bool {
        let limit = self.endings.get(address).and_then(|ending| ending.limit.as_ref());
        let Some(account) = limit.map(|limit| limit.account.clone()) else { return false };
        for ending in self.endings.values_mut() {
            ending.limit = ending.limit.take().filter(|limit| limit.account != account);
        }
        true
    }
}
