//! A session without its agent does not prove that the agent is gone: a process that ignores the hang-up outlives its pane.

use super::builders::{Given, SERVER, town};
use crate::desired::HoldKind;
use crate::model::{Exit, PaneId, ProcessId, Seen};

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str = "[sessions.scribe]\ncommand = [\"./scribe\"]";

fn remains() -> [(&'static str, Given); 3] {
    [
        ("its pane is gone", town(TOWN).pane_gone(SCRIBE)),
        ("an older life lies dead in its pane", town(TOWN).dead(SCRIBE, Some(Exit::Code(1)))),
        ("a shell is left", town(TOWN).bare_shell(SCRIBE)),
    ]
}

#[test]
fn law_4_a_remembered_process_that_lives_on_is_not_doubled() {
    for (what, given) in remains() {
        let given = given.past(SCRIBE, SERVER, Some(Seen::Known(true)));
        assert_eq!(given.says(SCRIBE), "held: detached", "{what}");
    }
}

#[test]
fn law_1_a_remembered_process_that_cannot_be_seen_is_not_doubled() {
    for (what, given) in remains() {
        assert_eq!(
            given.clone().past(SCRIBE, SERVER, Some(Seen::unknown("EIO"))).says(SCRIBE),
            "held: unknown",
            "{what}"
        );
        assert_eq!(given.past(SCRIBE, SERVER, None).says(SCRIBE), "held: unknown", "{what}");
    }
}

#[test]
fn a_remembered_process_that_is_gone_changes_nothing() {
    for (what, given) in remains() {
        let alone = given.says(SCRIBE);
        assert_eq!(given.past(SCRIBE, SERVER, Some(Seen::Known(false))).says(SCRIBE), alone, "{what}");
    }
}

#[test]
fn the_remembered_process_is_no_survivor_of_itself() {
    let itself = |given: Given| {
        given.past(SCRIBE, SERVER, Some(Seen::Known(true))).remember(SCRIBE, |record| {
            let incarnation = record.incarnation.as_mut().unwrap();
            incarnation.pane = PaneId(1);
            incarnation.process = ProcessId { pid: 1001, start: 50 };
        })
    };
    assert_eq!(itself(town(TOWN).bare_shell(SCRIBE)).says(SCRIBE), "restart: shell-left");
    assert_eq!(itself(town(TOWN).running(SCRIBE)).says(SCRIBE), "nothing: running");
}

#[test]
fn a_survivor_is_not_stopped_through_a_session_that_it_left() {
    let given = town("[rigs.a]").pane_gone("a/witness").past("a/witness", SERVER, Some(Seen::Known(true)));
    assert_eq!(given.hold("a/witness", HoldKind::Parked).says("a/witness"), "held: detached");
}
