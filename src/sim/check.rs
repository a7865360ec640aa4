//! The laws, held against what has really happened: judged by the world, which knows the truth, and never by what gtctl believes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::world::{Actor, Deed, Made, World};
use crate::act::Order;
use crate::controller::Pass;
use crate::desired::Policy;
use crate::ledger::Cause;
use crate::model::{Address, ProcessId, Seen, SpecHash};
use crate::observed::Server;
use crate::plan::{Action, Fence, LaunchInto, Quarry, State};
use crate::town::files::town_toml::BackoffTable;

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: &'static str,
    /// How.
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.how)
    }
}

/// Fails with a law and what happened instead.
fn broken<T>(law: &'static str, how: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { law, how: how.into() })
}

/// Whether a law holds.
fn holds(law: &'static str, it_holds: bool, how: impl FnOnce() -> String) -> Result<(), Violation> {
    if it_holds { Ok(()) } else { broken(law, how()) }
}

/// A start that a controller made.
#[derive(Debug, Clone)]
struct Started {
    at: Duration,
    boot: u32,
    cause: Cause,
    spec: Option<SpecHash>,
}

/// Watches a run. It remembers what the laws speak of over time.
#[derive(Debug, Default)]
pub struct Checker {
    /// Starts of each object since something excused them.
    starts: BTreeMap<Address, Vec<Started>>,
    /// When each controller start took place, for the ceiling on starts.
    all_starts: Vec<(u32, Duration)>,
    /// Whether two controllers have acted at the same time: each keeps its own counts then, and only what tmux itself guards is promised.
    pub two_deciders: bool,
    /// Whether a person has allowed to stop more than a pass may.
    pub stops_are_approved: bool,
    /// How many processes controllers started and ended, by object: what a fault costs.
    pub counts: BTreeMap<Address, Counts>,
}

/// What the files say of an object, for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It should run.
    Wanted,
    /// Something holds it.
    Held,
    /// The files have just been changed, or they are wrong: either may be in force.
    Either,
}

/// What controllers did for one object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Starts.
    pub starts: u64,
    /// Lives ended.
    pub stops: u64,
}

impl Checker {
    /// Judges what a controller brought about while it carried out `order`, or while it looked.
    pub fn did(&mut self, world: &World, deed: &Deed, order: Option<&Order>) -> Result<(), Violation> {
        let Some(order) = order else {
            return broken("law 7: a look changes nothing", format!("{deed:?}"));
        };
        match deed {
            Deed::Began { process, made } => self.began(world, *process, made, order),
            Deed::Ended { process, made, label, server } => {
                self.ended(*process, made.as_ref(), label, *server, order)
            }
        }
    }

    fn began(
        &mut self,
        world: &World,
        process: ProcessId,
        made: &Made,
        order: &Order,
    ) -> Result<(), Violation> {
        if !made.is_agent {
            // The tmux server, or what a program starts.
            return Ok(());
        }
        if order.action.launch().is_none() {
            return broken(
                "law 3: an action does what it was planned to do",
                format!("{order:?} began {process:?}"),
            );
        }
        let is_it = made.object.as_ref() == Some(&order.address);
        holds("law 3: an action does what it was planned to do", is_it, || {
            format!("{} began {made:?}", order.address)
        })?;
        let lives = world.own_lives(&order.address);
        holds("law 4: one live incarnation per object", lives.len() <= 1, || {
            format!("{} lives as {lives:?}", order.address)
        })?;
        self.counts.entry(order.address.clone()).or_default().starts += 1;
        Ok(())
    }

