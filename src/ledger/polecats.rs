//! What is remembered of polecats: that they were seen, since when they are gone, which letters were written about them, how long their work
//! has not got on, and since when they may finish.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::{Address, BootId, IncarnationId, Stamp, Why};

/// What is remembered of a polecat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Polecat {
    /// It was seen alive. Whoever makes its directory starts it for the first time, and gtctl never does.
    pub seen: bool,
    /// Since when no agent of it has been there; `None` while one is. What beads said before that is void (law 8).
    pub ended: Option<Stamp>,
    /// Somebody asked for another life of it, and the last one was ended for that: whatever is on its hook.
    pub asked: bool,
    /// Why its last start came to nothing, if it did.
    pub failed: Option<Why>,
    /// The letters that were written about it.
    pub letters: Vec<Told>,
    /// How its work gets on.
    pub progress: Option<Progress>,
    /// Since when it may finish, its rig being docked.
    pub drain: Option<Drain>,
}

/// What a letter about a polecat is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterKind {
    /// It crashed, and could not be started again.
    Crashed,
    /// It is dead, has work, and is not to be started again.
    Orphaned,
    /// It lives, has work, and the work does not get on.
    Stalled,
}

/// A letter that was written. Noted before it is sent: a controller that ends in between sends it never, not twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Told {
    /// What it is about.
    pub kind: LetterKind,
    /// The work.
    pub bead: String,
    /// The life; `None` if none was ever seen.
    pub life: Option<IncarnationId>,
    /// When it was sent last.
    pub at: Stamp,
    /// How often that was tried.
    pub tries: u32,
    /// When it is tried again; `None` if it is not.
    pub again: Option<Stamp>,
}

/// How the work of a living polecat gets on, on the clock of what the machine was awake for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Progress {
    /// Which life of it.
    pub life: IncarnationId,
    /// The work.
    pub bead: String,
    /// When the work or the agent's bead was changed last, by their own clock.
    pub changed: Option<Timestamp>,
    /// The boot that `since` counts from.
    pub boot: BootId,
    /// When that was first seen, in time awake.
    pub since: Duration,
}

/// A polecat of a docked rig, which may finish.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Drain {
    /// Which life of it.
    pub life: IncarnationId,
    /// Since when.
    pub at: Stamp,
    /// Whether it was told.
    pub asked: bool,
}

/// So many letters about one polecat are remembered.
const TOLD_MAX: usize = 16;

/// A letter that gt does not take is tried so often …
const TRIES: u32 = 4;

/// … first after this, then after twice that each time.
const AGAIN: Duration = Duration::from_secs(30);

impl Told {
    /// Whether this is a letter about the same thing. One about crashes is good for all lives until the polecat has been stable again.
    pub fn is_about(&self, kind: LetterKind, bead: &str, life: Option<&IncarnationId>) -> bool {
        let same_life = kind == LetterKind::Crashed || self.life.as_ref() == life;
        self.kind == kind && self.bead == bead && same_life
    }
}

impl Ledger {
    /// An agent of it was seen; true if that is news.
    pub fn polecat_lives(&mut self, address: &Address) -> bool {
        let is_known = |known: &Polecat| known.seen && known.ended.is_none();
        if self.polecats.get(address).is_some_and(is_known) {
            return false;
        }
        let known = self.polecats.entry(address.clone()).or_default();
        (known.seen, known.ended) = (true, None);
        true
    }

    /// No agent of it is there; true if that is news.
    pub fn polecat_is_gone(&mut self, address: &Address, now: &Stamp) -> bool {
        if self.polecats.get(address).is_some_and(|known| known.ended.is_some()) {
            return false;
        }
        self.polecats.entry(address.clone()).or_default().ended = Some(now.clone());
        true
    }

    /// A letter is about to be sent.
    pub fn begin_letter(
        &mut self,
        address: &Address,
        (kind, bead, life): (LetterKind, &str, Option<&IncarnationId>),
        now: &Stamp,
    ) {
        let letters = &mut self.polecats.entry(address.clone()).or_default().letters;
        let known = letters.iter().position(|told| told.is_about(kind, bead, life));
        let tries = known.map(|at| letters.remove(at)).map_or(0, |told| told.tries) + 1;
        let (bead, life) = (bead.to_owned(), life.cloned());
        letters.push(Told { kind, bead, life, at: now.clone(), tries, again: None });
        let excess = letters.len().saturating_sub(TOLD_MAX);
        letters.drain(..excess);
    }

