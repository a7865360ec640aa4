//! The stage of a run: a world, controllers that are stepped by hand, what befalls them, and who judges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::check::{Checker, Violation, Wish, proven};
use super::choose::Choices;
use super::fate::{Odds, Script};
use super::keeper::{Keeper, Move, Stepped, Wake};
use super::machine::{Shared, SimMachine};
use super::mishap::{Consequence, MISHAPS, Mishap};
use super::plot::Plot;
use super::run::{Report, Setting};
use super::scene::Scene;
use super::world::World;
use crate::act::{Order, Outcome};
use crate::desired::Policy;
use crate::ledger::Record;
use crate::model::Address;
use crate::plan::{Action, Decision, Verdict};

/// The pid of the first controller; the following ones count up. None of them is in the table of the world's processes.
const FIRST_PID: i32 = 1_000_000;

/// The stage of one run.
pub struct Stage {
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) plot: Scene,
    /// The numbers that are in force.
    pub(super) policy: Policy,
    pub(super) keepers: Vec<Keeper>,
    pub(super) checker: Checker,
    pub(super) mishaps: Vec<(Mishap, u32)>,
    /// How often a notice of a death or of a changed file gets lost.
    pub(super) deafness: u32,
    /// How many times the files have been changed.
    pub(super) edits: u64,
    /// What each controller had read of them: by pid, the count of edits then.
    pub(super) read: BTreeMap<i32, u64>,
    /// Whether the ledger on disk is not what any controller has written.
    pub(super) ledger_is_damaged: bool,
    /// Whether the files are as they should be.
    pub(super) intact: bool,
    pub(super) next_pid: i32,
    pub(super) steps: u64,
    pub(super) passes: u64,
    /// When a controller has last given an order, or learned what came of one, since boot.
    pub(super) last_act: Duration,
    pub(super) tell: bool,
    pub(super) story: Vec<String>,
}

impl Stage {
    /// A machine on which a town has been set up and nothing runs.
    pub fn new(
        plot: impl Into<Scene>,
        pids: std::ops::RangeInclusive<i32>,
        choices: Choices,
        tell: bool,
    ) -> Self {
        let (plot, mut world) = (plot.into(), World::new(pids));
        plot.found(&mut world);
        Self::on(world, plot, choices, tell)
    }

    /// A machine on which a town has been set up already.
    pub fn on(world: World, plot: Scene, choices: Choices, tell: bool) -> Self {
        let shared = Shared::new(world);
        let stage = Self {
            shared,
            policy: plot.policy(),
            plot,
            keepers: Vec::new(),
            checker: Checker::default(),
            mishaps: Vec::new(),
            deafness: 0,
            edits: 0,
            read: BTreeMap::new(),
            ledger_is_damaged: false,
            intact: true,
            next_pid: FIRST_PID,
            steps: 0,
            passes: 0,
            last_act: Duration::ZERO,
            tell,
            story: Vec::new(),
        };
        stage.shared().fates.choices = Some(choices);
        stage
    }

    /// The world.
    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, for somebody else to hold as well.
    pub(super) fn world(&self) -> Arc<Mutex<Shared>> {
        Arc::clone(&self.shared)
    }

    /// One effect at which something certain goes wrong.
    pub fn script(&mut self, script: Option<Script>) {
        self.shared().fates.script = script;
    }

    pub(super) fn play(&mut self, setting: Setting) -> Result<(), Violation> {
        self.draw_odds();
        self.start_controller();
        for _ in 0..setting.steps {
            if self.shared().fates.one_in(6) {
                self.mishap()?;
            }
            if self.keepers.len() < setting.controllers as usize && self.shared().fates.one_in(4) {
                self.start_controller();
            }
            self.step()?;
        }
        self.heal();
        self.come_to_rest()
    }

