//! `gtctl controller`: keeps a town for ever. Everything that happens outside is one of a few [`Wake`]s, and each leads to the same thing: a
//! pass. What woke it is never used to decide anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{Id, JoinSet};

use super::asking::{self, Answered};
use super::beads::Due;
use super::boot::BootStatus;
use super::cost::Used;
use super::ear::Ear;
use super::heart::{Heart, round_max};
use super::lifecycle::DaemonFiles;
use super::lock::TownLock;
use super::mail::{self, Came, Mail};
use super::parts::{self, Parts, Settings};
use super::reconciler::{Pass, Reconciler};
use super::requests;
use super::rhythm::Rhythm;
use super::socket::{Answer, Asked, ControlSocket, Reloaded, Request, Status};
use super::supervisor::{self, Watchdog};
use super::transport;
use super::watch::Watch;
use super::work::{self, WorkAsking};
use crate::act::{Do, Order, Outcome};
use crate::machine::Machine;
use crate::model::Why;
use crate::observed::host::Host;
use crate::report::events::{Event, Kind};
use crate::report::{changes, json, text, words};

/// What woke the controller.
enum Wake {
    /// Something may have happened: look.
    Look,
    /// The files may have changed: read them, then look.
    Read,
    /// An action has come to something.
    Outcome,
    /// Somebody asked something after which there is nothing to look at.
    Answered,
    /// It is to end.
    Leave(&'static str),
}

/// The longest rest between two passes that something was heard for.
const REST_MAX: Duration = Duration::from_millis(100);

/// How long tmux gets to let go of the controller's client.
const FAREWELL: Duration = Duration::from_secs(2);

/// What was heard, before anything follows from it.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
enum Heard {
    /// What came of an action.
    Outcome(Result<(Id, Outcome), tokio::task::JoinError>),
    /// What came of a question about a bead.
    Bead(Result<Answered, tokio::task::JoinError>),
    /// What came of a look at the mail.
    Mail(Came),
    /// What came of a question about the work of polecats.
    Work(work::Came),
    /// Somebody asks something.
    Asked(Asked),
    /// Anything else.
    Wake(Wake),
}

/// How a controller left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It was told to.
    Asked,
    /// Its lock is no lock any more.
    LockLost,
}

struct Controller<M: Machine> {
    reconciler: Reconciler<Host<M>>,
    under_way: JoinSet<Outcome>,
    orders: HashMap<Id, Order>,
    /// The question about a bead that is under way, at most one.
    asking: JoinSet<Answered>,
    asked: Option<Due>,
    mail: Mail,
    work: WorkAsking,
    ear: Ear<M>,
    watch: Option<Watch>,
    parts: Parts,
    daemon_files: DaemonFiles,
    boot: BootStatus,
    heart: Arc<Heart>,
    rhythm: Rhythm,
    /// When the next pass may be, if it is for something that was heard: after a long one there is a rest as long.
    rested: Instant,
}

/// Everything that can wake it, besides its own actions.
struct Outside {
    deaths: UnboundedReceiver<()>,
    files: UnboundedReceiver<()>,
    asked: UnboundedReceiver<Asked>,
    term: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
}

