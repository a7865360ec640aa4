//! The `after` edges: resolved, existing, and without a cycle.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{kosaraju_scc, toposort};
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

/// The graph of the edges. What walks it must not recurse: a chain may be as long as the file.
fn graph<'a>(
    edges: impl IntoIterator<Item = (&'a Address, &'a BTreeSet<Address>)>,
) -> DiGraphMap<&'a Address, ()> {
    let each =
        |(object, needs): (&'a Address, &'a BTreeSet<Address>)| needs.iter().map(move |need| (object, need));
    DiGraphMap::from_edges(edges.into_iter().flat_map(each))
}

/// All cycles, each as the objects on it in order of their addresses; an object that needs itself is one.
pub fn cycles(edges: &BTreeMap<&Address, &BTreeSet<Address>>) -> Vec<Vec<Address>> {
    let graph = graph(edges.iter().map(|(object, needs)| (*object, *needs)));
    let mut cycles: Vec<Vec<Address>> = kosaraju_scc(&graph)
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
    let mut waves: BTreeMap<Address, usize> = BTreeMap::new();
    {
        let graph = graph(objects.iter().map(|(address, object)| (address, &object.after)));
        // An object stands before what it needs there, so its wave is known last.
        for address in toposort(&graph, None).unwrap_or_default().into_iter().rev() {
            let needs = objects.get(address).into_iter().flat_map(|object| &object.after);
            let wave = needs.filter_map(|need| waves.get(need)).map(|wave| wave + 1).max().unwrap_or(0);
            waves.insert(address.clone(), wave);
        }
    }
    for (address, object) in objects {
        object.wave = waves.get(address).copied().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_chain_overflows_no_stack() {
        let address = |index: usize| Address::Session(Name::parse(&format!("s{index}")).unwrap());
        // Far more than a file of a megabyte can ask for, on the stack of a worker thread.
        let objects: Vec<Address> = (0..100_000).map(address).collect();
        let needs: Vec<BTreeSet<Address>> =
            (1..=objects.len()).map(|next| objects.get(next).cloned().into_iter().collect()).collect();
        let edges: BTreeMap<&Address, &BTreeSet<Address>> = objects.iter().zip(&needs).collect();
        assert_eq!(cycles(&edges), Vec::<Vec<Address>>::new());
        let back = BTreeSet::from([objects[0].clone()]);
        let closed: BTreeMap<&Address, &BTreeSet<Address>> = edges
            .into_iter()
            .map(|(one, needs)| (one, if needs.is_empty() { &back } else { needs }))
            .collect();
        assert_eq!(cycles(&closed).iter().map(Vec::len).collect::<Vec<_>>(), [objects.len()]);
    }
}
