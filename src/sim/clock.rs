//! A simulated clock: time since boot only goes forward, the wall clock goes where people and batteries send it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{BootId, Stamp};

/// Clock ticks a second, the unit of process start times.
pub const TICKS_PER_SECOND: u64 = 100;

/// The wall clock at the beginning, in seconds.
const EPOCH: i64 = 1_800_000_000;

/// How long the machine has been up when a run begins. What runs in it has settled by then.
const UP_FOR: Duration = Duration::from_secs(3600);

/// The clocks of a simulated machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Clock {
    boot: u32,
    since_boot: Duration,
    /// So much of it the machine was asleep.
    asleep: Duration,
    wall: Timestamp,
}

impl Clock {
    /// A machine that has been up for an hour.
    pub fn new() -> Self {
        let wall = Timestamp::from_second(EPOCH).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { boot: 1, since_boot: UP_FOR, asleep: Duration::ZERO, wall }
    }

    /// The moment, as the machine tells it.
    pub fn now(&self) -> Stamp {
        Stamp { boot: BootId(format!("boot-{}", self.boot)), since_boot: self.since_boot, wall: self.wall }
    }

    /// Time since boot.
    pub fn since_boot(&self) -> Duration {
        self.since_boot
    }

    /// Time since boot without the time asleep.
    pub fn awake(&self) -> Duration {
        self.since_boot.saturating_sub(self.asleep)
    }

    /// So much of the time that has just passed the machine was asleep.
    pub fn slept(&mut self, length: Duration) {
        self.asleep += length;
    }

    /// Time since boot in clock ticks.
    pub fn ticks(&self) -> u64 {
        u64::try_from(self.since_boot.as_millis()).unwrap_or(u64::MAX) * TICKS_PER_SECOND / 1000
    }

    /// Which boot it is.
    pub fn boot(&self) -> u32 {
        self.boot
    }

    /// Time passes.
    pub fn pass(&mut self, length: Duration) {
        self.since_boot += length;
        self.set_wall(SignedDuration::try_from(length).unwrap_or_default());
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&mut self, by: SignedDuration) {
        self.wall = self.wall.checked_add(by).unwrap_or(self.wall);
    }

    /// The machine is started again, which took `length`.
    pub fn reboot(&mut self, length: Duration) {
        self.pass(length);
        self.boot += 1;
        self.since_boot = Duration::from_secs(10);
        self.asleep = Duration::ZERO;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
