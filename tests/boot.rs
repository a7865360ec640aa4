//! The agent that looks after the deacon when the deacon looks unwell.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{Fake, SOON, TestTown};
use serde_json::Value;

const BOOT: &str = "boot";
const DEACON: &str = "deacon";
const STATUS: &str = "deacon/dogs/boot/.boot-status.json";

/// A Gas Town with a deacon that says once that it is well, and a place for boot, which runs `fake`.
fn town(fake: Fake) -> TestTown {
    let town = TestTown::new().workspace(&[], Fake::Ok).with("roles.deacon", "enabled = true");
    town.make_dirs(&["deacon/dogs/boot"]);
    town.file(
        "deacon/heartbeat.json",
        &format!("{{\"timestamp\":\"{}\",\"cycle\":1}}", jiff::Timestamp::now()),
    );
    let command = town.command(&fake);
    town.with("roles.boot", &format!("command = {command}"))
        .with("boot", "cooldown = '2s'")
        .with("controller", "resync = '1s'")
}

/// The same, and its deacon is silent for too long a second after its start.
fn unwell(fake: Fake) -> TestTown {
    town(fake)
        .with("roles.deacon", "stale-after = '1s'")
        .with("roles.deacon", "stuck-after = '1h'")
        .with("roles.deacon", "grace = '0s'")
}

fn status(town: &TestTown) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(town.path(STATUS)).ok()?).ok()
}

fn moment(status: &Value, key: &str) -> jiff::Timestamp {
    status[key].as_str().unwrap().parse().unwrap()
}

#[test]
fn s115_a_deacon_that_is_well_needs_no_boot_all_night() {
    let town = town(Fake::Exit0);
    let controller = town.controller();
    town.wait_settled(&[DEACON]);
    controller.passes(10);
    assert_eq!((town.start_count(BOOT), town.plan().reason(BOOT)), (0, "deacon-well"));
    assert!(status(&town).is_none());
    assert_eq!(town.status_code(), Some(0), "it is as it should be");

    // What is not needed may run, and who asks for all is not told that something is wrong.
    town.gtctl(&["stop", BOOT]).exits(0);
    assert_eq!(town.plan().reason(BOOT), "stopped");
    town.gtctl(&["start", "--all"]).exits(0).says("may run");
    town.gtctl(&["restart", BOOT]).exits(0);
    assert_eq!((town.start_count(BOOT), town.plan().reason(BOOT)), (0, "deacon-well"));
}

#[test]
fn a_deacon_that_is_silent_gets_a_boot_that_ends_and_the_next_one_after_the_cooldown() {
    let town = unwell(Fake::Exit0);
    let controller = town.controller();
    town.wait_until("boot was started", SOON, || town.start_count(BOOT) == 1);
    let first = Instant::now();
    town.wait_until("it has ended", SOON, || status(&town).is_some_and(|status| status["running"] == false));
    let told = status(&town).unwrap();
    assert!(moment(&told, "completed_at") > moment(&told, "started_at"));
    assert_eq!(fs::metadata(town.path(STATUS)).unwrap().permissions().mode() & 0o777, 0o644);
    town.wait_until("the next one was started", SOON, || town.start_count(BOOT) == 2);
    assert!(first.elapsed() >= Duration::from_millis(1_500), "{:?}", first.elapsed());
    town.gtctl(&["why", BOOT]).says("deacon-unwell").says("its heartbeat is stale");

    // It says that it is well, and again: nobody looks after it any more.
    let well =
        || town.file("deacon/heartbeat.json", &format!("{{\"timestamp\":\"{}\"}}", jiff::Timestamp::now()));
    town.set("roles.deacon", "stale-after = '30m'");
    well();
    town.wait_until("it is well", SOON, || town.plan().reason(BOOT) == "deacon-well");
    let count = town.start_count(BOOT);
    controller.passes(5);
    assert_eq!(town.start_count(BOOT), count);
    assert_eq!(town.start_count(DEACON), 1, "and it was left alone all the time");
}

#[test]
fn a_boot_that_never_ends_is_stopped_and_blocks_no_next_one() {
    let town = unwell(Fake::Ok).with("boot", "max = '3s'");
    let _controller = town.controller();
    let first = town.wait_alive(BOOT).life().unwrap();
    town.wait_until("its status says so", SOON, || {
        status(&town).is_some_and(|status| status["running"] == true)
    });
    town.wait_until("it is stopped", SOON, || !first.is_alive());
    town.wait_until("that is told", SOON, || {
        status(&town).is_some_and(|status| status["last_action"] == "error")
    });
    town.wait_until("the next one comes", SOON, || town.start_count(BOOT) == 2);
    town.gtctl(&["why", BOOT]).says("kill (overdue)");
    assert_eq!(town.start_count(DEACON), 1);
}

#[test]
fn boot_is_started_as_gt_starts_it() {
    let town = unwell(Fake::Ok).with("town", "naming = 'prefix'");
    let _controller = town.controller();
    let life = town.wait_alive(BOOT).life().unwrap();
    assert_eq!(town.alive(BOOT).unwrap().name, "hq-boot");
    let env = life.environ();
    for (name, value) in
        [("GT_ROLE", "deacon/boot"), ("BD_ACTOR", "deacon-boot"), ("GIT_AUTHOR_NAME", "boot")]
    {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(life.directory(), town.path("deacon/dogs/boot"));
}

#[test]
fn degraded_starts_no_boot_and_the_check_is_told_in_its_file() {
    let town = unwell(Fake::Ok);
    let mut command = town.gtctl_command(&["controller"]);
    command.env("GT_DEGRADED", "true");
    let controller = town.controller_from(command);
    let told = |action: &str| status(&town).is_some_and(|status| status["last_action"] == action);
    town.wait_until("the nudge is told", SOON, || told("nudge") || told("nothing"));
    town.wait_until("the deacon was asked", SOON, || {
        town.gtctl(&["why", DEACON]).stdout.contains("nudge (stale)")
    });
    town.wait_until("then there is nothing to do", SOON, || told("nothing"));
    controller.passes(5);
    assert_eq!((town.start_count(BOOT), town.start_count(DEACON)), (0, 1));
    let before = fs::metadata(town.path(STATUS)).unwrap().modified().unwrap();
    controller.passes(3);
    assert_eq!(fs::metadata(town.path(STATUS)).unwrap().modified().unwrap(), before, "no change, no writing");
    let last = status(&town).unwrap();
    assert_eq!((last["target"].as_str(), last["running"].as_bool()), (Some("deacon"), Some(false)));
}
