//! When the plan would be another one although nothing happens: the next moment to look.

use std::time::Duration;

use jiff::Timestamp;

use super::state::State;
use super::types::{Decision, Gate, Silence, Step, Verdict};
use crate::desired::Desired;
use crate::model::{Reason, Stamp};

/// The kernel tells start times in ticks of a hundredth of a second: looking again within one shows nothing new.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// How soon to look again at something that is just ending.
const ENDING_LOOK: Duration = Duration::from_millis(50);

/// How soon to look again at a server without its socket: one that is about to end removes it first, one that is told to makes it anew.
const SOCKET_LOOK: Duration = Duration::from_secs(1);

/// How soon to look again whether a nudge that waits can be typed.
const NUDGE_LOOK: Duration = Duration::from_secs(5);

/// How soon to look again at the screen of an agent that starts …
const OPENING_LOOK: Duration = Duration::from_secs(1);

/// … for this long, …
const OPENING_YOUNG: Duration = Duration::from_secs(60);

/// … and how soon after that: it waits for a person.
const OPENING_LATER_LOOK: Duration = Duration::from_secs(15);

/// The earliest moment at which one of the verdicts changes by itself.
pub(super) fn earliest(verdicts: &[Verdict], desired: &Desired, now: &Stamp) -> Option<Stamp> {
    let of_verdict = |verdict: &Verdict| -> Option<Stamp> {
        match (&verdict.because, &verdict.state, &verdict.decision) {
            (
                Reason::Backoff { until, .. } | Reason::Retry { until } | Reason::UsageLimit { until, .. },
                _,
                _,
            ) => Some(until.clone()),
            (Reason::CrashLoop { probe_at, .. }, _, _) => Some(probe_at.clone()),
            // Nothing tells when a screen changes.
            (_, State::Running(alive), _) if alive.screen.is_some() => {
                let is_young = alive.lived < OPENING_YOUNG;
                Some(now.plus(if is_young { OPENING_LOOK } else { OPENING_LATER_LOOK }))
            }
            // Nothing tells when somebody goes away, or leaves a mode.
            (Reason::NudgeWaiting { .. }, _, _) => Some(now.plus(NUDGE_LOOK)),
            (_, State::Ending, _) => Some(now.plus(ENDING_LOOK)),
            (_, State::SocketLost { .. }, _) => Some(now.plus(SOCKET_LOOK)),
            (_, State::Starting(alive), _) => {
                let rest = desired.policy.controller.settle.get().saturating_sub(alive.lived);
                Some(now.plus(rest + CLOCK_TICK))
            }
            (_, _, Decision::Step(Step { gate: Gate::NotBefore(until) | Gate::MassDeath(until), .. })) => {
                Some(until.clone())
            }
            _ => None,
        }
    };
    let of_hold = |until: Timestamp| -> Option<Stamp> {
        let wait = Duration::try_from(until.duration_since(now.wall)).ok()?;
        // At its very end a hold has ended.
        (!wait.is_zero()).then(|| now.plus(wait))
    };
    let holds = desired
        .objects
        .values()
        .flat_map(|object| &object.holds)
        .filter_map(|hold| hold.until)
        .filter_map(of_hold);
    let silences = verdicts.iter().filter_map(|verdict| verdict.silence.as_ref()?.next.clone());
    let nexts = verdicts.iter().filter_map(|verdict| verdict.next.clone());
    verdicts
        .iter()
        .filter_map(of_verdict)
        .chain(nexts)
        .chain(silences)
        .chain(holds)
        .min_by_key(|wake| now.until(wake))
}

/// The verdict may be another one after this time.
pub(super) fn look_after(verdict: &mut Verdict, now: &Stamp, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    let at = now.plus(wait);
    let silence = verdict.silence.get_or_insert(Silence { stalled: false, next: None });
    if silence.next.as_ref().is_none_or(|next| now.until(&at) < now.until(next)) {
        silence.next = Some(at);
    }
}
