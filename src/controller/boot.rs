//! `.boot-status.json` in boot's directory, in gt's own form, so that whoever reads it with gt is told the truth.
//!
//! What runs in boot's session writes it as well, and knows more: what it has written of its own life stays.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reconciler::Pass;
use crate::ledger::KnownLife;
use crate::model::{Address, IncarnationId, Reason};
use crate::plan::{Action, Decision, Verdict};
use crate::town::TownRoot;

/// Where it is; written only where gt has made the directory.
const FILE: &str = "deacon/dogs/boot/.boot-status.json";

/// gt's form. Newer versions leave `running` out and pass over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Status {
    #[serde(default)]
    running: bool,
    started_at: Timestamp,
    completed_at: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    last_action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    target: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    error: String,
}

/// What gt writes where there is no moment.
fn never() -> Timestamp {
    "0001-01-01T00:00:00Z".parse().unwrap_or(Timestamp::MIN)
}

/// The file, as far as one process knows it.
#[derive(Debug)]
pub struct BootStatus {
    file: PathBuf,
    /// The life that is at work, and when it began.
    at_work: Option<(IncarnationId, Timestamp)>,
    /// It is being ended, because it had not ended by itself.
    overdue: bool,
    /// The last check without boot.
    checked: Option<(&'static str, String)>,
}

impl BootStatus {
    /// Nothing has been written yet.
    pub fn new(root: &TownRoot) -> Self {
        Self { file: root.path().join(FILE), at_work: None, overdue: false, checked: None }
    }

