//! One town being kept: look, plan, learn, record, hand out, note.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::{Config, ConfigTrouble};
use super::memory::{Memory, server_to_remember};
use super::news::News;
use super::openings;
use super::work::WorkLayer;
use super::world::World;
use crate::act::{Order, Outcome};
use crate::desired::Desired;
use crate::ledger::{Deaths, FileSeen, Ledger, Looked, Record};
use crate::model::{Address, Incarnation, IncarnationId, Reason, Seen, Stamp};
use crate::observed::{Observed, PastProcess, Server, Wants};
use crate::plan::{Action, Gate, Options, Plan, QUESTION, State, Step, Verdict, plan};
use crate::report::events::{Event, EventLog, Kind};
use crate::report::recording::{Inputs, Recorder};
use crate::report::words;
use crate::town::TownRoot;
use crate::town::diagnostic::Diagnostic;
use crate::town::files::TownFiles;

/// What one pass saw and decided.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What was seen.
    pub observed: Observed,
    /// What follows.
    pub plan: Plan,
}

/// One town being kept.
#[derive(Debug, Clone)]
pub struct Reconciler<W> {
    /// Eye and hand.
    pub world: W,
    pub(super) config: Config,
    pub(super) memory: Memory,
    pub(super) news: News,
    options: Options,
    /// What was remembered of an object before the start that is under way: a start that is refused has not been one.
    before: BTreeMap<Address, Record>,
    recorder: Option<Recorder>,
    /// When it last learnt from a look.
    pub(super) looked: Option<Looked>,
    /// What beads say of the work of polecats.
    pub(super) work: WorkLayer,
    /// Who was alive in an earlier pass of this very process.
    pub(super) living: BTreeSet<Address>,
    pub(super) deaths: Deaths,
    /// A mass death was learnt of.
    pub(super) braked: bool,
}

impl<W: World> Reconciler<W> {
    /// Reads the files and the ledger; no side effects. Without valid files nothing is kept, and what is wrong with them is told.
    pub fn open(world: &W, root: TownRoot, options: Options) -> Result<Self, Vec<Diagnostic>> {
        let directory = root.gtctl_dir();
        let memory = Memory::open(world.disk(), directory.clone());
        let config = Config::open(world.disk(), root, memory.ledger())?;
        let mut work = WorkLayer::open(world.disk(), &directory);
        work.follow(world.disk(), &config.root, &config.files);
        let world = world.at(&config.desired.socket, config.desired.policy.controller.tmux_timeout.get());
        Ok(Self {
            world,
            config,
            memory,
            news: News::new(EventLog::new(&directory)),
            options,
            before: BTreeMap::new(),
            recorder: None,
            looked: None,
            work,
            living: BTreeSet::new(),
            deaths: Deaths::default(),
            braked: false,
        })
    }

    /// Prepares for acting: what was told before is not told again.
    pub fn take_up(&mut self) {
        self.news.take_up(self.world.disk());
    }

