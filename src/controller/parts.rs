//! What runs beside the loop: the feed and the checks of convoys. Each is a task of its own, follows the settings, can be switched off, and sleeps
//! until a file changes. No pass waits for them, and if one fails the controller goes on.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
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
}

impl From<&Policy> for Settings {
    fn from(policy: &Policy) -> Self {
        Self { feed: policy.feed.clone(), convoys: policy.convoys.clone(), beads: policy.beads.clone() }
    }
}

/// The parts at work. They end with this.
pub struct Parts {
    settings: watch::Sender<Settings>,
    wakes: Vec<Arc<Notify>>,
    /// Dropping it ends the tasks.
    _tasks: JoinSet<()>,
    watcher: Option<RecommendedWatcher>,
    root: TownRoot,
}

impl Parts {
    /// Starts the parts.
    pub fn start<M: Machine>(machine: &M, root: &TownRoot, settings: Settings) -> Self {
        let (to, from) = watch::channel(settings);
        let [for_feed, for_convoys] = [(); 2].map(|()| Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(feed::keep(machine.clone(), root.clone(), from.clone(), for_feed.clone()));
        tasks.spawn(convoys::keep(machine.clone(), root.clone(), from, for_convoys.clone()));
        let wakes = vec![for_feed, for_convoys];
        let mut parts = Self { settings: to, wakes, _tasks: tasks, watcher: None, root: root.clone() };
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
        self.wakes.iter().for_each(|wake| wake.notify_one());
    }

    /// Listens to gt's events while somebody wants them.
    fn listen(&mut self) {
        let wanted = self.settings.borrow().feed.enabled || self.settings.borrow().convoys.enabled;
        if !wanted {
            self.watcher = None;
        } else if self.watcher.is_none() {
            self.watcher = watcher(self.root.path(), self.wakes.clone())
                .inspect_err(|error| {
                    tracing::warn!(%error, "{} cannot be watched; it is looked at with each resync", feed::EVENTS);
                })
                .ok();
        }
    }
}

/// Wakes the parts when gt writes an event. The directory is watched, because the file may be replaced. It is told of much else; that ends here.
fn watcher(root: &Path, wakes: Vec<Arc<Notify>>) -> notify::Result<RecommendedWatcher> {
    let events = root.join(feed::EVENTS);
    let mut watcher = notify::recommended_watcher(move |result: notify::Result<Event>| {
        let matters = match &result {
            // The parts read the file after each notice: it would wake them for ever.
            Ok(Event { kind: EventKind::Access(_), .. }) => false,
            Ok(event) => event.paths.contains(&events),
            // A lost notice may have been any.
            Err(_) => true,
        };
        if matters {
            wakes.iter().for_each(|wake| wake.notify_one());
        }
    })?;
    watcher.watch(root, RecursiveMode::NonRecursive)?;
    Ok(watcher)
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
