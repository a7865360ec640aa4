//! One town being kept: files, ledger, look, plan, act, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::act::{Do, Order, Outcome};
use crate::desired::{Desired, desire};
use crate::ledger::{self, FileSeen, Ledger, ServerSeen, StoreError};
use crate::model::{Address, Incarnation, IncarnationId, ProcessId, Reason, Seen, Stamp, Why};
use crate::observed::tmux::Socket;
use crate::observed::{Look, Observed, Server, Wants};
use crate::plan::{Action, Decision, Gate, Options, Plan, State, plan};
use crate::report::events::{Event, EventLog, Kind};
use crate::report::words;
use crate::town::TownRoot;
use crate::town::diagnostic::Diagnostic;
use crate::town::files::stops::read_stops;
use crate::town::files::{TownFiles, read_all};

/// Everything outside: an eye and a hand for one tmux server.
pub trait World: Look + Do + Clone + Send + Sync + 'static {
    /// The world with this tmux server in it.
    fn at(socket: &Socket, timeout: Duration) -> Self;
}

impl World for crate::observed::host::Host {
    fn at(socket: &Socket, timeout: Duration) -> Self {
        Self::new(crate::observed::tmux::Tmux::new(socket.clone(), timeout))
    }
}

/// Files whose absence, once they were there, is not an instruction (law 11). A wisp file may go: gt documents that as unparking.
const FILES_NOT_TO_GO: &[&str] = &["town.toml", "mayor/rigs.json", "mayor/daemon.json"];

/// How long tmux gets to collect its children after a poke.
const AFTER_POKE: Duration = Duration::from_millis(5);

/// What was last told of an object that runs.
const RUNNING: &str = "running";

/// What was last told of a server that was lost.
const LOST: &str = "lost";

/// The files are wrong, and an earlier reading of them is in force.
#[derive(Debug, Clone)]
pub struct ConfigTrouble {
    /// Since when.
    pub since: Stamp,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Why a town cannot be kept at all.
#[derive(Debug)]
pub enum OpenError {
    /// Its files are wrong, and there is no earlier reading of them.
    Config(Vec<Diagnostic>),
}

/// What one pass saw and decided.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What was seen.
    pub observed: Observed,
    /// What follows.
    pub plan: Plan,
}

/// One town being kept.
pub struct Reconciler<W> {
    /// Eye and hand.
    pub world: W,
    root: TownRoot,
    files: TownFiles,
    desired: Desired,
    trouble: Option<ConfigTrouble>,
    ledger: Ledger,
    /// A ledger that could not be read is never written over.
    ledger_readable: bool,
    unsaved: bool,
    events: EventLog,
    said: BTreeMap<Address, String>,
    said_refusal: Option<String>,
    said_server: String,
    options: Options,
}

impl<W: World> Reconciler<W> {
    /// Reads the files and the ledger. Without valid files nothing is kept: there is no earlier reading to fall back on.
    pub fn open(root: TownRoot, options: Options) -> Result<Self, OpenError> {
        let (ledger, ledger_readable) = match ledger::load(&root.gtctl_dir()) {
            Ok(ledger) => (ledger, true),
            Err(error) => (Ledger { trouble: Some(why(&error)), ..Ledger::default() }, false),
        };
        let (files, desired) = read(&root, &ledger).map_err(OpenError::Config)?;
        let world = W::at(&desired.socket, desired.policy.controller.tmux_timeout.get());
        let events = EventLog::new(&root.gtctl_dir());
        Ok(Self {
            world,
            root,
            files,
            desired,
            trouble: None,
            ledger,
            ledger_readable,
            unsaved: false,
            events,
            said: BTreeMap::new(),
            said_refusal: None,
            said_server: String::new(),
            options,
        })
    }

    /// The graph in force.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The files in force.
    pub fn files(&self) -> &TownFiles {
        &self.files
    }

