//! Passes into lines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Inputs;
use super::form::{Ends, Entry, Head, LedgerPart, Line, Pair, PassLine, Piece, ServerPart, age, pieces};
use crate::desired::Desired;
use crate::ledger::Ledger;
use crate::model::{Address, ProcessId, Seen};
use crate::observed::{Life, Observed, Place, Server, ServerUp, Session};
use crate::plan::Plan;

/// So many passes build on each other at the most: damage in one line costs those behind it, until one tells all again.
const CHAIN_MAX: u32 = 500;

/// Turns passes into lines, each told by the one before.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    before: Option<Before>,
    chain: u32,
}

/// What the last line told.
#[derive(Debug, Clone)]
struct Before {
    desired: Desired,
    observed: Observed,
    ledger: Ledger,
    plan: Plan,
}

impl Encoder {
    /// The next line tells all: the last one may not have arrived.
    pub fn forget(&mut self) {
        self.before = None;
    }

    /// The line of a pass, with its end. What cannot be told at all, such as a path that is no text, is an error; then the next line tells
    /// all again.
    pub fn pass(&mut self, number: u64, inputs: &Inputs<'_>, plan: &Plan) -> serde_json::Result<Vec<u8>> {
        if self.chain >= CHAIN_MAX {
            self.forget();
        }
        let mut before = self.before.take();
        let aged = before.as_mut().map_or(Duration::ZERO, |before| grow(before, inputs.observed));
        let line = tell(number, before.as_ref(), aged, inputs, plan);
        let saw_other =
            line.server.is_some() || line.sessions.is_some() || line.places.is_some() || line.past.is_some();
        let saw_other = saw_other || line.work.is_some();
        let [files, memory, decision] = [
            line.desired.is_some(),
            line.records.is_some() || line.ledger.is_some(),
            line.verdicts.is_some() || line.plan.is_some(),
        ];
        let bytes = bytes(&Line::Pass(Box::new(line)))?;
        self.chain = if before.is_some() { self.chain + 1 } else { 0 };
        self.before = Some(match before {
            None => Before {
                desired: inputs.desired.clone(),
                observed: inputs.observed.clone(),
                ledger: inputs.ledger.clone(),
                plan: plan.clone(),
            },
            Some(before) => Before {
                desired: if files { inputs.desired.clone() } else { before.desired },
                observed: if saw_other { inputs.observed.clone() } else { before.observed },
                ledger: if memory { inputs.ledger.clone() } else { before.ledger },
                plan: if decision { plan.clone() } else { before.plan },
            },
        });
        Ok(bytes)
    }
}

/// The first line of a file, with its end.
pub fn head(head: Head) -> serde_json::Result<Vec<u8>> {
    bytes(&Line::Head(head))
}

/// What a plan decides, in the form in which a recording has it.
pub fn decided(plan: &Plan) -> (Vec<Entry<'_>>, Ends<'_>) {
    (plan.verdicts.iter().map(Entry::of).collect(), Ends::of(plan))
}

