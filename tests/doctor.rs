//! `gtctl doctor` finds what is wrong with a town, touches nothing, and says nothing is wrong where nothing is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says no, in the functions that it calls as well"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Fake, GtDaemon, Ran, SOON, Stopped, TestTown, guard, proc};
use rustix::process::Signal;
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";

/// The doctor's findings as JSON, and what it said.
fn findings(town: &TestTown) -> (Vec<Value>, Ran) {
    let ran = town.gtctl(&["doctor", "-o", "json"]);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"));
    assert_eq!(value["format-version"], 1);
    assert_eq!(value["healthy"], ran.code == Some(0), "{ran}");
    (value["findings"].as_array().unwrap().clone(), ran)
}

/// The one finding of a check that is not well, by level and text.
#[track_caller]
fn finding(town: &TestTown, check: &str) -> (String, String) {
    let (all, ran) = findings(town);
    let mut of_it: Vec<&Value> = all.iter().filter(|one| one["check"] == check).collect();
    if of_it.len() > 1 {
        of_it.retain(|one| one["level"] != "ok");
    }
    let [one] = of_it[..] else { panic!("one finding of {check}\n{ran}") };
    let word = |key: &str| one[key].as_str().unwrap().to_owned();
    (word("level"), word("text"))
}

#[track_caller]
fn is(town: &TestTown, check: &str, level: &str, texts: &[&str]) {
    let (found, text) = finding(town, check);
    assert_eq!(found, level, "{check}: {text}");
    for part in texts {
        assert!(text.contains(part), "{check}: {text:?} has {part:?}");
    }
}

#[test]
fn a_healthy_town_has_one_good_line_for_each_check_and_nothing_is_touched() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    town.gtctl(&["controller", "start"]).exits(0);
    let agent = town.wait_settled(&[SCRIBE]);
    town.wait_until("the controller rests", SOON, || town.gtctl(&["status"]).code == Some(0));
    let before = town.files();

    let (mut all, ran) = findings(&town);

    let ran = ran.exits(0);
    // Whoever runs the tests may have agents of their own.
    all.retain(|one| !one["text"].as_str().unwrap().starts_with("named like an agent"));
    let checks: Vec<&str> = all.iter().map(|one| one["check"].as_str().unwrap()).collect();
    let expected = [
        "tmux",
        "files",
        "memory",
        "controller",
        "leftovers",
        "servers",
        "orphans",
        "names",
        "stale files",
        "service",
        "permissions",
    ];
    assert_eq!(checks, expected);
    assert!(all.iter().all(|one| one["level"] == "ok" && one["hint"].is_null()), "{ran}");
    let told = town.gtctl(&["doctor"]).exits(0).stdout;
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), expected.len());
    assert_eq!(town.files(), before, "nothing was written");
    assert_eq!(town.lives(&[SCRIBE]), agent);

    town.gtctl(&["controller", "stop"]).exits(0);
    is(&town, "controller", "note", &["nobody keeps the town"]);
    town.gtctl(&["doctor"]).exits(0).says("gtctl controller start");
}

#[test]
fn a_running_gt_daemon_is_found_by_the_lock_that_it_holds() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let daemon = GtDaemon::start(&town);
    let name = format!("gt daemon, process {}", daemon.life().pid);
    is(&town, "controller", "wrong", &[&name]);
    town.gtctl(&["doctor"]).exits(1).says("gt daemon stop");
    // What it runs has the lock's file open too, if it was not closed for it; that is no controller.
    is(&town, "leftovers", "ok", &[]);
    assert!(daemon.life().is_alive());
}

#[test]
fn a_controller_that_lost_its_lock_is_found_as_left_over() {
    // Given a controller that has no chance to notice that somebody removed its lock file, and another one in its place.
    let town = TestTown::new().session("scribe", Fake::Ok);
    let first = town.controller();
    town.wait_alive(SCRIBE);
    let old = first.life().expect("it runs");
    let stopped = Stopped::stop(old);
    is(&town, "leftovers", "ok", &[]);
    is(&town, "controller", "wrong", &["does not answer"]);
    fs::remove_file(town.path("daemon/daemon.lock")).unwrap();
    town.gtctl(&["controller", "start"]).exits(0);

    is(&town, "leftovers", "wrong", &[&format!("process {}", old.pid), "does not hold the lock"]);
    is(&town, "controller", "ok", &[]);
    town.gtctl(&["doctor"]).exits(1).says(&format!("kill {}", old.pid));

    assert!(old.is_alive(), "it is told, not ended");
    drop(stopped);
    first.signal(Signal::TERM);
    first.wait();
    is(&town, "leftovers", "ok", &[]);
}

