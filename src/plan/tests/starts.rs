//! The gates of a start, each shut on its own.

use std::time::Duration;

use super::builders::{Given, NOW, OLD_SERVER, SERVER, address, at, town};
use crate::ledger::{Cause, ServerSeen};
use crate::model::{BootId, Exit, Reason, Seen, SpecHash, Stamp, Why};
use crate::observed::Server;

const SCRIBE: &str = "sessions/scribe";

fn scribe(restart: &str) -> Given {
    town(&format!(
        "[backoff]\njitter = 0.0\n[sessions.scribe]\ncommand = [\"./x\", \"y\"]\nrestart = \"{restart}\""
    ))
}

fn cause(given: &Given) -> Cause {
    let plan = given.plan();
    let (_, step) = plan.steps().next().unwrap();
    step.action.launch().unwrap().cause
}

#[test]
fn the_restart_policy_decides_what_an_end_means() {
    let restart = "restart: exited";
    let finished = "held: finished";
    for (policy, exit, expected) in [
        ("always", None, restart),
        ("always", Some(Exit::Code(0)), restart),
        ("always", Some(Exit::Code(1)), restart),
        ("on-failure", Some(Exit::Code(0)), finished),
        ("on-failure", Some(Exit::Code(1)), restart),
        ("on-failure", Some(Exit::Signal(15)), restart),
        ("on-failure", None, "held: unknown"),
        ("never", Some(Exit::Code(0)), finished),
        ("never", Some(Exit::Code(1)), finished),
        ("never", Some(Exit::Signal(9)), finished),
        ("never", None, finished),
    ] {
        assert_eq!(scribe(policy).dead(SCRIBE, exit).says(SCRIBE), expected, "{policy} {exit:?}");
    }
}

#[test]
fn the_restart_policy_never_keeps_from_a_first_start() {
    for policy in ["always", "on-failure", "never"] {
        assert_eq!(scribe(policy).says(SCRIBE), "start: absent", "{policy}");
    }
}

#[test]
fn an_end_that_nobody_saw_is_a_failure() {
    let vanished = |policy| scribe(policy).past(SCRIBE, SERVER, Some(Seen::Known(false)));
    assert_eq!(vanished("on-failure").says(SCRIBE), "restart: vanished");
    assert_eq!(vanished("never").says(SCRIBE), "held: finished");
    assert_eq!(scribe("on-failure").pane_gone(SCRIBE).says(SCRIBE), "restart: pane-gone");
    assert_eq!(scribe("never").pane_gone(SCRIBE).says(SCRIBE), "held: finished");
    assert_eq!(scribe("on-failure").bare_shell(SCRIBE).says(SCRIBE), "restart: shell-left");
    assert_eq!(scribe("never").bare_shell(SCRIBE).says(SCRIBE), "held: finished");
}

#[test]
fn what_led_to_a_start_is_kept_apart() {
    let always = || scribe("always");
    assert_eq!(cause(&always()), Cause::First);
    assert_eq!(cause(&always().dead(SCRIBE, Some(Exit::Code(0)))), Cause::CleanExit);
    assert_eq!(cause(&always().dead(SCRIBE, Some(Exit::Code(2)))), Cause::Crash);
    assert_eq!(cause(&always().dead(SCRIBE, None)), Cause::Crash);
    assert_eq!(cause(&always().bare_shell(SCRIBE)), Cause::Crash);
    assert_eq!(cause(&always().past(SCRIBE, SERVER, Some(Seen::Known(false)))), Cause::Crash);
    assert_eq!(cause(&always().past(SCRIBE, OLD_SERVER, Some(Seen::Known(false)))), Cause::ServerLost);
}

#[test]
fn a_restart_waits_after_a_restart() {
    let given = |now| scribe("always").dead(SCRIBE, None).started_at(SCRIBE, &[1000, 1010]).now(now);
    assert_eq!(given(1039).says(SCRIBE), "held: backoff");
    assert_eq!(given(1040).says(SCRIBE), "restart: exited");
    let plan = given(1039).plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    assert_eq!(verdict.because, Reason::Backoff { until: at(1040), attempt: 1, of: 5 });
    assert_eq!(plan.wake, Some(at(1040)), "it wakes when the wait is over");
}

#[test]
fn s50_what_its_server_took_along_does_not_wait() {
    let given = scribe("always").started_at(SCRIBE, &[1000, 1010]);
    let given = given.past(SCRIBE, OLD_SERVER, Some(Seen::Known(false))).now(1011);
    assert_eq!(given.says(SCRIBE), "restart: server-lost");
}

#[test]
fn s54_a_crash_loop_holds_and_then_probes() {
    let given = |now| {
        let given = scribe("always").dead(SCRIBE, Some(Exit::Code(1)));
        given.started_at(SCRIBE, &[1000, 1001, 1031, 1091, 1211, 1451]).now(now)
    };
    assert_eq!(given(2000).says(SCRIBE), "held: crash-loop");
    assert_eq!(given(2000).plan().wake, Some(at(1451 + 3600)));
    assert_eq!(given(1451 + 3600).says(SCRIBE), "restart: probe");
    assert_eq!(cause(&given(1451 + 3600)), Cause::Probe);
}

