//! What a controller costs: the last passes, each with what was used while it was made, and what has been used since it began.
//!
//! A pass is the look, the plan and the handing out of its steps. What the process does besides (carrying out steps, reading files, answering) is in
//! the sums since it began, and in a pass only where it happens meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::model::Seen;

/// How many passes are kept: 30 KiB of them.
pub const PASSES_KEPT: usize = 256;

/// What has been used up to a moment.
#[derive(Debug, Clone)]
pub struct Used {
    at: Instant,
    cpu: Seen<Duration>,
    programs: Seen<u64>,
}

impl Used {
    /// Up to now.
    pub fn now(machine: &impl Machine) -> Self {
        Self { at: Instant::now(), cpu: machine.cpu_used(), programs: machine.programs_run() }
    }

    /// The pass that began then and ends now.
    pub fn pass_until_now(self, machine: &impl Machine) -> PassCost {
        self.pass_until(Self::now(machine))
    }

    fn pass_until(self, end: Self) -> PassCost {
        PassCost {
            begun: self.at,
            took: end.at.saturating_duration_since(self.at),
            cpu: both(end.cpu, self.cpu).map(|(end, begin)| end.saturating_sub(begin)),
            programs: both(end.programs, self.programs).map(|(end, begin)| end.saturating_sub(begin)),
        }
    }
}

/// What one pass has cost.
#[derive(Debug, Clone)]
pub struct PassCost {
    begun: Instant,
    took: Duration,
    cpu: Seen<Duration>,
    programs: Seen<u64>,
}

impl PassCost {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// One that took so long, and of which nothing else is known.
    #[cfg(test)]
    pub fn of(took: Duration) -> Self {
        let unknown = || "nobody measured".to_owned();
        Self {
            begun: Instant::now(),
            took,
            cpu: Seen::unknown(unknown()),
            programs: Seen::unknown(unknown()),
        }
    }
}

/// The last passes, oldest first; never more than [`PASSES_KEPT`].
#[derive(Debug, Default)]
pub struct Passes(VecDeque<PassCost>);

impl Passes {
    /// One more; the oldest goes if there is no room.
    pub fn push(&mut self, pass: PassCost) {
        if self.0.len() == PASSES_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(pass);
    }

    /// What they cost; `None` if there was none yet.
    pub fn summary(&self) -> Option<LastPasses> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let over = (last.begun + last.took).saturating_duration_since(first.begun);
        let cpu = self.0.iter().map(|pass| pass.cpu.clone()).try_fold(Vec::new(), |mut all, cpu| {
            match cpu {
                Seen::Known(cpu) => all.push(cpu),
                Seen::Unknown(why) => return Err(why),
            }
            Ok(all)
        });
        let programs = self.0.iter().map(|pass| pass.programs.clone());
        Some(LastPasses {
            count: self.0.len(),
            over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX),
            wall: Spread::of(self.0.iter().map(|pass| pass.took).collect()),
            cpu: match cpu {
                Ok(all) => Seen::Known(Spread::of(all)),
                Err(why) => Seen::Unknown(why),
            },
            programs: programs.fold(Seen::Known(0), |sum, one| both(sum, one).map(|(sum, one)| sum + one)),
        })
    }
}

/// What the last passes of a controller cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastPasses {
    /// How many they are.
    pub count: usize,
    /// From the beginning of the first to the end of the last one, in milliseconds, without time asleep.
    pub over_ms: u64,
    /// How long they took.
    pub wall: Spread,
    /// The CPU time that the process used meanwhile, in all its threads.
    pub cpu: Seen<Spread>,
    /// How many programs were run in all of them together.
    pub programs: Seen<u64>,
}

/// Lengths of time, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spread {
    /// Half of them are no longer.
    pub median_us: u64,
    /// None is longer.
    pub worst_us: u64,
}

impl Spread {
    /// Of some lengths; all zero if there are none.
    fn of(mut lengths: Vec<Duration>) -> Self {
        lengths.sort_unstable();
        let middle = lengths.len().saturating_sub(1) / 2;
        let at = |index: usize| microseconds(lengths.get(index).copied().unwrap_or_default());
        Self { median_us: at(middle), worst_us: at(lengths.len().saturating_sub(1)) }
    }
}

