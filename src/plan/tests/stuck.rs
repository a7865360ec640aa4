//! Agents that live and have not said for long that they are well.

use std::time::Duration;

use super::builders::{Given, NOW, address, at, town};
use crate::desired::HoldKind;
use crate::ledger::Cause;
use crate::model::{IncarnationId, Seen};
use crate::plan::{Action, Decision, Step};

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str = "[sessions.scribe]\ncommand = ['x']";

/// Silent for so long, and asked so long ago.
fn silent(seconds: u64, asked: Option<u64>) -> Given {
    town(TOWN).running(SCRIBE).silent(SCRIBE, seconds, asked)
}

#[track_caller]
fn word(given: &Given) -> &'static str {
    given.plan().of(&address(SCRIBE)).unwrap().word()
}

#[test]
fn s13_silence_leads_to_a_question_and_only_then_to_an_end() {
    assert_eq!(silent(99, None).says(SCRIBE), "nothing: running");
    assert_eq!(silent(100, None).says(SCRIBE), "nudge: stale");
    assert_eq!(silent(299, Some(190)).says(SCRIBE), "nothing: stale");
    assert_eq!(silent(300, None).says(SCRIBE), "nudge: stale", "nobody is ended who was not asked");
    assert_eq!(silent(300, Some(59)).says(SCRIBE), "nothing: stale", "nor without time to answer");
    assert_eq!(silent(300, Some(60)).says(SCRIBE), "kill: stuck");
}

#[test]
fn s65_what_is_silent_is_stalled_and_never_as_wanted() {
    for given in
        [silent(100, None), silent(299, Some(190)), silent(300, Some(60)), silent(200, None).attached()]
    {
        assert_eq!(word(&given), "stalled");
        assert!(!given.plan().of(&address(SCRIBE)).unwrap().is_as_wanted());
    }
    assert_eq!(word(&silent(99, None)), "running");
}

#[test]
fn s12_without_a_heartbeat_of_its_own_silence_means_nothing() {
    let mut given = silent(400, Some(200));
    given.desired.objects.get_mut(&address(SCRIBE)).unwrap().watch = None;
    assert_eq!(given.says(SCRIBE), "nothing: running");
    let mut told = silent(400, Some(200));
    told.desired.objects.get_mut(&address(SCRIBE)).unwrap().watch.as_mut().unwrap().stuck_after = None;
    assert_eq!(told.says(SCRIBE), "nothing: stale", "without `stuck-after` it is only told");
}

#[test]
fn law_1_a_heartbeat_that_cannot_be_read_is_not_old() {
    let given = || silent(400, Some(200));
    assert_eq!(given().heard(SCRIBE, Seen::unknown("torn")).says(SCRIBE), "nothing: running");
    assert_eq!(
        given().heard(SCRIBE, Seen::Known(None)).says(SCRIBE),
        "nothing: running",
        "none was ever written"
    );
    let ahead = Some(at(NOW + 61).wall);
    assert_eq!(given().heard(SCRIBE, Seen::Known(ahead)).says(SCRIBE), "nothing: running", "of the future");
}

#[test]
fn s11_a_heartbeat_of_an_earlier_life_proves_nothing() {
    let mut given = silent(400, Some(200));
    let other = IncarnationId::from_hex("eeeeeeeeeeee").unwrap();
    given.ledger.beats.get_mut(&address(SCRIBE)).unwrap().incarnation = other;
    assert_eq!(given.says(SCRIBE), "nothing: running");
    // A young life has its grace, whatever the file says.
    let young = town(TOWN).starting(SCRIBE).silent(SCRIBE, 400, Some(200));
    assert_eq!(young.says(SCRIBE), "nothing: starting");
}

#[test]
fn s23_a_controller_that_was_away_judges_nobody_by_that() {
    let mut given = silent(400, Some(200));
    given.observed.away = Some(Duration::from_secs(399));
    assert_eq!(given.says(SCRIBE), "nothing: running");
}

#[test]
fn s15_somebody_who_is_attached_is_not_disturbed() {
    assert_eq!(silent(400, Some(200)).attached().says(SCRIBE), "held: attached");
    assert_eq!(silent(200, None).attached().says(SCRIBE), "nothing: stale");
}

#[test]
fn nobody_is_ended_whose_successor_would_have_to_wait() {
    let given = silent(400, Some(200)).place(SCRIBE, |place| place.program = Seen::Known(None));
    assert_eq!(given.says(SCRIBE), "held: program-missing");
    assert_eq!(silent(400, Some(200)).hold(SCRIBE, HoldKind::NoRestart).says(SCRIBE), "nothing: no-restart");
}

#[test]
fn a_start_after_such_an_end_counts_as_one_after_a_crash() {
    let mut given = town(TOWN);
    given.ledger.objects.entry(address(SCRIBE)).or_default().stuck = Some(Duration::from_secs(400));
    let plan = given.plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    let Decision::Step(Step { action: Action::Restart(launch), .. }) = &verdict.decision else {
        panic!("{verdict:#?}")
    };
    assert_eq!((launch.cause, verdict.because.code()), (Cause::Stuck, "stuck"));
}
