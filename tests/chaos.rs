//! Chaos on a real tmux: a town of twenty-five fake agents is hurt by a seeded stream of real faults, and the promises are checked from
//! outside, by `/proc` and the town's own tmux server, all the time. Then everything heals, and the town must come to rest.
//!
//! `GTCTL_SEED` is the seed, `GTCTL_CHAOS_SECONDS` how long new rounds are begun; `make chaos` runs it for ten minutes. The seed gives
//! the faults, not the moments at which a busy machine lets them happen: a failure comes back with its seed in most runs, not in all.
//!
//! - `generator`: the stream of faults.
//! - `nemesis`: carries them out and undoes them; `controllers`, `files`, `people` are its parts, `heal` is the second half of a round.
//! - `watch`: looks at `/proc`; `checks`: the promises; `history`: what both write to.
//! - `town`: the town.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

mod chaos {
    pub mod checks;
    pub mod controllers;
    pub mod files;
    pub mod generator;
    pub mod heal;
    pub mod history;
    pub mod nemesis;
    pub mod people;
    pub mod town;
    pub mod watch;
}

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chaos::generator::{Generator, Kind};
use chaos::history::History;
use chaos::nemesis::Nemesis;
use chaos::town;
use chaos::watch::{Shared, Watch, open};
use common::{TestTown, wait};

/// The seed of a run that asks for none.
const SEED: u64 = 1;

/// Two rounds deal every kind of fault.
const ROUNDS_MIN: usize = 2;

/// No more than these two: short enough for every run of all tests.
const SECONDS: u64 = 20;

/// How long a round hurts.
const ROUND: Duration = Duration::from_secs(13);

/// A run of this length must have made every kind of fault.
const LONG: u64 = 300;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn law_4_hurt_in_every_way_a_town_keeps_its_promises_and_heals() {
    let (seed, seconds) = (number("GTCTL_SEED", SEED), number("GTCTL_CHAOS_SECONDS", SECONDS));
    println!("GTCTL_SEED={seed} GTCTL_CHAOS_SECONDS={seconds}");
    let town = town::build();
    let shared: Shared = Arc::new(Mutex::new(History::default()));
    let watch = Watch::begin(town.root(), shared.clone());
    let mut nemesis = Nemesis::new(&town, shared.clone());
    let mut generator = Generator::new(seed);
    let begun = Instant::now();

    // Before anything is hurt, everything comes to live.
    nemesis.heal();
    let mut rounds = 0;
    while (rounds < ROUNDS_MIN || begun.elapsed() < Duration::from_secs(seconds)) && is_well(&shared) {
        generator.round(rounds);
        nemesis.sicken();
        hurt(&mut nemesis, &mut generator, &shared);
        if is_well(&shared) {
            nemesis.heal();
        }
        rounds += 1;
    }

    drop(watch);
    println!("{rounds} rounds in {:?}", begun.elapsed());
    report(&nemesis, &shared);
    let never: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| nemesis.count(*kind).done == 0).collect();
    if seconds >= LONG && is_well(&shared) && !never.is_empty() {
        open(&shared).violation(format!("never injected: {never:?}"));
    }
    if !is_well(&shared) {
        fail(&town, &shared, seed, seconds);
    }
}

fn is_well(shared: &Shared) -> bool {
    open(shared).violations.is_empty()
}

/// One fault after the other, until the round is over or a promise is broken.
fn hurt(nemesis: &mut Nemesis<'_>, generator: &mut Generator, shared: &Shared) {
    let begun = Instant::now();
    let mut next = begun;
    let (mut pause, mut fault) = generator.next();
    wait::poll(ROUND * 4, || {
        nemesis.tend();
        if Instant::now() >= next + pause {
            nemesis.hurt(fault);
            next = Instant::now();
            (pause, fault) = generator.next();
        }
        (begun.elapsed() >= ROUND || !is_well(shared)).then_some(())
    });
}

/// What was done and seen, in numbers.
fn report(nemesis: &Nemesis<'_>, shared: &Shared) {
    let history = open(shared);
    println!("fault                 done  not possible then");
    let (mut done, mut missed) = (0, 0);
    for kind in Kind::ALL {
        let count = nemesis.count(kind);
        (done, missed) = (done + count.done, missed + count.missed);
        println!("{:20} {:5} {:5}", format!("{kind:?}"), count.done, count.missed);
    }
    println!("{:20} {done:5} {missed:5}", "all");
    println!(
        "{} starts seen, {} stops by gtctl, {} tmux servers ended, {} controllers started, {} looks at /proc, \
         {} agents that nobody could know of",
        history.starts.len(),
        history.stops,
        history.servers_ended.len(),
        nemesis.controllers_started(),
        history.looks,
        history.unknowable,
    );
}

/// Shows all that is known, and fails.
fn fail(town: &TestTown, shared: &Shared, seed: u64, seconds: u64) {
    let history = open(shared);
    let mut text = format!("--- history\n{}\n", history.tail(150));
    let events = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
    let tail: Vec<&str> = events.lines().rev().take(40).collect();
    text.push_str("--- events of gtctl, the last ones, newest first\n");
    text.push_str(&tail.join("\n"));
    let logs = (0..).map(|number| town.root().join(format!("controller-{number}.log")));
    let logs: Vec<_> = logs.take_while(|log| log.exists()).collect();
    for log in logs.iter().rev().take(2).rev() {
        let all = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = all.lines().collect();
        text.push_str(&format!("\n--- {}\n", log.display()));
        text.push_str(&lines[lines.len().saturating_sub(60)..].join("\n"));
    }
    text.push_str(&format!("\n--- broken promises\n{}\n", history.violations.join("\n")));
    text.push_str(&format!(
        "--- once more: GTCTL_SEED={seed} GTCTL_CHAOS_SECONDS={seconds} cargo test --test chaos -- --nocapture\n"
    ));
    panic!("{text}");
}
