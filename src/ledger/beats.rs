//! Since when an agent has been silent, on the clock of what the machine was awake for.
//!
//! Only what was seen to change counts: a heartbeat is as old as the time since it was first seen, whatever moment it names. So a file that an
//! earlier life left proves nothing about this one (law 8), and neither a wall clock that is set nor a night asleep makes anybody late.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::{Address, BootId, IncarnationId};

/// The last heartbeat of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Beat {
    /// Which life it is held against.
    pub incarnation: IncarnationId,
    /// The moment that its file names. One that was there before this life is no heartbeat of it, but its silence is counted from there.
    pub written: Timestamp,
    /// The boot that `since` and `asked` count from.
    pub boot: BootId,
    /// When it was first seen, in time awake.
    pub since: Duration,
    /// When it was asked whether it is well, in time awake; once for each silence.
    pub asked: Option<Duration>,
}

/// When a process last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// In which boot.
    pub boot: BootId,
    /// When, in time awake.
    pub awake: Duration,
}

/// A controller that looks so much later than it meant to was stopped itself, and with it perhaps all agents.
const LATE: Duration = Duration::from_secs(10);

impl Looked {
    /// How long ago that was, if it was longer ago than it should be between two looks: then nobody's silence is counted from before.
    pub fn away(&self, boot: &BootId, awake: Duration, resync: Duration) -> Option<Duration> {
        let away = awake.saturating_sub(self.awake);
        (self.boot == *boot && away > resync + LATE).then_some(away)
    }
}

impl Ledger {
    /// How long this life of an object has been silent with this heartbeat.
    pub fn silence(
        &self,
        address: &Address,
        incarnation: &IncarnationId,
        written: Timestamp,
        boot: &BootId,
        awake: Duration,
    ) -> Duration {
        let is_it =
            |beat: &&Beat| beat.incarnation == *incarnation && beat.written == written && beat.boot == *boot;
        let beat = self.beats.get(address).filter(is_it);
        beat.map_or(Duration::ZERO, |beat| awake.saturating_sub(beat.since))
    }

    /// Nobody's silence is counted from before, nor whether they were asked: also of those that cannot be seen at the moment.
    pub fn begin_silences_anew(&mut self, boot: &BootId, awake: Duration) {
        for beat in self.beats.values_mut() {
            (beat.boot, beat.since, beat.asked) = (boot.clone(), awake, None);
        }
        for poked in self.pokes.values_mut().filter(|poked| poked.boot == *boot) {
            poked.since = awake;
        }
    }

    /// Takes note of a heartbeat; true if it is news.
    pub fn hear(
        &mut self,
        address: &Address,
        incarnation: &IncarnationId,
        written: Timestamp,
        boot: &BootId,
        awake: Duration,
    ) -> bool {
        let is_it =
            |beat: &Beat| beat.incarnation == *incarnation && beat.written == written && beat.boot == *boot;
        if self.beats.get(address).is_some_and(is_it) {
            return false;
        }
        let (incarnation, boot) = (incarnation.clone(), boot.clone());
        self.beats.insert(address.clone(), Beat { incarnation, written, boot, since: awake, asked: None });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(digit: char) -> IncarnationId {
        IncarnationId::from_hex(&digit.to_string().repeat(12)).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn s11_a_heartbeat_of_an_earlier_life_is_none_of_this_one() {
        let (mut ledger, deacon, boot) = (Ledger::default(), Address::Deacon, BootId("b".to_owned()));
        let old = Timestamp::from_second(1_000).unwrap();
        let silence = |ledger: &Ledger, of, written, awake| {
            ledger.silence(&deacon, &life(of), written, &boot, seconds(awake))
        };
        assert!(ledger.hear(&deacon, &life('a'), old, &boot, seconds(10)));
        assert!(!ledger.hear(&deacon, &life('a'), old, &boot, seconds(20)));
        assert_eq!(silence(&ledger, 'a', old, 70), seconds(60));
        assert_eq!(silence(&ledger, 'b', old, 70), Duration::ZERO, "another life");
        let new = Timestamp::from_second(500).unwrap();
        assert_eq!(silence(&ledger, 'a', new, 70), Duration::ZERO, "another heartbeat, be it of the past");
        let other = BootId("c".to_owned());
        assert_eq!(ledger.silence(&deacon, &life('a'), old, &other, seconds(70)), Duration::ZERO);
        assert!(ledger.hear(&deacon, &life('b'), old, &boot, seconds(80)));
        assert_eq!(silence(&ledger, 'b', old, 90), seconds(10), "its silence is counted from its first look");
    }

    #[test]
    fn s23_a_controller_that_was_away_counts_no_silence_from_before() {
        let (mut ledger, deacon, boot) = (Ledger::default(), Address::Deacon, BootId("b".to_owned()));
        let written = Timestamp::from_second(1_000).unwrap();
        ledger.hear(&deacon, &life('a'), written, &boot, seconds(10));
        let looked = Looked { boot: boot.clone(), awake: seconds(10) };
        assert_eq!(looked.away(&boot, seconds(200), seconds(180)), None);
        assert_eq!(looked.away(&boot, seconds(610), seconds(180)), Some(seconds(600)));
        assert_eq!(looked.away(&BootId("c".to_owned()), seconds(610), seconds(180)), None);
        ledger.begin_silences_anew(&boot, seconds(610));
        assert_eq!(ledger.silence(&deacon, &life('a'), written, &boot, seconds(610)), Duration::ZERO);
    }
}
