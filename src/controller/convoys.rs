//! Convoys, checked beside the loop: when somebody has finished work, `gt convoy check` is run for each open convoy. gt itself decides whether one is
//! complete.
//!
//! An event of gt's that tells of finished work wakes it, and so does an export of beads in which others are closed than before: people close beads by
//! hand. That a check is owed is on disk before it is made, so that a controller that
//! ends in between leaves it to the next one; a check that fails is made again, later and later.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

use super::feed::EVENTS;
use super::feed::tail::Place;
use super::parts::{self, Settings};
use crate::machine::{Call, Disk, Machine};
use crate::model::{Name, Seen, Stamp, Why, excerpt, printable};
use crate::observed::beads::export::{EXPORT, closed};
use crate::observed::beads::{Beads, Database, find};
use crate::report::feed::GtEvent;
use crate::town::TownRoot;
use crate::town::files::TownFiles;
use crate::town::files::stops::ESTOP;

/// Where it stopped, below `daemon/gtctl/`.
const STATE: &str = "convoys.json";

/// What comes within this time of the first notice is read together.
const REST: Duration = Duration::from_millis(100);

/// A check that failed is made again after so many delays, then after so many times as many, and so on …
const AGAIN: u32 = 2;

/// … until it is made so often.
const AGAIN_MAX: Duration = Duration::from_secs(600);

/// A larger export is not read: fifty thousand beads.
const EXPORT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// gt's answer is a line or two.
const OUTPUT_MAX: usize = 1024 * 1024;

/// So much of a complaint is told.
const SHOWN: usize = 300;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct State {
    place: Place,
    /// Work was finished, and convoys have not been checked since.
    owed: bool,
    /// What was closed in each export, as a hash of the ids.
    #[serde(default)]
    closed: BTreeMap<PathBuf, String>,
}

/// Checks convoys until nobody sends settings any more.
pub async fn keep<M: Machine>(
    machine: M,
    root: TownRoot,
    mut settings: watch::Receiver<Settings>,
    wake: Arc<Notify>,
    exported: Arc<AtomicBool>,
) {
    let mut convoys =
        Convoys { machine, root, exported, state: None, since: None, failures: 0, trouble: None };
    loop {
        let now = settings.borrow_and_update().clone();
        if let Err(why) = convoys.turn(&now).await {
            convoys.complain(why);
            convoys.wait_longer(&now);
        }
        let pause = convoys.pause(&now);
        tokio::select! {
            () = wake.notified() => tokio::time::sleep(REST).await,
            () = parts::after(pause) => {}
            changed = settings.changed() => if changed.is_err() { return },
        }
    }
}

struct Convoys<M> {
    machine: M,
    root: TownRoot,
    /// Whether an export may have changed since it was read.
    exported: Arc<AtomicBool>,
    /// `None` while it is off, and before the first turn.
    state: Option<State>,
    /// Since when the next check is waited for.
    since: Option<Stamp>,
    failures: u32,
    trouble: Option<Why>,
}

impl<M: Machine> Convoys<M> {
    /// Reads what is new, and checks if it is time to.
    async fn turn(&mut self, settings: &Settings) -> Result<(), Why> {
        let file = self.root.gtctl_dir().join(STATE);
        if !settings.convoys.enabled {
            (self.state, self.since, self.failures) = (None, None, 0);
            return self.blocking(move |disk| parts::forget(disk, &file)).await;
        }
        let (state, events) = (self.state.clone(), self.root.path().join(EVENTS));
        let look = self.exported.swap(false, Ordering::Relaxed) || state.is_none();
        let exports = if look { settings.exports.clone() } else { BTreeSet::new() };
        let read = self.blocking(move |disk| read(disk, &events, &file, state, &exports)).await;
        if read.is_err() && look {
            self.exported.store(true, Ordering::Relaxed);
        }
        let state = read?;
        let owed = state.owed;
        self.state = Some(state);
        if !owed {
            self.since = None;
            return Ok(());
        }
        if self.since.is_none() {
            self.since = Some(self.machine.now());
        }
        if self.pause(settings).is_some_and(|pause| pause.is_zero()) {
            self.check(settings).await
        } else {
            Ok(())
        }
    }

