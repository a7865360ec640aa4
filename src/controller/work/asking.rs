//! Asking about the work of polecats: in the background of a controller, one rig at a time, and before the one look of a verb.

use std::time::Duration;

use tokio::task::JoinSet;

use super::is_gone_polecat;
use crate::controller::World;
use crate::controller::reconciler::{Pass, Reconciler};
use crate::machine::Machine;
use crate::model::{Address, Name, Seen, Stamp};
use crate::observed::host::Host;
use crate::observed::work::Answer;

/// What came of a question.
#[derive(Debug)]
pub struct Came {
    rig: Name,
    at: Stamp,
    answer: Answer,
}

/// The question that is under way, at most one.
#[derive(Debug, Default)]
pub struct WorkAsking {
    under_way: JoinSet<Came>,
    about: Option<(Name, Stamp)>,
}

impl WorkAsking {
    /// Asks if it is time and nobody is asked; else, how long until it is time.
    pub fn set_out<M: Machine>(&mut self, reconciler: &Reconciler<Host<M>>) -> Option<Duration> {
        if !self.under_way.is_empty() {
            return None;
        }
        let now = reconciler.now();
        let Some(rig) = reconciler.work.due(&now) else { return reconciler.work.until_due(&now) };
        let machine = reconciler.world.machine.clone();
        self.about = Some((rig.name.clone(), now.clone()));
        self.under_way.spawn(async move {
            let answer = rig.ask(machine, &now).await;
            Came { rig: rig.name, at: now, answer }
        });
        None
    }

    /// Waits for what comes of it; `None` at once if nobody is asked.
    pub async fn came(&mut self) -> Option<Came> {
        let joined = self.under_way.join_next().await?;
        let (rig, at) = self.about.take()?;
        let failed = |error| Came { rig, at, answer: Seen::unknown(format!("gtctl itself failed: {error}")) };
        Some(joined.unwrap_or_else(failed))
    }
}

impl<W: World> Reconciler<W> {
    /// Takes an answer.
    pub fn hear_work(&mut self, came: Came) {
        self.work.hear(&came.rig, came.at, came.answer);
        if let Err(error) = self.work.save(self.world.disk()) {
            tracing::warn!(%error, "what beads said of polecats cannot be written down");
        }
    }

    /// Sees, in this process alone, which polecats are gone: what beads say from now on is said since then.
    fn suppose_gone(&mut self, pass: &Pass) {
        let gone = pass.plan.verdicts.iter().filter(|verdict| is_gone_polecat(verdict));
        let gone: Vec<Address> = gone.map(|verdict| verdict.address.clone()).collect();
        let now = pass.observed.at.clone();
        self.suppose(|ledger, _| {
            for address in &gone {
                ledger.polecat_is_gone(address, &now);
            }
        });
    }
}

impl<M: Machine> Reconciler<Host<M>> {
    /// Looks which polecats are gone, and asks about their work. Leaves no trace: the answers serve this process alone.
    pub async fn ask_work(&mut self) {
        if self.files().polecats.is_empty() {
            return;
        }
        let pass = self.look().await;
        self.suppose_gone(&pass);
        // Judged anew, now that it is known that they are gone.
        let pass = self.look().await;
        self.work.note(&pass, self.memory.ledger(), &self.config.desired);
        let now = self.now();
        while let Some(rig) = self.work.due_now(&now) {
            let at = self.now();
            let answer = rig.ask(self.world.machine.clone(), &at).await;
            self.work.hear(&rig.name, at, answer);
        }
    }
}