fn bytes(line: &Line<'_, Entry<'_>, Ends<'_>>) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn tell<'a>(
    number: u64,
    before: Option<&'a Before>,
    aged: Duration,
    inputs: &Inputs<'a>,
    plan: &'a Plan,
) -> PassLine<'a, Entry<'a>, Ends<'a>> {
    let Inputs { desired, observed, ledger, options } = *inputs;
    let Observed {
        at,
        awake,
        away,
        socket: _,
        server: _,
        places,
        heartbeats,
        work,
        gt,
        past,
        past_server: _,
        low_memory: _,
        orphans,
    } = observed;
    let (server, memory, (entries, ends)) = (server_part(observed), LedgerPart::of(ledger), decided(plan));
    let old_sessions: Vec<&Session> =
        before.map_or(Vec::new(), |old| sessions(&old.observed).iter().collect());
    let new_sessions: Vec<&Session> = sessions(observed).iter().collect();
    let (old_entries, old_ends) = before.map(|old| decided(&old.plan)).unzip();
    PassLine {
        number,
        whole: before.is_none(),
        at: at.clone(),
        options,
        desired: before.is_none_or(|old| old.desired != *desired).then_some(Cow::Borrowed(desired)),
        server: before.is_none_or(|old| server_part(&old.observed) != server).then_some(server),
        aged,
        sessions: pieces(&old_sessions, &new_sessions, |session| session.id)
            .map(|pieces| pieces.into_iter().map(|piece| piece.map(Cow::Borrowed)).collect()),
        places: pairs(before.map(|old| &old.observed.places), places)
            .map(|pieces| pieces.into_iter().map(|piece| piece.map(sparing)).collect()),
        asleep: at.since_boot.saturating_sub(*awake),
        away: *away,
        work: pairs(before.map(|old| &old.observed.work), work),
        gt: gt.clone(),
        heartbeats: pairs(before.map(|old| &old.observed.heartbeats), heartbeats),
        past: pairs(before.map(|old| &old.observed.past), past),
        orphans: orphans.as_ref().map(Cow::Borrowed),
        records: pairs(before.map(|old| &old.ledger.objects), &ledger.objects),
        ledger: before.is_none_or(|old| LedgerPart::of(&old.ledger) != memory).then_some(memory),
        verdicts: pieces(&old_entries.unwrap_or_default(), &entries, |entry| entry.address),
        plan: (old_ends.as_ref() != Some(&ends)).then_some(ends),
    }
}

fn pairs<'a, V: Clone + PartialEq>(
    old: Option<&'a BTreeMap<Address, V>>,
    new: &'a BTreeMap<Address, V>,
) -> Option<Vec<Piece<Pair<'a, V>>>> {
    let old: Vec<(&Address, &V)> = old.into_iter().flatten().collect();
    let new: Vec<(&Address, &V)> = new.iter().collect();
    let cows = |(address, value)| (Cow::Borrowed(address), Cow::Borrowed(value));
    pieces(&old, &new, |(address, _)| *address)
        .map(|pieces| pieces.into_iter().map(|piece| piece.map(cows)).collect())
}

/// Where a program was looked for is the value of a variable, and matters only if it was not found.
fn sparing<'a>((address, place): Pair<'a, Place>) -> Pair<'a, Place> {
    if !matches!(place.program, Seen::Known(Some(_))) {
        return (address, place);
    }
    (address, Cow::Owned(Place { path: String::new(), ..place.into_owned() }))
}

fn sessions(observed: &Observed) -> &[Session] {
    match &observed.server {
        Seen::Known(Server::Up(server)) => &server.sessions,
        Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => &[],
    }
}

fn server_part(observed: &Observed) -> ServerPart {
    let server = match &observed.server {
        Seen::Known(Server::Up(ServerUp { id, version, sessions: _ })) => {
            Seen::Known(Server::Up(ServerUp { id: *id, version: version.clone(), sessions: Vec::new() }))
        }
        other => other.clone(),
    };
    ServerPart {
        socket: observed.socket.clone(),
        server,
        past_server: observed.past_server.clone(),
        low_memory: observed.low_memory.clone(),
    }
}

/// If none of so many agents lives on, the others are not asked: then all is new anyway.
const ASKED: usize = 16;

/// Lets what was seen before have lived for as long as the first agent that lives on has: then all that is as it was is equal. By how much.
fn grow(before: &mut Before, observed: &Observed) -> Duration {
    let by = lives(observed)
        .take(ASKED)
        .find_map(|(process, now)| {
            let (_, then) = lives(&before.observed).find(|(old, _)| *old == process)?;
            Some(now.saturating_sub(then))
        })
        .unwrap_or_default();
    if let Seen::Known(Server::Up(server)) = &mut before.observed.server {
        age(&mut server.sessions, by);
    }
    by
}

/// The agents that live, and for how long they have.
fn lives(observed: &Observed) -> impl Iterator<Item = (ProcessId, Duration)> {
    let panes = sessions(observed).iter().flat_map(|session| &session.panes);
    panes.filter_map(|pane| match &pane.life {
        Seen::Known(Life::Running { process, lived, .. }) => Some((*process, *lived)),
        Seen::Known(Life::Detached { .. } | Life::Gone { .. } | Life::Ending) | Seen::Unknown(_) => None,
    })
}
