//! What a pass teaches about polecats, and about deaths: which agents were seen and which are gone, how work gets on, who is to finish, who died.

use crate::act::{Order, Outcome};
use crate::controller::World;
use crate::controller::reconciler::{Pass, Reconciler};
use crate::desired::HoldKind;
use crate::ledger::{Death, Drain, LetterKind};
use crate::model::{Address, Reason, Role, Stamp};
use crate::plan::{Action, DRAIN, Decision, State, Verdict, is_over, progress};
use crate::report::events::{Event, Kind};
use crate::report::words;

impl<W: World> Reconciler<W> {
    /// Learns from a pass.
    pub(in crate::controller) fn learn_of_polecats(&mut self, pass: &Pass) {
        let mut news = self.forget_polecats();
        for verdict in pass.plan.verdicts.iter().filter(|verdict| verdict.address.role() == Role::Polecat) {
            news |= self.learn_of_polecat(verdict, pass);
        }
        if news {
            self.memory.lasting();
        }
        self.learn_of_deaths(pass);
        self.work.note(pass, self.memory.ledger(), &self.config.desired);
    }

    /// What no directory speaks of any more is forgotten, unless the directory cannot be read.
    fn forget_polecats(&mut self) -> bool {
        let known = &self.memory.ledger().polecats;
        let polecats = &self.config.files.polecats;
        let unread = |address: &Address| {
            let of_rig = address.rig().and_then(|rig| polecats.get(rig));
            of_rig.is_some_and(|polecats| polecats.unread.is_some())
        };
        let objects = &self.config.desired.objects;
        let over: Vec<Address> = known
            .keys()
            .filter(|address| !objects.contains_key(*address) && !unread(address))
            .cloned()
            .collect();
        let ledger = self.memory.volatile();
        over.iter().for_each(|address| drop(ledger.polecats.remove(address)));
        !over.is_empty()
    }

    fn learn_of_polecat(&mut self, verdict: &Verdict, pass: &Pass) -> bool {
        let address = &verdict.address;
        let ledger = self.memory.volatile();
        let mut news = false;
        if matches!(verdict.state, State::Starting(_) | State::Running(_) | State::Adoptable(_)) {
            news |= ledger.polecat_lives(address);
        } else if is_over(&verdict.state) && !ledger.in_flight.contains(address) {
            news |= ledger.polecat_is_gone(address, &pass.observed.at);
        }
        if let Some(progress) = progress(verdict, &pass.observed) {
            news |= ledger.note_progress(address, progress);
        }
        let restarts = ledger.objects.get(address).map_or(0, |record| record.starts.len());
        let Some(known) = ledger.polecats.get_mut(address) else { return news };
        // It lives, and nobody waits any more for another life of it.
        let is_left = !ledger.restarts.contains_key(address) && !ledger.in_flight.contains(address);
        if known.asked && is_left && verdict.state.alive().is_some() {
            (known.asked, news) = (false, true);
        }
        // It has been stable since: what crashes from now on is another story.
        if restarts <= 1 && known.letters.iter().any(|told| told.kind == LetterKind::Crashed) {
            known.letters.retain(|told| told.kind != LetterKind::Crashed);
            news = true;
        }
        let life = verdict.state.alive().and_then(|alive| alive.incarnation.as_ref());
        let life = life.map(|life| &life.marker.incarnation);
        // What cannot be seen for a moment goes on finishing.
        let is_void = verdict.wanted != Some(HoldKind::Docked) || is_over(&verdict.state);
        let of_life = known.drain.as_ref().is_some_and(|drain| Some(&drain.life) == life);
        match (life, &verdict.because) {
            _ if is_void && known.drain.is_some() => (known.drain, news) = (None, true),
            (Some(life), Reason::Draining { .. }) if !of_life => {
                let at = pass.observed.at.clone();
                known.drain = Some(Drain { life: life.clone(), at, asked: false });
                news = true;
            }
            _ => {}
        }
        news
    }

    /// Notes who died since the last pass of this very process, which listens for that: so when they died is known.
    fn learn_of_deaths(&mut self, pass: &Pass) {
        let mut died = Vec::new();
        for verdict in &pass.plan.verdicts {
            let address = &verdict.address;
            if verdict.state.alive().is_some() {
                if !self.living.contains(address) {
                    self.living.insert(address.clone());
                }
            } else if is_over(&verdict.state) && self.living.contains(address) {
                match self.is_death(verdict, pass) {
                    None => continue,
                    Some(is_one) => {
                        self.living.remove(address);
                        died.extend(is_one.then(|| self.death(address, &pass.observed.at)));
                    }
                }
            }
        }
        if pass.observed.away.is_some() || died.is_empty() {
            return;
        }
        let (policy, now) = (&self.config.desired.policy, &pass.observed.at);
        let ledger = self.memory.volatile();
        let (before, known) = (ledger.mass_death.clone(), &mut ledger.mass_death);
        let names = self.deaths.note(&died, known, policy, now);
        if *known != before {
            self.memory.lasting();
        }
        if let Some(names) = names {
            self.braked = true;
            let text = format!(
                "mass death: {} agents died within {}: {}; they are started again one at a time",
                names.len(),
                policy.mass_death.window,
                words::list(&names)
            );
            self.news.tell(self.world.disk(), &[Event::of_town(now.wall, Kind::MassDeath, text)]);
        }
    }

