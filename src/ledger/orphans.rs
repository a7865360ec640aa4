//! Processes that outlived their terminals or their agents: since when that is known, and what they were told. Bound to the process by pid, start time and
//! boot, and counted in time awake, so that neither a reused pid nor a night asleep makes anybody's time run out (law 8).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::{Ledger, Record};
use crate::model::{Address, BootId, IncarnationId, ProcessId};

/// A process that lives on and should not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lingering {
    /// Which.
    pub process: ProcessId,
    /// The boot that it lives in, and that the moments count from.
    pub boot: BootId,
    /// When it was first seen so, in time awake.
    pub since: Duration,
    /// When it was sent TERM, in time awake.
    pub term: Option<Duration>,
    /// When it was sent KILL, in time awake.
    pub kill: Option<Duration>,
    /// Whether it was seen to live on after KILL. Who was about to send it may have died before that.
    #[serde(default)]
    pub survived: bool,
}

/// A life that is over, and the process that it was: what else bears its mark is what it left behind, and no agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Over {
    /// Which life.
    pub incarnation: IncarnationId,
    /// Its agent.
    pub process: ProcessId,
    /// The boot that it lived in.
    pub boot: BootId,
}

/// More lives that are over are not remembered. What an older one left behind counts as an agent, if it looks like one.
const OVER_MAX: usize = 256;

impl Ledger {
    /// What is known of a process that lingers.
    pub fn lingering(&self, address: &Address, process: ProcessId, boot: &BootId) -> Option<&Lingering> {
        let known = self.lingering.get(address)?;
        known.iter().find(|known| known.process == process && known.boot == *boot)
    }

    /// Takes note of all that lingers, and forgets what does not any more; true if that is news.
    pub fn track_lingering(
        &mut self,
        found: &[(Address, ProcessId)],
        boot: &BootId,
        awake: Duration,
    ) -> bool {
        let mut all = std::collections::BTreeMap::new();
        for (address, process) in found {
            let known = self.lingering(address, *process, boot).cloned();
            let new = || Lingering {
                process: *process,
                boot: boot.clone(),
                since: awake,
                term: None,
                kill: None,
                survived: false,
            };
            all.entry(address.clone()).or_insert_with(Vec::new).push(known.unwrap_or_else(new));
        }
        let is_news = all != self.lingering;
        self.lingering = all;
        is_news
    }

    /// Changes what is known of a process that lingers.
    pub fn mark_lingering(
        &mut self,
        address: &Address,
        process: ProcessId,
        boot: &BootId,
        change: impl FnOnce(&mut Lingering),
    ) {
        let mut known = self.lingering.get_mut(address).into_iter().flatten();
        if let Some(it) = known.find(|known| known.process == process && known.boot == *boot) {
            change(it);
        }
    }

    /// Remembers which process the life of a record was, before another one takes its place.
    pub fn outlive(&mut self, record: &Record) {
        let (Some(incarnation), Some(since)) = (&record.incarnation, &record.since) else { return };
        let over = Over {
            incarnation: incarnation.marker.incarnation.clone(),
            process: incarnation.process,
            boot: since.boot.clone(),
        };
        if self.over.contains(&over) {
            return;
        }
        self.over.push(over);
        let excess = self.over.len().saturating_sub(OVER_MAX);
        self.over.drain(..excess);
    }

    /// Forgets the lives that are over and of which nothing bears a mark any more, given the marks that a search has found; true if there were any.
    pub fn forget_over(&mut self, marks: &std::collections::BTreeSet<&str>, boot: &BootId) -> bool {
        let before = self.over.len();
        self.over.retain(|over| over.boot == *boot && marks.contains(over.incarnation.as_str()));
        self.over.len() != before
    }
}
