//! One target of `tests/fuzz`, named by `GTCTL_FUZZ_TARGET`, run by libFuzzer.

#![no_main]

#[path = "../../tests/fuzz/limits.rs"]
mod limits;
// The tests use more of these two than this does.
#[allow(dead_code)]
#[path = "../../tests/fuzz/mutate.rs"]
mod mutate;
#[allow(dead_code)]
#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutate::{Chance, LENGTH_MAX, change};
use targets::Target;

fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("GTCTL_FUZZ_TARGET").expect("GTCTL_FUZZ_TARGET names the target");
        targets::ALL
            .iter()
            .find(|target| target.name == name)
            .unwrap_or_else(|| panic!("there is no target {name}"))
    })
}

fuzz_target!(|input: &[u8]| {
    let target = target();
    limits::within(input.len(), || (target.run)(input));
});

/// Puts a changed input in the place of the one before; its length.
fn put(data: &mut [u8], longest: usize, changed: &[u8]) -> usize {
    let length = changed.len().min(longest).min(LENGTH_MAX);
    data[..length].copy_from_slice(&changed[..length]);
    length
}

// Three of four mutants are made of the words of the format, the others by libFuzzer, which knows what the code compares with.
fuzz_mutator!(|data: &mut [u8], size: usize, longest: usize, seed: u32| {
    let mut chance = Chance::new(seed.into());
    if chance.below(4) == 0 {
        return fuzzer_mutate(data, size, longest);
    }
    let changed = change(&mut chance, &data[..size], &data[..size], target().words);
    put(data, longest, &changed)
});

fuzz_crossover!(|one: &[u8], other: &[u8], out: &mut [u8], seed: u32| {
    let changed = change(&mut Chance::new(seed.into()), one, other, target().words);
    put(out, out.len(), &changed)
});