    /// Judges a start when it is ordered: that is the moment that the memory has on disk.
    fn started(&mut self, address: &Address, new: Started, policy: &Policy) -> Result<(), Violation> {
        let Started { at: now, boot, cause, .. } = new;
        self.all_starts.push((boot, now));
        if !self.two_deciders {
            let minute = |start: &&(u32, Duration)| start.0 == boot && now.saturating_sub(start.1) < MINUTE;
            let recent = self.all_starts.iter().filter(minute).count();
            holds(
                "law 4: no more starts a minute than may",
                recent <= policy.limits.starts_per_minute,
                || format!("{recent} starts within a minute, the last of {address}"),
            )?;
        }
        let starts = self.starts.entry(address.clone()).or_default();
        // A changed spec begins with a clean slate.
        starts.retain(|start| start.spec == new.spec);
        starts.push(new);
        if self.two_deciders || cause == Cause::ServerLost {
            return Ok(());
        }
        let counted: Vec<&Started> =
            starts.iter().filter(|start| start.boot == boot && start.cause != Cause::ServerLost).collect();
        let least = least_wait(counted.len().saturating_sub(1), &policy.backoff);
        if let [.., before, last] = counted.as_slice()
            && !least.is_zero()
        {
            let waited = last.at.saturating_sub(before.at);
            holds("backoff is honoured", waited >= least, || {
                format!(
                    "{address}: start {} came {waited:?} after the one before, not {least:?}",
                    counted.len()
                )
            })?;
        }
        let crashes = counted
            .iter()
            .filter(|start| {
                matches!(start.cause, Cause::Crash)
                    && now.saturating_sub(start.at) < policy.crash_loop.window.get()
            })
            .count();
        holds("S4: a crash loop ends", crashes <= policy.crash_loop.count, || {
            format!("{address} was restarted {crashes} times within the window")
        })
    }

    fn ended(
        &mut self,
        process: ProcessId,
        made: Option<&Made>,
        label: &str,
        server: Option<ProcessId>,
        order: &Order,
    ) -> Result<(), Violation> {
        let law = "law 3: only what was planned against is ended";
        let fence = match &order.action {
            Action::Kill(fence) => Some(fence),
            Action::Start(launch) | Action::Restart(launch) => match &launch.into {
                LaunchInto::Replacing(fence) | LaunchInto::DeadPane(fence) | LaunchInto::NewWindow(fence) => {
                    Some(fence)
                }
                LaunchInto::NewSession => None,
            },
            Action::Reap(quarry) => {
                if made.is_some_and(|made| made.is_agent) {
                    self.counts.entry(order.address.clone()).or_default().stops += 1;
                }
                return reaped(process, made, label, quarry, order);
            }
            Action::Nudge { .. } | Action::Adopt(_) | Action::Notify { .. } => None,
        };
        let Some(fence) = fence else {
            return broken(law, format!("{} of {} ended {process:?}", order.action.word(), order.address));
        };
        if made.is_some_and(|made| made.is_server) {
            // Its last session ended, or it was founded and has none.
            return Ok(());
        }
        if label.is_empty() {
            // No pane of a labelled session: then it must be below the agent, and nobody's own.
            let is_of_it = made
                .is_some_and(|made| made.object.as_ref() == Some(&order.address) && made.by != Actor::Person);
            return holds("law 2: ours only", is_of_it, || {
                format!("{process:?} {made:?} ended by {order:?}")
            });
        }
        holds(law, label == fence.label() && server == Some(fence.server()), || {
            format!("{process:?} in {label} on {server:?} ended, planned against {fence:?}")
        })?;
        if made.is_some_and(|made| made.object.as_ref() == Some(&order.address)) {
            self.counts.entry(order.address.clone()).or_default().stops += 1;
        }
        Ok(())
    }

    /// An order came to nothing, and nothing was done: it has not been a start.
    pub fn refused(&mut self, address: &Address) {
        self.starts.entry(address.clone()).or_default().pop();
    }

