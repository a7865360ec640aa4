//! The end of a run: everything heals, and then all comes to what is wanted and stays so.

use std::sync::PoisonError;
use std::time::Duration;

use super::check::Violation;
use super::fate::Odds;
use super::keeper::{Keeper, Wake};
use super::stage::{Stage, told};
use crate::desired::Policy;
use crate::model::Reason;

/// So many steps without rest after everything is healed mean that it never comes to rest.
const STEPS_TO_REST_MAX: usize = 6_000;

/// Longer than any wait that may be owed when everything is healed: a crash loop's probe, and the stable time after it.
const TIME_TO_REST_MAX: Duration = Duration::from_secs(3 * 3600);

/// And so many more for each object of the town.
const STEPS_AN_OBJECT_MAX: usize = 400;

/// So many looks in a row that show the same unrest, and no moment at which it would end, mean that it never does.
const STUCK_MAX: usize = 12;

/// So many resyncs must change nothing once it has come to rest.
const QUIET_RESYNCS: usize = 3;

impl Stage {
    /// Everything that lasts is put right, and nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.note(|| "everything heals".to_owned());
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.fates.odds = Odds::default();
        self.plot.write(&mut shared.world);
        shared.world.heal(&self.plot.ledger());
        drop(shared);
        self.deafness = 0;
        self.mishaps.clear();
        self.edits += 1;
        self.intact = true;
        self.ledger_is_damaged = false;
        self.bury();
        // One decides, from now on; one that could not read its memory is started again once the file has been put away.
        self.keepers.truncate(1);
        if self.keepers.first().is_some_and(Keeper::has_no_memory) {
            self.keepers.clear();
            self.checker.excuse_all();
        }
        for keeper in &mut self.keepers {
            keeper.wake(Wake::Read);
        }
    }

    /// Eventual stability: every object reaches what is wanted of it, and then nothing happens any more.
    pub fn come_to_rest(&mut self) -> Result<(), Violation> {
        let law = "L1: what is wanted comes about, and then nothing happens any more";
        let begun = self.shared().world.clock.now();
        let (mut quiet, mut stuck) = (0, 0);
        let mut before = None;
        for _ in 0..STEPS_TO_REST_MAX + self.plot.objects().len() * STEPS_AN_OBJECT_MAX {
            self.step()?;
            if !self.keepers.iter().all(Keeper::rests) || self.keepers.is_empty() {
                continue;
            }
            if self.keepers.iter_mut().any(Keeper::approve) {
                // Somebody parked so much at once that a person must say that it was meant.
                self.checker.stops_are_approved = true;
                continue;
            }
            if let Some(why) = self.unrest() {
                let waited = self.shared().world.clock.now().since(&begun);
                // What waits for a moment says for which; what waits for nothing will wait for ever.
                let waits = self.keepers.iter().any(Keeper::waits_for_a_moment);
                stuck = if waits { 0 } else { stuck + 1 };
                if waited > self.patience() || stuck > STUCK_MAX {
                    return Err(Violation { law, how: why });
                }
                (quiet, before) = (0, None);
                self.let_time_pass();
                continue;
            }
            let now = self.still_life();
            if before.as_ref() == Some(&now) {
                quiet += 1;
            } else {
                (quiet, before) = (0, Some(now));
            }
            if quiet > QUIET_RESYNCS {
                return Ok(());
            }
            self.let_time_pass();
        }
        let why = self.unrest().unwrap_or_else(|| "something happens again and again".to_owned());
        Err(Violation { law, how: why })
    }

    /// Longer than any wait that may be owed by the numbers of this town.
    fn patience(&self) -> Duration {
        let Policy {
            backoff,
            crash_loop,
            usage_limit: _,
            limits,
            orphans,
            controller,
            beads: _,
            feed: _,
            convoys: _,
            mail: _,
            boot: _,
            polecats: _,
            mass_death,
        } = &self.policy;
        let minutes = self.plot.objects().len() / limits.starts_per_minute.max(1);
        let all_starts = Duration::from_secs(60) * u32::try_from(minutes).unwrap_or(u32::MAX);
        let waits = [
            backoff.max,
            crash_loop.probe_after,
            crash_loop.stable,
            controller.resync,
            orphans.grace,
            mass_death.calm,
        ];
        TIME_TO_REST_MAX.max(waits.iter().map(|wait| wait.get() * 2).sum::<Duration>() + all_starts)
    }

    /// What is not yet as it should be.
    fn unrest(&self) -> Option<String> {
        let pass = self.keepers.first()?.last.as_ref()?;
        if let Some((verdict, _)) = pass.plan.steps().next() {
            return Some(format!("something is left to do: {}", told(verdict)));
        }
        let shared = self.shared();
        for verdict in &pass.plan.verdicts {
            // Who started a second one must say which is to go.
            if matches!(verdict.because, Reason::Duplicate { .. })
                && shared.world.lives_of(&verdict.address).len() > 1
            {
                continue;
            }
            let lives = shared.world.own_lives(&verdict.address);
            let expected = match self.plot.wants(&verdict.address, pass.observed.at.wall) {
                None => continue,
                // What it was started for is done.
                Some(_) if matches!(verdict.because, Reason::Finished { .. }) => 0,
                Some(true) => 1,
                Some(false) => 0,
            };
            // Known, but nothing that gtctl may touch: who renamed or hid it must end it.
            let out_of_reach = lives.iter().filter(|id| shared.world.is_unlabelled(**id)).count();
            if lives.len() != expected && (expected == 1 || lives.len() != out_of_reach) {
                return Some(format!("{} lives, not {expected}: {}", lives.len(), told(verdict)));
            }
        }
        None
    }

    /// Everything that must not change any more once it has come to rest.
    fn still_life(&self) -> impl PartialEq + use<> {
        let shared = self.shared();
        let world = &shared.world;
        (world.tmux.clone(), world.processes.clone(), world.disk.clone())
    }
}
