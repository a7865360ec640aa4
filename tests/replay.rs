//! Recordings of a controller at work, and deciding them anew.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Fake, Ran, SOON, TestTown, run};
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";

/// `gtctl replay`, from a directory where no town is.
fn replay(town: &TestTown, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gtctl"));
    town.dress(&mut command);
    command.current_dir("/").arg("replay").args(args);
    run::run(&mut command, None, &town.scratch(), SOON)
}

/// What it says as JSON.
#[track_caller]
fn replay_json(town: &TestTown, directory: &str) -> Value {
    let ran = replay(town, &[directory, "-o", "json"]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{ran}"))
}

/// The recordings of a directory.
fn recordings(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Records a controller that starts two agents, sees one killed, parks the other and is killed itself.
fn recorded(town: &TestTown) -> String {
    let directory = town.root().join("recordings").display().to_string();
    let controller = town.controller_from(town.gtctl_command(&["controller", "--record", &directory]));
    let scribe = town.wait_alive(SCRIBE).life().expect("it lives");
    let witness = town.wait_alive("gastown/witness").life().expect("it lives");
    scribe.kill();
    town.wait_replaced(SCRIBE, scribe, SOON);
    town.gtctl(&["park", "gastown"]).exits(0);
    town.wait_until("the parked one stops", SOON, || !witness.is_alive());
    controller.passes(2);
    controller.kill();
    directory
}

fn town() -> TestTown {
    TestTown::new().session("scribe", Fake::Ok).witness("gastown", Fake::Ok)
}

#[test]
fn what_a_controller_decided_is_decided_again_without_its_town() {
    let town = town();
    let directory = recorded(&town);
    fs::remove_dir_all(town.path("")).unwrap();

    let ran = replay(&town, &[&directory]).exits(0).says("none differs");

    let all: String =
        recordings(Path::new(&directory)).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let passes = all.lines().count() - 1;
    assert!(passes > 5, "{all}");
    assert!(ran.last_line().starts_with(&format!("{passes} passes")), "{ran}");
    for decision in ["start", "restart", "kill"] {
        assert!(all.contains(&format!("\"decision\":\"{decision}\"")), "no {decision} in {all}");
    }
    replay(&town, &[&directory, "--pass", "1"]).exits(0).says("start (absent)").says("Plan: 2 to start, ");
    replay(&town, &[&directory, "--pass", "100000"]).exits(4).says("no pass 100000");
}

#[test]
fn one_decision_that_was_another_is_named_and_no_other() {
    let town = town();
    let directory = recorded(&town);
    let file = recordings(Path::new(&directory)).pop().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    // The start of a restart is one pass; in the next one it is in flight.
    let mut found = None;
    let lines: Vec<String> = text
        .lines()
        .zip(1..)
        .map(|(text, number)| {
            let mut line: Value = serde_json::from_str(text).unwrap();
            let verdicts = line.pointer_mut("/pass/verdicts").and_then(Value::as_array_mut);
            let news = verdicts.into_iter().flatten().filter_map(|piece| piece.get_mut("new"));
            for verdict in news.filter(|verdict| verdict["address"] == SCRIBE) {
                if found.is_none() && verdict["decision"] == "restart" {
                    verdict["decision"] = "held".into();
                    found = Some(number);
                }
            }
            line.to_string()
        })
        .collect();
    fs::write(&file, lines.join("\n")).unwrap();

    let ran = replay(&town, &[&directory]).exits(2).says("1 differs");

    let at = format!("{}:{}", file.file_name().unwrap().display(), found.expect("a restart was recorded"));
    assert!(ran.stdout.contains(&at), "{at} is told\n{ran}");
    let ran = ran.says("recorded  held (exited): it ended: signal 9");
    ran.says("now       restart (exited): it ended: signal 9").keeps_quiet_about("gastown/witness");
    let told = replay_json(&town, &directory);
    assert_eq!(told["differ"], 1, "{told:#}");
    let objects = &told["differences"][0]["objects"];
    assert_eq!((&objects[0]["address"], &objects[1]), (&Value::from(SCRIBE), &Value::Null), "{told:#}");
    assert_eq!(objects[0]["fields"], serde_json::json!(["decision"]), "{told:#}");
    assert_eq!(told["differences"][0]["plan"], serde_json::json!([]), "{told:#}");
}

#[test]
fn a_torn_last_line_is_told_and_other_damage_is_told_with_its_line() {
    let town = town();
    let directory = recorded(&town);
    let file = recordings(Path::new(&directory)).pop().unwrap();
    let whole = fs::read_to_string(&file).unwrap();

    fs::write(&file, &whole[..whole.len() - 10]).unwrap();
    replay(&town, &[&directory]).exits(0).says("torn");

    fs::write(&file, whole.replacen("\"number\":2,", "\"number\":?,", 1)).unwrap();
    let name = file.file_name().unwrap().display().to_string();
    replay(&town, &[&directory]).exits(1).says(&format!("{name}:3: ")).says("are missing");

    replay(&town, &[&town.scratch().display().to_string()]).exits(4).says("no recordings");
}

#[test]
fn s110_no_recording_has_a_secret_and_each_is_for_its_user_alone() {
    let secret = "sk-do-not-tell-4711";
    let town = town().with(
        "sessions.scribe",
        &format!("env = {{ API_KEY = '{secret}', PATH = '/usr/bin:/bin:/{secret}' }}"),
    );
    let directory = PathBuf::from(recorded(&town));

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in recordings(&directory) {
        assert_eq!(mode(&file), 0o600);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("API_KEY"), "its name is no secret, and shows that the recipe is there");
        assert!(!text.contains(secret), "{text}");
    }
    replay(&town, &[&directory.display().to_string()]).exits(0).keeps_quiet_about(secret);
}

#[test]
fn where_nothing_can_be_recorded_that_is_said_once_and_the_town_is_kept() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    town.file("work/blocked", "a file where a directory should be");
    let directory = town.path("work/blocked/recordings").display().to_string();
    let controller = town.controller_from(town.gtctl_command(&["controller", "--record", &directory]));
    let first = town.wait_alive(SCRIBE).life().expect("it lives");
    controller.passes(5);
    first.kill();
    town.wait_replaced(SCRIBE, first, SOON);
    assert_eq!(controller.log().matches("is not recorded").count(), 1, "{}", controller.log());
    assert_eq!(controller.terminate(), Some(0));
}

#[test]
fn a_single_reconcile_can_be_recorded_and_a_dry_run_cannot() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let directory = town.root().join("recordings").display().to_string();
    town.gtctl(&["reconcile", "--dry-run", "--record", &directory]).exits(64);
    assert!(!Path::new(&directory).exists());
    town.gtctl(&["reconcile", "--record", &directory]).exits(0);
    replay(&town, &[&directory]).exits(0).says("none differs");
    replay(&town, &[&directory, "--pass", "1"]).exits(0).says("Plan: 1 to start");
}
