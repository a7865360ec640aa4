//! `gtctl controller`: keeps a town for ever. Everything that happens outside is one of a few [`Wake`]s, and each leads to the same thing: a
//! pass. What woke it is never used to decide anything.

use std::collections::HashMap;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{Id, JoinSet};

use super::ear::Ear;
use super::lifecycle::DaemonFiles;
use super::lock::TownLock;
use super::reconciler::{Pass, Reconciler};
use super::requests;
use super::rhythm::Rhythm;
use super::socket::{Answer, Asked, ControlSocket, Request, Status};
use super::watch::Watch;
use crate::act::{Do, Order, Outcome};
use crate::machine::Machine;
use crate::model::Why;
use crate::observed::host::Host;
use crate::report::events::{Event, Kind};
use crate::report::{json, text, words};

/// What woke the controller.
enum Wake {
    /// Something may have happened: look.
    Look,
    /// The files may have changed: read them, then look.
    Read,
    /// An action has come to something.
    Outcome,
    /// Somebody asked something that changes nothing.
    Answered,
    /// It is to end.
    Leave(&'static str),
}

struct Controller<M: Machine> {
    reconciler: Reconciler<Host<M>>,
    under_way: JoinSet<Outcome>,
    orders: HashMap<Id, Order>,
    ear: Ear<M>,
    watch: Option<Watch>,
    daemon_files: DaemonFiles,
    status: Status,
    rhythm: Rhythm,
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
pub async fn run<M: Machine>(reconciler: Reconciler<Host<M>>, lock: &TownLock) -> std::io::Result<()> {
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
    let socket = ControlSocket::listen(&root, to);
    if let Err(error) = &socket {
        tracing::warn!(%error, "the control socket cannot be opened; reset-backoff and approve need it");
    }
    let daemon_files = DaemonFiles::create(&root)?;
    let status = Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: jiff::Timestamp::now(),
        passes: 0,
        last_pass: None,
        last_pass_ms: 0,
        next_look: None,
        config_wrong_since: None,
        config_wrong: None,
        server: String::new(),
        objects: Vec::new(),
    };
    let rhythm = Rhythm::new(reconciler.now());
    let ear = Ear::new(reconciler.world.machine.clone(), heard);
    let controller = Controller {
        reconciler,
        under_way: JoinSet::new(),
        orders: HashMap::new(),
        ear,
        watch,
        daemon_files,
        status,
        rhythm,
    };
    controller.keep(outside, lock).await;
    drop(socket);
    Ok(())
}

impl<M: Machine> Controller<M> {
    async fn keep(mut self, mut outside: Outside, lock: &TownLock) {
        let text = format!("controller {} started, version {}", self.status.pid, self.status.version);
        self.reconciler.tell(Event::of_town(self.status.started, Kind::Controller, text));
        let mut pass = self.pass().await;
        self.beat();
        loop {
            let resync = self.reconciler.desired().policy.controller.resync.get();
            let pause = self.rhythm.pause(&pass, &self.reconciler.now(), resync);
            self.status.next_look = jiff::SignedDuration::try_from(pause)
                .ok()
                .and_then(|pause| jiff::Timestamp::now().checked_add(pause).ok());
            let mut resynced = false;
            let wake = tokio::select! {
                Some(joined) = self.under_way.join_next_with_id() => self.note(joined),
                Some(()) = outside.deaths.recv() => Wake::Look,
                Some(()) = outside.files.recv() => Wake::Read,
                Some(asked) = outside.asked.recv() => self.answer(asked, &pass),
                _ = outside.term.recv() => Wake::Leave("TERM"),
                _ = outside.int.recv() => Wake::Leave("INT"),
                _ = outside.hup.recv() => Wake::Read,
                _ = outside.usr1.recv() => Wake::Read,
                () = tokio::time::sleep(pause) => {
                    resynced = self.rhythm.is_resync(&self.reconciler.now(), resync);
                    if resynced { Wake::Read } else { Wake::Look }
                }
            };
            if matches!(wake, Wake::Read) && !lock.still_holds() {
                return self.leave("the loss of its lock file, which somebody has removed");
            }
            // One pass answers everything that has happened so far.
            while outside.deaths.try_recv().is_ok() {}
            match wake {
                Wake::Leave(signal) => return self.leave(signal),
                Wake::Read => {
                    while outside.files.try_recv().is_ok() {}
                    self.read();
                }
                Wake::Answered => continue,
                Wake::Look | Wake::Outcome => {}
            }
            pass = self.pass().await;
            if resynced {
                self.beat();
            }
        }
    }

    /// Look, learn, act, listen.
    async fn pass(&mut self) -> Pass {
        let begun = Instant::now();
        let pass = self.reconciler.look_well().await;
        self.reconciler.learn(&pass);
        for order in self.reconciler.commit(&pass, |_, _| true) {
            let (world, own) = (self.reconciler.world.clone(), order.clone());
            let handle = self.under_way.spawn(async move { world.carry_out(&own).await });
            self.orders.insert(handle.id(), order);
        }
        // While tmux cannot be seen, what was heard of before goes on being heard.
        if self.rhythm.saw(&pass) {
            self.ear.listen(&Reconciler::<Host<M>>::listen_to(&pass), pass.observed.at.since_boot);
        }
        self.status.passes += 1;
        self.status.last_pass = Some(jiff::Timestamp::now());
        self.status.last_pass_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        pass
    }

    fn note(&mut self, joined: Result<(Id, Outcome), tokio::task::JoinError>) -> Wake {
        let (id, outcome) = match joined {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Outcome::Failed(Why::new(format!("gtctl itself failed: {error}")))),
        };
        if let Some(order) = self.orders.remove(&id) {
            self.reconciler.note(&order, &outcome);
        }
        Wake::Outcome
    }

    fn read(&mut self) {
        self.reconciler.reread();
        if let Some(watch) = &mut self.watch {
            watch.extend(&self.reconciler.files().rig_names());
        }
        let trouble = self.reconciler.trouble();
        self.status.config_wrong_since = trouble.map(|trouble| trouble.since.wall);
        self.status.config_wrong = trouble.map(|trouble| words::first_line(&trouble.diagnostics));
    }

    fn answer(&mut self, (request, to): Asked, pass: &Pass) -> Wake {
        let answer = match request {
            Request::Status => Answer::Status(Status {
                server: text::server(&pass.observed),
                objects: json::objects(&pass.plan, self.reconciler.ledger(), &pass.observed.at, None),
                ..self.status.clone()
            }),
            Request::Look => Answer::Done { objects: Vec::new() },
            Request::Change(change) => match requests::apply(&mut self.reconciler, &change) {
                Ok(objects) => Answer::Done { objects },
                Err(why) => Answer::Invalid { why },
            },
        };
        let wake = match &answer {
            Answer::Done { .. } => Wake::Read,
            Answer::Status(_) | Answer::Invalid { .. } => Wake::Answered,
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

    /// Leaving is a no-op for the agents (law 6): nothing is stopped, and what is under way is seen by the next look of whoever comes.
    fn leave(self, signal: &str) {
        let text = format!("controller {} ended by {signal}; the agents live on", self.status.pid);
        self.reconciler.tell(Event::of_town(jiff::Timestamp::now(), Kind::Controller, text));
    }
}
