//! What is on the server and not managed: reported, never touched. Only `--prune` stops what is ours and no longer listed.

use std::collections::HashSet;

use crate::desired::{Hold, HoldKind, Object};
use crate::model::{Address, Evidence, ProcessId, Reason, Seen, SessionId};
use crate::observed::{Server, Session};

use super::judge::{self, Given};
use super::orphans::{self, Whose};
use super::presence::{fence_of_unlisted, state_of_unlisted};
use super::state::State;
use super::types::{Action, Decision, Gate, Options, Step, Unmanaged, Verdict};

/// The sessions that no object claims, and the verdicts that `--prune` adds.
pub fn find(input: Given<'_>, verdicts: &[Verdict], options: Options) -> (Vec<Unmanaged>, Vec<Verdict>) {
    let Given { desired, observed, .. } = input;
    let mut unmanaged = Vec::new();
    let mut pruned = Vec::new();
    // Sessions without a label that prove to be ours all the same.
    let to_be_adopted: HashSet<SessionId> = verdicts
        .iter()
        .filter_map(|verdict| match &verdict.state {
            State::Adoptable(alive) => Some(alive.fence.session()),
            _ => None,
        })
        .collect();
    let server = match &observed.server {
        Seen::Known(Server::Up(server)) => Some(server),
        Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => None,
    };
    for (server, session) in server.iter().flat_map(|up| up.sessions.iter().map(|session| (up.id, session))) {
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
                pruned.push(prune(input, session, server, marker.address.clone()));
            }
            Some(marker) => {
                unmanaged.push(describe(format!("{}, which no file lists any more", marker.address), true))
            }
            None if to_be_adopted.contains(&session.id) => {}
            None => unmanaged.push(describe("not started by gtctl".to_owned(), false)),
        }
    }
    for address in orphans::unlisted(desired, observed) {
        let is_pruned = |one: &&mut Verdict| one.address == address;
        match pruned.iter_mut().find(is_pruned) {
            // Its session first.
            Some(_) => {}
            None => without_session(input, options, &address, &mut unmanaged, &mut pruned),
        }
    }
    (unmanaged, pruned)
}

/// The agents without terminals of an object that no file lists.
fn without_session(
    input: Given<'_>,
    options: Options,
    address: &Address,
    unmanaged: &mut Vec<Unmanaged>,
    pruned: &mut Vec<Verdict>,
) {
    let Given { desired, observed, ledger, .. } = input;
    let whose = Whose { address, object: None, is_alive: false, desired, observed, ledger };
    let survivors = orphans::of(whose).survivors;
    let Some(first) = survivors.first() else { return };
    if !options.prune {
        unmanaged.extend(survivors.iter().map(|orphan| Unmanaged {
            session: format!("process {}", orphan.process),
            id: orphan.name.clone(),
            why: format!("{address}, which no file lists any more, and whose terminal is gone"),
            ours: true,
        }));
        return;
    }
    let pid = first.process.pid;
    let mut verdict = Verdict {
        wanted: None,
        state: State::Detached { process: first.process, fence: None },
        decision: Decision::Held,
        because: Reason::Detached { pid },
        evidence: vec![Evidence::now(format!("process {pid} has our mark, and no file lists its object"))],
        origin: judge::nobody(),
        note: None,
        drifted: false,
        silence: None,
        next: None,
        address: address.clone(),
    };
    if ledger.in_flight.contains(address) {
        (verdict.decision, verdict.because) = (Decision::Nothing, Reason::InFlight);
    } else if let Some(hold) = stops_all(input, address) {
        judge::held_by(&mut verdict, hold);
    } else {
        orphans::reap(&mut verdict, whose);
    }
    pruned.push(verdict);
}

/// What forbids to touch an object that no file lists.
fn stops_all<'a>(input: Given<'a>, address: &Address) -> Option<&'a Hold> {
    address.rig().and_then(|rig| input.desired.frozen_rigs.get(rig)).or_else(|| freeze(input, address))
}

/// Stops a session of ours that no file lists, unless something forbids to touch it.
fn prune(input: Given<'_>, session: &Session, server: ProcessId, address: Address) -> Verdict {
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
    if let Some(hold) = stops_all(input, &verdict.address) {
        judge::held_by(&mut verdict, hold);
        return verdict;
    }
    match &verdict.state {
        State::Unknown(_) | State::Ending | State::SocketLost { .. } => {
            let state = verdict.state.clone();
            judge::undecided(&mut verdict, state);
        }
        State::Dead { fence, .. } | State::PaneGone { fence } if input.sight.other_panes_alive(fence) > 0 => {
            let count = input.sight.other_panes_alive(fence);
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
fn freeze<'a>(input: Given<'a>, address: &Address) -> Option<&'a Hold> {
    let freezes = |hold: &&Hold| {
        hold.is_active(input.now.wall) && matches!(hold.kind, HoldKind::Frozen | HoldKind::Unreadable(_))
    };
    let is_near = |object: &&Object| {
        object.address == Address::Mayor || (address.rig().is_some() && object.address.rig() == address.rig())
    };
    input.desired.objects.values().filter(is_near).flat_map(|object| &object.holds).find(freezes)
}
