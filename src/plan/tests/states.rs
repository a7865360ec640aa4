//! Every state of an object that should run, and what follows from it.

use std::time::Duration;

use super::builders::{OLD_SERVER, SERVER, SETTLED, YOUNG, address, at, steps, town};
use crate::model::{Exit, Reason, Seen, SpecHash, Stamp};
use crate::observed::Server;
use crate::plan::{Decision, LaunchInto, State};

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str = "[sessions.scribe]\ncommand = [\"./scribe\", \"--follow\"]";

fn into(given: &super::builders::Given) -> LaunchInto {
    let plan = given.plan();
    let (_, step) = plan.steps().next().unwrap();
    step.action.launch().unwrap().into.clone()
}

#[test]
fn what_never_ran_is_started() {
    let given = town(TOWN);
    assert_eq!(given.says(SCRIBE), "start: absent");
    assert_eq!(into(&given), LaunchInto::NewSession);
}

#[test]
fn without_a_server_everything_wanted_is_started() {
    assert_eq!(town(TOWN).server(Seen::Known(Server::Down)).says(SCRIBE), "start: absent");
}

#[test]
fn s47_what_vanished_without_a_stop_is_started_again() {
    let given = town(TOWN).past(SCRIBE, SERVER, Some(Seen::Known(false)));
    assert_eq!(given.says(SCRIBE), "restart: vanished");
    assert_eq!(into(&given), LaunchInto::NewSession);
    let never_seen = town(TOWN).started_at(SCRIBE, &[10]);
    assert_eq!(never_seen.says(SCRIBE), "restart: vanished");
}

#[test]
fn s50_what_its_server_took_along_is_started_again() {
    let lost = town(TOWN).past(SCRIBE, OLD_SERVER, Some(Seen::Known(false)));
    assert_eq!(lost.says(SCRIBE), "restart: server-lost", "another server answers");
    assert_eq!(lost.server(Seen::Known(Server::Down)).says(SCRIBE), "restart: server-lost", "none does");
}

#[test]
fn law_1_a_remembered_process_that_cannot_be_seen_is_not_started_again() {
    let unknown = town(TOWN).past(SCRIBE, SERVER, Some(Seen::unknown("EACCES")));
    assert_eq!(unknown.says(SCRIBE), "held: unknown");
    assert_eq!(town(TOWN).past(SCRIBE, SERVER, None).says(SCRIBE), "held: unknown");
}

#[test]
fn a_remembered_process_that_outlived_its_session_is_not_doubled() {
    let given = town(TOWN).past(SCRIBE, OLD_SERVER, Some(Seen::Known(true)));
    assert_eq!(given.says(SCRIBE), "held: detached");
}

#[test]
fn what_runs_is_left_alone() {
    assert_eq!(town(TOWN).running(SCRIBE).says(SCRIBE), "nothing: running");
}

#[test]
fn s07_a_process_that_might_be_a_bare_shell_is_alive() {
    let given = town(TOWN).living(SCRIBE, SETTLED, Seen::unknown("EACCES"));
    assert_eq!(given.says(SCRIBE), "nothing: running");
}

#[test]
fn s14_what_has_just_begun_is_given_time_even_as_a_shell() {
    assert_eq!(town(TOWN).starting(SCRIBE).says(SCRIBE), "nothing: starting");
    assert_eq!(town(TOWN).living(SCRIBE, YOUNG, Seen::Known(true)).says(SCRIBE), "nothing: starting");
    let settle = Duration::from_secs(1);
    assert_eq!(town(TOWN).living(SCRIBE, settle, Seen::Known(false)).says(SCRIBE), "nothing: running");
}

#[test]
fn s49_what_ended_is_started_again_in_its_pane() {
    for exit in [None, Some(Exit::Code(0)), Some(Exit::Code(1)), Some(Exit::Signal(9))] {
        let given = town(TOWN).dead(SCRIBE, exit);
        assert_eq!(given.says(SCRIBE), "restart: exited");
        assert!(matches!(into(&given), LaunchInto::DeadPane(fence) if fence.pane().is_some()));
    }
}

#[test]
fn a_session_without_its_pane_gets_a_new_one() {
    let given = town(TOWN).pane_gone(SCRIBE);
    assert_eq!(given.says(SCRIBE), "restart: pane-gone");
    assert!(matches!(into(&given), LaunchInto::NewWindow(_)));
}

#[test]
fn s48_a_bare_shell_that_an_agent_left_is_replaced() {
    for command in ["[\"./wrap\"]", "[\"claude\", \"--yes\"]", "[\"bash\", \"-lc\", \"agent; exec bash\"]"] {
        let given = town(&format!("[sessions.scribe]\ncommand = {command}")).bare_shell(SCRIBE);
        assert_eq!(given.says(SCRIBE), "restart: shell-left", "{command}");
        assert!(matches!(into(&given), LaunchInto::Replacing(_)));
    }
}

#[test]
fn s15_a_bare_shell_that_somebody_looks_at_is_left_to_them() {
    assert_eq!(town(TOWN).bare_shell(SCRIBE).attached().says(SCRIBE), "held: attached");
}

#[test]
fn a_bare_shell_is_an_agent_where_the_files_ask_for_a_shell() {
    for command in ["[\"bash\"]", "[\"/usr/bin/zsh\"]", "[\"bash\", \"-l\"]", "[\"bash\", \"--norc\"]"] {
        let given = town(&format!("[sessions.scribe]\ncommand = {command}")).bare_shell(SCRIBE);
        assert_eq!(given.says(SCRIBE), "nothing: running", "{command}");
    }
}

