//! Law 2: ours only. A label or gt's whole environment proves it; a name proves nothing.

use super::builders::{Given, OLD_SERVER, ROOT, address, steps, town};
use crate::desired::HoldKind;
use crate::model::{Label, Seen, SessionId};
use crate::observed::Claim;
use crate::plan::{Action, LaunchInto, State};

const TOWN: &str = "[rigs.a.crew.max]\n[sessions.scribe]\ncommand = [\"./x\"]";

/// What gt writes into a session's environment.
pub fn gt_claim(role: &str, rig: Option<&str>, worker: Option<&str>) -> Claim {
    Claim {
        root: Some(ROOT.to_owned()),
        role: Some(role.to_owned()),
        rig: rig.map(str::to_owned),
        worker: worker.map(str::to_owned),
        ..Claim::default()
    }
}

fn says(of: &str, claim: Claim) -> String {
    town(TOWN).claimed(of, Seen::Known(claim)).says(of)
}

#[test]
fn gt_s_environment_of_either_era_proves_a_session() {
    let adopted = "adopt: started-by-gt";
    assert_eq!(says("a/witness", gt_claim("witness", Some("a"), None)), adopted);
    assert_eq!(says("a/witness", gt_claim("a/witness", Some("a"), None)), adopted);
    assert_eq!(says("a/crew/max", gt_claim("crew", Some("a"), Some("max"))), adopted);
    assert_eq!(says("a/crew/max", gt_claim("a/crew/max", Some("a"), Some("max"))), adopted);
}

#[test]
fn anything_that_is_missing_or_wrong_in_it_proves_nothing() {
    let good = || gt_claim("witness", Some("a"), None);
    for (claim, why) in [
        (Claim::default(), "nothing said"),
        (Claim { root: None, ..good() }, "no root"),
        (Claim { root: Some("/elsewhere".to_owned()), ..good() }, "wrong root"),
        (Claim { role: None, ..good() }, "no role"),
        (Claim { role: Some("refinery".to_owned()), ..good() }, "wrong role"),
        (Claim { role: Some("b/witness".to_owned()), ..good() }, "wrong compound role"),
        (Claim { rig: Some("b".to_owned()), ..good() }, "wrong rig"),
        (Claim { rig: None, ..good() }, "no rig"),
        (Claim { worker: Some("max".to_owned()), ..good() }, "a worker"),
    ] {
        assert_eq!(says("a/witness", claim), "held: foreign", "{why}");
    }
    assert_eq!(says("a/crew/max", gt_claim("crew", Some("a"), Some("joe"))), "held: foreign");
    assert_eq!(says("a/crew/max", gt_claim("crew", Some("a"), None)), "held: foreign");
}

#[test]
fn a_session_that_gtctl_started_and_that_lost_its_label_is_adopted() {
    let own = |town: &str, object: &str| Claim {
        gtctl_town: Some(town.to_owned()),
        gtctl_object: Some(object.to_owned()),
        ..Claim::default()
    };
    let id = town(TOWN).desired.town.to_string();
    assert_eq!(says("sessions/scribe", own(&id, "sessions/scribe")), "adopt: started-by-gt");
    assert_eq!(says("sessions/scribe", own(&id, "sessions/other")), "held: foreign");
    assert_eq!(says("sessions/scribe", own("ffffffffffff", "sessions/scribe")), "held: foreign");
}

#[test]
fn gtctl_s_own_variables_count_before_gt_s() {
    let claim = Claim {
        gtctl_town: Some("ffffffffffff".to_owned()),
        gtctl_object: Some("a/witness".to_owned()),
        ..gt_claim("witness", Some("a"), None)
    };
    assert_eq!(says("a/witness", claim), "held: foreign");
}

#[test]
fn law_1_an_environment_that_cannot_be_read_is_neither_ours_nor_foreign() {
    let given = town(TOWN).claimed("a/witness", Seen::unknown("tmux did not tell"));
    assert_eq!(given.says("a/witness"), "held: unknown");
    assert!(matches!(given.plan().of(&address("a/witness")).unwrap().state, State::Unknown(_)));
}

#[test]
fn what_gt_started_is_adopted_where_gt_says_that_it_runs() {
    let claim = Claim { pane: Some("%77".to_owned()), ..gt_claim("witness", Some("a"), None) };
    let given = town(TOWN).claimed("a/witness", Seen::Known(claim)).edit(|session| {
        let mut second = session.panes[0].clone();
        second.id = crate::model::PaneId(77);
        session.panes.push(second);
    });
    let plan = given.plan();
    let (_, step) = plan.steps().find(|(verdict, _)| verdict.address == address("a/witness")).unwrap();
    let Action::Adopt(fence) = &step.action else { panic!("{step:?}") };
    assert_eq!(fence.pane().unwrap().0, crate::model::PaneId(77));
    assert_eq!((fence.session(), fence.label()), (SessionId(1), ""));
}

