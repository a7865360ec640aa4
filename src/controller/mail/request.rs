//! From a letter to a request: who wrote it, what it asks for, and whether the life that wrote it is still there. Pure: values in, values out.
//!
//! The one who writes is the one who is meant. A request is for the life that its sender had when it was written (law 8).

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::controller::requests::Change;
use crate::ledger::KnownLife;
use crate::model::{Address, excerpt, printable};
use crate::observed::mail::Letter;

/// What the subject of a request begins with, in any case of letters.
const SUBJECT: &str = "lifecycle:";

/// An older letter is not followed: days-old ones have killed people's crew every five minutes.
const AGE_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// The store of the mail may round its moments to whole seconds, to either side. So a letter may seem to be of the next second, and one that the
/// former life wrote with its last breath may seem to be as young as the present one.
pub(super) const ROUNDING: Duration = Duration::from_secs(1);

/// So many letters of a sender's name are told.
const SENDER_SHOWN: usize = 100;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// `cycle` or `restart`: another life in the place of this one.
    Restart,
    /// `shutdown` or `stop`: none, until somebody starts it.
    Stop,
}

/// What a letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who wrote it and is meant.
    pub object: Address,
    /// What it asks for.
    pub wish: Wish,
    /// When it was written.
    pub written: Timestamp,
}

/// A request that is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose it is, if that is known.
    pub object: Option<Address>,
    /// Why.
    pub why: String,
}

/// How its sender stands at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its life; `None` if that is not known.
    pub life: Option<KnownLife<'a>>,
    /// When this life began, if there is one.
    pub born: Option<Timestamp>,
    /// When its last life was first seen, if it ever had one.
    pub last_seen: Option<Timestamp>,
    /// Whether nothing may be done to it now: it is frozen, or something is under way with it.
    pub untouchable: bool,
    /// Whether somebody stopped it.
    pub stopped: bool,
}

/// What follows from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follows {
    /// This is asked for.
    Change(Change),
    /// Nothing for now; when the mail is read next, perhaps.
    Later,
    /// Nothing.
    Refused(Refused),
}

/// Reads a letter; `None` if it is no request, or was read by somebody.
pub fn read<'a>(
    letter: &Letter,
    objects: impl Iterator<Item = &'a Address>,
    now: Timestamp,
) -> Option<Result<Request, Refused>> {
    let begins = letter
        .subject
        .trim_start()
        .get(..SUBJECT.len())
        .is_some_and(|text| text.eq_ignore_ascii_case(SUBJECT));
    if letter.read || !begins {
        return None;
    }
    let object = match sender(&letter.from, objects) {
        Ok(object) => object,
        Err(why) => return Some(Err(Refused { object: None, why })),
    };
    let refused = |why: &str| Some(Err(Refused { object: Some(object.clone()), why: why.to_owned() }));
    let Some(wish) = wish(&letter.body) else {
        return refused("its text says neither cycle, restart, shutdown nor stop");
    };
    let Ok(written) = letter.timestamp.trim().parse::<Timestamp>() else {
        return refused("it does not tell when it was written");
    };
    let age = now.duration_since(written);
    if age > jiff::SignedDuration::try_from(AGE_MAX).unwrap_or(jiff::SignedDuration::MAX) {
        return refused("it is older than 6 hours");
    }
    if age.is_negative() && age.unsigned_abs() > ROUNDING {
        return refused("it is of the future");
    }
    Some(Ok(Request { object, wish, written }))
}

