//! What beads say of the work of polecats: when they are asked, and what they said last.
//!
//! Nothing here asks and nothing waits. [`WorkLayer::follow`] says which rigs have polecats and beads, [`WorkLayer::note`] which of them have a
//! question after a pass, and [`WorkLayer::due`] which is to be asked now. A town without polecats asks nothing; one whose polecats all live asks
//! each rig once in `beads.every`, to see whether their work gets on.

mod asking;
mod learning;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reconciler::Pass;
use serde::{Deserialize, Serialize};

use crate::desired::{Desired, rig_prefix};
use crate::ledger::Ledger;
use crate::machine::Disk;
use crate::model::{Address, Name, Role, Seen, Stamp, Why};
use crate::observed::Work;
use crate::observed::beads::{Database, find};
use crate::observed::work::{Answer, Rig};
use crate::plan::{is_over, is_to_be_asked};
use crate::town::TownRoot;
use crate::town::files::TownFiles;
use crate::town::files::town_toml::BeadsTable;

pub use asking::{Came, WorkAsking};

/// The file with the last answers, below `daemon/gtctl/`: verbs that only look find them there.
pub const WORK_FILE: &str = "work.json";

/// A thousand polecats are a third of it.
const SIZE_MAX: u64 = 1024 * 1024;

/// The version that this gtctl writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    rigs: BTreeMap<Name, Said>,
}

/// After a failure it is asked again this much sooner than after an answer.
const AGAIN: u32 = 10;

/// The shortest time between two questions about one rig: several polecats that die together are one question.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a rig has a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Some of its polecats live and have work that may not get on.
    Sometimes,
    /// One of them is gone, and whether it is to be started depends on the answer.
    Now,
}

/// What was said of a rig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    /// When it was asked for.
    at: Stamp,
    answer: Answer,
}

impl Said {
    /// Whether all of it could be told.
    fn is_whole(&self) -> bool {
        matches!(&self.answer, Seen::Known(works) if works.values().all(|work| matches!(work, Seen::Known(_))))
    }
}

/// The work of polecats, as far as one process knows it.
#[derive(Debug, Clone, Default)]
pub struct WorkLayer {
    file: PathBuf,
    table: BeadsTable,
    rigs: BTreeMap<Name, Seen<Rig>>,
    gt: Option<Seen<PathBuf>>,
    needs: BTreeMap<Name, Need>,
    said: BTreeMap<Name, Said>,
}

