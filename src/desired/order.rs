//! The `after` edges: resolved, existing, and without a cycle.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use super::Object;
use crate::model::{Address, Name};

/// Reads one entry of an `after` list: a role word means the object of that role, in the same rig where the role belongs to one.
pub fn resolve(entry: &str, of: &Address) -> Option<Address> {
    let in_rig = |make: fn(Name) -> Address| of.rig().cloned().map(make);
    match entry {
        "witness" => in_rig(Address::Witness),
        "refinery" => in_rig(Address::Refinery),
        full => full.parse().ok(),
    }
}

/// All cycles, each as the objects on it in order of their addresses; an object that needs itself is one.
pub fn cycles(edges: &BTreeMap<&Address, &BTreeSet<Address>>) -> Vec<Vec<Address>> {
    let mut graph: DiGraphMap<&Address, ()> = DiGraphMap::new();
    for (object, needs) in edges {
        for need in *needs {
            graph.add_edge(object, need, ());
        }
    }
    let mut cycles: Vec<Vec<Address>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|component| match component.as_slice() {
            [one] => graph.contains_edge(one, one),
            more => !more.is_empty(),
        })
        .map(|component| {
            let mut objects: Vec<Address> = component.into_iter().cloned().collect();
            objects.sort();
            objects
        })
        .collect();
    cycles.sort();
    cycles
}

/// Numbers the waves: an object starts one wave after the last of those that it needs. The edges must have no cycle.
pub fn number_waves(objects: &mut BTreeMap<Address, Object>) {
    // As many rounds as the longest chain is long, and never more than there are objects.
    for _ in 0..objects.len() {
        let waves: BTreeMap<Address, usize> =
            objects.values().map(|object| (object.address.clone(), object.wave)).collect();
        let mut settled = true;
        for object in objects.values_mut() {
            let wave = object
                .after
                .iter()
                .filter_map(|need| waves.get(need))
                .map(|wave| wave + 1)
                .max()
                .unwrap_or(0);
            settled &= wave == object.wave;
            object.wave = wave;
        }
        if settled {
            return;
        }
    }
}
