//! Ceilings (law 4): they look at the whole plan, know nothing of why a step was planned, and hold even if all of that is wrong.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::desired::Desired;
use crate::ledger::{Ledger, MINUTE};
use crate::model::{Address, Reason, Seen, Stamp};
use crate::observed::Observed;

use super::sight::Sight;
use super::state::State;
use super::types::{Action, Decision, Gate, LaunchInto, Refusal, Step, Verdict};

/// However small a town is, the two agents of one rig may be stopped together: parking a rig is no accident.
const STOPS_ALWAYS_ALLOWED: usize = 2;

/// The part of what runs that one pass may stop.
const STOPS_PERCENT_MAX: usize = 30;

/// A plan that would end more living processes than it may ends none of them.
pub fn limit_stops(
    verdicts: &mut [Verdict],
    desired: &Desired,
    sight: &Sight<'_>,
    ledger: &Ledger,
) -> Option<Refusal> {
    let stopping: Vec<&Verdict> = verdicts.iter().filter(|verdict| ends_a_life(verdict)).collect();
    let running = sight.living();
    let limit =
        desired.policy.limits.kills_per_pass.min(STOPS_ALWAYS_ALLOWED.max(running * STOPS_PERCENT_MAX / 100));
    if stopping.len() <= limit {
        return None;
    }
    let lives: Vec<String> = stopping.iter().filter_map(|verdict| life_of(verdict)).collect();
    if lives.iter().all(|life| ledger.approvals.contains(life)) {
        return None;
    }
    let stops = stopping.iter().map(|verdict| verdict.address.clone()).collect();
    let refusal = Refusal { id: refusal_id(&lives), stops, lives, limit };
    let count = refusal.stops.len();
    for verdict in verdicts.iter_mut().filter(|verdict| ends_a_life(verdict)) {
        verdict.hold(Reason::MassStop { refusal: refusal.id.clone(), count, limit });
    }
    Some(refusal)
}

fn ends_a_life(verdict: &Verdict) -> bool {
    match &verdict.decision {
        Decision::Step(Step { action: Action::Kill(_), .. }) => verdict.state.has_living_process(),
        Decision::Step(Step { action: Action::Reap(_), .. }) => true,
        Decision::Step(Step { action: Action::Start(launch) | Action::Restart(launch), .. }) => {
            matches!(launch.into, LaunchInto::Replacing(_))
        }
        Decision::Step(_) | Decision::Nothing | Decision::Held => false,
    }
}

/// The life that a verdict would end.
fn life_of(verdict: &Verdict) -> Option<String> {
    let Decision::Step(step) = &verdict.decision else { return None };
    match &step.action {
        Action::Kill(fence) => Some(fence.life()),
        Action::Reap(quarry) => Some(quarry.life()),
        Action::Start(launch) | Action::Restart(launch) => match &launch.into {
            LaunchInto::Replacing(fence) => Some(fence.life()),
            LaunchInto::NewSession | LaunchInto::DeadPane(_) | LaunchInto::NewWindow(_) => None,
        },
        Action::Nudge { .. } | Action::Adopt(_) | Action::Notify { .. } => None,
    }
}

