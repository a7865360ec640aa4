//! Replay, mutate, make smaller, report.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mutate::{Chance, mutant};
use super::targets::{Answers, Target, Verdict};
use super::{limits, targets};

/// Set it to another number for other mutants.
const SEED: &str = "GTCTL_FUZZ_SEED";

/// Set it to a file to run that input alone.
const INPUT: &str = "GTCTL_FUZZ_INPUT";

/// So many smaller inputs are tried before a finding is told.
const SHRINKS: usize = 2000;

/// Memory is counted for the whole process, so no two inputs run at the same time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora")
}

/// Where findings are put.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The names of the folders of kept inputs.
pub fn folders() -> Vec<String> {
    fs::read_dir(corpora()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The kept inputs of a target, by name.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpora().join(target.name);
    let names = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// How many inputs were understood, and how many refused.
#[derive(Default)]
struct Count {
    understood: usize,
    refused: usize,
}

/// Runs a target: kept inputs, then mutants of them.
pub fn fuzz(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    let _alone = alone();
    if let Some(file) = std::env::var_os(INPUT) {
        let input = fs::read(&file).unwrap();
        println!("{}: {} bytes, {:?}", file.display(), input.len(), judge(target, &input));
        return;
    }
    let seed = std::env::var(SEED).map_or(1, |text| text.parse().expect("GTCTL_FUZZ_SEED must be a number"));
    let last = File::create(folder().join(format!("fuzz-{name}.last"))).unwrap();
    let mut count = Count::default();
    let kept = kept(target);
    for (file, input) in &kept {
        run(target, input, &format!("tests/corpora/{name}/{file}"), &last, &mut count);
    }
    let from_corpus = (count.understood, count.refused);
    let inputs: Vec<Vec<u8>> = kept.into_iter().map(|(_, input)| input).collect();
    // Each mutant has a seed of its own, so that one more does not change the others.
    for index in 0..target.mutants {
        let mut chance = Chance::new(seed ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let input = mutant(&mut chance, &inputs, target.words);
        run(target, &input, &format!("mutant {index} of {SEED}={seed}"), &last, &mut count);
    }
    println!(
        "{name}: {} kept inputs ({} understood, {} refused), {} mutants ({} understood, {} refused)",
        inputs.len(),
        from_corpus.0,
        from_corpus.1,
        target.mutants,
        count.understood - from_corpus.0,
        count.refused - from_corpus.1
    );
    // A target whose inputs all end at the same door exercises nothing behind it.
    let enough = usize::try_from(target.mutants).unwrap() / 50;
    assert!(count.understood > enough, "{name}: of its inputs only {} were understood", count.understood);
    if target.answers == Answers::Both {
        assert!(count.refused > enough, "{name}: of its inputs only {} were refused", count.refused);
    }
}

/// Judges one input within its limits.
pub fn judge(target: &Target, input: &[u8]) -> Verdict {
    limits::within(input.len(), || (target.run)(input))
}

fn run(target: &Target, input: &[u8], origin: &str, last: &File, count: &mut Count) {
    // What overflows the stack or exhausts memory ends the process at once; then this file has a line on the input, and the input.
    last.write_all_at(&[format!("{origin}, {} bytes:\n", input.len()).as_bytes(), input].concat(), 0)
        .unwrap();
    match catch_unwind(AssertUnwindSafe(|| judge(target, input))) {
        Ok(Verdict::Understood) => count.understood += 1,
        Ok(Verdict::Refused) => count.refused += 1,
        Err(_) => {
            let small = smaller(target, input);
            let file = folder().join(format!("fuzz-{}.small", target.name));
            fs::write(&file, &small).unwrap();
            let what = catch_unwind(AssertUnwindSafe(|| judge(target, &small)))
                .map_or_else(words, |_| String::new());
            panic!(
                "{} fails on {origin}: {what}\nmade smaller: {} bytes, {:?}\nrun it again: {INPUT}={} cargo test --test fuzz {}\nkeep it: \
                 tests/corpora/{}/<what it shows>",
                target.name,
                small.len(),
                String::from_utf8_lossy(&small[..small.len().min(2000)]),
                file.display(),
                target.name,
                target.name
            );
        }
    }
}

fn words(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// Cuts pieces out of a failing input as long as it still fails: halves first, single bytes last.
fn smaller(target: &Target, input: &[u8]) -> Vec<u8> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut small = input.to_vec();
    let mut left = SHRINKS;
    let mut piece = small.len().div_ceil(2);
    while piece > 0 && left > 0 {
        let mut at = 0;
        while at < small.len() && left > 0 {
            left -= 1;
            let end = (at + piece).min(small.len());
            let candidate = [&small[..at], &small[end..]].concat();
            if catch_unwind(AssertUnwindSafe(|| judge(target, &candidate))).is_err() {
                small = candidate;
            } else {
                at = end;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    std::panic::set_hook(hook);
    small
}