    /// Judges a pass: what it decided to do, all at once.
    pub fn passed(
        &mut self,
        world: &World,
        pass: &Pass,
        orders: &[Order],
        under_way: usize,
        policy: &Policy,
        wish: impl Fn(&Address) -> Wish,
    ) -> Result<(), Violation> {
        if matches!(pass.observed.server, Seen::Unknown(_) | Seen::Known(Server::SocketLost { .. })) {
            holds("law 1: unknown is not dead", orders.is_empty(), || format!("{orders:?}"))?;
        }
        let objects: BTreeSet<&Address> = orders.iter().map(|order| &order.address).collect();
        holds("law 4: one step an object", objects.len() == orders.len(), || format!("{orders:?}"))?;
        let starts = orders.iter().filter(|order| order.action.launch().is_some()).count();
        let in_flight = policy.limits.starts_in_flight;
        holds(
            "law 4: no more starts in flight than may",
            starts == 0 || starts + under_way <= in_flight,
            || format!("{starts} more beside {under_way}"),
        )?;
        let lives_ended = |order: &&Order| match &order.action {
            Action::Kill(fence) => fence.process().is_some(),
            Action::Start(launch) | Action::Restart(launch) => {
                matches!(launch.into, LaunchInto::Replacing(_))
            }
            Action::Reap(_) => true,
            Action::Nudge { .. } | Action::Adopt(_) | Action::Notify { .. } => false,
        };
        let stops = orders.iter().filter(lives_ended).count();
        holds(
            "law 4: no more stops a pass than may",
            self.stops_are_approved || stops <= policy.limits.kills_per_pass,
            || format!("{stops} stops in one pass"),
        )?;
        for order in orders.iter().filter(|order| order.action.launch().is_some()) {
            let is_held = wish(&order.address) == Wish::Held;
            holds("S11: a hold is holy", !is_held, || format!("{} is started", order.address))?;
            if let Some(launch) = order.action.launch() {
                let (at, boot) = (world.clock.since_boot(), world.clock.boot());
                self.started(
                    &order.address,
                    Started { at, boot, cause: launch.cause, spec: order.spec() },
                    policy,
                )?;
            }
        }
        for order in orders {
            if let Action::Kill(fence) = &order.action {
                let is_wanted = wish(&order.address) == Wish::Wanted;
                holds("no flapping: only what is held is stopped", !is_wanted, || stopped(order, fence))?;
            }
        }
        Ok(())
    }

    /// What came before does not count against an object any more: it was stable, somebody reset it, or its spec changed.
    pub fn excuse(&mut self, address: &Address) {
        self.starts.remove(address);
    }

    /// Everything that was remembered is lost, or clocks have been changed: counts begin anew.
    pub fn excuse_all(&mut self) {
        self.starts.clear();
        self.all_starts.clear();
    }
}

/// The least wait after so many starts, spelled as the documentation has it and not as the code: none after the first, then the initial one times the
/// factor for each further start, up to the longest, less the jitter.
fn least_wait(starts: usize, backoff: &BackoffTable) -> Duration {
    if starts < 2 {
        return Duration::ZERO;
    }
    let longest = backoff.max.get().as_secs_f64();
    let mut wait = backoff.initial.get().as_secs_f64();
    for _ in 2..starts {
        wait = (wait * backoff.factor).min(longest);
    }
    Duration::from_secs_f64(wait.min(longest) * (1.0 - backoff.jitter) * 0.999)
}

/// Who is reaped is of that object, nobody's own, and in no pane that a person could look at.
fn reaped(
    process: ProcessId,
    made: Option<&Made>,
    label: &str,
    quarry: &Quarry,
    order: &Order,
) -> Result<(), Violation> {
    let how = || format!("{process:?} {made:?} ended by {order:?}");
    let is_of_it =
        made.is_some_and(|made| made.object.as_ref() == Some(&order.address) && made.by != Actor::Person);
    holds("law 2: ours only", is_of_it, how)?;
    holds("law 3: only what was planned against is ended", label.is_empty(), how)?;
    let is_it = process == quarry.orphan().process || made.is_some_and(|made| !made.is_agent);
    holds("law 3: only what was planned against is ended", is_it, how)
}

/// The window of the ceiling on starts.
const MINUTE: Duration = Duration::from_secs(60);

fn stopped(order: &Order, fence: &Fence) -> String {
    format!("{} is stopped, {fence:?}", order.address)
}

/// The process that a look has proven to be the object: from then on there is no excuse for another one.
pub fn proven(state: &State) -> Option<ProcessId> {
    match state {
        State::Starting(alive) | State::Running(alive) | State::Adoptable(alive) => alive.fence.process(),
        State::Detached { process, fence: Some(_) } => Some(*process),
        _ => None,
    }
}
