//! Things that are left alone, or left for later, because doing them at once would hurt somebody or go on for ever.

use std::time::Duration;

use super::builders::{address, at, life, town};
use crate::ledger::Rest;
use crate::model::{Exit, PaneId, Seen};
use crate::observed::Claim;

const TOWN: &str = "[rigs.a]\n[sessions.scribe]\ncommand = ['x']\n";
const PARKED: &str = "[rigs.a]\nstate = 'parked'\n";

#[test]
fn law_2_a_parked_rig_leaves_a_session_in_which_other_panes_live() {
    let given = town(PARKED).dead("a/witness", Some(Exit::Code(0)));
    assert_eq!(given.says("a/witness"), "kill: parked", "an empty one is cleared away");
    let with_a_person = given.edit(|session| {
        let mut other = session.panes[0].clone();
        other.id = PaneId(900);
        other.agent.clear();
        other.life = Seen::Known(life(4242, Duration::from_secs(60), Seen::Known(true)));
        session.panes.push(other);
    });
    assert_eq!(with_a_person.says("a/witness"), "held: panes-left");
}

#[test]
fn law_2_the_pane_that_gt_names_is_adopted_or_none() {
    let claim = |root: &std::path::Path| Claim {
        root: Some(root.display().to_string()),
        role: Some("witness".to_owned()),
        rig: Some("a".to_owned()),
        pane: Some("%77".to_owned()),
        ..Claim::default()
    };
    let root = town(TOWN).desired.root;
    let given = town(TOWN).claimed("a/witness", Seen::Known(claim(&root)));
    assert_eq!(
        given.says("a/witness"),
        "held: foreign",
        "pane %77 is gone, and the one that is there is somebody else's"
    );
}

#[test]
fn what_came_to_nothing_is_tried_again_later_and_not_at_once() {
    let mut given = town(PARKED).running("a/witness").now(100);
    assert_eq!(given.says("a/witness"), "kill: parked");
    given
        .ledger
        .resting
        .insert(address("a/witness"), Rest { until: at(101), length: Duration::from_secs(1) });
    assert_eq!(given.says("a/witness"), "held: retry");
    assert_eq!(given.plan().wake, Some(at(101)), "and it is looked at again then");
    assert_eq!(given.now(101).says("a/witness"), "kill: parked");
}

#[test]
fn rests_grow_and_end_at_the_longest() {
    let mut given = town(PARKED);
    let lengths: Vec<u64> = (0..5)
        .map(|_| {
            given.ledger.rest(&address("a/witness"), &at(0), Duration::from_secs(6));
            given.ledger.resting[&address("a/witness")].length.as_secs()
        })
        .collect();
    assert_eq!(lengths, [1, 2, 4, 6, 6]);
}
