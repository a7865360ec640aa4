//! Polecats: whether one is started again, its work says.
//!
//! A polecat is started by whoever gives it work, and ends when that is done. So gtctl starts none that it has not seen alive, and none of which
//! beads have not said, since it ended, that there is work to do. That is a crash: work on the hook, and nobody there.

use std::time::Duration;

use crate::desired::{Hold, HoldKind};
use crate::ledger::Ledger;
use crate::model::{Evidence, Reason, Seen, Stamp, Why};
use crate::observed::Observed;
use crate::observed::beads::AgentState;
use crate::observed::work::{Hook, Work};

use super::judge;
use super::opening::{Opening, opening};
use super::start::Input;
use super::state::{Alive, State};
use super::types::{Action, Verdict};

/// For so long after its bead says that it is being started, somebody may be at it.
const SPAWNING: Duration = Duration::from_secs(5 * 60);

/// How soon to look again for the session of a polecat whose directory has appeared.
const NEWCOMER_LOOK: Duration = Duration::from_secs(15);

/// Before a restart, beads are asked again if their answer is older than this: the work may be done meanwhile.
const FRESH: Duration = Duration::from_secs(2 * 60);

/// What is typed into the polecats of a docked rig.
pub const DRAIN: &str = "RIG DOCKED: finish or hand off what you are doing, push it, and end your session with `gt done`; \
                         this session is stopped soon";

/// What the work of a polecat says, whose agent is gone.
pub(super) enum Wish<'a> {
    /// That is not known.
    Unknown(Why),
    /// It is to rest.
    Rest(Reason),
    /// There is work to do.
    Work(&'a Work, &'a Hook),
}

/// Whether no agent of it is there.
pub fn is_over(state: &State) -> bool {
    match state {
        State::Absent
        | State::Vanished
        | State::ServerLost
        | State::BareShell(_)
        | State::Dead { .. }
        | State::PaneGone { .. } => true,
        State::Starting(_)
        | State::Running(_)
        | State::Detached { .. }
        | State::Elsewhere { .. }
        | State::Ending
        | State::Adoptable(_)
        | State::Foreign { .. }
        | State::Duplicate { .. }
        | State::SocketLost { .. }
        | State::Unknown(_) => false,
    }
}

/// Whether beads are to be asked about it now: it is gone, and they have not been since, or are to be once more before it is started.
pub fn is_to_be_asked(verdict: &Verdict, observed: &Observed, ledger: &Ledger) -> bool {
    let frozen = matches!(verdict.wanted, Some(HoldKind::Frozen | HoldKind::Unreadable(_)));
    if frozen || !is_over(&verdict.state) {
        return false;
    }
    let ended = ledger.polecats.get(&verdict.address).and_then(|known| known.ended.as_ref());
    let Some(ended) = ended else { return false };
    let is_answered = match observed.work.get(&verdict.address) {
        Some(Seen::Known(work)) => is_since(work, ended, &observed.at),
        Some(Seen::Unknown(_)) | None => false,
    };
    !is_answered || matches!(verdict.because, Reason::WorkUnknown { .. })
}

fn is_since(work: &Work, ended: &Stamp, now: &Stamp) -> bool {
    now.since(&work.at) <= now.since(ended)
}

/// What its work says, now that it is gone.
pub(super) fn wish<'a>(input: &Input<'a>) -> Wish<'a> {
    let address = &input.object.address;
    let unknown = |why: &str| Wish::Unknown(Why::new(why));
    let known = input.ledger.polecats.get(address);
    let Some(ended) = known.and_then(|known| known.ended.as_ref()) else {
        return unknown("it has ended just now, and its beads have not been asked since");
    };
    let work = match input.observed.work.get(address) {
        None => return unknown("its beads have not been asked yet"),
        Some(Seen::Unknown(why)) => return Wish::Unknown(why.clone()),
        Some(Seen::Known(work)) if !is_since(work, ended, input.now) => {
            return unknown("its beads have not been asked since it ended");
        }
        Some(Seen::Known(work)) => work,
    };
    let agent = work.agent.as_ref();
    match (&work.hook, agent.and_then(|agent| agent.state.as_ref())) {
        (None, _) => Wish::Rest(Reason::NoWork),
        (Some(hook), _) if hook.closed => Wish::Rest(Reason::WorkClosed { bead: hook.bead.clone() }),
        (Some(_), Some(AgentState::Done)) => Wish::Rest(Reason::WorkDone { state: "done".to_owned() }),
        (Some(_), Some(AgentState::Nuked)) => Wish::Rest(Reason::WorkDone { state: "nuked".to_owned() }),
        (Some(hook), Some(AgentState::Spawning)) => {
            match spawning(agent.and_then(|said| said.updated), work, input.now) {
                Some(until) => Wish::Rest(Reason::Spawning { until }),
                None => Wish::Work(work, hook),
            }
        }
        (Some(hook), _) => Wish::Work(work, hook),
    }
}