/// Runs until it is told to end, or the lock is no lock any more.
pub async fn run<M: Machine>(reconciler: Reconciler<Host<M>>, lock: &TownLock) -> std::io::Result<Left> {
    let root = reconciler.root().clone();
    let (heard, deaths) = unbounded_channel();
    let (changed, files) = unbounded_channel();
    let (to, asked) = unbounded_channel();
    let debounce = reconciler.desired().policy.controller.debounce.get();
    let watch = match Watch::new(&root, &reconciler.files().rig_names(), debounce, changed) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched; changes wait for the resync");
            None
        }
    };
    let outside = Outside {
        deaths,
        files,
        asked,
        term: signal(SignalKind::terminate())?,
        int: signal(SignalKind::interrupt())?,
        hup: signal(SignalKind::hangup())?,
        usr1: signal(SignalKind::user_defined1())?,
    };
    let slack = round_max(reconciler.desired().policy.controller.tmux_timeout);
    let heart = Arc::new(Heart::new(Status::starting(), slack));
    let socket = ControlSocket::listen(&root, to, heart.clone(), reconciler.world.machine.clone());
    if let Err(error) = &socket {
        tracing::warn!(%error, "the control socket cannot be opened; whatever asks the controller needs it");
    }
    let daemon_files = DaemonFiles::create(&root)?;
    let rhythm = Rhythm::new(reconciler.now());
    let settings = settings(&reconciler);
    let parts = Parts::start(&reconciler.world.machine, &root, settings);
    transport::begin(&reconciler.world.machine, reconciler.desired(), &heard);
    let ear = Ear::new(reconciler.world.machine.clone(), heard);
    let mut mail = Mail::new(&root);
    follow_mail(&mut mail, &reconciler);
    let controller = Controller {
        reconciler,
        under_way: JoinSet::new(),
        orders: HashMap::new(),
        asking: JoinSet::new(),
        asked: None,
        mail,
        work: WorkAsking::default(),
        ear,
        watch,
        parts,
        daemon_files,
        boot: BootStatus::new(&root),
        heart,
        rhythm,
        rested: Instant::now(),
    };
    let left = controller.keep(outside, lock).await;
    supervisor::stopping();
    if let (Left::LockLost, Ok(socket)) = (left, socket) {
        socket.abandon();
    }
    Ok(left)
}

impl<M: Machine> Controller<M> {
    async fn keep(mut self, mut outside: Outside, lock: &TownLock) -> Left {
        let Status { pid, version, started, .. } = self.heart.status();
        let text = format!("controller {pid} started, version {version}");
        self.reconciler.tell(Event::of_town(started, Kind::Controller, text));
        let mut pass = self.pass().await;
        self.beat();
        supervisor::ready();
        let _watchdog = Watchdog::begin(self.heart.clone());
        loop {
            let until_asked =
                [self.ask_for_a_bead(), self.ask_for_mail(), self.work.set_out(&self.reconciler)]
                    .into_iter()
                    .flatten()
                    .min();
            let resync = self.reconciler.desired().policy.controller.resync.get();
            let pause = self.rhythm.pause(&pass, &self.reconciler.now(), resync);
            self.heart.rest(pause, self.slack());
            let mut resynced = false;
            let heard = tokio::select! {
                Some(joined) = self.under_way.join_next_with_id() => Heard::Outcome(joined),
                Some(answered) = self.asking.join_next() => Heard::Bead(answered),
                Some(came) = self.mail.came() => Heard::Mail(came),
                Some(came) = self.work.came() => Heard::Work(came),
                () = parts::after(until_asked) => Heard::Wake(Wake::Answered),
                Some(()) = outside.deaths.recv() => Heard::Wake(Wake::Look),
                Some(()) = outside.files.recv() => Heard::Wake(Wake::Read),
                Some(asked) = outside.asked.recv() => Heard::Asked(asked),
                _ = outside.term.recv() => Heard::Wake(Wake::Leave("TERM")),
                _ = outside.int.recv() => Heard::Wake(Wake::Leave("INT")),
                _ = outside.hup.recv() => Heard::Wake(Wake::Read),
                _ = outside.usr1.recv() => {
                    self.mail.hurry();
                    Heard::Wake(Wake::Read)
                }
                () = tokio::time::sleep(pause) => {
                    resynced = self.rhythm.is_resync(&self.reconciler.now(), resync);
                    Heard::Wake(if resynced { Wake::Read } else { Wake::Look })
                }
            };
            self.wake();
            // Before anything follows from what was heard: by now somebody else may keep the town, and what is written would be theirs.
            if !lock.still_holds() {
                return self.lose();
            }
            let wake = match heard {
                Heard::Outcome(joined) => self.note(joined),
                Heard::Bead(answered) => self.hear(answered),
                Heard::Mail(came) => self.hear_mail(came, &pass),
                Heard::Work(came) => {
                    self.reconciler.hear_work(came);
                    Wake::Look
                }
                Heard::Asked(asked) => self.answer(asked, &pass),
                Heard::Wake(wake) => wake,
            };
            match wake {
                Wake::Leave(signal) => {
                    self.leave(signal).await;
                    return Left::Asked;
                }
                Wake::Read => {
                    while outside.files.try_recv().is_ok() {}
                    self.read();
                }
                Wake::Answered => continue,
                // Where passes take long, what comes with it is waited for: a pass for each of a thousand starts would take minutes.
                Wake::Look | Wake::Outcome => tokio::time::sleep_until(self.rested.into()).await,
            }
            // One pass answers everything that has happened so far. Nothing may be taken off here that no pass follows.
            while let Some(joined) = self.under_way.try_join_next_with_id() {
                self.note(joined);
            }
            while outside.deaths.try_recv().is_ok() {}
            pass = self.pass().await;
            if resynced {
                self.beat();
            }
        }
    }

