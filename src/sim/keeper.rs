//! A controller in a simulated world: the same [`Reconciler`] and the same [`Rhythm`] as `gtctl controller`, stepped by hand.
//!
//! Each step polls one future once, so that anything can happen between any two things that a controller does.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::machine::{SimMachine, Wait};
use crate::act::{Do, Order, Outcome};
use crate::controller::requests::{self, Change};
use crate::controller::{Pass, Reconciler, Rhythm};
use crate::machine::{Machine, Socket};
use crate::model::{Address, ProcessId};
use crate::observed::host::Host;
use crate::plan::Options;
use crate::town::TownRoot;
use crate::town::diagnostic::Diagnostic;

/// What keeps a town in a simulated world.
pub type SimReconciler = Reconciler<Host<SimMachine>>;

type Looking = Pin<Box<dyn Future<Output = (SimReconciler, Pass)> + Send>>;
type Acting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A controller, between two steps.
pub struct Keeper {
    /// Its pid.
    pub pid: i32,
    /// Its handle on the world.
    pub machine: SimMachine,
    /// What woke it, if it is awake and has not looked yet.
    woken: Option<Wake>,
    state: State,
    /// What it carries out.
    tasks: Vec<Task>,
    /// The processes whose end it would hear.
    listening: BTreeSet<ProcessId>,
    rhythm: Rhythm,
    has_no_memory: bool,
    /// How many times it has read the files again.
    pub reads: u64,
    /// Passes so far.
    pub passes: u64,
    /// The last one.
    pub last: Option<Pass>,
}

/// Why a controller looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Something may have happened.
    Look,
    /// The files may have changed.
    Read,
}

enum State {
    Idle {
        reconciler: Box<SimReconciler>,
        until: Duration,
    },
    Looking {
        future: Looking,
        wait: Wait,
    },
    /// Only while it changes from one to the other.
    Between,
}

struct Task {
    order: Order,
    work: Work,
}

enum Work {
    Going {
        future: Acting,
        wait: Wait,
    },
    /// It has come to something, and the controller has not learned of it yet.
    Done(Outcome),
}

/// Something that a controller can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Begin to look, or go on looking.
    Look,
    /// Go on with what it carries out, by its place in the list.
    Act(usize),
}

/// What a step has come to.
pub enum Stepped {
    /// Nothing to tell.
    Nothing,
    /// A pass was completed, and these orders were given.
    Passed {
        /// What it is to do.
        orders: Vec<Order>,
    },
    /// An order has come to something.
    Ended {
        /// Which.
        order: Box<Order>,
        /// To what.
        outcome: Outcome,
    },
}

impl Keeper {
    /// Starts a controller, as `gtctl controller` does: with wrong files it does not run.
    pub fn start(machine: SimMachine, pid: i32, root: TownRoot) -> Result<Self, Vec<Diagnostic>> {
        // Which tmux server is meant, the files tell.
        let world = Host::new(machine.clone(), Socket::new("sim"), Duration::ZERO);
        let mut reconciler = Reconciler::open(&world, root, Options::default())?;
        reconciler.take_up();
        let rhythm = Rhythm::new(reconciler.now());
        let has_no_memory = reconciler.ledger().trouble.is_some();
        Ok(Self {
            has_no_memory,
            pid,
            machine,
            woken: Some(Wake::Look),
            state: State::Idle { reconciler: Box::new(reconciler), until: Duration::ZERO },
            tasks: Vec::new(),
            listening: BTreeSet::new(),
            rhythm,
            reads: 0,
            passes: 0,
            last: None,
        })
    }

    /// What it can do now.
    pub fn moves(&self) -> Vec<Move> {
        let shared = self.machine.shared();
        let mut moves = Vec::new();
        match &self.state {
            State::Idle { until, .. } => {
                let due = shared.world.clock.since_boot() >= *until;
                if due || self.woken.is_some() {
                    moves.push(Move::Look);
                }
            }
            State::Looking { wait, .. } if shared.is_over(wait) => moves.push(Move::Look),
            State::Looking { .. } | State::Between => {}
        }
        let is_idle = matches!(self.state, State::Idle { .. });
        let ready = self.tasks.iter().enumerate().filter(|(_, task)| match &task.work {
            Work::Going { wait, .. } => shared.is_over(wait),
            // It does one thing at a time: what it looks for comes first.
            Work::Done(_) => is_idle,
        });
        moves.extend(ready.map(|(index, _)| Move::Act(index)));
        moves
    }

    /// The next moment at which it can do something although nothing else happens.
    pub fn next_moment(&self) -> Option<Duration> {
        let of_wait = |wait: &Wait| match wait {
            Wait::Until { moment, .. } => Some(*moment),
            Wait::Nothing | Wait::Never => None,
        };
        let own = match &self.state {
            State::Idle { until, .. } => Some(*until),
            State::Looking { wait, .. } => of_wait(wait),
            State::Between => None,
        };
        let of_task = |task: &Task| match &task.work {
            Work::Going { wait, .. } => of_wait(wait),
            Work::Done(_) => None,
        };
        self.tasks.iter().filter_map(of_task).chain(own).min()
    }

    /// Whether it neither looks nor acts, and nothing has woken it.
    pub fn rests(&self) -> bool {
        matches!(self.state, State::Idle { .. }) && self.tasks.is_empty() && self.woken.is_none()
    }

    /// Whether its plan will be another one at some moment although nothing else changes.
    pub fn waits_for_a_moment(&self) -> bool {
        self.last.as_ref().is_some_and(|pass| pass.plan.wake.is_some())
    }