    /// Writes what a pass shows that the one before did not.
    pub fn follow(&mut self, pass: &Pass) -> std::io::Result<()> {
        let Some(boot) = pass.plan.of(&Address::Boot) else { return Ok(()) };
        if !self.file.parent().is_some_and(Path::is_dir) {
            return Ok(());
        }
        let now = pass.observed.at.wall;
        if let Some(alive) = boot.state.alive()
            && let Some(KnownLife::Of(life)) = boot.state.life()
        {
            self.overdue |= matches!(boot.because, Reason::Overdue { .. });
            if self.at_work.as_ref().is_none_or(|(known, _)| known != life) {
                let started = now.checked_sub(alive.lived).unwrap_or(now);
                self.begin(life.clone(), started)?;
            }
            return Ok(());
        }
        if boot.state.life() == Some(KnownLife::None) && self.at_work.is_some() {
            self.end(now)?;
        }
        match (boot.because == Reason::Degraded, pass.plan.of(&Address::Deacon)) {
            (true, Some(deacon)) => self.check(deacon, now),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, life: IncarnationId, started: Timestamp) -> std::io::Result<()> {
        self.overdue = false;
        // It may have written something itself already, or an earlier controller has.
        if !self.read().is_some_and(|there| is_of(&there, started)) {
            self.write(&Status {
                running: true,
                started_at: started,
                completed_at: never(),
                last_action: String::new(),
                target: String::new(),
                error: String::new(),
            })?;
        }
        self.at_work = Some((life, started));
        Ok(())
    }

    fn end(&mut self, now: Timestamp) -> std::io::Result<()> {
        let Some((_, started)) = &self.at_work else { return Ok(()) };
        let there = self.read().filter(|there| is_of(there, *started));
        let told_by_itself =
            there.as_ref().is_some_and(|there| !there.running && there.completed_at > *started);
        if !told_by_itself {
            let mut status = there.unwrap_or(Status {
                running: false,
                started_at: *started,
                completed_at: now,
                last_action: String::new(),
                target: String::new(),
                error: String::new(),
            });
            (status.running, status.completed_at) = (false, now);
            if self.overdue {
                "error".clone_into(&mut status.last_action);
                "it did not end by itself and was stopped".clone_into(&mut status.error);
            }
            self.write(&status)?;
        }
        (self.at_work, self.overdue) = (None, false);
        Ok(())
    }

    /// The check of the deacon without boot: what is done for it is decided as ever, and only told here.
    fn check(&mut self, deacon: &Verdict, now: Timestamp) -> std::io::Result<()> {
        let (action, error) = match &deacon.decision {
            Decision::Step(step) => match step.action {
                Action::Start(_) | Action::Restart(_) => ("start", String::new()),
                Action::Nudge { .. } => ("nudge", String::new()),
                Action::Kill(_) | Action::Reap(_) => ("restart", String::new()),
                Action::Adopt(_) | Action::Notify { .. } => ("nothing", String::new()),
            },
            Decision::Held if !deacon.because.is_wish() => {
                ("error", format!("the deacon is held: {}", deacon.because.code()))
            }
            // What was begun goes on.
            Decision::Nothing if deacon.because == Reason::InFlight => return Ok(()),
            Decision::Held | Decision::Nothing => ("nothing", String::new()),
        };
        if self.checked.as_ref().is_some_and(|known| *known == (action, error.clone())) {
            return Ok(());
        }
        self.write(&Status {
            running: false,
            started_at: now,
            completed_at: now,
            last_action: action.to_owned(),
            target: "deacon".to_owned(),
            error: error.clone(),
        })?;
        self.checked = Some((action, error));
        Ok(())
    }

    fn read(&self) -> Option<Status> {
        serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()
    }

    /// For everybody to read, as gt writes it.
    fn write(&self, status: &Status) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(status)?;
        let mut options = AtomicWriteFile::options();
        options.mode(0o644);
        let mut file = options.open(&self.file)?;
        file.write_all(&text)?;
        file.commit()
    }
}

/// Whether a status is about the life that began then. The kernel tells that moment to a hundredth of a second, and gt writes a little later.
fn is_of(status: &Status, started: Timestamp) -> bool {
    status.started_at.duration_since(started).as_secs_f64() > -1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::builders::{Given, NOW, at, files, of_files};
    use crate::town::files::TownFiles;

    fn given() -> Given {
        of_files(&TownFiles { workspace: true, boot: true, ..files("") })
    }

    fn pass(given: &Given) -> Pass {
        Pass { observed: given.observed.clone(), plan: given.plan() }
    }

    fn town() -> (tempfile::TempDir, BootStatus) {
        let directory = tempfile::tempdir().unwrap();
        let status = BootStatus::new(&TownRoot::imagined(directory.path().to_str().unwrap()));
        (directory, status)
    }

    #[test]
    fn nothing_is_written_where_gt_has_no_boot() {
        let (directory, mut status) = town();
        status.follow(&pass(&given().starting("boot"))).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_life_begins_and_ends_in_the_file_and_what_it_wrote_itself_stays() {
        let (_directory, mut status) = town();
        std::fs::create_dir_all(status.file.parent().unwrap()).unwrap();
        status.follow(&pass(&given())).unwrap();
        assert!(!status.file.exists(), "it never ran");
        status.follow(&pass(&given().starting("boot"))).unwrap();
        let begun = status.read().unwrap();
        assert!(begun.running && begun.completed_at == never());
        status.follow(&pass(&given())).unwrap();
        let ended = status.read().unwrap();
        assert!(!ended.running && ended.completed_at == at(NOW).wall);
        assert_eq!(ended.started_at, begun.started_at);

        status.follow(&pass(&given().starting("boot"))).unwrap();
        let own = Status {
            running: false,
            completed_at: begun.started_at + jiff::SignedDuration::from_secs(30),
            last_action: "wake".to_owned(),
            ..begun
        };
        status.write(&own).unwrap();
        status.follow(&pass(&given())).unwrap();
        assert_eq!(status.read(), Some(own));
    }

    #[test]
    fn without_boot_each_change_of_the_check_is_told_once() {
        let (_directory, mut status) = town();
        std::fs::create_dir_all(status.file.parent().unwrap()).unwrap();
        let mut told = |mut given: Given| {
            given.options.degraded = true;
            let _ = std::fs::remove_file(&status.file);
            status.follow(&pass(&given)).unwrap();
            status.read().map(|told| format!("{} {} {}", told.last_action, told.target, told.error))
        };
        assert_eq!(told(given()).as_deref(), Some("start deacon "));
        assert_eq!(told(given()), None, "no change, no writing");
        assert_eq!(told(given().in_flight("deacon")), None, "what was begun goes on");
        assert_eq!(told(given().running("deacon")).as_deref(), Some("nothing deacon "));
        assert_eq!(
            told(given().running("deacon").silent("deacon", 100, None)).as_deref(),
            Some("nudge deacon ")
        );
        let missing = given().place("deacon", |place| place.directory = crate::model::Seen::Known(None));
        assert_eq!(told(missing).as_deref(), Some("error deacon the deacon is held: directory-missing"));
    }
}
