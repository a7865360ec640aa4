//! `gtctl simulate`: the town's own files in a simulated world. The laws that are held there are tested by `tests/simulation.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Fake, TestTown};
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";
const HELPER: &str = "sessions/helper";

/// A rig, a session, and one that comes after it.
fn town() -> TestTown {
    TestTown::new()
        .rig("gastown", Fake::Ok)
        .session("scribe", Fake::Ok)
        .session("helper", Fake::Ok)
        .with("sessions.helper", "after = ['sessions/scribe']")
}

/// The answer of a simulation as JSON.
fn simulated(town: &TestTown, args: &[&str], code: i32) -> Value {
    let args = [&["simulate", "-o", "json"], args].concat();
    let ran = town.gtctl(&args).exits(code);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"))
}

/// The addresses of a list of objects.
fn addresses(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|one| one["address"].as_str()).collect()
}

#[test]
fn a_fine_town_comes_up_in_order_and_stays_up_whatever_happens() {
    let ran = town().gtctl(&["simulate", "--seeds", "5"]).exits(0);
    let at = |address: &str| ran.stdout.find(address).unwrap_or_else(|| panic!("no {address}\n{ran}"));
    assert!(at(SCRIBE) < at(HELPER), "{ran}");
    let last = ran.last_line();
    assert!(last.starts_with("Simulated: "), "{ran}");
    assert!(last.ends_with(" × 5 runs, all came to rest; everything comes up."), "{ran}");
    assert_eq!(ran.stderr, "", "a simulated disk that is full is no news");
}

#[test]
fn every_kind_of_fault_happens_to_a_town_that_has_everything() {
    let answer = simulated(&town(), &["--seeds", "10"], 0);
    let faults = answer["faults"].as_array().unwrap();
    assert!(faults.len() > 20);
    for fault in faults {
        assert_eq!(fault["at-rest"], 10, "{fault}");
        assert!(fault["faults"].as_u64().unwrap() >= 5, "{fault}");
    }
    let cost = |name: &str| {
        let fault = faults.iter().find(|fault| fault["name"] == name).unwrap();
        (
            fault["faults"].as_u64().unwrap(),
            fault["starts"].as_u64().unwrap(),
            fault["stops"].as_u64().unwrap(),
        )
    };
    let (died, starts, stops) = cost("agent-dies");
    assert!(starts <= died && starts + 10 > died && stops == 0, "each death costs one start, no more");
    assert_eq!(cost("session-renamed").1, 0, "a name is only a name");
    assert!(cost("rig-parked").2 > 0, "a parked rig is stopped");
}

#[test]
fn what_never_comes_up_is_told_with_its_reason_and_fails() {
    let town = town();
    town.set("sessions.scribe", "command = ['/nowhere/scribe']");
    let ran = town.gtctl(&["simulate", "--faults", "none"]).exits(1);
    let place = town.place_of("town.toml", "[sessions.scribe]");
    let ran = ran
        .says("sessions/scribe: cannot start: command not found: /nowhere/scribe")
        .says(&format!("asked for by {place}"))
        .says("sessions/helper: waiting for sessions/scribe, which is not alive");
    assert_eq!(ran.last_line(), "Simulated: no faults; 2 objects never come up.");
    let answer = simulated(&town, &["--faults", "none"], 1);
    assert_eq!(addresses(&answer["without-faults"]["never-up"]), [SCRIBE, HELPER]);
    assert_eq!(answer["without-faults"]["never-up"][0]["reason"]["code"], "program-missing");
    assert_eq!(addresses(&answer["without-faults"]["up"]).len(), 2);
}

#[test]
fn what_never_comes_up_makes_no_other_promise_fail() {
    let town = town();
    town.set("sessions.scribe", "directory = 'gone'");
    town.gtctl(&["simulate", "--seeds", "5"])
        .exits(1)
        .says("directory missing")
        .says("all came to rest; 2 objects never come up.");
    town.gtctl(&["simulate", "--seeds", "5", "--assume-installed"]).exits(0).says("everything comes up");
}

