//! What is remembered of processes that outlived their terminals or their agents.

use std::collections::BTreeSet;

use super::reconciler::{Pass, Reconciler};
use super::world::World;
use crate::model::{Address, ProcessId, Seen, Stamp};
use crate::plan::{Force, Quarry};

impl<W: World> Reconciler<W> {
    /// Takes note of who lingers, if that was looked for, and forgets who does not any more.
    pub(super) fn learn_of_orphans(&mut self, pass: &Pass) {
        let observed = &pass.observed;
        let boot = &observed.at.boot;
        if observed.away.is_some() {
            // Everybody's time begins anew: the others may have been stopped as well.
            for one in self.memory.volatile().lingering.values_mut().flatten() {
                one.since = observed.awake;
                one.term = one.term.map(|_| observed.awake);
                one.kill = one.kill.map(|_| observed.awake);
            }
        }
        let Some(Seen::Known(orphans)) = &observed.orphans else { return };
        let found: Vec<(Address, ProcessId)> = pass
            .plan
            .lone
            .iter()
            .filter(|one| one.is_ended)
            .map(|one| (one.address.clone(), one.process))
            .collect();
        let marks: BTreeSet<&str> =
            orphans.iter().filter_map(|orphan| orphan.claim.gtctl_incarnation.as_deref()).collect();
        let ledger = self.memory.volatile();
        let is_news = ledger.track_lingering(&found, boot, observed.awake);
        if ledger.forget_over(&marks, boot) || is_news {
            self.memory.lasting();
        }
    }

    /// Writes down what a process is about to be told.
    pub(super) fn record_reaping(&mut self, address: &Address, quarry: &Quarry, pass: &Pass) {
        let (boot, awake) = (&pass.observed.at.boot, pass.observed.awake);
        self.memory.lasting().mark_lingering(address, quarry.orphan().process, boot, |one| {
            match quarry.force() {
                Force::Term => one.term = Some(awake),
                Force::Kill => one.kill = Some(awake),
            }
        });
    }

    /// It was not told.
    pub(super) fn take_back_reaping(&mut self, address: &Address, quarry: &Quarry, now: &Stamp) {
        self.memory.lasting().mark_lingering(address, quarry.orphan().process, &now.boot, |one| match quarry
            .force()
        {
            Force::Term => one.term = None,
            Force::Kill => one.kill = None,
        });
    }
}
