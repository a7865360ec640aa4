//! Random worlds: each seed is a town, its controllers, and a world that hurts them, heals, and then must come to rest.
//!
//! The laws are checked after every step (`src/sim/check.rs`), eventual stability at the end. `GTCTL_RUNS` says how many runs (the default is what
//! `make test` can bear), `GTCTL_SEED` where they begin; a failure prints the seed, the shrunk tape and the story, and
//! `GTCTL_SEED=… GTCTL_RUNS=1 cargo test --test simulation` repeats it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gtctl::sim::choose::Choices;
use gtctl::sim::disk::File;
use gtctl::sim::mishap::{MISHAPS, Mishap, ledger};
use gtctl::sim::plot::Plot;
use gtctl::sim::run::{Report, Setting, seeded};
use gtctl::sim::stage::Stage;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Runs so many seeds on all cores; everything that was injected, counted.
fn runs(name: &str, count: u64, setting: Setting) -> Report {
    let first = number("GTCTL_SEED", 1);
    let next = AtomicU64::new(0);
    let total = Mutex::new(Report::default());
    let failed = Mutex::new(None);
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut own = Report::default();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || failed.lock().unwrap().is_some() {
                        break;
                    }
                    match seeded(first + index, setting) {
                        Ok(report) => own.add(&report),
                        Err(failure) => {
                            failed.lock().unwrap().get_or_insert((first + index, failure));
                        }
                    }
                }
                total.lock().unwrap().add(&own);
            });
        }
    });
    if let Some((seed, failure)) = failed.into_inner().unwrap() {
        panic!(
            "{name}: seed {seed} breaks a law\n{failure}\nrepeat: GTCTL_SEED={seed} GTCTL_RUNS=1 cargo test --test simulation {name}"
        );
    }
    let total = total.into_inner().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{name}: {count} runs, {} steps, {} passes, {} faults in {seconds:.1} s ({:.0} runs/s)",
        total.steps,
        total.passes,
        total.faults.values().sum::<u64>(),
        f64::from(u32::try_from(count).unwrap()) / seconds
    );
    for (fault, count) in &total.faults {
        println!("  {count:>9}  {fault}");
    }
    total
}

/// Every kind of fault must have been injected: worlds that are too tame prove nothing.
fn assert_all_injected(faults: &BTreeMap<&'static str, u64>) {
    let mut missing: Vec<&str> =
        MISHAPS.iter().map(|mishap| mishap.name()).filter(|name| !faults.contains_key(name)).collect();
    let of_effects = [
        "F1 the controller dies before an effect",
        "F1 the controller dies after an effect",
        "F2 a command takes effect, its answer is lost",
        "F3 a command takes no effect and has no answer",
        "F5 an answer is that of an earlier look",
        "F6 a notice of a death is lost",
        "F7 an answer breaks off",
        "F9 an answer takes long",
        "F9 tmux refuses and says something misleading",
        "F18 a file cannot be written",
    ];
    missing.extend(of_effects.iter().filter(|name| !faults.contains_key(**name)));
    assert!(missing.is_empty(), "never injected: {missing:?}");
}

#[test]
fn the_laws_hold_and_every_world_comes_to_rest() {
    let report =
        runs("the_laws_hold_and_every_world_comes_to_rest", number("GTCTL_RUNS", 20_000), Setting::default());
    if number("GTCTL_RUNS", 20_000) >= 10_000 {
        assert_all_injected(&report.faults);
    }
}

/// The lines of the event log in a simulated world.
fn events(stage: &Stage) -> Vec<String> {
    let shared = stage.shared();
    let Some(File::Bytes(bytes)) = shared.world.disk.get(&ledger().with_file_name("events.jsonl")) else {
        return Vec::new();
    };
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

fn stage(plot: Plot) -> Stage {
    let mut stage = Stage::new(plot, 100..=30_000, Choices::replayed(Vec::new()), false);
    stage.start_controller();
    stage
}

#[test]
fn s91_ten_thousand_passes_in_one_bad_state_are_told_once() {
    let mut plot = Plot::of_sessions(1).and_rigs(1);
    plot.rigs[0].state = "parked";
    let mut stage = stage(plot);
    stage.moves(100).unwrap();
    let (before, passes) = (events(&stage), stage.report().passes);
    assert!(before.iter().any(|line| line.contains("\"parked\"")), "{before:?}");

    while stage.report().passes < passes + 10_000 {
        stage.moves(1_000).unwrap();
    }

    assert_eq!(events(&stage), before);
}

#[test]
fn a_start_that_was_refused_has_been_none() {
    let mut refused = 0;
    for moves in 0..8 {
        let mut stage = stage(Plot::of_sessions(1));
        stage.moves(moves).unwrap();
        stage.befalls(Mishap::NameTaken).unwrap();
        stage.moves(40).unwrap();

        refused +=
            events(&stage).iter().filter(|line| line.contains("has been taken in the meantime")).count();
        let starts: u64 = stage.report().counts.values().map(|counts| counts.starts).sum();
        let Some(File::Bytes(bytes)) = stage.shared().world.disk.get(&ledger()).cloned() else { continue };
        let memory: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let strikes = memory["objects"]["sessions/s0"]["starts"].as_array().map_or(0, Vec::len);
        assert_eq!(strikes as u64, starts, "a name that is taken after {moves} moves\n{memory:#}");
    }
    assert!(refused > 0, "it never came between look and start");
}

#[test]
fn law_2_a_pane_that_somebody_opens_in_a_dead_session_does_not_end_with_it() {
    let mut refused = 0;
    for moves in 0..12 {
        let mut stage = stage(Plot::of_sessions(0).and_rigs(1));
        stage.come_to_rest().unwrap();
        stage.befalls(Mishap::AllAgentsEnd).unwrap();
        stage.edit(|plot| plot.rigs[0].state = "parked");
        stage.moves(moves).unwrap();
        stage.befalls(Mishap::WindowSplit).unwrap();
        // The checker judges what really ends.
        stage.moves(40).unwrap_or_else(|broken| panic!("opened after {moves} moves: {broken}"));
        refused += events(&stage).iter().filter(|line| line.contains("refused")).count();
    }
    assert!(refused > 0, "it never came between look and stop");
}

#[test]
fn s67_forty_agents_are_started_as_fast_as_they_may_and_none_is_given_up() {
    let mut stage = stage(Plot::of_sessions(40));
    stage.come_to_rest().unwrap();

    let counts = stage.report().counts;
    assert_eq!(counts.len(), 40);
    assert!(counts.values().all(|counts| (counts.starts, counts.stops) == (1, 0)), "{counts:?}");
    // The checker counts the starts of each minute.
    assert!(stage.report().time > Duration::from_secs(3 * 60), "{:?}", stage.report().time);
}
