//! What a hold means for what already runs: "not wanted" is not "must not exist".

use super::builders::{Given, address, at, estop, files, name, of_files, town};
use crate::desired::{Hold, HoldKind};
use crate::model::{Exit, Origin, Seen, Why};
use crate::town::files::stops::Stop;
use crate::town::files::{AutoRestart, Wisp, WispStatus};

/// An object of each role.
const ALL: [&str; 7] =
    ["a/witness", "a/refinery", "a/polecats/nux", "a/crew/max", "sessions/scribe", "mayor", "deacon"];

fn everybody() -> Given {
    town("[limits]\nstarts-in-flight = 100\n[roles.mayor]\nenabled = true\n[roles.deacon]\nenabled = true\n[rigs.a.crew.max]\n[sessions.scribe]\ncommand = [\"x\"]")
        .object("a/polecats/nux", "a/crew/max")
}

fn kinds() -> [(HoldKind, &'static str); 7] {
    [
        (HoldKind::Parked, "parked"),
        (HoldKind::Docked, "docked"),
        (HoldKind::Stopped("me".to_owned()), "stopped"),
        (HoldKind::NoRestart, "no-restart"),
        (HoldKind::Disabled, "disabled"),
        (HoldKind::Frozen, "frozen"),
        (HoldKind::Unreadable(Why::new("torn")), "layer-unreadable"),
    ]
}

/// Whether a hold of this kind stops an object of this role.
fn stops(kind: &HoldKind, of: &str) -> bool {
    match kind {
        HoldKind::Parked => matches!(of, "a/witness" | "a/refinery"),
        HoldKind::Docked => matches!(of, "a/witness" | "a/refinery" | "a/polecats/nux"),
        HoldKind::Stopped(_) => true,
        HoldKind::NoRestart | HoldKind::Disabled | HoldKind::Frozen | HoldKind::Unreadable(_) => false,
    }
}

fn freezes(kind: &HoldKind) -> bool {
    matches!(kind, HoldKind::Frozen | HoldKind::Unreadable(_))
}

#[test]
fn a_hold_stops_what_runs_only_where_the_table_says_so() {
    for (kind, code) in kinds() {
        for of in ALL {
            let expected = match (stops(&kind, of), freezes(&kind)) {
                (true, _) => format!("kill: {code}"),
                (false, true) => format!("held: {code}"),
                (false, false) => format!("nothing: {code}"),
            };
            for living in [Given::running, Given::starting] {
                let given = living(everybody(), of).hold(of, kind.clone());
                // A polecat at work may finish first.
                let drains = kind == HoldKind::Docked && of == "a/polecats/nux";
                let is_at_work =
                    given.plan().of(&address(of)).is_some_and(|one| one.state.word() == "running");
                let expected = if drains && is_at_work { "nudge: draining" } else { &expected };
                assert_eq!(given.says(of), expected, "{of} {kind:?}");
            }
        }
    }
}

#[test]
fn a_hold_starts_nothing_that_is_dead() {
    for (kind, code) in kinds() {
        for of in ALL {
            // Where it is to stop, its dead session goes too; there is no life in it.
            let expected = if stops(&kind, of) { format!("kill: {code}") } else { format!("held: {code}") };
            let given = everybody().dead(of, Some(Exit::Signal(9))).hold(of, kind.clone());
            assert_eq!(given.says(of), expected, "{of} {kind:?}");
        }
    }
}

#[test]
fn a_hold_starts_nothing_that_is_absent() {
    for (kind, code) in kinds() {
        for of in ALL {
            assert_eq!(everybody().hold(of, kind.clone()).says(of), format!("held: {code}"));
        }
    }
}

#[test]
fn a_hold_starts_nothing_that_vanished_with_its_server() {
    for (kind, code) in kinds() {
        for of in ALL {
            let given = everybody()
                .past(of, super::builders::OLD_SERVER, Some(Seen::Known(false)))
                .hold(of, kind.clone());
            assert_eq!(given.says(of), format!("held: {code}"));
        }
    }
}

#[test]
fn the_strictest_hold_wins_whichever_layer_it_comes_from() {
    let given = everybody().running("a/witness").hold("a/witness", HoldKind::Parked);
    assert_eq!(given.clone().hold("a/witness", HoldKind::Disabled).says("a/witness"), "kill: parked");
    assert_eq!(given.clone().hold("a/witness", HoldKind::Docked).says("a/witness"), "kill: docked");
    assert_eq!(given.hold("a/witness", HoldKind::Frozen).says("a/witness"), "held: frozen");
}

#[test]
fn what_gt_started_is_labelled_before_it_is_stopped_and_left_alone_where_it_may_stay() {
    let claim = || Seen::Known(super::ownership::gt_claim("witness", Some("a"), None));
    let given = |kind| everybody().claimed("a/witness", claim()).hold("a/witness", kind);
    assert_eq!(given(HoldKind::Parked).says("a/witness"), "adopt: started-by-gt");
    assert_eq!(given(HoldKind::Disabled).says("a/witness"), "nothing: disabled");
    assert_eq!(given(HoldKind::Frozen).says("a/witness"), "held: frozen");
}

#[test]
fn law_1_what_is_to_stop_and_cannot_be_seen_is_not_stopped() {
    for (given, reason) in [
        (everybody().unseen("a/witness"), "held: unknown"),
        (everybody().ending("a/witness"), "held: unknown"),
        (everybody().running("a/witness").running("a/witness"), "held: duplicate"),
    ] {
        assert_eq!(given.hold("a/witness", HoldKind::Parked).says("a/witness"), reason);
    }
}

#[test]
fn what_is_to_stop_and_has_no_terminal_is_stopped_through_its_session() {
    let given = everybody().detached("a/witness").hold("a/witness", HoldKind::Parked);
    assert_eq!(given.says("a/witness"), "kill: parked");
}

#[test]
fn a_foreign_session_survives_the_parking_of_its_namesake() {
    let given = everybody().named_like("a/witness").hold("a/witness", HoldKind::Parked);
    assert_eq!(given.says("a/witness"), "held: parked");
}

#[test]
fn each_layer_of_files_holds() {
    let text = "[rigs.a]\n[rigs.a.crew.max]";
    let says = |change: fn(&mut crate::town::files::TownFiles)| {
        let mut files = files(text);
        change(&mut files);
        of_files(&files).says("a/crew/max")
    };
    assert_eq!(says(|_| ()), "start: absent");
    assert_eq!(says(|files| files.stops.town = Seen::Known(Some(estop()))), "held: frozen");
    assert_eq!(says(|files| files.stops.town = Seen::unknown("EIO")), "held: layer-unreadable");
    assert_eq!(says(|files| files.stops.shutdown = Seen::Known(true)), "held: frozen");
    assert_eq!(says(|files| files.stops.shutdown = Seen::unknown("EIO")), "held: layer-unreadable");
    assert_eq!(
        says(|files| {
            let stop = Stop { file: "ESTOP.a".to_owned(), ..estop() };
            files.stops.rigs.insert(name("a"), Seen::Known(Some(stop)));
        }),
        "held: frozen"
    );
    assert_eq!(
        says(|files| {
            let wisp = Wisp { status: WispStatus::Parked, ..Wisp::default() };
            files.wisps.insert(name("a"), Seen::Known(Some(wisp)));
        }),
        "held: parked"
    );
    assert_eq!(
        says(|files| {
            let wisp = Wisp { auto_restart: AutoRestart::Blocked, ..Wisp::default() };
            files.wisps.insert(name("a"), Seen::Known(Some(wisp)));
        }),
        "held: no-restart"
    );
    assert_eq!(
        says(|files| {
            files.wisps.insert(name("a"), Seen::unknown("torn"));
        }),
        "held: layer-unreadable"
    );
}

#[test]
fn the_words_of_town_toml_hold() {
    let says = |text: &str, of: &str| town(text).running(of).says(of);
    assert_eq!(says("[rigs.a]\nstate = \"parked\"", "a/witness"), "kill: parked");
    assert_eq!(says("[rigs.a]\nstate = \"docked\"", "a/refinery"), "kill: docked");
    assert_eq!(says("[rigs.a]\nauto-restart = false", "a/witness"), "nothing: no-restart");
    assert_eq!(says("[rigs.a]\nroles.refinery = { enabled = false }", "a/refinery"), "nothing: disabled");
    assert_eq!(says("[roles.witness]\nenabled = false\n[rigs.a]", "a/witness"), "nothing: disabled");
    assert_eq!(says("[rigs.a]", "mayor"), "nothing: disabled");
}

#[test]
fn a_hold_names_who_gave_it_and_why() {
    let plan = town("[rigs.a]\nstate = \"parked\"\nreason = \"budget\"").plan();
    let verdict = plan.of(&super::builders::address("a/witness")).unwrap();
    assert_eq!(
        (verdict.origin.to_string(), verdict.note.as_deref()),
        ("town.toml:3:9".to_owned(), Some("budget"))
    );
}

#[test]
fn a_hold_whose_time_has_passed_holds_no_longer() {
    let mut given = everybody();
    let until = |seconds| Some(at(seconds).wall);
    let object = given.desired.objects.get_mut(&super::builders::address("a/crew/max")).unwrap();
    object.holds.push(Hold { until: until(50), ..Hold::new(HoldKind::Docked, Origin::Default) });
    assert_eq!(given.clone().now(49).says("a/crew/max"), "held: docked");
    assert_eq!(given.clone().now(50).says("a/crew/max"), "start: absent");
    let object = given.desired.objects.get_mut(&super::builders::address("a/crew/max")).unwrap();
    object.holds.push(Hold::new(HoldKind::Disabled, Origin::Default));
    assert_eq!(given.now(50).says("a/crew/max"), "held: disabled", "the weaker hold goes on");
}
