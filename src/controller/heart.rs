//! What is known of the loop without asking it: a loop that is stuck cannot say so itself (S63).
//!
//! The loop tells its heart when it wakes and when it rests; the thread of the control socket reads that. Lengths are measured on the clock that
//! the loop's own timer runs on (`Instant`, which stands still while the machine sleeps), so that a suspended laptop is not a stuck loop.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cost::{Cost, PassCost, Passes};
use super::socket::Status;
use crate::machine::Machine;
use crate::model::Period;

/// How often one round of the loop waits for tmux at the most: a pass looks twice if tmux needs a poke, and each look asks up to three times.
const TMUX_WAITS: u32 = 6;

/// What a round may take besides: files, `/proc`, a disk that syncs.
const BESIDES: Duration = Duration::from_secs(5);

/// How long one round of the loop may take, given how long tmux may take for one answer. A longer one is late.
pub fn round_max(tmux_timeout: Period) -> Duration {
    tmux_timeout.get().saturating_mul(TMUX_WAITS).saturating_add(BESIDES)
}

/// The heart of one controller.
#[derive(Debug)]
pub struct Heart(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    status: Status,
    /// What the last passes cost.
    passes: Passes,
    /// When the last pass was completed.
    passed: Option<Instant>,
    /// Since when the loop is at work, or rests.
    since: Instant,
    /// How long it may stay so.
    allowed: Duration,
}

impl Heart {
    /// The heart of a loop that begins now.
    pub fn new(status: Status, round_max: Duration) -> Self {
        let (passes, since) = (Passes::default(), Instant::now());
        Self(Mutex::new(Beat { status, passes, passed: None, since, allowed: round_max }))
    }

    /// The loop has woken, and may be at work for so long.
    pub fn wake(&self, round_max: Duration) {
        let mut beat = self.beat();
        (beat.since, beat.allowed) = (Instant::now(), round_max);
    }

    /// A pass is complete; what it cost, and which tmux server it saw, in words.
    pub fn passed(&self, cost: PassCost, server: String) {
        let mut beat = self.beat();
        beat.passed = Some(Instant::now());
        beat.status.passes += 1;
        beat.status.server = server;
        beat.status.last_pass = Some(jiff::Timestamp::now());
        beat.status.last_pass_ms = u64::try_from(cost.took().as_millis()).unwrap_or(u64::MAX);
        beat.passes.push(cost);
    }

    /// The loop rests for `pause`, and then wakes within `slack`.
    pub fn rest(&self, pause: Duration, slack: Duration) {
        let mut beat = self.beat();
        (beat.since, beat.allowed) = (Instant::now(), pause.saturating_add(slack));
        beat.status.next_look = jiff::SignedDuration::try_from(pause)
            .ok()
            .and_then(|pause| jiff::Timestamp::now().checked_add(pause).ok());
    }

    /// Changes what is told of it.
    pub fn tell(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.beat().status);
    }

    /// How the controller is, as far as that is known without its loop: no objects.
    pub fn status(&self) -> Status {
        let beat = self.beat();
        let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Status {
            last_pass_ago_ms: beat.passed.map(|passed| ms(passed.elapsed())),
            late: beat.since.elapsed() > beat.allowed,
            ..beat.status.clone()
        }
    }

    /// What the controller costs, which is this process on this machine. Its loop need not come round for that.
    pub fn cost(&self, machine: &impl Machine) -> Cost {
        let beat = self.beat();
        Cost::of(machine, &beat.status, beat.passes.summary())
    }

    /// A loop that panicked while it told something has ended the process anyway.
    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heart(allowed: Duration) -> Heart {
        let status = Status { pid: 7, ..Status::starting() };
        Heart::new(status, allowed)
    }

    #[test]
    fn s63_a_loop_that_takes_longer_than_it_may_is_late_at_work_and_at_rest() {
        let ages = Duration::from_secs(3600);
        for (round, is_late) in [(ages, false), (Duration::ZERO, true)] {
            let heart = heart(round);
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(heart.status().late, is_late, "before its first pass");
            heart.passed(PassCost::of(Duration::from_millis(3)), String::new());
            heart.rest(Duration::ZERO, round);
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(heart.status().late, is_late, "at rest");
            heart.wake(round);
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(heart.status().late, is_late, "at work");
        }
        let patient = heart(Duration::ZERO);
        patient.rest(ages, Duration::ZERO);
        assert!(!patient.status().late, "a long rest that was meant is none");
    }

    #[test]
    fn a_round_may_wait_for_tmux_as_often_as_a_pass_asks_it() {
        assert_eq!(round_max(Period::seconds(5)), Duration::from_secs(35));
    }
}
