//! The layer of beads, with a controller and a program that says what the test wants.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Fake, SOON, TestTown};

const RIG: [&str; 2] = ["gastown/witness", "gastown/refinery"];

/// A `bd` that prints the file `answer`, or fails where there is none, and writes down how it was called.
const BD: &str = r#"#!/bin/sh
d="${0%/*}"
echo "$* in $PWD" >> "$d/bd.calls"
[ -e "$d/bd.hangs" ] && exec sleep 1000
cat "$d/bd.answer" 2>/dev/null && exit 0
echo "Error: the database is locked" >&2
exit 1
"#;

/// A workspace with a rig that has beads, and that program on PATH.
fn town(name: &str) -> TestTown {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok).with("beads", "every = '1s'");
    town.make_dirs(&["gastown/.beads"]);
    let program = town.root().join("bin").join(name);
    fs::write(&program, BD).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    town
}

/// What the program says from now on of the labels of the rig's bead.
fn labelled(town: &TestTown, labels: &str) {
    let bead = format!(
        r#"[{{"id":"gastown-rig-gastown","title":"gastown","status":"open","issue_type":"rig","labels":[{labels}]}}]"#
    );
    let new = town.root().join("bin/bd.new");
    fs::write(&new, bead).unwrap();
    fs::rename(new, town.root().join("bin/bd.answer")).unwrap();
}

fn calls(town: &TestTown) -> Vec<String> {
    let text = fs::read_to_string(town.root().join("bin/bd.calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn fails(town: &TestTown) {
    fs::remove_file(town.root().join("bin/bd.answer")).unwrap();
}

#[track_caller]
fn wait_stopped(town: &TestTown) {
    town.wait_until("witness and refinery are gone", SOON, || {
        RIG.iter().all(|one| town.alive(one).is_none())
    });
}

#[track_caller]
fn wait_running(town: &TestTown) {
    RIG.iter().for_each(|one| drop(town.wait_alive(one)));
}

#[test]
fn a_rig_that_is_docked_by_a_label_alone_rests_until_the_label_goes() {
    for program in ["bd", "br"] {
        let town = town(program);
        labelled(&town, r#""gt:rig""#);
        let controller = town.controller();
        wait_running(&town);

        labelled(&town, r#""gt:rig","status:docked""#);
        wait_stopped(&town);
        let why = town.gtctl(&["why", "gastown/witness"]);
        why.says("docked").says("bead gastown-rig-gastown");
        town.gtctl(&["events"]).says("bead gastown-rig-gastown says docked");

        labelled(&town, r#""gt:rig""#);
        wait_running(&town);
        let expected = format!("show gastown-rig-gastown --json in {}", town.path("gastown").display());
        assert_eq!(calls(&town).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([expected]));
        assert_eq!(controller.terminate(), Some(0));
    }
}

#[test]
fn law_11_a_rig_stays_docked_while_nobody_can_ask_and_in_the_next_controller() {
    let town = town("bd");
    labelled(&town, r#""status:docked""#);
    let controller = town.controller();
    town.wait_until("the answer was heard", SOON, || town.path("daemon/gtctl/beads.json").exists());
    fails(&town);
    town.wait_until("the failure was told", SOON, || {
        town.gtctl(&["events"]).stdout.contains("its last answer stays in force")
    });
    controller.passes(2);
    assert_eq!(controller.terminate(), Some(0));

    let controller = town.controller();
    controller.passes(2);
    for object in RIG {
        assert_eq!(town.start_count(object), 0, "{object}");
        assert_eq!(town.plan().reason(object), "docked");
    }
    assert_eq!(controller.terminate(), Some(0));
}

#[test]
fn law_1_a_rig_is_untouched_until_its_bead_was_seen_and_nothing_waits_for_that() {
    let town = town("bd").session("scribe", Fake::Ok).with("beads", "timeout = '5m'");
    fs::write(town.root().join("bin/bd.hangs"), "").unwrap();
    let controller = town.controller();
    let scribe = town.wait_alive("sessions/scribe");
    town.wait_until("it was asked", SOON, || calls(&town).len() == 1);
    // Passes go on while the program hangs: whoever dies is back.
    let before = town.life("sessions/scribe");
    before.kill();
    town.wait_replaced("sessions/scribe", before, SOON);
    controller.passes(2);
    for object in RIG {
        assert_eq!(town.start_count(object), 0, "{object}");
    }
    town.gtctl(&["status", "-o", "json"]).says("layer-unreadable").says("it has not been asked for yet");
    assert_eq!(calls(&town).len(), 1, "one question at a time");
    assert_eq!(controller.terminate(), Some(0));
    town.wait_until("the program has ended with the controller", SOON, || {
        common::proc::processes_of(town.root()).iter().all(|life| !life.argv().contains(&"1000".to_owned()))
    });
    drop(scribe);
}

#[test]
fn without_a_program_without_beads_or_switched_off_there_is_no_such_layer() {
    let no_program = TestTown::new().workspace(&["gastown"], Fake::Ok);
    no_program.make_dirs(&["gastown/.beads"]);
    no_program.once().exits(0);
    wait_running(&no_program);

    let no_beads = town("bd");
    fs::remove_dir(no_beads.path("gastown/.beads")).unwrap();
    no_beads.once().exits(0);
    wait_running(&no_beads);
    assert_eq!(calls(&no_beads), Vec::<String>::new());

    let off = town("bd").with("beads", "enabled = false");
    off.once().exits(0);
    wait_running(&off);
    assert_eq!(calls(&off), Vec::<String>::new());
}

#[test]
fn law_7_a_plan_asks_and_leaves_no_trace() {
    let town = town("bd");
    labelled(&town, r#""status:parked""#);
    let before = town.files();
    for object in RIG {
        assert_eq!(town.plan().reason(object), "parked");
    }
    assert_eq!(town.files(), before);
    assert!(!calls(&town).is_empty());
    town.once().exits(0);
    assert_eq!(town.start_count("gastown/witness"), 0);
    town.gtctl(&["plan"]).says("taking the label `status:parked` from gastown-rig-gastown ends that");
}

#[test]
fn a_rig_whose_agents_were_ended_for_docking_is_asked_about_at_once_and_not_when_its_time_comes() {
    let town = town("bd").with("beads", "every = '1h'").with("beads", "timeout = '200ms'");
    labelled(&town, r#""gt:rig""#);
    let _controller = town.controller();
    wait_running(&town);
    // gt ends the agents, then it sets the label.
    let before = town.life("gastown/witness");
    let asked = calls(&town).len();
    before.kill();
    labelled(&town, r#""status:docked""#);
    wait_stopped(&town);
    assert!(calls(&town).len() > asked);
}

#[test]
fn a_rig_that_rests_by_a_label_rests_in_a_simulation_too() {
    let town = town("bd");
    labelled(&town, r#""status:docked""#);
    town.gtctl(&["simulate", "--seeds", "2"]).exits(0).says("docked");
    // Who cannot be asked about is untouched, there as here.
    fails(&town);
    town.gtctl(&["simulate", "--seeds", "2"]).exits(1).says("the database is locked");
}
