//! What the beads of rigs said, kept: the last good answer of each is in force until there is another one (law 11), also in the next process.
//!
//! Nothing here asks and nothing waits. [`BeadsLayer::follow`] says which rigs are to be asked about, [`BeadsLayer::due`] which of them now, and
//! [`BeadsLayer::hear`] takes an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired::{BeadSaid, rig_beads};
use crate::machine::Disk;
use crate::model::{Name, Seen, Stamp, Why};
use crate::observed::beads::{Database, Issue, Question, RigLabel, find};
use crate::town::TownRoot;
use crate::town::files::TownFiles;
use crate::town::files::town_toml::BeadsTable;

/// The file with the last good answers, below `daemon/gtctl/`.
pub const BEADS_FILE: &str = "beads.json";

/// A thousand rigs are a tenth of it.
const SIZE_MAX: u64 = 1024 * 1024;

/// The version that this gtctl writes.
const VERSION: u32 = 1;

/// After a failure it is asked again this much sooner than after an answer.
const AGAIN: u32 = 10;

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Good {
    /// Of which bead.
    bead: String,
    label: RigLabel,
    /// Since when it has been this one.
    since: Timestamp,
    /// When it was given last.
    at: Stamp,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    rigs: BTreeMap<Name, Good>,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bad {
    why: Why,
    at: Stamp,
}

/// A rig that is to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// This is the question.
    Ask(Question),
    /// It cannot even be asked.
    Lost(String, Why),
}

impl Target {
    fn bead(&self) -> &str {
        match self {
            Self::Ask(question) => &question.bead,
            Self::Lost(bead, _) => bead,
        }
    }
}

/// A question whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// About which rig.
    pub rig: Name,
    /// Which.
    pub question: Question,
    /// Whom to ask.
    pub program: PathBuf,
    /// How long that may take.
    pub limit: Duration,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whether what is known is another thing now.
    pub changed: bool,
    /// What is to be told of it.
    pub news: Option<String>,
}

/// What beads said.
#[derive(Debug, Clone, PartialEq)]
pub struct BeadsLayer {
    file: PathBuf,
    table: BeadsTable,
    program: Option<PathBuf>,
    targets: BTreeMap<Name, Target>,
    good: BTreeMap<Name, Good>,
    bad: BTreeMap<Name, Bad>,
    /// Rigs whose agents have ended: somebody may be docking them.
    hurried: BTreeSet<Name>,
}

