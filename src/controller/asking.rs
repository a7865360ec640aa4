//! Asking for beads: in the background of a controller, one question at a time, and before the one look of a verb.

use std::time::Duration;

use tokio::task::JoinSet;

use super::World;
use super::beads::Due;
use super::reconciler::Reconciler;
use crate::machine::Machine;
use crate::model::{Address, Seen, Why};
use crate::observed::beads::{Beads, Issue};
use crate::observed::host::Host;
use crate::report::events::{Event, Kind};

/// So many questions a verb has under way at a time: each is a process.
const AT_ONCE: usize = 4;

/// A question and its answer.
pub type Answered = (Due, Seen<Option<Issue>>);

/// Asks.
pub async fn ask<M: Machine>(machine: M, due: Due) -> Answered {
    let beads = Beads { machine, program: due.program.clone(), limit: due.limit };
    let answer = beads.show(&due.question).await;
    (due, answer)
}

impl<W: World> Reconciler<W> {
    /// A question whose time has come.
    pub fn bead_due(&self) -> Option<Due> {
        self.config.beads.due(&self.now()).into_iter().next()
    }

    /// How long until the next question about a bead; `None` if there will be none.
    pub fn until_bead_due(&self) -> Option<Duration> {
        self.config.beads.until_due(&self.now())
    }

    /// Asks soon about the rig of this object, which is being started.
    pub fn hurry_bead(&mut self, started: &Address) {
        if let Some(rig) = started.rig() {
            self.config.beads.hurry(rig);
        }
    }

    /// What beads have said, as it is written down; `None` if that cannot be told.
    pub fn bead_answers(&self) -> Option<Vec<u8>> {
        self.config.beads.bytes().ok()
    }

    /// Takes an answer, tells what is new, and keeps it for the next process; whether it makes another graph.
    pub fn hear_bead(&mut self, (due, answer): Answered) -> bool {
        let now = self.now();
        let heard = self.config.hear_bead(&due, answer, &now);
        if let Some(text) = heard.news {
            self.news.tell(self.world.disk(), &[Event::of_town(now.wall, Kind::Config, text)]);
        }
        if let Err(error) = self.config.beads.save(self.world.disk()) {
            tracing::warn!(%error, "what beads said cannot be written down; the next controller asks anew");
        }
        heard.changed
    }
}

impl<M: Machine> Reconciler<Host<M>> {
    /// Asks all questions that are due, and waits for the answers. Leaves no trace: the answers serve this process alone.
    pub async fn ask_beads(&mut self) {
        let mut left = self.config.beads.due(&self.now()).into_iter();
        let mut under_way: JoinSet<Answered> = JoinSet::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(due) = left.next()
            {
                under_way.spawn(ask(self.world.machine.clone(), due));
            }
            let Some(joined) = under_way.join_next().await else { return };
            if let Ok((due, answer)) = joined {
                let now = self.now();
                self.config.hear_bead(&due, answer, &now);
            }
        }
    }
}

/// What came of a task that asked; its own failure is no answer.
pub fn answered(joined: Result<Answered, tokio::task::JoinError>, asked: Option<Due>) -> Option<Answered> {
    match joined {
        Ok(answered) => Some(answered),
        Err(error) => {
            asked.map(|due| (due, Seen::Unknown(Why::new(format!("gtctl itself failed: {error}")))))
        }
    }
}