/// What a controller costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    /// Its pid.
    pub pid: u32,
    /// The version that runs.
    pub version: String,
    /// Since when it runs.
    pub started: jiff::Timestamp,
    /// How many passes it has completed.
    pub passes: u64,
    /// What the last of them cost; `None` if there was none yet.
    pub last: Option<LastPasses>,
    /// How many programs it has run since it began.
    pub programs: Seen<u64>,
    /// The CPU time that it has used since it began, all threads, user and system, in microseconds.
    pub cpu_us: Seen<u64>,
    /// The CPU time of the programs that it has run, as far as they have ended, in microseconds; counted in hundredths of a second.
    pub cpu_of_programs_us: Seen<u64>,
    /// The memory that it has in use, in bytes: what is resident, with what it shares.
    pub memory_bytes: Seen<u64>,
}

impl Cost {
    /// Of the controller that this process is.
    pub fn of(machine: &impl Machine, status: &super::socket::Status, last: Option<LastPasses>) -> Self {
        Self {
            pid: status.pid,
            version: status.version.clone(),
            started: status.started,
            passes: status.passes,
            last,
            programs: machine.programs_run(),
            cpu_us: machine.cpu_used().map(microseconds),
            cpu_of_programs_us: machine.cpu_of_programs().map(microseconds),
            memory_bytes: machine.memory_used(),
        }
    }
}

fn microseconds(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// Both, if both are known.
fn both<A, B>(one: Seen<A>, other: Seen<B>) -> Seen<(A, B)> {
    match (one, other) {
        (Seen::Known(one), Seen::Known(other)) => Seen::Known((one, other)),
        (Seen::Unknown(why), _) | (_, Seen::Unknown(why)) => Seen::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What had been used a while after `start`.
    fn used(start: Instant, at_ms: u64, cpu_ms: u64, programs: u64) -> Used {
        Used {
            at: start + Duration::from_millis(at_ms),
            cpu: Seen::Known(Duration::from_millis(cpu_ms)),
            programs: Seen::Known(programs),
        }
    }

    #[test]
    fn no_pass_costs_nothing_that_could_be_told() {
        assert_eq!(Passes::default().summary(), None);
    }

    #[test]
    fn a_pass_costs_what_was_used_from_its_beginning_to_its_end() {
        let start = Instant::now();
        let mut passes = Passes::default();
        passes.push(used(start, 1000, 50, 7).pass_until(used(start, 1004, 53, 8)));
        let spread = |us| Spread { median_us: us, worst_us: us };
        let expected = LastPasses {
            count: 1,
            over_ms: 4,
            wall: spread(4000),
            cpu: Seen::Known(spread(3000)),
            programs: Seen::Known(1),
        };
        assert_eq!(passes.summary(), Some(expected));
    }

    #[test]
    fn of_many_passes_the_last_ones_count() {
        let start = Instant::now();
        let mut passes = Passes::default();
        // The first ten were slow, and ran five programs each; all begin a second apart.
        for number in 0..PASSES_KEPT as u64 + 10 {
            let at = number * 1000;
            let (length, programs) = if number < 10 { (900, 5) } else { (number - 9, 1) };
            passes.push(used(start, at, 0, 0).pass_until(used(start, at + length, length / 2, programs)));
        }
        let last = passes.summary().unwrap();
        assert_eq!((last.count, last.programs), (256, Seen::Known(256)));
        // They took 1, 2, … 256 ms.
        assert_eq!(last.wall, Spread { median_us: 128_000, worst_us: 256_000 });
        assert_eq!(last.cpu, Seen::Known(Spread { median_us: 64_000, worst_us: 128_000 }));
        assert_eq!(last.over_ms, 255_256, "from the first that is kept to the end of the last");
    }

    #[test]
    fn law_1_what_is_unknown_of_one_pass_is_unknown_of_all() {
        let start = Instant::now();
        let mut passes = Passes::default();
        passes.push(used(start, 0, 0, 0).pass_until(used(start, 2, 1, 1)));
        let blind = Used { cpu: Seen::unknown("no clock"), ..used(start, 4, 0, 1) };
        passes.push(used(start, 3, 1, 1).pass_until(blind));
        let last = passes.summary().unwrap();
        assert_eq!(last.cpu, Seen::unknown("no clock"));
        assert_eq!((last.wall.worst_us, last.programs), (2000, Seen::Known(1)));
    }
}
