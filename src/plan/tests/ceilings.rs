//! Law 4: ceilings hold whatever else is wrong.

use super::builders::{Given, NOW, at, says, steps, town};
use crate::desired::HoldKind;
use crate::model::{Exit, Label, Seen};
use crate::observed::Server;

/// A town of so many sessions `s00`, `s01`, …, with these limits.
fn sessions(count: usize, limits: &str) -> Given {
    let mut text = format!("[limits]\n{limits}\n");
    for number in 0..count {
        text.push_str(&format!("[sessions.s{number:02}]\ncommand = [\"./x\", \"y\"]\n"));
    }
    town(&text)
}

fn all(given: Given, count: usize, change: impl Fn(Given, &str) -> Given) -> Given {
    (0..count).fold(given, |given, number| change(given, &format!("sessions/s{number:02}")))
}

/// `rigs` rigs, all running, `parked` of them parked; two agents each.
fn parking(rigs: usize, parked: usize, limits: &str) -> Given {
    let mut text = format!("[limits]\n{limits}\n");
    for rig in 0..rigs {
        let state = if rig < parked { "parked" } else { "active" };
        text.push_str(&format!("[rigs.r{rig}]\nstate = \"{state}\"\n"));
    }
    (0..rigs).fold(town(&text), |given, rig| {
        given.running(&format!("r{rig}/witness")).running(&format!("r{rig}/refinery"))
    })
}

#[test]
fn s06_a_plan_that_would_stop_too_many_stops_none() {
    let plan = parking(9, 3, "").plan();
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(says(&plan, "r0/witness"), "held: mass-stop");
    let refusal = plan.refusal.unwrap();
    assert_eq!((refusal.stops.len(), refusal.limit), (6, 3));
}

#[test]
fn s06_an_approval_lifts_exactly_that_refusal() {
    let mut given = parking(9, 3, "");
    let lives = given.plan().refusal.unwrap().lives;
    given.ledger.approvals.extend(lives.clone());
    assert_eq!(given.plan().counts().kill, 6);
    assert_eq!(given.plan().refusal, None);
    let mut more = parking(9, 4, "");
    more.ledger.approvals.extend(lives);
    assert_eq!(more.plan().counts().kill, 0, "another set of stops is another refusal");
}

#[test]
fn exactly_as_many_as_may_be_stopped_are_stopped() {
    assert_eq!(parking(10, 2, "kills-per-pass = 4").plan().counts().kill, 4);
    assert_eq!(parking(10, 2, "kills-per-pass = 3").plan().counts().kill, 0);
}

#[test]
fn never_more_than_three_in_ten_of_what_runs() {
    assert_eq!(parking(10, 3, "kills-per-pass = 100").plan().counts().kill, 6, "6 of 20");
    assert_eq!(parking(9, 3, "kills-per-pass = 100").plan().counts().kill, 0, "6 of 18");
}

#[test]
fn the_two_of_the_only_rig_may_be_stopped() {
    assert_eq!(parking(1, 1, "").plan().counts().kill, 2);
    assert_eq!(parking(1, 1, "kills-per-pass = 1").plan().counts().kill, 0, "unless less is asked for");
}

#[test]
fn sessions_without_life_are_cleared_without_being_counted() {
    let mut text = String::new();
    for rig in 0..4 {
        text.push_str(&format!("[rigs.r{rig}]\nstate = \"parked\"\n"));
    }
    let given = (0..4).fold(town(&text), |given, rig| {
        given.dead(&format!("r{rig}/witness"), None).dead(&format!("r{rig}/refinery"), None)
    });
    assert_eq!(given.plan().counts().kill, 8);
}

#[test]
fn a_restart_of_what_is_dead_is_no_stop() {
    let given = all(sessions(8, ""), 8, |given, of| given.dead(of, Some(Exit::Code(1))));
    assert_eq!(given.plan().counts().restart, 8);
}

#[test]
fn replacing_a_bare_shell_ends_a_life_and_counts() {
    let given = all(sessions(3, ""), 3, Given::bare_shell);
    let plan = given.plan();
    assert_eq!(plan.counts().restart, 0);
    assert_eq!(plan.refusal.unwrap().stops.len(), 3);
}

#[test]
fn an_approval_is_for_these_lives_and_no_later_ones() {
    let shells = all(sessions(3, ""), 3, Given::bare_shell).plan().refusal.unwrap().id;
    let mut later = sessions(3, "").running("sessions/s00").edit(|session| session.label = Label::default());
    later = all(later, 3, Given::bare_shell);
    assert_ne!(later.plan().refusal.unwrap().id, shells, "the lives have other names");
    let parked = parking(2, 2, "").plan().refusal.unwrap().id;
    assert_eq!(parking(2, 2, "").plan().refusal.unwrap().id, parked, "the same lives have the same id");
}

