//! Waiting for a condition; the only place that sleeps.

use std::time::{Duration, Instant};

/// How long the scenarios give a dead agent to come back, and so how long most waits last at most.
pub const SOON: Duration = Duration::from_secs(10);

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks until there is something, or until `deadline` has passed; then looks a last time.
pub fn poll<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return look();
        }
        std::thread::sleep(INTERVAL);
    }
}
