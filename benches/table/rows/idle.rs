//! A controller that has nothing to do: what it costs to have it.

use std::time::{Duration, Instant};

use crate::common::RunningController;
use crate::counter::Counter;
use crate::daemon;
use crate::meter::{self, Holdings, Usage};
use crate::report::{Report, Row, digits, ratio};
use crate::town::BenchTown;

/// How many passes are made to see whether anything grows.
const PASSES: usize = 50;

/// Leaves a controller alone for so long. Then has it look again and again, and sees whether anything grows (S113).
pub fn measure(report: &mut Report, town: &BenchTown, controller: &RunningController<'_>, time: Duration) {
    let counter = Counter::install(&town.town);
    let (own, server) = (controller.pid(), town.town.server().pid);
    // What was heard last may lead to another look.
    std::thread::sleep(Duration::from_secs(1));
    let (forks, before, server_before) = (counter.all(), Usage::of(own), Usage::of(server));
    let begun = Instant::now();
    std::thread::sleep(time);
    let passed = begun.elapsed();
    let (spent, of_server) = (Usage::of(own).since(&before), Usage::of(server).since(&server_before));
    let forks = counter.all() - forks;
    let holdings = Holdings::of(own);

    let heartbeat = daemon::run_heartbeat(&town.town, &town.town.sessions(), 100);
    let percent = |cpu: Duration, of: Duration| 100.0 * cpu.as_secs_f64() / of.as_secs_f64();
    let cpu = spent.cpu + spent.children + of_server.cpu;
    let (share, daemons) = (percent(cpu, passed), percent(heartbeat.cpu(), daemon::PERIOD));
    let what = |what: &str| format!("controller, idle: {what}");
    let seconds = format!("1 × {} s", passed.as_secs());
    report.row(Row {
        what: what("programs run"),
        baseline: format!("{} in {} s", heartbeat.forks, daemon::PERIOD.as_secs()),
        gtctl: forks.to_string(),
        promised: "0".to_owned(),
        size: Some(town.size),
        trials: seconds.clone(),
        ..Row::default()
    });
    report.row(Row {
        what: what("CPU, own + the server's, in % of a core"),
        size: Some(town.size),
        baseline: format!("{} %", digits(daemons)),
        gtctl: format!(
            "{:.3} % + {:.3} %",
            percent(spent.cpu + spent.children, passed),
            percent(of_server.cpu, passed)
        ),
        ratio: ratio(daemons, share),
        promised: "≤ 0.1 %".to_owned(),
        trials: seconds.clone(),
    });
    report.row(Row {
        what: what("memory (VmRSS)"),
        gtctl: memory(&holdings),
        promised: "≤ 20 MB".to_owned(),
        size: Some(town.size),
        ..Row::default()
    });
    report.row(Row {
        what: what("times that one of its threads was woken, a second"),
        gtctl: format!(
            "{:.2}",
            f64::from(u32::try_from(spent.switches).unwrap_or(u32::MAX)) / passed.as_secs_f64()
        ),
        size: Some(town.size),
        trials: seconds,
        ..Row::default()
    });
    report.check("an idle controller costs less CPU than the heartbeats", share < daemons);
    growth(report, town, controller, &counter);
}

/// S113: nothing grows with the number of passes, and each makes at most one call to tmux.
fn growth(report: &mut Report, town: &BenchTown, controller: &RunningController<'_>, counter: &Counter) {
    let own = controller.pid();
    // The first passes make what is kept: buffers, threads.
    town.passes(PASSES / 5);
    std::thread::sleep(Duration::from_millis(200));
    let (before, terminals, calls) = (Holdings::of(own), meter::terminals(), counter.of("tmux"));
    town.passes(PASSES);
    std::thread::sleep(Duration::from_millis(200));
    let (after, calls) = (Holdings::of(own), counter.of("tmux") - calls);
    report.row(Row {
        what: format!("controller, {PASSES} passes: growth of memory, files, threads, children"),
        size: Some(town.size),
        gtctl: format!(
            "{:+} KiB, {:+}, {:+}, {:+}",
            after.rss.cast_signed() - before.rss.cast_signed(),
            difference(after.files, before.files),
            difference(after.threads, before.threads),
            difference(after.children, before.children)
        ),
        promised: "0 (S113)".to_owned(),
        trials: "1".to_owned(),
        ..Row::default()
    });
    report.check("S113: a pass makes at most one call to tmux", calls <= PASSES as u64);
    // Files may be open for a moment that belong to a thread of the pool.
    report.check("S113: no open files, children or terminals are left by passes", {
        after.files <= before.files + 2
            && after.children <= before.children
            && meter::terminals() <= terminals
    });
    report.check("S113: memory grows by less than 1 % of itself a pass", {
        after.rss.saturating_sub(before.rss) * 100 < before.rss * PASSES as u64
    });
}

fn difference(after: usize, before: usize) -> i64 {
    i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX)
}

/// The memory of a process, and of its children if it has any.
pub fn memory(holdings: &Holdings) -> String {
    let own = format!("{} MiB", digits(mebibytes(holdings.rss)));
    match holdings.children {
        0 => own,
        count => format!("{own}; {count} children {} MiB", digits(mebibytes(holdings.rss_of_children))),
    }
}

/// KiB as MiB.
fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
