//! The form of a recording's lines.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::desired::{Desired, HoldKind};
use crate::ledger::{Cause, Ledger, Record, Rest};
use crate::model::{Address, Origin, Reason, Seen, Stamp, Why};
use crate::observed::{Life, Orphan, Place, Server, Session, Work};
use crate::plan::{
    Action, Decision, Fence, Gate, LaunchInto, Options, Plan, Quarry, Refusal, Unmanaged, Verdict,
};

/// The form that this gtctl writes, and the only one that it reads. A field that is added keeps it, one that goes or means something else
/// does not.
pub const FORM: u32 = 1;

/// A line. `V` is a verdict, `E` is what else was decided: borrowed when written, plain JSON when read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", bound(deserialize = "V: Deserialize<'de>, E: Deserialize<'de>"))]
pub enum Line<'a, V, E> {
    /// The first line of each file.
    Head(Head),
    /// A pass.
    Pass(Box<PassLine<'a, V, E>>),
}

/// Who recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Head {
    /// The form of the lines.
    pub form: u32,
    /// The version of gtctl.
    pub gtctl: String,
    /// The town's directory.
    pub town: String,
    /// Which file of this start it is, from 1.
    pub file: u32,
    /// How many files this start has removed to keep the recordings within their size …
    pub dropped_files: u64,
    /// … and of how many bytes.
    pub dropped_bytes: u64,
}

/// A pass: what it was made from and what it decided, as far as that differs from the pass before.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", bound(deserialize = "V: Deserialize<'de>, E: Deserialize<'de>"))]
pub struct PassLine<'a, V, E> {
    /// Its number, from 1 for each start.
    pub number: u64,
    /// It builds on no earlier line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// When.
    pub at: Stamp,
    /// What was asked of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Options,
    /// What the files asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Cow<'a, Desired>>,
    /// The server that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerPart>,
    /// Agents that live on have lived longer by this.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub aged: Duration,
    /// The sessions of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<Piece<Cow<'a, Session>>>>,
    /// Where objects would be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<Piece<Pair<'a, Place>>>>,
    /// How long the machine had been asleep since its boot.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub asleep: Duration,
    /// For how long the controller had not looked, if that was longer than it meant to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Duration>,
    /// What beads said of the work of polecats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Vec<Piece<Pair<'a, Seen<Work>>>>>,
    /// Where gt was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<Seen<PathBuf>>,
    /// What agents said of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeats: Option<Vec<Piece<Pair<'a, Heard>>>>,
    /// What became of remembered processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Vec<Piece<Pair<'a, Seen<bool>>>>>,
    /// What a search of the process table showed, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Cow<'a, Seen<Vec<Orphan>>>>,
    /// What was remembered of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<Piece<Pair<'a, Record>>>>,
    /// What else was remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerPart>,
    /// What was decided of each object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<Vec<Piece<V>>>,
    /// What else was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<E>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The observation without what is told piece by piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerPart {
    /// The path of the socket that was asked.
    pub socket: String,
    /// The server, without its sessions.
    pub server: Seen<Server>,
    /// What became of the remembered server.
    pub past_server: Option<Seen<bool>>,
    /// How much memory was available, if that was too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_memory: Option<Seen<Option<u64>>>,
}

/// The ledger without its records, and with what never reaches the ledger's own file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerPart {
    /// What does.
    pub lasting: Ledger,
    /// See [`Ledger::in_flight`].
    pub in_flight: BTreeSet<Address>,
    /// See [`Ledger::resting`].
    pub resting: BTreeMap<Address, Rest>,
    /// See [`Ledger::trouble`].
    pub trouble: Option<Why>,
}

