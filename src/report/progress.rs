//! How far the starts of a town are.

use std::time::Duration;

use serde::Serialize;

use super::words;
use crate::model::{Reason, Stamp};
use crate::plan::{Decision, Gate, Plan, State, Verdict};

/// How far the starts are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Progress {
    /// So many have been started.
    pub started: usize,
    /// Of so many; what is held is not counted.
    pub of: usize,
    /// When the next one may be; `None` if that waits for one that is under way.
    pub next_in_seconds: Option<u64>,
}

impl Progress {
    /// `None` if no start waits.
    pub fn of(plan: &Plan, now: &Stamp) -> Option<Self> {
        let is_up = |verdict: &&Verdict| {
            matches!(verdict.state, State::Running(_) | State::Starting(_)) && verdict.wanted.is_none()
        };
        let gates: Vec<&Gate> = plan
            .verdicts
            .iter()
            .filter_map(|verdict| match &verdict.decision {
                Decision::Step(step) if step.action.launch().is_some() => Some(&step.gate),
                Decision::Step(_) | Decision::Nothing | Decision::Held => None,
            })
            .collect();
        if gates.is_empty() {
            return None;
        }
        let under_way = plan.verdicts.iter().filter(|verdict| verdict.because == Reason::InFlight);
        let under_way = under_way.filter(|verdict| !is_up(verdict)).count();
        let started = plan.verdicts.iter().filter(is_up).count();
        let wait = |gate: &&Gate| match gate {
            Gate::Ready => Some(Duration::ZERO),
            Gate::NotBefore(until) | Gate::MassDeath(until) => Some(now.until(until)),
            Gate::Turn | Gate::After(_) => None,
        };
        // Rounded up: it is never sooner than said.
        let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let next = gates.iter().copied().filter_map(|gate| wait(&gate)).min().map(seconds);
        Some(Self { started, of: started + under_way + gates.len(), next_in_seconds: next })
    }

    /// In words.
    pub fn text(&self) -> String {
        let next = match self.next_in_seconds {
            Some(seconds) => format!("in {}", words::length(Duration::from_secs(seconds))),
            None => "when one that is under way is done".to_owned(),
        };
        format!("{}/{} started, next {next}", self.started, self.of)
    }
}
