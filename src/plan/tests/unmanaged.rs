//! What no file lists: reported, never touched; `--prune` stops what is ours of it.

use super::builders::{Given, address, estop, files, of_files, steps, town};
use crate::desired::HoldKind;
use crate::model::{Label, Seen};
use crate::plan::Decision;

const TOWN: &str = "[rigs.a]\n[rigs.a.crew.max]";
const MAX: &str = "a/crew/max";

fn left_over() -> Given {
    town(TOWN).running(MAX).unlisted(MAX).running("a/witness").running("a/refinery")
}

#[test]
fn what_is_no_longer_listed_is_left_and_reported() {
    let plan = left_over().plan();
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(plan.unmanaged.len(), 1);
    assert!(plan.unmanaged[0].ours && plan.unmanaged[0].why.contains(MAX), "{:?}", plan.unmanaged);
}

#[test]
fn prune_stops_what_is_ours_and_no_longer_listed() {
    let plan = left_over().pruning().plan();
    assert_eq!(steps(&plan), ["a/crew/max kill: pruned"]);
    assert_eq!(plan.unmanaged, []);
}

#[test]
fn prune_touches_nothing_that_is_not_ours() {
    let given = town(TOWN).running("a/witness").running("a/refinery").running(MAX);
    let given = given
        .of_other_town("b/witness")
        .of_other_town("a/crew/joe")
        .running("b/refinery")
        .edit(|session| session.label = Label::default())
        .running("b/witness")
        .edit(|session| session.label = "nonsense".into());
    let plan = given.pruning().plan();
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(plan.unmanaged.len(), 4);
    assert!(plan.unmanaged.iter().all(|session| !session.ours));
}

#[test]
fn prune_clears_a_dead_session_too() {
    let given = town(TOWN).dead(MAX, None).unlisted(MAX).running("a/witness").running("a/refinery");
    assert_eq!(steps(&given.pruning().plan()), ["a/crew/max kill: pruned"]);
}

#[test]
fn law_1_prune_leaves_what_cannot_be_seen_and_says_so() {
    for given in [town(TOWN).unseen(MAX), town(TOWN).ending(MAX)] {
        let given = given.unlisted(MAX).pruning();
        assert_eq!(given.says(MAX), "held: unknown");
    }
}

#[test]
fn prune_is_not_done_twice() {
    assert_eq!(left_over().in_flight(MAX).pruning().says(MAX), "nothing: in-flight");
}

#[test]
fn prune_takes_one_session_of_an_object_at_a_time() {
    let plan = town(TOWN).running(MAX).dead(MAX, None).unlisted(MAX).pruning().plan();
    let verdicts = plan.verdicts.iter().filter(|verdict| verdict.address == address(MAX)).count();
    let kills = plan.steps().filter(|(verdict, _)| verdict.address == address(MAX)).count();
    assert_eq!((verdicts, kills, plan.unmanaged.len()), (1, 1, 1));
}

#[test]
fn prune_touches_nothing_of_a_frozen_town() {
    let mut files = files("[rigs.a]");
    files.stops.town = Seen::Known(Some(estop()));
    let given = of_files(&files).running(MAX).pruning();
    assert_eq!(given.says(MAX), "held: frozen");
    assert_eq!(given.running("b/witness").says("b/witness"), "held: frozen");
}

#[test]
fn prune_touches_nothing_of_a_rig_whose_state_cannot_be_read() {
    let mut files = files("[rigs.a]\n[rigs.b]");
    files.wisps.insert(super::builders::name("a"), Seen::unknown("torn"));
    let given = of_files(&files).running(MAX).running("b/crew/joe").pruning();
    assert_eq!(given.says(MAX), "held: layer-unreadable");
    assert_eq!(given.says("b/crew/joe"), "kill: pruned", "the other rig goes on");
}

#[test]
fn prune_is_no_matter_of_what_is_parked() {
    let given = left_over().hold("a/witness", HoldKind::Parked).pruning();
    assert_eq!(given.says(MAX), "kill: pruned");
}

#[test]
fn a_pruning_that_would_stop_too_many_stops_none() {
    let mut given = town("[rigs.a]");
    for name in ["x", "y", "z", "v"] {
        given = given.running(&format!("a/crew/{name}"));
    }
    let plan = given.pruning().plan();
    assert!(plan.refusal.is_some());
    assert!(
        plan.verdicts
            .iter()
            .filter(|one| one.address.worker().is_some())
            .all(|one| one.decision == Decision::Held)
    );
}