    /// Look, learn, act, listen.
    async fn pass(&mut self) -> Pass {
        let begun = Used::now(&self.reconciler.world.machine);
        let mut pass = self.reconciler.look_well().await;
        self.reconciler.learn_before_commit(&pass);
        // Of so many deaths that the plan should have known of them.
        if self.reconciler.take_braked() {
            pass = self.reconciler.look_well().await;
            self.reconciler.learn_before_commit(&pass);
        }
        if let Err(error) = self.boot.follow(&pass) {
            tracing::warn!(%error, "boot's status cannot be written");
        }
        for order in self.reconciler.commit(&pass, |_, _| true) {
            if order.action.launch().is_some() {
                self.reconciler.hurry_bead(&order.address);
            }
            let (world, own) = (self.reconciler.world.clone(), order.clone());
            let handle = self.under_way.spawn(async move { world.carry_out(&own).await });
            self.orders.insert(handle.id(), order);
        }
        // They set out before anything else is done: what follows takes longer the more agents there are.
        tokio::task::yield_now().await;
        // While tmux cannot be seen, what was heard of before goes on being heard.
        if self.rhythm.saw(&pass) {
            self.ear.listen(&Reconciler::<Host<M>>::listen_to(&pass), pass.observed.at.since_boot);
        }
        let cost = begun.pass_until_now(&self.reconciler.world.machine);
        self.rested = Instant::now() + cost.took().min(REST_MAX);
        self.heart.passed(cost, text::server(&pass.observed));
        pass
    }

    /// From now on the loop is at work.
    fn wake(&self) {
        self.heart.wake(self.slack());
    }

    /// How long a round may take before it is late.
    fn slack(&self) -> Duration {
        round_max(self.reconciler.desired().policy.controller.tmux_timeout)
    }

