//! Starts that are not over: noted with the strike, looked at in each pass, forgotten when the agent is ready or gone.

use std::collections::BTreeMap;

use crate::act::Order;
use crate::ledger::{KnownLife, Ledger, Opening};
use crate::model::{Address, IncarnationId, Ready, Stamp};
use crate::plan;

use super::reconciler::Pass;

/// The lives whose screens are to be looked at.
pub fn wanted(ledger: &Ledger) -> BTreeMap<IncarnationId, Ready> {
    let of = |opening: &Opening| (opening.incarnation.clone(), opening.ready.clone());
    ledger.openings.values().map(of).collect()
}

/// Notes that a life is about to begin, and what is to be typed into it then. Written together with the strike: of a start that is
/// remembered the words are, and of one that is not, neither is.
pub fn begin(ledger: &mut Ledger, order: &Order, now: &Stamp) {
    let Some(recipe) = &order.recipe else { return };
    let typed = recipe.words.as_ref().is_some_and(|words| words.typed);
    let words = order.words.clone().filter(|_| typed);
    let ready = match (&recipe.ready, &words) {
        (Some(ready), _) => ready.clone(),
        // Of a program that nothing is known of, the time since its start is all that can be seen.
        (None, Some(_)) => Ready { prompt: None, delay: UNKNOWN_DELAY },
        (None, None) => {
            ledger.openings.remove(&order.address);
            return;
        }
    };
    let opening = Opening { incarnation: order.incarnation.clone(), ready, at: now.clone() };
    ledger.open(&order.address, opening, words);
}

/// How long a program that nothing is known of takes to be ready.
const UNKNOWN_DELAY: crate::model::Period = crate::model::Period::seconds(10);

/// Whether one of them can be forgotten.
pub fn any_is_over(ledger: &Ledger, pass: &Pass) -> bool {
    ledger.openings.keys().any(|address| is_over(ledger, pass, address))
}

/// Forgets those that are over.
pub fn end(ledger: &mut Ledger, pass: &Pass) {
    let over: Vec<Address> =
        ledger.openings.keys().filter(|address| is_over(ledger, pass, address)).cloned().collect();
    for address in over {
        ledger.openings.remove(&address);
    }
}

/// Its life is gone; or it is ready, and nothing waits to be typed into it: what waits is not typed into a dialog that comes up meanwhile.
fn is_over(ledger: &Ledger, pass: &Pass, address: &Address) -> bool {
    let Some(opening) = ledger.openings.get(address).filter(|_| !ledger.in_flight.contains(address)) else {
        return false;
    };
    let Some(verdict) = pass.plan.of(address) else { return true };
    match verdict.state.life() {
        None => false,
        Some(KnownLife::Of(life)) if *life == opening.incarnation => {
            let plan::State::Running(alive) = &verdict.state else { return false };
            plan::opening(address, alive, ledger, &pass.observed.at) == plan::Opening::Over
                && !ledger.waits_to_be_typed(address, life)
        }
        Some(KnownLife::Of(_) | KnownLife::None) => true,
    }
}