    /// Something wakes it.
    pub fn wake(&mut self, wake: Wake) {
        self.woken = self.woken.max(Some(wake));
    }

    /// Hears which processes have ended; `deaf` lets the notice get lost.
    pub fn hear(&mut self, deaf: impl FnOnce() -> bool) {
        let shared = self.machine.shared();
        let ended: Vec<ProcessId> =
            self.listening.iter().filter(|id| !shared.world.is_alive(**id)).copied().collect();
        drop(shared);
        if ended.is_empty() {
            return;
        }
        for id in &ended {
            self.listening.remove(id);
        }
        if !deaf() {
            self.wake(Wake::Look);
        }
    }

    /// What it carries out.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.tasks.iter().map(|task| &task.order)
    }

    /// The order behind a move.
    pub fn order(&self, step: Move) -> Option<&Order> {
        match step {
            Move::Look => None,
            Move::Act(index) => self.tasks.get(index).map(|task| &task.order),
        }
    }

    /// What it knows and wants, while it does not look.
    pub fn reconciler(&self) -> Option<&SimReconciler> {
        match &self.state {
            State::Idle { reconciler, .. } => Some(reconciler),
            State::Looking { .. } | State::Between => None,
        }
    }

    /// Whether it could not read its memory when it started; it starts nothing until it is started again.
    pub fn has_no_memory(&self) -> bool {
        self.has_no_memory
    }

    /// Whether the disk has what it knows.
    pub fn remembers(&self) -> bool {
        self.reconciler().is_some_and(|reconciler| reconciler.ledger().trouble.is_none())
    }

    /// Forgets the restarts of these objects, as `gtctl reset-backoff` asks.
    pub fn reset_backoff(&mut self, addresses: &[Address]) {
        if let State::Idle { reconciler, .. } = &mut self.state {
            let objects = addresses.to_vec();
            let _ = requests::apply(reconciler.as_mut(), &Change::ResetBackoff { objects });
            self.wake(Wake::Read);
        }
    }

    /// Lifts the refusal of its last plan, as `gtctl approve` does; whether there was one.
    pub fn approve(&mut self) -> bool {
        let refusal = self.last.as_ref().and_then(|pass| pass.plan.refusal.clone());
        let (State::Idle { reconciler, .. }, Some(refusal)) = (&mut self.state, refusal) else {
            return false;
        };
        let _ = requests::apply(reconciler.as_mut(), &Change::Approve { lives: refusal.lives });
        self.wake(Wake::Read);
        true
    }

    /// Makes one move.
    pub fn step(&mut self, step: Move) -> Stepped {
        match step {
            Move::Act(index) => self.act(index),
            Move::Look => self.look(),
        }
    }

    fn act(&mut self, index: usize) -> Stepped {
        let Some(task) = self.tasks.get_mut(index) else { return Stepped::Nothing };
        if let Work::Going { future, wait } = &mut task.work {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => *wait = std::mem::take(&mut self.machine.shared().waiting),
                Poll::Ready(outcome) => task.work = Work::Done(outcome),
            }
            return Stepped::Nothing;
        }
        let State::Idle { reconciler, .. } = &mut self.state else { return Stepped::Nothing };
        let Task { order, work: Work::Done(outcome) } = self.tasks.swap_remove(index) else {
            return Stepped::Nothing;
        };
        reconciler.note(&order, &outcome);
        self.wake(Wake::Look);
        Stepped::Ended { order: Box::new(order), outcome }
    }

    fn look(&mut self) -> Stepped {
        let (mut future, _) = match std::mem::replace(&mut self.state, State::Between) {
            State::Idle { mut reconciler, .. } => {
                let now = self.machine.now();
                let resync = reconciler.desired().policy.controller.resync.get();
                let due = self.woken.is_none() && self.rhythm.is_resync(&now, resync);
                if due || self.woken == Some(Wake::Read) {
                    reconciler.reread();
                    self.reads += 1;
                }
                self.woken = None;
                let look = async move {
                    let pass = reconciler.look_well().await;
                    (*reconciler, pass)
                };
                (Box::pin(look) as Looking, Wait::Nothing)
            }
            State::Looking { future, wait } => (future, wait),
            State::Between => return Stepped::Nothing,
        };
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {
                let wait = std::mem::take(&mut self.machine.shared().waiting);
                self.state = State::Looking { future, wait };
                Stepped::Nothing
            }
            Poll::Ready((reconciler, pass)) => self.passed(reconciler, pass),
        }
    }

    fn passed(&mut self, mut reconciler: SimReconciler, pass: Pass) -> Stepped {
        reconciler.learn_before_commit(&pass);
        let orders = reconciler.commit(&pass, |_, _| true);
        for order in &orders {
            let (world, own) = (reconciler.world.clone(), order.clone());
            let future = Box::pin(async move { world.carry_out(&own).await });
            let work = Work::Going { future, wait: Wait::Nothing };
            self.tasks.push(Task { order: order.clone(), work });
        }
        if self.rhythm.saw(&pass) {
            self.listening = SimReconciler::listen_to(&pass);
        }
        let now = self.machine.now();
        let resync = reconciler.desired().policy.controller.resync.get();
        let until = now.since_boot + self.rhythm.pause(&pass, &now, resync);
        self.state = State::Idle { reconciler: Box::new(reconciler), until };
        self.passes += 1;
        self.last = Some(pass);
        Stepped::Passed { orders }
    }
}
