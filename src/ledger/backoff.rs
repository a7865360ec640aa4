//! When may an object be started again? A pure function of what is remembered, the policy and the moment.

use std::time::Duration;

use super::record::{Cause, Record, Start};
use crate::desired::Policy;
use crate::model::{SpecHash, Stamp};
use crate::town::files::town_toml::{BackoffTable, CrashLoopTable};

/// The answer to "may it start?".
#[derive(Debug, Clone, PartialEq)]
pub enum May {
    /// Yes.
    Now(Attempt),
    /// Not yet: it restarted a short while ago.
    After {
        /// When.
        until: Stamp,
        /// Restarts remembered.
        restarts: usize,
    },
    /// It is in a crash loop.
    CrashLoop {
        /// Restarts remembered.
        restarts: usize,
        /// When it may try once more.
        probe_at: Stamp,
    },
}

/// What kind of start it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// An ordinary one.
    Ordinary,
    /// The one try of a crash loop.
    Probe,
}

/// Whether an object may be started now. A spec that differs from the one that failed starts with a clean slate.
pub fn may_start(record: &Record, spec: &SpecHash, policy: &Policy, now: &Stamp) -> May {
    if record.spec.as_ref().is_some_and(|failed| failed != spec) {
        return May::Now(Attempt::Ordinary);
    }
    if let Some(since) = &record.crash_loop {
        let probe_at = since.plus(policy.crash_loop.probe_after.get());
        let wait = now.until(&probe_at);
        // As below: no clock makes the wait longer than it is.
        return if wait.is_zero() || wait > policy.crash_loop.probe_after.get() {
            May::Now(Attempt::Probe)
        } else {
            May::CrashLoop { restarts: record.restarts(), probe_at }
        };
    }
    match &record.not_before {
        // A reboot or a clock that jumped must not make a wait longer than the longest one.
        Some(until) if !now.until(until).is_zero() && now.until(until) <= longest_wait(&policy.backoff) => {
            May::After { until: until.clone(), restarts: record.restarts() }
        }
        Some(_) | None => May::Now(Attempt::Ordinary),
    }
}

/// How long to wait after the `starts`-th start: not at all after the first, so that the first restart is immediate; then
/// `initial`, growing by `factor` up to `max`, varied by `chance` (0 to 1) within the jitter.
pub fn wait_after(starts: usize, backoff: &BackoffTable, chance: f64) -> Option<Duration> {
    let exponent = i32::try_from(starts.checked_sub(2)?).unwrap_or(i32::MAX);
    let max = backoff.max.get().as_secs_f64();
    let wait = (backoff.initial.get().as_secs_f64() * backoff.factor.powi(exponent)).min(max);
    let varied = wait * (1.0 + backoff.jitter * (2.0 * chance.clamp(0.0, 1.0) - 1.0));
    Duration::try_from_secs_f64(varied).ok()
}

fn longest_wait(backoff: &BackoffTable) -> Duration {
    backoff.max.get().mul_f64(1.0 + backoff.jitter.clamp(0.0, 1.0))
}