#[test]
fn a_nudge_is_never_typed_into_a_bare_shell_that_would_run_it() {
    let given = town("[sessions.scribe]\ncommand = [\"claude\", \"--yes\"]").bare_shell(SCRIBE).attached();
    assert!(given.nudge(SCRIBE).plan().steps().next().is_none());
}

#[test]
fn what_lost_its_terminal_is_reported_and_not_doubled() {
    assert_eq!(town(TOWN).detached(SCRIBE).says(SCRIBE), "held: detached");
}

#[test]
fn what_is_just_ending_is_looked_at_again_soon() {
    let plan = town(TOWN).ending(SCRIBE).plan();
    assert_eq!(super::builders::says(&plan, SCRIBE), "held: unknown");
    let wait = at(super::builders::NOW).until(&plan.wake.unwrap());
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
}

#[test]
fn law_1_a_process_that_cannot_be_seen_is_left_alone() {
    assert_eq!(town(TOWN).unseen(SCRIBE).says(SCRIBE), "held: unknown");
    assert_eq!(town(TOWN).running(SCRIBE).unseen(SCRIBE).says(SCRIBE), "held: unknown", "one of two");
    assert_eq!(town(TOWN).unseen(SCRIBE).dead(SCRIBE, None).says(SCRIBE), "held: unknown", "one of two");
}

#[test]
fn s08_a_server_that_cannot_be_seen_stops_everything() {
    let given = town(TOWN).nudge(SCRIBE).server(Seen::unknown("timed out")).pruning();
    assert_eq!(given.says(SCRIBE), "held: unknown");
    assert_eq!(steps(&given.plan()), Vec::<String>::new());
}

#[test]
fn s37_a_lost_socket_founds_no_second_server() {
    for pid in [None, Some(42)] {
        let given = town(TOWN).server(Seen::Known(Server::SocketLost { pid }));
        assert_eq!(given.says(SCRIBE), "held: socket-lost");
    }
}

#[test]
fn two_living_sessions_of_one_object_are_both_left_alone() {
    let given = town(TOWN).running(SCRIBE).starting(SCRIBE);
    let plan = given.plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    assert_eq!(verdict.because, Reason::Duplicate { count: 2 });
    assert_eq!(verdict.decision, Decision::Held);
}

#[test]
fn a_living_session_counts_before_a_dead_one() {
    let given = town(TOWN).running(SCRIBE).dead(SCRIBE, None);
    assert_eq!(given.says(SCRIBE), "nothing: running");
}

#[test]
fn what_is_under_way_is_not_done_twice() {
    for given in [town(TOWN), town(TOWN).dead(SCRIBE, None), town(TOWN).running(SCRIBE).nudge(SCRIBE)] {
        assert_eq!(given.in_flight(SCRIBE).says(SCRIBE), "nothing: in-flight");
    }
}

#[test]
fn a_nudge_reaches_only_what_is_alive() {
    assert_eq!(town(TOWN).running(SCRIBE).nudge(SCRIBE).says(SCRIBE), "nudge: asked");
    for given in [town(TOWN).starting(SCRIBE), town(TOWN).unseen(SCRIBE), town(TOWN).detached(SCRIBE)] {
        assert_eq!(given.nudge(SCRIBE).plan().counts().nudge, 0);
    }
    assert_eq!(town(TOWN).dead(SCRIBE, None).nudge(SCRIBE).says(SCRIBE), "restart: exited");
}

#[test]
fn a_nudge_is_for_its_object_alone() {
    let given = town(&format!("{TOWN}\n[sessions.other]\ncommand = [\"x\"]"));
    let given = given.running(SCRIBE).running("sessions/other").nudge("sessions/other");
    assert_eq!(steps(&given.plan()), ["sessions/other nudge: asked"]);
}

#[test]
fn s27_a_changed_spec_is_noted_and_nothing_else() {
    let old = SpecHash::from_hex("000000000000");
    let given = town(TOWN).running(SCRIBE).edit(|session| session.spec = old);
    let plan = given.plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    assert!(verdict.drifted && matches!(verdict.state, State::Running(_)));
    assert_eq!(verdict.decision, Decision::Nothing);
    let same = town(TOWN).running(SCRIBE).plan();
    assert!(!same.of(&address(SCRIBE)).unwrap().drifted);
    let unsaid = town(TOWN).running(SCRIBE).edit(|session| session.spec = None).plan();
    assert!(!unsaid.of(&address(SCRIBE)).unwrap().drifted, "what is not known is not drift");
}

#[test]
fn law_10_a_verdict_tells_what_it_rests_on() {
    let evidence = town(TOWN).dead(SCRIBE, Some(Exit::Signal(9))).evidence(SCRIBE);
    assert!(evidence[0].what.contains("signal 9"), "{evidence:?}");
    let evidence = town(TOWN).running(SCRIBE).evidence(SCRIBE);
    assert_eq!(evidence[0].age, Some(SETTLED));
}

#[test]
fn law_7_the_moment_is_given_and_never_read() {
    let given = town(TOWN).started_at(SCRIBE, &[10, 20]);
    let elsewhere = Stamp { wall: jiff::Timestamp::UNIX_EPOCH, ..at(25) };
    let mut other = given.clone().now(25);
    other.observed.at = elsewhere;
    assert_eq!(given.now(25).says(SCRIBE), other.says(SCRIBE));
}
