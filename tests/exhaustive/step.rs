//! One thing that a controller does, from its beginning to its end or to the fault that breaks it off, in a copy of the world.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gtctl::act::{Do, Order, Outcome};
use gtctl::controller::Pass;
use gtctl::machine::Socket;
use gtctl::observed::host::Host;
use gtctl::plan::Options;
use gtctl::sim::fate::{Blow, Script};
use gtctl::sim::keeper::SimReconciler;
use gtctl::sim::machine::{Shared, SimMachine, Wait};
use gtctl::sim::world::{Deed, World};
use gtctl::town::TownRoot;

/// What breaks into a step.
pub enum Break<'a> {
    /// Nothing.
    No,
    /// A blow at one of its effects.
    Blow(u64, Blow),
    /// Something befalls the world at one of its turns.
    Hit(u32, &'a dyn Fn(&mut World)),
}

/// A world, held while somebody acts in it.
pub struct Held {
    shared: Arc<Mutex<Shared>>,
    pid: i32,
}

impl Held {
    /// The controller with this pid acts in this world. Clients take no time here, so that looking changes nothing, not even the clock.
    pub fn new(world: World, pid: i32, broken: &Break<'_>) -> Self {
        let shared = Shared::new(world);
        {
            let mut shared = shared.lock().unwrap();
            shared.client_takes = Duration::ZERO;
            if let Break::Blow(at, what) = broken {
                shared.fates.script = Some(Script { at: *at, what: *what });
            }
        }
        Self { shared, pid }
    }

    fn host(&self) -> Host<SimMachine> {
        let machine = SimMachine::new(Arc::clone(&self.shared), self.pid);
        Host::new(machine, Socket::new("sim"), Duration::from_secs(5))
    }

    /// Starts a controller; `None` if it dies while it starts.
    pub fn open(&self, root: TownRoot) -> Option<SimReconciler> {
        SimReconciler::open(&self.host(), root, Options::default()).ok()
    }

    /// A copy of a controller that acts in this world.
    pub fn adopt(&self, reconciler: &SimReconciler) -> SimReconciler {
        let mut own = reconciler.clone();
        own.world = self.host();
        own
    }

    /// A whole pass; the orders that it gives. `None` if the controller dies on the way.
    pub fn pass(&self, reconciler: &mut SimReconciler, broken: &Break<'_>) -> Option<(Pass, Vec<Order>)> {
        reconciler.reread();
        let pass = self.drive(reconciler.look_well(), broken)?;
        reconciler.learn_before_commit(&pass);
        let orders = reconciler.commit(&pass, |_, _| true);
        self.lives().then_some((pass, orders))
    }

    /// Carries out one order, and lets the controller learn of it. `None` if the controller dies on the way.
    pub fn carry_out(
        &self,
        reconciler: &mut SimReconciler,
        order: &Order,
        broken: &Break<'_>,
    ) -> Option<Outcome> {
        let world = reconciler.world.clone();
        let outcome = self.drive(world.carry_out(order), broken)?;
        reconciler.note(order, &outcome);
        self.lives().then_some(outcome)
    }

    fn lives(&self) -> bool {
        !self.shared.lock().unwrap().fates.is_dead(self.pid)
    }

    /// Polls to the end. Time passes only where it is waited for.
    fn drive<T>(&self, future: impl Future<Output = T>, broken: &Break<'_>) -> Option<T> {
        let mut future = pin!(future);
        let mut turn = 0;
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(value);
            }
            let mut shared = self.shared.lock().unwrap();
            match std::mem::take(&mut shared.waiting) {
                Wait::Never => return None,
                Wait::Nothing => {
                    if let Break::Hit(at, fault) = broken
                        && *at == turn
                    {
                        fault(&mut shared.world);
                    }
                    turn += 1;
                }
                wait @ Wait::Until { moment, .. } => {
                    if !shared.is_over(&wait) {
                        let length = moment.saturating_sub(shared.world.clock.since_boot());
                        shared.world.pass(length);
                    }
                }
            }
        }
    }

    /// The world as it is now, and what was brought about in it.
    pub fn end(self) -> (World, Vec<Deed>, u64) {
        let mut shared = self.shared.lock().unwrap();
        let deeds = std::mem::take(&mut shared.deeds).into_iter().map(|(_, deed)| deed).collect();
        // The controller that acted here keeps its door to this place; a second world behind it would double each state.
        (std::mem::replace(&mut shared.world, World::new(1..=1)), deeds, shared.fates.effects)
    }
}
