//! What is remembered, and how it changes. Pure: values in, values out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::asked::{AskedNudge, AskedRestart, AskedStop};
use super::backoff;
use super::beats::Beat;
use super::deaths::MassDeath;
use super::ending::Ending;
use super::letters::KnownLetter;
use super::opening::Opening;
use super::orphans::{Lingering, Over};
use super::pokes::Poked;
use super::polecats::Polecat;
use crate::desired::Policy;
use crate::model::{Address, BootId, Incarnation, IncarnationId, Marker, ProcessId, SpecHash, Stamp, Why};

/// What gtctl remembers of a town.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Ledger {
    /// What is remembered of each object.
    pub objects: BTreeMap<Address, Record>,
    /// The tmux server that the agents were last seen in.
    pub server: Option<ServerSeen>,
    /// All starts of the last minute, for the ceiling on starts.
    pub starts: Vec<Stamp>,
    /// Files that were there when they were last read: a file that is gone since then is not an instruction (law 11).
    pub files: BTreeMap<String, FileSeen>,
    /// Lives, by their labels, that a person allowed to stop although there are many of them.
    pub approvals: BTreeSet<String>,
    /// What is to stay down until somebody starts it.
    pub stopped: BTreeMap<Address, AskedStop>,
    /// Lives that are to be followed by others.
    pub restarts: BTreeMap<Address, AskedRestart>,
    /// Nudges that wait, in the order in which they were asked for.
    pub nudges: Vec<AskedNudge>,
    /// What is known of agents that are to say that they are well.
    pub beats: BTreeMap<Address, Beat>,
    /// What is known of agents that are poked when they are quiet.
    pub pokes: BTreeMap<Address, Poked>,
    /// Letters to the deacon that were dealt with, by their ids.
    pub letters: BTreeMap<String, KnownLetter>,
    /// Starts that are not over: the agent has been started, and has not been seen ready.
    pub openings: BTreeMap<Address, Opening>,
    /// How the last life of an object ended, by its own words.
    pub endings: BTreeMap<Address, Ending>,
    /// Processes that outlived their terminals or their agents, and what they were told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lingering: BTreeMap<Address, Vec<Lingering>>,
    /// Lives that are over and may have left something behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Over>,
    /// What is remembered of polecats besides.
    pub polecats: BTreeMap<Address, Polecat>,
    /// That many died together, and when the last of them did.
    pub mass_death: Option<MassDeath>,
    /// Actions under way in this very process; a new process knows of none and looks instead.
    #[serde(skip)]
    pub in_flight: BTreeSet<Address>,
    /// Objects to which nothing is done for a moment, because the last attempt came to nothing.
    #[serde(skip)]
    pub resting: BTreeMap<Address, Rest>,
    /// Why the ledger could not be read or written, if so; then nothing is started.
    #[serde(skip)]
    pub trouble: Option<Why>,
}

/// A rest after an attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rest {
    /// Until when.
    pub until: Stamp,
    /// How long it is; the next one is twice as long.
    pub length: Duration,
}

/// What the first rest after an attempt that came to nothing is.
const REST: Duration = Duration::from_secs(1);

/// What is remembered of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Record {
    /// The life that was last seen.
    pub incarnation: Option<Incarnation>,
    /// When it was first seen.
    pub since: Option<Stamp>,
    /// The life that gtctl began last, whether or not it was ever seen.
    pub begun: Option<IncarnationId>,
    /// What the last start was made from. Another spec starts with a clean slate.
    pub spec: Option<SpecHash>,
    /// Starts since the object was last stable, oldest first.
    pub starts: Vec<Start>,
    /// No start before this moment.
    pub not_before: Option<Stamp>,
    /// Since when it is in a crash loop: the start that used up the last try.
    pub crash_loop: Option<Stamp>,
    /// When it was last started because its server was lost.
    pub server_lost: Option<Stamp>,
    /// It is being ended, or was, because it had been silent for so long: the start that follows counts as one after a crash.
    pub stuck: Option<Duration>,
    /// The spec that it has finished for good, by its restart policy: also when its session or its server is gone.
    pub finished: Option<SpecHash>,
}

/// A start and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Start {
    /// When.
    pub at: Stamp,
    /// Why.
    pub cause: Cause,
}

/// What led to a start. Kept apart because they do not weigh the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It had not run.
    First,
    /// It ended with an error, by a signal, or nobody knows how. Counts towards a crash loop.
    Crash,
    /// It ended with status 0. Waits grow, but it is no crash.
    CleanExit,
    /// It lived and did nothing any more, so gtctl ended it. Counts towards a crash loop.
    Stuck,
    /// Its tmux server ended, which is not its fault. Does not count at all.
    ServerLost,
    /// Its account had used up what it may, and the wait for that is over. Does not count at all.
    UsageLimit,
    /// The one try that a crash loop has from time to time.
    Probe,
}

/// A tmux server that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerSeen {
    /// Its process.
    pub process: ProcessId,
    /// The boot that it was seen in; an older gtctl did not write it down.
    #[serde(default)]
    pub boot: Option<BootId>,
    /// Its socket's path.
    pub socket: String,
}

/// A file that was there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileSeen {
    /// When it was first seen.
    pub since: Stamp,
}

/// What [`Ledger::track`] found out of the ordinary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackedChange {
    /// Something that must be kept on disk changed.
    pub changed: bool,
    /// Objects that have been healthy for so long that their restarts are forgotten.
    pub stable: Vec<Address>,
}

/// The window of the ceiling `starts-per-minute`.
pub const MINUTE: Duration = Duration::from_secs(60);

