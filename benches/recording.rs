//! What recording costs a pass: `cargo bench --bench recording`. Each row is one size of town; the plan's own cost stands beside it.
//!
//! Everything is in memory but the file, which is written to the temporary directory as a controller would.

// A panic is how a measurement says that it measured nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "inputs/mod.rs"]
mod inputs;

use std::time::{Duration, Instant};

use gtctl::ledger::Ledger;
use gtctl::machine::ThisMachine;
use gtctl::plan::{Options, plan};
use gtctl::report::recording::{Inputs, Recorder, read};

use inputs::{Between, desired, look};

/// Passes of each kind.
const PASSES: u32 = 200;

fn main() {
    println!("objects  between two passes  plan() µs  recording µs  bytes a pass  bytes of all");
    for objects in [10, 100, 1000] {
        for (word, between) in
            [("nothing", Between::Nothing), ("one dies", Between::OneDies), ("all is new", Between::AllIsNew)]
        {
            row(objects, word, between);
        }
    }
}

fn row(objects: u32, word: &str, between: Between) {
    let directory = tempfile::tempdir().unwrap();
    let town = directory.path().join("town");
    std::fs::create_dir(&town).unwrap();
    let disk = ThisMachine::new();
    let desired = desired(&town, objects);
    let recordings = directory.path().join("recordings");
    let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let mut recorder = Recorder::new(recordings.clone(), &town, 1, start, 1 << 30);
    let (mut planning, mut recording) = (Duration::ZERO, Duration::ZERO);
    let ledger = Ledger::default();
    let size = || -> u64 {
        let files = std::fs::read_dir(&recordings).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let mut whole = 0;
    for number in 0..PASSES {
        let observed = look(&desired, number, between);
        let begun = Instant::now();
        let plan = plan(&desired, &observed, &ledger, Options::default(), &observed.at);
        planning += begun.elapsed();
        let inputs =
            Inputs { desired: &desired, observed: &observed, ledger: &ledger, options: Options::default() };
        let begun = Instant::now();
        recorder.pass(&disk, &inputs, &plan);
        // The first one tells all, whatever happens.
        if number > 0 {
            recording += begun.elapsed();
        } else {
            whole = size();
        }
    }
    let mut count = 0;
    read(&disk, &recordings, |_| count += 1).unwrap();
    assert!(count > PASSES, "all passes were recorded");
    let (plan_us, us) =
        (planning.as_micros() / u128::from(PASSES), recording.as_micros() / u128::from(PASSES - 1));
    println!(
        "{objects:>7}  {word:<18}  {plan_us:>9}  {us:>12}  {:>12}  {whole:>12}",
        (size() - whole) / u64::from(PASSES - 1)
    );
}
