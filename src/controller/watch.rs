//! Notices of changed files. Directories are watched, not files: editors replace files. Notices are hints; a resync finds what they miss.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_mini::{DebounceEventResult, Debouncer, new_debouncer};
use tokio::sync::mpsc::UnboundedSender;

use crate::town::TownRoot;

/// Watches the files that the town is made of.
pub struct Watch {
    debouncer: Debouncer<RecommendedWatcher>,
    root: PathBuf,
    watched: BTreeSet<PathBuf>,
}

/// Directories below the root that hold files of the town. `daemon/`, where gtctl writes, is none of them.
const DIRECTORIES: &[&str] = &["", "mayor", "settings", ".beads-wisp", ".beads-wisp/config"];

impl Watch {
    /// Watches `root`; each batch of changes that matter, after `debounce` at the latest, is one message to `changed`.
    pub fn new(
        root: &TownRoot,
        debounce: Duration,
        changed: UnboundedSender<()>,
    ) -> Result<Self, notify::Error> {
        let base = root.path().to_owned();
        let debouncer = new_debouncer(debounce, move |result: DebounceEventResult| {
            let matters = match &result {
                Ok(events) => events.iter().any(|event| is_of_the_town(&base, &event.path)),
                // A lost notice may have been any.
                Err(_) => true,
            };
            if matters {
                let _ = changed.send(());
            }
        })?;
        let mut watch = Self { debouncer, root: root.path().to_owned(), watched: BTreeSet::new() };
        watch.extend();
        Ok(watch)
    }

    /// Watches directories that have appeared since. A directory that cannot be watched is left to the resync, and named in the log.
    pub fn extend(&mut self) {
        let mut wanted: BTreeSet<PathBuf> = DIRECTORIES.iter().map(|name| self.root.join(name)).collect();
        // A town.toml that is a symlink changes where it points to.
        if let Ok(target) = self.root.join("town.toml").canonicalize()
            && let Some(directory) = target.parent()
        {
            wanted.insert(directory.to_owned());
        }
        self.watched.retain(|directory| directory.is_dir());
        for directory in wanted {
            if self.watched.contains(&directory) || !directory.is_dir() {
                continue;
            }
            match self.debouncer.watcher().watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory);
                }
                Err(error) => {
                    tracing::warn!(directory = %directory.display(), %error, "cannot be watched; changes there wait for the resync")
                }
            }
        }
    }
}

/// Whether a changed path can change what should run. gt appends to files in the root all day.
fn is_of_the_town(root: &Path, path: &Path) -> bool {
    let Ok(relative) = path.strip_prefix(root) else { return true };
    let Some(name) = relative.file_name().and_then(|name| name.to_str()) else { return true };
    let in_root = relative.components().count() == 1;
    if in_root {
        name == "town.toml"
            || name.starts_with("ESTOP")
            || matches!(name, "mayor" | "settings" | ".beads-wisp")
    } else {
        Path::new(name).extension().is_some_and(|extension| extension == "json") || name == "config"
    }
}
