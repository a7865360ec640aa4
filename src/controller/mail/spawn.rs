//! Letters that tell of a polecat that was started: it waits for its first word, and gets it once, when it is ready. Pure: values in, values out.
//!
//! The letter is for the life that it tells of (law 8). What is typed, and that the letter was taken, reach the disk in one write before the first key.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::request::{ROUNDING, Standing, forms};
use crate::controller::requests::Change;
use crate::ledger::{KnownLife, Ledger, Opening};
use crate::model::{Address, IncarnationId, Period, Ready, Role, Stamp, excerpt, printable};
use crate::observed::mail::Letter;

/// What the subject begins with.
const SUBJECT: &str = "POLECAT_STARTED ";

/// What is typed.
pub const BEGIN: &str = "Begin.";

/// An older letter is archived, whatever became of its agent. gt's own patience.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// So much of a name is told.
const NAME_SHOWN: usize = 100;

/// How long an agent of which nothing is known takes to be ready.
const UNKNOWN_DELAY: Period = Period::seconds(10);

/// What a letter tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawned {
    /// Who was started, as the letter has it.
    pub name: String,
    /// Which object that is; `None` if it is none that is known at the moment.
    pub object: Option<Address>,
    /// When the letter was written; `None` if it does not tell.
    pub written: Option<Timestamp>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follows {
    /// This life is to be told to begin.
    Begin(Address, IncarnationId, Change),
    /// Nothing for now.
    Later,
    /// Nothing, for this reason: the letter is archived.
    Over(String),
}

/// Reads a letter, read by somebody or not; `None` if it tells of nobody who was started.
pub fn read<'a>(letter: &Letter, objects: impl Iterator<Item = &'a Address>) -> Option<Spawned> {
    let name = letter.subject.trim_start().strip_prefix(SUBJECT)?.trim();
    let is_meant = |object: &&Address| {
        matches!(object.role(), Role::Polecat | Role::Crew) && forms(object).iter().any(|form| form == name)
    };
    // A member of the crew may have the same name.
    let object = objects.filter(is_meant).max_by_key(|object| object.role() == Role::Polecat).cloned();
    let written = letter.timestamp.trim().parse().ok();
    Some(Spawned { name: printable(&excerpt(name, NAME_SHOWN)).into_owned(), object, written })
}

/// What follows from it, as its agent stands; `by` names the letter.
pub fn judge(spawned: &Spawned, standing: Option<&Standing<'_>>, now: Timestamp, by: &str) -> Follows {
    let over = |why: &str| Follows::Over(format!("{} is not told to begin: {why}", spawned.name));
    let Some(written) = spawned.written else { return over("the letter does not tell when it was written") };
    let age = now.duration_since(written);
    if age.is_negative() && age.unsigned_abs() > ROUNDING {
        return over("the letter is of the future");
    }
    let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
    let is_late = age >= PATIENCE;
    let (Some(object), Some(standing)) = (&spawned.object, standing) else {
        return if is_late { over("no such agent was seen for 5 minutes") } else { Follows::Later };
    };
    match standing.life {
        Some(KnownLife::Of(life)) if !standing.untouchable && !is_late => {
            let Some(born) = standing.born else { return Follows::Later };
            let rounding = SignedDuration::try_from(ROUNDING).unwrap_or(SignedDuration::ZERO);
            if born.duration_since(written) > rounding {
                return over("the letter is from before its present life");
            }
            let change = Change::Nudge {
                object: object.clone(),
                incarnation: life.clone(),
                text: BEGIN.to_owned(),
                by: by.to_owned(),
                ttl: Period::from(PATIENCE.saturating_sub(age)),
            };
            Follows::Begin(object.clone(), life.clone(), change)
        }
        Some(KnownLife::None) if is_late => over("it had no session for 5 minutes"),
        _ if is_late => over("for 5 minutes nothing could be typed into it"),
        _ => Follows::Later,
    }
}

