//! Agents that live, are well, and have been quiet for a while. Where a file asks for it they are poked, so that they look whether there is
//! something to do.
//!
//! A poke costs: it wakes an agent that may be waiting on purpose. So it is off by default, its waits grow while it leads to nothing, and one that
//! was not taken is not repeated.

use crate::ledger::Sign;
use crate::model::{Address, Evidence, IncarnationId, Reason, Role, Seen, Why};
use crate::observed::{Observed, Server};

use super::judge::{busy, step};
use super::start::Input;
use super::state::Alive;
use super::types::{Action, Decision, Verdict};
use super::wake::look_after;

/// What is typed into a quiet agent; gt's words where it has some.
pub fn poke_text(address: &Address) -> &'static str {
    match address.role() {
        Role::Mayor => "HEARTBEAT: check your rigs",
        Role::Deacon => "HEARTBEAT: run your rounds",
        Role::Witness => "HEARTBEAT: check your workers",
        Role::Refinery => "HEARTBEAT: check your merge queue",
        Role::Boot | Role::Polecat | Role::Crew | Role::Session => "HEARTBEAT: check your hook and your mail",
    }
}

/// What an agent shows of itself: its own file if there is one, else its terminal. `Known(None)` if it has neither.
pub fn sign(observed: &Observed, address: &Address, alive: &Alive) -> Seen<Option<Sign>> {
    match observed.heartbeats.get(address) {
        Some(Seen::Known(Some(told))) => return Seen::Known(Some(Sign::Told(*told))),
        Some(Seen::Unknown(why)) => return Seen::Unknown(why.clone()),
        Some(Seen::Known(None)) | None => {}
    }
    let Seen::Known(Server::Up(server)) = &observed.server else {
        return Seen::Unknown(Why::new("tmux cannot be seen"));
    };
    let pane = alive.fence.pane().map(|(pane, _)| pane);
    let mut panes = server.sessions.iter().flat_map(|session| &session.panes);
    match panes.find(|one| Some(one.id) == pane).and_then(|pane| pane.activity.as_ref()) {
        None => Seen::Known(None),
        Some(activity) => activity.clone().map(|shown| Some(Sign::Shown(shown))),
    }
}

/// Judges a living agent, of which nothing else is wanted now, by how long it has been quiet.
pub(super) fn judge(verdict: &mut Verdict, alive: &Alive, incarnation: &IncarnationId, input: &Input<'_>) {
    let Some(poke) = &input.object.poke else { return };
    let is_at_peace = verdict.because == Reason::Running && verdict.decision == Decision::Nothing;
    if !is_at_peace || verdict.is_stalled() {
        return;
    }
    let sign = match sign(input.observed, &verdict.address, alive) {
        Seen::Known(Some(sign)) => sign,
        Seen::Known(None) => return,
        Seen::Unknown(why) => {
            verdict.evidence.push(Evidence::now(format!("whether it is quiet cannot be told: {why}")));
            return;
        }
    };
    let awake = input.observed.awake;
    let known = input.ledger.pokes.get(&verdict.address).filter(|poked| {
        poked.is_of(incarnation, &input.now.boot) && poked.sign == sign && input.observed.away.is_none()
    });
    let Some(poked) = known else {
        return look_after(verdict, input.now, poke.after);
    };
    let quiet = poked.quiet(awake);
    verdict.evidence.push(Evidence::aged("it last showed something of itself", quiet));
    if let Some(last) = poked.last {
        let taken = if poked.pending { ", and nothing shows that it took that" } else { "" };
        let what = format!("poked {} times since it last worked of its own accord{taken}", poked.count);
        verdict.evidence.push(Evidence::aged(what, awake.saturating_sub(last)));
    }
    if let Some(rest) = poked.answer_ends(poke.after, awake) {
        look_after(verdict, input.now, rest);
    }
    let wait = poked.wait(poke.after, awake);
    if poked.pending {
        // Until it shows something there is nothing to wait for.
    } else if !wait.is_zero() {
        look_after(verdict, input.now, wait);
    } else if busy(alive, input.sight).is_none() {
        let text = poke_text(&verdict.address).to_owned();
        step(verdict, Action::Nudge { fence: alive.fence.clone(), text }, Reason::Quiet { quiet });
    }
}