impl WorkLayer {
    /// With the answers that an earlier process had. How old they are is known, so that none counts for more than it says; a file that makes
    /// no sense is none.
    pub fn open(disk: &dyn Disk, directory: &Path) -> Self {
        let file = directory.join(WORK_FILE);
        let read = disk.read(&file, SIZE_MAX).ok();
        let said = read
            .and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok())
            .filter(|file| file.version == VERSION)
            .map(|file| file.rigs)
            .unwrap_or_default();
        Self { file, said, ..Self::default() }
    }

    /// Writes the answers down, for other processes.
    pub fn save(&self, disk: &dyn Disk) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(&File { version: VERSION, rigs: self.said.clone() })?;
        disk.replace(&self.file, &bytes)
    }

    /// Follows the files: which rigs have polecats, where their beads are, whom to ask, and where gt is.
    pub fn follow(&mut self, disk: &dyn Disk, root: &TownRoot, files: &TownFiles) {
        let toml = files.town.as_ref().map(|town| &town.toml);
        self.table = toml.map(|toml| toml.beads.clone()).unwrap_or_default();
        if files.polecats.values().all(|polecats| polecats.names.is_empty()) {
            let (file, table) = (std::mem::take(&mut self.file), std::mem::take(&mut self.table));
            *self = Self { file, table, ..Self::default() };
            return;
        }
        let gt = toml.map(|toml| toml.mail.program.clone()).unwrap_or_default();
        let gt = if gt.is_empty() { "gt" } else { &gt };
        self.gt = match disk.find_program(gt, None, root.path()).0 {
            Seen::Known(found) => found.map(Seen::Known),
            Seen::Unknown(why) => Some(Seen::Unknown(why)),
        };
        let program = match find(disk, self.table.program.as_deref(), root.path()) {
            _ if !self.table.enabled => Err(Why::new("beads are not asked (beads.enabled)")),
            Seen::Known(Some(program)) => Ok(program),
            Seen::Known(None) => Err(Why::new("neither bd nor br is there to be asked")),
            Seen::Unknown(why) => Err(why),
        };
        let limit = self.table.timeout.get();
        let rig = |name: &Name, polecats: &BTreeSet<Name>| -> Seen<Rig> {
            let program = match &program {
                Ok(program) => program.clone(),
                Err(why) => return Seen::Unknown(why.clone()),
            };
            match Database::of(disk, root.path(), name.as_str()) {
                Seen::Known(Some(database)) => Seen::Known(Rig {
                    name: name.clone(),
                    prefix: rig_prefix(files, name),
                    polecats: polecats.clone(),
                    database,
                    program,
                    limit,
                }),
                Seen::Known(None) => Seen::unknown(format!("rig {name} has no beads")),
                Seen::Unknown(why) => Seen::Unknown(why),
            }
        };
        self.rigs = files
            .polecats
            .iter()
            .filter(|(_, polecats)| !polecats.names.is_empty())
            .map(|(name, polecats)| (name.clone(), rig(name, &polecats.names)))
            .collect();
        self.said.retain(|name, _| self.rigs.contains_key(name));
        self.needs.retain(|name, _| self.rigs.contains_key(name));
    }

    /// What is known of the work of each polecat that was asked about.
    pub fn observe(&self, desired: &Desired) -> BTreeMap<Address, Seen<Work>> {
        let mut works = BTreeMap::new();
        for address in desired.objects.keys() {
            let Address::Polecat(rig, name) = address else { continue };
            let work = match (self.rigs.get(rig), self.said.get(rig).map(|said| &said.answer)) {
                (Some(Seen::Unknown(why)), _) => Some(Seen::Unknown(why.clone())),
                (_, Some(Seen::Unknown(why))) => Some(Seen::Unknown(why.clone())),
                (_, Some(Seen::Known(works))) => works.get(name).cloned(),
                (_, None) => None,
            };
            works.extend(work.map(|work| (address.clone(), work)));
        }
        works
    }

    /// Where gt is; `None` if nobody would write a letter, or it is nowhere.
    pub fn gt(&self) -> Option<Seen<PathBuf>> {
        self.gt.clone()
    }

    /// Which rigs have a question after this pass.
    pub fn note(&mut self, pass: &Pass, ledger: &Ledger, desired: &Desired) {
        self.needs.clear();
        for verdict in &pass.plan.verdicts {
            let (Role::Polecat, Some(rig)) = (verdict.address.role(), verdict.address.rig()) else {
                continue;
            };
            let need = if is_to_be_asked(verdict, &pass.observed, ledger) {
                Need::Now
            } else if verdict.state.alive().is_some() && desired.policy.polecats.gupp_mail {
                Need::Sometimes
            } else {
                continue;
            };
            let known = self.needs.entry(rig.clone()).or_insert(need);
            *known = need.max(*known);
        }
    }

    /// A question whose time has come: about the dead first, and of several the one that was asked longest ago.
    pub fn due(&self, now: &Stamp) -> Option<Rig> {
        let due = self.waits(now).filter(|(waits, _)| waits.is_zero()).map(|(_, rig)| rig);
        let asked_ago =
            |rig: &Rig| self.said.get(&rig.name).map_or(Duration::MAX, |said| now.since(&said.at));
        due.max_by_key(|rig| (self.needs.get(&rig.name), asked_ago(rig))).cloned()
    }

    /// The same, if somebody is gone whose start depends on it.
    pub fn due_now(&self, now: &Stamp) -> Option<Rig> {
        self.due(now).filter(|rig| self.needs.get(&rig.name) == Some(&Need::Now))
    }

    /// How long until a question is due; `None` if none will be.
    pub fn until_due(&self, now: &Stamp) -> Option<Duration> {
        self.waits(now).map(|(waits, _)| waits).min()
    }

    fn waits(&self, now: &Stamp) -> impl Iterator<Item = (Duration, &Rig)> {
        let every = self.table.every.get();
        let again = (every / AGAIN).max(self.table.timeout.get());
        self.needs.iter().filter_map(move |(name, need)| {
            let Some(Seen::Known(rig)) = self.rigs.get(name) else { return None };
            let length = match (self.said.get(name), need) {
                (None, _) => Duration::ZERO,
                (Some(said), _) if !said.is_whole() => again.saturating_sub(now.since(&said.at)),
                (Some(said), Need::Now) => PAUSE.saturating_sub(now.since(&said.at)),
                (Some(said), Need::Sometimes) => every.saturating_sub(now.since(&said.at)),
            };
            Some((length, rig))
        })
    }

    /// Takes an answer.
    pub fn hear(&mut self, rig: &Name, at: Stamp, answer: Answer) {
        if self.rigs.contains_key(rig) {
            self.said.insert(rig.clone(), Said { at, answer });
        }
    }
}

/// Whether an object is a polecat whose agent is gone.
fn is_gone_polecat(verdict: &crate::plan::Verdict) -> bool {
    verdict.address.role() == Role::Polecat && is_over(&verdict.state)
}