    /// gt did not take the letter that was sent last about this: it is tried again, a few times. Whether it will be.
    pub fn letter_failed(&mut self, address: &Address, kind: LetterKind, now: &Stamp) -> bool {
        let letters = self.polecats.get_mut(address).map(|known| &mut known.letters);
        let told = letters.and_then(|letters| letters.iter_mut().rev().find(|told| told.kind == kind));
        let Some(told) = told.filter(|told| told.tries < TRIES) else { return false };
        told.again = Some(now.plus(AGAIN * 2_u32.saturating_pow(told.tries.saturating_sub(1))));
        true
    }

    /// How long the work of this life has not got on, up to the answer that is so old.
    pub fn quiet_for(
        &self,
        address: &Address,
        progress: &Progress,
        awake: Duration,
        answer_age: Duration,
    ) -> Duration {
        let known = self.polecats.get(address).and_then(|known| known.progress.as_ref());
        let same = known.filter(|known| Progress { since: progress.since, ..(*known).clone() } == *progress);
        same.map_or(Duration::ZERO, |known| awake.saturating_sub(known.since).saturating_sub(answer_age))
    }

    /// Takes note of how work gets on; true if that is news.
    pub fn note_progress(&mut self, address: &Address, progress: Progress) -> bool {
        let known = &mut self.polecats.entry(address.clone()).or_default().progress;
        let is_same = known
            .as_ref()
            .is_some_and(|known| Progress { since: progress.since, ..known.clone() } == progress);
        if !is_same {
            *known = Some(progress);
        }
        !is_same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        let wall = Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(seconds), wall }
    }

    fn nux() -> Address {
        "a/polecats/nux".parse().unwrap()
    }

    fn life(digit: char) -> IncarnationId {
        IncarnationId::from_hex(&digit.to_string().repeat(12)).unwrap()
    }

    #[test]
    fn a_letter_that_gt_does_not_take_is_tried_a_few_times_with_growing_waits() {
        let mut ledger = Ledger::default();
        let (mut waits, mut now) = (Vec::new(), 0);
        loop {
            ledger.begin_letter(&nux(), (LetterKind::Orphaned, "a-1", None), &at(now));
            assert_eq!(ledger.polecats[&nux()].letters.len(), 1);
            if !ledger.letter_failed(&nux(), LetterKind::Orphaned, &at(now)) {
                break;
            }
            let again = ledger.polecats[&nux()].letters[0].again.clone().unwrap();
            waits.push(at(now).until(&again).as_secs());
            now += 1000;
        }
        assert_eq!(waits, [30, 60, 120]);
        assert_eq!(ledger.polecats[&nux()].letters[0].again, None, "it is over");
    }

    #[test]
    fn letters_about_other_work_or_another_life_are_other_letters_but_crashes_are_one_row() {
        let mut ledger = Ledger::default();
        let (one, other) = (life('a'), life('b'));
        for (kind, bead, life) in [
            (LetterKind::Stalled, "a-1", Some(&one)),
            (LetterKind::Stalled, "a-1", Some(&other)),
            (LetterKind::Stalled, "a-2", Some(&other)),
            (LetterKind::Crashed, "a-1", Some(&one)),
            (LetterKind::Crashed, "a-1", Some(&other)),
        ] {
            ledger.begin_letter(&nux(), (kind, bead, life), &at(0));
        }
        assert_eq!(ledger.polecats[&nux()].letters.len(), 4);
    }

    #[test]
    fn law_8_work_is_quiet_only_from_when_it_was_seen_so_and_for_one_life() {
        let mut ledger = Ledger::default();
        let progress = |of: char, since: u64| Progress {
            life: life(of),
            bead: "a-1".to_owned(),
            changed: None,
            boot: BootId("boot".to_owned()),
            since: Duration::from_secs(since),
        };
        let quiet = |ledger: &Ledger, of: char, awake: u64, age: u64| {
            let (awake, age) = (Duration::from_secs(awake), Duration::from_secs(age));
            ledger.quiet_for(&nux(), &progress(of, 999), awake, age).as_secs()
        };
        assert_eq!(quiet(&ledger, 'a', 500, 0), 0);
        assert!(ledger.note_progress(&nux(), progress('a', 100)));
        assert!(!ledger.note_progress(&nux(), progress('a', 200)), "nothing new");
        assert_eq!((quiet(&ledger, 'a', 500, 50), quiet(&ledger, 'b', 500, 50)), (350, 0));
    }
}
