//! Faults next door: how long until the dead agent of a rig is back while another rig, `bd`, a call to tmux, or tmux itself is in trouble.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::agents::install;
use crate::common::{Fake, Stopped, proc};
use crate::counter::Counter;
use crate::daemon;
use crate::report::{Report, Row, Times, ratio, time};
use crate::town::{AT_MOST, BenchTown, SETTLING};

/// How long a call to tmux or `bd` hangs: longer than gtctl waits for either (5 s, 10 s).
const HANG: Duration = Duration::from_secs(20);

/// How long the server does nothing.
const STOP: Duration = Duration::from_secs(3);

/// Rigs that are well, and deaths that are measured beside those that are not.
const RIGS: usize = 10;

/// A town with some rigs that are well, one whose program is missing for good, and one that beads are asked about and never answer.
pub fn measure(report: &mut Report) {
    let town = troubled();
    let controller = town.town.controller();
    if town.hello.all(RIGS, AT_MOST).is_none() {
        panic!("the rigs that are well do not come up\n{}", controller.log());
    }
    std::thread::sleep(SETTLING);
    assert!(town.town.root().join("bd-was-asked").exists(), "nobody asked bd");

    let each = |number: usize| {
        std::thread::sleep(SETTLING / 2);
        back(&town, number)
    };
    let times = Times::new((0..RIGS).map(each).collect());
    row(report, "beside a rig without its program, and a bd that hangs: a dead agent is back", &times);
    report.check(
        "a rig that is broken delays no other one to the daemon's mean",
        times.percentile(100) < daemon::PERIOD / 2,
    );
    town.town.gtctl(&["reset-backoff", "--all"]).exits(0);
    std::thread::sleep(SETTLING);

    hung_call(report, &town);
    std::thread::sleep(SETTLING);
    stopped_server(report, &town);
}

fn troubled() -> BenchTown {
    let mut town = BenchTown::empty();
    let asked = town.town.root().join("bd-was-asked");
    let script = format!("#!/bin/sh\n: >'{}'\nexec sleep {}\n", asked.display(), HANG.as_secs());
    install(&town.town.root().join("bin/bd"), script.as_bytes());
    fs::create_dir_all(town.town.path("slow/.beads")).expect("a directory");
    for number in 0..RIGS {
        let agent = Fake::Argv(town.hello.command(&format!("w{number}")));
        town.town = town.town.witness(&format!("well{number}"), agent);
    }
    let nobody = Fake::Argv(town.hello.command("nobody"));
    town.town =
        town.town.rig("broken", Fake::NoExec).witness("slow", nobody).with("rigs.slow", "prefix = 'sl'");
    town
}

/// The next program that gtctl runs to look hangs.
fn hung_call(report: &mut Report, town: &BenchTown) {
    let counter = Counter::install(&town.town);
    counter.hang_once(HANG);
    let times = Times::new(vec![back(town, 0)]);
    // A client that was there before goes on being asked, and then nothing is run that could hang.
    let what = if counter.has_hung() { "a call to tmux hangs" } else { "any new call to tmux would hang" };
    row(report, &format!("{what} for {} s: a dead agent is back", HANG.as_secs()), &times);
}

/// Nothing can be seen or done meanwhile; what counts is how soon gtctl is there again.
fn stopped_server(report: &mut Report, town: &BenchTown) {
    let stopped = Stopped::stop(town.town.server());
    let name = "w1";
    let before = town.hello.life(name);
    proc::send(before.pid, rustix::process::Signal::KILL);
    std::thread::sleep(STOP);
    let begun = Instant::now();
    drop(stopped);
    let heard = town.hello.successor(name, Some(before.pid), AT_MOST);
    let heard = heard.unwrap_or_else(|| panic!("it did not come back\n{}", town.town.diagnosis()));
    let what =
        format!("tmux is stopped for {} s, goes on → the agent that died meanwhile is back", STOP.as_secs());
    row(report, &what, &Times::new(vec![heard.at - begun]));
}

fn back(town: &BenchTown, number: usize) -> Duration {
    let name = format!("w{number}");
    town.kill(&name).unwrap_or_else(|| panic!("{name} did not come back\n{}", town.town.diagnosis()))
}

fn row(report: &mut Report, what: &str, times: &Times) {
    let baseline = daemon::PERIOD / 2;
    report.row(Row {
        what: what.to_owned(),
        size: Some(RIGS),
        baseline: format!("mean {}", time(baseline)),
        gtctl: times.to_string(),
        ratio: ratio(baseline.as_secs_f64(), times.p50().as_secs_f64()),
        trials: times.count().to_string(),
        ..Row::default()
    });
}
