//! What an order leaves in the memory: before it is carried out, and when its outcome is known.

use super::openings;
use super::reconciler::{Pass, Reconciler};
use super::world::World;
use crate::act::{Order, Outcome};
use crate::ledger::Record;
use crate::model::{Address, IncarnationId, Reason, Stamp};
use crate::plan::{Action, QUESTION, poke_text};
use crate::report::words;

impl<W: World> Reconciler<W> {
    /// Records what is about to be done, before it is.
    pub(super) fn record(&mut self, order: &Order, pass: &Pass) {
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
                ledger.begin(&order.address, &order.incarnation);
                openings::begin(ledger, order, &pass.observed.at);
            }
            Action::Nudge { .. } if matches!(because, Some(Reason::Stale { .. })) => {
                if let Some(beat) = self.memory.lasting().beats.get_mut(&order.address) {
                    beat.asked = Some(pass.observed.awake);
                }
            }
            Action::Nudge { .. } if matches!(because, Some(Reason::Quiet { .. })) => {
                self.memory.lasting().begin_poke(&order.address, pass.observed.awake);
            }
            Action::Nudge { text, .. } => self.memory.lasting().begin_nudge(&order.address, text),
            Action::Kill(_) => {
                if let Some(Reason::Stuck { silent } | Reason::Overdue { lived: silent }) = because
                    && let Some(record) = self.memory.lasting().objects.get_mut(&order.address)
                {
                    record.stuck = Some(*silent);
                }
            }
            Action::Reap(quarry) => self.record_reaping(&order.address, quarry, pass),
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
                let before = self.before.remove(&order.address).and_then(|record| record.incarnation);
                let known = self.memory.ledger().record(&order.address);
                let ledger = self.memory.lasting();
                // The outcome comes late: a life that was seen since the start was begun came after it, or beside it.
                let is_news = known.incarnation.is_some() && known.incarnation != before;
                if !is_news {
                    ledger.outlive(&known);
                    let record = ledger.objects.entry(order.address.clone()).or_default();
                    record.incarnation = Some(incarnation.as_ref().clone());
                    record.since = Some(now.clone());
                }
                self.news.started(&order.address);
            }
            // Stopped on purpose and seen gone: nothing of it is left to look for, and nothing counts against it.
            (Outcome::Done(_), Action::Kill(fence)) => {
                let before = self.memory.ledger().record(&order.address);
                let ledger = self.memory.lasting();
                ledger.outlive(&before);
                match ledger.objects.get_mut(&order.address) {
                    // Another life was seen meanwhile, and is still there to be looked for.
                    Some(record) if record.incarnation.as_ref().is_some_and(|life| !fence.is_of(life)) => {
                        let Record { incarnation, since, .. } = std::mem::take(record);
                        *record = Record { incarnation, since, ..Record::default() };
                    }
                    // Ended because it did nothing any more: its restart counts as after a crash.
                    Some(record) if record.stuck.is_some() => record.incarnation = None,
                    _ => drop(ledger.objects.remove(&order.address)),
                }
                ledger.restarts.remove(&order.address);
                ledger.approvals.remove(&fence.life());
            }
            (Outcome::Failed(_) | Outcome::Refused(_), Action::Reap(quarry)) => {
                self.take_back_reaping(&order.address, quarry, now);
            }
            (Outcome::Unconfirmed(_), Action::Reap(quarry)) => {
                self.note_survivor(&order.address, quarry, now)
            }
            (Outcome::Done(_), Action::Reap(quarry)) => {
                self.memory.lasting().approvals.remove(&quarry.life());
            }
            (_, Action::Kill(_)) => {
                if let Some(record) = self.memory.lasting().objects.get_mut(&order.address) {
                    record.stuck = None;
                }
            }
            (outcome, Action::Nudge { text, .. }) => {
                let ledger = self.memory.lasting();
                ledger.end_nudge(&order.address, matches!(outcome, Outcome::Refused(_)));
                if text == poke_text(&order.address) {
                    ledger.end_poke(&order.address, matches!(outcome, Outcome::Unconfirmed(_)));
                }
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
}
