//! Many runs on two threads, added up. Which thread makes a run changes nothing of it.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sim::faults::Fault;
use crate::sim::rehearsal::{Rehearsal, Trial, retold, trial};
use crate::sim::run::Failure;

/// More would only take the processor from whatever else the machine does.
const THREADS: usize = 2;

/// What takes longer than this is worth a line on the terminal …
const LONG: Duration = Duration::from_secs(2);

/// … that changes so often.
const TELL_AGAIN: Duration = Duration::from_millis(200);

/// What is to be run.
pub struct Runs {
    /// The kinds of faults.
    pub faults: Vec<&'static Fault>,
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub count: u64,
}

/// What the runs with one kind of fault have come to.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Which.
    pub fault: &'static Fault,
    /// Runs that came to rest.
    pub rested: u64,
    /// How often the fault struck in these.
    pub strikes: u64,
    /// Starts that followed.
    pub starts: u64,
    /// Stops that followed.
    pub stops: u64,
    /// The longest time to rest, simulated.
    pub longest: Duration,
    /// The runs that broke a law.
    pub broken: Option<Broken>,
}

/// Runs that broke a law.
#[derive(Debug, Clone)]
pub struct Broken {
    /// How many.
    pub runs: u64,
    /// The first of them.
    pub seed: u64,
    /// What happened in it, or in a shorter one that ends alike.
    pub failure: Box<Failure>,
}

impl Tally {
    fn new(fault: &'static Fault) -> Self {
        let longest = Duration::ZERO;
        Self { fault, rested: 0, strikes: 0, starts: 0, stops: 0, longest, broken: None }
    }

    fn add(&mut self, seed: u64, run: Result<Trial, Box<Failure>>) {
        match run {
            Ok(Trial { strikes, starts, stops, time }) => {
                self.rested += 1;
                self.strikes += strikes;
                self.starts += starts;
                self.stops += stops;
                self.longest = self.longest.max(time);
            }
            Err(failure) => self.add_broken(Broken { runs: 1, seed, failure }),
        }
    }

    fn add_broken(&mut self, other: Broken) {
        self.broken = Some(match self.broken.take() {
            None => other,
            Some(own) => {
                let runs = own.runs + other.runs;
                let first = if own.seed <= other.seed { own } else { other };
                Broken { runs, ..first }
            }
        });
    }

    fn join(&mut self, other: Self) {
        self.rested += other.rested;
        self.strikes += other.strikes;
        self.starts += other.starts;
        self.stops += other.stops;
        self.longest = self.longest.max(other.longest);
        other.broken.into_iter().for_each(|broken| self.add_broken(broken));
    }
}

impl Runs {
    /// Makes all runs.
    pub fn all(&self, rehearsal: &Rehearsal) -> Vec<Tally> {
        let total: Vec<Tally> = self.faults.iter().map(|fault| Tally::new(fault)).collect();
        let runs = self.count.saturating_mul(self.faults.len() as u64);
        let next = AtomicU64::new(0);
        let shared = Mutex::new(total.clone());
        let progress = Progress::new();
        std::thread::scope(|scope| {
            for is_first in std::iter::once(true).chain(std::iter::repeat(false)).take(THREADS) {
                let (next, shared, progress, total) = (&next, &shared, &progress, &total);
                scope.spawn(move || {
                    let mut own = total.clone();
                    silently(|| {
                        loop {
                            let index = next.fetch_add(1, Ordering::Relaxed);
                            if index >= runs {
                                break;
                            }
                            let which = usize::try_from(index / self.count).unwrap_or(usize::MAX);
                            let Some(tally) = own.get_mut(which) else { break };
                            let seed = self.first.wrapping_add(index % self.count);
                            tally.add(seed, trial(rehearsal, tally.fault, seed));
                            if is_first {
                                progress.tell(index, runs, tally.fault);
                            }
                        }
                    });
                    let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    all.iter_mut().zip(own).for_each(|(one, own)| one.join(own));
                });
            }
        });
        progress.end();
        let mut all = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        for tally in &mut all {
            if let Some(broken) = &mut tally.broken {
                broken.failure = silently(|| retold(rehearsal, tally.fault, &broken.failure));
            }
        }
        all
    }
}

/// Does something without a line in the log: it would speak of a disk that is full in the simulation.
pub fn silently<T>(work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), work)
}

/// A line that says how far it is, if that takes long and somebody is there to read it.
struct Progress {
    begun: Instant,
    told: Mutex<Option<Instant>>,
    is_read: bool,
}

impl Progress {
    fn new() -> Self {
        Self { begun: Instant::now(), told: Mutex::new(None), is_read: std::io::stderr().is_terminal() }
    }

    fn tell(&self, done: u64, of: u64, fault: &Fault) {
        if !self.is_read || self.begun.elapsed() < LONG {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < TELL_AGAIN) {
            return;
        }
        *told = Some(Instant::now());
        // Back to the beginning of the line, and clear what is left of it.
        let _ = write!(std::io::stderr(), "\rsimulating: {done} of {of} runs ({})\x1b[K", fault.name);
    }

    fn end(&self) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
