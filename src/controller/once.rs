//! `gtctl reconcile`: carries out one plan, exactly that, and waits until each of its steps has come to something.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::act::{Order, Outcome};
use crate::ledger::Ledger;
use crate::model::{Address, Reason, Stamp};
use crate::plan::{Action, Gate, Plan, Step, Verdict};

use super::World;
use super::reconciler::{Pass, Reconciler};

/// The longest time between two looks while something is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long first words are waited for after the last start: an agent that takes longer is told by the next pass, whoever makes it.
const WORDS_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is told that something is waited for: often enough to show that nothing hangs.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What happens while a plan is carried out.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step has begun.
    Begun(&'a Order),
    /// A step has come to something.
    Ended(&'a Order, &'a Outcome),
    /// Nothing is under way, and these steps wait for their turn.
    Waiting {
        /// How many.
        left: usize,
        /// When the next one may be begun, if that is known.
        until: Option<&'a Stamp>,
        /// Now.
        now: &'a Stamp,
    },
}

/// What a plan has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// Started and seen alive.
    pub started: usize,
    /// Started again and seen alive.
    pub restarted: usize,
    /// Nudged.
    pub nudged: usize,
    /// Stopped and seen gone.
    pub killed: usize,
    /// Adopted.
    pub adopted: usize,
    /// Letters that gt took.
    pub notified: usize,
    /// Held by the plan.
    pub held: usize,
    /// Neither done nor held.
    pub failed: usize,
    /// Planned, and not carried out because the program was interrupted.
    pub skipped: usize,
    /// Whether somebody interrupted it.
    #[serde(skip)]
    pub interrupted: bool,
}

/// What of a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub enum Only<'a> {
    /// All of it.
    All,
    /// What concerns these objects.
    These(&'a BTreeSet<Address>),
}

impl Only<'_> {
    fn has(&self, address: &Address) -> bool {
        match self {
            Self::All => true,
            Self::These(objects) => objects.contains(address),
        }
    }
}

/// Carries out `first`, but begins nothing more after `until`, and reports on the way; the last plan tells what is held now.
pub async fn carry_out<W: World>(
    reconciler: &mut Reconciler<W>,
    first: Pass,
    only: &Only<'_>,
    until: Option<Instant>,
    mut report: impl FnMut(Progress<'_>),
) -> (Totals, Plan) {
    let mut left: BTreeMap<Address, &'static str> = first
        .plan
        .steps()
        .filter(|(verdict, _)| only.has(&verdict.address))
        .map(|(verdict, step)| (verdict.address.clone(), step.action.word()))
        .collect();
    let mut totals = Totals { held: first.plan.counts().held, ..Totals::default() };
    let mut under_way: JoinSet<(Order, Outcome)> = JoinSet::new();
    let mut pass = first;
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut interrupted = false;
    let mut told = Instant::now();
    // What was started here is told here what to do.
    let (mut started, mut last_start) = (BTreeSet::new(), Instant::now());
    loop {
        reconciler.learn(&pass);
        if !interrupted {
            let wanted = |address: &Address, action: &Action| {
                let is_words = matches!(action, Action::Nudge { .. }) && started.contains(address);
                is_words || left.get(address) == Some(&action.word())
            };
            for order in reconciler.commit(&pass, wanted) {
                left.remove(&order.address);
                if order.action.launch().is_some() {
                    started.insert(order.address.clone());
                    last_start = Instant::now();
                }
                report(Progress::Begun(&order));
                let world = reconciler.world.clone();
                under_way.spawn(async move {
                    let outcome = world.carry_out(&order).await;
                    (order, outcome)
                });
            }
        }
        // What comes after something that is not carried out here is not waited for.
        let comes = |step: &Step| match &step.gate {
            Gate::After(needs) => needs.iter().all(|need| only.has(need)),
            Gate::Ready | Gate::Turn | Gate::NotBefore(_) | Gate::MassDeath(_) => true,
        };
        let waiting = pass
            .plan
            .steps()
            .any(|(verdict, step)| left.get(&verdict.address) == Some(&step.action.word()) && comes(step));
        interrupted |= until.is_some_and(|until| Instant::now() >= until);
        let words = last_start.elapsed() < WORDS_PATIENCE
            && started.iter().any(|address| words_wait(reconciler.ledger(), &pass.plan, address));
        if under_way.is_empty() && (interrupted || !(waiting || words)) {
            break;
        }
        if under_way.is_empty() && waiting && told.elapsed() >= TELL_AGAIN {
            told = Instant::now();
            report(Progress::Waiting {
                left: left.len(),
                until: pass.plan.wake.as_ref(),
                now: &pass.observed.at,
            });
        }
        let pause = pass
            .plan
            .wake
            .as_ref()
            .map_or(LOOK_AGAIN, |wake| pass.observed.at.until(wake))
            .clamp(Duration::from_millis(10), LOOK_AGAIN);
        tokio::select! {
            Some(joined) = under_way.join_next() => {
                if let Ok((order, outcome)) = joined {
                    totals.count(&order.action, &outcome);
                    reconciler.note(&order, &outcome);
                    report(Progress::Ended(&order, &outcome));
                } else {
                    totals.failed += 1;
                }
            }
            () = tokio::time::sleep(pause), if !interrupted => {}
            _ = &mut interrupt, if !interrupted => (interrupted, totals.interrupted) = (true, true),
        }
        pass = reconciler.look_well().await;
    }
    totals.skipped = if interrupted { left.len() } else { 0 };
    (totals, pass.plan)
}

/// Whether something is to be typed into it that no person has to make way for.
fn words_wait(ledger: &Ledger, plan: &Plan, address: &Address) -> bool {
    let asks = |verdict: &Verdict| matches!(verdict.because, Reason::WaitingForInput { .. });
    ledger.nudges.iter().any(|nudge| nudge.address == *address) && !plan.of(address).is_some_and(asks)
}

impl Totals {
    fn count(&mut self, action: &Action, outcome: &Outcome) {
        let typed = matches!((action, outcome), (Action::Nudge { .. }, Outcome::Unconfirmed(_)));
        if !matches!(outcome, Outcome::Done(_)) && !typed {
            self.failed += 1;
            return;
        }
        match action {
            Action::Start(_) => self.started += 1,
            Action::Restart(_) => self.restarted += 1,
            Action::Nudge { .. } => self.nudged += 1,
            Action::Kill(_) | Action::Reap(_) => self.killed += 1,
            Action::Adopt(_) => self.adopted += 1,
            Action::Notify { .. } => self.notified += 1,
        }
    }
}
