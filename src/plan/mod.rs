//! The pure heart: what is desired, what was observed and what is remembered, made into a plan.
//!
//! No clock, no chance, no I/O; the same inputs give the same plan, in the same order. It reads as follows.
//!
//! 1. [`presence`] joins the observation with the ledger: in which [`State`] is each object?
//! 2. [`judge`] holds that state against what is wanted: one table, one [`Verdict`] an object.
//! 3. [`start`] lets a start pass its gates: place, backoff, policy, order.
//! 4. [`stuck`] judges those that live and do nothing any more.
//!    [`poke`] pokes those that are well and quiet, where a file asks for it.
//!    [`boot`] judges the agent that looks after the deacon, when the deacon has been judged.
//! 5. [`orphans`] are processes of ours that no session shows: nothing is started beside them, and they are ended in time.
//! 6. [`polecats`] asks their work whether they are wanted, [`letters`] who is to be told of them; [`mass_death`] lets those that died together
//!    start one after the other.
//! 7. [`ceilings`] hold whatever else went wrong (law 4): too many stops stop none, too many starts wait their turn.
//! 8. [`unmanaged`] lists what is on the server and not ours to touch.

mod boot;
mod ceilings;
mod counts;
mod judge;
mod letters;
mod mass_death;
mod opening;
mod orphans;
mod poke;
mod polecats;
mod presence;
mod sight;
mod start;
mod state;
mod stuck;
mod types;
mod unmanaged;
mod usage;
mod wake;

pub use counts::Counts;
pub use letters::{Letter, progress};
pub use opening::{Opening, opening};
pub use poke::{poke_text, sign};
pub use polecats::{DRAIN, is_over, is_to_be_asked};
pub use state::{Alive, State};
pub use stuck::QUESTION;
pub use types::{
    Action, Decision, Fence, Force, Gate, Launch, LaunchInto, Lone, LoneKind, Options, Plan, Quarry, Refusal,
    Silence, Step, Unmanaged, Verdict,
};
pub use usage::endings;

use sight::Sight;

use crate::desired::Desired;
use crate::ledger::Ledger;
use crate::model::Stamp;
use crate::observed::Observed;

/// Decides. There is no second place where anything is decided.
pub fn plan(desired: &Desired, observed: &Observed, ledger: &Ledger, options: Options, now: &Stamp) -> Plan {
    let sight = &Sight::new(desired, observed);
    let given = judge::Given { desired, observed, sight, ledger, now };
    let mut verdicts = judge::all(given, options);
    let (unmanaged, pruned) = unmanaged::find(given, &verdicts, options);
    verdicts.extend(pruned);
    let refusal = ceilings::limit_stops(&mut verdicts, desired, sight, ledger);
    ceilings::order_stops(&mut verdicts, desired);
    ceilings::limit_sessions(&mut verdicts, desired, sight);
    ceilings::spare_memory(&mut verdicts, desired, observed);
    mass_death::stagger(&mut verdicts, desired, ledger, now);
    ceilings::pace_starts(&mut verdicts, desired, ledger, now);
    let lone = orphans::all(&verdicts, desired, observed, ledger);
    let wakes =
        [wake::earliest(&verdicts, desired, now), orphans::next(&lone, desired, observed, ledger, now)];
    let wake = wakes.into_iter().flatten().min_by_key(|wake| now.until(wake));
    let search = orphans::must_search(&verdicts, desired, observed, ledger);
    Plan { verdicts, unmanaged, refusal, wake, lone, search }
}

#[cfg(test)]
pub(crate) mod tests;
