//! Polecats whose sessions would have the name of another object's. Their directories make them, so no file is wrong, and nobody's start fails for it.

use std::collections::BTreeMap;

use super::graph::Object;
use super::holds::{Hold, HoldKind};
use crate::model::{Address, Why};

/// Holds them: they are not touched, for gt cannot tell the two apart either.
pub fn hold_namesakes(objects: &mut BTreeMap<Address, Object>) {
    let mut owners: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    for object in objects.values() {
        owners.entry(object.recipe.session.clone()).or_default().push(object.address.clone());
    }
    for namesakes in owners.into_values().filter(|namesakes| namesakes.len() > 1) {
        for address in namesakes.iter().filter(|address| matches!(address, Address::Polecat(..))) {
            let others: Vec<String> =
                namesakes.iter().filter(|other| *other != address).map(ToString::to_string).collect();
            let Some(object) = objects.get_mut(address) else { continue };
            let (session, others) = (&object.recipe.session, others.join(", "));
            let why = Why::new(format!("its session would be called `{session}`, as that of {others}"));
            let hold = Hold::new(HoldKind::Unreadable(why), object.origin.clone());
            object.holds.push(hold);
            object.holds.sort_by(|a, b| b.kind.cmp(&a.kind));
        }
    }
}
