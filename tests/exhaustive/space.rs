//! A space of states: a world, its controllers, and what can happen next.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gtctl::act::Order;
use gtctl::model::{Address, Stamp};
use gtctl::sim::check::{Checker, Wish};
use gtctl::sim::choose::Choices;
use gtctl::sim::fate::{BLOWS, Blow};
use gtctl::sim::keeper::SimReconciler;
use gtctl::sim::mishap::{Mishap, ledger};
use gtctl::sim::plot::{Plot, ROOT};
use gtctl::sim::scene::Scene;
use gtctl::sim::world::{Deed, World};
use stateright::{Model, Property};

use super::step::{Break, Held};

/// So many rounds after everything is healed must be enough to come to rest.
const ROUNDS_MAX: usize = 24;

/// What can befall the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    AgentEnds,
    SessionKilled,
    ServerKilled,
    SocketRemoved,
    NoticesLost,
    LabelRemoved,
    SessionRenamed,
    NameTaken,
    StartedByGt,
    Parked,
    ControllerKilled,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::AgentEnds,
        Self::SessionKilled,
        Self::ServerKilled,
        Self::SocketRemoved,
        Self::NoticesLost,
        Self::LabelRemoved,
        Self::SessionRenamed,
        Self::NameTaken,
        Self::ControllerKilled,
    ];

    fn mishap(self) -> Option<Mishap> {
        Some(match self {
            Self::AgentEnds => Mishap::AgentEnds,
            Self::SessionKilled => Mishap::SessionKilled,
            Self::ServerKilled => Mishap::ServerKilled,
            Self::SocketRemoved => Mishap::SocketRemoved,
            Self::NoticesLost => Mishap::NoticesLost,
            Self::LabelRemoved => Mishap::LabelRemoved,
            Self::SessionRenamed => Mishap::SessionRenamed,
            Self::NameTaken => Mishap::NameTaken,
            Self::StartedByGt => Mishap::StartedByGt,
            Self::Parked => Mishap::RigEdited,
            Self::ControllerKilled => return None,
        })
    }

    /// Lets it befall the `which`-th of those that it can befall; false if there is none.
    fn strike(self, world: &mut World, plot: &mut Plot, which: u32) -> bool {
        let Some(mishap) = self.mishap() else { return false };
        // A rig is parked by its second choice: which rig, then which state.
        let tape = if self == Self::Parked { vec![which] } else { vec![which, 0] };
        let mut scene = Scene::from(std::mem::take(plot));
        let struck = mishap.strike(world, &mut scene, &mut Choices::replayed(tape)).is_some();
        if let Scene::Imagined(town) = scene {
            *plot = town;
        }
        struck
    }
}

/// A controller between two things that it does.
#[derive(Clone)]
pub struct Mind {
    reconciler: Arc<SimReconciler>,
    pending: Vec<Order>,
    wake: Option<Stamp>,
    key: u64,
}

impl Mind {
    fn new(reconciler: SimReconciler, pending: Vec<Order>, wake: Option<Stamp>) -> Self {
        let mut hasher = DefaultHasher::new();
        reconciler.ledger().hash(&mut hasher);
        reconciler.trouble().is_some().hash(&mut hasher);
        for order in &pending {
            (&order.address, order.action.word(), &order.incarnation).hash(&mut hasher);
        }
        wake.hash(&mut hasher);
        Self { reconciler: Arc::new(reconciler), pending, wake, key: hasher.finish() }
    }
}

impl std::fmt::Debug for Mind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pending: Vec<String> =
            self.pending.iter().map(|order| format!("{} {}", order.action.word(), order.address)).collect();
        write!(f, "{pending:?}")
    }
}

