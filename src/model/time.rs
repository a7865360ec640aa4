//! Moments that survive a reboot and a changed clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One boot of the machine (`/proc/sys/kernel/random/boot_id`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// A moment: time since boot to measure with, wall time to show to people.
///
/// Elapsed time is always measured on the clock since boot (law 8); the wall clock only serves when the machine was
/// booted in between, and then never yields a negative length.
#[derive(Debug, Clone, PartialEq, Hash, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The boot that `since_boot` counts from.
    pub boot: BootId,
    /// Time since boot, including time asleep (CLOCK_BOOTTIME).
    pub since_boot: Duration,
    /// Wall time.
    pub wall: jiff::Timestamp,
}

impl Stamp {
    /// How long before `self` was `earlier`? Zero if it lies ahead, which a stamp of another clock can do.
    pub fn since(&self, earlier: &Self) -> Duration {
        if self.boot == earlier.boot {
            self.since_boot.saturating_sub(earlier.since_boot)
        } else {
            Duration::try_from(self.wall.duration_since(earlier.wall)).unwrap_or(Duration::ZERO)
        }
    }

    /// How long from `self` until `later`? Zero if it has passed.
    pub fn until(&self, later: &Self) -> Duration {
        later.since(self)
    }

    /// The moment `length` after this one.
    pub fn plus(&self, length: Duration) -> Self {
        let wall = jiff::SignedDuration::try_from(length)
            .ok()
            .and_then(|signed| self.wall.checked_add(signed).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        Self { boot: self.boot.clone(), since_boot: self.since_boot.saturating_add(length), wall }
    }
}

/// Lengths of time as a number of seconds, for JSON that other programs read.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(length.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// The same for one that may be absent.
    pub mod option {
        use super::{Deserialize, Deserializer, Duration, Error, Serializer};

        pub fn serialize<S: Serializer>(length: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            match length {
                Some(length) => super::serialize(length, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            let seconds = Option::<f64>::deserialize(deserializer)?;
            seconds.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(boot: &str, since_boot: u64, wall: i64) -> Stamp {
        Stamp {
            boot: BootId(boot.to_owned()),
            since_boot: Duration::from_secs(since_boot),
            wall: jiff::Timestamp::from_second(wall).unwrap(),
        }
    }

    #[test]
    fn law_8_a_jump_of_the_wall_clock_changes_no_length() {
        let start = stamp("a", 100, 1_000_000);
        let after_jump = stamp("a", 160, 9_000_000);
        assert_eq!(after_jump.since(&start), Duration::from_secs(60));
        assert_eq!(stamp("a", 160, 1).since(&start), Duration::from_secs(60));
    }

    #[test]
    fn across_a_reboot_the_wall_clock_serves_and_is_never_negative() {
        let before = stamp("a", 9000, 1_000_000);
        assert_eq!(stamp("b", 5, 1_000_300).since(&before), Duration::from_secs(300));
        assert_eq!(stamp("b", 5, 999_000).since(&before), Duration::ZERO);
    }
}