/// More starts than this are not remembered for one object; the largest `crash-loop.count` is 100.
const STARTS_REMEMBERED_MAX: usize = 128;

impl Ledger {
    /// What is remembered of an object.
    pub fn record(&self, address: &Address) -> Record {
        self.objects.get(address).cloned().unwrap_or_default()
    }

    /// Records that an object is about to be started. `chance` is drawn between 0 and 1 for the jitter.
    pub fn strike(
        &mut self,
        address: &Address,
        cause: Cause,
        spec: &SpecHash,
        policy: &Policy,
        now: &Stamp,
        chance: f64,
    ) {
        self.starts.retain(|start| now.since(start) < MINUTE);
        self.starts.push(now.clone());
        let record = self.objects.entry(address.clone()).or_default();
        if record.spec.as_ref() != Some(spec) {
            record.forget();
        }
        record.spec = Some(spec.clone());
        record.stuck = None;
        match cause {
            Cause::ServerLost => {
                record.server_lost = Some(now.clone());
                return;
            }
            // It waited for as long as it had to, and is no worse for it.
            Cause::UsageLimit => return,
            Cause::First | Cause::Crash | Cause::CleanExit | Cause::Stuck | Cause::Probe => {}
        }
        record.starts.push(Start { at: now.clone(), cause });
        let excess = record.starts.len().saturating_sub(STARTS_REMEMBERED_MAX);
        record.starts.drain(..excess);
        record.not_before =
            backoff::wait_after(record.starts.len(), &policy.backoff, chance).map(|wait| now.plus(wait));
        if cause == Cause::Probe || backoff::is_crash_loop(&record.starts, &policy.crash_loop) {
            record.crash_loop = Some(now.clone());
        }
    }

    /// Records which life of an object is about to begin.
    pub fn begin(&mut self, address: &Address, life: &IncarnationId) {
        self.objects.entry(address.clone()).or_default().begun = Some(life.clone());
    }

    /// Whether a label names the life that gtctl began last: then no later one can be anywhere.
    pub fn began_last(&self, address: &Address, label: &str) -> bool {
        let begun = self.objects.get(address).and_then(|record| record.begun.as_ref());
        label.parse().is_ok_and(|Marker { incarnation, .. }| begun == Some(&incarnation))
    }

    /// Remembers which life of an object was seen alive, and forgets its restarts once it has been stable.
    pub fn track(
        &mut self,
        alive: &[(Address, Incarnation, Duration)],
        policy: &Policy,
        now: &Stamp,
    ) -> TrackedChange {
        let mut change = TrackedChange::default();
        for (address, incarnation, lived) in alive {
            let is_another = |record: &&Record| {
                record.incarnation.as_ref().is_some_and(|old| old.process != incarnation.process)
            };
            if let Some(before) = self.objects.get(address).filter(is_another).cloned() {
                self.outlive(&before);
            }
            let record = self.objects.entry(address.clone()).or_default();
            // Pids and ids begin anew with the machine: one of an earlier boot is another life, however alike.
            let is_of_this_boot = record.since.as_ref().is_some_and(|since| since.boot == now.boot);
            if !is_of_this_boot || record.incarnation.as_ref() != Some(incarnation) {
                record.incarnation = Some(incarnation.clone());
                record.since = Some(now.clone());
                change.changed = true;
            }
            // It lives, and nobody is ending it: it was spared.
            if record.stuck.is_some() && !self.in_flight.contains(address) {
                record.stuck = None;
                change.changed = true;
            }
            let stable = policy.crash_loop.stable.get();
            let seen_for = record.since.as_ref().map_or(Duration::ZERO, |since| now.since(since)).max(*lived);
            if seen_for >= stable && record.has_strikes() {
                record.forget_but_last();
                change.changed = true;
                change.stable.push(address.clone());
            }
        }
        change
    }

    /// Lets an object rest after an attempt that came to nothing, twice as long each time, at most for `longest`.
    pub fn rest(&mut self, address: &Address, now: &Stamp, longest: Duration) -> Option<Rest> {
        let before = self.resting.get(address).map_or(Duration::ZERO, |rest| rest.length);
        let length = (before * 2).clamp(REST, longest.max(REST));
        self.resting.insert(address.clone(), Rest { until: now.plus(length), length })
    }

    /// Remembers the server; true if it is another one than before.
    pub fn track_server(&mut self, server: ServerSeen) -> bool {
        let changed = self.server.as_ref() != Some(&server);
        self.server = Some(server);
        changed
    }

    /// Forgets the restarts of an object, so that it may start at once; true if there were any.
    pub fn reset(&mut self, address: &Address) -> bool {
        self.resting.remove(address);
        let lifted = self.lift_limit(address);
        let Some(record) = self.objects.get_mut(address) else { return lifted };
        let had = record.has_strikes() || record.not_before.is_some();
        if had {
            record.forget_but_last();
        }
        had || lifted
    }
}

impl Record {
    /// Restarts since it was last stable.
    pub fn restarts(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn has_strikes(&self) -> bool {
        self.starts.len() > 1 || self.crash_loop.is_some()
    }

    fn forget(&mut self) {
        self.starts.clear();
        self.not_before = None;
        self.crash_loop = None;
    }

    /// The running life's own start stays, so that the next two deaths are a restart and a wait, as after a first start.
    fn forget_but_last(&mut self) {
        let last = self.starts.pop();
        self.forget();
        // It is the first of a new row, whatever led to it.
        self.starts.extend(last.map(|start| Start { cause: Cause::First, ..start }));
    }
}