/// A state.
#[derive(Debug, Clone)]
pub struct State {
    pub world: World,
    plot: Plot,
    minds: Vec<Option<Mind>>,
    faults_left: u8,
    faults: u8,
    starts: BTreeMap<Address, u8>,
    stops: u8,
    /// The law that was broken on the way here.
    pub broken: Option<String>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let key = |state: &Self| {
            state.minds.iter().map(|mind| mind.as_ref().map(|mind| mind.key)).collect::<Vec<_>>()
        };
        self.world == other.world && self.faults_left == other.faults_left && key(self) == key(other)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.world.hash(hasher);
        self.faults_left.hash(hasher);
        for mind in &self.minds {
            mind.as_ref().map(|mind| mind.key).hash(hasher);
        }
    }
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A controller starts.
    Starts(usize),
    /// A controller makes a pass.
    Passes(usize),
    /// … and something is done to it at one of its effects.
    PassesStruck(usize, u64, Blow),
    /// … and something befalls the world at one of its turns.
    PassesHit(usize, u32, Fault),
    /// A controller carries out one of its orders.
    Carries(usize, usize),
    /// … and something is done to it at one of its effects.
    CarriesStruck(usize, usize, u64, Blow),
    /// … and something befalls the world at one of its turns.
    CarriesHit(usize, usize, u32, Fault),
    /// Something befalls the world, the so-manieth of its kind.
    Befalls(Fault, u32),
    /// Nobody has anything to do, and time passes until somebody has.
    TimePasses,
}

/// A space of states.
pub struct Space {
    plot: Plot,
    controllers: usize,
    faults: u8,
    kinds: Vec<Fault>,
}

impl Space {
    /// A town, so many controllers that may act at once, and so many faults of these kinds.
    pub fn new(plot: Plot, controllers: usize, faults: u8, kinds: &[Fault]) -> Self {
        Self { plot, controllers, faults, kinds: kinds.to_vec() }
    }
}

/// The faults that strike in the middle of a step.
const HITS: [Fault; 3] = [Fault::AgentEnds, Fault::SessionKilled, Fault::ServerKilled];