    /// Records each pass that is learnt from.
    pub fn record_to(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// The graph in force.
    pub fn desired(&self) -> &Desired {
        &self.config.desired
    }

    /// The files in force.
    pub fn files(&self) -> &TownFiles {
        &self.config.files
    }

    /// The town.
    pub fn root(&self) -> &TownRoot {
        &self.config.root
    }

    /// The moment.
    pub fn now(&self) -> Stamp {
        self.world.now()
    }

    /// The memory.
    pub fn ledger(&self) -> &Ledger {
        self.memory.ledger()
    }

    /// What is wrong with the files, if an earlier reading is in force.
    pub fn trouble(&self) -> Option<&ConfigTrouble> {
        self.config.trouble.as_ref()
    }

    /// Looks and plans. No side effects: this is all that a dry run does (law 7).
    pub async fn look(&self) -> Pass {
        let mut observed = self.world.look(&self.wants()).await;
        let resync = self.desired().policy.controller.resync.get();
        let looked = self.looked.as_ref();
        observed.away = looked.and_then(|looked| looked.away(&observed.at.boot, observed.awake, resync));
        observed.work = self.work.observe(self.desired());
        observed.gt = self.work.gt();
        let now = observed.at.clone();
        let plan = plan(self.desired(), &observed, self.ledger(), self.options, &now);
        Pass { observed, plan }
    }

    /// Looks and plans; if tmux has not told yet how something ended, it is poked and looked at once more. Half of the death notices get
    /// lost in tmux before 3.6, until another child of the server ends: a SIGCHLD heals it.
    ///
    /// Before that it looks at what freezes the town: who is stopping it this very moment must not be fought.
    pub async fn look_well(&mut self) -> Pass {
        self.config.reread_stops(self.world.disk());
        let pass = self.look().await;
        let is_untold =
            |verdict: &Verdict| matches!(verdict.state, State::Ending | State::Dead { exit: None, .. });
        let Seen::Known(Server::Up(server)) = &pass.observed.server else { return pass };
        if !pass.plan.verdicts.iter().any(is_untold) || !self.world.poke(server.id).await {
            return pass;
        }
        self.look().await
    }

    fn wants(&self) -> Wants {
        let ledger = self.ledger();
        let past = |(address, record): (&Address, &Record)| {
            let process = record.incarnation.as_ref()?.process;
            let boot = record.since.as_ref().map(|since| since.boot.clone());
            Some((address.clone(), PastProcess { process, boot }))
        };
        let server = ledger.server.as_ref().map(|server| {
            (PastProcess { process: server.process, boot: server.boot.clone() }, server.socket.clone())
        });
        let mut wants = self.desired().wants(ledger.objects.iter().filter_map(past).collect(), server);
        wants.openings = openings::wanted(ledger);
        wants
    }

    /// Reads the files again. Wrong ones leave the last good reading in force (law 11).
    pub fn reread(&mut self) {
        let now = self.world.now();
        let aim = |desired: &Desired| (desired.socket.clone(), desired.policy.controller.tmux_timeout);
        let before = aim(self.desired());
        let text = self.config.reread(self.world.disk(), self.memory.ledger(), &now);
        self.work.follow(self.world.disk(), &self.config.root, &self.config.files);
        let after = aim(self.desired());
        if after != before {
            self.world = self.world.at(&after.0, after.1.get());
        }
        let event = text.map(|text| Event::of_town(now.wall, Kind::Config, text));
        self.news.tell(self.world.disk(), event.as_slice());
    }

    /// Learns from a look: which lives there are, which server, which files. Tells what is new, and writes the ledger if it changed.
    pub fn learn(&mut self, pass: &Pass) {
        self.keep_record(pass);
        let now = &pass.observed.at;
        let in_sight = |verdict: &Verdict| {
            let (incarnation, lived) = verdict.state.in_sight()?;
            Some((verdict.address.clone(), incarnation, lived))
        };
        let alive: Vec<(Address, Incarnation, Duration)> =
            pass.plan.verdicts.iter().filter_map(in_sight).collect();
        if self.memory.volatile().track(&alive, &self.config.desired.policy, now).changed {
            self.memory.lasting();
        }
        for verdict in
            pass.plan.verdicts.iter().filter(|verdict| matches!(verdict.because, Reason::Finished { .. }))
        {
            let Some(record) = self.memory.volatile().objects.get_mut(&verdict.address) else { continue };
            if record.finished != record.spec {
                record.finished.clone_from(&record.spec);
                self.memory.lasting();
            }
        }
        if let Some(server) = server_to_remember(pass, self.ledger())
            && self.memory.volatile().track_server(server)
        {
            self.memory.lasting();
        }
        for file in self.config.to_remember() {
            if !self.memory.ledger().files.contains_key(&file) {
                self.memory.lasting().files.insert(file, FileSeen { since: now.clone() });
            }
        }
        self.hear(pass);
        self.drop_void_requests(pass);
        self.learn_of_polecats(pass);
        if openings::any_is_over(self.ledger(), pass) {
            openings::end(self.memory.lasting(), pass);
        }
        let stops = pass.plan.steps().any(|(_, step)| matches!(step.action, Action::Kill(_)));
        let is_seen = |verdict: &Verdict| {
            !verdict.because.is_unknown()
                && !matches!(verdict.state, State::Adoptable { .. } | State::Unknown(_))
        };
        if !stops
            && pass.plan.verdicts.iter().all(is_seen)
            && pass.plan.refusal.is_none()
            && !self.ledger().approvals.is_empty()
            && self.ledger().in_flight.is_empty()
        {
            // What was approved is not wanted any more; the next mistake needs its own approval.
            self.memory.lasting().approvals.clear();
        }
        self.memory.save(self.world.disk());
        self.news.of_pass(self.world.disk(), pass);
    }

    /// Records a pass while files and memory are what its plan was made from.
    fn keep_record(&mut self, pass: &Pass) {
        if let Some(recorder) = &mut self.recorder {
            let inputs = Inputs {
                desired: &self.config.desired,
                observed: &pass.observed,
                ledger: self.memory.ledger(),
                options: self.options,
            };
            recorder.pass(self.world.disk(), &inputs, &pass.plan);
        }
    }

    /// Prepares the steps whose turn it is and that `wanted` lets through: records their starts on disk, then hands out the orders. If the
    /// disk does not take it, no start is handed out: what cannot be remembered is not started.
    pub fn commit(&mut self, pass: &Pass, wanted: impl Fn(&Address, &Action) -> bool) -> Vec<Order> {
        let now = &pass.observed.at;
        let turn = |(verdict, step): &(&Verdict, &Step)| {
            step.gate == Gate::Ready && wanted(&verdict.address, &step.action)
        };
        let steps: Vec<(&Verdict, &Step)> = pass.plan.steps().filter(turn).collect();
        let before = (!steps.is_empty()).then(|| self.memory.ledger().clone());
        let mut handed: Vec<(Order, Event)> = Vec::new();
        for (verdict, step) in steps {
            let order = self.order(&verdict.address, &step.action);
            self.record(&order, pass);
            let event = words::event_of_step(verdict, step, &order, now);
            handed.push((order, event));
        }
        if !self.memory.save(self.world.disk()) {
            // What cannot be remembered as begun could be done twice.
            let needs_memory = |action: &Action| {
                action.launch().is_some() || matches!(action, Action::Nudge { .. } | Action::Notify { .. })
            };
            handed.retain(|(order, _)| !needs_memory(&order.action));
            if let Some(before) = before {
                self.memory.take_back(before);
            }
        }
        let (orders, events): (Vec<Order>, Vec<Event>) = handed.into_iter().unzip();
        // A letter is no action on its object: it goes on being judged.
        for order in orders.iter().filter(|order| !matches!(order.action, Action::Notify { .. })) {
            self.memory.volatile().in_flight.insert(order.address.clone());
            self.news.acted_on(&order.address);
        }
        self.news.tell(self.world.disk(), &events);
        orders
    }

    /// Records what is about to be done, before it is.
    fn record(&mut self, order: &Order, pass: &Pass) {
        let because = pass.plan.of(&order.address).map(|verdict| &verdict.because);
        self.begin_with_polecat(order, pass);
        match &order.action {
            Action::Start(launch) | Action::Restart(launch) => {
                let Some(spec) = order.spec() else { return };
                let chance =
                    f64::from(u32::try_from(self.world.draw() >> 32).unwrap_or(0)) / f64::from(u32::MAX);
                let policy = &self.config.desired.policy;
                self.before.insert(order.address.clone(), self.memory.ledger().record(&order.address));
                let ledger = self.memory.lasting();
                ledger.strike(&order.address, launch.cause, &spec, policy, &pass.observed.at, chance);
                openings::begin(ledger, order, &pass.observed.at);
            }
            Action::Nudge { .. } if matches!(because, Some(Reason::Stale { .. })) => {
                if let Some(beat) = self.memory.lasting().beats.get_mut(&order.address) {
                    beat.asked = Some(pass.observed.awake);
                }
            }
            Action::Nudge { text, .. } => self.memory.lasting().begin_nudge(&order.address, text),
            Action::Kill(_) => {
                if let Some(Reason::Stuck { silent }) = because
                    && let Some(record) = self.memory.lasting().objects.get_mut(&order.address)
                {
                    record.stuck = Some(*silent);
                }
            }
            Action::Adopt(_) | Action::Notify { .. } => {}
        }
    }

    /// What carrying out a step of the plan takes.
    pub fn order(&self, address: &Address, action: &Action) -> Order {
        let controller = &self.desired().policy.controller;
        let hex = format!("{:016x}", self.world.draw());
        let recipe = self.desired().objects.get(address).map(|object| object.recipe.clone());
        let words = recipe.as_ref().and_then(|recipe| recipe.words.as_ref());
        let words = words.map(|words| words.at(&self.now().wall.to_zoned(self.world.time_zone())));
        Order {
            address: address.clone(),
            action: action.clone(),
            town: self.desired().town.clone(),
            root: self.desired().root.clone(),
            recipe,
            words,
            // Sixteen hex digits are more than twelve.
            incarnation: IncarnationId::from_hex(&hex).unwrap_or_else(|| unreachable!("16 hex digits")),
            settle: controller.settle.get(),
            stop_timeout: controller.stop_timeout.get(),
            mail_timeout: self.desired().policy.mail.timeout.get(),
        }
    }

    /// Learns what came of an order.
    pub fn note(&mut self, order: &Order, outcome: &Outcome) {
        let now = &self.world.now();
        self.end_with_polecat(order, outcome, now);
        if matches!(order.action, Action::Notify { .. }) {
            return self.tell_outcome(order, outcome, now);
        }
        self.memory.volatile().in_flight.remove(&order.address);
        match (outcome, &order.action) {
            (Outcome::Done(Some(incarnation)), Action::Start(_) | Action::Restart(_)) => {
                let record = self.memory.lasting().objects.entry(order.address.clone()).or_default();
                record.incarnation = Some(incarnation.as_ref().clone());
                record.since = Some(now.clone());
                self.news.started(&order.address);
            }
            // Stopped on purpose and seen gone: nothing of it is left to look for, and nothing counts against it.
            (Outcome::Done(_), Action::Kill(fence)) => {
                let ledger = self.memory.lasting();
                match ledger.objects.get_mut(&order.address) {
                    // Ended because it did nothing any more: its restart counts as after a crash.
                    Some(record) if record.stuck.is_some() => record.incarnation = None,
                    _ => drop(ledger.objects.remove(&order.address)),
                }
                ledger.restarts.remove(&order.address);
                ledger.approvals.remove(&fence.life());
            }
            (_, Action::Kill(_)) => {
                if let Some(record) = self.memory.lasting().objects.get_mut(&order.address) {
                    record.stuck = None;
                }
            }
            (outcome, Action::Nudge { text, .. }) => {
                let ledger = self.memory.lasting();
                ledger.end_nudge(&order.address, matches!(outcome, Outcome::Refused(_)));
                // Who was not asked has not been asked.
                if text == QUESTION
                    && matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_))
                    && let Some(beat) = ledger.beats.get_mut(&order.address)
                {
                    beat.asked = None;
                }
            }
            (Outcome::Refused(_), Action::Start(_) | Action::Restart(_)) => {
                if let Some(before) = self.before.remove(&order.address) {
                    let record = self.memory.lasting().objects.entry(order.address.clone()).or_default();
                    // Nothing was begun; but a life may have been seen since, and that may be why.
                    let Record { incarnation, since, .. } = std::mem::take(record);
                    *record = Record { incarnation, since, ..before };
                }
            }
            _ => {}
        }
        match outcome {
            Outcome::Done(_) => self.memory.volatile().resting.remove(&order.address),
            // Typed is typed, whether or not anything shows it.
            Outcome::Unconfirmed(_) if matches!(order.action, Action::Nudge { .. }) => None,
            // A start that fails has its backoff; what else comes to nothing must not be repeated at once, for ever.
            Outcome::Failed(_) if order.action.launch().is_some() => None,
            Outcome::Failed(_) | Outcome::Refused(_) | Outcome::Unconfirmed(_) => {
                let resync = self.config.desired.policy.controller.resync.get();
                self.memory.volatile().rest(&order.address, now, resync)
            }
        };
        self.tell_outcome(order, outcome, now);
    }

    fn tell_outcome(&mut self, order: &Order, outcome: &Outcome, now: &Stamp) {
        self.memory.save(self.world.disk());
        self.news.tell(self.world.disk(), &[words::event_of_outcome(order, outcome, now)]);
    }

    /// Changes what is remembered because somebody asked for it. What cannot be remembered is refused: nobody is told that something is so which the
    /// next controller would not know.
    pub fn ask<T>(
        &mut self,
        change: impl FnOnce(&mut Ledger, &Stamp) -> Result<T, String>,
    ) -> Result<T, String> {
        let now = self.world.now();
        let refused = |memory: &Memory| {
            let why = memory.ledger().trouble.as_ref().map_or("", |why| why.0.as_str());
            format!("what is asked for cannot be remembered: {why}")
        };
        // One that could not be read is read again first, and one that could not be written is written.
        if !self.memory.save(self.world.disk()) {
            return Err(refused(&self.memory));
        }
        let before = self.memory.ledger().clone();
        let answer = change(self.memory.lasting(), &now)?;
        if self.memory.save(self.world.disk()) {
            return Ok(answer);
        }
        self.memory.take_back(before);
        Err(refused(&self.memory))
    }

    /// Changes what is remembered in this process alone, to see what a plan would be then.
    pub fn suppose(&mut self, change: impl FnOnce(&mut Ledger, &Stamp)) {
        let now = self.world.now();
        change(self.memory.volatile(), &now);
    }

    /// Tells something that is no part of a pass.
    pub fn tell(&self, event: Event) {
        self.news.tell(self.world.disk(), &[event]);
    }
}