#[test]
fn what_gt_started_and_has_ended_is_started_again_in_its_own_pane() {
    let given = town(TOWN).dead("a/witness", None).edit(|session| {
        session.label = Label::default();
        session.claim = Some(Seen::Known(gt_claim("witness", Some("a"), None)));
    });
    let plan = given.plan();
    let (_, step) = plan.steps().find(|(verdict, _)| verdict.address == address("a/witness")).unwrap();
    let launch = step.action.launch().unwrap();
    assert!(matches!(&launch.into, LaunchInto::DeadPane(fence) if fence.label().is_empty()), "{launch:?}");
}

#[test]
fn what_gt_started_and_has_ended_is_no_stranger_to_a_parked_rig_either() {
    let given = town(TOWN).dead("a/witness", None).hold("a/witness", HoldKind::Parked).edit(|session| {
        session.label = Label::default();
        session.claim = Some(Seen::Known(gt_claim("witness", Some("a"), None)));
    });
    assert_eq!(given.says("a/witness"), "kill: parked");
}

#[test]
fn what_gt_started_in_a_server_that_took_the_place_of_a_living_one_is_not_adopted() {
    let claim = Seen::Known(gt_claim("witness", Some("a"), None));
    let given = town(TOWN).claimed("a/witness", claim).past("a/witness", OLD_SERVER, Some(Seen::Known(true)));
    assert_eq!(given.says("a/witness"), "held: duplicate");
}

#[test]
fn what_gt_started_and_cannot_be_seen_is_unknown() {
    for given in [town(TOWN).unseen("a/witness"), town(TOWN).ending("a/witness")] {
        let given = given.edit(|session| {
            session.label = Label::default();
            session.claim = Some(Seen::Known(gt_claim("witness", Some("a"), None)));
        });
        assert_eq!(given.says("a/witness"), "held: unknown");
    }
}

#[test]
fn s01_a_name_proves_nothing() {
    let given = town(TOWN).named_like("a/witness");
    assert_eq!(given.says("a/witness"), "held: foreign");
    let plan = given.plan();
    assert_eq!((plan.unmanaged.len(), plan.unmanaged[0].ours), (1, false));
}

#[test]
fn s04_another_town_s_session_is_foreign_whatever_its_name() {
    let given = town(TOWN).of_other_town("a/witness");
    assert_eq!(given.says("a/witness"), "held: foreign");
    assert_eq!(given.plan().unmanaged.len(), 1);
    let renamed = town(TOWN).of_other_town("a/witness").edit(|session| session.name = "x".to_owned());
    assert_eq!(renamed.says("a/witness"), "start: absent", "its name is free, its label is another town's");
}

#[test]
fn a_label_that_is_no_marker_is_foreign() {
    let given = town(TOWN).running("a/witness").edit(|session| session.label = "mine".into());
    assert_eq!(given.says("a/witness"), "held: foreign");
}

#[test]
fn a_session_of_ours_under_another_object_s_name_is_not_taken_from_it() {
    let given = town(TOWN).running("a/refinery").edit(|session| session.name = "gt-a-witness".to_owned());
    assert_eq!(given.says("a/refinery"), "nothing: running");
    assert_eq!(given.says("a/witness"), "held: foreign");
}

#[test]
fn a_renamed_session_is_still_ours() {
    let renamed = |given: Given| given.edit(|session| session.name = "my-favourite".to_owned());
    assert_eq!(renamed(town(TOWN).running("a/witness")).says("a/witness"), "nothing: running");
    assert_eq!(renamed(town(TOWN).dead("a/witness", None)).says("a/witness"), "restart: exited");
}

#[test]
fn law_3_a_fence_names_the_life_that_was_seen() {
    let plan = town("[rigs.a]\nstate = \"parked\"").running("a/witness").plan();
    assert_eq!(steps(&plan), ["a/witness kill: parked"]);
    let (_, step) = plan.steps().next().unwrap();
    let Action::Kill(fence) = &step.action else { panic!("{step:?}") };
    assert_eq!(fence.server(), super::builders::SERVER);
    assert_eq!((fence.session(), fence.pane().map(|pane| pane.1)), (SessionId(1), Some(1001)));
    assert_eq!(fence.process().map(|process| (process.pid, process.start)), Some((1001, 50)));
    assert!(fence.label().ends_with(".a/witness.000000000001"), "{}", fence.label());
}

#[test]
fn law_4_gt_s_session_is_remembered_before_it_is_labelled() {
    let witness = gt_claim("witness", Some("a"), None);
    let plan = town(TOWN).claimed("a/witness", Seen::Known(witness)).plan();
    let verdict = plan.of(&address("a/witness")).unwrap();
    let State::Adoptable(alive) = &verdict.state else { panic!("{:?}", verdict.state) };
    let (life, _) = verdict.state.in_sight().expect("its process is known");
    assert_eq!(Some(life.process), alive.fence.process());
}
