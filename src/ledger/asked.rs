//! What somebody asked for, by hand or by mail, and has not got yet. An intent lasts until it is taken back; a request is for one life and
//! is void for the next one (law 8).

use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::{Address, IncarnationId, Stamp};

/// A stop that stays: what was stopped on purpose stays down until `gtctl start`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AskedStop {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Stamp,
}

/// A restart of one life.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AskedRestart {
    /// The life that is to end and be followed by another one.
    pub incarnation: IncarnationId,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Stamp,
}

/// A nudge that waits until it can be typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AskedNudge {
    /// For whom.
    pub address: Address,
    /// The life that it is for.
    pub incarnation: IncarnationId,
    /// What to type.
    pub text: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Stamp,
    /// When it is given up.
    pub until: Stamp,
    /// Whether typing it was begun. Written before the first key: after a crash nobody knows how far that came, and it is not typed again.
    #[serde(default)]
    pub begun: bool,
}

/// What is known of an object's life when requests are held against it; nothing is concluded from what is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownLife<'a> {
    /// This one lives.
    Of(&'a IncarnationId),
    /// None does.
    None,
}

/// More nudges do not wait for one object; whoever asks for more is told so.
pub const NUDGES_WAITING_MAX: usize = 50;

impl Ledger {
    /// It stops, and stays down until somebody starts it. What else was asked for it is void.
    pub fn ask_stop(&mut self, address: &Address, asked: AskedStop) {
        self.restarts.remove(address);
        // A rest is for what came to nothing, and a stop has not been tried.
        self.resting.remove(address);
        self.stopped.entry(address.clone()).or_insert(asked);
    }

    /// Ends what keeps it down: a stop, a wait, a crash loop. True if there was anything of that.
    pub fn ask_start(&mut self, address: &Address) -> bool {
        let was_stopped = self.stopped.remove(address).is_some();
        self.reset(address) || was_stopped
    }

    /// This life of it is to be followed by another one.
    pub fn ask_restart(&mut self, address: &Address, asked: AskedRestart) {
        self.restarts.insert(address.clone(), asked);
    }

    /// Something is to be typed into it; false if too much waits for that already.
    #[must_use]
    pub fn ask_nudge(&mut self, asked: AskedNudge) -> bool {
        let room =
            self.nudges.iter().filter(|nudge| nudge.address == asked.address).count() < NUDGES_WAITING_MAX;
        if room {
            self.nudges.push(asked);
        }
        room
    }

    /// Marks the nudge that is about to be typed.
    pub fn begin_nudge(&mut self, address: &Address, text: &str) {
        let is_it = |nudge: &&mut AskedNudge| nudge.address == *address && nudge.text == text && !nudge.begun;
        if let Some(nudge) = self.nudges.iter_mut().find(is_it) {
            nudge.begun = true;
        }
    }

    /// What came of the nudge that was begun: one that was refused before its first key waits on, any other is done with.
    pub fn end_nudge(&mut self, address: &Address, waits: bool) {
        let Some(index) = self.nudges.iter().position(|nudge| nudge.address == *address && nudge.begun)
        else {
            return;
        };
        if waits {
            if let Some(nudge) = self.nudges.get_mut(index) {
                nudge.begun = false;
            }
        } else {
            self.nudges.remove(index);
        }
    }

    /// Drops the requests of an object that can come to nothing any more; for each nudge, why.
    pub fn drop_void_requests(
        &mut self,
        address: &Address,
        life: KnownLife<'_>,
        now: &Stamp,
    ) -> Vec<(AskedNudge, &'static str)> {
        let is_of_it = |incarnation: &IncarnationId| life == KnownLife::Of(incarnation);
        if self.restarts.get(address).is_some_and(|asked| !is_of_it(&asked.incarnation)) {
            self.restarts.remove(address);
        }
        let mut dropped = Vec::new();
        let in_flight = self.in_flight.contains(address);
        self.nudges.retain(|nudge| {
            if nudge.address != *address || in_flight {
                return true;
            }
            let why = if nudge.begun {
                Some("typing it was begun, and nobody knows how far that came")
            } else if !is_of_it(&nudge.incarnation) {
                Some("the agent that it was for is gone")
            } else if now.until(&nudge.until).is_zero() {
                Some("it could not be typed in time")
            } else {
                None
            };
            dropped.extend(why.map(|why| (nudge.clone(), why)));
            why.is_none()
        });
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BootId, Stamp};
    use std::time::Duration;

