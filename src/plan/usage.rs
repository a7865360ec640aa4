//! Accounts that have used up what they may: their agents wait together, and it is nobody's crash (S59).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::desired::{Desired, Object};
use crate::ledger::{Ending, Ledger, Limited};
use crate::model::{Address, Seen, Stamp};
use crate::observed::{Life, Observed, Server};

/// No wait is longer, whatever a clock says: no account's limit is.
const LONGEST: Duration = Duration::from_secs(9 * 24 * 3600);

/// The account of an object: all agents of one kind share one, and a command that a file spells out is its own.
pub fn account(object: &Object) -> String {
    object.agent.as_ref().map_or_else(|| object.address.to_string(), |agent| agent.name.clone())
}

/// Agents that have ended since the last look, and what their last words were.
pub fn endings(
    desired: &Desired,
    observed: &Observed,
    ledger: &Ledger,
    now: &Stamp,
) -> BTreeMap<Address, Ending> {
    let Seen::Known(Server::Up(server)) = &observed.server else { return BTreeMap::new() };
    let ended = server.sessions.iter().filter_map(|session| {
        let marker = session.marker().filter(|marker| marker.town == desired.town)?;
        let object = desired.objects.get(&marker.address)?;
        let pane = session.agent_pane().filter(|pane| matches!(pane.life, Seen::Known(Life::Gone { .. })))?;
        let Some(Seen::Known(said)) = &pane.ending else { return None };
        let known = ledger.endings.get(&marker.address);
        if known.is_some_and(|known| known.life == marker.incarnation) {
            return None;
        }
        let limit = said.as_ref().map(|said| {
            let told = said.resets.and_then(|at| Duration::try_from(at.duration_since(now.wall)).ok());
            let wait = told.unwrap_or(desired.policy.usage_limit.retry.get());
            Limited { account: account(object), until: now.plus(wait), says: said.says.clone() }
        });
        Some((marker.address.clone(), Ending { life: marker.incarnation.clone(), limit }))
    });
    ended.collect()
}

/// What accounts have used up, by the words of the agents that ended last, and whose words those are.
pub fn limits<'a>(ledger: &'a Ledger, new: &'a BTreeMap<Address, Ending>) -> Vec<(&'a Address, &'a Limited)> {
    let known = ledger.endings.iter().filter(|(address, _)| !new.contains_key(*address));
    known.chain(new).filter_map(|(address, ending)| Some((address, ending.limit.as_ref()?))).collect()
}

/// Whose words hold an object's account back, if any; those that last longest.
pub fn holds<'a>(
    object: &Object,
    limits: &[(&'a Address, &'a Limited)],
    now: &Stamp,
) -> Option<(&'a Address, &'a Limited)> {
    if limits.is_empty() {
        return None;
    }
    let account = account(object);
    let of_it = limits.iter().filter(|(_, limit)| limit.account == account).copied();
    of_it
        .filter(|(_, limit)| !now.until(&limit.until).is_zero() && now.until(&limit.until) <= LONGEST)
        .max_by_key(|(_, limit)| now.until(&limit.until))
}