impl LedgerPart {
    /// The ledger without its records. Every field is named here, so that no new one is forgotten in recordings.
    pub fn of(ledger: &Ledger) -> Self {
        let Ledger {
            objects: _,
            server,
            starts,
            files,
            approvals,
            stopped,
            restarts,
            nudges,
            beats,
            pokes,
            letters,
            openings,
            endings,
            lingering,
            mass_death,
            over,
            polecats,
            in_flight,
            resting,
            trouble,
        } = ledger;
        Self {
            lasting: Ledger {
                server: server.clone(),
                starts: starts.clone(),
                files: files.clone(),
                approvals: approvals.clone(),
                stopped: stopped.clone(),
                restarts: restarts.clone(),
                nudges: nudges.clone(),
                beats: beats.clone(),
                pokes: pokes.clone(),
                letters: letters.clone(),
                openings: openings.clone(),
                endings: endings.clone(),
                lingering: lingering.clone(),
                over: over.clone(),
                polecats: polecats.clone(),
                mass_death: mass_death.clone(),
                ..Ledger::default()
            },
            in_flight: in_flight.clone(),
            resting: resting.clone(),
            trouble: trouble.clone(),
        }
    }

    /// The ledger with these records.
    pub fn with(&self, objects: BTreeMap<Address, Record>) -> Ledger {
        Ledger {
            objects,
            in_flight: self.in_flight.clone(),
            resting: self.resting.clone(),
            trouble: self.trouble.clone(),
            ..self.lasting.clone()
        }
    }
}

/// What an agent said of itself.
pub type Heard = Seen<Option<jiff::Timestamp>>;

/// An object, and something of it.
pub type Pair<'a, V> = (Cow<'a, Address>, Cow<'a, V>);

/// A piece of a list, told by the list of the pass before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece<T> {
    /// So many in a row, from this index of the list before.
    Same(usize, usize),
    /// One that was not there, or was another.
    New(T),
}

impl<T> Piece<T> {
    /// Applies `f` to one that is new.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Piece<U> {
        match self {
            Self::Same(from, count) => Piece::Same(from, count),
            Self::New(one) => Piece::New(f(one)),
        }
    }
}

/// What makes `new` of `old`; `None` if they are equal. `key` finds in the old list what may be the same, and may be wrong.
pub fn pieces<T: PartialEq + Clone, K: Ord>(
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> K,
) -> Option<Vec<Piece<T>>> {
    if old == new {
        return None;
    }
    let index: BTreeMap<K, usize> = old.iter().enumerate().map(|(at, one)| (key(one), at)).collect();
    let mut pieces: Vec<Piece<T>> = Vec::new();
    for one in new {
        let Some(at) = index.get(&key(one)).copied().filter(|at| old.get(*at) == Some(one)) else {
            pieces.push(Piece::New(one.clone()));
            continue;
        };
        match pieces.last_mut() {
            Some(Piece::Same(from, count)) if *from + *count == at => *count += 1,
            _ => pieces.push(Piece::Same(at, 1)),
        }
    }
    Some(pieces)
}

/// The list that `pieces` make of `old`; `None` if they are not made for it.
pub fn assemble<T: Clone>(old: &[T], pieces: Vec<Piece<T>>) -> Option<Vec<T>> {
    let mut new = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Same(from, count) => new.extend_from_slice(old.get(from..from.checked_add(count)?)?),
            Piece::New(one) => new.push(one),
        }
    }
    Some(new)
}

/// Lets every living agent have lived longer.
pub fn age(sessions: &mut [Session], by: Duration) {
    for pane in sessions.iter_mut().flat_map(|session| &mut session.panes) {
        if let Seen::Known(Life::Running { lived, .. }) = &mut pane.life {
            *lived = lived.saturating_add(by);
        }
    }
}

