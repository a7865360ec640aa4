//! When agents died, and whether so many of them did together that there is one cause.

use serde::{Deserialize, Serialize};

use crate::desired::Policy;
use crate::model::{Address, Stamp};

/// A death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Whose.
    pub address: Address,
    /// When it was noticed, by one who would have noticed at once.
    pub at: Stamp,
}

/// Many deaths together. It lasts until none has died for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MassDeath {
    /// When the last one died.
    pub last: Stamp,
}

/// Who died a short while ago, as one process saw it: only who listens knows when.
#[derive(Debug, Clone, Default)]
pub struct Deaths(Vec<Death>);

impl Deaths {
    /// Takes note of deaths, and of whether they are many; the names of all that died together, if that is news.
    pub fn note(
        &mut self,
        died: &[Death],
        mass: &mut Option<MassDeath>,
        policy: &Policy,
        now: &Stamp,
    ) -> Option<Vec<Address>> {
        let policy = &policy.mass_death;
        // Who died twice is one of them.
        let again = |known: &Death| died.iter().any(|death| death.address == known.address);
        self.0.retain(|known| !again(known));
        self.0.extend(died.iter().cloned());
        self.0.retain(|death| now.since(&death.at) < policy.window.get());
        let lasts = mass.as_ref().is_some_and(|mass| now.since(&mass.last) < policy.calm.get());
        if died.is_empty() || (self.0.len() < policy.count && !lasts) {
            return None;
        }
        *mass = Some(MassDeath { last: now.clone() });
        (!lasts).then(|| self.0.iter().map(|death| death.address.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BootId;
    use std::time::Duration;

    fn at(seconds: u64) -> Stamp {
        let wall = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(seconds), wall }
    }

    fn named(names: &[&str]) -> Vec<Address> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn dies(name: &str, second: u64) -> [Death; 1] {
        [Death { address: name.parse().unwrap(), at: at(second) }]
    }

    #[test]
    fn three_within_the_window_are_one_event_and_one_that_dies_again_and_again_is_none() {
        let (mut deaths, mut mass, policy) = (Deaths::default(), None, Policy::default());
        for second in 0..10 {
            assert_eq!(deaths.note(&dies("sessions/a", second), &mut mass, &policy, &at(second)), None);
        }
        assert_eq!(deaths.note(&dies("sessions/b", 11), &mut mass, &policy, &at(11)), None);
        let all = deaths.note(&dies("sessions/c", 12), &mut mass, &policy, &at(12));
        assert_eq!(all, Some(named(&["sessions/a", "sessions/b", "sessions/c"])));
        assert_eq!(deaths.note(&dies("sessions/d", 40), &mut mass, &policy, &at(40)), None, "the same event");
        assert_eq!(mass, Some(MassDeath { last: at(40) }));
    }

    #[test]
    fn deaths_further_apart_than_the_window_are_none() {
        let (mut deaths, mut mass, policy) = (Deaths::default(), None, Policy::default());
        for (second, name) in [(0, "sessions/a"), (20, "sessions/b"), (31, "sessions/c"), (51, "sessions/d")]
        {
            assert_eq!(deaths.note(&dies(name, second), &mut mass, &policy, &at(second)), None, "{name}");
        }
        assert_eq!(mass, None);
    }
}
