//! Boot: an agent that looks after the deacon when the deacon looks unwell, and ends.
//!
//! It is wanted for a moment, not for ever: the wish is made here, from what was judged of the deacon a moment ago. While the deacon is well nothing
//! is started, so an idle night costs nothing.

use crate::model::{Address, Reason, Why};

use super::judge::{keep, step, undecided};
use super::start::{self, Input};
use super::state::State;
use super::types::{Action, Decision, Verdict};
use super::wake::look_after;

/// Judges boot, after the deacon. Nothing holds it back.
pub(super) fn judge(verdict: &mut Verdict, input: &Input<'_>) {
    let longest = input.desired.policy.boot.max.get();
    match verdict.state.clone() {
        State::Running(alive) if alive.lived >= longest && !alive.attached => {
            step(verdict, Action::Kill(alive.fence), Reason::Overdue { lived: alive.lived });
        }
        State::Running(alive) => {
            keep(verdict, &alive, input);
            // That somebody who was attached has gone is seen when the town is next looked at.
            look_after(verdict, input.now, longest.saturating_sub(alive.lived));
        }
        State::Starting(alive) => verdict.because = Reason::Starting { lived: alive.lived },
        State::Adoptable(alive) => step(verdict, Action::Adopt(alive.fence), Reason::StartedByGt),
        State::BareShell(alive) if alive.attached => verdict.hold(Reason::Attached),
        State::BareShell(alive) if input.sight.other_panes_alive(&alive.fence) > 0 => {
            verdict.hold(Reason::PanesLeft { count: input.sight.other_panes_alive(&alive.fence) });
        }
        State::Absent
        | State::Vanished
        | State::ServerLost
        | State::Dead { .. }
        | State::PaneGone { .. }
        | State::BareShell(_) => ended(verdict, input),
        other => undecided(verdict, other),
    }
}

/// None is at work. Is another one needed?
fn ended(verdict: &mut Verdict, input: &Input<'_>) {
    verdict.decision = Decision::Nothing;
    if input.degraded {
        verdict.because = Reason::Degraded;
        return;
    }
    let Some(why) = input.judged.get(&Address::Deacon).and_then(unwell) else {
        verdict.because = Reason::DeaconWell;
        return;
    };
    let record = input.ledger.record(&verdict.address);
    let cooldown = input.desired.policy.boot.cooldown.get();
    if let Some(last) = record.starts.last() {
        let until = last.at.plus(cooldown);
        let wait = input.now.until(&until);
        // No clock makes the wait longer than it is.
        if !wait.is_zero() && wait <= cooldown {
            verdict.because = Reason::Cooldown { until };
            return look_after(verdict, input.now, wait);
        }
    }
    start::gates(verdict, input, Reason::DeaconUnwell { why });
}

/// Why the deacon looks unwell; `None` if it does not, need not run, or cannot be seen (law 1).
fn unwell(deacon: &Verdict) -> Option<Why> {
    if deacon.wanted.is_some() {
        return None;
    }
    let why = match (&deacon.state, &deacon.decision, &deacon.because) {
        // Somebody is there and sees for themselves.
        (State::Running(alive), _, _) if alive.attached => return None,
        (State::Running(_), _, _) if deacon.is_stalled() => "its heartbeat is stale",
        (_, Decision::Held, Reason::CrashLoop { .. }) => "it is in a crash loop",
        (_, Decision::Held, Reason::DirectoryMissing { .. }) => "its directory is missing",
        (_, Decision::Held, Reason::ProgramMissing { .. }) => "its program is missing",
        (_, Decision::Held, Reason::WaitingFor { .. }) => "what it needs is not alive",
        _ => return None,
    };
    Some(Why::new(why))
}