impl Model for Space {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::new(100..=30_000);
        self.plot.found(&mut world);
        vec![State {
            world,
            plot: self.plot.clone(),
            minds: vec![None; self.controllers],
            faults_left: self.faults,
            faults: 0,
            starts: BTreeMap::new(),
            stops: 0,
            broken: None,
        }]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        let hits: Vec<Fault> = HITS.into_iter().filter(|fault| self.kinds.contains(fault)).collect();
        let struck = state.faults_left > 0;
        for (index, mind) in state.minds.iter().enumerate() {
            let Some(mind) = mind else {
                events.push(Event::Starts(index));
                continue;
            };
            events.push(Event::Passes(index));
            for order in 0..mind.pending.len() {
                events.push(Event::Carries(index, order));
                if struck {
                    for effect in 0..2 {
                        events.extend(BLOWS.map(|blow| Event::CarriesStruck(index, order, effect, blow)));
                    }
                    events.extend(hits.iter().flat_map(|fault| {
                        (0..2).map(move |turn| Event::CarriesHit(index, order, turn, *fault))
                    }));
                }
            }
            if struck {
                let deaths = [Blow::DiesBefore, Blow::DiesAfter];
                events.extend(
                    (0..3).flat_map(|effect| deaths.map(|blow| Event::PassesStruck(index, effect, blow))),
                );
                events.push(Event::PassesStruck(index, 0, Blow::LosesAnswer));
                events.extend(hits.iter().map(|fault| Event::PassesHit(index, 1, *fault)));
            }
        }
        if struck {
            for fault in &self.kinds {
                let many = matches!(
                    fault,
                    Fault::AgentEnds
                        | Fault::SessionKilled
                        | Fault::LabelRemoved
                        | Fault::SessionRenamed
                        | Fault::NameTaken
                        | Fault::StartedByGt
                );
                let count = if many {
                    u32::try_from(self.plot.objects().len()).unwrap()
                } else if *fault == Fault::Parked {
                    3
                } else if *fault == Fault::ControllerKilled {
                    u32::try_from(self.controllers).unwrap()
                } else {
                    1
                };
                events.extend((0..count).map(|which| Event::Befalls(*fault, which)));
            }
        }
        if state.minds.iter().flatten().all(|mind| mind.pending.is_empty())
            && state.minds.iter().flatten().any(|mind| mind.wake.is_some())
        {
            events.push(Event::TimePasses);
        }
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        let mut next = state.clone();
        match event {
            Event::Starts(index) => next.starts_controller(index),
            Event::Passes(index) => next.passes(index, Break::No),
            Event::PassesStruck(index, effect, blow) => {
                next.fault()?.passes(index, Break::Blow(effect, blow))
            }
            Event::PassesHit(index, turn, fault) => {
                let plot = next.plot.clone();
                let hit = |world: &mut World| {
                    fault.strike(world, &mut plot.clone(), 0);
                };
                next.fault()?.passes(index, Break::Hit(turn, &hit));
            }
            Event::Carries(index, order) => next.carries(index, order, Break::No),
            Event::CarriesStruck(index, order, effect, blow) => {
                next.fault()?.carries(index, order, Break::Blow(effect, blow));
            }
            Event::CarriesHit(index, order, turn, fault) => {
                let plot = next.plot.clone();
                let hit = |world: &mut World| {
                    fault.strike(world, &mut plot.clone(), 0);
                };
                next.fault()?.carries(index, order, Break::Hit(turn, &hit));
            }
            Event::Befalls(Fault::ControllerKilled, which) => {
                let which = which as usize;
                next.fault()?;
                next.minds.get_mut(which)?.take()?;
            }
            Event::Befalls(fault, which) => {
                next.fault()?;
                if !fault.strike(&mut next.world, &mut next.plot, which) {
                    return None;
                }
            }
            Event::TimePasses => next.time_passes(),
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the laws hold", |_, state: &State| state.broken.is_none()),
            Property::always(
                "from here it comes to rest, with no more starts and stops than faults explain",
                |_, state: &State| state.broken.is_some() || state.never_rests().is_none(),
            ),
        ]
    }
}

impl State {
    /// Uses up one fault.
    fn fault(&mut self) -> Option<&mut Self> {
        self.faults_left = self.faults_left.checked_sub(1)?;
        self.faults += 1;
        Some(self)
    }

    fn pid(index: usize) -> i32 {
        1_000_000 + i32::try_from(index).unwrap()
    }

    fn starts_controller(&mut self, index: usize) {
        let held = Held::new(self.world.clone(), Self::pid(index), &Break::No);
        if let Some(reconciler) = held.open(self.plot.root()) {
            self.minds[index] = Some(Mind::new(reconciler, Vec::new(), None));
        }
        self.ended(held, None);
    }

    fn passes(&mut self, index: usize, broken: Break<'_>) {
        let Some(mind) = self.minds[index].take() else { return };
        let held = Held::new(self.world.clone(), Self::pid(index), &broken);
        let mut reconciler = held.adopt(&mind.reconciler);
        if let Some((pass, orders)) = held.pass(&mut reconciler, &broken) {
            let policy = self.plot.policy();
            let under_way = mind.pending.iter().filter(|order| order.action.launch().is_some()).count();
            let wish = |address: &Address| match self.plot.forbids(address) {
                true => Wish::Held,
                false => Wish::Wanted,
            };
            let mut checker = Checker::default();
            if let Err(violation) = checker.passed(&self.world, &pass, &orders, under_way, &policy, wish) {
                self.broken.get_or_insert(violation.to_string());
            }
            let pending = mind.pending.into_iter().chain(orders).collect();
            self.minds[index] = Some(Mind::new(reconciler, pending, pass.plan.wake));
        }
        self.ended(held, None);
    }

