//! Pokes of agents that have been quiet: how many were made, and whether the last one was taken. On the clock of what the machine was awake for.
//!
//! A poke makes its agent do something, so that alone does not show that there was anything to do. Only an agent that is at work again after the
//! time of its answer is poked as if it had never been.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Ledger;
use crate::model::{Address, BootId, IncarnationId};

/// What an agent last showed of itself. Only that it is another one than before means something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// The moment that its file names.
    Told(Timestamp),
    /// When its terminal last showed something new, in seconds since 1970 by tmux's clock.
    Shown(u64),
}

/// A quiet agent, and its pokes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Poked {
    /// Which life this is about.
    pub incarnation: IncarnationId,
    /// The boot that `since` and `last` count from.
    pub boot: BootId,
    /// What it last showed of itself.
    pub sign: Sign,
    /// When that was first seen, in time awake.
    pub since: Duration,
    /// Pokes since it last did something of its own accord.
    pub count: u32,
    /// When the last of them was begun, in time awake.
    pub last: Option<Duration>,
    /// Nothing has shown yet that the last one was taken. It is not repeated while that is so.
    pub pending: bool,
    /// The next look shows what the typing itself has left on the screen.
    pub typed: bool,
    /// The time of its answer is over, and what it shows from now on is of its own accord.
    pub answered: bool,
}

/// Each poke waits so many times as long as the one before …
const FACTOR: f64 = 1.5;

/// … but no longer than this, or the first wait where that is longer.
const LONGEST: Duration = Duration::from_secs(600);

impl Poked {
    /// Whether it is about this life.
    pub fn is_of(&self, incarnation: &IncarnationId, boot: &BootId) -> bool {
        self.incarnation == *incarnation && self.boot == *boot
    }

    /// How long it has been quiet.
    pub fn quiet(&self, awake: Duration) -> Duration {
        awake.saturating_sub(self.since)
    }

    /// How long until the next poke is due, if an agent is poked when it has been quiet for `after`.
    pub fn wait(&self, after: Duration, awake: Duration) -> Duration {
        let of_quiet = after.saturating_sub(self.quiet(awake));
        let Some(last) = self.last else { return of_quiet };
        let exponent = i32::try_from(self.count).unwrap_or(i32::MAX);
        let longest = LONGEST.max(after);
        let grown = after.as_secs_f64() * FACTOR.powi(exponent);
        let interval = if grown < longest.as_secs_f64() { Duration::from_secs_f64(grown) } else { longest };
        of_quiet.max(interval.saturating_sub(awake.saturating_sub(last)))
    }

    /// When the time of its answer to the last poke is over; `None` if that is known already.
    pub fn answer_ends(&self, after: Duration, awake: Duration) -> Option<Duration> {
        let last = self.last.filter(|_| !self.answered)?;
        Some(after.saturating_sub(awake.saturating_sub(last)))
    }
}

impl Ledger {
    /// Takes note of what an agent shows of itself; true if that must be remembered. An agent has `after` to answer a poke.
    pub fn heed(
        &mut self,
        address: &Address,
        incarnation: &IncarnationId,
        sign: Sign,
        boot: &BootId,
        awake: Duration,
        after: Duration,
    ) -> bool {
        let Some(poked) = self.pokes.get_mut(address).filter(|poked| poked.is_of(incarnation, boot)) else {
            let (incarnation, boot) = (incarnation.clone(), boot.clone());
            let poked = Poked {
                incarnation,
                boot,
                sign,
                since: awake,
                count: 0,
                last: None,
                pending: false,
                typed: false,
                answered: false,
            };
            self.pokes.insert(address.clone(), poked);
            return false;
        };
        let is_over = poked.last.is_some_and(|last| awake.saturating_sub(last) >= after);
        let mut lasting = false;
        if poked.typed {
            (poked.sign, poked.since, poked.typed) = (sign, awake, false);
            lasting = true;
        } else if poked.sign != sign {
            (poked.sign, poked.since) = (sign, awake);
            if std::mem::take(&mut poked.pending) {
                lasting = true;
            }
            if poked.last.is_some() && poked.answered {
                (poked.count, poked.last) = (0, None);
                lasting = true;
            }
        }
        if is_over && !poked.answered {
            poked.answered = true;
            lasting = true;
        }
        lasting
    }

