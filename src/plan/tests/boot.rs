//! Boot: wanted while the deacon looks unwell, and never for longer.

use std::time::Duration;

use super::builders::{Given, NOW, address, at, files, of_files};
use crate::desired::HoldKind;
use crate::ledger::Cause;
use crate::model::{Reason, Seen};
use crate::plan::{Action, Decision, Gate, Step};
use crate::town::files::TownFiles;

/// A Gas Town with a place for boot.
fn town(text: &str) -> Given {
    of_files(&TownFiles { workspace: true, boot: true, ..files(text) })
}

/// Its deacon has been silent for long, and was asked.
fn unwell() -> Given {
    town("").running("deacon").silent("deacon", 200, Some(100))
}

#[test]
fn there_is_a_boot_where_gt_has_made_a_place_for_it_or_a_file_says_so() {
    let has = |files: &TownFiles| of_files(files).desired.objects.contains_key(&address("boot"));
    assert!(has(&TownFiles { workspace: true, boot: true, ..files("") }));
    assert!(!has(&TownFiles { workspace: true, ..files("") }));
    assert!(!has(&files("")));
    let said = |text: &str| of_files(&TownFiles { workspace: true, ..files(text) });
    assert_eq!(said("[roles.boot]\nenabled = true").says("boot"), "nothing: deacon-well");
    assert_eq!(
        said("[roles.boot]\nagent = 'codex'").says("boot"),
        "held: disabled",
        "named, and not turned on"
    );
    assert_eq!(town("[roles.boot]\nenabled = false").says("boot"), "held: disabled");
}

#[test]
fn nothing_can_wait_for_boot() {
    let wrong = crate::desired::desire(&TownFiles {
        workspace: true,
        boot: true,
        ..files("[roles.mayor]\nafter = ['boot', 'deacon']")
    });
    let titles: Vec<String> = wrong.unwrap_err().into_iter().map(|wrong| wrong.title).collect();
    assert_eq!(titles, ["nothing can wait for boot"]);
}

#[test]
fn s115_while_the_deacon_is_well_or_comes_up_nothing_is_started() {
    assert_eq!(town("").says("boot"), "nothing: deacon-well");
    assert_eq!(town("").running("deacon").says("boot"), "nothing: deacon-well");
    assert_eq!(town("").running("deacon").silent("deacon", 99, None).says("boot"), "nothing: deacon-well");
    // It waits to be started again, which needs nobody.
    let waits = town("").started_at("deacon", &[NOW - 3, NOW - 2, NOW - 1]).dead("deacon", None);
    assert_eq!(
        (waits.says("deacon").as_str(), waits.says("boot").as_str()),
        ("held: backoff", "nothing: deacon-well")
    );
    let plan = town("").plan();
    assert!(plan.of(&address("boot")).unwrap().is_as_wanted());
}

#[test]
fn a_deacon_that_looks_unwell_gets_one_boot() {
    assert_eq!(unwell().says("boot"), "start: deacon-unwell");
    let mut looping = town("").dead("deacon", None).started_at("deacon", &[NOW - 50]);
    looping.ledger.objects.get_mut(&address("deacon")).unwrap().crash_loop = Some(at(NOW - 10));
    assert_eq!(
        (looping.says("deacon").as_str(), looping.says("boot").as_str()),
        ("held: crash-loop", "start: deacon-unwell")
    );
    let lost = town("").place("deacon", |place| place.program = Seen::Known(None));
    assert_eq!(lost.says("boot"), "start: deacon-unwell");
    let plan = unwell().plan();
    let Decision::Step(Step { action: Action::Start(launch), gate }) =
        &plan.of(&address("boot")).unwrap().decision
    else {
        panic!("{plan:#?}")
    };
    assert_eq!((launch.cause, gate), (Cause::CleanExit, &Gate::Ready));
    // At work it is left alone, and there is one at a time.
    assert_eq!(
        unwell().living("boot", Duration::from_secs(60), Seen::Known(false)).says("boot"),
        "nothing: running"
    );
    assert_eq!(unwell().in_flight("boot").says("boot"), "nothing: in-flight");
}

