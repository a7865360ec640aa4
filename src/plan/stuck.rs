//! Agents that live and have not said for long that they are well.
//!
//! Silence alone ends nobody. Only an object that the files give a heartbeat is watched; it is asked first, gets time to answer, is left while
//! somebody is attached, and is not ended if its successor could not be started at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::desired::Watch;
use crate::model::{Evidence, IncarnationId, Reason, Seen};

use super::judge::{busy, step};
use super::start::{self, Input};
use super::state::Alive;
use super::types::{Action, Silence, Verdict};

/// What is typed into an agent that has been silent; gt's words, which its agents know.
pub const QUESTION: &str = "HEALTH_CHECK: heartbeat stale, respond to confirm responsiveness";

/// How long an agent gets to answer at most.
const ANSWER: Duration = Duration::from_secs(60);

/// A heartbeat from further ahead than this is no heartbeat, but a clock that was wrong.
const AHEAD: Duration = Duration::from_secs(60);

/// Judges a living agent by its silence; true if that decides about it.
pub(super) fn judge(
    verdict: &mut Verdict,
    alive: &Alive,
    incarnation: &IncarnationId,
    input: &Input<'_>,
) -> bool {
    let Some(watch) = &input.object.watch else { return false };
    let written = match heartbeat(input, watch) {
        Ok(written) => written,
        Err(what) => {
            verdict.evidence.push(Evidence::now(what));
            return false;
        }
    };
    let (boot, awake) = (&input.now.boot, input.observed.awake);
    let unchanged = match input.observed.away {
        Some(_) => Duration::ZERO,
        None => input.ledger.silence(&verdict.address, incarnation, written, boot, awake),
    };
    verdict.evidence.push(Evidence::aged(format!("{} says {written}", watch.file), unchanged));
    let silent = unchanged.min(alive.lived.saturating_sub(watch.grace));
    let after = |length: Duration| Some(input.now.plus(length));
    if silent < watch.stale_after {
        verdict.silence = Some(Silence { stalled: false, next: after(watch.stale_after - silent) });
        return false;
    }
    let mut next = watch.stuck_after.and_then(|limit| after(limit.saturating_sub(silent)));
    verdict.because = Reason::Stale { silent };
    let asked = input.ledger.beats.get(&verdict.address).and_then(|beat| beat.asked);
    let decided = match (asked, watch.stuck_after) {
        _ if alive.attached => {
            // Somebody is there and sees for themselves; nothing tells when they go.
            next = after(ANSWER);
            if watch.stuck_after.is_some_and(|limit| silent >= limit) {
                verdict.hold(Reason::Attached);
            }
            true
        }
        (None, _) if busy(alive, input.sight).is_some() => {
            next = after(ANSWER);
            false
        }
        (None, _) => {
            let action = Action::Nudge { fence: alive.fence.clone(), text: QUESTION.to_owned() };
            step(verdict, action, Reason::Stale { silent });
            true
        }
        (Some(asked), Some(limit)) if silent >= limit => {
            let patience = ANSWER.min(limit.saturating_sub(watch.stale_after));
            let waited = awake.saturating_sub(asked);
            if waited < patience {
                next = after(patience - waited);
            } else {
                end(verdict, alive, input, silent);
            }
            true
        }
        (Some(_), _) => false,
    };
    verdict.silence = Some(Silence { stalled: true, next: next.filter(|at| !input.now.until(at).is_zero()) });
    decided
}

/// Ends it, if another one could take its place at once.
fn end(verdict: &mut Verdict, alive: &Alive, input: &Input<'_>, silent: Duration) {
    match start::shut(verdict, input, &Reason::Stuck { silent }) {
        Some(reason) => verdict.hold(reason),
        None => step(verdict, Action::Kill(alive.fence.clone()), Reason::Stuck { silent }),
    }
}

/// The moment that its file names, or why nothing follows from the file.
fn heartbeat(input: &Input<'_>, watch: &Watch) -> Result<Timestamp, String> {
    match input.observed.heartbeats.get(&input.object.address) {
        None => Err(format!("{} was not looked at", watch.file)),
        Some(Seen::Unknown(why)) => Err(format!("whether it is well cannot be told: {why}")),
        Some(Seen::Known(None)) => Err(format!("it has never written {}", watch.file)),
        Some(Seen::Known(Some(written))) => {
            let ahead = Duration::try_from(written.duration_since(input.now.wall)).unwrap_or(Duration::ZERO);
            if ahead > AHEAD {
                Err(format!(
                    "whether it is well cannot be told: {} says {written}, which is to come",
                    watch.file
                ))
            } else {
                Ok(*written)
            }
        }
    }
}