impl BeadsLayer {
    /// With the answers that an earlier process had. A file that makes no sense is none: then all is asked anew, and nothing is done to a rig
    /// before its answer is there.
    pub fn open(disk: &dyn Disk, directory: &Path) -> Self {
        let file = directory.join(BEADS_FILE);
        let good = disk
            .read(&file, SIZE_MAX)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok())
            .filter(|file| file.version == VERSION)
            .map(|file| file.rigs)
            .unwrap_or_default();
        Self {
            file,
            table: BeadsTable::default(),
            program: None,
            targets: BTreeMap::new(),
            good,
            bad: BTreeMap::new(),
            hurried: BTreeSet::new(),
        }
    }

    /// Follows the files: which rigs have beads, and whom to ask. Without a program, and where it is switched off, there is no such layer.
    pub fn follow(&mut self, disk: &dyn Disk, root: &TownRoot, files: &TownFiles) {
        let table = files.town.as_ref().map(|town| town.toml.beads.clone()).unwrap_or_default();
        let found =
            if table.enabled { find(disk, table.program.as_deref(), root.path()) } else { Seen::Known(None) };
        self.table = table;
        let enabled = self.table.enabled;
        self.targets = match &found {
            Seen::Known(None) => BTreeMap::new(),
            Seen::Known(Some(_)) => targets(disk, root, files, None),
            Seen::Unknown(why) => targets(disk, root, files, Some(why)),
        };
        if enabled {
            // A bead that said something goes on saying it while it cannot be asked: an upgrade of the program, or another PATH, is no instruction (law 11).
            for (rig, bead) in rig_beads(files) {
                let holds = self
                    .good
                    .get(&rig)
                    .is_some_and(|good| good.bead == bead && good.label != RigLabel::Active);
                if holds && !self.targets.contains_key(&rig) {
                    let why = Why::new("neither bd nor br, or no beads of this rig, can be found any more");
                    self.targets.insert(rig, Target::Lost(bead, why));
                }
            }
        }
        self.program = match found {
            Seen::Known(program) => program,
            Seen::Unknown(_) => None,
        };
        // Of another bead than the one that is asked for now, nothing is known.
        let targets = &self.targets;
        let is_of = |rig: &Name, bead: &str| targets.get(rig).is_none_or(|target| target.bead() == bead);
        self.good.retain(|rig, good| is_of(rig, &good.bead));
        self.bad.retain(|rig, _| targets.contains_key(rig));
    }

    /// What is known of each rig that has beads.
    pub fn said(&self) -> BTreeMap<Name, BeadSaid> {
        let said = |(rig, target): (&Name, &Target)| {
            let bad = self.bad.get(rig).map(|bad| bad.why.clone());
            let bad = bad.or_else(|| match target {
                Target::Lost(_, why) => Some(why.clone()),
                Target::Ask(_) => None,
            });
            let said = match self.good.get(rig) {
                Some(good) => BeadSaid {
                    bead: good.bead.clone(),
                    label: Seen::Known(good.label),
                    since: Some(good.since),
                    stale: bad.map(|why| (why, good.at.wall)),
                },
                None => BeadSaid {
                    bead: target.bead().to_owned(),
                    label: Seen::Unknown(bad.unwrap_or_else(|| Why::new("it has not been asked for yet"))),
                    since: None,
                    stale: None,
                },
            };
            (rig.clone(), said)
        };
        self.targets.iter().map(said).collect()
    }

    /// The questions whose time has come.
    pub fn due(&self, now: &Stamp) -> Vec<Due> {
        let Some(program) = &self.program else { return Vec::new() };
        let mut now_due: Vec<_> = self.questions(now).filter(|(waits, ..)| waits.is_zero()).collect();
        // Who was asked about longest ago comes first, so that programs that hang for some rigs keep no other rig waiting.
        now_due.sort_by_key(|(_, rig, _)| std::cmp::Reverse(self.asked_ago(rig, now)));
        let due = |(_, rig, question): (_, &Name, &Question)| Due {
            rig: rig.clone(),
            question: question.clone(),
            program: program.clone(),
            limit: self.table.timeout.get(),
        };
        now_due.into_iter().map(due).collect()
    }

    /// How long ago a rig was asked about.
    fn asked_ago(&self, rig: &Name, now: &Stamp) -> Duration {
        let good = self.good.get(rig).map(|good| now.since(&good.at));
        let bad = self.bad.get(rig).map(|bad| now.since(&bad.at));
        good.into_iter().chain(bad).min().unwrap_or(Duration::MAX)
    }

    /// How long until a question is due; `None` if none ever will be.
    pub fn until_due(&self, now: &Stamp) -> Option<Duration> {
        self.program.as_ref()?;
        self.questions(now).map(|(waits, ..)| waits).min()
    }

    fn questions(&self, now: &Stamp) -> impl Iterator<Item = (Duration, &Name, &Question)> {
        self.targets.iter().filter_map(|(rig, target)| match target {
            Target::Ask(question) => Some((self.waits(rig, now), rig, question)),
            Target::Lost(..) => None,
        })
    }

    /// An agent of this rig is started. `gt rig dock` ends the agents before it sets the label, so the rig is asked about soon, and not when
    /// its time comes; but not again and again for one that crashes.
    pub fn hurry(&mut self, rig: &Name) {
        if self.good.contains_key(rig) {
            self.hurried.insert(rig.clone());
        }
    }

    /// How long a rig need not be asked about.
    fn waits(&self, rig: &Name, now: &Stamp) -> Duration {
        let every = self.table.every.get();
        let every = if self.hurried.contains(rig) { every.min(self.table.timeout.get()) } else { every };
        let after = |at: &Stamp, length: Duration| length.saturating_sub(now.since(at));
        match (self.bad.get(rig), self.good.get(rig)) {
            (Some(bad), _) => after(&bad.at, (every / AGAIN).max(self.table.timeout.get())),
            (None, Some(good)) => after(&good.at, every),
            (None, None) => Duration::ZERO,
        }
    }

    /// Takes an answer.
    pub fn hear(&mut self, due: &Due, answer: Seen<Option<Issue>>, now: &Stamp) -> Heard {
        // The files may ask for another bead by now.
        if !matches!(self.targets.get(&due.rig), Some(Target::Ask(question)) if *question == due.question) {
            return Heard { changed: false, news: None };
        }
        self.hurried.remove(&due.rig);
        let before = self.said().remove(&due.rig);
        let news = match answer {
            Seen::Unknown(why) => self.hear_nothing(due, why, now),
            // gt lifts a hold by taking the label away, and never the bead: one that is gone, or not found, is no instruction (law 11).
            Seen::Known(None)
                if self.good.get(&due.rig).is_some_and(|good| good.label != RigLabel::Active) =>
            {
                let why = Why::new("it is not there any more, and held the rig when it was seen last");
                self.hear_nothing(due, why, now)
            }
            Seen::Known(issue) => self.hear_label(due, RigLabel::of(issue.as_ref()), now),
        };
        Heard { changed: self.said().remove(&due.rig) != before, news }
    }

    fn hear_nothing(&mut self, due: &Due, why: Why, now: &Stamp) -> Option<String> {
        let Due { rig, question, .. } = due;
        let before = self.bad.insert(rig.clone(), Bad { why: why.clone(), at: now.clone() });
        let stays = if self.good.contains_key(rig) { ", its last answer stays in force" } else { "" };
        let is_news = before.is_none_or(|before| before.why != why);
        is_news.then(|| format!("bead {} cannot be seen{stays}: {why}", question.bead))
    }

    fn hear_label(&mut self, due: &Due, label: RigLabel, now: &Stamp) -> Option<String> {
        let (rig, bead) = (&due.rig, &due.question.bead);
        let was_bad = self.bad.remove(rig).is_some();
        let before = self.good.get(rig).map(|good| (good.label, good.since));
        let same = before.filter(|(before, _)| *before == label);
        let since = same.map_or(now.wall, |(_, since)| since);
        self.good.insert(rig.clone(), Good { bead: bead.clone(), label, since, at: now.clone() });
        let word = match label {
            RigLabel::Active => "holds nothing",
            RigLabel::Parked => "says parked",
            RigLabel::Docked => "says docked",
        };
        let again = if was_bad { "can be seen again and " } else { "" };
        // That a rig which was just met is not held is no news, nor is what was known.
        let is_news = was_bad || (same.is_none() && (before.is_some() || label != RigLabel::Active));
        is_news.then(|| format!("bead {bead} {again}{word}"))
    }

    /// Writes the good answers down, for the next process.
    pub fn save(&self, disk: &dyn Disk) -> std::io::Result<()> {
        disk.replace(&self.file, &self.bytes()?)
    }

    /// The good answers, as they are written down.
    pub fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&File { version: VERSION, rigs: self.good.clone() })
    }
}

/// The rigs that have beads, each with its question; `lost` is why none can be asked.
fn targets(
    disk: &dyn Disk,
    root: &TownRoot,
    files: &TownFiles,
    lost: Option<&Why>,
) -> BTreeMap<Name, Target> {
    let target = |(rig, bead): (Name, String)| {
        let target = match (Database::of(disk, root.path(), rig.as_str()), lost) {
            (Seen::Known(None), _) => return None,
            (Seen::Unknown(why), _) => Target::Lost(bead, why),
            (Seen::Known(Some(_)), Some(why)) => Target::Lost(bead, why.clone()),
            (Seen::Known(Some(database)), None) => Target::Ask(Question { bead, database }),
        };
        Some((rig, target))
    };
    rig_beads(files).into_iter().filter_map(target).collect()
}

#[cfg(test)]
mod tests;