    fn death(&self, address: &Address, now: &Stamp) -> Death {
        let known = self.memory.ledger().polecats.get(address).and_then(|known| known.ended.clone());
        Death { address: address.clone(), at: known.unwrap_or_else(|| now.clone()) }
    }

    /// Whether what is gone died; `None` if that cannot be told yet. Who was ended on purpose, ended well, or went with the server did not. A
    /// polecat ends its own session when its work is done: only one that has work left died.
    fn is_death(&self, verdict: &Verdict, pass: &Pass) -> Option<bool> {
        if self.memory.ledger().in_flight.contains(&verdict.address) || pass.observed.away.is_some() {
            return Some(false);
        }
        let by_state = match &verdict.state {
            State::Dead { exit: Some(exit), .. } => !exit.is_clean(),
            State::Dead { exit: None, .. }
            | State::Vanished
            | State::PaneGone { .. }
            | State::BareShell(_) => true,
            _ => false,
        };
        let on_purpose = matches!(verdict.because, Reason::Stuck { .. } | Reason::Stopped { .. });
        match (&verdict.because, verdict.address.role()) {
            (Reason::WorkUnknown { .. }, Role::Polecat) => None,
            (_, Role::Polecat) if !matches!(verdict.decision, Decision::Step(_)) => Some(false),
            _ => Some(by_state && !on_purpose),
        }
    }

    /// Whether the last pass learnt of a mass death that its plan did not know of; told once.
    pub fn take_braked(&mut self) -> bool {
        std::mem::take(&mut self.braked)
    }

    /// Notes what is about to be done to a polecat, or written about it.
    pub(in crate::controller) fn begin_with_polecat(&mut self, order: &Order, pass: &Pass) {
        let now = &pass.observed.at;
        let address = &order.address;
        match &order.action {
            Action::Notify { letter, .. } => {
                let about = (letter.kind, letter.bead.as_str(), letter.life.as_ref());
                self.memory.lasting().begin_letter(address, about, now);
            }
            // Whatever comes of it, what ends then ends after this.
            Action::Start(_) | Action::Restart(_) if address.role() == Role::Polecat => {
                self.memory.lasting().polecats.entry(address.clone()).or_default().ended = None;
            }
            Action::Nudge { fence, text } if text == DRAIN => {
                let life = fence.process().and_then(|process| fence.incarnation(process));
                let Some(life) = life.map(|life| life.marker.incarnation) else { return };
                let drain = &mut self.memory.lasting().polecats.entry(address.clone()).or_default().drain;
                let begun = drain
                    .take()
                    .filter(|drain| drain.life == life)
                    .map_or_else(|| now.clone(), |drain| drain.at);
                *drain = Some(Drain { life, at: begun, asked: true });
            }
            // By the time that it has ended, nobody knows any more what for.
            Action::Kill(_) if address.role() == Role::Polecat => {
                let because = pass.plan.of(address).map(|verdict| &verdict.because);
                let asked = matches!(because, Some(Reason::Asked { .. }));
                self.memory.lasting().polecats.entry(address.clone()).or_default().asked = asked;
            }
            Action::Start(_)
            | Action::Restart(_)
            | Action::Nudge { .. }
            | Action::Kill(_)
            | Action::Adopt(_)
            | Action::Reap(_) => {}
        }
    }

    /// Notes what came of that.
    pub(in crate::controller) fn end_with_polecat(&mut self, order: &Order, outcome: &Outcome, now: &Stamp) {
        let address = &order.address;
        match (&order.action, outcome) {
            (Action::Notify { letter, .. }, Outcome::Failed(_)) => {
                let again = self.memory.lasting().letter_failed(address, letter.kind, now);
                if !again {
                    let text = format!("`{}` is given up: gt does not take it", letter.subject);
                    let event = Event::of_town(now.wall, Kind::Outcome, text);
                    self.tell(Event { object: Some(address.clone()), ..event });
                }
            }
            (Action::Start(_) | Action::Restart(_), outcome) if address.role() == Role::Polecat => {
                let failed = if let Outcome::Failed(why) = outcome { Some(why.clone()) } else { None };
                let known = self.memory.lasting().polecats.entry(address.clone()).or_default();
                known.failed = failed;
            }
            // Who was not told has not been told.
            (Action::Nudge { text, .. }, Outcome::Refused(_) | Outcome::Failed(_)) if text == DRAIN => {
                let known = self.memory.lasting().polecats.get_mut(address);
                if let Some(drain) = known.and_then(|known| known.drain.as_mut()) {
                    drain.asked = false;
                }
            }
            _ => {}
        }
    }
}
