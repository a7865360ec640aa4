//! Polecats with work, in random worlds and in plain ones.

use std::path::PathBuf;
use std::time::Duration;

use super::builders::{Given, NOW, address, at};
use crate::ledger::{Drain, LetterKind, MassDeath, Polecat, Progress, Told};
use crate::model::{IncarnationId, Seen, Why};
use crate::observed::Work;
use crate::observed::beads::AgentState;
use crate::observed::work::{AgentSaid, Hook};

/// The polecat of all tests.
pub const NUX: &str = "a/polecats/nux";

/// Its work, as it was told so many seconds ago.
pub fn work(ago: u64) -> Work {
    Work {
        at: at(NOW - ago),
        hook: Some(Hook { bead: "a-1".to_owned(), closed: false, updated: Some(at(NOW - 5000).wall) }),
        agent: Some(AgentSaid {
            bead: "a-a-polecat-nux".to_owned(),
            state: Some(AgentState::Working),
            updated: Some(at(NOW - 4000).wall),
        }),
    }
}

/// The same with an agent that says this, and said it so long ago.
pub fn says_of_itself(state: AgentState, ago: u64) -> Work {
    let mut work = work(0);
    if let Some(agent) = &mut work.agent {
        (agent.state, agent.updated) = (Some(state), Some(at(NOW - ago).wall));
    }
    work
}

impl Given {
    /// It was seen, and is gone for so many seconds.
    #[must_use]
    pub fn gone(mut self, of: &str, since: u64) -> Self {
        let known = self.polecat(of);
        (known.seen, known.ended) = (true, Some(at(NOW - since)));
        self
    }

    /// What is remembered of a polecat.
    pub fn polecat(&mut self, of: &str) -> &mut Polecat {
        self.ledger.polecats.entry(address(of)).or_default()
    }

    /// What beads say of it.
    #[must_use]
    pub fn works(mut self, of: &str, work: Work) -> Self {
        self.observed.work.insert(address(of), Seen::Known(work));
        self
    }

    /// gt is there.
    #[must_use]
    pub fn with_gt(mut self) -> Self {
        self.observed.gt = Some(Seen::Known(PathBuf::from("/bin/gt")));
        self
    }
}

/// The life of a polecat that sits in a random world.
fn life(given: &mut Given) -> IncarnationId {
    let of_it = |session: &crate::observed::Session| {
        session.marker().filter(|marker| marker.address == address(NUX)).cloned()
    };
    let marker = given.sessions().iter().find_map(of_it);
    marker.map_or_else(|| IncarnationId::from_hex(&"a".repeat(12)).unwrap(), |marker| marker.incarnation)
}

/// Gives the polecat of a random world work, and a past.
pub fn employ(given: &mut Given, (kind, memory): (u8, u8)) {
    let said = match kind {
        0 => None,
        1 => Some(Seen::Unknown(Why::new("no database"))),
        2 => Some(Seen::Known(Work { hook: None, ..work(0) })),
        3 => {
            let mut closed = work(0);
            closed.hook.as_mut().unwrap().closed = true;
            Some(Seen::Known(closed))
        }
        4 => Some(Seen::Known(says_of_itself(AgentState::Done, 10))),
        5 => Some(Seen::Known(says_of_itself(AgentState::Spawning, 10))),
        6 => Some(Seen::Known(work(1000))),
        _ => Some(Seen::Known(work(10))),
    };
    given.observed.work.extend(said.map(|said| (address(NUX), said)));
    if kind % 2 == 0 {
        given.observed.gt = Some(Seen::Known(PathBuf::from("/bin/gt")));
    }
    if kind % 3 == 0 {
        given.ledger.mass_death = Some(MassDeath { last: at(NOW - 20) });
    }
    let life = life(given);
    let (boot, awake) = (given.observed.at.boot.clone(), given.observed.awake);
    let known = given.polecat(NUX);
    (known.seen, known.ended) = (memory != 0, (memory != 1).then(|| at(NOW - 200)));
    if memory == 2 {
        known.ended = Some(at(NOW - 5));
    }
    if memory == 3 {
        known.failed = Some(Why::new("it did not stay up"));
    }
    if memory >= 7 {
        let changed = Some(at(NOW - 4000).wall);
        let since = awake.saturating_sub(Duration::from_secs(4000));
        known.progress = Some(Progress { life: life.clone(), bead: "a-1".to_owned(), changed, boot, since });
        known.drain = (memory == 8).then(|| Drain { life: life.clone(), at: at(NOW - 400), asked: true });
    }
    if memory == 9 {
        let (kind, again) = (LetterKind::Orphaned, Some(at(NOW - 1)));
        known.letters =
            vec![Told { kind, bead: "a-1".to_owned(), life: Some(life), at: at(NOW - 50), tries: 1, again }];
    }
}