#[test]
fn a_split_town_is_found_on_every_server_and_no_server_is_founded() {
    // Given agents on one server, and files that name another one, at a socket that a killed server left.
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let agent = town.alive(SCRIBE).expect("it lives");
    let other = format!("{}-b", town.socket());
    let tmux = |args: &[&str]| {
        let mut command = guard::tmux(&other, &town.tmux_tmpdir(), town.root());
        assert!(command.args(args).status().unwrap().success(), "{args:?}");
    };
    tmux(&["new-session", "-d", "-s", "gone", "sleep 1000"]);
    let left = town.servers().into_iter().find(|life| *life != town_server(&town)).expect("a second server");
    left.kill();
    town.wait_until("it is gone", SOON, || !left.is_alive());
    let socket = town.socket_file().with_file_name(&other);
    assert!(socket.exists(), "its socket is left");
    town.set("town", &format!("socket = '{other}'"));

    is(&town, "servers", "wrong", &["split town", "scribe", &town.socket_file().display().to_string()]);
    town.gtctl(&["doctor"]).exits(1).says("socket = ");
    assert_eq!(town.servers(), [town_server(&town)], "nobody was founded");

    // A third server has a session of this town as well, and one of a stranger.
    tmux(&["new-session", "-d", "-s", "theirs", "sleep 1000"]);
    tmux(&["new-session", "-d", "-s", "double", "sleep 1000"]);
    let marker = agent.marker.replace(agent.incarnation(), "0123456789ab");
    tmux(&["set-option", "-t", "=double:", "@gtctl", &marker]);
    town.set("town", &format!("socket = '{}'", town.socket()));
    is(&town, "servers", "wrong", &["double", &other]);
    let (_, text) = finding(&town, "servers");
    assert!(!text.contains("theirs"), "{text}");
    assert_eq!(town.alive(SCRIBE), Some(agent));
}

/// The server that the town's own socket leads to.
fn town_server(town: &TestTown) -> proc::Life {
    let pid = town.tmux(&["display-message", "-p", "#{pid}"]).exits(0);
    proc::Life::of(pid.stdout.trim().parse().unwrap()).expect("it lives")
}

#[test]
fn a_server_that_does_not_answer_is_not_known_to_be_empty() {
    let town =
        TestTown::new().session("scribe", Fake::Ok).with("controller", "tmux-timeout = '300ms'").started();
    let _stopped = Stopped::stop(town.server());
    is(&town, "servers", "unknown", &["cannot be seen"]);
    town.gtctl(&["doctor"]).exits(2);
}

#[test]
fn s40_sessions_of_the_old_naming_are_reported_and_not_doubled() {
    // Given a witness that gt started under one naming, and files that now say the other one.
    let town = TestTown::new().workspace(&["alpha"], Fake::Ok).with("town", "naming = 'prefix'");
    let root = town.path("").canonicalize().unwrap();
    let root = format!("GT_ROOT={}", root.display());
    let session = |name: &str, env: &[&str]| {
        let mut args = vec!["new-session", "-d", "-s", name];
        args.extend(env.iter().flat_map(|variable| ["-e", variable]));
        town.tmux(&[&args[..], &["sleep 1000"]].concat()).exits(0);
    };
    session("gt-alpha-witness", &[&root, "GT_ROLE=witness", "GT_RIG=alpha"]);

    is(&town, "names", "wrong", &["gt-alpha-witness", "alpha/witness", "a second time"]);
    town.gtctl(&["doctor"]).exits(1).says("naming = \"rig\"");
    // What gt wrote into it proves whose it is, so it is adopted, and no second one is started beside it.
    let all = || -> Vec<(String, String)> {
        town.sessions().into_iter().map(|session| (session.id, session.name)).collect()
    };
    let before = all();
    assert_eq!(town.plan().find("alpha/witness").expect("a verdict")["decision"], "adopt");
    town.set("roles.refinery", "enabled = false");
    town.set("roles.mayor", "enabled = false");
    town.once();
    assert_eq!(all(), before);
    assert_eq!(town.plan().state("alpha/witness"), "running");

    // A session of that name that proves nothing is not ours to judge.
    town.tmux(&["kill-session", "-t", "=gt-alpha-witness"]).exits(0);
    session("gt-alpha-refinery", &[]);
    is(&town, "names", "note", &["gt-alpha-refinery", "nothing in it proves"]);
    // And by the naming that it was made under, it is what it should be.
    town.set("town", "naming = 'rig'");
    is(&town, "names", "ok", &[]);
}

#[test]
fn what_a_killed_controller_left_is_told_and_harmless() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    town.wait_alive(SCRIBE);
    let pid = controller.pid().to_string();
    controller.kill();

    let (all, ran) = findings(&town);

    let ran = ran.exits(0);
    let stale: Vec<&Value> = all.iter().filter(|one| one["check"] == "stale files").collect();
    assert_eq!(stale.len(), 2, "{ran}");
    assert!(stale.iter().all(|one| one["level"] == "note"), "{ran}");
    assert!(stale[0]["text"].as_str().unwrap().contains(&pid), "{ran}");
    assert!(stale[1]["text"].as_str().unwrap().contains("controller.sock"), "{ran}");
}

#[test]
fn wrong_files_do_not_keep_the_doctor_from_the_rest() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    town.set("limits", "sessions = 0");
    is(&town, "files", "wrong", &["town.toml", "limits.sessions"]);
    is(&town, "tmux", "ok", &["tmux"]);
    is(&town, "names", "unknown", &[]);
    // Which server is meant is not known, so that nothing is on the wrong one.
    is(&town, "servers", "unknown", &["1 sessions of this town"]);
    is(&town, "service", "unknown", &[]);
    town.gtctl(&["doctor"]).exits(1).says("gtctl validate");
}

#[test]
fn directories_that_others_can_reach_into_are_found() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(town.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    is(&town, "permissions", "ok", &[]);
    mode("daemon/gtctl", 0o755);
    is(&town, "permissions", "wrong", &["daemon/gtctl", "755"]);
    mode("daemon/gtctl", 0o700);
    mode("town.toml", 0o666);
    is(&town, "permissions", "wrong", &["town.toml", "decide what runs"]);
    town.gtctl(&["doctor"]).exits(1).says("chmod o-w town.toml");
}
