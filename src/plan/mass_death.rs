//! Agents that died together most likely have one cause. Starting them all again at once would meet it again, all at once: they are started one at
//! a time, until none has died for a while.

use std::time::Duration;

use crate::desired::Desired;
use crate::ledger::{Cause, Ledger};
use crate::model::{Reason, Stamp};

use super::state::State;
use super::types::{Action, Gate, Verdict};

/// Lets one restart pass, if the last start is long enough ago, and tells the others when to try again.
pub(super) fn stagger(verdicts: &mut [Verdict], desired: &Desired, ledger: &Ledger, now: &Stamp) {
    let policy = &desired.policy.mass_death;
    let lasts = |last: &Stamp| now.since(last) < policy.calm.get();
    if policy.gap.get().is_zero() || !ledger.mass_death.as_ref().is_some_and(|mass| lasts(&mass.last)) {
        return;
    }
    let under_way = verdicts
        .iter()
        .any(|verdict| verdict.because == Reason::InFlight || matches!(verdict.state, State::Starting(_)));
    // A start that seems to lie ahead was stamped by a clock that was wrong.
    let since =
        ledger.starts.iter().filter(|start| now.until(start).is_zero()).map(|start| now.since(start)).min();
    let mut wait = since.map_or(Duration::ZERO, |since| policy.gap.get().saturating_sub(since));
    if under_way {
        wait = wait.max(policy.gap.get());
    }
    for step in verdicts.iter_mut().filter_map(Verdict::step_mut) {
        let Action::Restart(launch) = &step.action else { continue };
        // A server that took its agents along is one event of its own, and starting them again meets no cause.
        if launch.cause == Cause::ServerLost || step.gate != Gate::Ready {
            continue;
        }
        if wait.is_zero() {
            wait = policy.gap.get();
        } else {
            step.gate = Gate::MassDeath(now.plus(wait));
        }
    }
}