#[test]
fn a_changed_spec_starts_with_a_clean_slate() {
    let given = scribe("always").dead(SCRIBE, None).started_at(SCRIBE, &[1000, 1001, 1031, 1091, 1211, 1451]);
    let given = given.remember(SCRIBE, |record| record.spec = SpecHash::from_hex("000000000000"));
    assert_eq!(given.now(1500).says(SCRIBE), "restart: exited");
}

/// Remembers a moment of another boot, whose clock went this many seconds ahead of ours.
fn ahead(seconds: i64) -> Stamp {
    let now = at(NOW);
    Stamp {
        boot: BootId("before".to_owned()),
        wall: now.wall.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap(),
        ..now
    }
}

#[test]
fn law_8_a_clock_that_was_wrong_before_a_reboot_makes_no_wait_longer() {
    let year = 31_536_000;
    let wait = scribe("always").dead(SCRIBE, None).started_at(SCRIBE, &[10]);
    let wait = wait.remember(SCRIBE, |record| record.not_before = Some(ahead(year)));
    assert_eq!(wait.says(SCRIBE), "restart: exited");
    let lasting = scribe("always").dead(SCRIBE, None).started_at(SCRIBE, &[10]);
    let lasting = lasting.remember(SCRIBE, |record| record.crash_loop = Some(ahead(year)));
    assert_eq!(lasting.says(SCRIBE), "restart: probe", "a crash loop lasts an hour, not a year");
}

#[test]
fn law_8_starts_stamped_by_a_wrong_clock_take_no_turns() {
    let mut given = scribe("always");
    given.ledger.starts = vec![ahead(31_536_000); 12];
    assert_eq!(given.says(SCRIBE), "start: absent");
}

#[test]
fn s100_what_cannot_be_remembered_is_not_started() {
    let mut given = scribe("always");
    given.ledger.trouble = Some(Why::new("disk full"));
    assert_eq!(given.says(SCRIBE), "held: memory-not-durable");
    assert_eq!(given.clone().running(SCRIBE).says(SCRIBE), "nothing: running");
}

#[test]
fn s42_without_its_directory_it_is_not_started_elsewhere() {
    let missing = scribe("always").place(SCRIBE, |place| place.directory = Seen::Known(None));
    assert_eq!(missing.says(SCRIBE), "held: directory-missing");
    let unknown = scribe("always").place(SCRIBE, |place| place.directory = Seen::unknown("EIO"));
    assert_eq!(unknown.says(SCRIBE), "held: unknown");
}

#[test]
fn a_start_goes_where_the_look_found_its_directory_and_its_program() {
    let plan = scribe("always").plan();
    let (_, step) = plan.steps().next().unwrap();
    let launch = step.action.launch().unwrap();
    assert_eq!(launch.directory.to_str(), Some(super::builders::ROOT));
    assert_eq!(launch.program.to_str(), Some("/bin/agent"));
}

#[test]
fn s88_a_program_that_is_nowhere_is_named_with_the_path_that_was_searched() {
    let given = scribe("always").place(SCRIBE, |place| place.program = Seen::Known(None));
    let plan = given.plan();
    let expected = Reason::ProgramMissing { program: "./x".to_owned(), path: "/bin".to_owned() };
    assert_eq!(plan.of(&address(SCRIBE)).unwrap().because, expected);
    let unknown = scribe("always").place(SCRIBE, |place| place.program = Seen::unknown("EIO"));
    assert_eq!(unknown.says(SCRIBE), "held: unknown");
}

#[test]
fn a_place_that_was_not_looked_at_is_unknown() {
    let mut given = scribe("always");
    given.observed.places.clear();
    assert_eq!(given.says(SCRIBE), "held: unknown");
}

#[test]
fn another_socket_in_the_files_does_not_double_agents_that_live_at_the_old_one() {
    let mut given = scribe("always");
    given.ledger.server = Some(ServerSeen { process: OLD_SERVER, boot: None, socket: "/old".to_owned() });
    for (past, expected) in [
        (Some(Seen::Known(true)), "held: server-changed"),
        (Some(Seen::unknown("EACCES")), "held: unknown"),
        (Some(Seen::Known(false)), "start: absent"),
        (None, "start: absent"),
    ] {
        given.observed.past_server = past.clone();
        assert_eq!(given.says(SCRIBE), expected, "{past:?}");
        let down = given.clone().server(Seen::Known(Server::Down));
        assert_eq!(down.says(SCRIBE), expected, "{past:?}, nothing at the new one yet");
    }
}

#[test]
fn the_same_socket_is_no_change() {
    let mut given = scribe("always");
    let socket = given.observed.socket.clone();
    given.ledger.server = Some(ServerSeen { process: OLD_SERVER, boot: None, socket });
    given.observed.past_server = Some(Seen::Known(true));
    assert_eq!(given.says(SCRIBE), "start: absent");
}

#[test]
fn a_held_start_tells_of_the_last_one() {
    let given = scribe("always").dead(SCRIBE, None).started_at(SCRIBE, &[1000, 1010]).now(1020);
    let last = given.evidence(SCRIBE).pop().unwrap();
    assert_eq!(last.age, Some(Duration::from_secs(10)));
    assert!(last.what.contains("restart 1"), "{last:?}");
}
