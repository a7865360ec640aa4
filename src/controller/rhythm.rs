//! When to look again, if nothing gives notice: at the next resync, when the plan says that it will be another one, or, while tmux cannot be
//! seen, after longer and longer waits.

use std::time::Duration;

use super::reconciler::Pass;
use crate::model::{Seen, Stamp};
use crate::observed::Server;
use crate::plan::{State, Verdict};

/// The shortest time between two passes, so that a storm of notices is one pass and not a thousand.
const BETWEEN_PASSES: Duration = Duration::from_millis(2);

/// The rhythm of one controller.
#[derive(Debug, Clone)]
pub struct Rhythm {
    last_resync: Stamp,
    /// How many looks in a row could not see tmux.
    blind: u32,
    /// How many looks in a row saw something that had just ended, and that tmux had not noticed.
    ending: u32,
}

impl Rhythm {
    /// The rhythm of a controller that begins now.
    pub fn new(now: Stamp) -> Self {
        Self { last_resync: now, blind: 0, ending: 0 }
    }

    /// Takes note of a pass; whether it could see tmux.
    pub fn saw(&mut self, pass: &Pass) -> bool {
        let sees = sees(pass);
        self.blind = if sees { 0 } else { self.blind.saturating_add(1) };
        let is_ending = |verdict: &Verdict| matches!(verdict.state, State::Ending);
        let ends = pass.plan.verdicts.iter().any(is_ending);
        self.ending = if ends { self.ending.saturating_add(1) } else { 0 };
        sees
    }

    /// How long to wait after this pass, if nothing else comes.
    pub fn pause(&self, pass: &Pass, now: &Stamp, resync: Duration) -> Duration {
        let until_resync = resync.saturating_sub(now.since(&self.last_resync));
        let until_wake = pass.plan.wake.as_ref().map_or(resync, |wake| now.until(wake));
        // After a second, then after two, four, eight …
        let until_seen = Duration::from_secs(1 << self.blind.clamp(1, 10).saturating_sub(1));
        let until_seen = if sees(pass) { resync } else { until_seen };
        // tmux notices mostly within a few milliseconds.
        let until_noticed =
            if self.ending == 0 { resync } else { BETWEEN_PASSES * (1 << self.ending.min(10)) };
        until_resync.min(until_wake).min(until_seen).min(until_noticed).max(BETWEEN_PASSES)
    }

    /// Whether it is time to read everything again, as if nothing had been noticed since the last time; if so, the next time is a resync later.
    pub fn is_resync(&mut self, now: &Stamp, resync: Duration) -> bool {
        let due = now.since(&self.last_resync) >= resync || now.boot != self.last_resync.boot;
        if due {
            self.last_resync = now.clone();
        }
        due
    }
}

/// Whether a look could see tmux.
fn sees(pass: &Pass) -> bool {
    matches!(&pass.observed.server, Seen::Known(Server::Up(_) | Server::Down))
}