/// What follows from a request, as its sender stands; `by` names the letter.
pub fn judge(request: &Request, standing: &Standing<'_>, by: &str) -> Follows {
    let Request { object, wish, written } = request;
    let refused = |why: &str| Follows::Refused(Refused { object: Some(object.clone()), why: why.to_owned() });
    let is_after = |moment: Timestamp| {
        written.duration_since(moment)
            > jiff::SignedDuration::try_from(ROUNDING).unwrap_or(jiff::SignedDuration::MAX)
    };
    let by = by.to_owned();
    // No approval: a letter lifts no ceiling (law 4).
    let stop =
        || Follows::Change(Change::Stop { objects: vec![object.clone()], by: by.clone(), approved: vec![] });
    if standing.untouchable {
        return Follows::Later;
    }
    match (standing.life, wish) {
        (None, _) => Follows::Later,
        (Some(KnownLife::Of(_)), _) if !standing.born.is_some_and(is_after) => {
            refused("it is from before its sender's present life")
        }
        (Some(KnownLife::Of(_)), Wish::Stop) => stop(),
        (Some(KnownLife::Of(_)), Wish::Restart) if standing.stopped => {
            refused("its sender was stopped, which only `gtctl start` ends")
        }
        (Some(KnownLife::Of(life)), Wish::Restart) => Follows::Change(Change::Restart {
            lives: vec![(object.clone(), life.clone())],
            by,
            approved: vec![],
        }),
        // It wrote this and went by itself, and no other life has followed: it is to stay so.
        (Some(KnownLife::None), Wish::Stop) if standing.last_seen.is_some_and(is_after) => stop(),
        (Some(KnownLife::None), _) => refused("the life that wrote it has ended"),
    }
}

/// Which object a sender is. gt writes `mayor/`, `gastown/witness`, `gastown/crew/max` or `gastown/max`; its daemon knows `gastown-witness`,
/// `gastown-crew-max` and `gastown-polecat-nux` as well. Names may hold dashes, so what is meant is compared, never taken apart.
fn sender<'a>(from: &str, objects: impl Iterator<Item = &'a Address>) -> Result<Address, String> {
    let text = from.trim();
    let text = text.strip_suffix('/').unwrap_or(text);
    let mut found = objects.filter(|object| forms(object).iter().any(|form| form == text));
    let shown = printable(&excerpt(text, SENDER_SHOWN)).into_owned();
    match (found.next(), found.next()) {
        (Some(object), None) => Ok(object.clone()),
        (None, _) => Err(format!("its sender, `{shown}`, is none of this town's objects")),
        (Some(one), Some(other)) => Err(format!("its sender, `{shown}`, may be {one} or {other}")),
    }
}

/// All that an object is called as a sender.
pub(super) fn forms(object: &Address) -> Vec<String> {
    let own = object.to_string();
    match object {
        Address::Mayor | Address::Deacon => vec![own],
        Address::Witness(rig) | Address::Refinery(rig) => vec![own, format!("{rig}-{}", object.role())],
        Address::Crew(rig, name) | Address::Polecat(rig, name) => {
            vec![own, format!("{rig}/{name}"), format!("{rig}-{}-{name}", object.role())]
        }
        // gt sends no mail for these.
        Address::Boot | Address::Session(_) => Vec::new(),
    }
}

#[derive(Deserialize)]
struct Body {
    action: String,
}

