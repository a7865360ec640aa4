//! What a controller costs: that `gtctl cost` says what the kernel and the shim say, and that memory stays as it is over many passes.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::{Fake, GtDaemon, RunningController, SOON, TestTown};
use serde_json::Value;

/// How long one answer may take: a pass of a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How many passes are made, if nothing else is said (`GTCTL_PASSES`): a hundred and thirty bytes that each of them leaves behind show.
const PASSES: u64 = 2_000;

/// After so many, caches and the list of last passes are full.
const WARM_UP: u64 = 500;

/// What the memory may grow by, in KiB: an allocator rounds up to pages, and what is freed comes back late.
const MARGIN: u64 = 256;

/// Asks the controller itself, so that nothing is run for a question.
fn ask(town: &TestTown, line: &str) -> Value {
    let mut stream = UnixStream::connect(town.path("daemon/gtctl/controller.sock")).unwrap();
    stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// How many passes it has made; it is asked when the one that is under way is over.
fn passes(town: &TestTown) -> u64 {
    ask(town, r#"{"verb":"status"}"#)["passes"].as_u64().unwrap()
}

/// Makes it read the files and look so many times, each as soon as the last is done.
#[track_caller]
fn force(town: &TestTown, count: u64) {
    let before = passes(town);
    for _ in 0..count {
        assert_eq!(ask(town, r#"{"verb":"look"}"#)["answer"], "done");
    }
    let made = passes(town) - before;
    assert!(made >= count, "{made} passes for {count} questions: two were answered by one");
}

/// What `gtctl cost -o json` says.
#[track_caller]
fn cost(town: &TestTown) -> Value {
    let ran = town.gtctl(&["cost", "-o", "json"]).exits(0);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"))
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
}

/// VmRSS of a process, in KiB.
fn resident(controller: &RunningController<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", controller.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What a process has in memory, in KiB, counted page by page: VmRSS may be some hundreds of KiB off, as kernels add up what each CPU knows.
fn counted(controller: &RunningController<'_>) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", controller.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// User and system time of a process, as the kernel counts it: in ticks, cut off.
fn cpu(controller: &RunningController<'_>) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", controller.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second())
}

/// A town whose agents live and have settled, and its controller.
fn settled<'town>(town: &'town TestTown, names: &[String]) -> RunningController<'town> {
    let controller = town.controller();
    let objects: Vec<String> = names.iter().map(|name| format!("sessions/{name}")).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    town.wait_all_alive(&objects, SOON * 2);
    town.wait_until("all have settled", SOON, || {
        objects.iter().all(|object| town.plan().reason(object) == "running")
    });
    controller
}

#[test]
fn what_a_controller_costs_is_what_the_kernel_and_the_shim_count() {
    let town = TestTown::new();
    let shim = town.shim();
    town.add_session("one", Fake::Ok);
    let controller = settled(&town, &["one".to_owned()]);

    let first = cost(&town);
    shim.forget();
    let cpu_before = cpu(&controller);
    force(&town, 40);
    let second = cost(&town);
    let cpu_after = cpu(&controller);

    assert_eq!(number(&second, "/format-version"), 1);
    assert_eq!(number(&second, "/pid"), u64::try_from(controller.pid()).unwrap());
    let grown = |pointer: &str| number(&second, pointer) - number(&first, pointer);
    assert!(grown("/passes") >= 40, "{first:#}\n{second:#}");
    // Nothing but the controller has called tmux meanwhile, least of all `gtctl cost`.
    assert_eq!(grown("/programs"), shim.calls().len() as u64, "{first:#}\n{second:#}");
    assert!(number(&second, "/last/programs") <= number(&second, "/programs"));
    // The kernel cuts both of its figures off.
    let told = Duration::from_micros(number(&second, "/cpu-us"));
    let unit = Duration::from_millis(30);
    assert!(cpu_before <= told && told <= cpu_after + unit, "{told:?} in {cpu_before:?} to {cpu_after:?}");
    assert!(grown("/cpu-of-programs-us") > 0, "forty scripts take more than a tick");
    let (memory, resident) = (number(&second, "/memory-bytes") / 1024, resident(&controller));
    assert!(memory.abs_diff(resident) <= resident / 10, "{memory} KiB, and {resident} KiB by the kernel");
    let wall = |what: &str| number(&second, &format!("/last/wall/{what}-us"));
    assert!(0 < wall("median") && wall("median") <= wall("worst"), "{second:#}");
    assert!(number(&second, "/last/cpu/worst-us") <= number(&second, "/cpu-us"));
    assert!(wall("worst") / 1000 <= number(&second, "/last/over-ms"));
    assert_eq!(second["unknown"], Value::Object(serde_json::Map::new()));
}

#[test]
fn only_the_last_passes_are_kept() {
    let town = TestTown::new();
    let _controller = town.controller();
    force(&town, 300);
    let cost = cost(&town);
    assert_eq!(number(&cost, "/last/count"), 256);
    assert!(number(&cost, "/passes") > 300);
    let people = town.gtctl(&["cost"]).exits(0);
    assert!(people.stdout.contains("\nlast passes     256, over "), "{people}");
    assert!(people.stdout.contains("MiB\n") && !people.stdout.contains("unknown"), "{people}");
}

#[test]
fn who_does_not_run_costs_nothing_and_gts_daemon_is_not_asked() {
    let town = TestTown::new().session("one", Fake::Ok);
    let ran = town.gtctl(&["cost"]).exits(3).says("no controller of gtctl runs");
    assert_eq!(ran.stdout, "");
    let _daemon = GtDaemon::start(&town);
    town.gtctl(&["cost", "-o", "json"]).exits(3).says("acts on this town");
}

#[test]
fn s113_memory_is_as_it_was_after_many_passes() {
    let count = std::env::var("GTCTL_PASSES").map_or(PASSES, |text| text.parse().expect("a number"));
    let names: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    let town = TestTown::new();
    for name in &names {
        town.add_session(name, Fake::Named("agent"));
    }
    let controller = settled(&town, &names);
    force(&town, WARM_UP);
    let things = |what: &str| fs::read_dir(format!("/proc/{}/{what}", controller.pid())).unwrap().count();
    let (before, threads, files) = (counted(&controller), things("task"), things("fd"));
    let begun = std::time::Instant::now();

    force(&town, count);

    let after = counted(&controller);
    println!("{count} passes in {:?}: {before} KiB before, {after} KiB after", begun.elapsed());
    assert!(after <= before + MARGIN, "{count} passes: {before} KiB before, {after} KiB after");
    // A moment may have one more.
    assert!(things("task") <= threads + 1, "{threads} threads before, {} after", things("task"));
    assert!(things("fd") <= files + 2, "{files} descriptors before, {} after", things("fd"));
}