    fn at(seconds: u64) -> Stamp {
        let wall = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(seconds), wall }
    }

    fn life(digit: char) -> IncarnationId {
        IncarnationId::from_hex(&digit.to_string().repeat(12)).unwrap()
    }

    fn nudge(of: char) -> AskedNudge {
        AskedNudge {
            address: Address::Deacon,
            incarnation: life(of),
            text: "go on".to_owned(),
            by: "a test".to_owned(),
            at: at(0),
            until: at(100),
            begun: false,
        }
    }

    #[test]
    fn law_8_a_request_is_void_for_another_life() {
        let mut ledger = Ledger::default();
        let asked = AskedRestart { incarnation: life('a'), by: "a test".to_owned(), at: at(0) };
        ledger.ask_restart(&Address::Deacon, asked);
        assert!(ledger.ask_nudge(nudge('a')) && ledger.ask_nudge(nudge('b')));
        let (a, b) = (life('a'), life('b'));
        let dropped = ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&a), &at(1));
        assert_eq!(dropped.len(), 1);
        assert_eq!((ledger.restarts.len(), ledger.nudges.len()), (1, 1));
        ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&b), &at(1));
        assert_eq!((ledger.restarts.len(), ledger.nudges.len()), (0, 0));
    }

    #[test]
    fn s106_each_nudge_that_waits_ends_in_something_that_is_told() {
        let mut ledger = Ledger::default();
        let a = life('a');
        assert!(ledger.ask_nudge(nudge('a')));
        assert_eq!(ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&a), &at(99)), []);
        let expired = ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&a), &at(100));
        assert_eq!(expired[0].1, "it could not be typed in time");

        assert!(ledger.ask_nudge(nudge('a')));
        ledger.begin_nudge(&Address::Deacon, "go on");
        ledger.end_nudge(&Address::Deacon, true);
        assert_eq!(ledger.nudges, [nudge('a')], "one that was refused waits on");
        ledger.begin_nudge(&Address::Deacon, "go on");
        ledger.in_flight.insert(Address::Deacon);
        assert_eq!(ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&a), &at(1)), []);
        ledger.in_flight.clear();
        let lost = ledger.drop_void_requests(&Address::Deacon, KnownLife::Of(&a), &at(1));
        assert!(
            lost[0].1.contains("nobody knows"),
            "a controller that ended in between does not type it twice"
        );
    }

    #[test]
    fn a_stop_voids_a_restart_and_a_start_ends_a_stop() {
        let mut ledger = Ledger::default();
        let asked = AskedRestart { incarnation: life('a'), by: "a test".to_owned(), at: at(0) };
        ledger.ask_restart(&Address::Deacon, asked);
        ledger.ask_stop(&Address::Deacon, AskedStop { by: "first".to_owned(), at: at(0) });
        ledger.ask_stop(&Address::Deacon, AskedStop { by: "second".to_owned(), at: at(1) });
        assert!(ledger.restarts.is_empty());
        assert_eq!(ledger.stopped[&Address::Deacon].by, "first", "who stopped it first did");
        assert!(ledger.ask_start(&Address::Deacon));
        assert!(!ledger.ask_start(&Address::Deacon));
    }

    #[test]
    fn no_more_nudges_wait_than_may() {
        let mut ledger = Ledger::default();
        let taken = (0..NUDGES_WAITING_MAX + 1).filter(|_| ledger.ask_nudge(nudge('a'))).count();
        assert_eq!(taken, NUDGES_WAITING_MAX);
    }
}