/// What a text asks for: `{"action": "cycle"}`, or one of gt's bare forms, and nothing else.
fn wish(body: &str) -> Option<Wish> {
    let word = match serde_json::from_str::<Body>(body.trim()) {
        Ok(body) => body.action,
        Err(_) => {
            let text = body.trim().to_ascii_lowercase();
            text.strip_prefix("action:").unwrap_or(&text).to_owned()
        }
    };
    match word.trim().to_ascii_lowercase().as_str() {
        "cycle" | "restart" => Some(Wish::Restart),
        "shutdown" | "stop" => Some(Wish::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IncarnationId;

    fn now() -> Timestamp {
        "2026-01-24T12:00:00Z".parse().unwrap()
    }

    fn letter(from: &str, body: &str) -> Letter {
        Letter {
            id: "hq-m1".to_owned(),
            from: from.to_owned(),
            subject: "LifeCycle: please".to_owned(),
            body: body.to_owned(),
            timestamp: "2026-01-24T11:59:00Z".to_owned(),
            read: false,
        }
    }

    fn town() -> Vec<Address> {
        [
            "mayor",
            "deacon",
            "a/witness",
            "a/refinery",
            "a/crew/max",
            "a/polecats/nux",
            "a-crew/witness",
            "sessions/s",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec()
    }

    fn reads(letter: &Letter) -> Option<Result<Request, Refused>> {
        read(letter, town().iter(), now())
    }

    fn why(letter: &Letter) -> String {
        reads(letter).unwrap().unwrap_err().why
    }

    #[test]
    fn a_sender_is_known_by_every_form_that_gt_writes() {
        for (from, object) in [
            ("mayor/", "mayor"),
            ("mayor", "mayor"),
            ("deacon/", "deacon"),
            ("a/witness", "a/witness"),
            ("a/witness/", "a/witness"),
            ("a/refinery", "a/refinery"),
            ("a/crew/max", "a/crew/max"),
            ("a/max", "a/crew/max"),
            ("a/nux", "a/polecats/nux"),
            ("a/polecats/nux", "a/polecats/nux"),
            ("a-witness", "a/witness"),
            ("a-refinery", "a/refinery"),
            ("a-crew-max", "a/crew/max"),
            ("a-polecat-nux", "a/polecats/nux"),
        ] {
            let request = reads(&letter(from, "cycle")).unwrap().unwrap();
            assert_eq!(request.object.to_string(), object, "{from}");
        }
        for from in
            ["", "/", "overseer", "human", "a", "a//", "b/witness", "A/witness", "sessions/s", "a/max/x"]
        {
            assert!(why(&letter(from, "cycle")).contains("none of this town's"), "{from}");
        }
    }

    #[test]
    fn a_sender_that_may_be_two_objects_is_none() {
        let mut objects = town();
        // `a-crew-witness` is the witness of the rig `a-crew`, or a crew member called `witness` where one is; names are compared, so each is found.
        objects
            .push(Address::Polecat("a".to_owned().try_into().unwrap(), "max".to_owned().try_into().unwrap()));
        let read = read(&letter("a/max", "cycle"), objects.iter(), now()).unwrap();
        assert!(read.unwrap_err().why.contains("may be a/crew/max or a/polecats/max"));
        assert_eq!(
            reads(&letter("a-crew-witness", "stop")).unwrap().unwrap().object.to_string(),
            "a-crew/witness"
        );
    }

    #[test]
    fn a_text_asks_in_json_or_in_one_of_the_bare_forms_and_in_no_other() {
        for (body, wish) in [
            (r#"{"action":"cycle"}"#, Wish::Restart),
            (r#" {"action": "ReStart", "why": "x"} "#, Wish::Restart),
            (r#"{"action":"shutdown"}"#, Wish::Stop),
            (r#"{"action":"stop"}"#, Wish::Stop),
            ("restart", Wish::Restart),
            (" Cycle\n", Wish::Restart),
            ("action: restart", Wish::Restart),
            ("ACTION: cycle", Wish::Restart),
            ("action: shutdown", Wish::Stop),
            ("stop", Wish::Stop),
        ] {
            assert_eq!(reads(&letter("mayor/", body)).unwrap().unwrap().wish, wish, "{body}");
        }
        for body in [
            "",
            "please restart",
            "{}",
            r#"{"action":"kill"}"#,
            r#"{"action":1}"#,
            "[]",
            "null",
            "restart now",
            "{",
        ] {
            assert!(why(&letter("mayor/", body)).contains("neither"), "{body}");
        }
    }

    #[test]
    fn only_what_is_unread_and_called_lifecycle_is_a_request() {
        assert_eq!(reads(&Letter { read: true, ..letter("mayor/", "cycle") }), None);
        for subject in ["", "lifecycle", "re: lifecycle: cycle", "ünï", "lifecyclö: x"] {
            assert_eq!(reads(&Letter { subject: subject.to_owned(), ..letter("mayor/", "cycle") }), None);
        }
    }

    #[test]
    fn law_8_a_letter_is_good_for_six_hours_from_a_moment_that_it_tells() {
        let of = |timestamp: &str| Letter { timestamp: timestamp.to_owned(), ..letter("mayor/", "cycle") };
        for good in [
            "2026-01-24T06:00:00Z",
            "2026-01-24T12:00:00Z",
            "2026-01-24T12:00:01Z",
            "2026-01-24T12:59:00+01:00",
        ] {
            assert!(reads(&of(good)).unwrap().is_ok(), "{good}");
        }
        for (bad, said) in [
            ("2026-01-24T05:59:59Z", "older"),
            ("0001-01-01T00:00:00Z", "older"),
            ("2026-01-24T12:00:02Z", "future"),
            ("9999-12-30T00:00:00Z", "future"),
            ("soon", "does not tell"),
            ("", "does not tell"),
        ] {
            assert!(why(&of(bad)).contains(said), "{bad}");
        }
    }

    fn request(wish: Wish) -> Request {
        Request { object: Address::Mayor, wish, written: now() }
    }

    fn standing<'a>(life: Option<KnownLife<'a>>, seconds_ago: i64) -> Standing<'a> {
        let moment = Some(now() - jiff::SignedDuration::from_secs(seconds_ago));
        Standing { life, born: moment, last_seen: moment, untouchable: false, stopped: false }
    }

    #[test]
    fn law_8_a_request_is_for_the_life_that_wrote_it() {
        let id = IncarnationId::from_hex("aaaaaaaaaaaa").unwrap();
        let alive = Some(KnownLife::Of(&id));
        let restart = Change::Restart {
            lives: vec![(Address::Mayor, id.clone())],
            by: "b".to_owned(),
            approved: vec![],
        };
        let stop = Change::Stop { objects: vec![Address::Mayor], by: "b".to_owned(), approved: vec![] };
        let follows = |wish, standing: &Standing<'_>| judge(&request(wish), standing, "b");
        assert_eq!(follows(Wish::Restart, &standing(alive, 10)), Follows::Change(restart));
        assert_eq!(follows(Wish::Stop, &standing(alive, 10)), Follows::Change(stop.clone()));
        for (life, ago) in [(alive, -10), (alive, 0), (alive, 1), (Some(KnownLife::None), -10)] {
            for wish in [Wish::Restart, Wish::Stop] {
                assert!(matches!(follows(wish, &standing(life, ago)), Follows::Refused(_)), "{life:?} {ago}");
            }
        }
        let unborn = Standing { born: None, ..standing(alive, 10) };
        assert!(matches!(follows(Wish::Stop, &unborn), Follows::Refused(_)));
        // Who wrote this and went is to stay away; a restart comes anyway.
        assert_eq!(follows(Wish::Stop, &standing(Some(KnownLife::None), 10)), Follows::Change(stop));
        assert!(matches!(follows(Wish::Restart, &standing(Some(KnownLife::None), 10)), Follows::Refused(_)));
    }

    #[test]
    fn law_1_what_cannot_be_seen_or_touched_waits_and_a_stop_outlasts_a_restart() {
        let id = IncarnationId::from_hex("aaaaaaaaaaaa").unwrap();
        let alive = standing(Some(KnownLife::Of(&id)), 10);
        for wish in [Wish::Restart, Wish::Stop] {
            assert_eq!(judge(&request(wish), &standing(None, 10), "b"), Follows::Later);
            assert_eq!(judge(&request(wish), &Standing { untouchable: true, ..alive }, "b"), Follows::Later);
        }
        let stopped = Standing { stopped: true, ..alive };
        assert!(matches!(judge(&request(Wish::Restart), &stopped, "b"), Follows::Refused(_)));
    }
}
