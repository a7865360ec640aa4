//! Section E of the scenarios: what happened and why, and what the exit codes mean; and starting up after a bad end.

mod common;

use std::fs;

use common::{Fake, Mode, SOON, TestTown};
use rustix::process::Signal;
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";

#[test]
fn s84_each_action_and_hold_can_be_explained_also_after_a_restart() {
    let town = TestTown::new().session("scribe", Fake::Ok).witness("gastown", Fake::Ok);
    let controller = town.controller();
    let witness = town.wait_alive("gastown/witness").life().expect("it lives");
    let first = town.wait_alive(SCRIBE);
    town.gtctl(&["why", SCRIBE]).exits(0).says("start");
    town.gtctl(&["why", SCRIBE, "-o", "json"]).exits(0).says("absent").says(first.incarnation());

    let old = first.life().expect("it lives");
    old.kill();
    let second = town.wait_replaced(SCRIBE, old, SOON);
    town.gtctl(&["park", "gastown", "--reason", "holiday"]).exits(0);
    town.wait_until("the witness stops", SOON, || !witness.is_alive());
    controller.passes(1);

    let explained = |when: &str| {
        let clock = |text: &str| {
            text.split_whitespace().any(|word| word.len() >= 8 && word.matches(':').count() == 2)
        };
        let ran = town.gtctl(&["why", SCRIBE]).exits(0).says("signal 9").says("restart");
        assert!(clock(&ran.stdout), "{when}: no time\n{ran}");
        town.gtctl(&["why", SCRIBE, "-o", "json"]).exits(0).says("exited").says(second.incarnation());
        let place = town.place_of("town.toml", "parked");
        town.gtctl(&["why", "gastown/witness"]).says("parked").says("kill").says("holiday").says(&place);
    };
    explained("while it runs");
    assert_eq!(controller.terminate(), Some(0));
    explained("without a controller");
    let _controller = town.controller();
    explained("after a restart");
}

#[test]
fn s84_events_tell_what_was_done_and_what_came_of_it() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok).started();
    let ran =
        town.gtctl(&["events", "--for", SCRIBE]).exits(0).says("start").keeps_quiet_about("sessions/other");
    assert!(!ran.stdout.is_empty());
    let file = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
    let events: Vec<Value> = file.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(events.len(), file.lines().count(), "each line is JSON\n{file}");
    let of_scribe: Vec<&Value> = events.iter().filter(|event| event["object"] == SCRIBE).collect();
    assert!(
        of_scribe.iter().any(|event| event["action"] == "start" && event["reason"]["code"] == "absent"),
        "{file}"
    );
}

#[test]
fn s85_why_says_disabled_and_where() {
    let town = TestTown::new().session("scribe", Fake::Ok).with("sessions.scribe", "enabled = false");
    town.gtctl(&["why", SCRIBE])
        .exits(0)
        .says("disabled")
        .says(&town.place_of("town.toml", "enabled = false"));
}

#[test]
fn s85_why_says_parked_by_which_file() {
    let town = TestTown::new().workspace(&["a", "b"], Fake::Ok).with("rigs.a", "state = 'parked'");
    town.set("rigs.a", "reason = 'quiet week'");
    town.file(".beads-wisp/config/b.json", r#"{"rig":"b","values":{"status":"parked"},"blocked":[]}"#);
    let place = town.place_of("town.toml", "state = 'parked'");
    town.gtctl(&["why", "a/witness"]).exits(0).says("parked").says(&place).says("quiet week");
    town.gtctl(&["why", "b/witness"]).exits(0).says("parked").says(".beads-wisp/config/b.json");
}

#[test]
fn s85_why_says_backoff_and_the_attempt() {
    let town = TestTown::new()
        .session("scribe", Fake::Crash(0))
        .with("backoff", "initial = '10m'")
        .with("backoff", "max = '1h'");
    let _controller = town.controller();
    town.wait_until("it waits", SOON, || town.plan().reason(SCRIBE) == "backoff");
    let of = town.plan().verdict(SCRIBE)["reason"]["of"].clone();
    assert_eq!(of, 5);
    town.gtctl(&["why", SCRIBE]).exits(0).says("backoff").says("restart 1").says("5");
    assert_eq!(town.status_code(), Some(1));
}

#[test]
fn s85_why_says_held_by_the_ceiling() {
    let town = TestTown::new().session("a", Fake::Ok).session("b", Fake::Ok).with("limits", "sessions = 1");
    town.once().exits(5);
    assert_eq!(town.sessions().len(), 1);
    let held = if town.start_count("sessions/a") == 0 { "sessions/a" } else { "sessions/b" };
    town.plan().assert_held(held, "session-limit");
    town.gtctl(&["why", held]).exits(0).says_one_of(&[
        "session-limit",
        "limits.sessions",
        "as many sessions",
    ]);
}

#[test]
fn s85_why_says_unknown_and_the_error() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    town.shim().mode(Mode::Fail(1, "server is on strike"));
    town.gtctl(&["why", SCRIBE]).says("unknown").says("server is on strike");
}

#[test]
fn s85_why_says_that_the_name_is_taken() {
    let town = TestTown::new().witness("gastown", Fake::Ok);
    town.foreign_session("gt-gastown-witness", "claude");
    town.once().exits(5);
    town.gtctl(&["why", "gastown/witness"]).exits(0).says("foreign").says("gt-gastown-witness");
}

