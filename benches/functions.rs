//! `plan()` by itself: how long it takes and how often it allocates, by the number of objects. `cargo bench --bench functions`.
//!
//! Three towns of each size: everything lives, one agent is dead, all are. In each the same inputs are planned again and again.

// A panic is how a measurement says that it measured nothing.
#![allow(clippy::unwrap_used)]

#[path = "inputs/mod.rs"]
mod inputs;

use divan::{AllocProfiler, Bencher};
use gtctl::ledger::Ledger;
use gtctl::plan::{Options, plan};

use inputs::{Between, desired, look};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SIZES: &[u32] = &[10, 100, 1000, 10_000];

fn main() {
    divan::main();
}

fn planning(bencher: Bencher, objects: u32, between: Between) {
    let directory = tempfile::tempdir().unwrap();
    let desired = desired(directory.path(), objects);
    let observed = look(&desired, 1, between);
    let ledger = Ledger::default();
    bencher.bench(|| plan(&desired, &observed, &ledger, Options::default(), &observed.at));
}

#[divan::bench(args = SIZES, max_time = 3)]
fn all_live(bencher: Bencher, objects: u32) {
    planning(bencher, objects, Between::Nothing);
}

#[divan::bench(args = SIZES, max_time = 3)]
fn one_is_dead(bencher: Bencher, objects: u32) {
    planning(bencher, objects, Between::OneDies);
}

#[divan::bench(args = SIZES, max_time = 3)]
fn all_are_dead(bencher: Bencher, objects: u32) {
    planning(bencher, objects, Between::AllDie);
}
