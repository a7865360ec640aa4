//! What is on the server and not managed: reported, never touched. Only `--prune` stops what is ours and no longer listed.

use crate::desired::{Desired, Hold, HoldKind, Object};
use crate::ledger::Ledger;
use crate::model::{Address, Evidence, ProcessId, Reason, Seen, Stamp};
use crate::observed::{Observed, Server, Session};

use super::judge;
use super::presence::{fence_of_unlisted, other_panes_alive, state_of_unlisted};
use super::state::State;
use super::types::{Action, Decision, Gate, Options, Step, Unmanaged, Verdict};

/// What the plan is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What the files ask for.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is remembered.
    pub ledger: &'a Ledger,
    /// The moment.
    pub now: &'a Stamp,
}

/// The sessions that no object claims, and the verdicts that `--prune` adds.
pub fn find(input: Input<'_>, verdicts: &[Verdict], options: Options) -> (Vec<Unmanaged>, Vec<Verdict>) {
    let Input { desired, observed, .. } = input;
    let Seen::Known(Server::Up(server)) = &observed.server else { return (Vec::new(), Vec::new()) };
    let mut unmanaged = Vec::new();
    let mut pruned = Vec::new();
    for session in &server.sessions {
        let describe = |why: String, ours: bool| Unmanaged {
            session: session.name.clone(),
            id: session.id.to_string(),
            why,
            ours,
        };
        match session.marker() {
            Some(marker) if marker.town != desired.town => {
                unmanaged.push(describe(format!("{} of another town", marker.address), false))
            }
            Some(marker) if desired.objects.contains_key(&marker.address) => {}
            // One session of an object at a time, as everywhere.
            Some(marker)
                if options.prune && !pruned.iter().any(|one: &Verdict| one.address == marker.address) =>
            {
                pruned.push(prune(input, session, server.id, marker.address));
            }
            Some(marker) => {
                unmanaged.push(describe(format!("{}, which no file lists any more", marker.address), true))
            }
            None if is_to_be_adopted(session, verdicts) => {}
            None => unmanaged.push(describe("not started by gtctl".to_owned(), false)),
        }
    }
    (unmanaged, pruned)
}

/// Stops a session of ours that no file lists, unless something forbids to touch it.
fn prune(input: Input<'_>, session: &Session, server: ProcessId, address: Address) -> Verdict {
    let mut verdict = Verdict {
        wanted: None,
        state: state_of_unlisted(session, server, input.desired),
        decision: Decision::Nothing,
        because: Reason::InFlight,
        evidence: vec![Evidence::now(format!(
            "session {} carries our marker, and no file lists it",
            session.name
        ))],
        origin: judge::nobody(),
        note: None,
        drifted: false,
        silence: None,
        next: None,
        address,
    };
    if input.ledger.in_flight.contains(&verdict.address) {
        return verdict;
    }
    if let Some(rig) = verdict.address.rig()
        && let Some(stop) = input.desired.frozen_rigs.get(rig)
    {
        judge::held_by(&mut verdict, stop);
        return verdict;
    }
    if let Some(hold) = freeze(input, &verdict.address) {
        judge::held_by(&mut verdict, hold);
        return verdict;
    }
    match &verdict.state {
        State::Unknown(_) | State::Ending | State::SocketLost { .. } => {
            let state = verdict.state.clone();
            judge::undecided(&mut verdict, state);
        }
        State::Dead { fence, .. } | State::PaneGone { fence }
            if other_panes_alive(fence, input.observed) > 0 =>
        {
            let count = other_panes_alive(fence, input.observed);
            verdict.hold(Reason::PanesLeft { count });
        }
        _ => {
            let action = Action::Kill(fence_of_unlisted(session, server));
            verdict.decision = Decision::Step(Step { action, gate: Gate::Ready });
            verdict.because = Reason::Pruned;
        }
    }
    verdict
}

/// What freezes the town, which always has a mayor, or the rig of an object that no file lists.
fn freeze<'a>(input: Input<'a>, address: &Address) -> Option<&'a Hold> {
    let freezes = |hold: &&Hold| {
        hold.is_active(input.now.wall) && matches!(hold.kind, HoldKind::Frozen | HoldKind::Unreadable(_))
    };
    let is_near = |object: &&Object| {
        object.address == Address::Mayor || (address.rig().is_some() && object.address.rig() == address.rig())
    };
    input.desired.objects.values().filter(is_near).flat_map(|object| &object.holds).find(freezes)
}

/// Whether a session without a label proves to be one of ours all the same.
fn is_to_be_adopted(session: &Session, verdicts: &[Verdict]) -> bool {
    let is_it = |verdict: &Verdict| matches!(&verdict.state, State::Adoptable { fence, .. } if fence.session() == session.id);
    verdicts.iter().any(is_it)
}
