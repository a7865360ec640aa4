//! `after`: starts run along the edges, stops against them.

use super::builders::{Given, says, town};
use crate::desired::HoldKind;
use crate::model::{Exit, Seen};

const SECOND: &str = "sessions/second";
const FIRST: &str = "sessions/first";

fn pair(more: &str) -> Given {
    town(&format!(
        "[sessions.first]\ncommand = [\"./x\"]\n{more}\n[sessions.second]\ncommand = [\"./y\"]\nafter = [\"sessions/first\"]"
    ))
}

#[test]
fn what_it_needs_decides_when_it_starts() {
    let waits = "start after sessions/first: absent";
    for (given, expected) in [
        (pair("").running(FIRST), "start: absent"),
        (pair("").running(FIRST).nudge(FIRST), "start: absent"),
        (pair("").starting(FIRST), waits),
        (pair(""), waits),
        (pair("").dead(FIRST, None), waits),
        (pair("").in_flight(FIRST), waits),
        (pair("").running(FIRST).in_flight(FIRST), waits),
        (pair("").unseen(FIRST), "held: waiting-for"),
        (pair("").named_like(FIRST), "held: waiting-for"),
        (pair("").detached(FIRST), "held: waiting-for"),
        (pair("").running(FIRST).running(FIRST), "held: waiting-for"),
        (pair("").place(FIRST, |place| place.directory = Seen::Known(None)), "held: waiting-for"),
    ] {
        assert_eq!(given.says(SECOND), expected, "{:?}", given.says(FIRST));
    }
}

#[test]
fn an_order_is_not_a_requirement_what_is_not_wanted_is_not_waited_for() {
    assert_eq!(pair("enabled = false").says(SECOND), "start: absent");
    for kind in [HoldKind::Parked, HoldKind::NoRestart, HoldKind::Frozen] {
        assert_eq!(pair("").hold(FIRST, kind).says(SECOND), "start: absent");
    }
}

#[test]
fn what_has_finished_is_not_waited_for() {
    let given = pair("restart = \"never\"").dead(FIRST, Some(Exit::Code(0)));
    assert_eq!((given.says(FIRST), given.says(SECOND)), ("held: finished".into(), "start: absent".into()));
}

#[test]
fn what_waits_in_vain_says_for_what() {
    let plan = pair("").unseen(FIRST).plan();
    let because = &plan.of(&super::builders::address(SECOND)).unwrap().because;
    assert_eq!(*because, crate::model::Reason::WaitingFor { needs: vec![super::builders::address(FIRST)] });
}

#[test]
fn a_plan_lists_what_is_needed_before_what_needs_it() {
    let given = town(
        "[sessions.a]\ncommand = [\"x\"]\nafter = [\"sessions/b\"]\n[sessions.b]\ncommand = [\"x\"]\nafter = [\"sessions/c\"]\n[sessions.c]\ncommand = [\"x\"]",
    );
    let order: Vec<String> = given.plan().steps().map(|(verdict, _)| verdict.address.to_string()).collect();
    assert_eq!(order, ["sessions/c", "sessions/b", "sessions/a"]);
}

fn parked_pair() -> Given {
    town("[rigs.a]\nstate = \"parked\"\nroles.refinery = { after = [\"witness\"] }")
}

#[test]
fn stops_run_against_the_edges() {
    let plan = parked_pair().running("a/witness").running("a/refinery").plan();
    assert_eq!(says(&plan, "a/refinery"), "kill: parked");
    assert_eq!(says(&plan, "a/witness"), "kill after a/refinery: parked");
}

#[test]
fn a_stop_that_nothing_depends_on_any_more_is_ready() {
    let plan = parked_pair().running("a/witness").plan();
    assert_eq!(says(&plan, "a/witness"), "kill: parked");
}

#[test]
fn what_others_need_is_not_stopped_while_their_stop_is_under_way() {
    let given = parked_pair().running("a/witness").running("a/refinery").in_flight("a/refinery");
    let plan = given.plan();
    assert_eq!(says(&plan, "a/refinery"), "nothing: in-flight");
    assert_eq!(says(&plan, "a/witness"), "kill after a/refinery: parked");
}