    fn carries(&mut self, index: usize, order: usize, broken: Break<'_>) {
        let Some(mut mind) = self.minds[index].take() else { return };
        let order = mind.pending.remove(order);
        let held = Held::new(self.world.clone(), Self::pid(index), &broken);
        let mut reconciler = held.adopt(&mind.reconciler);
        if held.carry_out(&mut reconciler, &order, &broken).is_some() {
            self.minds[index] = Some(Mind::new(reconciler, mind.pending, mind.wake));
        }
        self.ended(held, Some(&order));
    }

    /// Takes over the world after a step, and judges what was brought about in it.
    fn ended(&mut self, held: Held, order: Option<&Order>) {
        let (world, deeds, _) = held.end();
        self.world = world;
        // What was told makes every state another one, and decides nothing.
        self.world.disk.remove(&Path::new(ROOT).join("daemon/gtctl/events.jsonl"));
        let mut checker = Checker::default();
        for deed in &deeds {
            if let Err(violation) = checker.did(&self.world, deed, order) {
                self.broken.get_or_insert(violation.to_string());
            }
            match deed {
                Deed::Began { made, .. } if made.is_agent => {
                    if let Some(object) = &made.object {
                        *self.starts.entry(object.clone()).or_default() += 1;
                    }
                }
                Deed::Ended { made: Some(made), .. } if made.is_agent => self.stops += 1,
                Deed::Began { .. } | Deed::Ended { .. } => {}
            }
        }
    }

    fn time_passes(&mut self) {
        let now = self.world.clock.now();
        let wakes = self.minds.iter().flatten().filter_map(|mind| mind.wake.as_ref());
        if let Some(length) = wakes.map(|wake| now.until(wake)).min() {
            self.world.pass(length.max(Duration::from_millis(1)));
        }
    }

    /// Why, with everything healed, it does not come to rest as the files want it; `None` if it does.
    pub fn never_rests(&self) -> Option<String> {
        let mut state = self.clone();
        state.world.heal(&ledger());
        state.minds.truncate(1);
        let mut last = String::new();
        for round in 0..ROUNDS_MAX {
            if state.minds[0].is_none() {
                state.starts_controller(0);
            }
            state.passes(0, Break::No);
            let mut acted = false;
            while state.minds[0].as_ref().is_some_and(|mind| !mind.pending.is_empty()) {
                acted = true;
                state.carries(0, 0, Break::No);
            }
            if let Some(broken) = &state.broken {
                return Some(broken.clone());
            }
            let waits = state.minds[0].as_ref().is_some_and(|mind| mind.wake.is_some());
            match state.unrest() {
                None if !acted && !waits => return state.too_much(),
                Some(why) => last = format!("round {round}: {why}"),
                None => {}
            }
            if !acted {
                state.time_passes();
            }
        }
        Some(last)
    }

    fn unrest(&self) -> Option<String> {
        let objects: BTreeSet<Address> = self.plot.objects().into_keys().collect();
        objects.iter().find_map(|address| {
            let lives = self.world.own_lives(address).len();
            match self.plot.wants(address) {
                Some(true) if lives != 1 => Some(format!("{address} has {lives} lives, not 1")),
                Some(false) if lives != 0 => Some(format!("{address} has {lives} lives, not 0")),
                Some(_) | None => None,
            }
        })
    }

    /// More starts than the first one and one for each fault, or a stop that nobody asked for.
    fn too_much(&self) -> Option<String> {
        let most = 1 + self.faults;
        let too_many = self.starts.iter().find(|(_, count)| **count > most);
        if let Some((object, count)) = too_many {
            return Some(format!("{object} was started {count} times for {} faults", self.faults));
        }
        let is_parked = self.plot.rigs.iter().any(|rig| rig.state != "active");
        (self.stops > 0 && !is_parked && self.plot.rigs.is_empty())
            .then(|| format!("{} lives were ended although nothing was to be stopped", self.stops))
    }
}
