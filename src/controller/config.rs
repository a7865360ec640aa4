//! The files in force: the last good reading of them, and what is wrong with the newest (law 11).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::beads::{BeadsLayer, Due, Heard};
use crate::desired::{Desired, desire};
use crate::ledger::Ledger;
use crate::machine::Disk;
use crate::model::{Address, Seen, Stamp};
use crate::observed::beads::Issue;
use crate::report::words;
use crate::town::TownRoot;
use crate::town::diagnostic::Diagnostic;
use crate::town::files::stops::read_stops;
use crate::town::files::{TownFiles, reread_all};

/// Files whose absence, once they were there, is not an instruction; beside them those that say how agents are started. A wisp file may go: gt
/// documents that as unparking.
const FILES_NOT_TO_GO: &[&str] =
    &["town.toml", "mayor/rigs.json", "mayor/daemon.json", "settings/config.json"];

/// The files in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// The town.
    pub root: TownRoot,
    /// The last good reading.
    pub files: Arc<TownFiles>,
    /// The graph made from it.
    pub desired: Arc<Desired>,
    /// What the beads of rigs say.
    pub beads: BeadsLayer,
    /// What is wrong with the files now, if anything is.
    pub trouble: Option<ConfigTrouble>,
}

/// The files are wrong, and an earlier reading of them is in force.
#[derive(Debug, Clone)]
pub struct ConfigTrouble {
    /// Since when.
    pub since: Stamp,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Config {
    /// Reads all files. Without a good reading there is nothing to fall back on.
    pub fn open(disk: &dyn Disk, root: TownRoot, ledger: &Ledger) -> Result<Self, Vec<Diagnostic>> {
        let files = Arc::new(read(disk, &root, ledger, None)?);
        let desired = desire(&files)?;
        let mut beads = BeadsLayer::open(disk, &root.gtctl_dir());
        beads.follow(disk, &root, &files);
        let desired = Arc::new(desired.held_by_beads(&beads.said()));
        Ok(Self { root, files, desired, beads, trouble: None })
    }

    /// Takes an answer about a bead.
    pub fn hear_bead(&mut self, due: &Due, answer: Seen<Option<Issue>>, now: &Stamp) -> Heard {
        let heard = self.beads.hear(due, answer, now);
        // The files are the same, so what was a graph before is one now.
        if heard.changed
            && let Ok(desired) = desire(&self.files)
        {
            self.desired = Arc::new(desired.held_by_beads(&self.beads.said()));
        }
        heard
    }

    /// Reads all files again. Wrong ones leave the last good reading in force. What is to be told of it, if it is news.
    pub fn reread(&mut self, disk: &dyn Disk, ledger: &Ledger, now: &Stamp) -> Option<String> {
        match self.read_again(disk, ledger) {
            Ok(None) => self.trouble.take().map(|_| "the files are right again and in force".to_owned()),
            Ok(Some((files, desired))) => {
                let gone: Vec<Address> = self
                    .desired
                    .objects
                    .keys()
                    .filter(|address| !desired.objects.contains_key(address))
                    .cloned()
                    .collect();
                // What says the same is not kept twice: simulated worlds are copied by the hundred thousand.
                if *self.desired != desired {
                    self.desired = Arc::new(desired);
                }
                self.files = files;
                let right_again =
                    self.trouble.take().map(|_| "the files are right again and in force".to_owned());
                let dropped = (!gone.is_empty()).then(|| {
                    format!(
                        "no file lists these any more, and what runs of them is left alone: {}",
                        words::list(&gone)
                    )
                });
                let news: Vec<String> = right_again.into_iter().chain(dropped).collect();
                (!news.is_empty()).then(|| news.join("; "))
            }
            Err(diagnostics) => {
                let first = words::first_line(&diagnostics);
                let before = self.trouble.take();
                let is_news =
                    before.as_ref().is_none_or(|before| words::first_line(&before.diagnostics) != first);
                let since = before.map_or_else(|| now.clone(), |before| before.since);
                self.trouble = Some(ConfigTrouble { since, diagnostics });
                is_news
                    .then(|| format!("the files are wrong, their last good reading stays in force: {first}"))
            }
        }
    }

    /// The files and the graph made from them, if anything in them is another one now: most often files are read because a while has passed.
    fn read_again(
        &mut self,
        disk: &dyn Disk,
        ledger: &Ledger,
    ) -> Result<Option<(Arc<TownFiles>, Desired)>, Vec<Diagnostic>> {
        let files = read(disk, &self.root, ledger, Some(&self.files))?;
        let said = self.beads.said();
        if files == *self.files {
            self.beads.follow(disk, &self.root, &self.files);
            if said == self.beads.said() {
                return Ok(None);
            }
        }
        let desired = desire(&files)?;
        self.beads.follow(disk, &self.root, &files);
        Ok(Some((Arc::new(files), desired.held_by_beads(&self.beads.said()))))
    }

    /// Reads ESTOP and gt's shutdown lock again, without the other files: somebody may be stopping the town this very moment.
    pub fn reread_stops(&mut self, disk: &dyn Disk) {
        let stops = read_stops(disk, self.root.path(), &self.files.wisps.keys().cloned().collect());
        if stops == self.files.stops {
            return;
        }
        let files = TownFiles { stops, ..TownFiles::clone(&self.files) };
        // The other files are the same, so what was a graph before is one now.
        if let Ok(desired) = desire(&files) {
            let desired = desired.held_by_beads(&self.beads.said());
            (self.files, self.desired) = (Arc::new(files), Arc::new(desired));
        }
    }

    /// The files that are there now and must not go unnoticed; none while the files are wrong.
    pub fn to_remember(&self) -> BTreeSet<String> {
        if self.trouble.is_none() { present(&self.files) } else { BTreeSet::new() }
    }
}

/// Reads all files, or tells all that is wrong with them, each by itself.
fn read(
    disk: &dyn Disk,
    root: &TownRoot,
    ledger: &Ledger,
    before: Option<&TownFiles>,
) -> Result<TownFiles, Vec<Diagnostic>> {
    let files = reread_all(disk, root, before)?;
    let there = present(&files);
    let gone: Vec<Diagnostic> = ledger
        .files
        .iter()
        .filter(|(file, _)| !there.contains(*file) && is_of(&files, file))
        .map(|(file, seen)| words::missing_file(file, seen))
        .collect();
    if !gone.is_empty() {
        return Err(gone);
    }
    Ok(files)
}

fn present(files: &TownFiles) -> BTreeSet<String> {
    let there =
        [files.town.is_some(), files.rigs.is_some(), files.daemon.is_some(), files.disabled_patrols.there];
    let of_town = FILES_NOT_TO_GO.iter().zip(there).filter(|(_, there)| *there).map(|(file, _)| *file);
    let layers = std::iter::once(&files.starts.town).chain(files.starts.rigs.values());
    let of_starts = layers.flat_map(|layer| &layer.there).cloned();
    of_town.map(str::to_owned).chain(of_starts).collect()
}

/// Whether a file that was there would matter: those of a rig go with the rig.
fn is_of(files: &TownFiles, file: &str) -> bool {
    let of_a_rig = file.split_once("/settings/").or_else(|| file.split_once("/roles/"));
    of_a_rig.is_none_or(|(rig, _)| files.rig_names().iter().any(|name| name.as_str() == rig))
}
