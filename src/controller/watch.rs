//! Notices of changed files. Directories are watched, not files: editors replace files. Notices are hints; a resync finds what they miss.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::model::Name;
use crate::town::TownRoot;

/// Watches the files that the town is made of.
pub struct Watch {
    watcher: RecommendedWatcher,
    root: PathBuf,
    /// Directories that cannot be watched, to say so once.
    unwatched: BTreeSet<PathBuf>,
}

/// A storm of changes is waited out for so many debounce times at the most.
const DEBOUNCES_MAX: u32 = 10;

/// Directories below the root that hold files of the town. `daemon/`, where gtctl writes, is none of them.
const DIRECTORIES: &[&str] = &["", "mayor", "settings", "roles", ".beads-wisp", ".beads-wisp/config"];

impl Watch {
    /// Watches `root`; changes that matter become one message to `changed` when the files have rested for `debounce`, or after ten times
    /// that if they do not.
    pub fn new(
        root: &TownRoot,
        rigs: &BTreeSet<Name>,
        debounce: Duration,
        changed: UnboundedSender<()>,
    ) -> Result<Self, notify::Error> {
        let base = root.path().to_owned();
        let (noticed, notices) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |result: notify::Result<Event>| {
            let matters = match &result {
                // Reading a file is an event too, and gtctl reads them after each: it would wake itself for ever. (That is why no
                // debouncing library stands here: they do not tell reading from writing.)
                Ok(Event { kind: EventKind::Access(_), .. }) => false,
                Ok(event) => event.paths.iter().any(|path| is_of_the_town(&base, path)),
                // A lost notice may have been any.
                Err(_) => true,
            };
            if matters {
                let _ = noticed.send(());
            }
        })?;
        tokio::spawn(debounced(notices, debounce, changed));
        let mut watch = Self { watcher, root: root.path().to_owned(), unwatched: BTreeSet::new() };
        watch.extend(rigs);
        Ok(watch)
    }

    /// Watches directories that have appeared since, and the settings and role files of these rigs. A directory that cannot be watched is left to the resync, and named in the log.
    pub fn extend(&mut self, rigs: &BTreeSet<Name>) {
        let mut wanted: BTreeSet<PathBuf> = DIRECTORIES.iter().map(|name| self.root.join(name)).collect();
        let of_rig = |rig: &Name| ["settings", "roles"].map(|name| self.root.join(rig.as_str()).join(name));
        wanted.extend(rigs.iter().flat_map(of_rig));
        // Where polecats come and go; and the rig, where that directory does.
        let of_polecats = |rig: &Name| ["", "polecats"].map(|name| self.root.join(rig.as_str()).join(name));
        wanted.extend(rigs.iter().flat_map(of_polecats));
        // A town.toml that is a symlink changes where it points to.
        if let Ok(target) = self.root.join("town.toml").canonicalize()
            && let Some(directory) = target.parent()
        {
            wanted.insert(directory.to_owned());
        }
        for directory in wanted.into_iter().filter(|directory| directory.is_dir()) {
            // Watching one that is watched already changes nothing; one that has been replaced is another one under the old name.
            match self.watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.unwatched.remove(&directory);
                }
                Err(error) => {
                    if self.unwatched.insert(directory.clone()) {
                        tracing::warn!(directory = %directory.display(), %error, "cannot be watched; changes there wait for the resync");
                    }
                }
            }
        }
    }
}

/// Waits until notices have ceased for `quiet`, or have gone on for too long, and then passes on one.
async fn debounced(mut notices: UnboundedReceiver<()>, quiet: Duration, changed: UnboundedSender<()>) {
    while notices.recv().await.is_some() {
        let begun = Instant::now();
        while begun.elapsed() < quiet * DEBOUNCES_MAX
            && matches!(timeout(quiet, notices.recv()).await, Ok(Some(())))
        {}
        if changed.send(()).is_err() {
            return;
        }
    }
}

/// Whether a changed path can change what should run. gt appends to files in the root all day, and gtctl to its recordings, wherever those
/// are: it would wake itself for ever.
fn is_of_the_town(root: &Path, path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        return false;
    }
    let Ok(relative) = path.strip_prefix(root) else { return true };
    let Some(name) = relative.file_name().and_then(|name| name.to_str()) else { return true };
    let in_root = relative.components().count() == 1;
    if in_root {
        name == "town.toml"
            || name.starts_with("ESTOP")
            || matches!(name, "mayor" | "settings" | "roles" | ".beads-wisp")
    } else {
        let is = |wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
        let parts = relative.components().rev().filter_map(|part| part.as_os_str().to_str());
        let of_polecats = parts.clone().take(2).any(|part| part == "polecats") && parts.count() <= 3;
        is("json") || is("toml") || name == "config" || of_polecats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_notices_is_one_message_after_a_rest_or_after_the_longest_wait() {
        let (noticed, notices) = unbounded_channel();
        let (to, mut changed) = unbounded_channel();
        tokio::spawn(debounced(notices, Duration::from_millis(100), to));
        for _ in 0..3 {
            noticed.send(()).unwrap();
        }
        changed.recv().await.unwrap();
        assert!(changed.try_recv().is_err(), "three notices were one message");
    }

    #[test]
    fn what_gt_appends_to_all_day_is_not_of_the_town() {
        let root = Path::new("/town");
        for (path, matters) in [
            ("/town/town.toml", true),
            ("/town/ESTOP", true),
            ("/town/ESTOP.rig", true),
            ("/town/mayor/rigs.json", true),
            ("/town/.beads-wisp/config/a.json", true),
            ("/town/a/roles/witness.toml", true),
            ("/town/a/settings/config.json", true),
            ("/town/a/polecats", true),
            ("/town/a/polecats/nux", true),
            ("/town/a/polecats/nux/a", false),
            ("/town/a/refinery", false),
            ("/town/.events.jsonl", false),
            ("/town/mayor/notes.md", false),
            ("/elsewhere/town.toml", true),
            ("/elsewhere/20261121T112738.617Z-16744-0001.jsonl", false),
        ] {
            assert_eq!(is_of_the_town(root, Path::new(path)), matters, "{path}");
        }
    }
}
