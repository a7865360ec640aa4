//! What becomes of a thing that a controller does: mostly what it expects, and sometimes one of the ways in which the world disappoints.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::choose::Choices;

/// A place where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A tmux client that only asks.
    Look,
    /// A tmux client with a script, which may change something.
    Command,
    /// A signal.
    Signal,
    /// A file that is replaced.
    Write,
    /// A look at `/proc`.
    Probe,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// What is expected.
    Plain,
    /// The controller is dead, or dies before anything happens.
    Dead,
    /// It fails at once, with these words.
    Refused(&'static str),
    /// Nothing happens, and nobody says so.
    Unapplied,
    /// It happens, and nobody says so.
    Lost,
    /// It happens, and so much of the answer arrives, in thousandths.
    Garbled(u32),
    /// The answer is that of an earlier look.
    Stale,
    /// It happens, and the answer takes so long.
    Slow(Duration),
}

/// Which controller dies, or which answer is lost, at which effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Script {
    /// The effect, counted from 0.
    pub at: u64,
    /// What happens there.
    pub what: Blow,
}

/// A blow at one effect of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blow {
    /// It dies just before the effect.
    DiesBefore,
    /// It dies just after the effect, before it learns of it.
    DiesAfter,
    /// The effect takes place and its answer is lost.
    LosesAnswer,
    /// The effect does not take place, and it looks as if the answer was lost.
    LosesCommand,
}

/// All blows.
pub const BLOWS: [Blow; 4] = [Blow::DiesBefore, Blow::DiesAfter, Blow::LosesAnswer, Blow::LosesCommand];

/// How often each trouble comes: once in so many times, 0 for never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Odds {
    /// A controller dies just before an effect of its own (F1).
    pub dies_before: u32,
    /// A controller dies just after an effect of its own (F1).
    pub dies_after: u32,
    /// A command takes effect and its answer is lost (F2).
    pub lost: u32,
    /// A command takes no effect and there is no answer (F3).
    pub unapplied: u32,
    /// An answer is that of an earlier look (F5).
    pub stale: u32,
    /// An answer breaks off (F7).
    pub garbled: u32,
    /// An answer takes long (F9).
    pub slow: u32,
    /// tmux refuses, with words that tell nothing or the wrong thing (F9, F20).
    pub refused: u32,
    /// `/proc` cannot be read, or a signal cannot be sent.
    pub blind: u32,
    /// A file cannot be written (F18).
    pub unwritten: u32,
}

/// Words with which tmux refuses although its server lives.
const REFUSALS: [&str; 4] = [
    "server busy",
    "error connecting to /tmp/tmux-0/sim (Permission denied)",
    "error connecting to /tmp/tmux-0/sim (Connection refused)",
    "fork failed: Resource temporarily unavailable",
];

/// Decides what becomes of each thing, and counts what it did to whom.
#[derive(Debug, Default)]
pub struct Fates {
    /// Where chance comes from; without it nothing goes wrong but what the script says.
    pub choices: Option<Choices>,
    /// How often what goes wrong.
    pub odds: Odds,
    /// What goes wrong at one certain effect.
    pub script: Option<Script>,
    /// Effects so far.
    pub effects: u64,
    /// How often each fault was injected, by its number in the table of faults.
    pub tally: BTreeMap<&'static str, u64>,
    dead: BTreeSet<i32>,
    dying: BTreeSet<i32>,
}

impl Fates {
    /// Whether a controller is dead.
    pub fn is_dead(&self, pid: i32) -> bool {
        self.dead.contains(&pid)
    }

    /// A controller dies.
    pub fn kill(&mut self, pid: i32) {
        self.dead.insert(pid);
    }

    /// A number below `limit`, 0 where there is no chance.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.choices.as_mut().map_or(0, |choices| choices.below(limit))
    }

    /// True once in `times`; never where there is no chance.
    pub fn one_in(&mut self, times: u32) -> bool {
        self.choices.as_mut().is_some_and(|choices| choices.one_in(times))
    }

    /// Counts a fault.
    pub fn count(&mut self, fault: &'static str) {
        *self.tally.entry(fault).or_default() += 1;
    }

    /// What becomes of the next thing that a controller does.
    pub fn next(&mut self, pid: i32, point: Point) -> Fate {
        if self.is_dead(pid) {
            return Fate::Dead;
        }
        if point == Point::Probe {
            return self.by_chance(
                self.odds.blind,
                "F23 /proc cannot be read",
                Fate::Refused("/proc: Permission denied"),
            );
        }
        let effect = self.effects;
        self.effects += 1;
        if let Some(script) = self.script.filter(|script| script.at == effect) {
            return self.scripted(pid, script.what);
        }
        if self.one_in(self.odds.dies_before) {
            self.count("F1 the controller dies before an effect");
            self.kill(pid);
            return Fate::Dead;
        }
        if self.one_in(self.odds.dies_after) {
            self.count("F1 the controller dies after an effect");
            self.dying.insert(pid);
            return Fate::Plain;
        }
        match point {
            Point::Probe => Fate::Plain,
            Point::Signal => self.by_chance(
                self.odds.blind,
                "F23 a signal cannot be sent",
                Fate::Refused("Permission denied"),
            ),
            Point::Write => self.by_chance(
                self.odds.unwritten,
                "F18 a file cannot be written",
                Fate::Refused("disk full"),
            ),
            Point::Look => self.of_look(),
            Point::Command => self.of_command(),
        }
    }

    fn by_chance(&mut self, odds: u32, fault: &'static str, fate: Fate) -> Fate {
        if self.one_in(odds) {
            self.count(fault);
            fate
        } else {
            Fate::Plain
        }
    }

    fn of_look(&mut self) -> Fate {
        if self.one_in(self.odds.stale) {
            self.count("F5 an answer is that of an earlier look");
            return Fate::Stale;
        }
        if self.one_in(self.odds.garbled) {
            self.count("F7 an answer breaks off");
            return Fate::Garbled(self.below(1000));
        }
        self.of_answer()
    }

    fn of_command(&mut self) -> Fate {
        if self.one_in(self.odds.lost) {
            self.count("F2 a command takes effect, its answer is lost");
            return Fate::Lost;
        }
        if self.one_in(self.odds.garbled) {
            self.count("F7 an answer breaks off");
            return Fate::Garbled(self.below(1000));
        }
        self.of_answer()
    }

    fn of_answer(&mut self) -> Fate {
        if self.one_in(self.odds.unapplied) {
            self.count("F3 a command takes no effect and has no answer");
            return Fate::Unapplied;
        }
        if self.one_in(self.odds.slow) {
            self.count("F9 an answer takes long");
            return Fate::Slow(Duration::from_millis(u64::from(self.below(20)) * 400));
        }
        if self.one_in(self.odds.refused) {
            self.count("F9 tmux refuses and says something misleading");
            let which = self.below(u32::try_from(REFUSALS.len()).unwrap_or(1)) as usize;
            return Fate::Refused(REFUSALS.get(which).copied().unwrap_or("no"));
        }
        Fate::Plain
    }

    fn scripted(&mut self, pid: i32, what: Blow) -> Fate {
        match what {
            Blow::DiesBefore => {
                self.kill(pid);
                Fate::Dead
            }
            Blow::DiesAfter => {
                self.dying.insert(pid);
                Fate::Plain
            }
            Blow::LosesAnswer => Fate::Lost,
            Blow::LosesCommand => Fate::Unapplied,
        }
    }

    /// An effect of a controller has taken place.
    pub fn done(&mut self, pid: i32) {
        if self.dying.remove(&pid) {
            self.kill(pid);
        }
    }
}