#[test]
fn a_hold_of_a_file_is_no_failure_and_is_told_with_its_line() {
    let town = town().with("rigs.gastown", "state = 'parked'");
    let place = town.place_of("town.toml", "state = 'parked'");
    town.gtctl(&["simulate", "--seeds", "5"])
        .exits(0)
        .says("gastown/witness: its rig is parked")
        .says(&place)
        .says("everything comes up");
}

#[test]
fn files_of_gt_hold_in_the_simulation_too() {
    let town = TestTown::new().workspace(&["gastown", "beads"], Fake::Ok);
    town.file(".beads-wisp/config/beads.json", r#"{"rig":"beads","values":{"status":"parked"}}"#);
    town.file("ESTOP.gastown", "");
    let answer = simulated(&town, &["--seeds", "5"], 0);
    let held = &answer["without-faults"]["held"];
    // The deacon of a fake workspace is off.
    assert_eq!(addresses(held).len(), 5, "{answer:#}");
    let codes: Vec<&str> =
        held.as_array().unwrap().iter().filter_map(|one| one["reason"]["code"].as_str()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "frozen").count(), 2, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "parked").count(), 2, "{codes:?}");
}

#[test]
fn the_same_seed_and_files_give_the_same_answer() {
    let town = town();
    let args = ["simulate", "--seeds", "8", "--seed", "100"];
    assert_eq!(town.gtctl(&args).exits(0).stdout, town.gtctl(&args).exits(0).stdout);
    assert_eq!(simulated(&town, &args[1..], 0), simulated(&town, &args[1..], 0));
}

#[test]
fn law_7_a_simulation_leaves_no_trace_and_calls_no_tmux() {
    let town = town();
    let shim = town.shim();
    town.once().exits(0);
    let (before, calls) = (town.files(), shim.calls().len());
    assert!(calls > 0, "the shim is in the way of tmux");
    town.gtctl(&["simulate", "--seeds", "3"]).exits(0);
    town.gtctl(&["simulate", "--seeds", "3", "-o", "json"]).exits(0);
    assert_eq!(town.files(), before, "not a byte, not a time");
    assert_eq!(shim.calls().len(), calls, "no call");
}

#[test]
fn a_wrong_list_of_faults_is_a_wrong_use() {
    let town = town();
    town.gtctl(&["simulate", "--faults", "agent-dyes"]).exits(64).says("did you mean agent-dies?");
    town.gtctl(&["simulate", "--seeds", "0"]).exits(64);
    let help = town.gtctl(&["simulate", "--help"]).exits(0);
    let answer = simulated(&town, &["--seeds", "1"], 0);
    for fault in answer["faults"].as_array().unwrap() {
        assert!(help.stdout.contains(fault["name"].as_str().unwrap()), "{fault}");
    }
}

#[test]
fn only_the_faults_that_were_asked_for_are_simulated() {
    let answer = simulated(&town(), &["--seeds", "2", "--faults", "reboot,agent-dies"], 0);
    let names: Vec<&str> =
        answer["faults"].as_array().unwrap().iter().filter_map(|fault| fault["name"].as_str()).collect();
    assert_eq!(names, ["reboot", "agent-dies"]);
}

#[test]
fn wrong_files_are_told_as_everywhere() {
    let town = town();
    town.town_toml("[sessions.more]\ncomand = ['x']\n");
    town.gtctl(&["simulate"]).exits(6).says("comand");
}

#[test]
fn boot_and_pokes_come_to_rest_and_boot_is_nobody_who_never_comes_up() {
    let town = TestTown::new()
        .workspace(&["gastown"], Fake::Ok)
        .with("roles.deacon", "enabled = true")
        .with("roles.witness", "poke = true")
        .with("boot", "cooldown = '2m'");
    town.make_dirs(&["deacon/dogs/boot"]);
    let answer = simulated(&town, &["--seeds", "6"], 0);
    let alone = &answer["without-faults"];
    let counts = ["up", "never-up", "held"].map(|which| alone[which].as_array().unwrap().len());
    assert_eq!(counts, [3, 0, 0], "{answer:#}");
    for fault in answer["faults"].as_array().unwrap() {
        assert!(fault["broken"].is_null(), "{fault:#}");
    }
}
