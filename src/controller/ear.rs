//! The ear: hears from the kernel that a process has ended. It only says "look"; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::machine::Machine;
use crate::model::ProcessId;
use crate::observed::processes::{self, Behind};

/// Waits for the end of each process that it was told of, and for the agent behind each that is a wrapping shell.
#[derive(Debug)]
pub struct Ear<M> {
    machine: M,
    waiting: BTreeMap<ProcessId, JoinHandle<()>>,
    /// Which agent is listened to behind which shell.
    behind: BTreeMap<ProcessId, ProcessId>,
    /// How old a child of a shell must be to be listened to. A script's children come and go: each that ends for nothing makes the next one
    /// wait twice as long, so that a loop around `sleep` does not wake the controller all night.
    patience: BTreeMap<ProcessId, Duration>,
    /// Those that are no shells and have lived for long: nothing is behind them, and nobody asks the kernel again at each pass. One that becomes a shell later is
    /// heard of at the resync.
    plain: BTreeSet<ProcessId>,
    heard: UnboundedSender<()>,
}

/// How long after the end of a shell's child, and after that, the shell is looked at again.
const AFTERWARDS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// A wait without an end; longer ones overflow the timer.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);

/// What the patience with a shell begins with when a child of it has ended for nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who starts an agent has become it by then.
const SETTLED: Duration = Duration::from_secs(60);

impl<M: Machine> Ear<M> {
    /// An ear that reports to `heard`.
    pub fn new(machine: M, heard: UnboundedSender<()>) -> Self {
        Self {
            machine,
            waiting: BTreeMap::new(),
            behind: BTreeMap::new(),
            patience: BTreeMap::new(),
            plain: BTreeSet::new(),
            heard,
        }
    }

    /// Listens to exactly these processes from now on, and to the agents behind those that are shells.
    pub fn listen(&mut self, to: &BTreeSet<ProcessId>, since_boot: Duration) {
        self.patience.retain(|shell, _| to.contains(shell));
        self.plain.retain(|process| to.contains(process));
        for (shell, child) in std::mem::take(&mut self.behind) {
            // It ended, and the shell goes on: either it was not the agent, or the shell has not yet become what the agent leaves behind.
            if to.contains(&shell) && self.waiting.get(&child).is_some_and(JoinHandle::is_finished) {
                let patience = self.patience.entry(shell).or_default();
                *patience = (*patience * 2).max(PATIENCE);
                self.listen_again();
            }
        }
        let mut all = to.clone();
        for shell in to.difference(&self.plain.clone()) {
            let patience = self.patience.get(shell).copied().unwrap_or_default();
            let child = match processes::behind(&self.machine, shell.pid) {
                Behind::NoShell if processes::lived(&self.machine, *shell, since_boot) >= SETTLED => {
                    self.plain.insert(*shell);
                    None
                }
                Behind::NoShell | Behind::Nobody => None,
                Behind::Child(child) => Some(child),
            };
            let is_old = |child: &ProcessId| processes::lived(&self.machine, *child, since_boot) >= patience;
            if let Some(child) = child.filter(is_old) {
                self.behind.insert(*shell, child);
                all.insert(child);
            }
        }
        self.waiting.retain(|id, task| {
            let keep = all.contains(id) && !task.is_finished();
            if !keep {
                task.abort();
            }
            keep
        });
        for id in all {
            self.waiting.entry(id).or_insert_with(|| {
                let (machine, heard) = (self.machine.clone(), self.heard.clone());
                tokio::spawn(async move {
                    machine.ended(&[id], FOR_EVER).await;
                    // Nobody listens any more only when the controller is leaving.
                    let _ = heard.send(());
                })
            });
        }
    }
}

impl<M: Machine> Ear<M> {
    /// Asks for looks a little later. A wrapper that is about to `exec` a shell makes no noise when it does.
    fn listen_again(&self) {
        let heard = self.heard.clone();
        tokio::spawn(async move {
            for delay in AFTERWARDS {
                tokio::time::sleep(delay).await;
                if heard.send(()).is_err() {
                    return;
                }
            }
        });
    }
}

impl<M> Drop for Ear<M> {
    fn drop(&mut self) {
        for task in self.waiting.values() {
            task.abort();
        }
    }
}