/// Names a set of lives.
fn refusal_id(lives: &[String]) -> String {
    let digest = Sha256::digest(lives.join("\n"));
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Stops run against the edges: what others need stops after them.
pub fn order_stops(verdicts: &mut [Verdict], desired: &Desired) {
    let stopping: Vec<Address> = verdicts
        .iter()
        .filter(|verdict| {
            let kills = matches!(&verdict.decision, Decision::Step(Step { action: Action::Kill(_), .. }));
            // A stop that is under way is not done yet.
            kills || verdict.because == Reason::InFlight
        })
        .map(|verdict| verdict.address.clone())
        .collect();
    let mut needed_by: HashMap<&Address, Vec<Address>> = HashMap::new();
    for address in &stopping {
        for need in desired.objects.get(address).into_iter().flat_map(|object| &object.after) {
            needed_by.entry(need).or_default().push(address.clone());
        }
    }
    for verdict in verdicts.iter_mut() {
        let Some(dependents) = needed_by.get(&verdict.address) else { continue };
        if let Some(Step { action: Action::Kill(_), gate }) = verdict.step_mut() {
            *gate = Gate::After(dependents.clone());
        }
    }
}

/// Whether a session of ours comes from it that the look did not show as ours: one being made, or one to be adopted.
fn adds_a_session(verdict: &Verdict) -> bool {
    match &verdict.decision {
        Decision::Step(step) => matches!(step.action, Action::Adopt(_)),
        Decision::Nothing | Decision::Held => {
            let none = matches!(verdict.state, State::Absent | State::Vanished | State::ServerLost);
            none && verdict.because == Reason::InFlight
        }
    }
}

/// No more sessions than the town may have.
pub fn limit_sessions(verdicts: &mut [Verdict], desired: &Desired, sight: &Sight<'_>) {
    let limit = desired.policy.limits.sessions;
    let coming = verdicts.iter().filter(|verdict| adds_a_session(verdict)).count();
    let mut free = limit.saturating_sub(sight.ours() + coming);
    for verdict in verdicts.iter_mut() {
        let adds = verdict
            .step_mut()
            .and_then(|step| step.action.launch())
            .is_some_and(|launch| launch.into == LaunchInto::NewSession);
        if !adds {
            continue;
        }
        match free.checked_sub(1) {
            Some(left) => free = left,
            None => verdict.hold(Reason::SessionLimit { limit }),
        }
    }
}

/// No start while the machine has too little memory: one that fails for it costs more than one that waits.
pub fn spare_memory(verdicts: &mut [Verdict], desired: &Desired, observed: &Observed) {
    let reason = match &observed.low_memory {
        None | Some(Seen::Known(None)) => return,
        Some(Seen::Known(Some(available))) => {
            Reason::LowMemory { available: *available, floor: desired.policy.limits.free_memory_mib }
        }
        Some(Seen::Unknown(why)) => Reason::Unknown { why: why.clone() },
    };
    for verdict in verdicts.iter_mut() {
        if verdict.step_mut().is_some_and(|step| step.action.launch().is_some()) {
            verdict.hold(reason.clone());
        }
    }
}

/// Starts take turns: so many at a time, so many a minute.
pub fn pace_starts(verdicts: &mut [Verdict], desired: &Desired, ledger: &Ledger, now: &Stamp) {
    let limits = &desired.policy.limits;
    let under_way = verdicts
        .iter()
        .filter(|verdict| verdict.because == Reason::InFlight || matches!(verdict.state, State::Starting(_)))
        .count();
    // What no file lists any more may still be under way.
    let told: HashSet<&Address> = match ledger.in_flight.is_empty() {
        true => HashSet::new(),
        false => verdicts.iter().map(|verdict| &verdict.address).collect(),
    };
    let unlisted = |address: &&Address| !told.contains(*address);
    let under_way = under_way + ledger.in_flight.iter().filter(unlisted).count();
    let mut turns = limits.starts_in_flight.saturating_sub(under_way);
    // A start that seems to lie ahead was stamped before a reboot, by a clock that was wrong.
    let is_recent = |start: &&Stamp| now.since(start) < MINUTE && now.until(start) < MINUTE;
    let recent: Vec<&Stamp> = ledger.starts.iter().filter(is_recent).collect();
    let mut this_minute = limits.starts_per_minute.saturating_sub(recent.len());
    let next_minute = recent.first().map_or_else(|| now.plus(MINUTE), |first| first.plus(MINUTE));
    for step in verdicts.iter_mut().filter_map(Verdict::step_mut) {
        if step.action.launch().is_none() || step.gate != Gate::Ready {
            continue;
        }
        if this_minute == 0 {
            step.gate = Gate::NotBefore(next_minute.clone());
        } else if turns == 0 {
            step.gate = Gate::Turn;
        } else {
            turns -= 1;
            this_minute -= 1;
        }
    }
}