#[test]
fn s85_why_says_which_directory_is_missing() {
    let town = TestTown::new().session("scribe", Fake::Ok).with("sessions.scribe", "directory = 'no/where'");
    let missing = town.path("no/where").display().to_string();
    town.gtctl(&["why", SCRIBE]).exits(0).says("directory missing").says(&missing);
}

#[test]
fn s85_why_says_what_is_wrong_with_the_file() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    town.town_toml("[sessions.scribe\n");
    town.gtctl(&["why", SCRIBE]).fails().says("town.toml:");
}

#[test]
fn s85_why_of_what_does_not_exist_is_exit_code_4() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    town.gtctl(&["why", "sessions/scrib"]).exits(4).says(SCRIBE);
    town.gtctl(&["status", "sessions/nobody"]).exits(4);
    town.gtctl(&["why", "no such thing"]).fails();
    town.gtctl(&["dance"]).exits(64);
}

#[test]
fn s87_status_tells_wanted_unwanted_and_unknown_apart() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let shim = town.shim();
    assert_eq!(town.status_code(), Some(1), "wanted, and absent");
    town.once().exits(0);
    assert_eq!(town.status_code(), Some(0), "wanted, and there");

    shim.mode(Mode::Fail(1, "fork failed"));
    let ran = town.gtctl(&["status"]).exits(2);
    let of_scribe = ran.stdout.lines().find(|line| line.contains(SCRIBE)).unwrap_or_default();
    assert!(of_scribe.contains("unknown"), "{ran}");
    assert!(["stopped", "dead", "absent"].iter().all(|word| !of_scribe.contains(word)), "{ran}");
    let status = town.status();
    let objects = status["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let states: Vec<&Value> = objects.iter().map(|object| &object["state"]).collect();
    assert!(!states.is_empty() && states.iter().all(|state| *state == "unknown"), "{status:#}");

    shim.mode(Mode::Pass);
    let scribe = town.life(SCRIBE);
    scribe.kill();
    town.wait_until("it is seen dead", SOON, || town.plan().state(SCRIBE) == "dead");
    assert_eq!(town.status_code(), Some(1), "wanted, and dead");
    town.set("sessions.scribe", "enabled = false");
    assert_eq!(town.status_code(), Some(0), "unwanted, and dead");
}

#[test]
fn s95_json_is_all_there_is_on_standard_output() {
    let town = TestTown::new()
        .session("scribe", Fake::Ok)
        .session("lost", Fake::Ok)
        .with("sessions.lost", "directory = 'nowhere'")
        .witness("resting", Fake::Ok)
        .with("rigs.resting", "state = 'parked'");
    town.once().exits(5);
    let _controller = town.controller();
    let states = ["running", "absent", "starting", "detached", "dead", "foreign", "unknown", "duplicate"];
    let decisions = ["nothing", "start", "restart", "kill", "nudge", "adopt", "held"];
    for args in [&["plan"][..], &["reconcile", "--dry-run"], &["status"], &["why", SCRIBE], &["validate"]] {
        let mut args = args.to_vec();
        args.extend(["-o", "json"]);
        let mut command = town.gtctl_command(&args);
        command.env("RUST_LOG", "debug").env("GTCTL_LOG", "debug");
        let ran = common::run::run(&mut command, None, &town.scratch(), SOON);
        let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        assert_eq!(value["format-version"], 1, "{ran}");
        if args[0] == "plan" {
            for verdict in value["verdicts"].as_array().map(Vec::as_slice).unwrap_or_default() {
                assert!(states.iter().any(|state| verdict["state"] == *state), "{verdict:#}");
                assert!(decisions.iter().any(|decision| verdict["decision"] == *decision), "{verdict:#}");
                assert!(
                    verdict["reason"]["code"].is_string() && verdict["evidence"].is_array(),
                    "{verdict:#}"
                );
            }
            for object in [SCRIBE, "sessions/lost", "resting/witness", "resting/refinery"] {
                assert!(ran.stdout.contains(&format!("\"{object}\"")), "{object}\n{ran}");
            }
        }
    }
}

#[test]
fn s97_what_a_killed_controller_left_is_no_obstacle() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let first = town.controller();
    let before = town.wait_alive(SCRIBE);
    first.kill();
    for left in ["daemon/daemon.lock", "daemon/daemon.pid", "daemon/gtctl/controller.sock"] {
        assert!(
            fs::symlink_metadata(town.path(left)).is_ok(),
            "{left} is left, so that this test means something"
        );
    }

    let second = town.controller();

    assert_eq!(second.terminate(), Some(0));
    assert_eq!(town.alive(SCRIBE), Some(before));
    assert_eq!(town.start_count(SCRIBE), 1);
}

#[test]
fn s97_a_reused_pid_in_the_pid_file_is_no_obstacle_and_is_not_signalled() {
    // Given a pid file that names a process of somebody else, as after a reboot.
    let town = TestTown::new().session("scribe", Fake::Ok);
    let stranger = town.foreign_session("stranger", "sleep").life().expect("it lives");
    town.file("daemon/daemon.pid", &format!("{}\n", stranger.pid));
    town.file("daemon/daemon.lock", &format!("{}\n", stranger.pid));
    town.file("daemon/gtctl/controller.sock", "");

    let controller = town.controller();

    town.wait_alive(SCRIBE);
    let pid_file = fs::read_to_string(town.path("daemon/daemon.pid")).unwrap_or_default();
    assert_eq!(pid_file.lines().next(), Some(controller.pid().to_string().as_str()));
    controller.signal(Signal::TERM);
    assert_eq!(controller.wait(), Some(0));
    assert!(stranger.is_alive());
}
