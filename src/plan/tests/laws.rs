//! The laws as properties over random worlds. They look at the raw observation, not at what `presence` made of it.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::{Strategy, ValueTree};

use super::builders::{Given, NOW, at};
use super::raw::{
    approved, ends_a_life, fence, is_frozen, is_living, is_ours, launches, life, sessions, sessions_of,
    stop_limit, target,
};
use super::worlds::{any_world, frozen, settled_world};
use crate::ledger::MINUTE;
use crate::model::{Address, Reason, Seen};
use crate::observed::{Life, Server};
use crate::plan::{
    Action, Counts, Decision, Fence, Gate, LaunchInto, Opening, Plan, State, Verdict, opening,
};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

/// What a plan contains, in words: to see that the worlds are not too tame to prove anything.
fn features(given: &Given) -> BTreeSet<String> {
    let plan = given.plan();
    let mut found: BTreeSet<String> =
        plan.verdicts.iter().map(|verdict| verdict.because.code().to_owned()).collect();
    for (_, step) in plan.steps() {
        let into = match step.action.launch().map(|launch| &launch.into) {
            None => "",
            Some(LaunchInto::NewSession) => " in a new session",
            Some(LaunchInto::DeadPane(_)) => " in a dead pane",
            Some(LaunchInto::NewWindow(_)) => " in a new window",
            Some(LaunchInto::Replacing(_)) => " for a shell",
        };
        let gate = match step.gate {
            Gate::Ready => "",
            Gate::After(_) => " after others",
            Gate::Turn => " in turn",
            Gate::NotBefore(_) => " not before",
            Gate::MassDeath(_) => " one by one",
        };
        found.insert(format!("{}{into}{gate}", step.action.word()));
    }
    found
}

