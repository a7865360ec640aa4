//! The feed and the checks of convoys, beside a controller.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use common::{Fake, SOON, TestTown};

/// gt writes an event.
fn event(town: &TestTown, kind: &str, bead: &str, visibility: &str) {
    let line = format!(
        "{{\"ts\":\"2026-01-24T18:00:00Z\",\"source\":\"gt\",\"type\":\"{kind}\",\"actor\":\"gastown/nux\",\"payload\":{{\"bead\":\"{bead}\"}},\"visibility\":\"{visibility}\"}}\n"
    );
    let file = fs::OpenOptions::new().create(true).append(true).open(town.path(".events.jsonl"));
    file.unwrap().write_all(line.as_bytes()).unwrap();
}

/// The beads that the feed tells of.
fn told(town: &TestTown) -> Vec<String> {
    let text = fs::read_to_string(town.path(".feed.jsonl")).unwrap_or_default();
    let bead = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["payload"]["bead"].as_str().unwrap().to_owned()
    };
    text.lines().map(bead).collect()
}

#[track_caller]
fn wait_told(town: &TestTown, beads: &[&str]) {
    town.wait_until(&format!("the feed tells {beads:?}"), SOON, || told(town).len() >= beads.len());
    assert_eq!(told(town), beads);
}

/// Programs that write down how they were called; `bd` knows of one open convoy.
fn with_convoy(town: TestTown) -> TestTown {
    town.make_dirs(&[".beads"]);
    program(&town, "bd", r#"echo '[{"id":"hq-cv-1","status":"open","issue_type":"convoy"}]'"#);
    program(&town, "gt", r#"[ ! -e "$d/gt.fails" ]"#);
    // Every call of `gt` is to be one for a convoy.
    town.with("convoys", "delay = '50ms'").with("mail", "enabled = false")
}

fn program(town: &TestTown, name: &str, script: &str) {
    let path = town.root().join("bin").join(name);
    let head = "#!/bin/sh\nd=\"${0%/*}\"\necho \"$* in $PWD\" >> \"$0.calls\"\n";
    fs::write(&path, format!("{head}{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn calls(town: &TestTown, program: &str) -> Vec<String> {
    let text = fs::read_to_string(town.root().join(format!("bin/{program}.calls"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until convoys have been checked so many times.
#[track_caller]
fn wait_checked(town: &TestTown, times: usize) {
    town.wait_until(&format!("{times} checks"), SOON, || calls(town, "gt").len() >= times);
    assert_eq!(calls(town, "gt").len(), times);
}

/// Waits until the part has nothing to do.
#[track_caller]
fn wait_nothing_owed(town: &TestTown) {
    town.wait_until("nothing is owed", SOON, || {
        fs::read_to_string(town.path("daemon/gtctl/convoys.json"))
            .is_ok_and(|text| text.contains(r#""owed":false"#))
    });
}

#[test]
fn events_become_a_feed_each_once_also_over_the_death_of_a_controller() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    event(&town, "hook", "before", "feed");
    let controller = town.controller();
    town.wait_until("it has begun", SOON, || town.path("daemon/gtctl/feed.json").exists());
    event(&town, "hook", "one", "feed");
    event(&town, "hook", "secret", "audit");
    event(&town, "done", "two", "both");
    wait_told(&town, &["one", "two"]);
    let length = fs::metadata(town.path(".events.jsonl")).unwrap().len();
    town.wait_until("it is written down", SOON, || {
        let state = fs::read_to_string(town.path("daemon/gtctl/feed.json")).unwrap();
        state.contains(&format!("\"offset\":{length},"))
    });
    controller.kill();

    event(&town, "hook", "three", "feed");
    let controller = town.controller();
    wait_told(&town, &["one", "two", "three"]);
    // What gt writes all day is no reason for a pass.
    let before = controller.pass_count();
    event(&town, "hook", "four", "feed");
    wait_told(&town, &["one", "two", "three", "four"]);
    assert_eq!(controller.pass_count(), before);
    assert_eq!(controller.terminate(), Some(0));
}

#[test]
fn the_feed_can_be_switched_off_and_on_while_a_controller_runs() {
    let town = TestTown::new().with("feed", "enabled = false");
    event(&town, "hook", "before", "feed");
    let controller = town.controller();
    event(&town, "hook", "off", "feed");
    controller.passes(2);
    assert!(!town.path(".feed.jsonl").exists() && !town.path("daemon/gtctl/feed.json").exists());
    town.set("feed", "enabled = true");
    town.wait_until("it has begun", SOON, || town.path("daemon/gtctl/feed.json").exists());
    event(&town, "hook", "on", "feed");
    wait_told(&town, &["on"]);
}

#[test]
fn a_feed_that_cannot_be_written_delays_no_restart() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let _controller = town.controller();
    town.wait_until("it has begun", SOON, || town.path("daemon/gtctl/feed.json").exists());
    let held = fs::File::create(town.path(".feed.jsonl.lock")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    town.wait_alive("sessions/scribe");
    event(&town, "hook", "one", "feed");
    let before = town.life("sessions/scribe");
    before.kill();
    town.wait_replaced("sessions/scribe", before, SOON);
    assert_eq!(told(&town), Vec::<String>::new());
    drop(held);
    // The lock is tried again by itself, or with the next event.
    event(&town, "hook", "two", "feed");
    wait_told(&town, &["one", "two"]);
}

#[test]
fn finished_work_leads_to_a_check_of_each_open_convoy_and_nothing_else_does() {
    let town = with_convoy(TestTown::new());
    let controller = town.controller();
    // Nobody knows what was finished before.
    wait_checked(&town, 1);
    wait_nothing_owed(&town);
    assert_eq!(
        calls(&town, "gt"),
        [format!("convoy check hq-cv-1 in {}", town.path("").display().to_string().trim_end_matches('/'))]
    );
    assert!(calls(&town, "bd")[0].starts_with("list --type=convoy --status=open --json --limit=0 in "));

    event(&town, "hook", "x", "feed");
    controller.passes(2);
    assert_eq!((calls(&town, "gt").len(), calls(&town, "bd").len()), (1, 1));
    event(&town, "done", "x", "feed");
    event(&town, "merged", "x", "feed");
    wait_checked(&town, 2);
    wait_nothing_owed(&town);

    // A controller that was not there when it happened makes up for it.
    assert_eq!(controller.terminate(), Some(0));
    event(&town, "done", "y", "audit");
    let controller = town.controller();
    wait_checked(&town, 3);
    wait_nothing_owed(&town);

    town.set("convoys", "enabled = false");
    town.wait_until("it is off", SOON, || !town.path("daemon/gtctl/convoys.json").exists());
    event(&town, "done", "z", "feed");
    controller.passes(2);
    assert_eq!(calls(&town, "gt").len(), 3);
}

#[test]
fn a_check_that_fails_is_made_again_and_none_while_the_town_is_stopped() {
    let town = with_convoy(TestTown::new());
    fs::write(town.root().join("bin/gt.fails"), "").unwrap();
    let controller = town.controller();
    town.wait_until("it was tried twice", SOON, || calls(&town, "gt").len() >= 2);
    program(&town, "gt", "exec sleep 1000");
    town.set("convoys", "timeout = '100ms'");
    town.wait_until("it was given up", SOON, || controller.log().contains("did not answer within 100ms"));
    program(&town, "gt", "exit 0");
    assert!(controller.log().contains("`gt convoy check hq-cv-1` failed"), "{}", controller.log());
    wait_nothing_owed(&town);

    town.file("ESTOP", "");
    let checked = calls(&town, "gt").len();
    event(&town, "done", "x", "feed");
    town.wait_until("it waits", SOON, || controller.log().contains("stopped by ESTOP"));
    assert_eq!(calls(&town, "gt").len(), checked);
    fs::remove_file(town.path("ESTOP")).unwrap();
    town.wait_until("it is checked", SOON, || calls(&town, "gt").len() == checked + 1);
}

#[test]
fn a_check_waits_for_the_delay_and_follows_a_new_one() {
    let town = with_convoy(TestTown::new()).with("convoys", "delay = '1h'");
    let controller = town.controller();
    town.wait_until("it is owed", SOON, || town.path("daemon/gtctl/convoys.json").exists());
    controller.passes(2);
    assert_eq!(calls(&town, "gt").len() + calls(&town, "bd").len(), 0);
    town.set("convoys", "delay = '10ms'");
    wait_checked(&town, 1);
}

#[test]
fn a_bead_that_is_closed_by_hand_leads_to_a_check_and_other_changes_of_beads_do_not() {
    let town = with_convoy(TestTown::new().workspace(&["gastown"], Fake::Ok));
    town.make_dirs(&["gastown/.beads"]);
    let export = |one: &str, two: &str| {
        let line = |id: &str, status: &str| format!("{{\"id\":\"{id}\",\"status\":\"{status}\"}}\n");
        town.file("gastown/.beads/issues.jsonl", &(line("a", one) + &line("b", two)));
    };
    export("open", "open");
    let controller = town.controller();
    wait_checked(&town, 1);
    wait_nothing_owed(&town);

    export("hooked", "in_progress");
    controller.passes(2);
    assert_eq!(calls(&town, "gt").len(), 1);
    export("hooked", "closed");
    wait_checked(&town, 2);
    wait_nothing_owed(&town);

    // Also while no controller runs.
    assert_eq!(controller.terminate(), Some(0));
    export("closed", "closed");
    let _controller = town.controller();
    wait_checked(&town, 3);
}
