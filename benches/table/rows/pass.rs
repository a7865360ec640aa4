//! One pass over a town in which everything lives: what it forks, how long it takes, what it costs gtctl and the server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::RunningController;
use crate::counter::Counter;
use crate::daemon::{self, Cost};
use crate::meter::{self, Usage};
use crate::report::{Report, Row, Times, digits, ratio, time};
use crate::town::BenchTown;

/// Passes of each kind.
const PASSES: u32 = 20;

/// How much of gt's heartbeat is run where the town is larger.
const SAMPLE: usize = 100;

/// What passes have taken.
struct Passes {
    walls: Times,
    /// Of gtctl and of the tmux clients that it ran, for one pass.
    gtctl: Duration,
    /// Of the tmux server, for one pass.
    server: Duration,
}

/// Measures `gtctl reconcile --dry-run` and a pass of the controller that keeps the town.
pub fn measure(report: &mut Report, town: &BenchTown, controller: &RunningController<'_>) {
    let sessions = town.town.sessions();
    let sample = if town.size > SAMPLE { SAMPLE / 2 } else { SAMPLE };
    let baseline = daemon::run_heartbeat(&town.town, &sessions, sample);
    let once = once(town);
    let kept = kept(town, controller);
    let again = daemon::run_heartbeat(&town.town, &sessions, sample);
    // Before and after: whatever else the machine does meanwhile hurts both alike.
    let baseline = Cost { wall: (baseline.wall + again.wall) / 2, ..baseline };

    costs(report, town, "reconcile --dry-run", &once, &baseline, sample);
    costs(report, town, "controller, a pass", &kept, &baseline, sample);
    forks(report, town, &baseline);
}

fn costs(report: &mut Report, town: &BenchTown, what: &str, passes: &Passes, baseline: &Cost, sample: usize) {
    let size = town.size;
    let about = if sample < size { "≈ " } else { "" };
    let how = if sample < size { format!(" (from {sample} sessions)") } else { String::new() };
    let promised = |promise: &str| if size == 1000 { promise.to_owned() } else { String::new() };
    report.row(Row {
        what: format!("{what}: wall"),
        size: Some(size),
        baseline: format!("{about}{}{how}", time(baseline.wall)),
        gtctl: passes.walls.to_string(),
        ratio: ratio(baseline.wall.as_secs_f64(), passes.walls.p50().as_secs_f64()),
        promised: promised("≤ 50 ms"),
        trials: passes.walls.count().to_string(),
    });
    let both = passes.gtctl + passes.server;
    report.row(Row {
        what: format!("{what}: CPU, own + the server's"),
        size: Some(size),
        baseline: format!("{about}{} + {}", time(baseline.programs), time(baseline.server)),
        gtctl: format!("{} + {}", time(passes.gtctl), time(passes.server)),
        ratio: ratio(baseline.cpu().as_secs_f64(), both.as_secs_f64()),
        promised: promised("gtctl ≤ 10 ms"),
        trials: PASSES.to_string(),
    });
    report.check(format!("{what} of {size} sessions costs less CPU than a heartbeat"), both < baseline.cpu());
}

/// By `gtctl reconcile --dry-run`, as a person would.
fn once(town: &BenchTown) -> Passes {
    let server = town.town.server().pid;
    let (programs, before) = (meter::of_programs(), Usage::of(server));
    let walls: Vec<Duration> = (0..PASSES).map(|_| dry_run(town)).collect();
    Passes {
        walls: Times::new(walls),
        gtctl: (meter::of_programs() - programs) / PASSES,
        server: Usage::of(server).since(&before).cpu / PASSES,
    }
}

fn dry_run(town: &BenchTown) -> Duration {
    let mut command = town.town.gtctl_command(&["reconcile", "--dry-run"]);
    command.stdin(Stdio::null());
    let begun = Instant::now();
    let output = command.output().expect("gtctl runs");
    let took = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

/// By the controller.
fn kept(town: &BenchTown, controller: &RunningController<'_>) -> Passes {
    let (server, own) = (town.town.server().pid, controller.pid());
    let (before, server_before) = (Usage::of(own), Usage::of(server));
    let walls = town.passes(PASSES as usize);
    let spent = Usage::of(own).since(&before);
    Passes {
        walls: Times::new(walls),
        gtctl: (spent.cpu + spent.children) / PASSES,
        server: Usage::of(server).since(&server_before).cpu / PASSES,
    }
}

/// Counted by scripts in front of the programs, not while the clock runs.
fn forks(report: &mut Report, town: &BenchTown, baseline: &Cost) {
    let counter = Counter::install(&town.town);
    for _ in 0..PASSES {
        dry_run(town);
    }
    let once = counter.all();
    town.passes(PASSES as usize);
    let kept = counter.all() - once;
    drop(counter);
    // Without the scripts, of which each makes no process more. The quietest: whatever else runs only adds.
    let made = (0..PASSES)
        .map(|_| {
            let before = meter::made_by_all();
            dry_run(town);
            meter::made_by_all() - before
        })
        .min();
    let each = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / f64::from(PASSES);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let heartbeat = baseline.forks as f64;
    for (what, count, promised) in [("reconcile --dry-run", once, "≤ 1"), ("controller, a pass", kept, "0")]
    {
        report.row(Row {
            what: format!("{what}: programs run"),
            size: Some(town.size),
            baseline: baseline.forks.to_string(),
            gtctl: digits(each(count)),
            ratio: ratio(heartbeat, each(count)),
            promised: promised.to_owned(),
            trials: PASSES.to_string(),
        });
        report.check(
            format!("{what} of {} sessions runs fewer programs than a heartbeat", town.size),
            each(count) < heartbeat,
        );
    }
    report.row(Row {
        what: "reconcile --dry-run: processes and threads made, itself included".to_owned(),
        size: Some(town.size),
        gtctl: made.unwrap_or_default().to_string(),
        trials: format!("least of {PASSES}"),
        ..Row::default()
    });
}