/// What was decided of one object, flat: two of them differ in the fields that both have. Words for people are not in it, because other
/// words are no other decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry<'a> {
    /// Of which.
    pub address: &'a Address,
    /// What holds it back.
    pub wanted: Option<&'a HoldKind>,
    /// How it stands, as a word.
    pub state: &'static str,
    /// `nothing`, `held`, or the word of an action.
    pub decision: &'static str,
    /// Why.
    pub reason: &'a Reason,
    /// Who asked for it.
    pub origin: &'a Origin,
    /// Whether it runs from another spec.
    pub drifted: bool,
    /// When its turn comes.
    pub gate: Option<&'a Gate>,
    /// Where a start finds its session.
    pub into: Option<&'static str>,
    /// What a start weighs.
    pub cause: Option<Cause>,
    /// Where it is started.
    pub directory: Option<&'a Path>,
    /// What is started.
    pub program: Option<&'a Path>,
    /// What must still be true when it is done.
    pub fence: Option<&'a Fence>,
    /// What is typed, or what a letter is about.
    pub text: Option<&'a str>,
    /// What is reaped, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarry: Option<&'a Quarry>,
}

impl<'a> Entry<'a> {
    /// What a verdict decides. Every field is named here, so that no new one is forgotten in recordings.
    pub fn of(verdict: &'a Verdict) -> Self {
        let word = verdict.word();
        let Verdict {
            address,
            wanted,
            state: _,
            decision,
            because,
            evidence: _,
            origin,
            note: _,
            drifted,
            silence: _,
            next: _,
        } = verdict;
        let mut entry = Self {
            address,
            wanted: wanted.as_ref(),
            state: word,
            decision: "nothing",
            reason: because,
            origin,
            drifted: *drifted,
            gate: None,
            into: None,
            cause: None,
            directory: None,
            program: None,
            fence: None,
            text: None,
            quarry: None,
        };
        match decision {
            Decision::Nothing => {}
            Decision::Held => entry.decision = "held",
            Decision::Step(step) => {
                entry.decision = step.action.word();
                entry.gate = Some(&step.gate);
                entry.act(&step.action);
            }
        }
        entry
    }

    fn act(&mut self, action: &'a Action) {
        match action {
            Action::Kill(fence) | Action::Adopt(fence) => self.fence = Some(fence),
            Action::Reap(quarry) => self.quarry = Some(quarry),
            Action::Notify { letter, program } => {
                (self.text, self.program) = (Some(letter.subject.as_str()), Some(program.as_path()));
            }
            Action::Nudge { fence, text } => {
                (self.fence, self.text) = (Some(fence), Some(text.as_str()));
            }
            Action::Start(launch) | Action::Restart(launch) => {
                let (into, fence) = match &launch.into {
                    LaunchInto::NewSession => ("new-session", None),
                    LaunchInto::DeadPane(fence) => ("dead-pane", Some(fence)),
                    LaunchInto::NewWindow(fence) => ("new-window", Some(fence)),
                    LaunchInto::Replacing(fence) => ("replacing", Some(fence)),
                };
                (self.into, self.fence) = (Some(into), fence);
                self.cause = Some(launch.cause);
                self.directory = Some(&launch.directory);
                self.program = Some(&launch.program);
            }
        }
    }
}

/// What was decided besides the verdicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ends<'a> {
    /// Sessions that are not managed.
    pub unmanaged: Vec<Left<'a>>,
    /// What a ceiling refused.
    pub refusal: Option<&'a Refusal>,
    /// When the plan would be another one by itself.
    pub wake: Option<&'a Stamp>,
}

/// A session that is not managed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Left<'a> {
    /// Its name.
    pub session: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Whether it is ours.
    pub ours: bool,
}

impl<'a> Ends<'a> {
    /// What a plan decides besides its verdicts.
    pub fn of(plan: &'a Plan) -> Self {
        let Plan { verdicts: _, unmanaged, refusal, wake, lone: _, search: _ } = plan;
        let left = |one: &'a Unmanaged| Left { session: &one.session, id: &one.id, ours: one.ours };
        Self {
            unmanaged: unmanaged.iter().map(left).collect(),
            refusal: refusal.as_ref(),
            wake: wake.as_ref(),
        }
    }
}
