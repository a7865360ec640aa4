//! What a look tells of things that were waited for: heartbeats, and requests that can come to nothing any more.

use std::collections::BTreeSet;

use super::World;
use super::reconciler::{Pass, Reconciler};
use crate::ledger::{KnownLife, Looked};
use crate::model::{Address, Seen};
use crate::observed::Observed;
use crate::plan;
use crate::report::events::{Event, Kind};

impl<W: World> Reconciler<W> {
    /// Takes note of heartbeats, and of time that this process did not see pass.
    pub(super) fn hear(&mut self, pass: &Pass) {
        let Observed { at, awake, away, heartbeats, .. } = &pass.observed;
        if away.is_some() {
            self.memory.lasting().begin_silences_anew(&at.boot, *awake);
        }
        for verdict in &pass.plan.verdicts {
            let alive = verdict.state.alive().and_then(|alive| alive.incarnation.as_ref());
            let heard = heartbeats.get(&verdict.address);
            let (Some(alive), Some(Seen::Known(Some(written)))) = (alive, heard) else { continue };
            // The file of one that is poked tells of no silence.
            let object = self.config.desired.objects.get(&verdict.address);
            if object.is_none_or(|object| object.watch.is_none()) {
                continue;
            }
            let life = &alive.marker.incarnation;
            let ledger = self.memory.volatile();
            if ledger.hear(&verdict.address, life, *written, &at.boot, *awake) {
                self.memory.lasting();
            }
        }
        self.heed(pass);
        self.looked = Some(Looked { boot: at.boot.clone(), awake: *awake });
        self.news.of_clocks(self.world.disk(), at, *awake, *away);
    }

    /// Takes note of what agents that may be poked show of themselves. While something is typed into one, it is the typing that is seen.
    fn heed(&mut self, pass: &Pass) {
        let Observed { at, awake, .. } = &pass.observed;
        for verdict in &pass.plan.verdicts {
            let object = self.config.desired.objects.get(&verdict.address);
            let Some(after) = object.and_then(|object| Some(object.poke.as_ref()?.after)) else { continue };
            let Some(alive) = verdict.state.alive() else { continue };
            let sign = plan::sign(&pass.observed, &verdict.address, alive);
            let (Some(incarnation), Seen::Known(Some(sign))) = (&alive.incarnation, sign) else { continue };
            let ledger = self.memory.volatile();
            if ledger.in_flight.contains(&verdict.address) {
                continue;
            }
            let life = &incarnation.marker.incarnation;
            if ledger.heed(&verdict.address, life, sign, &at.boot, *awake, after) {
                self.memory.lasting();
            }
        }
    }

    /// Drops requests that can come to nothing any more, and tells of the nudges among them.
    pub(super) fn drop_void_requests(&mut self, pass: &Pass) {
        let now = &pass.observed.at;
        let ledger = self.ledger();
        let waiting: BTreeSet<Address> = ledger
            .restarts
            .keys()
            .cloned()
            .chain(ledger.nudges.iter().map(|it| it.address.clone()))
            .collect();
        let mut events = Vec::new();
        for address in waiting {
            let verdict = pass.plan.of(&address);
            // What no file lists any more has no verdict, and nothing is typed into it.
            let life = verdict.map_or(Some(KnownLife::None), |verdict| verdict.state.life());
            let before = (self.ledger().restarts.len(), self.ledger().nudges.len());
            if verdict.is_none_or(|verdict| verdict.wanted.is_some()) {
                self.memory.volatile().restarts.remove(&address);
            }
            let Some(life) = life else { continue };
            for (nudge, why) in self.memory.volatile().drop_void_requests(&address, life, now) {
                let text = format!("the nudge of {} was not typed: {why}", nudge.by);
                events.push(Event {
                    object: Some(nudge.address),
                    ..Event::of_town(now.wall, Kind::Outcome, text)
                });
            }
            if (self.ledger().restarts.len(), self.ledger().nudges.len()) != before {
                self.memory.lasting();
            }
        }
        self.news.tell(self.world.disk(), &events);
    }
}
