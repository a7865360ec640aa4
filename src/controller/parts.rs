//! What runs beside the loop: the feed and the checks of convoys. Each is a task of its own, follows the settings, can be switched off, and sleeps
//! until a file changes. No pass waits for them, and if one fails the controller goes on.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{convoys, feed};
use crate::desired::Policy;
use crate::machine::{Disk, Machine};
use crate::model::Why;
use crate::town::TownRoot;
use crate::town::files::TownFiles;
use crate::town::files::town_toml::{BeadsTable, ConvoysTable, FeedTable};

/// What the files say of the parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The feed.
    pub feed: FeedTable,
    /// The checks of convoys.
    pub convoys: ConvoysTable,
    /// Whom convoys are asked of.
    pub beads: BeadsTable,
    /// The exports of beads in this town, if convoys are checked.
    pub exports: BTreeSet<PathBuf>,
}

impl Settings {
    /// What the files say.
    pub fn of(disk: &dyn Disk, root: &TownRoot, files: &TownFiles, policy: &Policy) -> Self {
        let Policy { feed, convoys, beads, .. } = policy.clone();
        let exports = if convoys.enabled { convoys::exports(disk, root, files) } else { BTreeSet::new() };
        Self { feed, convoys, beads, exports }
    }
}

/// The parts at work. They end with this.
pub struct Parts {
    settings: watch::Sender<Settings>,
    for_feed: Arc<Notify>,
    for_convoys: Arc<Notify>,
    exported: Arc<AtomicBool>,
    /// Dropping it ends the tasks.
    _tasks: JoinSet<()>,
    /// What is listened to, each file with its watcher; none while nobody wants it.
    of_events: Option<RecommendedWatcher>,
    of_exports: Option<(BTreeSet<PathBuf>, RecommendedWatcher)>,
    root: TownRoot,
}

impl Parts {
    /// Starts the parts.
    pub fn start<M: Machine>(machine: &M, root: &TownRoot, settings: Settings) -> Self {
        let (to, from) = watch::channel(settings);
        let [for_feed, for_convoys] = [(); 2].map(|()| Arc::new(Notify::new()));
        let exported = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(feed::keep(machine.clone(), root.clone(), from.clone(), for_feed.clone()));
        let (notify, flag) = (for_convoys.clone(), exported.clone());
        tasks.spawn(convoys::keep(machine.clone(), root.clone(), from, notify, flag));
        let mut parts = Self {
            settings: to,
            for_feed,
            for_convoys,
            exported,
            _tasks: tasks,
            of_events: None,
            of_exports: None,
            root: root.clone(),
        };
        parts.listen();
        parts
    }

    /// Follows new settings, and looks once more at what a notice may have missed.
    pub fn follow(&mut self, settings: Settings) {
        self.settings.send_if_modified(|now| {
            let other = *now != settings;
            *now = settings;
            other
        });
        self.listen();
        self.for_feed.notify_one();
        self.for_convoys.notify_one();
    }

    /// Listens to what the parts that are on want to hear of, and to nothing else.
    fn listen(&mut self) {
        let Settings { feed: FeedTable { enabled: feed, .. }, convoys, exports, .. } =
            self.settings.borrow().clone();
        let (for_feed, for_convoys) = (self.for_feed.clone(), self.for_convoys.clone());
        if !(feed || convoys.enabled) {
            self.of_events = None;
        } else if self.of_events.is_none() {
            let events = BTreeSet::from([self.root.path().join(feed::EVENTS)]);
            self.of_events = watcher(&events, move || {
                for_feed.notify_one();
                for_convoys.notify_one();
            });
        }
        if exports.is_empty() {
            self.of_exports = None;
        } else if self.of_exports.as_ref().is_none_or(|(watched, _)| *watched != exports) {
            let (for_convoys, exported) = (self.for_convoys.clone(), self.exported.clone());
            // What changed while nobody listened to it is found by this look.
            exported.store(true, Ordering::Relaxed);
            let watcher = watcher(&exports, move || {
                exported.store(true, Ordering::Relaxed);
                for_convoys.notify_one();
            });
            self.of_exports = watcher.map(|watcher| (exports, watcher));
        }
    }
}

/// Calls `changed` when one of these files is written. Their directories are watched, because files are replaced; a directory tells of much
/// else, which ends here.
fn watcher(files: &BTreeSet<PathBuf>, changed: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
    let wanted = files.clone();
    let watcher = notify::recommended_watcher(move |result: notify::Result<Event>| {
        let matters = match &result {
            // The parts read the file after each notice: it would wake them for ever.
            Ok(Event { kind: EventKind::Access(_), .. }) => false,
            Ok(event) => event.paths.iter().any(|path| wanted.contains(path)),
            // A lost notice may have been any.
            Err(_) => true,
        };
        if matters {
            changed();
        }
    });
    let unheard = |error: &notify::Error, what: &Path| {
        tracing::warn!(%error, "{} cannot be watched; it is looked at with each resync", what.display());
    };
    let mut watcher = watcher.inspect_err(|error| unheard(error, Path::new("the town"))).ok()?;
    let directories: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    for directory in directories {
        let _ = watcher
            .watch(directory, RecursiveMode::NonRecursive)
            .inspect_err(|error| unheard(error, directory));
    }
    Some(watcher)
}

/// The version of the parts' files that this gtctl writes.
const VERSION: u32 = 1;

/// What a part remembers is small.
const STATE_SIZE_MAX: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct File<T> {
    version: u32,
    state: T,
}

/// What a part has written down; `None` if there is nothing that makes sense. Then it begins anew.
pub fn load<T: DeserializeOwned>(disk: &dyn Disk, path: &Path) -> Option<T> {
    let bytes = match disk.read(path, STATE_SIZE_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, "{} cannot be read, and is begun anew", path.display());
            }
            return None;
        }
    };
    match serde_json::from_slice::<File<T>>(&bytes) {
        Ok(File { version: VERSION, state }) => Some(state),
        Ok(_) | Err(_) => {
            tracing::warn!("{} makes no sense, and is begun anew", path.display());
            None
        }
    }
}

/// Writes down what a part remembers.
pub fn save<T: Serialize>(disk: &dyn Disk, path: &Path, state: &T) -> io::Result<()> {
    disk.replace(path, &serde_json::to_vec(&File { version: VERSION, state })?)
}

/// Removes what a part has written down.
pub fn forget(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Does something with files on a thread of its own: the loop has only one, and no pass is to wait for a disk.
pub async fn blocking<M: Machine, T: Send + 'static>(
    machine: M,
    work: impl FnOnce(&M) -> io::Result<T> + Send + 'static,
) -> Result<T, Why> {
    match tokio::task::spawn_blocking(move || work(&machine)).await {
        Ok(done) => done.map_err(|error| Why::of(&error)),
        Err(error) => Err(Why::new(format!("gtctl itself failed: {error}"))),
    }
}

/// Waits so long, or for ever.
pub async fn after(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}
