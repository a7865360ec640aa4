//! Is the start of an agent over? Until it is, nothing is typed into it: it would go into a dialog, or into nothing.

use std::time::Duration;

use crate::ledger::Ledger;
use crate::model::{Address, Seen, Stamp, Why};
use crate::observed::Screen;

use super::state::Alive;

/// How the start of an agent stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It is over, or nothing is known of how to see that.
    Over,
    /// It is not.
    Waits(Why),
    /// It asks something that only a person can answer.
    Asks(String),
}

/// An agent that was told what to do when it was started, and whose prompt was never seen, is taken for ready after this time.
const TOLD_AND_SILENT: Duration = Duration::from_secs(120);

/// How the start of a living agent stands.
pub fn opening(address: &Address, alive: &Alive, ledger: &Ledger, now: &Stamp) -> Opening {
    let Some(incarnation) = alive.incarnation.as_ref().map(|alive| &alive.marker.incarnation) else {
        return Opening::Over;
    };
    let Some(opening) = ledger.openings.get(address).filter(|one| one.incarnation == *incarnation) else {
        return Opening::Over;
    };
    match &alive.screen {
        None => Opening::Waits(Why::new("its screen was not looked at")),
        Some(Seen::Unknown(why)) => Opening::Waits(Why::new(format!("its screen cannot be seen: {why}"))),
        Some(Seen::Known(Screen::Asks(what))) => Opening::Asks(what.clone()),
        Some(Seen::Known(Screen::Ready)) => Opening::Over,
        Some(Seen::Known(Screen::Other)) => match &opening.ready.prompt {
            None if alive.lived >= opening.ready.delay.get() => Opening::Over,
            None => Opening::Waits(Why::new("it was started a moment ago")),
            Some(_)
                if now.since(&opening.at) >= TOLD_AND_SILENT
                    && !ledger.waits_to_be_typed(address, incarnation) =>
            {
                Opening::Over
            }
            Some(_) => Opening::Waits(Why::new("its prompt has not been seen yet")),
        },
    }
}
