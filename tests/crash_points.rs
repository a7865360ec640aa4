//! Every crash point, generated and not chosen: in each reference scenario the controller dies just before and just after each of its effects, and each
//! answer and each command is lost, one at a time. It must end as if nothing had happened, with exactly as many starts and stops of each object.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use gtctl::model::Address;
use gtctl::sim::check::{Counts, Violation};
use gtctl::sim::choose::Choices;
use gtctl::sim::disk::File;
use gtctl::sim::fate::{BLOWS, Script};
use gtctl::sim::mishap::{Mishap, ledger};
use gtctl::sim::plot::{Kind, Plot};
use gtctl::sim::stage::Stage;

/// A town, and what happens to it after it has come to rest for the first time.
struct Scenario {
    name: &'static str,
    town: fn() -> Plot,
    then: fn(&mut Stage) -> Result<(), Violation>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "three sessions start", town: || Plot::of_sessions(3), then: |_| Ok(()) },
    Scenario { name: "an agent ends", town: one, then: |stage| stage.befalls(Mishap::AgentEnds) },
    Scenario { name: "all agents end", town: two, then: |stage| stage.befalls(Mishap::AllAgentsEnd) },
    Scenario { name: "a session is killed", town: one, then: |stage| stage.befalls(Mishap::SessionKilled) },
    Scenario {
        name: "an agent's pane is killed beside another one",
        town: one,
        then: |stage| stage.befalls(Mishap::WindowSplit).and_then(|()| stage.befalls(Mishap::PaneKilled)),
    },
    Scenario { name: "the server is killed", town: two, then: |stage| stage.befalls(Mishap::ServerKilled) },
    Scenario { name: "a label is removed", town: one, then: |stage| stage.befalls(Mishap::LabelRemoved) },
    Scenario {
        name: "a rig is parked",
        town: rig,
        then: |stage| {
            stage.edit(|plot| plot.rigs[0].state = "parked");
            Ok(())
        },
    },
    Scenario {
        name: "a parked rig is made active",
        town: || {
            let mut plot = rig();
            plot.rigs[0].state = "parked";
            plot
        },
        then: |stage| {
            stage.edit(|plot| plot.rigs[0].state = "active");
            Ok(())
        },
    },
];

/// One session, where something befalls the first of them: which one that is depends on who started first.
fn one() -> Plot {
    Plot::of_sessions(1)
}

fn two() -> Plot {
    Plot::of_sessions(2)
}

fn rig() -> Plot {
    Plot::of_sessions(1).and_rigs(1)
}

/// Plays a scenario; what controllers did to each object, and how many effects that took.
fn play(scenario: &Scenario, script: Option<Script>) -> Result<(BTreeMap<Address, Counts>, u64), Violation> {
    let mut stage = Stage::new((scenario.town)(), 100..=30_000, Choices::replayed(Vec::new()), false);
    stage.script(script);
    stage.start_controller();
    stage.come_to_rest()?;
    (scenario.then)(&mut stage)?;
    stage.come_to_rest()?;
    let effects = stage.shared().fates.effects;
    Ok((stage.report().counts, effects))
}

#[test]
fn a_controller_may_die_and_an_answer_be_lost_at_every_effect() {
    let mut points = 0;
    for scenario in SCENARIOS {
        let (expected, effects) =
            play(scenario, None).unwrap_or_else(|broken| panic!("{}: {broken}", scenario.name));
        assert!(effects > 5, "{} does something", scenario.name);
        for at in 0..effects {
            for what in BLOWS {
                let script = Script { at, what };
                let (counts, _) = play(scenario, Some(script))
                    .unwrap_or_else(|broken| panic!("{}, {script:?}: {broken}", scenario.name));
                assert_eq!(counts, expected, "{}, {script:?}", scenario.name);
                points += 1;
            }
        }
    }
    println!("{points} crash points in {} scenarios", SCENARIOS.len());
    assert!(points > 400, "only {points} crash points");
}

/// A session whose agent ignores the hang-up and TERM.
fn deaf() -> Plot {
    let mut plot = one();
    plot.sessions[0].kind = Kind::Deaf;
    plot
}

/// A world that a controller has left just after this blow.
fn left_by_a_blow(plot: Plot, script: Script) -> Stage {
    let mut stage = Stage::new(plot, 100..=30_000, Choices::replayed(Vec::new()), false);
    stage.script(Some(script));
    stage.start_controller();
    let mut steps = 0;
    while stage.shared().fates.effects <= script.at && steps < 200 {
        stage.moves(1).unwrap();
        steps += 1;
    }
    stage.kill_controllers();
    stage
}

#[test]
fn law_4_an_agent_that_nobody_has_recorded_is_not_doubled_when_its_server_ends() {
    let mut reaped = 0;
    for (at, what) in (0..30).flat_map(|at| BLOWS.map(|what| (at, what))) {
        let mut stage = left_by_a_blow(deaf(), Script { at, what });
        stage.befalls(Mishap::ServerKilled).unwrap();
        // The world itself counts lives, and fails at the second one.
        stage.come_to_rest().unwrap_or_else(|broken| panic!("{what:?} at {at}: {broken}"));
        let address: Address = "sessions/s0".parse().unwrap();
        assert_eq!(stage.shared().world.lives_of(&address).len(), 1, "{what:?} at {at}");
        reaped += stage.report().counts[&address].stops;
    }
    assert!(reaped > 20, "only {reaped} agents were out of sight");
}

#[test]
fn an_agent_that_nobody_has_recorded_and_that_is_not_to_be_started_again_is_ended_all_the_same() {
    let mut reaped = 0;
    for (at, what) in (0..30).flat_map(|at| BLOWS.map(|what| (at, what))) {
        let mut plot = deaf();
        plot.sessions[0].restart = "never";
        let mut stage = left_by_a_blow(plot, Script { at, what });
        stage.befalls(Mishap::SessionKilled).unwrap();
        // At rest nothing of what is finished lives.
        stage.come_to_rest().unwrap_or_else(|broken| panic!("{what:?} at {at}: {broken}"));
        let counts = stage.report().counts;
        reaped += counts.values().map(|counts| counts.stops).sum::<u64>();
    }
    assert!(reaped > 20, "only {reaped} agents were out of sight");
}

#[test]
fn law_11_a_ledger_cut_at_any_byte_starts_nothing_and_stops_nothing() {
    let mut stage = Stage::new(two(), 100..=30_000, Choices::replayed(Vec::new()), false);
    stage.start_controller();
    stage.come_to_rest().unwrap();
    let Some(File::Bytes(whole)) = stage.shared().world.disk.get(&ledger()).cloned() else {
        panic!("no ledger")
    };
    let counts = stage.report().counts;
    stage.kill_controllers();
    stage.befalls(Mishap::AllAgentsEnd).unwrap();
    for length in 0..whole.len() - 2 {
        stage.shared().world.disk.put(ledger(), &whole[..length]);
        stage.kill_controllers();
        stage.moves(12).unwrap();
        assert_eq!(stage.report().counts, counts, "cut at {length}");
    }
    stage.shared().world.disk.put(ledger(), whole);
    stage.kill_controllers();
    stage.come_to_rest().unwrap();
    let started: u64 = stage.report().counts.values().map(|counts| counts.starts).sum();
    assert_eq!(started, 4, "with its memory back it starts both once more");
}