    /// Draws how often what happens in this run (swarm testing): most runs know few kinds of trouble, and all of them much of it.
    fn draw_odds(&mut self) {
        let mut shared = self.shared();
        let fates = &mut shared.fates;
        let mut odds = |often: u32| if fates.one_in(3) { often + fates.below(often * 4) } else { 0 };
        let drawn = Odds {
            dies_before: odds(20),
            dies_after: odds(20),
            lost: odds(5),
            unapplied: odds(8),
            stale: odds(8),
            garbled: odds(8),
            slow: odds(8),
            refused: odds(8),
            blind: odds(30),
            unwritten: odds(10),
        };
        let deafness = odds(2);
        let mut mishaps = Vec::new();
        for mishap in MISHAPS {
            let weight = if fates.one_in(3) { 1 + fates.below(4) } else { 0 };
            mishaps.push((mishap, weight));
        }
        fates.odds = drawn;
        drop(shared);
        self.mishaps = mishaps;
        self.deafness = deafness;
    }

    /// Something befalls the world.
    fn mishap(&mut self) -> Result<(), Violation> {
        let total: u32 = self.mishaps.iter().map(|(_, weight)| weight).sum();
        let mut at = self.shared().fates.below(total);
        let mut chosen = None;
        for (mishap, weight) in &self.mishaps {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => {
                    chosen = Some(*mishap);
                    break;
                }
            }
        }
        chosen.map_or(Ok(()), |mishap| self.befalls(mishap))
    }

    /// This befalls the world, if there is anything that it can befall.
    pub fn befalls(&mut self, mishap: Mishap) -> Result<(), Violation> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Shared { world, fates, .. } = &mut *shared;
        let Some(choices) = &mut fates.choices else { return Ok(()) };
        let Some(consequence) = mishap.strike(world, &mut self.plot, choices) else { return Ok(()) };
        fates.count(mishap.name());
        drop(shared);
        self.note(|| format!("! {}", mishap.name()));
        match consequence {
            Consequence::None => {}
            Consequence::FilesChanged => {
                self.edits += 1;
                self.intact = mishap != Mishap::FileDamaged;
                for keeper in &mut self.keepers {
                    if !self.shared.lock().unwrap_or_else(PoisonError::into_inner).fates.one_in(self.deafness)
                    {
                        keeper.wake(Wake::Read);
                    }
                }
            }
            Consequence::ControllersGone => {
                self.keepers.clear();
                self.checker.excuse_all();
            }
            Consequence::ClockChanged => self.checker.excuse_all(),
        }
        if matches!(mishap, Mishap::LedgerTorn | Mishap::LedgerOfOtherVersion) {
            // A person puts the ledger away in the end, and with it everything that was counted and all that was seen.
            self.checker.excuse_all();
            self.ledger_is_damaged = true;
            self.shared().world.forget_seen();
        }
        self.listen();
        Ok(())
    }

    /// Somebody changes what the town should be, and every controller notices.
    pub fn edit(&mut self, change: impl FnOnce(&mut Plot)) {
        if let Scene::Imagined(plot) = &mut self.plot {
            change(plot);
        }
        self.plot.write(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).world);
        self.edits += 1;
        for keeper in &mut self.keepers {
            keeper.wake(Wake::Read);
        }
    }

    /// All controllers are killed.
    pub fn kill_controllers(&mut self) {
        self.keepers.clear();
    }

    /// Lets everybody make so many moves.
    pub fn moves(&mut self, count: usize) -> Result<(), Violation> {
        (0..count).try_for_each(|_| self.step())
    }

    /// Starts a controller; with wrong files it does not run.
    pub fn start_controller(&mut self) {
        let pid = self.next_pid;
        self.next_pid += 1;
        let machine = SimMachine::new(Arc::clone(&self.shared), pid);
        self.checker.two_deciders |= !self.keepers.is_empty();
        match Keeper::start(machine, pid, self.plot.root()) {
            Ok(keeper) => {
                self.read.insert(pid, self.edits);
                self.keepers.push(keeper);
                self.note(|| format!("controller {pid} starts"));
            }
            Err(_) => self.note(|| "a controller does not start: the files are wrong".to_owned()),
        }
    }

    /// Lets somebody make a move, or time pass.
    pub(super) fn step(&mut self) -> Result<(), Violation> {
        self.bury();
        if self.keepers.is_empty() {
            self.start_controller();
        }
        let moves: Vec<(usize, Move)> = self
            .keepers
            .iter()
            .enumerate()
            .flat_map(|(index, keeper)| keeper.moves().into_iter().map(move |one| (index, one)))
            .collect();
        let chosen = self.shared().fates.below(u32::try_from(moves.len()).unwrap_or(1)) as usize;
        match moves.get(chosen) {
            Some((index, one)) => self.advance(*index, *one),
            None => {
                self.let_time_pass();
                Ok(())
            }
        }
    }

    /// Controllers that have died are gone; those whose lock is no lock any more leave.
    pub(super) fn bury(&mut self) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.keepers.len();
        self.keepers.retain(|keeper| !shared.fates.is_dead(keeper.pid));
        drop(shared);
        if self.keepers.len() < before {
            self.note(|| "a controller has died".to_owned());
        }
    }

    /// One controller makes one move.
    fn advance(&mut self, index: usize, one: Move) -> Result<(), Violation> {
        let Some(keeper) = self.keepers.get_mut(index) else { return Ok(()) };
        self.steps += 1;
        let order = keeper.order(one).cloned();
        let under_way = keeper.orders().filter(|order| order.action.launch().is_some()).count();
        let reads = keeper.reads;
        let stepped = keeper.step(one);
        let pid = keeper.pid;
        if keeper.reads > reads {
            self.read.insert(pid, self.edits);
        }
        self.judge_deeds(order.as_ref())?;
        let at = self.shared().world.clock.since_boot();
        match stepped {
            Stepped::Nothing => {}
            Stepped::Passed { orders } => {
                self.passes += 1;
                if !orders.is_empty() {
                    self.last_act = at;
                }
                self.judge_pass(index, &orders, under_way)?;
            }
            Stepped::Ended { order, outcome } => {
                self.last_act = at;
                if matches!(outcome, Outcome::Refused(_)) && order.action.launch().is_some() {
                    self.checker.refused(&order.address);
                }
                let remembers = self.keepers.get(index).is_some_and(Keeper::remembers);
                if let (Outcome::Done(Some(incarnation)), true) =
                    (&outcome, remembers && !self.ledger_is_damaged)
                {
                    self.shared().world.seen(incarnation.process);
                }
                if matches!((&outcome, &order.action), (Outcome::Done(_), Action::Kill(_))) {
                    // Stopped on purpose: nothing counts against it.
                    self.checker.excuse(&order.address);
                }
                self.note(|| format!("{pid}: {} {} {outcome}", order.action.word(), order.address));
            }
        }
        self.listen();
        Ok(())
    }

    fn judge_deeds(&mut self, order: Option<&Order>) -> Result<(), Violation> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let deeds = std::mem::take(&mut shared.deeds);
        if deeds.is_empty() {
            return Ok(());
        }
        for (pid, deed) in &deeds {
            if self.tell {
                self.story.push(format!("{pid}: {deed:?}"));
            }
            self.checker.did(&shared.world, deed, order)?;
        }
        Ok(())
    }

    fn judge_pass(&mut self, index: usize, orders: &[Order], under_way: usize) -> Result<(), Violation> {
        let Some(keeper) = self.keepers.get(index) else { return Ok(()) };
        let Some(pass) = &keeper.last else { return Ok(()) };
        if self.tell {
            let told: Vec<String> = pass.plan.verdicts.iter().map(told).collect();
            self.story.push(format!("{}: sees {}", keeper.pid, told.join(", ")));
        }
        let up_to_date = self.intact && self.read.get(&keeper.pid) == Some(&self.edits);
        let at = pass.observed.at.wall;
        let wish = |address: &Address| match (up_to_date, self.plot.forbids(address, at)) {
            (false, _) => Wish::Either,
            (true, true) => Wish::Held,
            // It is started and ended by what is seen of the deacon, not by a file.
            (true, false) if *address == Address::Boot => Wish::Either,
            (true, false) => Wish::Wanted,
        };
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers of a damaged file are in force for whoever has read it.
        let read = keeper.reconciler().map(|reconciler| &reconciler.desired().policy);
        let policy = if up_to_date { &self.policy } else { read.unwrap_or(&self.policy) };
        self.checker.passed(&shared.world, pass, orders, under_way, policy, wish)?;
        drop(shared);
        // What a disk did not take is forgotten with its controller.
        if keeper.remembers() && !self.ledger_is_damaged {
            let in_sight = pass.plan.verdicts.iter().filter_map(|verdict| proven(&verdict.state));
            // What it did not take at once it takes later.
            let records =
                keeper.reconciler().into_iter().flat_map(|reconciler| reconciler.ledger().objects.values());
            let of_this_boot = |record: &&Record| {
                record.since.as_ref().is_some_and(|since| since.boot == pass.observed.at.boot)
            };
            let in_memory =
                records.filter(of_this_boot).filter_map(|record| Some(record.incarnation.as_ref()?.process));
            in_sight.chain(in_memory).for_each(|id| self.shared().world.seen(id));
        }
        let stable: Vec<Address> = self.stable(pass);
        for address in stable {
            self.checker.excuse(&address);
        }
        Ok(())
    }

    /// The objects that have lived for so long that what came before does not count.
    fn stable(&self, pass: &crate::controller::Pass) -> Vec<Address> {
        let stable = self.policy.crash_loop.stable.get();
        let has_settled =
            |verdict: &&Verdict| verdict.state.in_sight().is_some_and(|(_, lived)| lived >= stable);
        pass.plan.verdicts.iter().filter(has_settled).map(|verdict| verdict.address.clone()).collect()
    }

    /// Everybody hears what has ended, unless the notice gets lost.
    pub(super) fn listen(&mut self) {
        for keeper in &mut self.keepers {
            let shared = Arc::clone(&self.shared);
            let deafness = self.deafness;
            keeper.hear(|| {
                let lost = shared.lock().unwrap_or_else(PoisonError::into_inner).fates.one_in(deafness);
                if lost {
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .fates
                        .count("F6 a notice of a death is lost");
                }
                lost
            });
        }
    }

    /// Nobody can do anything: time passes until somebody can.
    pub(super) fn let_time_pass(&mut self) {
        let next = self.keepers.iter().filter_map(Keeper::next_moment).min();
        let mut shared = self.shared();
        let now = shared.world.clock.since_boot();
        let next =
            next.into_iter().chain(shared.world.next_end()).min().unwrap_or(now + Duration::from_secs(60));
        shared.world.pass(next.saturating_sub(now).max(Duration::from_millis(1)));
        drop(shared);
        self.listen();
    }

    /// What the run has shown.
    pub fn report(&self) -> Report {
        let shared = self.shared();
        Report {
            faults: shared.fates.tally.clone(),
            steps: self.steps,
            passes: self.passes,
            counts: self.checker.counts.clone(),
            time: shared.world.clock.since_boot(),
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.tell {
            let at = self.shared().world.clock.since_boot();
            self.story.push(format!("{:>10.3} s  {}", at.as_secs_f64(), line()));
        }
    }
}

/// A verdict in a few words.
pub(super) fn told(verdict: &Verdict) -> String {
    let decision = match &verdict.decision {
        Decision::Nothing => "-".to_owned(),
        Decision::Held => "held".to_owned(),
        Decision::Step(step) => format!("{} ({:?})", step.action.word(), step.gate),
    };
    format!("{} {:?} → {decision}, {}", verdict.address, verdict.state.word(), verdict.because.code())
}
