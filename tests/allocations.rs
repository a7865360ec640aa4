//! What `plan()` allocates. A count is the same on every machine, so it is held by a test, and what it takes in time by a benchmark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../benches/inputs/mod.rs"]
mod inputs;

use std::hint::black_box;

use gtctl::ledger::Ledger;
use gtctl::plan::{Options, plan};

use inputs::{Between, desired, look};

/// Allocations, and bytes of all of them, of one plan for so many objects.
fn allocated(objects: u32, between: Between) -> (u64, u64) {
    let directory = tempfile::tempdir().unwrap();
    let desired = desired(directory.path(), objects);
    let observed = look(&desired, 1, between);
    let ledger = Ledger::default();
    let counted = allocation_counter::measure(|| {
        black_box(plan(&desired, &observed, &ledger, Options::default(), &observed.at));
    });
    (counted.count_total, counted.bytes_total)
}

/// What each object more costs, and that it costs no more in a large town than in a small one.
#[test]
fn a_plan_allocates_by_the_object_and_no_more_in_a_large_town() {
    for (between, count_max, bytes_max) in
        [(Between::Nothing, 7, 1_500), (Between::OneDies, 7, 1_500), (Between::AllDie, 17, 1_800)]
    {
        let [few, more, many] = [100, 1_000, 4_000].map(|objects| allocated(objects, between));
        println!("{between:?}: {few:?} for 100, {more:?} for 1,000, {many:?} for 4,000 (allocations, bytes)");
        let each = |(few, many): (u64, u64), objects: u64| (many - few) / objects;
        assert!(each((few.0, more.0), 900) <= count_max, "{between:?}: more allocations for each object");
        assert!(each((few.1, more.1), 900) <= bytes_max, "{between:?}: more bytes for each object");
        assert!(many.0 <= more.0 * 4 + 100, "{between:?}: allocations grow faster than objects");
        assert!(many.1 <= more.1 * 5, "{between:?}: bytes grow faster than objects");
    }
}