    fn note(&mut self, joined: Result<(Id, Outcome), tokio::task::JoinError>) -> Wake {
        self.wake();
        let (id, outcome) = match joined {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Outcome::Failed(Why::new(format!("gtctl itself failed: {error}")))),
        };
        if let Some(order) = self.orders.remove(&id) {
            self.reconciler.note(&order, &outcome);
        }
        Wake::Outcome
    }

    /// Begins to ask about a bead if it is time for one and none is asked about; else, when it will be. It never delays a pass: passes go on
    /// with the last answer.
    fn ask_for_a_bead(&mut self) -> Option<Duration> {
        if !self.asking.is_empty() {
            return None;
        }
        if let Some(due) = self.reconciler.bead_due() {
            self.asked = Some(due.clone());
            self.asking.spawn(asking::ask(self.reconciler.world.machine.clone(), due));
            return None;
        }
        self.reconciler.until_bead_due()
    }

    fn hear(&mut self, joined: Result<Answered, tokio::task::JoinError>) -> Wake {
        let answered = asking::answered(joined, self.asked.take());
        match answered.is_some_and(|answered| self.reconciler.hear_bead(answered)) {
            true => Wake::Look,
            false => Wake::Answered,
        }
    }

    /// Has the deacon's mail read if it is time; else, when it will be. No pass waits for it.
    fn ask_for_mail(&mut self) -> Option<Duration> {
        if mail::is_frozen(self.reconciler.files()) {
            return None;
        }
        self.mail.set_out(&self.reconciler.world.machine, &self.reconciler.now())
    }

    fn hear_mail(&mut self, came: Came, pass: &Pass) -> Wake {
        match self.mail.hear(came, &mut self.reconciler, pass) {
            true => Wake::Look,
            false => Wake::Answered,
        }
    }

    fn read(&mut self) {
        self.reconciler.reread();
        transport::follow(&self.reconciler.world.machine, self.reconciler.desired());
        follow_mail(&mut self.mail, &self.reconciler);
        self.parts.follow(settings(&self.reconciler));
        if let Some(watch) = &mut self.watch {
            watch.extend(&self.reconciler.files().rig_names());
        }
        let trouble = self.reconciler.trouble();
        self.heart.tell(|status| {
            status.config_wrong_since = trouble.map(|trouble| trouble.since.wall);
            status.config_wrong = trouble.map(|trouble| words::first_line(&trouble.diagnostics));
        });
    }

    /// Reads the files because somebody wants to know what comes of it.
    fn reload(&mut self) -> Reloaded {
        let before = self.reconciler.desired().clone();
        self.read();
        let status = self.heart.status();
        Reloaded {
            changes: changes::between(&before, self.reconciler.desired()),
            wrong: status.config_wrong,
            wrong_since: status.config_wrong_since,
        }
    }

    fn answer(&mut self, (request, to): Asked, pass: &Pass) -> Wake {
        self.wake();
        // Whoever has given up may have asked again, or somebody else.
        if to.is_closed() {
            return Wake::Answered;
        }
        let answer = match request {
            Request::Status => Answer::Status(Status {
                objects: json::objects(&pass.plan, self.reconciler.ledger(), &pass.observed.at, None),
                ..self.heart.status()
            }),
            Request::Cost => Answer::Cost(self.heart.cost(&self.reconciler.world.machine)),
            Request::Reload => Answer::Reloaded(self.reload()),
            Request::Look => Answer::Done { objects: Vec::new() },
            Request::Change(change) => match requests::apply(&mut self.reconciler, &change) {
                Ok(objects) => Answer::Done { objects },
                Err(why) => Answer::Invalid { why },
            },
        };
        let wake = match &answer {
            Answer::Done { .. } => Wake::Read,
            Answer::Reloaded(_) => Wake::Look,
            Answer::Status(_) | Answer::Cost(_) | Answer::Invalid { .. } => Wake::Answered,
        };
        // Whoever asked may have gone away.
        let _ = to.send(answer);
        wake
    }

    fn beat(&mut self) {
        if let Err(error) = self.daemon_files.beat() {
            tracing::warn!(%error, "daemon/state.json cannot be written");
        }
    }

    /// Leaves a town that somebody else may keep by now: nothing of theirs is written or removed.
    fn lose(self) -> Left {
        tracing::error!(
            "daemon/daemon.lock is another file now, or gone: somebody has removed it; this controller leaves, the agents live on"
        );
        self.daemon_files.abandon();
        Left::LockLost
    }

    /// Leaving is a no-op for the agents (law 6): nothing is stopped, and what is under way is seen by the next look of whoever comes.
    async fn leave(self, signal: &str) {
        let text = format!("controller {} ended by {signal}; the agents live on", self.heart.status().pid);
        self.reconciler.tell(Event::of_town(jiff::Timestamp::now(), Kind::Controller, text));
        self.reconciler.world.machine.leave_client(&self.reconciler.desired().socket, FAREWELL).await;
    }
}

/// What the files say of what runs beside the loop.
fn settings<M: Machine>(reconciler: &Reconciler<Host<M>>) -> Settings {
    let disk = &reconciler.world.machine;
    Settings::of(disk, reconciler.root(), reconciler.files(), &reconciler.desired().policy)
}

/// Follows what the files say of the mail, and tells what is new.
fn follow_mail<M: Machine>(mail: &mut Mail, reconciler: &Reconciler<Host<M>>) {
    if let Some(text) = mail.follow(&reconciler.world.machine, reconciler.files()) {
        reconciler.tell(Event::of_town(reconciler.now().wall, Kind::Config, text));
    }
}
