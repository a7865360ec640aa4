//! Letters that were dealt with: a letter that was taken is never taken again, also not by the next controller, whether or not it could be deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::Stamp;

/// How long a letter is remembered that is not in the inbox any more. It must be longer than a letter is good for, which is six hours: one that
/// comes back after that is too old.
pub const LETTERS_REMEMBERED_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// More are not remembered, and while so many are, no further ones are taken: none is ever forgotten to make room.
pub const LETTERS_MAX: usize = 1000;

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterFate {
    /// What it asks for was asked for; it is to be deleted.
    Taken,
    /// It was told why nothing follows from it; it stays where it is.
    Refused,
}

/// A letter that was dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownLetter {
    /// What became of it.
    pub fate: LetterFate,
    /// When.
    pub at: Stamp,
}

impl Ledger {
    /// Notes what became of a letter; false if there is no room for it, or if that is known already.
    #[must_use]
    pub fn note_letter(&mut self, id: &str, fate: LetterFate, now: &Stamp) -> bool {
        let room = self.letters.len() < LETTERS_MAX && !self.letters.contains_key(id);
        if room {
            self.letters.insert(id.to_owned(), KnownLetter { fate, at: now.clone() });
        }
        room
    }

    /// The letters whose time is over: dealt with long ago, and not in this inbox any more.
    pub fn letters_to_forget(&self, inbox: &BTreeSet<&str>, now: &Stamp) -> Vec<String> {
        let is_over = |(id, letter): &(&String, &KnownLetter)| {
            now.since(&letter.at) >= LETTERS_REMEMBERED_FOR && !inbox.contains(id.as_str())
        };
        self.letters.iter().filter(is_over).map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BootId;

    fn at(seconds: u64) -> Stamp {
        let wall = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(seconds), wall }
    }

    #[test]
    fn a_letter_is_taken_once_and_remembered_while_it_is_there() {
        let mut ledger = Ledger::default();
        assert!(ledger.note_letter("a", LetterFate::Taken, &at(0)));
        assert!(!ledger.note_letter("a", LetterFate::Taken, &at(1)));
        assert!(ledger.note_letter("b", LetterFate::Refused, &at(0)));
        let late = at(LETTERS_REMEMBERED_FOR.as_secs());
        assert_eq!(ledger.letters_to_forget(&BTreeSet::from(["b"]), &late), ["a"]);
        assert!(
            ledger.letters_to_forget(&BTreeSet::new(), &at(LETTERS_REMEMBERED_FOR.as_secs() - 1)).is_empty()
        );
    }

    #[test]
    fn no_letter_is_forgotten_to_make_room() {
        let mut ledger = Ledger::default();
        let noted = |number: usize| ledger.note_letter(&number.to_string(), LetterFate::Taken, &at(0));
        assert_eq!((0..LETTERS_MAX + 1).map(noted).filter(|noted| *noted).count(), LETTERS_MAX);
        assert!(ledger.letters.contains_key("0"));
    }
}