/// Until when somebody may be starting it. A moment that is not told counts from when it was asked; one that lies far ahead is no moment.
fn spawning(updated: Option<jiff::Timestamp>, work: &Work, now: &Stamp) -> Option<Stamp> {
    let since = match updated {
        None => now.since(&work.at),
        Some(updated) => {
            let ago = now.wall.duration_since(updated);
            match Duration::try_from(ago) {
                Ok(ago) => ago,
                Err(_) if ago.unsigned_abs() < SPAWNING => Duration::ZERO,
                Err(_) => SPAWNING,
            }
        }
    };
    let left = SPAWNING.saturating_sub(since);
    (!left.is_zero()).then(|| now.plus(left))
}

/// It should run, if there is work for it.
pub(super) fn run(verdict: &mut Verdict, input: &Input<'_>) {
    if !is_over(&verdict.state) {
        return judge::run(verdict, input);
    }
    let known = input.ledger.polecats.get(&verdict.address);
    let is_seen = known.is_some_and(|known| known.seen);
    // Its directory is there, and its session most likely is about to be: nothing gives notice of that.
    let ended = known.and_then(|known| known.ended.as_ref());
    if !is_seen && ended.is_none_or(|ended| input.now.since(ended) < SPAWNING) {
        verdict.next = Some(input.now.plus(NEWCOMER_LOOK));
    }
    match wish(input) {
        _ if known.is_some_and(|known| known.asked) => judge::run(verdict, input),
        Wish::Unknown(_) if !is_seen => verdict.hold(Reason::NeverSeen),
        Wish::Unknown(why) => verdict.hold(Reason::WorkUnknown { why }),
        Wish::Rest(reason) => {
            if let Reason::Spawning { until } = &reason {
                verdict.next.get_or_insert(until.clone());
            }
            verdict.hold(reason);
        }
        Wish::Work(work, hook) => {
            let age = input.now.since(&work.at);
            verdict.evidence.push(Evidence::aged(format!("{} is on its hook", hook.bead), age));
            if !is_seen {
                return verdict.hold(Reason::NeverSeen);
            }
            judge::run(verdict, input);
            let starts = verdict.step_mut().is_some_and(|step| step.action.launch().is_some());
            if starts && age > FRESH {
                let why = "its beads are asked once more before it is started".to_owned();
                verdict.hold(Reason::WorkUnknown { why: Why(why) });
            }
        }
    }
}

/// It should not run. That of a docked rig gets time to finish what it does.
pub(super) fn stop(verdict: &mut Verdict, hold: &Hold, input: &Input<'_>) {
    match verdict.state.clone() {
        State::Running(alive) if hold.kind == HoldKind::Docked => drain(verdict, &alive, hold, input),
        _ => judge::stop(verdict, hold, input),
    }
}

fn drain(verdict: &mut Verdict, alive: &Alive, hold: &Hold, input: &Input<'_>) {
    let life = alive.incarnation.as_ref().map(|alive| &alive.marker.incarnation);
    let known = input.ledger.polecats.get(&verdict.address).and_then(|known| known.drain.as_ref());
    let known = known.filter(|drain| Some(&drain.life) == life);
    let begun = known.map_or(input.now, |drain| &drain.at);
    let until = begun.plus(input.desired.policy.polecats.drain.get());
    if input.now.until(&until).is_zero() {
        return judge::stop(verdict, hold, input);
    }
    judge::held_by(verdict, hold);
    verdict.next = Some(until.clone());
    let asked = known.is_some_and(|drain| drain.asked);
    let is_ready = opening(&verdict.address, alive, input.ledger, input.now) == Opening::Over;
    match judge::busy(alive, input.sight) {
        None if !asked && is_ready => {
            let action = Action::Nudge { fence: alive.fence.clone(), text: DRAIN.to_owned() };
            judge::step(verdict, action, Reason::Draining { until });
        }
        _ => verdict.hold(Reason::Draining { until }),
    }
}