#[test]
fn the_random_worlds_reach_every_reason_and_every_kind_of_step() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = BTreeSet::new();
    for _ in 0..5000 {
        found.extend(features(&any_world().new_tree(&mut runner).unwrap().current()));
    }
    let expected = "absent vanished exited shell-left pane-gone server-lost probe parked docked stopped pruned asked nudge-waiting waiting-for-input \
        started-by-gt running starting in-flight disabled no-restart frozen layer-unreadable unknown foreign \
        duplicate detached attached finished backoff crash-loop directory-missing program-missing session-limit \
        waiting-for mass-stop socket-lost server-changed memory-not-durable no-work work-closed work-done work-unknown spawning never-seen no-progress draining kill adopt nudge notify";
    let mut missing: Vec<&str> = expected.split_whitespace().filter(|one| !found.contains(*one)).collect();
    missing.extend(
        [
            "start in a new session after others",
            "start in a new session in turn",
            "start in a new session not before",
            "restart in a dead pane",
            "restart in a new window",
            "restart for a shell",
            "kill after others",
            "restart in a dead pane one by one",
        ]
        .into_iter()
        .filter(|one| !found.contains(*one)),
    );
    assert!(missing.is_empty(), "the worlds never show {missing:?}; they do show {found:#?}");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn law_7_the_same_inputs_give_the_same_plan(given in any_world()) {
        prop_assert_eq!(given.plan(), given.plan());
    }

    #[test]
    fn law_1_what_is_unknown_is_not_touched(given in any_world()) {
        let given = approved(given);
        let plan = given.plan();
        for (verdict, step) in plan.steps() {
            prop_assert_ne!(verdict.state.word(), "unknown");
            for session in sessions_of(&given, &verdict.address) {
                let seen = !matches!(life(session), Some(Seen::Unknown(_)));
                let aimed = fence(&step.action).is_some_and(|fence| fence.session() != session.id);
                // Pruning takes one session at a time, and may leave one that cannot be seen.
                prop_assert!(seen || (verdict.because == Reason::Pruned && aimed), "{:?}", verdict);
            }
        }
        match given.observed.server {
            Seen::Known(Server::Up(_)) => {}
            Seen::Known(Server::Down) => prop_assert!(plan.steps().all(|(_, step)| fence(&step.action).is_none())),
            _ => prop_assert!(plan.steps().next().is_none()),
        }
    }

    #[test]
    fn law_1_no_start_rests_on_a_probe_that_failed(given in any_world()) {
        for (verdict, into, _) in launches(&given.plan()) {
            let of = &verdict.address;
            let place = &given.observed.places[of];
            prop_assert!(matches!(place.directory, Seen::Known(Some(_))));
            prop_assert!(matches!(place.program, Seen::Known(Some(_))));
            let remembered = given.ledger.objects.get(of).and_then(|record| record.incarnation.as_ref());
            if let (Some(life), LaunchInto::NewSession | LaunchInto::NewWindow(_)) = (remembered, into) {
                let past = given.observed.past.get(of);
                prop_assert!(matches!(past, Some(Seen::Known(false))), "{:?} {:?}", life, past);
            }
        }
    }

    #[test]
    fn law_1_what_is_frozen_or_has_an_unreadable_layer_is_not_touched(given in any_world()) {
        let given = approved(given);
        for (verdict, _) in given.plan().steps() {
            let object = given.desired.objects.get(&verdict.address);
            prop_assert!(!object.is_some_and(|object| is_frozen(object, &given)), "{:?}", verdict);
        }
    }

    #[test]
    fn law_1_a_frozen_town_is_not_touched(given in any_world()) {
        let mut given = frozen(given);
        // A town always has its mayor, wanted or not; that is how a town that wants nothing can be frozen.
        given.options.prune &= given.desired.objects.contains_key(&Address::Mayor);
        prop_assert_eq!(given.plan().steps().count(), 0);
    }

    #[test]
    fn law_2_steps_aim_at_what_is_proven_ours(given in any_world()) {
        let given = approved(given);
        for (verdict, step) in given.plan().steps() {
            let Some(fence) = fence(&step.action) else { continue };
            let session = target(&given, &step.action).expect("it aims at what was seen");
            if let Action::Adopt(_) = step.action {
                prop_assert_eq!(&*session.label, "");
                let Some(Seen::Known(claim)) = &session.claim else { panic!("no claim") };
                let town = claim.gtctl_town.as_deref() == Some(given.desired.town.as_str());
                // gtctl's own variables name the object, so the session may have been renamed; gt's count under its name alone, or where gtctl has
                // labelled the pane.
                let is_own = town && claim.gtctl_object.as_deref() == Some(verdict.address.to_string().as_str());
                let is_gts = claim.root.as_deref().map(std::path::Path::new) == Some(&given.desired.root)
                    && (session.name == given.desired.objects[&verdict.address].recipe.session
                        || session.lost_its_label());
                prop_assert!(is_own || is_gts);
            } else if session.label.is_empty() {
                // gt started it and it has ended: its environment proves it, and its dead pane is all that is touched.
                let into = step.action.launch().map(|launch| &launch.into);
                let is_dead = matches!(life(session), Some(Seen::Known(Life::Gone { .. } | Life::Detached { .. })) | None);
                prop_assert!(matches!(into, Some(LaunchInto::DeadPane(_)) | None) && is_dead, "{:?}", verdict);
                prop_assert!(matches!(&session.claim, Some(Seen::Known(_))));
            } else {
                let marker = session.marker().expect("it is labelled");
                prop_assert_eq!(&marker.town, &given.desired.town);
                prop_assert_eq!(&marker.address, &verdict.address);
            }
            prop_assert_eq!(fence.label(), &*session.label);
        }
    }

    #[test]
    fn law_3_fences_name_the_life_that_was_seen(given in any_world()) {
        let given = approved(given);
        for (_, step) in given.plan().steps() {
            let Some(fence) = fence(&step.action) else { continue };
            let Seen::Known(Server::Up(up)) = &given.observed.server else { panic!("no server") };
            prop_assert_eq!(fence.server(), up.id);
            let session = target(&given, &step.action).expect("it aims at what was seen");
            if let Some((id, pid)) = fence.pane() {
                prop_assert!(session.panes.iter().any(|pane| pane.id == id && pane.pid == pid));
            }
            let types = matches!(step.action, Action::Nudge { .. } | Action::Adopt(_));
            prop_assert!(!types || (fence.pane().is_some() && fence.process().is_some()));
        }
    }

    #[test]
    fn law_4_no_more_lives_end_than_may(given in any_world()) {
        let plan = given.plan();
        let ends = |plan: &Plan| plan.steps().filter(|(_, step)| ends_a_life(&given, &step.action)).count();
        prop_assert!(ends(&plan) <= stop_limit(&given), "{} > {}", ends(&plan), stop_limit(&given));
        if let Some(refusal) = &plan.refusal {
            prop_assert_eq!(ends(&plan), 0);
            prop_assert!(refusal.stops.len() > refusal.limit);
            let names: std::collections::BTreeSet<&String> = refusal.lives.iter().collect();
            prop_assert_eq!(names.len(), refusal.stops.len(), "an approval is for one life each");
            prop_assert!(refusal.lives.iter().all(|life| !life.is_empty()));
            let lifted = approved(given.clone()).plan();
            prop_assert_eq!(ends(&lifted), refusal.stops.len());
        }
    }

    #[test]
    fn law_4_no_more_starts_than_may(given in any_world()) {
        let plan = given.plan();
        let limits = &given.desired.policy.limits;
        let ready = launches(&plan).filter(|(_, _, gate)| **gate == Gate::Ready).count();
        let now = &given.observed.at;
        let recent = given.ledger.starts.iter().filter(|start| now.since(start) < MINUTE).count();
        prop_assert!(ready + recent <= limits.starts_per_minute.max(recent));
        let under_way: BTreeSet<&Address> = given
            .desired
            .objects
            .keys()
            .filter(|of| given.ledger.in_flight.contains(of) || sessions_of(&given, of).any(|session| {
                let settle = given.desired.policy.controller.settle.get();
                matches!(life(session), Some(Seen::Known(Life::Running { lived, .. })) if *lived < settle)
                    && matches!(plan.of(of).map(|verdict| &verdict.state), Some(State::Starting(_)))
            }))
            .collect();
        prop_assert!(ready + under_way.len() <= limits.starts_in_flight.max(under_way.len()));
    }

    #[test]
    fn law_4_no_more_sessions_than_may(given in any_world()) {
        let plan = given.plan();
        let there = sessions(&given).iter().filter(|session| is_ours(&given, session)).count();
        let adopted = plan.steps().filter(|(_, step)| matches!(step.action, Action::Adopt(_))).count();
        let coming = given
            .ledger
            .in_flight
            .iter()
            .filter(|of| sessions_of(&given, of).next().is_none())
            .filter(|of| plan.of(of).is_some_and(|one| one.state.word() == "absent"))
            .count();
        let new = launches(&plan).filter(|(_, into, _)| **into == LaunchInto::NewSession).count();
        let before = there + adopted + coming;
        prop_assert!(before + new <= given.desired.policy.limits.sessions.max(before));
    }

    #[test]
    fn law_4_one_step_an_object(given in any_world()) {
        let given = approved(given);
        let plan = given.plan();
        let objects: Vec<&Address> = plan.verdicts.iter().map(|verdict| &verdict.address).collect();
        let distinct: BTreeSet<&Address> = objects.iter().copied().collect();
        prop_assert_eq!(objects.len(), distinct.len(), "one verdict an object");
        prop_assert!(given.desired.objects.keys().all(|of| distinct.contains(of)), "and each has one");
        prop_assert!(plan.steps().all(|(verdict, _)| !given.ledger.in_flight.contains(&verdict.address)));
    }

    #[test]
    fn law_4_nothing_that_lives_is_started_again(given in any_world()) {
        let given = approved(given);
        for (verdict, into, _) in launches(&given.plan()) {
            let of = &verdict.address;
            let replaced = match into {
                LaunchInto::Replacing(fence) => Some(fence),
                _ => None,
            };
            for session in sessions_of(&given, of) {
                let is_replaced = replaced.is_some_and(|fence| fence.session() == session.id);
                prop_assert!(is_replaced || !is_living(session), "{:?} lives: {:?}", of, session);
            }
            let remembered = given.ledger.objects.get(of).and_then(|record| record.incarnation.as_ref());
            if let Some(incarnation) = remembered {
                let is_replaced = replaced.and_then(Fence::process) == Some(incarnation.process);
                let lives = given.observed.past.get(of) == Some(&Seen::Known(true));
                let told_dead = sessions_of(&given, of).any(|session| {
                    matches!(life(session), Some(Seen::Known(Life::Gone { .. })))
                        && *session.label == *incarnation.marker.to_string()
                });
                prop_assert!(is_replaced || told_dead || !lives, "{:?} outlived its session", of);
            }
        }
    }

    #[test]
    fn law_4_only_a_bare_shell_that_nobody_looks_at_is_replaced(given in any_world()) {
        let given = approved(given);
        for (verdict, step) in given.plan().steps() {
            if !matches!(step.action.launch().map(|launch| &launch.into), Some(LaunchInto::Replacing(_))) {
                continue;
            }
            let session = target(&given, &step.action).expect("it aims at what was seen");
            prop_assert_eq!(session.attached, 0);
            let bare = matches!(
                life(session),
                Some(Seen::Known(Life::Running { bare_shell: Seen::Known(true), .. }))
            );
            prop_assert!(bare, "{:?}", verdict);
        }
    }

    #[test]
    fn s94_nothing_is_typed_into_an_agent_whose_start_is_not_over(given in any_world()) {
        let plan = given.plan();
        for verdict in plan.verdicts.iter().filter(|one| matches!(&one.decision, Decision::Step(step) if matches!(step.action, Action::Nudge { .. }))) {
            let State::Running(alive) = &verdict.state else { panic!("it is typed into what does not run: {verdict:?}") };
            let opening = opening(&verdict.address, alive, &given.ledger, &given.observed.at);
            prop_assert_eq!(opening, Opening::Over, "{:?}", verdict);
        }
    }

    #[test]
    fn nothing_starts_before_what_it_needs(given in any_world()) {
        let plan = given.plan();
        for (verdict, _, gate) in launches(&plan).filter(|(_, _, gate)| !matches!(gate, Gate::After(_))) {
            for need in &given.desired.objects[&verdict.address].after {
                let need = plan.of(need).expect("it has a verdict");
                let runs = matches!(need.state, State::Running(_)) && need.because != Reason::InFlight;
                let finished = matches!(need.because, Reason::Finished { .. });
                let object = &given.desired.objects[&need.address];
                let unwanted = object.holds.iter().any(|hold| hold.is_active(given.observed.at.wall))
                    || given.ledger.stopped.contains_key(&need.address);
                prop_assert!(runs || finished || unwanted, "{:?} {:?}", gate, need);
            }
        }
    }

    #[test]
    fn nothing_stops_before_what_needs_it(given in any_world()) {
        let given = approved(given);
        let plan = given.plan();
        let is_stopping = |of: &Address| {
            given.ledger.in_flight.contains(of)
                || plan.steps().any(|(one, step)| one.address == *of && matches!(step.action, Action::Kill(_)))
        };
        for (verdict, step) in plan.steps() {
            if !matches!((&step.action, &step.gate), (Action::Kill(_), Gate::Ready)) {
                continue;
            }
            for object in given.desired.objects.values().filter(|one| one.after.contains(&verdict.address)) {
                prop_assert!(!is_stopping(&object.address), "{:?} needs it", object.address);
            }
        }
    }

    #[test]
    fn law_10_a_hold_says_why(given in any_world()) {
        for verdict in &given.plan().verdicts {
            let running = matches!(verdict.because, Reason::Running);
            prop_assert!(verdict.decision == Decision::Nothing || !running, "{:?}", verdict);
            let is_free = given.desired.objects.get(&verdict.address).is_some_and(|one| one.holds.is_empty());
            let unknown = verdict.state.word() == "unknown" && is_free;
            prop_assert!(!unknown || verdict.because.is_unknown() || verdict.because == Reason::InFlight);
        }
    }

    #[test]
    fn the_last_line_counts_what_the_plan_says(given in any_world()) {
        let plan = given.plan();
        let mut counts = Counts::default();
        for verdict in &plan.verdicts {
            match &verdict.decision {
                Decision::Step(step) => match step.action.word() {
                    "start" => counts.start += 1,
                    "restart" => counts.restart += 1,
                    "kill" => counts.kill += 1,
                    "nudge" => counts.nudge += 1,
                    "notify" => counts.notify += 1,
                    _ => {}
                },
                Decision::Held => counts.held += usize::from(!verdict.is_off_by_default()),
                Decision::Nothing => {}
            }
        }
        prop_assert_eq!(plan.counts(), counts);
    }

    #[test]
    fn a_wake_lies_ahead(given in any_world()) {
        if let Some(wake) = given.plan().wake {
            prop_assert!(wake.since_boot > at(NOW).since_boot, "{:?}", wake);
            prop_assert!(at(NOW).until(&wake) > Duration::ZERO);
        }
    }

    #[test]
    fn s90_where_everything_is_as_wanted_nothing_is_done(given in settled_world()) {
        let plan = given.clone().pruning().plan();
        prop_assert_eq!(plan.steps().count(), 0);
        prop_assert!(plan.refusal.is_none());
        prop_assert!(plan.verdicts.iter().all(Verdict::is_as_wanted));
        prop_assert_eq!(plan, Given::pruning(given).plan());
    }
}