/// Whether the last `count` restarts lie within the window. Clean exits and lost servers are not crashes.
pub fn is_crash_loop(starts: &[Start], policy: &CrashLoopTable) -> bool {
    let crashes: Vec<&Start> = starts
        .iter()
        .filter(|start| matches!(start.cause, Cause::Crash | Cause::Stuck | Cause::Probe))
        .collect();
    let Some(first) = crashes.len().checked_sub(policy.count).and_then(|index| crashes.get(index)) else {
        return false;
    };
    crashes.last().is_some_and(|last| last.at.since(&first.at) <= policy.window.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::model::{Address, BootId, Period};

    fn at(seconds: u64) -> Stamp {
        let wall = jiff::Timestamp::from_second(1_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("boot".into()), since_boot: Duration::from_secs(seconds), wall }
    }

    fn policy() -> Policy {
        Policy { backoff: BackoffTable { jitter: 0.0, ..BackoffTable::default() }, ..Policy::default() }
    }

    fn spec(digit: char) -> SpecHash {
        SpecHash::from_hex(&String::from(digit).repeat(12)).unwrap()
    }

    fn struck(times: &[u64], cause: Cause) -> Ledger {
        let mut ledger = Ledger::default();
        for (index, seconds) in times.iter().enumerate() {
            let cause = if index == 0 { Cause::First } else { cause };
            ledger.strike(&Address::Deacon, cause, &spec('a'), &policy(), &at(*seconds), 0.5);
        }
        ledger
    }

    #[test]
    fn the_first_restart_is_immediate_and_each_further_one_waits_longer_up_to_the_maximum() {
        let waits: Vec<Option<u64>> =
            (1..9).map(|n| wait_after(n, &policy().backoff, 0.5).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [None, Some(30), Some(60), Some(120), Some(240), Some(480), Some(600), Some(600)]);
    }

    #[test]
    fn the_jitter_varies_a_wait_both_ways_and_no_further() {
        let backoff = BackoffTable { jitter: 0.2, ..BackoffTable::default() };
        assert_eq!(wait_after(2, &backoff, 0.0), Some(Duration::from_secs(24)));
        assert_eq!(wait_after(2, &backoff, 1.0), Some(Duration::from_secs(36)));
    }

    #[test]
    fn s54_a_crash_loop_holds_until_it_probes_by_itself() {
        let ledger = struck(&[0, 1, 31, 91, 211, 451], Cause::Crash);
        let record = ledger.record(&Address::Deacon);
        assert!(matches!(
            may_start(&record, &spec('a'), &policy(), &at(500)),
            May::CrashLoop { restarts: 5, .. }
        ));
        assert_eq!(may_start(&record, &spec('a'), &policy(), &at(451 + 3600)), May::Now(Attempt::Probe));
    }

    #[test]
    fn s54_a_probe_that_fails_waits_for_the_next_one() {
        let mut ledger = struck(&[0, 1, 31, 91, 211, 451], Cause::Crash);
        ledger.strike(&Address::Deacon, Cause::Probe, &spec('a'), &policy(), &at(4051), 0.5);
        let record = ledger.record(&Address::Deacon);
        assert!(matches!(may_start(&record, &spec('a'), &policy(), &at(4800)), May::CrashLoop { .. }));
        assert_eq!(may_start(&record, &spec('a'), &policy(), &at(4051 + 3600)), May::Now(Attempt::Probe));
    }

    #[test]
    fn restarts_spread_wider_than_the_window_are_no_crash_loop() {
        let record = struck(&[0, 1000, 2000, 3000, 4000, 5000], Cause::Crash).record(&Address::Deacon);
        assert_eq!(record.crash_loop, None);
    }

    #[test]
    fn s58_clean_exits_wait_but_are_no_crash_loop() {
        let record = struck(&[0, 1, 31, 91, 211, 451], Cause::CleanExit).record(&Address::Deacon);
        assert_eq!(record.crash_loop, None);
        assert!(matches!(may_start(&record, &spec('a'), &policy(), &at(460)), May::After { .. }));
    }

    #[test]
    fn s50_a_lost_server_is_nobodys_strike() {
        let mut ledger = struck(&[0, 1], Cause::Crash);
        let before = ledger.record(&Address::Deacon);
        ledger.strike(&Address::Deacon, Cause::ServerLost, &spec('a'), &policy(), &at(9), 0.5);
        let after = ledger.record(&Address::Deacon);
        assert_eq!(
            (after.starts, after.not_before, after.crash_loop),
            (before.starts, before.not_before, before.crash_loop)
        );
        assert_eq!(ledger.starts.len(), 3, "it does count towards the ceiling on starts");
    }

    #[test]
    fn a_changed_spec_starts_with_a_clean_slate() {
        let record = struck(&[0, 1, 31, 91, 211, 451], Cause::Crash).record(&Address::Deacon);
        assert_eq!(may_start(&record, &spec('b'), &policy(), &at(452)), May::Now(Attempt::Ordinary));
    }

    #[test]
    fn law_8_no_clock_makes_a_wait_longer_than_the_longest() {
        let mut record = struck(&[0, 1], Cause::Crash).record(&Address::Deacon);
        record.not_before = Some(at(1_000_000));
        assert_eq!(may_start(&record, &spec('a'), &policy(), &at(2)), May::Now(Attempt::Ordinary));
    }

    #[test]
    fn s57_what_is_remembered_survives_a_round_trip_through_the_file() {
        let ledger = struck(&[0, 1, 31, 91, 211], Cause::Crash);
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
    }

    #[test]
    fn stable_for_long_enough_and_earlier_restarts_are_forgotten() {
        let mut ledger = struck(&[0, 1, 31], Cause::Crash);
        let incarnation = crate::model::Incarnation {
            server: crate::model::ProcessId { pid: 2, start: 1 },
            session: crate::model::SessionId(0),
            pane: crate::model::PaneId(0),
            process: crate::model::ProcessId { pid: 3, start: 1 },
            marker: "0123456789ab.deacon.ba9876543210".parse().unwrap(),
        };
        let alive = |lived| [(Address::Deacon, incarnation.clone(), Duration::from_secs(lived))];
        ledger.track(&alive(60), &policy(), &at(91));
        assert_eq!(ledger.record(&Address::Deacon).restarts(), 2);
        let stable = policy().crash_loop.stable.get().as_secs();
        let change = ledger.track(&alive(stable), &policy(), &at(31 + stable));
        assert_eq!((ledger.record(&Address::Deacon).restarts(), change.stable.len()), (0, 1));
        assert_eq!(policy().crash_loop.stable, Period::seconds(1800));
    }
}
