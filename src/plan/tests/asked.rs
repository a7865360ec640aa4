//! What somebody asked for: stops that stay, restarts of one life, nudges that wait.

use super::builders::{Given, NOW, address, at, town};
use crate::desired::HoldKind;
use crate::ledger::AskedNudge;
use crate::model::{IncarnationId, Reason};
use crate::plan::State;

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str =
    "[sessions.scribe]\ncommand = ['x']\n[sessions.other]\ncommand = ['x']\nafter = ['sessions/scribe']";

impl Given {
    /// Somebody asked to type something into it.
    pub fn nudge(mut self, of: &str) -> Self {
        let incarnation = self.incarnation_of(of);
        self.ledger.nudges.push(AskedNudge {
            address: address(of),
            incarnation,
            text: "go on".to_owned(),
            by: "a test".to_owned(),
            at: at(NOW - 1),
            until: at(NOW + 60),
            begun: false,
        });
        self
    }
}

fn running() -> Given {
    town(TOWN).running(SCRIBE)
}

#[test]
fn what_was_stopped_stops_and_stays_down() {
    assert_eq!(running().stopped(SCRIBE).says(SCRIBE), "kill: stopped");
    assert_eq!(town(TOWN).stopped(SCRIBE).says(SCRIBE), "held: stopped");
    assert_eq!(town(TOWN).dead(SCRIBE, None).stopped(SCRIBE).says(SCRIBE), "kill: stopped");
    let plan = town(TOWN).stopped(SCRIBE).plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    assert_eq!(verdict.origin.to_string(), "asked for by a test");
    assert!(verdict.is_as_wanted(), "nothing is wrong with it");
}

#[test]
fn what_is_stopped_is_waited_for_by_nobody() {
    assert_eq!(town(TOWN).stopped(SCRIBE).says("sessions/other"), "start: absent");
}

#[test]
fn law_1_a_stop_does_not_touch_what_is_frozen_or_not_seen() {
    let frozen = running().stopped(SCRIBE).hold(SCRIBE, HoldKind::Frozen);
    assert_eq!(frozen.says(SCRIBE), "held: frozen");
    assert_eq!(running().stopped(SCRIBE).hold(SCRIBE, HoldKind::Parked).says(SCRIBE), "kill: stopped");
}

#[test]
fn law_8_a_restart_ends_the_life_that_it_was_asked_for_and_no_other() {
    assert_eq!(running().restart_asked(SCRIBE).says(SCRIBE), "kill: asked");
    let mut next = running().restart_asked(SCRIBE);
    let other = IncarnationId::from_hex("bbbbbbbbbbbb").unwrap();
    next.ledger.restarts.get_mut(&address(SCRIBE)).unwrap().incarnation = other;
    assert_eq!(next.says(SCRIBE), "nothing: running");
    assert_eq!(
        running().restart_asked(SCRIBE).hold(SCRIBE, HoldKind::NoRestart).says(SCRIBE),
        "nothing: no-restart"
    );
}

#[test]
fn law_8_a_nudge_is_for_one_life() {
    let mut given = running().nudge(SCRIBE);
    assert_eq!(given.says(SCRIBE), "nudge: asked");
    given.ledger.nudges[0].incarnation = IncarnationId::from_hex("bbbbbbbbbbbb").unwrap();
    assert_eq!(given.says(SCRIBE), "nothing: running");
}

#[test]
fn s106_a_nudge_waits_while_somebody_is_there() {
    let given = running().attached().nudge(SCRIBE);
    assert_eq!(given.says(SCRIBE), "nothing: nudge-waiting");
    let plan = given.plan();
    assert!(matches!(plan.of(&address(SCRIBE)).unwrap().because, Reason::NudgeWaiting { .. }));
    assert!(plan.wake.is_some(), "nothing tells when they go away");
    let reading = running().edit(|session| session.panes[0].in_mode = true).nudge(SCRIBE);
    assert_eq!(reading.says(SCRIBE), "nothing: nudge-waiting");
}

#[test]
fn a_nudge_that_was_begun_or_is_too_late_is_not_typed() {
    let mut begun = running().nudge(SCRIBE);
    begun.ledger.nudges[0].begun = true;
    assert_eq!(begun.says(SCRIBE), "nothing: running");
    let mut late = running().nudge(SCRIBE);
    late.ledger.nudges[0].until = late.ledger.nudges[0].at.clone();
    assert_eq!(late.says(SCRIBE), "nothing: running");
}

#[test]
fn nudges_are_typed_one_after_the_other() {
    let mut given = running().nudge(SCRIBE).nudge(SCRIBE);
    given.ledger.nudges[1].text = "second".to_owned();
    assert_eq!(given.plan().counts().nudge, 1);
    given.ledger.nudges[0].begun = true;
    assert_eq!(given.says(SCRIBE), "nudge: asked");
}

#[test]
fn a_state_tells_a_life_only_where_it_is_known() {
    let life = |given: Given| given.plan().of(&address(SCRIBE)).unwrap().state.life().is_some();
    assert!(life(running()) && life(town(TOWN)) && life(town(TOWN).dead(SCRIBE, None)));
    assert!(!life(town(TOWN).server(crate::model::Seen::unknown("slow"))));
    assert!(matches!(running().plan().of(&address(SCRIBE)).unwrap().state, State::Running(_)));
}
