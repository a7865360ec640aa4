//! Fuzzing of every parser of what others write: files of a town, tmux's answers, gtctl's own memory, requests at its socket.
//!
//! A target takes bytes and judges what gtctl makes of them (`targets`). Here each target first takes every input that is kept in
//! `tests/corpora/<target>`, then a fixed number of mutants of these, the same ones for the same seed. `make fuzz` runs the same targets for
//! as long as one likes, guided by coverage.
//!
//! - `targets`: what is parsed, and what must hold of the result beyond "no panic".
//! - `limits`: how much memory and processor time an input may take.
//! - `mutate`: mutants that know the words of the formats.
//! - `engine`: replay, mutate, make smaller, report.
//! - `giants`: inputs as large as gtctl takes, each built to grow something.
//!
//! Not here, because gtctl does not parse it itself: `/proc` is read by the `procfs` crate, and gtctl sees its numbers only
//! (`observed::processes`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod engine;
mod giants;
mod limits;
mod mutate;
mod targets;

/// One test a target, so that each fails by its name and `cargo test --test fuzz town_toml` runs one.
macro_rules! fuzz {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                engine::fuzz(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run_and_has_a_corpus() {
            let run = [$(stringify!($name)),*];
            let all: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
            assert_eq!(run.as_slice(), all.as_slice());
            let mut kept: Vec<String> = engine::folders();
            kept.sort();
            let mut named = all.clone();
            named.sort();
            assert_eq!(kept, named, "folders of tests/corpora");
        }
    };
}

fuzz!(
    town_toml,
    edit,
    rigs,
    daemon,
    settings,
    wisp,
    kinds,
    role,
    start_command,
    screens,
    stop,
    graph,
    ledger,
    events,
    request,
    answer,
    identity,
    snapshot,
    look,
    environments,
    made,
    complaint,
    version,
    issues,
    inbox,
    gt_events,
    names,
    quote,
    diagnostics,
);