    /// What cannot be read or checked is tried again later and later, and not at once.
    fn wait_longer(&mut self, settings: &Settings) {
        if self.pause(settings).is_some_and(|pause| pause.is_zero()) {
            self.since = Some(self.machine.now());
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// How long until the next check; `None` if none is owed.
    fn pause(&self, settings: &Settings) -> Option<Duration> {
        let delay = settings.convoys.delay.get();
        let wait = match self.failures {
            0 => delay,
            failures => {
                delay.saturating_mul(AGAIN.saturating_pow(failures)).clamp(delay, AGAIN_MAX.max(delay))
            }
        };
        let since = self.since.as_ref()?;
        Some(self.machine.now().until(&since.plus(wait)))
    }

    /// Makes the check that is due. If it cannot be made, it is waited for anew, and longer.
    async fn check(&mut self, settings: &Settings) -> Result<(), Why> {
        self.failures = self.failures.saturating_add(1);
        let made = self.check_all(settings).await;
        self.since = Some(self.machine.now());
        made?;
        (self.since, self.failures, self.trouble) = (None, 0, None);
        let Some(state) = &mut self.state else { return Ok(()) };
        state.owed = false;
        let (state, file) = (state.clone(), self.root.gtctl_dir().join(STATE));
        self.blocking(move |disk| parts::save(disk, &file, &state)).await
    }

    /// Runs `gt convoy check` for each open convoy. A town without the programs, or without beads, has no convoys.
    async fn check_all(&self, settings: &Settings) -> Result<(), Why> {
        let (root, configured) = (self.root.path().to_owned(), settings.beads.program.clone());
        let tools = self.blocking(move |disk| Ok(tools(disk, &root, configured.as_deref()))).await??;
        let Some(Tools { beads, gt, database }) = tools else { return Ok(()) };
        let beads =
            Beads { machine: self.machine.clone(), program: beads, limit: settings.beads.timeout.get() };
        let convoys = match beads.list(&database, &["--type=convoy", "--status=open"]).await {
            Seen::Known(convoys) => convoys,
            Seen::Unknown(why) => return Err(why),
        };
        let mut wrong = None;
        for convoy in &convoys {
            if let Err(why) = self.check_one(&gt, &convoy.id, settings.convoys.timeout.get()).await {
                wrong.get_or_insert(why);
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    async fn check_one(&self, gt: &Path, convoy: &str, limit: Duration) -> Result<(), Why> {
        // An id is an argument; what begins with a dash would be an option.
        if convoy.starts_with('-') || convoy.is_empty() {
            return Err(Why::new(format!("`{}` is no convoy", printable(&excerpt(convoy, SHOWN)))));
        }
        let call = Call {
            program: gt.to_owned(),
            arguments: ["convoy", "check", convoy].map(str::to_owned).to_vec(),
            directory: self.root.path().to_owned(),
            environment: Vec::new(),
            limit,
            output_max: OUTPUT_MAX,
        };
        let reply = self.machine.run_program(&call).await.map_err(|error| Why::of(&error))?;
        if reply.code == Some(0) {
            tracing::debug!("convoy {convoy} was checked");
            return Ok(());
        }
        let said = excerpt(reply.stderr.trim(), SHOWN);
        Err(Why::new(format!("`gt convoy check {convoy}` failed: {}", printable(&said))))
    }

    fn complain(&mut self, why: Why) {
        if self.trouble.as_ref() != Some(&why) {
            tracing::warn!("convoys are checked later: {why}");
        }
        self.trouble = Some(why);
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&M) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Why> {
        parts::blocking(self.machine.clone(), work).await
    }
}

/// Reads all that is new. Who has never looked before owes a check: work may have been finished while nobody did.
fn read(
    disk: &dyn Disk,
    events: &Path,
    file: &Path,
    state: Option<State>,
    exports: &BTreeSet<PathBuf>,
) -> io::Result<State> {
    let before = state.clone();
    let mut state = match state.or_else(|| parts::load(disk, file)) {
        Some(state) => state,
        None => State { place: Place::at_end(disk, events)?, owed: true, closed: BTreeMap::new() },
    };
    loop {
        let batch = state.place.read(disk, events)?;
        let finished = |line: &String| GtEvent::parse(line).is_some_and(|event| event.finishes_work());
        state.owed |= batch.lines.iter().any(finished);
        if !batch.more {
            break;
        }
    }
    for export in exports {
        let Some(hash) = closed_in(disk, export)? else { continue };
        let known = state.closed.insert(export.clone(), hash.clone());
        // Of a database that is met for the first time nothing is known to have changed.
        state.owed |= known.is_some_and(|known| known != hash);
    }
    // Where it stopped is written down when something is owed; reading the same lines once more owes nothing else.
    let is_same = |before: &State| before.owed == state.owed && before.closed == state.closed;
    if !before.as_ref().is_some_and(is_same) {
        parts::save(disk, file, &state)?;
    }
    Ok(state)
}

/// A hash of what is closed in an export; `None` if there is none, or one that is too large to be read again and again.
fn closed_in(disk: &dyn Disk, export: &Path) -> io::Result<Option<String>> {
    let bytes = match disk.read(export, EXPORT_SIZE_MAX + 1) {
        Ok(bytes) if bytes.len() as u64 > EXPORT_SIZE_MAX => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut digest = Sha256::new();
    for id in closed(&bytes) {
        digest.update(id.as_bytes());
        digest.update(b"\n");
    }
    Ok(Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Where the exports of the town's databases are, or would be: the town's own, and those of its rigs.
pub fn exports(disk: &dyn Disk, root: &TownRoot, files: &TownFiles) -> BTreeSet<PathBuf> {
    let rigs = files.rig_names();
    let places = rigs.iter().map(Name::as_str).chain([""]);
    let export = |below: &str| match Database::of(disk, root.path(), below) {
        Seen::Known(found) => found.map(|database| database.beads.join(EXPORT)),
        Seen::Unknown(_) => None,
    };
    places.filter_map(export).collect()
}

/// What a check needs.
struct Tools {
    beads: PathBuf,
    gt: PathBuf,
    database: Database,
}

/// The programs and the town's own beads; `None` if this town has none of these. While the town is stopped nothing is done.
fn tools(disk: &dyn Disk, root: &Path, configured: Option<&str>) -> Result<Option<Tools>, Why> {
    match disk.is_there(root, ESTOP) {
        Ok(false) => {}
        Ok(true) => return Err(Why::new("the town is stopped by ESTOP")),
        Err(error) => return Err(Why::new(format!("cannot look for {ESTOP}: {error}"))),
    }
    let known = |seen| match seen {
        Seen::Known(found) => Ok(found),
        Seen::Unknown(why) => Err(why),
    };
    let database = match Database::of(disk, root, "") {
        Seen::Known(found) => found,
        Seen::Unknown(why) => return Err(why),
    };
    let beads = known(find(disk, configured, root))?;
    let gt = known(disk.find_program("gt", None, root).0)?;
    Ok(match (beads, gt, database) {
        (Some(beads), Some(gt), Some(database)) => Some(Tools { beads, gt, database }),
        _ => None,
    })
}
