//! Reaping: a process that no tmux command can reach is told to end, if it still is what it was when that was planned.

use std::time::Duration;

use crate::machine::{Machine, Signal};
use crate::model::{Seen, Why};
use crate::observed::host::Host;
use crate::observed::orphans;
use crate::plan::{Force, Quarry};

use super::Outcome;

/// How long a process may take to end after KILL before it counts as unkillable (it sits in the kernel).
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Tells the process, and what it started and has no terminal, to end; waits for that no longer than `patience`. What does not end by then is not waited
/// for: later passes see to it.
pub async fn reap(host: &Host<impl Machine>, quarry: &Quarry, patience: Duration) -> Outcome {
    let machine = &host.machine;
    let family = match orphans::still(machine, quarry.orphan(), quarry.is_agent()) {
        Seen::Known(Some(family)) => family,
        Seen::Known(None) => return Outcome::refused("it is not what it was when the plan was made"),
        Seen::Unknown(why) => return Outcome::Refused(why),
    };
    let (signal, limit) = match quarry.force() {
        Force::Term => (Signal::Term, patience),
        Force::Kill => (Signal::Kill, AFTER_KILL),
    };
    for id in &family {
        if let Err(why) = machine.signal(*id, signal) {
            return Outcome::failed(format!("process {id} cannot be signalled: {why}"));
        }
    }
    let left = machine.ended(&family, limit).await;
    if !left.contains(&quarry.orphan().process) {
        return Outcome::Done(None);
    }
    Outcome::Unconfirmed(Why::new(match quarry.force() {
        Force::Term => format!("process {} was sent TERM and has not ended yet", quarry.orphan().process),
        Force::Kill => format!("process {} survived KILL", quarry.orphan().process),
    }))
}
