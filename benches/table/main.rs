//! The table of what gtctl promises, with this machine's figures, beside those of gt's daemon: `make bench`.
//!
//! It drives the built `gtctl` as users do, each town on a tmux server of its own in a temporary directory, with agents that do nothing. What is
//! measured is told by the kernel, the agents and the tmux server, never by gtctl. Absolute times are printed and never judged: machines differ.
//! Counts and ratios of the same run are judged, and decide the exit status.
//!
//! - `town`, `hello`: a town of so many sessions, and agents that speak as soon as they live.
//! - `daemon`: the baseline, command by command.
//! - `meter`, `counter`: what it has cost; which programs were run.
//! - `rows`: one file for each thing that is done.
//! - `report`: the table; `cleaning`: what happens at an interrupt.
//!
//! `BENCH_FULL=1` adds what takes long: more trials with 1,000 sessions, and ten idle minutes. `BENCH_ONLY=restart,plan` measures some rows only,
//! `BENCH_SIZES=10,100` some towns, `BENCH_IDLE_SECONDS=60` another idle time, `BENCH_SEED=7` other victims.

// A panic is how a measurement says that it measured nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../inputs/mod.rs"]
mod inputs;

mod cleaning;
mod counter;
mod daemon;
mod hello;
mod meter;
mod report;
mod rows;
mod town;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use report::Report;
use town::BenchTown;

/// What is to be measured.
struct Settings {
    full: bool,
    only: Option<String>,
    sizes: Vec<usize>,
    idle: Duration,
    seed: u64,
}

impl Settings {
    fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number =
            |name: &str| variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")));
        let full = variable("BENCH_FULL").is_some_and(|text| text != "0");
        let sizes = variable("BENCH_SIZES").unwrap_or_else(|| "10,100,1000".to_owned());
        Self {
            full,
            only: variable("BENCH_ONLY"),
            sizes: sizes.split(',').map(|size| size.parse().expect("BENCH_SIZES=10,100")).collect(),
            idle: Duration::from_secs(number("BENCH_IDLE_SECONDS").unwrap_or(if full { 600 } else { 20 })),
            seed: number("BENCH_SEED").unwrap_or(1),
        }
    }

    fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|one| one == row))
    }
}

fn main() -> ExitCode {
    // `cargo test --benches` would run it as a test; it is none.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    cleaning::at_signals();
    let settings = Settings::from_environment();
    let begun = Instant::now();
    let load = load();
    let mut report = Report::default();
    let mut smaller = None;
    for size in &settings.sizes {
        if ["storm", "restart", "pass", "edit", "idle"].iter().any(|row| settings.wants(row)) {
            // What was measured so far is worth printing, whatever happens to the rest.
            let measured =
                catch_unwind(AssertUnwindSafe(|| town(&mut report, &settings, *size, smaller.as_ref())));
            report.check(format!("the town of {size} sessions was measured to the end"), measured.is_ok());
            smaller = measured.unwrap_or_default();
        }
    }
    if settings.wants("plan") {
        rows::planning::measure(&mut report);
    }
    if settings.wants("broken") {
        let measured = catch_unwind(AssertUnwindSafe(|| rows::broken::measure(&mut report)));
        report.check("the town in trouble was measured to the end", measured.is_ok());
    }
    println!("\n{}\n\n{report}", daemon::about());
    println!("{} s, seed {}, {}\n{load}", begun.elapsed().as_secs(), settings.seed, machine());
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything that is measured in one town of this size.
fn town(
    report: &mut Report,
    settings: &Settings,
    size: usize,
    smaller: Option<&rows::storm::Both>,
) -> Option<rows::storm::Both> {
    eprintln!("a town of {size} sessions");
    let mut chance = fastrand::Rng::with_seed(settings.seed);
    let town = BenchTown::new(size);
    let at_most = Duration::from_secs(if settings.full { 900 } else { 60 });
    let (controller, started) = rows::storm::start_all(report, &town, smaller, at_most)?;
    if settings.wants("restart") {
        let trials = if size > 100 && !settings.full { 20 } else { 100 };
        rows::restart::measure(report, &town, trials, &mut chance);
    }
    if settings.wants("pass") {
        rows::pass::measure(report, &town, &controller);
    }
    if settings.wants("edit") && (size == 100 || settings.full) {
        rows::edit::measure(report, &town, 20);
    }
    if settings.wants("idle") && size == 100 {
        rows::idle::measure(report, &town, &controller, settings.idle);
    }
    let healed = rows::storm::kill_many(report, &town, &controller, smaller, &mut chance);
    Some([started, healed])
}

/// What else the machine did when this began: figures from a busy one say little.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let busy = if load > 0.5 { ": the machine was busy, and times are larger for it" } else { "" };
    format!("load average at the beginning {load}{busy}")
}

/// What it ran on.
fn machine() -> String {
    let first = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default().trim_start_matches([':', ' ', '\t']).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let tmux = std::process::Command::new(common::guard::program()).arg("-V").output();
    format!(
        "{cores} × {}, Linux {}, {}",
        first("/proc/cpuinfo", "model name"),
        first("/proc/sys/kernel/osrelease", ""),
        tmux.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned()),
    )
}
