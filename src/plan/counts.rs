//! A plan in numbers.

use serde::Serialize;

use super::types::{Action, Decision, Plan};

/// The numbers of the last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// To start.
    pub start: usize,
    /// To restart.
    pub restart: usize,
    /// To nudge.
    pub nudge: usize,
    /// Letters to write.
    pub notify: usize,
    /// To kill.
    pub kill: usize,
    /// Held.
    pub held: usize,
}

impl Plan {
    /// Counts the steps and the holds. What is off because no file turned it on is not held, it is just not there.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for verdict in &self.verdicts {
            match &verdict.decision {
                Decision::Nothing => {}
                Decision::Held if verdict.is_off_by_default() => {}
                Decision::Held => counts.held += 1,
                Decision::Step(step) => match step.action {
                    Action::Start(_) => counts.start += 1,
                    Action::Restart(_) => counts.restart += 1,
                    Action::Nudge { .. } => counts.nudge += 1,
                    Action::Kill(_) | Action::Reap(_) => counts.kill += 1,
                    Action::Notify { .. } => counts.notify += 1,
                    Action::Adopt(_) => {}
                },
            }
        }
        counts
    }
}
