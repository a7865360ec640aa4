//! Lines into passes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::Inputs;
use super::form::{FORM, Head, LedgerPart, Line, Pair, PassLine, Piece, ServerPart, age, assemble};
use crate::desired::Desired;
use crate::ledger::{Ledger, Record};
use crate::model::{Address, Seen, Stamp};
use crate::observed::{Observed, Place, Server, Session, Work};
use crate::plan::Options;

/// A pass as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number, from 1 for each start.
    pub number: u64,
    /// What the files asked for.
    pub desired: Desired,
    /// What was seen.
    pub observed: Observed,
    /// What was remembered.
    pub ledger: Ledger,
    /// What was asked of it.
    pub options: Options,
    /// What was decided.
    pub decided: Decided,
}

impl Recorded {
    /// What its plan was made from.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            desired: &self.desired,
            observed: &self.observed,
            ledger: &self.ledger,
            options: self.options,
        }
    }

    /// When it was.
    pub fn at(&self) -> &Stamp {
        &self.observed.at
    }
}

/// What was decided: as it was written, because nobody may make a fence from a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// Of each object.
    pub verdicts: Vec<Value>,
    /// What else.
    pub ends: Value,
}

/// What a line is.
#[derive(Debug)]
pub enum Read<'a> {
    /// The head of a file.
    Head(Head),
    /// A pass, and whether it decided exactly what the one before did.
    Pass(&'a Recorded, bool),
}

/// Why a line is no pass.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// It is not what a recorder writes.
    #[error("it is damaged at column {column}: {what}")]
    Damaged {
        /// What the reader of JSON says.
        what: String,
        /// Where, from 1.
        column: usize,
    },
    /// Another gtctl wrote it.
    #[error("gtctl {gtctl} wrote it in form {form}, and this gtctl reads form {FORM}")]
    Form {
        /// The version of gtctl.
        gtctl: String,
        /// The form.
        form: u32,
    },
    /// The pass that it builds on was not read.
    #[error("pass {0} builds on one that cannot be read")]
    Unfounded(u64),
    /// It is told by a list that is not there.
    #[error("pass {0} does not fit to the one before")]
    Unfit(u64),
}

/// Turns lines into passes. After a line that is none it goes on with the next one that tells all.
#[derive(Debug, Default)]
pub struct Decoder {
    now: Option<Recorded>,
}

impl Decoder {
    /// Reads a line, with or without its end.
    pub fn line(&mut self, line: &[u8]) -> Result<Read<'_>, BadLine> {
        let before = self.now.take();
        match serde_json::from_slice::<Line<'_, Value, Value>>(line).map_err(damaged)? {
            Line::Head(head) if head.form != FORM => {
                Err(BadLine::Form { gtctl: head.gtctl, form: head.form })
            }
            Line::Head(head) => Ok(Read::Head(head)),
            Line::Pass(line) => {
                let number = line.number;
                let as_before = !line.whole && line.verdicts.is_none() && line.plan.is_none();
                let before = if line.whole {
                    None
                } else {
                    let is_next = |before: &Recorded| before.number.checked_add(1) == Some(number);
                    Some(before.filter(is_next).ok_or(BadLine::Unfounded(number))?)
                };
                let now = follow(before, *line).ok_or(BadLine::Unfit(number))?;
                Ok(Read::Pass(self.now.insert(now), as_before))
            }
        }
    }
}

/// The line itself is one of many, so its number in here means nothing.
fn damaged(error: serde_json::Error) -> BadLine {
    let what = error.to_string();
    let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what).to_owned();
    BadLine::Damaged { what, column: error.column() }
}

/// The pass that a line makes of the one before; `None` if it does not fit.
fn follow(before: Option<Recorded>, line: PassLine<'_, Value, Value>) -> Option<Recorded> {
    let PassLine {
        number,
        whole: _,
        at,
        options,
        desired,
        server,
        aged,
        sessions,
        places,
        asleep,
        away,
        heartbeats,
        work,
        gt,
        past,
        orphans,
        records,
        ledger,
        verdicts,
        plan,
    } = line;
    let old = before.map(Old::of).unwrap_or_default();
    let server = server.or(old.server)?;
    let memory = ledger.or(old.memory)?;
    let mut lived = old.sessions;
    age(&mut lived, aged);
    let sessions = match sessions {
        None => lived,
        Some(pieces) => {
            let owned = pieces.into_iter().map(|piece| piece.map(Cow::into_owned)).collect();
            assemble(&lived, owned)?
        }
    };
    let mut seen = server.server;
    match &mut seen {
        Seen::Known(Server::Up(up)) => up.sessions = sessions,
        _ if sessions.is_empty() => {}
        // Sessions of no server.
        _ => return None,
    }
    Some(Recorded {
        number,
        desired: desired.map(Cow::into_owned).or(old.desired)?,
        observed: Observed {
            socket: server.socket,
            server: seen,
            places: map(old.places, places)?,
            awake: at.since_boot.saturating_sub(asleep),
            at,
            away,
            heartbeats: map(old.heartbeats, heartbeats)?,
            work: map(old.work, work)?,
            gt,
            past: map(old.past, past)?,
            past_server: server.past_server,
            low_memory: server.low_memory,
            orphans: orphans.map(Cow::into_owned),
        },
        ledger: memory.with(map(old.records, records)?),
        options,
        decided: Decided {
            verdicts: match verdicts {
                None => old.decided.verdicts,
                Some(pieces) => assemble(&old.decided.verdicts, pieces)?,
            },
            ends: match plan {
                None if old.decided.ends.is_null() => return None,
                None => old.decided.ends,
                Some(ends) => ends,
            },
        },
    })
}

/// A pass in the parts that lines tell.
#[derive(Default)]
struct Old {
    desired: Option<Desired>,
    server: Option<ServerPart>,
    sessions: Vec<Session>,
    places: BTreeMap<Address, Place>,
    heartbeats: BTreeMap<Address, Seen<Option<jiff::Timestamp>>>,
    work: BTreeMap<Address, Seen<Work>>,
    past: BTreeMap<Address, Seen<bool>>,
    records: BTreeMap<Address, Record>,
    memory: Option<LedgerPart>,
    decided: Decided,
}

impl Old {
    fn of(before: Recorded) -> Self {
        let Recorded { number: _, desired, observed, ledger, options: _, decided } = before;
        let Observed {
            at: _,
            awake: _,
            away: _,
            socket,
            mut server,
            places,
            heartbeats,
            work,
            gt: _,
            past,
            past_server,
            low_memory,
            orphans: _,
        } = observed;
        let sessions = match &mut server {
            Seen::Known(Server::Up(up)) => std::mem::take(&mut up.sessions),
            Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => Vec::new(),
        };
        Self {
            desired: Some(desired),
            server: Some(ServerPart { socket, server, past_server, low_memory }),
            sessions,
            places,
            heartbeats,
            work,
            past,
            memory: Some(LedgerPart::of(&ledger)),
            records: ledger.objects,
            decided,
        }
    }
}

fn map<V: Clone>(
    old: BTreeMap<Address, V>,
    pieces: Option<Vec<Piece<Pair<'_, V>>>>,
) -> Option<BTreeMap<Address, V>> {
    let Some(pieces) = pieces else { return Some(old) };
    let old: Vec<(Address, V)> = old.into_iter().collect();
    let owned = |(address, value): Pair<'_, V>| (address.into_owned(), value.into_owned());
    let new = assemble(&old, pieces.into_iter().map(|piece| piece.map(owned)).collect())?;
    Some(new.into_iter().collect())
}