#[test]
fn starts_take_turns() {
    let plan = sessions(5, "starts-in-flight = 2").plan();
    let gates: Vec<String> = (0..5).map(|number| says(&plan, &format!("sessions/s{number:02}"))).collect();
    assert_eq!(
        gates,
        [
            "start: absent",
            "start: absent",
            "start in turn: absent",
            "start in turn: absent",
            "start in turn: absent"
        ]
    );
}

#[test]
fn starts_that_are_under_way_take_a_turn() {
    let given = sessions(4, "starts-in-flight = 2").in_flight("sessions/s00").starting("sessions/s01");
    let plan = given.plan();
    assert_eq!(says(&plan, "sessions/s02"), "start in turn: absent");
    let once = sessions(2, "starts-in-flight = 2").starting("sessions/s00").in_flight("sessions/s00");
    assert_eq!(once.says("sessions/s01"), "start: absent", "one start is one turn");
}

#[test]
fn s67_starts_are_spaced_and_say_when_they_come() {
    let mut given = sessions(3, "starts-per-minute = 2\nstarts-in-flight = 10");
    given.ledger.starts = vec![at(NOW - 70), at(NOW - 50)];
    let plan = given.plan();
    assert_eq!(says(&plan, "sessions/s00"), "start: absent");
    assert_eq!(says(&plan, "sessions/s01"), format!("start at {}: absent", NOW + 10));
    assert_eq!(plan.wake, Some(at(NOW + 10)));
}

#[test]
fn a_start_that_waits_for_another_object_takes_no_turn() {
    let given = town(
        "[limits]\nstarts-in-flight = 1\n[sessions.a]\ncommand = [\"x\"]\nafter = [\"sessions/b\"]\n[sessions.b]\ncommand = [\"x\"]\n[sessions.c]\ncommand = [\"x\"]",
    );
    let plan = given.starting("sessions/b").plan();
    assert_eq!(says(&plan, "sessions/a"), "start after sessions/b: absent");
    assert_eq!(says(&plan, "sessions/c"), "start in turn: absent");
}

#[test]
fn s41_no_more_sessions_than_the_town_may_have() {
    let given = sessions(3, "sessions = 2").running("sessions/s00");
    let plan = given.plan();
    assert_eq!(says(&plan, "sessions/s01"), "start: absent");
    assert_eq!(says(&plan, "sessions/s02"), "held: session-limit");
}

#[test]
fn another_town_s_sessions_do_not_count() {
    let given = sessions(2, "sessions = 2").of_other_town("a/witness").of_other_town("a/refinery");
    assert_eq!(given.plan().counts().start, 2);
}

#[test]
fn a_restart_in_its_own_session_needs_no_room() {
    let given = all(sessions(2, "sessions = 1"), 2, |given, of| given.dead(of, None));
    assert_eq!(given.plan().counts().restart, 2);
}

#[test]
fn a_session_that_is_just_being_made_counts_already() {
    let given = sessions(2, "sessions = 1").in_flight("sessions/s00");
    assert_eq!(given.says("sessions/s01"), "held: session-limit");
    let made = sessions(3, "sessions = 2").running("sessions/s00").in_flight("sessions/s00");
    assert_eq!(made.says("sessions/s01"), "start: absent", "and not twice once it is there");
}

#[test]
fn a_session_that_is_to_be_adopted_counts_already() {
    let claim = super::ownership::gt_claim("witness", Some("a"), None);
    let given = town("[limits]\nsessions = 1\n[rigs.a]").claimed("a/witness", Seen::Known(claim));
    assert_eq!(given.says("a/witness"), "adopt: started-by-gt");
    assert_eq!(given.says("a/refinery"), "held: session-limit");
}

#[test]
fn without_a_server_the_ceilings_hold_as_well() {
    let given = sessions(4, "sessions = 3\nstarts-in-flight = 1").server(Seen::Known(Server::Down));
    let plan = given.plan();
    assert_eq!(says(&plan, "sessions/s00"), "start: absent");
    assert_eq!(says(&plan, "sessions/s01"), "start in turn: absent");
    assert_eq!(says(&plan, "sessions/s03"), "held: session-limit");
}

#[test]
fn what_is_adopted_or_held_takes_no_turn() {
    let given = sessions(2, "starts-in-flight = 1").hold("sessions/s00", HoldKind::Disabled);
    assert_eq!(given.says("sessions/s01"), "start: absent");
}
