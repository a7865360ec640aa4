//! What is remembered of processes that outlived their terminals or their agents.

use std::collections::BTreeSet;

use super::reconciler::{Pass, Reconciler};
use super::world::World;
use crate::ledger::Ledger;
use crate::model::{Address, ProcessId, Reason, Seen, Stamp};
use crate::plan::{Alive, Force, Plan, Quarry, State, Verdict};

impl<W: World> Reconciler<W> {
    /// Whether somebody has no session that had one at the last search, or nobody has searched at all: an earlier process may have died before it could
    /// remember what it had started, and this one may never have seen what came of a start.
    pub(super) fn is_unsearched(&self, plan: &Plan) -> bool {
        let Some(searched) = &self.searched else { return true };
        let mut without = plan.verdicts.iter().filter(|verdict| may_be_elsewhere(verdict, self.ledger()));
        without.any(|verdict| !searched.contains(&verdict.address))
    }

    /// What is started may be gone again before anybody sees it.
    pub(super) fn search_again_for(&mut self, address: &Address) {
        if let Some(searched) = &mut self.searched {
            searched.remove(address);
        }
    }

    /// Takes note of who has been searched for.
    fn note_search(&mut self, pass: &Pass) {
        let verdicts = &pass.plan.verdicts;
        if let Some(Seen::Known(_)) = &pass.observed.orphans {
            let without = verdicts.iter().filter(|verdict| may_be_elsewhere(verdict, self.ledger()));
            self.searched = Some(without.map(|verdict| verdict.address.clone()).collect());
        } else if let Some(mut searched) = self.searched.take() {
            // Who cannot be told has not come back for that.
            let has_one = |verdict: &&Verdict| {
                !may_be_elsewhere(verdict, self.ledger())
                    && !matches!(verdict.state, State::Unknown(_) | State::SocketLost { .. })
            };
            verdicts.iter().filter(has_one).for_each(|verdict| _ = searched.remove(&verdict.address));
            self.searched = Some(searched);
        }
    }

    /// Takes note of who lingers, if that was looked for, and forgets who does not any more.
    pub(super) fn learn_of_orphans(&mut self, pass: &Pass) {
        self.note_search(pass);
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
                Force::Kill => (one.kill, one.survived) = (Some(awake), false),
            }
        });
    }

    /// It was told, and lives on.
    pub(super) fn note_survivor(&mut self, address: &Address, quarry: &Quarry, now: &Stamp) {
        if quarry.force() == Force::Kill {
            let process = quarry.orphan().process;
            self.memory.lasting().mark_lingering(address, process, &now.boot, |one| one.survived = true);
        }
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

/// Whether nothing shows what became of the life that was begun last: it has no session, or one in which an earlier life ended. One whose start is under
/// way is about to have one.
fn may_be_elsewhere(verdict: &Verdict, ledger: &Ledger) -> bool {
    let is_out_of_sight = match &verdict.state {
        State::Absent | State::Vanished | State::ServerLost | State::PaneGone { .. } => true,
        State::Dead { fence, .. } | State::BareShell(Alive { fence, .. }) => {
            !ledger.began_last(&verdict.address, fence.label())
        }
        _ => false,
    };
    is_out_of_sight && verdict.because != Reason::InFlight
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use crate::sim::keeper::{Keeper, Stepped, Wake};
    use crate::sim::machine::{SOCKETS, Shared, SimMachine};
    use crate::sim::plot::Plot;
    use crate::sim::world::World;

    /// Lets a controller do what it can, and time pass, until it has made one more pass.
    fn pass(keeper: &mut Keeper) {
        for _ in 0..1000 {
            match keeper.moves().first() {
                Some(step) => {
                    if let Stepped::Passed { .. } = keeper.step(*step) {
                        return;
                    }
                }
                None => {
                    let next = keeper.next_moment().unwrap();
                    let mut shared = keeper.machine.shared();
                    let wait = next.saturating_sub(shared.world.clock.since_boot());
                    shared.world.pass(wait);
                }
            }
        }
        panic!("it makes no pass");
    }

    #[test]
    fn law_12_an_idle_pass_searches_nothing_and_a_lost_session_is_searched_for_once() {
        let plot = Plot::of_sessions(1);
        let mut world = World::new(100..=999);
        plot.found(&mut world);
        let shared = Shared::new(world);
        let machine = SimMachine::new(Arc::clone(&shared), 1_000_000);
        let mut keeper = Keeper::start(machine, 1_000_000, plot.root()).unwrap();
        let searched = |keeper: &Keeper| keeper.last.as_ref().unwrap().observed.orphans.is_some();

        pass(&mut keeper);
        assert!(searched(&keeper), "its first look");
        // The start, its outcome, and what follows from that.
        (0..4).for_each(|_| pass(&mut keeper));
        for _ in 0..3 {
            keeper.wake(Wake::Look);
            pass(&mut keeper);
            assert!(!searched(&keeper), "all is well");
        }
        let socket = Path::new(SOCKETS).join("sim");
        shared.lock().unwrap().world.tmux(&socket, &["kill-session", "-t", "=s0:"], None);
        keeper.wake(Wake::Look);
        pass(&mut keeper);
        assert!(searched(&keeper), "its session is gone");
    }
}
