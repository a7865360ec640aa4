//! When the plan would be another one although nothing else changes.

use std::time::Duration;

use super::builders::{NOW, address, at, town};
use crate::desired::{Hold, HoldKind};
use crate::model::Origin;

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str = "[sessions.scribe]\ncommand = [\"./x\"]";

#[test]
fn nothing_to_wait_for_is_no_wake() {
    assert_eq!(town(TOWN).running(SCRIBE).plan().wake, None);
    assert_eq!(town(TOWN).running(SCRIBE).hold(SCRIBE, HoldKind::Parked).plan().wake, None);
}

#[test]
fn a_hold_with_an_end_wakes_at_its_end() {
    let mut given = town(TOWN);
    for until in [NOW + 60, NOW + 30, NOW - 10] {
        let object = given.desired.objects.get_mut(&address(SCRIBE)).unwrap();
        object
            .holds
            .push(Hold { until: Some(at(until).wall), ..Hold::new(HoldKind::Disabled, Origin::Default) });
    }
    assert_eq!(given.plan().wake, Some(at(NOW + 30)), "the next one; what has passed is past");
    assert_eq!(given.clone().now(NOW + 60).plan().wake, None, "at its end it is over, and not waited for");
    assert_eq!(given.now(NOW + 60).says(SCRIBE), "start: absent");
}

#[test]
fn the_end_of_a_rigs_state_in_town_toml_wakes() {
    let until = at(NOW + 90).wall;
    let given = town(&format!("[rigs.a]\nstate = \"parked\"\nuntil = {until}"));
    assert_eq!(given.plan().wake, Some(at(NOW + 90)));
    assert_eq!(given.says("a/witness"), "held: parked");
    assert_eq!(given.now(NOW + 90).says("a/witness"), "start: absent");
}

#[test]
fn a_start_that_has_not_settled_wakes_when_it_has() {
    let wake = town(TOWN).starting(SCRIBE).plan().wake.unwrap();
    let wait = at(NOW).until(&wake);
    assert!(wait >= Duration::from_millis(800) && wait < Duration::from_millis(900), "{wait:?}");
}

#[test]
fn the_earliest_wake_counts() {
    let given = town("[sessions.a]\ncommand = [\"x\"]\n[sessions.b]\ncommand = [\"x\"]");
    let given = given.dead("sessions/a", None).started_at("sessions/a", &[NOW - 40, NOW - 5]);
    let alone = given.plan().wake.unwrap();
    let with_start = given.starting("sessions/b").plan().wake.unwrap();
    assert!(at(NOW).until(&with_start) < at(NOW).until(&alone));
}
