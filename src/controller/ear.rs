//! The ear: hears from the kernel that a process has ended. It only says "look"; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::act::processes::ended;
use crate::model::ProcessId;

/// Waits on a pidfd for each process that it was told of.
#[derive(Debug)]
pub struct Ear {
    waiting: BTreeMap<ProcessId, JoinHandle<()>>,
    heard: UnboundedSender<()>,
}

impl Ear {
    /// An ear that reports to `heard`.
    pub fn new(heard: UnboundedSender<()>) -> Self {
        Self { waiting: BTreeMap::new(), heard }
    }

    /// Listens to exactly these processes from now on.
    pub fn listen(&mut self, to: &BTreeSet<ProcessId>) {
        self.waiting.retain(|id, task| {
            let keep = to.contains(id) && !task.is_finished();
            if !keep {
                task.abort();
            }
            keep
        });
        for id in to {
            if !self.waiting.contains_key(id) {
                let (id, heard) = (*id, self.heard.clone());
                let task = tokio::spawn(async move {
                    ended(id).await;
                    // Nobody listens any more only when the controller is leaving.
                    let _ = heard.send(());
                });
                self.waiting.insert(id, task);
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        for task in self.waiting.values() {
            task.abort();
        }
    }
}