#[test]
fn law_1_a_deacon_that_cannot_be_seen_or_need_not_run_gets_none() {
    assert_eq!(unwell().attached().says("boot"), "nothing: deacon-well");
    assert_eq!(unwell().heard("deacon", Seen::unknown("torn")).says("boot"), "nothing: deacon-well");
    assert_eq!(unwell().hold("deacon", HoldKind::Disabled).says("boot"), "nothing: deacon-well");
    assert_eq!(unwell().stopped("deacon").says("boot"), "nothing: deacon-well");
    assert_eq!(unwell().hold("boot", HoldKind::Frozen).says("boot"), "held: frozen");
    assert_eq!(unwell().stopped("boot").says("boot"), "held: stopped");
    let mut blind = unwell();
    blind.observed.server = Seen::unknown("tmux hangs");
    assert_eq!(blind.says("boot"), "held: unknown");
}

#[test]
fn the_next_one_comes_after_the_cooldown_and_later_each_time() {
    assert_eq!(unwell().started_at("boot", &[NOW - 119]).says("boot"), "nothing: cooldown");
    assert_eq!(unwell().started_at("boot", &[NOW - 120]).says("boot"), "restart: deacon-unwell");
    let ended = |since: u64| unwell().started_at("boot", &[NOW - since]).dead("boot", None);
    assert_eq!(ended(120).says("boot"), "restart: deacon-unwell", "in its dead pane");
    assert_eq!(ended(1).says("boot"), "nothing: cooldown");
    // After some that did not help the waits of all restarts are the longer ones.
    let starts: Vec<u64> = (0..5).map(|number| NOW - 130 - 600 * number).rev().collect();
    let mut many = unwell();
    for start in starts {
        let spec = many.desired.objects[&address("boot")].spec.clone();
        let policy = many.desired.policy.clone();
        many.ledger.strike(&address("boot"), Cause::CleanExit, &spec, &policy, &at(start), 0.5);
    }
    assert_eq!(many.says("boot"), "held: backoff");
    let wake = unwell().started_at("boot", &[NOW - 100]).plan().wake.unwrap();
    assert!(at(NOW).until(&wake) <= Duration::from_secs(20), "it is looked at again by then");
}

#[test]
fn one_that_does_not_end_is_stopped_and_keeps_its_cooldown() {
    let at_work = |seconds: u64| {
        town("[boot]\nmax = '5m'").living("boot", Duration::from_secs(seconds), Seen::Known(false))
    };
    assert_eq!(at_work(299).says("boot"), "nothing: running");
    assert_eq!(at_work(300).says("boot"), "kill: overdue");
    assert_eq!(at_work(300).attached().says("boot"), "nothing: running", "somebody talks with it");
    let plan = at_work(400).plan();
    let because = &plan.of(&address("boot")).unwrap().because;
    assert_eq!(because, &Reason::Overdue { lived: Duration::from_secs(400) });
    let wake = at_work(290).plan().wake.unwrap();
    assert_eq!(at(NOW).until(&wake), Duration::from_secs(10));
}

#[test]
fn degraded_starts_nobody_and_leaves_the_deacon_to_its_own_judgement() {
    let degraded = |mut given: Given| {
        given.options.degraded = true;
        given
    };
    let silent = degraded(town("").running("deacon").silent("deacon", 200, None));
    assert_eq!(
        (silent.says("boot").as_str(), silent.says("deacon").as_str()),
        ("nothing: degraded", "nudge: stale")
    );
    let absent = degraded(town(""));
    assert_eq!(
        (absent.says("boot").as_str(), absent.says("deacon").as_str()),
        ("nothing: degraded", "start: absent")
    );
    assert_eq!(
        degraded(unwell().living("boot", Duration::from_secs(601), Seen::Known(false))).says("boot"),
        "kill: overdue"
    );
}