/// Its screen is to be looked at until it is ready, if it is not already. A life that gt started has no start of ours that would be waited for.
pub fn wait_until_ready(
    ledger: &mut Ledger,
    address: &Address,
    life: &IncarnationId,
    ready: Option<Ready>,
    now: &Stamp,
) {
    if ledger.openings.get(address).is_some_and(|opening| opening.incarnation == *life) {
        return;
    }
    let ready = ready.unwrap_or(Ready { prompt: None, delay: UNKNOWN_DELAY });
    ledger.open(address, Opening { incarnation: life.clone(), ready, at: now.clone() }, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-24T12:00:00Z".parse().unwrap()
    }

    fn letter(subject: &str, timestamp: &str) -> Letter {
        Letter {
            id: "hq-m1".to_owned(),
            from: "mayor/".to_owned(),
            subject: subject.to_owned(),
            body: "Session: gt-a-nux\nIssue: a-1".to_owned(),
            timestamp: timestamp.to_owned(),
            read: true,
        }
    }

    fn town() -> Vec<Address> {
        ["a/polecats/nux", "a/crew/nux", "a/crew/max", "a/witness"].map(|text| text.parse().unwrap()).to_vec()
    }

    fn spawned(seconds_ago: i64) -> Spawned {
        Spawned {
            name: "a/nux".to_owned(),
            object: Some("a/polecats/nux".parse().unwrap()),
            written: Some(now() - SignedDuration::from_secs(seconds_ago)),
        }
    }

    fn standing(life: Option<KnownLife<'_>>, born_ago: i64) -> Standing<'_> {
        let born = Some(now() - SignedDuration::from_secs(born_ago));
        Standing { life, born, last_seen: born, untouchable: false, stopped: false }
    }

    #[test]
    fn a_letter_names_a_worker_and_nobody_else() {
        let objects = town();
        let reads = |subject: &str| {
            read(&letter(subject, "2026-01-24T12:00:00Z"), objects.iter())
                .map(|spawned| spawned.object.map(|object| object.to_string()))
        };
        let object = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(reads("POLECAT_STARTED a/nux"), object("a/polecats/nux"));
        assert_eq!(reads(" POLECAT_STARTED a/polecats/nux "), object("a/polecats/nux"));
        assert_eq!(reads("POLECAT_STARTED a/max"), object("a/crew/max"));
        for nobody in ["POLECAT_STARTED a/witness", "POLECAT_STARTED b/nux", "POLECAT_STARTED "] {
            assert_eq!(reads(nobody), Some(None), "{nobody}");
        }
        for other in ["POLECAT_STARTED", "polecat_started a/nux", "re: POLECAT_STARTED a/nux", "", "ünï"] {
            assert_eq!(reads(other), None, "{other}");
        }
    }

    #[test]
    fn law_8_who_lives_is_told_to_begin_for_the_rest_of_five_minutes_and_its_successor_is_not() {
        let life = IncarnationId::from_hex("aaaaaaaaaaaa").unwrap();
        let alive = Some(KnownLife::Of(&life));
        let follows = |ago, born| judge(&spawned(ago), Some(&standing(alive, born)), now(), "letter hq-m1");
        let Follows::Begin(_, of, Change::Nudge { text, ttl, .. }) = follows(100, 110) else { panic!() };
        assert_eq!((of, text.as_str(), ttl.get()), (life.clone(), "Begin.", Duration::from_secs(200)));
        assert!(matches!(follows(100, 99), Follows::Begin(..)), "the store of the mail rounds");
        assert!(matches!(follows(100, 98), Follows::Over(why) if why.contains("present life")));
        assert!(matches!(follows(300, 310), Follows::Over(_)));
    }

    #[test]
    fn law_1_what_is_not_seen_yet_is_waited_for_up_to_five_minutes() {
        let life = IncarnationId::from_hex("aaaaaaaaaaaa").unwrap();
        let alive = standing(Some(KnownLife::Of(&life)), 1_000);
        let busy = Standing { untouchable: true, ..alive };
        let unborn = Standing { born: None, ..alive };
        for standing in [None, Some(standing(None, 0)), Some(standing(Some(KnownLife::None), 0)), Some(busy)]
        {
            let follows = |ago| judge(&spawned(ago), standing.as_ref(), now(), "letter hq-m1");
            assert_eq!(follows(299), Follows::Later, "{standing:?}");
            assert!(matches!(follows(300), Follows::Over(_)), "{standing:?}");
        }
        assert_eq!(judge(&spawned(1), Some(&unborn), now(), "b"), Follows::Later);
        let stranger = Spawned { object: None, ..spawned(299) };
        assert_eq!(judge(&stranger, None, now(), "b"), Follows::Later);
        let of_no_time = Spawned { written: None, ..spawned(0) };
        assert!(matches!(judge(&of_no_time, Some(&alive), now(), "b"), Follows::Over(_)));
        assert!(matches!(judge(&spawned(-2), Some(&alive), now(), "b"), Follows::Over(_)), "of the future");
    }

    #[test]
    fn a_start_of_ours_is_waited_for_as_it_is() {
        let (mut ledger, life) = (Ledger::default(), IncarnationId::from_hex("aaaaaaaaaaaa").unwrap());
        let now = crate::plan::tests::builders::at(1);
        let prompt = |text: &str| Some(Ready { prompt: Some(text.to_owned()), delay: UNKNOWN_DELAY });
        let address: Address = "a/polecats/nux".parse().unwrap();
        wait_until_ready(&mut ledger, &address, &life, prompt("> "), &now);
        wait_until_ready(&mut ledger, &address, &life, prompt("$ "), &now);
        assert_eq!(ledger.openings[&address].ready, prompt("> ").unwrap());
        let next = IncarnationId::from_hex("bbbbbbbbbbbb").unwrap();
        wait_until_ready(&mut ledger, &address, &next, None, &now);
        assert_eq!((&ledger.openings[&address].incarnation, ledger.nudges.len()), (&next, 0));
    }
}
