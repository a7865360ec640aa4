//! The feed, kept beside the loop: new lines of `.events.jsonl` become lines of `.feed.jsonl`.
//!
//! A notice of the file wakes it, nothing else does. Where it stopped is on disk after each batch, so that a controller goes on where the last
//! one ended; a crash between the two writes tells one batch twice and loses none. A write that fails is tried again, and until then
//! nothing counts as read.

pub mod tail;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use self::tail::Place;
use super::parts::{self, Settings};
use crate::machine::{Disk, Machine};
use crate::model::Why;
use crate::report::feed::{Curated, Curator, FeedLine};
use crate::town::TownRoot;
use crate::town::files::town_toml::FeedTable;

/// What gt writes, below the town.
pub const EVENTS: &str = ".events.jsonl";

/// What people read, below the town.
pub const FEED: &str = ".feed.jsonl";

/// gt's lock of the feed, below the town.
const FEED_LOCK: &str = ".feed.jsonl.lock";

/// Where it stopped, below `daemon/gtctl/`.
const STATE: &str = "feed.json";

/// How long the lock of the feed is waited for. Whoever holds it writes a line.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// What comes within this time of the first notice is one batch, as soon as gt itself would tell it.
const REST: Duration = Duration::from_millis(100);

/// How soon a failure is tried again; after that, later and later, until …
const AGAIN: Duration = Duration::from_secs(10);

/// … it is tried so often.
const AGAIN_MAX: Duration = Duration::from_secs(600);

/// Lines that are not told move the place too; it is written down when it has moved by so many batches.
const UNSAVED_MAX: u32 = 16;

/// The unit of `feed.megabytes`, in bytes.
const MEGABYTE: u64 = 1_000_000;

/// Where it stopped, and what it remembers of the moments before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct State {
    place: Place,
    curator: Curator,
}

/// Keeps the feed until nobody sends settings any more.
pub async fn keep<M: Machine>(
    machine: M,
    root: TownRoot,
    mut settings: watch::Receiver<Settings>,
    wake: Arc<Notify>,
) {
    let mut feed = Feed { machine, root, state: None, unsaved: 0, trouble: None };
    let mut later = AGAIN;
    loop {
        let table = settings.borrow_and_update().feed.clone();
        let again = match feed.turn(&table).await {
            Ok(()) => {
                (feed.trouble, later) = (None, AGAIN);
                None
            }
            Err(why) => {
                if feed.trouble.as_ref() != Some(&why) {
                    tracing::warn!("the feed waits: {why}");
                }
                feed.trouble = Some(why);
                let pause = later;
                later = (later * 2).min(AGAIN_MAX);
                Some(pause)
            }
        };
        tokio::select! {
            () = wake.notified() => tokio::time::sleep(REST).await,
            () = parts::after(again) => {}
            changed = settings.changed() => if changed.is_err() { return },
        }
    }
}

struct Feed<M> {
    machine: M,
    root: TownRoot,
    /// `None` while it is off, and before the first turn.
    state: Option<State>,
    unsaved: u32,
    trouble: Option<Why>,
}

impl<M: Machine> Feed<M> {
    /// Reads what is new and tells it. Files are read and written on a thread of their own, so that no pass waits for a disk.
    async fn turn(&mut self, table: &FeedTable) -> Result<(), Why> {
        let file = self.root.gtctl_dir().join(STATE);
        if !table.enabled {
            // What happens while it is off is not told later.
            (self.state, self.unsaved) = (None, 0);
            return self.blocking(move |disk| parts::forget(disk, &file)).await;
        }
        let events = self.root.path().join(EVENTS);
        loop {
            let (state, rules) = (self.state.clone(), table.clone());
            let (path, kept) = (events.clone(), file.clone());
            let read = self.blocking(move |disk| read(disk, &path, &kept, state, &rules)).await?;
            let is_first = self.state.is_none();
            if !read.told.is_empty() {
                self.append(read.told, table).await?;
                self.unsaved = UNSAVED_MAX;
            } else if self.state.as_ref() != Some(&read.state) {
                self.unsaved += 1;
            }
            self.state = Some(read.state.clone());
            if is_first || self.unsaved >= UNSAVED_MAX {
                let kept = file.clone();
                self.blocking(move |disk| parts::save(disk, &kept, &read.state)).await?;
                self.unsaved = 0;
            }
            if !read.more {
                return Ok(());
            }
        }
    }

