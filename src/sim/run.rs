//! One run: a town, its controllers and a world that hurts them, heals, and then must come to rest. From a seed, or from a tape.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::check::{Counts, Violation};
use super::choose::{Choices, shrink};
use super::plot::Plot;
use super::stage::Stage;
use crate::model::Address;

/// What a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Steps while the world hurts.
    pub steps: u32,
    /// How many controllers may act at the same time; more than one only because somebody removed the lock's file.
    pub controllers: u32,
}

impl Default for Setting {
    fn default() -> Self {
        Self { steps: 120, controllers: 1 }
    }
}

/// What a run has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How often each fault was injected.
    pub faults: BTreeMap<&'static str, u64>,
    /// Steps of controllers.
    pub steps: u64,
    /// Passes of controllers.
    pub passes: u64,
    /// What controllers did, by object.
    pub counts: BTreeMap<Address, Counts>,
    /// Simulated time.
    pub time: Duration,
}

impl Report {
    /// Adds what another run has shown.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.steps += other.steps;
        self.passes += other.passes;
        self.time += other.time;
        for (object, counts) in &other.counts {
            let own = self.counts.entry(object.clone()).or_default();
            own.starts += counts.starts;
            own.stops += counts.stops;
        }
    }
}

/// A run that broke a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which law, and how.
    pub violation: Violation,
    /// The choices that led there.
    pub tape: Vec<u32>,
    /// What happened, one line each; empty unless it was asked for.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.story {
            writeln!(f, "  {line}")?;
        }
        write!(f, "{}\n  tape: {:?}", self.violation, self.tape)
    }
}

/// Runs one world from a seed. A failure is shrunk, and told with its story.
pub fn seeded(seed: u64, setting: Setting) -> Result<Report, Box<Failure>> {
    run(Choices::seeded(seed), setting, false).map_err(|failure| {
        let law = failure.violation.law;
        let fails = |tape: &[u32]| {
            let run = run(Choices::replayed(tape.to_vec()), setting, false);
            run.is_err_and(|failure| failure.violation.law == law)
        };
        replayed(shrink(failure.tape.clone(), fails), setting).err().unwrap_or(failure)
    })
}

/// Runs one world from a tape, and tells its story if it fails.
pub fn replayed(tape: Vec<u32>, setting: Setting) -> Result<Report, Box<Failure>> {
    run(Choices::replayed(tape), setting, true)
}

fn run(mut choices: Choices, setting: Setting, tell: bool) -> Result<Report, Box<Failure>> {
    let plot = Plot::random(&mut choices);
    let pids = if choices.one_in(3) { 2..=25 } else { 100..=30_000 };
    let mut stage = Stage::new(plot, pids, choices, tell);
    let result = stage.play(setting);
    let tape = stage.shared().fates.choices.as_ref().map(|choices| choices.tape().to_vec());
    match result {
        Ok(()) => Ok(stage.report()),
        Err(violation) => {
            Err(Box::new(Failure { violation, tape: tape.unwrap_or_default(), story: stage.story }))
        }
    }
}
