//! The start of an agent, until it is seen ready.

use super::builders::*;
use crate::ledger::Opening;
use crate::model::{Address, IncarnationId, Period, Ready, Seen};
use crate::observed::Screen;
use crate::plan::State;

const SCRIBE: &str = "sessions/scribe";

/// The scribe runs, its start is not over, its screen shows this, and it is to be told something.
fn opened(prompt: Option<&str>, delay: u64, screen: Option<Seen<Screen>>, words: bool) -> Given {
    let mut given = town("[sessions.scribe]\ncommand = ['x']\n").running(SCRIBE);
    given = given.edit(|session| session.panes[0].screen = screen);
    let plan = given.plan();
    let address: Address = SCRIBE.parse().unwrap();
    let State::Running(alive) = plan.of(&address).unwrap().state.clone() else { panic!("it runs") };
    let opening = Opening {
        incarnation: alive.incarnation.unwrap().marker.incarnation,
        ready: Ready { prompt: prompt.map(str::to_owned), delay: Period::seconds(delay) },
        at: at(NOW),
    };
    given.ledger.open(&address, opening, words.then(|| "go".to_owned()));
    given
}

fn says(prompt: Option<&str>, delay: u64, screen: Option<Seen<Screen>>) -> String {
    opened(prompt, delay, screen, true).says(SCRIBE)
}

fn known(screen: Screen) -> Option<Seen<Screen>> {
    Some(Seen::Known(screen))
}

#[test]
fn first_words_wait_until_the_agent_is_seen_ready() {
    assert_eq!(
        says(Some("> "), 0, known(Screen::Other)),
        "nothing: nudge-waiting",
        "its prompt counts, not the time"
    );
    assert_eq!(says(Some("> "), 3600, known(Screen::Ready)), "nudge: asked");
    assert_eq!(says(None, 3600, known(Screen::Other)), "nothing: nudge-waiting");
    assert_eq!(says(None, 1, known(Screen::Other)), "nudge: asked", "nothing shows it, so the time counts");
}

#[test]
fn law_1_a_screen_that_is_not_seen_is_not_ready() {
    for screen in [None, Some(Seen::unknown("no answer"))] {
        assert_eq!(says(None, 0, screen.clone()), "nothing: nudge-waiting");
        assert_eq!(says(Some("> "), 0, screen), "nothing: nudge-waiting");
    }
}

#[test]
fn s94_a_question_holds_whatever_else_is_known() {
    let asks = || known(Screen::Asks("Quick safety check".to_owned()));
    assert_eq!(says(None, 0, asks()), "held: waiting-for-input");
    let given = opened(Some("> "), 0, asks(), false);
    assert_eq!(given.says(SCRIBE), "held: waiting-for-input", "with nothing to type as well");
    assert_eq!(given.plan().of(&SCRIBE.parse().unwrap()).unwrap().state.word(), "waiting");
}

#[test]
fn law_8_the_start_of_another_life_says_nothing() {
    let asks = known(Screen::Asks("Quick safety check".to_owned()));
    let mut given = opened(None, 0, asks, false);
    let other = IncarnationId::from_hex("bbbbbbbbbbbb").unwrap();
    given.ledger.openings.values_mut().for_each(|opening| opening.incarnation = other.clone());
    assert_eq!(given.says(SCRIBE), "nothing: running");
}

#[test]
fn an_agent_that_was_told_and_shows_no_prompt_is_looked_at_for_a_while_only() {
    let mut given = opened(Some("> "), 0, known(Screen::Other), false);
    assert_eq!(given.says(SCRIBE), "nothing: running");
    let address: Address = SCRIBE.parse().unwrap();
    let of = |given: &Given| {
        let plan = given.plan();
        let State::Running(alive) = plan.of(&address).unwrap().state.clone() else { panic!("it runs") };
        crate::plan::opening(&address, &alive, &given.ledger, &given.observed.at)
    };
    assert!(matches!(of(&given), crate::plan::Opening::Waits(_)));
    given.ledger.openings.values_mut().for_each(|opening| opening.at = at(NOW - 120));
    assert_eq!(of(&given), crate::plan::Opening::Over);
}
