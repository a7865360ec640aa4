//! An agent is killed: until its successor speaks.

use std::time::Duration;

use crate::common::Session;
use crate::daemon;
use crate::report::{Report, Row, Times, ratio, time};
use crate::town::{AT_MOST, BenchTown, SETTLING};

/// Kills one agent after the other, in an order by chance, `trials` in all. A controller keeps the town.
pub fn measure(report: &mut Report, town: &BenchTown, trials: usize, chance: &mut fastrand::Rng) {
    let mut times = Vec::with_capacity(trials);
    let mut names = town.names();
    while times.len() < trials {
        chance.shuffle(&mut names);
        for name in names.iter().take(trials - times.len()) {
            // Not in step with anything that gtctl does by itself.
            std::thread::sleep(SETTLING / 2 + Duration::from_millis(chance.u64(0..50)));
            times.push(town.kill(name).unwrap_or_else(|| {
                panic!("{name} did not come back within {AT_MOST:?}\n{}", town.town.diagnosis())
            }));
        }
        // The second restart of the same agent would wait, as it should.
        std::thread::sleep(SETTLING);
        town.town.gtctl(&["reset-backoff", "--all"]).exits(0);
    }
    let times = Times::new(times);
    let baseline = of_the_daemon(town);
    let promised = match town.size {
        ..=100 => "p50 ≤ 10 ms, p99 ≤ 30 ms",
        _ => "p50 ≤ 25 ms",
    };
    report.row(Row {
        what: "an agent is killed → its successor speaks".to_owned(),
        size: Some(town.size),
        baseline: format!("mean {}", time(baseline)),
        gtctl: times.to_string(),
        ratio: ratio(baseline.as_secs_f64(), times.p50().as_secs_f64()),
        promised: promised.to_owned(),
        trials: times.count().to_string(),
    });
    report.check(
        format!("with {} sessions the slowest restart is sooner than the daemon's mean", town.size),
        times.percentile(100) < baseline,
    );
}

/// Half a period until its next heartbeat, half of that heartbeat until it comes to this agent, and its start as far as the new session.
fn of_the_daemon(town: &BenchTown) -> Duration {
    let sessions: Vec<Session> = town.town.sessions();
    let heartbeat = daemon::run_heartbeat(&town.town, &sessions, 20);
    let directory = town.town.path("work").display().to_string();
    let start = daemon::start("gt-bench", &directory, "sleep 1000000");
    let until_there = daemon::run(&town.town, &start[..2]);
    town.town.tmux(&["kill-session", "-t", "=gt-bench"]).exits(0);
    daemon::PERIOD / 2 + heartbeat.wall / 2 + until_there.wall
}
