//! What the beads of rigs said, kept: the last good answer of each is in force until there is another one (law 11), also in the next process.
//!
//! Nothing here asks and nothing waits. [`BeadsLayer::follow`] says which rigs are to be asked about, [`BeadsLayer::due`] which of them now, and
//! [`BeadsLayer::hear`] takes an answer.

use std::collections::BTreeMap;
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
        }
    }

    /// Follows the files: which rigs have beads, and whom to ask. Without a program, and where it is switched off, there is no such layer.
    pub fn follow(&mut self, disk: &dyn Disk, root: &TownRoot, files: &TownFiles) {
        let table = files.town.as_ref().map(|town| town.toml.beads.clone()).unwrap_or_default();
        let found =
            if table.enabled { find(disk, table.program.as_deref(), root.path()) } else { Seen::Known(None) };
        self.table = table;
        self.targets = match &found {
            Seen::Known(None) => BTreeMap::new(),
            Seen::Known(Some(_)) => targets(disk, root, files, None),
            Seen::Unknown(why) => targets(disk, root, files, Some(why)),
        };
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
        let now_due = self.questions(now).filter(|(waits, ..)| waits.is_zero());
        let due = |(_, rig, question): (_, &Name, &Question)| Due {
            rig: rig.clone(),
            question: question.clone(),
            program: program.clone(),
            limit: self.table.timeout.get(),
        };
        now_due.map(due).collect()
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

    /// How long a rig need not be asked about.
    fn waits(&self, rig: &Name, now: &Stamp) -> Duration {
        let every = self.table.every.get();
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
        let before = self.said().remove(&due.rig);
        let news = match answer {
            Seen::Unknown(why) => self.hear_nothing(due, why, now),
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
        let file = File { version: VERSION, rigs: self.good.clone() };
        disk.replace(&self.file, &serde_json::to_vec(&file)?)
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
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use crate::model::BootId;
    use crate::observed::beads::parse_issues;
    use crate::town::files::read_all;

    /// A workspace with two rigs, one of which has beads, and a program that is never run.
    struct Given {
        dir: tempfile::TempDir,
        layer: BeadsLayer,
    }

    fn at(seconds: u64) -> Stamp {
        let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("b".to_owned()), since_boot: Duration::from_secs(seconds), wall }
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn given(beads: &str) -> Given {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "mayor/rigs.json",
            r#"{"version":1,"rigs":{"a":{"beads":{"prefix":"x-"}},"b":{"beads":{"prefix":"y"}}}}"#,
        );
        put("a/.beads/metadata.json", "{}");
        put("town.toml", beads);
        let layer = BeadsLayer::open(&ThisMachine::new(), dir.path());
        let mut given = Given { dir, layer };
        given.follow();
        given
    }

    impl Given {
        fn follow(&mut self) {
            let root = TownRoot::at(self.dir.path()).unwrap();
            let files = read_all(&ThisMachine::new(), &root).unwrap();
            self.layer.follow(&ThisMachine::new(), &root, &files);
        }

        fn hear(&mut self, seconds: u64, answer: &str) -> Option<String> {
            let due = self.layer.due(&at(seconds)).pop().expect("something is due");
            let answer = match answer {
                "" => Seen::unknown("it hangs"),
                labels => {
                    let text = format!(r#"[{{"id":"x-rig-a","status":"open","labels":[{labels}]}}]"#);
                    Seen::Known(parse_issues(&text).unwrap().pop())
                }
            };
            let before = self.layer.said();
            let heard = self.layer.hear(&due, answer, &at(seconds));
            assert_eq!(heard.changed, self.layer.said() != before);
            heard.news
        }

        fn label(&self) -> Seen<RigLabel> {
            self.layer.said()[&name("a")].label.clone()
        }
    }

    const SH: &str = "[beads]\nprogram = '/bin/sh'\nevery = '100s'\ntimeout = '1s'\n";

    #[test]
    fn only_rigs_with_beads_are_asked_about_and_only_when_it_is_due() {
        let mut given = given(SH);
        let due = given.layer.due(&at(0)).remove(0);
        assert_eq!((due.rig, due.question.bead.as_str()), (name("a"), "x-rig-a"));
        assert_eq!((due.program, due.limit), (PathBuf::from("/bin/sh"), Duration::from_secs(1)));
        assert_eq!(given.layer.said().keys().collect::<Vec<_>>(), [&name("a")]);

        given.hear(0, "\"gt:rig\"");
        assert_eq!(given.layer.due(&at(99)), []);
        assert_eq!(given.layer.until_due(&at(40)), Some(Duration::from_secs(60)));
        assert_eq!(given.layer.due(&at(100)).len(), 1);
    }

    #[test]
    fn law_1_a_rig_that_was_never_answered_for_is_unreadable_and_not_active() {
        let mut given = given(SH);
        assert_eq!(given.label(), Seen::unknown("it has not been asked for yet"));
        assert!(given.hear(0, "").unwrap().contains("cannot be seen: it hangs"));
        assert_eq!(given.label(), Seen::unknown("it hangs"));
        assert_eq!(
            given.layer.until_due(&at(4)),
            Some(Duration::from_secs(6)),
            "a failure is asked about sooner"
        );
    }

    #[test]
    fn law_11_the_last_good_answer_stays_in_force_and_is_known_to_the_next_process() {
        let mut given = given(SH);
        assert_eq!(given.hear(0, "\"status:docked\"").as_deref(), Some("bead x-rig-a says docked"));
        assert!(given.hear(100, "").unwrap().contains("its last answer stays in force"));
        assert_eq!(given.hear(110, ""), None, "the same trouble is told once");
        let said = given.layer.said()[&name("a")].clone();
        assert_eq!((said.label, said.since), (Seen::Known(RigLabel::Docked), Some(at(0).wall)));
        assert_eq!(said.stale, Some((Why::new("it hangs"), at(0).wall)));

        given.layer.save(&ThisMachine::new()).unwrap();
        given.layer = BeadsLayer::open(&ThisMachine::new(), given.dir.path());
        given.follow();
        assert_eq!(given.label(), Seen::Known(RigLabel::Docked));
        assert!(given.layer.due(&at(50)).is_empty(), "the answer of the other process is young enough");
        assert_eq!(given.layer.due(&at(100)).len(), 1);
        assert!(given.hear(200, "").is_some());
        assert_eq!(
            given.hear(300, "\"status:docked\"").as_deref(),
            Some("bead x-rig-a can be seen again and says docked")
        );
        assert_eq!(given.layer.said()[&name("a")].since, Some(at(0).wall));
        assert_eq!(given.hear(400, "\"gt:rig\"").as_deref(), Some("bead x-rig-a holds nothing"));
    }

    #[test]
    fn another_prefix_is_another_bead_of_which_nothing_is_known() {
        let mut given = given(SH);
        given.hear(0, "\"status:docked\"");
        let rigs = r#"{"version":1,"rigs":{"a":{"beads":{"prefix":"z"}}}}"#;
        std::fs::write(given.dir.path().join("mayor/rigs.json"), rigs).unwrap();
        given.follow();
        assert_eq!(given.layer.due(&at(1))[0].question.bead, "z-rig-a");
        assert!(matches!(given.label(), Seen::Unknown(_)));
    }

    #[test]
    fn an_answer_to_a_question_that_nobody_asks_any_more_is_passed_over() {
        let mut given = given(SH);
        let due = given.layer.due(&at(0)).remove(0);
        std::fs::remove_dir_all(given.dir.path().join("a/.beads")).unwrap();
        given.follow();
        assert_eq!(given.layer.hear(&due, Seen::Known(None), &at(1)), Heard { changed: false, news: None });
        assert!(given.layer.said().is_empty());
    }

    #[test]
    fn each_key_of_the_table_changes_what_is_asked() {
        let due = |text: &str| given(text).layer.due(&at(0)).pop();
        assert_eq!(due("[beads]\nprogram = '/bin/sh'\nenabled = false\n"), None);
        assert!(given("[beads]\nprogram = '/bin/sh'\nenabled = false\n").layer.said().is_empty());
        assert_eq!(due("[beads]\nprogram = '/bin/cat'\n").unwrap().program, PathBuf::from("/bin/cat"));
        assert_eq!(
            due("[beads]\nprogram = '/bin/sh'\ntimeout = '3s'\n").unwrap().limit,
            Duration::from_secs(3)
        );
        let mut slow = given("[beads]\nprogram = '/bin/sh'\nevery = '1h'\n");
        slow.hear(0, "\"gt:rig\"");
        assert_eq!(slow.layer.until_due(&at(0)), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn a_configured_program_that_is_nowhere_is_unreadable() {
        let given = given("[beads]\nprogram = 'no-such-program'\n");
        assert_eq!(given.layer.due(&at(0)), []);
        assert!(matches!(given.label(), Seen::Unknown(why) if why.0.contains("nowhere on")));
    }
}