    /// Appends to the feed, under gt's lock.
    async fn append(&self, told: Vec<FeedLine>, table: &FeedTable) -> Result<(), Why> {
        let _lock = self.machine.lock(&self.root.path().join(FEED_LOCK), LOCK_LIMIT).await?;
        let (path, size_max) = (self.root.path().join(FEED), table.megabytes * MEGABYTE);
        self.blocking(move |disk| append(disk, &path, &told, size_max)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&M) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Why> {
        parts::blocking(self.machine.clone(), work).await
    }
}

struct Read {
    state: State,
    told: Vec<FeedLine>,
    more: bool,
}

/// Reads one batch. Without a state it goes on where the last process stopped; if there was none, at the end of the file: what was before
/// has been told by others.
fn read(
    disk: &dyn Disk,
    events: &Path,
    file: &Path,
    state: Option<State>,
    rules: &FeedTable,
) -> io::Result<Read> {
    let mut state = match state.or_else(|| parts::load(disk, file)) {
        Some(state) => state,
        None => State { place: Place::at_end(disk, events)?, curator: Curator::default() },
    };
    let batch = state.place.read(disk, events)?;
    if batch.replaced {
        tracing::info!("{EVENTS} was replaced or cut");
    }
    let mut told = Vec::new();
    let mut malformed = 0;
    for line in &batch.lines {
        match state.curator.curate(line, rules) {
            Curated::Told(line) => told.push(line),
            Curated::Audit | Curated::Repeat => {}
            Curated::Malformed => malformed += 1,
        }
    }
    if malformed > 0 {
        tracing::warn!("{malformed} lines of {EVENTS} are no events");
    }
    Ok(Read { state, told, more: batch.more })
}

/// Appends lines, after the older half has gone if the file is too large.
fn append(disk: &dyn Disk, path: &Path, told: &[FeedLine], size_max: u64) -> io::Result<()> {
    let mut text = Vec::new();
    for line in told {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let length = match disk.read_part(path, 0, 0) {
        Ok(part) => part.length,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if length > size_max {
        let half = disk.read(path, size_max / 2)?;
        let first = half.iter().position(|byte| *byte == b'\n').map_or(half.len(), |at| at + 1);
        disk.replace(path, half.get(first..).unwrap_or_default())?;
    } else if length > 0 && disk.read_part(path, length - 1, 1)?.bytes != b"\n" {
        // Somebody died while writing; their line must not swallow ours.
        text.insert(0, b'\n');
    }
    let nowhere: PathBuf = path.to_owned();
    disk.append(path, &text, u64::MAX, &nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use std::fs;

    struct Town {
        dir: tempfile::TempDir,
        feed: Feed<ThisMachine>,
        table: FeedTable,
    }

    impl Town {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("mayor")).unwrap();
            let feed = Self::feed(dir.path());
            Self { feed, dir, table: FeedTable::default() }
        }

        fn feed(dir: &Path) -> Feed<ThisMachine> {
            let root = TownRoot::at(dir).unwrap();
            Feed { machine: ThisMachine::new(), root, state: None, unsaved: 0, trouble: None }
        }

        fn event(&self, kind: &str, bead: &str) {
            use std::io::Write;
            let line = format!(
                "{{\"ts\":\"2026-01-24T18:00:00Z\",\"source\":\"gt\",\"type\":\"{kind}\",\"actor\":\"a\",\"payload\":{{\"bead\":\"{bead}\"}},\"visibility\":\"feed\"}}\n"
            );
            let path = self.dir.path().join(EVENTS);
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
                .write_all(line.as_bytes())
                .unwrap();
        }

        /// The beads that the feed tells of.
        fn told(&self) -> String {
            let text = fs::read_to_string(self.dir.path().join(FEED)).unwrap_or_default();
            let bead = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                Some(line["payload"]["bead"].as_str()?.to_owned())
            };
            text.lines().filter_map(bead).collect::<Vec<_>>().join(",")
        }

        async fn turn(&mut self) -> Result<(), Why> {
            self.feed.turn(&self.table).await
        }

        fn restart(&mut self) {
            self.feed = Self::feed(self.dir.path());
        }
    }

    #[tokio::test]
    async fn it_begins_at_the_end_and_resumes_where_it_stopped() {
        let mut town = Town::new();
        town.event("hook", "before");
        town.turn().await.unwrap();
        assert_eq!(town.told(), "");
        town.event("hook", "one");
        town.turn().await.unwrap();
        assert_eq!(town.told(), "one");

        town.event("hook", "while nobody looked");
        town.restart();
        town.turn().await.unwrap();
        assert_eq!(town.told(), "one,while nobody looked", "each once");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(town.dir.path().join(FEED)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn what_happens_while_it_is_off_is_not_told() {
        let mut town = Town::new();
        town.turn().await.unwrap();
        town.table.enabled = false;
        town.event("hook", "off");
        town.turn().await.unwrap();
        town.table.enabled = true;
        town.turn().await.unwrap();
        town.event("hook", "on");
        town.turn().await.unwrap();
        assert_eq!(town.told(), "on");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_told_later_and_nothing_is_lost() {
        let mut town = Town::new();
        town.turn().await.unwrap();
        fs::create_dir(town.dir.path().join(FEED)).unwrap();
        town.event("hook", "one");
        assert!(town.turn().await.is_err());
        assert!(town.turn().await.is_err());
        fs::remove_dir(town.dir.path().join(FEED)).unwrap();
        town.event("hook", "two");
        town.turn().await.unwrap();
        assert_eq!(town.told(), "one,two");
    }

    #[tokio::test]
    async fn the_older_half_of_a_large_feed_goes_and_a_torn_line_swallows_none() {
        let mut town = Town::new();
        town.turn().await.unwrap();
        let line = |number: usize| format!("{{\"payload\":{{\"bead\":\"{number:06}\"}}}}\n");
        let old: String = (0..50_000).map(line).collect();
        fs::write(town.dir.path().join(FEED), format!("{old}{{\"torn")).unwrap();
        town.event("hook", "first");
        town.turn().await.unwrap();
        assert!(town.told().starts_with("000000,") && town.told().ends_with("049999,first"));

        town.table.megabytes = 1;
        town.event("hook", "second");
        town.turn().await.unwrap();
        let size = fs::metadata(town.dir.path().join(FEED)).unwrap().len();
        assert!((400_000..=600_000).contains(&size), "the key matters: {size}");
        let told = town.told();
        assert!(told.ends_with("049999,first,second") && !told.starts_with("000000,"));
        let text = fs::read_to_string(town.dir.path().join(FEED)).unwrap();
        assert!(text.starts_with("{\"payload\""), "it begins with a whole line");
    }
}