    /// The town.
    pub fn root(&self) -> &TownRoot {
        &self.root
    }

    /// The memory.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is wrong with the files, if an earlier reading is in force.
    pub fn trouble(&self) -> Option<&ConfigTrouble> {
        self.trouble.as_ref()
    }

    /// Looks and plans. No side effects: this is all that a dry run does (law 7).
    pub async fn look(&self) -> Pass {
        let observed = self.world.look(&self.wants()).await;
        let now = observed.at.clone();
        let plan = plan(&self.desired, &observed, &self.ledger, self.options, &now);
        Pass { observed, plan }
    }

    /// Looks and plans; if tmux has not told yet how something ended, it is poked and looked at once more. Half of the death notices get
    /// lost in tmux before 3.6, until another child of the server ends: a SIGCHLD heals it.
    ///
    /// Before that it looks at what freezes the town: somebody may be stopping it this very moment, and must not be fought.
    pub async fn look_well(&mut self) -> Pass {
        self.reread_stops();
        let pass = self.look().await;
        let untold = pass
            .plan
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict.state, State::Ending | State::Dead { exit: None, .. }));
        let Seen::Known(Server::Up(server)) = &pass.observed.server else { return pass };
        if !untold || crate::act::processes::signal(server.id, rustix::process::Signal::CHILD).is_err() {
            return pass;
        }
        tokio::time::sleep(AFTER_POKE).await;
        self.look().await
    }

    fn wants(&self) -> Wants {
        let past = self
            .ledger
            .objects
            .iter()
            .filter_map(|(address, record)| Some((address.clone(), record.incarnation.as_ref()?.process)))
            .collect();
        let server = self.ledger.server.as_ref().map(|server| (server.process, server.socket.clone()));
        self.desired.wants(past, server)
    }

    /// Reads the files again. Wrong ones leave the last good reading in force (law 11).
    pub fn reread(&mut self) {
        let now = &self.world.now();
        match read(&self.root, &self.ledger) {
            Ok((files, desired)) => {
                let controller = &desired.policy.controller;
                if desired.socket != self.desired.socket
                    || controller.tmux_timeout != self.desired.policy.controller.tmux_timeout
                {
                    self.world = W::at(&desired.socket, controller.tmux_timeout.get());
                }
                (self.files, self.desired) = (files, desired);
                if self.trouble.take().is_some() {
                    self.tell(&[Event::of_town(
                        now.wall,
                        Kind::Config,
                        "the files are right again and in force",
                    )]);
                }
            }
            Err(diagnostics) => {
                let first = words::first_line(&diagnostics);
                let changed = self
                    .trouble
                    .as_ref()
                    .is_none_or(|trouble| words::first_line(&trouble.diagnostics) != first);
                let since = self.trouble.take().map_or_else(|| now.clone(), |trouble| trouble.since);
                self.trouble = Some(ConfigTrouble { since, diagnostics });
                if changed {
                    let text =
                        format!("the files are wrong, their last good reading stays in force: {first}");
                    tracing::warn!("{text}");
                    self.tell(&[Event::of_town(now.wall, Kind::Config, text)]);
                }
            }
        }
    }

    /// Reads ESTOP and gt's shutdown lock again, without the other files.
    fn reread_stops(&mut self) {
        let stops = read_stops(self.root.path(), &self.files.wisps.keys().cloned().collect());
        if stops == self.files.stops {
            return;
        }
        let files = TownFiles { stops, ..self.files.clone() };
        // The other files are the same, so what was a graph before is one now.
        if let Ok(desired) = desire(&files) {
            (self.files, self.desired) = (files, desired);
        }
    }

    /// Learns from a look: which lives there are, which server, what changed. Writes the ledger and the event log if there is news.
    pub fn learn(&mut self, pass: &Pass) {
        let now = pass.observed.at.clone();
        let mut news = self.learn_server(pass);
        let alive: Vec<(Address, Incarnation, Duration)> = pass
            .plan
            .verdicts
            .iter()
            .filter_map(|verdict| {
                let alive = verdict.state.alive()?;
                Some((verdict.address.clone(), alive.incarnation.clone()?, alive.lived))
            })
            .collect();
        let change = self.ledger.track(&alive, &self.desired.policy, &now);
        self.unsaved |= change.changed;
        let tmux_answers = matches!(&pass.observed.server, Seen::Known(Server::Up(_) | Server::Down));
        news.extend(self.changes(&pass.plan, &now, tmux_answers));
        self.learn_files(&now);
        self.save();
        self.tell(&news);
    }

    /// What is told of the tmux server: one event when it is lost, not one for each agent; one when it cannot be seen, one when it can again.
    fn server_news(&mut self, pass: &Pass) -> Vec<Event> {
        let lost: Vec<Address> = pass
            .plan
            .verdicts
            .iter()
            .filter(|verdict| verdict.state == State::ServerLost)
            .map(|verdict| verdict.address.clone())
            .collect();
        let state = match &pass.observed.server {
            Seen::Known(Server::Up(_) | Server::Down) if lost.is_empty() => String::new(),
            Seen::Known(Server::Up(_) | Server::Down) => LOST.to_owned(),
            Seen::Known(Server::SocketLost { pid }) => {
                words::reason(&Reason::SocketLost { pid: *pid }, &pass.observed.at)
            }
            Seen::Unknown(why) => format!("tmux cannot be seen, so nothing is done: {why}"),
        };
        if self.said_server == state {
            return Vec::new();
        }
        let text = match (state.as_str(), self.said_server.as_str()) {
            ("", LOST) => None,
            ("", _) => Some("tmux can be seen again".to_owned()),
            (LOST, _) => Some(format!("server lost, {} agents: {}", lost.len(), words::list(&lost))),
            (text, _) => Some(text.to_owned()),
        };
        self.said_server = state;
        text.map(|text| Event::of_town(pass.observed.at.wall, Kind::Server, text)).into_iter().collect()
    }

    fn learn_server(&mut self, pass: &Pass) -> Vec<Event> {
        let news = self.server_news(pass);
        let Seen::Known(Server::Up(server)) = &pass.observed.server else { return news };
        let seen = ServerSeen { process: server.id, socket: pass.observed.socket.clone() };
        let moved = self.ledger.server.as_ref().is_some_and(|known| known.socket != seen.socket);
        if moved && !matches!(pass.observed.past_server, Some(Seen::Known(false))) {
            // The agents are still in the recorded one; forgetting it would double them.
            return news;
        }
        self.unsaved |= self.ledger.track_server(seen);
        news
    }

    /// Events for what is held, or runs, and was not at the last look.
    fn changes(&mut self, plan: &Plan, now: &Stamp, tmux_answers: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for verdict in &plan.verdicts {
            let key = match &verdict.decision {
                Decision::Step(_) => continue,
                Decision::Held if verdict.is_off_by_default() => continue,
                Decision::Held => verdict.because.code().to_owned(),
                Decision::Nothing
                    if matches!(verdict.because, Reason::InFlight | Reason::Starting { .. }) =>
                {
                    continue;
                }
                Decision::Nothing => RUNNING.to_owned(),
            };
            // One event tells of the server what would else be told of every object in it.
            if !tmux_answers && verdict.because.is_unknown() {
                continue;
            }
            let before = self.said.insert(verdict.address.clone(), key.clone());
            match (before.as_deref(), key.as_str()) {
                (Some(before), key) if before == key => {}
                // Running is news only for what was held before; a start tells of itself.
                (None, RUNNING) => {}
                (_, RUNNING) => events.push(words::event_of_verdict(verdict, Kind::Running, now)),
                _ => events.push(words::event_of_verdict(verdict, Kind::Held, now)),
            }
        }
        let refusal = plan.refusal.as_ref().map(|refusal| refusal.id.clone());
        if self.said_refusal != refusal {
            if let Some(refusal) = &plan.refusal {
                let text = words::refusal(refusal);
                tracing::warn!("{text}");
                events.push(Event::of_town(now.wall, Kind::Refusal, text));
            }
            self.said_refusal = refusal;
        }
        events
    }

    fn learn_files(&mut self, now: &Stamp) {
        if self.trouble.is_some() {
            return;
        }
        let there: BTreeSet<&str> = present(&self.files);
        for file in FILES_NOT_TO_GO {
            if there.contains(file) && !self.ledger.files.contains_key(*file) {
                self.ledger.files.insert((*file).to_owned(), FileSeen { since: now.clone() });
                self.unsaved = true;
            }
        }
    }

    /// Prepares the steps whose turn it is and that `wanted` lets through: records their starts on disk, then hands out the orders. If the
    /// disk does not take it, no start is handed out: what cannot be remembered is not started.
    pub fn commit(&mut self, pass: &Pass, wanted: impl Fn(&Address, &Action) -> bool) -> Vec<Order> {
        let now = &pass.observed.at;
        let mut orders = Vec::new();
        let mut events = Vec::new();
        for (verdict, step) in pass.plan.steps() {
            if step.gate != Gate::Ready || !wanted(&verdict.address, &step.action) {
                continue;
            }
            let order = self.order(&verdict.address, &step.action);
            if let (Some(launch), Some(spec)) = (step.action.launch(), order.spec()) {
                // 53 bits make a fraction between 0 and 1.
                let chance =
                    f64::from(u32::try_from(self.world.draw() >> 32).unwrap_or(0)) / f64::from(u32::MAX);
                self.ledger.strike(&verdict.address, launch.cause, &spec, &self.desired.policy, now, chance);
                self.unsaved = true;
            }
            if let Action::Nudge { text, .. } = &step.action {
                self.ledger.nudges.retain(|nudge| nudge.address != verdict.address || nudge.text != *text);
                self.unsaved = true;
            }
            if matches!(step.action, Action::Kill(_)) && !self.ledger.approvals.is_empty() {
                // An approval holds for one pass and exactly its stops.
                self.ledger.approvals.clear();
                self.unsaved = true;
            }
            events.push(words::event_of_step(verdict, step, &order, now));
            orders.push(order);
        }
        if !self.save() {
            orders.retain(|order| order.action.launch().is_none());
            events.retain(|event| !matches!(event.action.as_deref(), Some("start" | "restart")));
        }
        for order in &orders {
            self.ledger.in_flight.insert(order.address.clone());
            // Whatever it becomes afterwards is news.
            self.said.remove(&order.address);
        }
        self.tell(&events);
        orders
    }

    fn order(&self, address: &Address, action: &Action) -> Order {
        let controller = &self.desired.policy.controller;
        let hex = format!("{:016x}", self.world.draw());
        Order {
            address: address.clone(),
            action: action.clone(),
            town: self.desired.town.clone(),
            recipe: self.desired.objects.get(address).map(|object| object.recipe.clone()),
            // Sixteen hex digits are more than twelve.
            incarnation: IncarnationId::from_hex(&hex).unwrap_or_else(|| unreachable!("16 hex digits")),
            settle: controller.settle.get(),
            stop_timeout: controller.stop_timeout.get(),
        }
    }

    /// Learns what came of an order.
    pub fn note(&mut self, order: &Order, outcome: &Outcome) {
        let now = &self.world.now();
        self.ledger.in_flight.remove(&order.address);
        if let Outcome::Done(Some(incarnation)) = outcome {
            let record = self.ledger.objects.entry(order.address.clone()).or_default();
            record.incarnation = Some(incarnation.as_ref().clone());
            record.since = Some(now.clone());
            self.unsaved = true;
        }
        if let (Outcome::Done(_), Action::Kill(_)) = (outcome, &order.action) {
            // Stopped on purpose and seen gone: nothing of it is left to look for, and nothing counts against it.
            self.ledger.objects.remove(&order.address);
            self.unsaved = true;
        }
        if let (Outcome::Done(_), Some(_)) = (outcome, order.action.launch()) {
            self.said.insert(order.address.clone(), RUNNING.to_owned());
        }
        self.save();
        self.tell(&[words::event_of_outcome(order, outcome, now)]);
    }

    /// Forgets the restarts of these objects; those that had any.
    pub fn reset_backoff(&mut self, addresses: &[Address]) -> Vec<Address> {
        let reset: Vec<Address> =
            addresses.iter().filter(|address| self.ledger.reset(address)).cloned().collect();
        self.unsaved |= !reset.is_empty();
        self.save();
        reset
    }

    /// Lifts a refusal for one pass.
    pub fn approve(&mut self, id: &str) {
        self.ledger.approvals.insert(id.to_owned());
        self.unsaved = true;
        self.save();
    }

    /// Stops missing a file that was removed on purpose.
    pub fn forget_file(&mut self, file: &str) {
        self.unsaved |= self.ledger.files.remove(file).is_some();
        self.save();
    }

    /// The processes whose end is news.
    pub fn listen_to(pass: &Pass) -> BTreeSet<ProcessId> {
        let server = match &pass.observed.server {
            Seen::Known(Server::Up(server)) => Some(server.id),
            Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => None,
        };
        let agents = pass.plan.verdicts.iter().filter_map(|verdict| match &verdict.state {
            State::Running(alive) | State::Starting(alive) | State::BareShell(alive) => alive.fence.process(),
            State::Detached { process, .. } => Some(*process),
            _ => None,
        });
        agents.chain(server).collect()
    }

    /// Writes the ledger if it has changed; false if the disk does not take it.
    fn save(&mut self) -> bool {
        if !self.ledger_readable {
            return false;
        }
        if !self.unsaved && self.ledger.trouble.is_none() {
            return true;
        }
        match ledger::save(&self.root.gtctl_dir(), &self.ledger) {
            Ok(()) => {
                self.unsaved = false;
                self.ledger.trouble = None;
                true
            }
            Err(error) => {
                let why = why(&error);
                if self.ledger.trouble.as_ref() != Some(&why) {
                    tracing::error!("{why}; nothing is started until it can be");
                }
                self.ledger.trouble = Some(why);
                false
            }
        }
    }

    /// Appends to the event log, and to the program's own log.
    pub fn tell(&self, events: &[Event]) {
        for event in events {
            tracing::info!("{}", words::event_line(event));
        }
        if let Err(error) = self.events.append(events) {
            tracing::warn!(%error, "the event log cannot be written");
        }
    }
}

/// Reads all files and makes the graph, or tells all that is wrong.
fn read(root: &TownRoot, ledger: &Ledger) -> Result<(TownFiles, Desired), Vec<Diagnostic>> {
    let files = read_all(root)?;
    let there = present(&files);
    let gone: Vec<Diagnostic> = FILES_NOT_TO_GO
        .iter()
        .filter(|file| !there.contains(**file))
        .filter_map(|file| Some((file, ledger.files.get(*file)?)))
        .map(|(file, seen)| words::missing_file(file, seen))
        .collect();
    if !gone.is_empty() {
        return Err(gone);
    }
    let desired = desire(&files)?;
    Ok((files, desired))
}

fn present(files: &TownFiles) -> BTreeSet<&'static str> {
    let mut there = BTreeSet::new();
    if files.town.is_some() {
        there.insert("town.toml");
    }
    if files.rigs.is_some() {
        there.insert("mayor/rigs.json");
    }
    if files.daemon.is_some() {
        there.insert("mayor/daemon.json");
    }
    there
}

fn why(error: &StoreError) -> Why {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Why::new(format!("{error}{cause}"))
}
