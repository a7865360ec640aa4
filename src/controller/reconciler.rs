//! One town being kept: look, plan, learn, record, hand out, note.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::{Config, ConfigTrouble};
use super::memory::Memory;
use super::news::News;
use super::openings;
use super::sight::server_to_remember;
use super::work::WorkLayer;
use super::world::World;
use crate::act::Order;
use crate::desired::Desired;
use crate::ledger::{Deaths, FileSeen, Ledger, Looked, Record};
use crate::model::{Address, Incarnation, Reason, Seen, Stamp};
use crate::observed::{LastWords, Observed, PastProcess, Server, Wants};
use crate::plan::{Action, Gate, Options, Plan, State, Step, Verdict, endings, plan};
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
    pub(super) before: BTreeMap<Address, Record>,
    recorder: Option<Recorder>,
    /// When it last learnt from a look.
    pub(super) looked: Option<Looked>,
    /// The objects without a session that have been searched for since they have none; `None` before the first search.
    pub(super) searched: Option<BTreeSet<Address>>,
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
            searched: None,
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
    ///
    /// An agent that is found in another tmux server may be in one that was founded just after tmux had been asked, so it is asked once more.
    pub async fn look(&self) -> Pass {
        self.look_twice(LastWords::OfAll).await
    }

    async fn look_twice(&self, last_words: LastWords) -> Pass {
        let pass = self.look_once(last_words).await;
        let is_elsewhere = |verdict: &Verdict| matches!(verdict.state, State::Elsewhere { .. });
        if pass.plan.verdicts.iter().any(is_elsewhere) { self.look_once(last_words).await } else { pass }
    }

    async fn look_once(&self, last_words: LastWords) -> Pass {
        let wants = Wants { last_words, ..self.wants() };
        let mut observed = self.world.look(&wants).await;
        let resync = self.desired().policy.controller.resync.get();
        let looked = self.looked.as_ref();
        observed.away = looked.and_then(|looked| looked.away(&observed.at.boot, observed.awake, resync));
        observed.work = self.work.observe(self.desired());
        observed.gt = self.work.gt();
        let now = observed.at.clone();
        let decide = |observed: &Observed| plan(self.desired(), observed, self.ledger(), self.options, &now);
        let first = decide(&observed);
        let plan = match &observed.server {
            Seen::Known(server @ (Server::Up(_) | Server::Down))
                if first.search || self.is_unsearched(&first) =>
            {
                observed.orphans = Some(self.world.search(&wants, server));
                decide(&observed)
            }
            _ => first,
        };
        Pass { observed, plan }
    }

    /// Looks and plans; if tmux has not told yet how something ended, it is poked and looked at once more. Half of the death notices get
    /// lost in tmux before 3.6, until another child of the server ends: a SIGCHLD heals it.
    ///
    /// Before that it looks at what freezes the town: who is stopping it this very moment must not be fought.
    pub async fn look_well(&mut self) -> Pass {
        self.config.reread_stops(self.world.disk());
        let pass = self.look_twice(LastWords::OfTold).await;
        let is_untold =
            |verdict: &Verdict| matches!(verdict.state, State::Ending | State::Dead { exit: None, .. });
        let Seen::Known(Server::Up(server)) = &pass.observed.server else { return pass };
        if !pass.plan.verdicts.iter().any(is_untold) {
            return pass;
        }
        self.world.poke(server.id).await;
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
        wants.endings = ledger.endings.values().map(|ending| ending.life.clone()).collect();
        wants
    }

    /// Reads the files again. Wrong ones leave the last good reading in force (law 11).
    pub fn reread(&mut self) {
        let now = self.world.now();
        let aim = |desired: &Desired| (desired.socket.clone(), desired.policy.controller.tmux_timeout);
        let before = aim(self.desired());
        let ended = self.desired().policy.orphans.end;
        let text = self.config.reread(self.world.disk(), self.memory.ledger(), &now);
        self.work.follow(self.world.disk(), &self.config.root, &self.config.files);
        let after = aim(self.desired());
        if after != before {
            self.world = self.world.at(&after.0, after.1.get());
        }
        if self.desired().policy.orphans.end != ended {
            // Who is to be ended from now on may be there already.
            self.searched = None;
        }
        let event = text.map(|text| Event::of_town(now.wall, Kind::Config, text));
        self.news.tell(self.world.disk(), event.as_slice());
    }

    /// Learns from a look: which lives there are, which server, which files. Tells what is new, and writes the ledger if it changed.
    pub fn learn(&mut self, pass: &Pass) {
        self.learn_for_now(pass);
        self.memory.save(self.world.disk());
    }

    /// Learns from a look before its steps are prepared: [`commit`](Self::commit) writes the ledger, once for both.
    pub fn learn_before_commit(&mut self, pass: &Pass) {
        self.learn_for_now(pass);
        // One that could not be read is read again before anything is added to it.
        if self.ledger().trouble.is_some() {
            self.memory.save(self.world.disk());
        }
    }

    /// Learns from a look. What is learnt is lost with this process unless it is written.
    fn learn_for_now(&mut self, pass: &Pass) {
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
        self.learn_of_orphans(pass);
        self.hear(pass);
        self.drop_void_requests(pass);
        let endings = endings(&self.config.desired, &pass.observed, self.memory.ledger(), now);
        if self.memory.volatile().remember_endings(endings) {
            self.memory.lasting();
        }
        self.learn_of_polecats(pass);
        if openings::any_is_over(self.ledger(), pass) {
            openings::end(self.memory.lasting(), pass);
        }
        let stops =
            pass.plan.steps().any(|(_, step)| matches!(step.action, Action::Kill(_) | Action::Reap(_)));
        // What was told to end and has not is still being stopped.
        let stops = stops || self.ledger().lingering.values().flatten().any(|one| one.term.is_some());
        let is_seen = |verdict: &Verdict| {
            !verdict.because.is_unknown() && !matches!(verdict.state, State::Adoptable(_) | State::Unknown(_))
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
            let begins = step.action.launch().is_some() || matches!(step.action, Action::Adopt(_));
            let is_blind = pass.plan.search && begins;
            step.gate == Gate::Ready && !is_blind && wanted(&verdict.address, &step.action)
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
                let is_told =
                    matches!(action, Action::Nudge { .. } | Action::Reap(_) | Action::Notify { .. });
                action.launch().is_some() || is_told
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
            self.search_again_for(&order.address);
            self.news.acted_on(&order.address);
        }
        self.news.tell(self.world.disk(), &events);
        orders
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