    /// It is about to be poked. Written before the first key: after a crash it counts as poked, and nobody pokes it twice.
    pub fn begin_poke(&mut self, address: &Address, awake: Duration) {
        if let Some(poked) = self.pokes.get_mut(address) {
            poked.count = poked.count.saturating_add(1);
            (poked.last, poked.pending, poked.typed, poked.answered) = (Some(awake), true, true, false);
        }
    }

    /// What came of the poke that was begun: whether it may stand in its input still.
    pub fn end_poke(&mut self, address: &Address, pending: bool) {
        if let Some(poked) = self.pokes.get_mut(address).filter(|poked| poked.typed) {
            poked.pending = pending;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(300);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn life(digit: char) -> IncarnationId {
        IncarnationId::from_hex(&digit.to_string().repeat(12)).unwrap()
    }

    fn heed(ledger: &mut Ledger, of: char, shown: u64, awake: u64) -> bool {
        let boot = BootId("b".to_owned());
        ledger.heed(&Address::Mayor, &life(of), Sign::Shown(shown), &boot, seconds(awake), AFTER)
    }

    fn poke(ledger: &mut Ledger, awake: u64, pending: bool) {
        ledger.begin_poke(&Address::Mayor, seconds(awake));
        ledger.end_poke(&Address::Mayor, pending);
    }

    fn mayor(ledger: &Ledger) -> &Poked {
        &ledger.pokes[&Address::Mayor]
    }

    /// Quiet since 0, poked at 300 and looked at a second later.
    fn poked(pending: bool) -> Ledger {
        let mut ledger = Ledger::default();
        heed(&mut ledger, 'a', 1, 0);
        poke(&mut ledger, 300, pending);
        assert!(heed(&mut ledger, 'a', 2, 301));
        ledger
    }

    #[test]
    fn each_poke_waits_longer_than_the_one_before_up_to_ten_minutes() {
        let mut ledger = Ledger::default();
        heed(&mut ledger, 'a', 1, 0);
        assert_eq!(mayor(&ledger).wait(AFTER, seconds(200)), seconds(100));
        let mut waits = Vec::new();
        let mut now = 300;
        for _ in 0..4 {
            poke(&mut ledger, now, false);
            heed(&mut ledger, 'a', now, now + 1);
            let wait = mayor(&ledger).wait(AFTER, seconds(now));
            waits.push(wait.as_secs());
            now += wait.as_secs();
        }
        assert_eq!(waits, [450, 600, 600, 600]);
        let long = seconds(3600);
        assert_eq!(mayor(&ledger).wait(long, mayor(&ledger).since), long, "never sooner than the first wait");
    }

    #[test]
    fn what_the_typing_left_on_the_screen_takes_no_poke() {
        let mut ledger = poked(true);
        assert!(mayor(&ledger).pending);
        assert!(!heed(&mut ledger, 'a', 2, 302), "nothing new");
        assert!(mayor(&ledger).pending);
        assert!(heed(&mut ledger, 'a', 3, 303));
        assert!(!mayor(&ledger).pending, "it did something");
    }

    #[test]
    fn an_answer_is_no_reason_to_poke_sooner_and_work_of_its_own_is() {
        let mut ledger = poked(false);
        heed(&mut ledger, 'a', 3, 310);
        assert_eq!((mayor(&ledger).count, mayor(&ledger).quiet(seconds(320))), (1, seconds(10)));
        assert!(heed(&mut ledger, 'a', 4, 600), "the time of its answer ends with this");
        assert_eq!(mayor(&ledger).count, 1);
        assert!(heed(&mut ledger, 'a', 5, 601));
        assert_eq!((mayor(&ledger).count, mayor(&ledger).last), (0, None));
    }

    #[test]
    fn law_8_pokes_of_an_earlier_life_are_none_of_this_one() {
        let mut ledger = poked(true);
        heed(&mut ledger, 'b', 2, 400);
        assert_eq!((mayor(&ledger).count, mayor(&ledger).pending), (0, false));
        assert_eq!(mayor(&ledger).quiet(seconds(400)), Duration::ZERO);
        let other = BootId("c".to_owned());
        ledger.heed(&Address::Mayor, &life('b'), Sign::Shown(2), &other, seconds(9), AFTER);
        assert_eq!(mayor(&ledger).since, seconds(9));
    }
}
