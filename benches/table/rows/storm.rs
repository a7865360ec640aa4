//! All agents of a town start, then many of them die at once: time, CPU and memory until all is as wanted again, and how these grow with the town.

use std::time::{Duration, Instant};

use crate::common::RunningController;
use crate::common::proc;
use crate::daemon::{self, Cost};
use crate::meter::{Holdings, Usage};
use crate::report::{Report, Row, ratio, time};
use crate::rows::idle::memory;
use crate::town::{AT_MOST, BenchTown};

/// What starting or healing a town has cost.
#[derive(Debug, Clone, Copy)]
pub struct Healing {
    /// How many agents were started.
    agents: u32,
    /// Until the last of them spoke.
    wall: Duration,
    /// Of the controller and the tmux clients that it ran, until all was as wanted and quiet.
    gtctl: Duration,
    /// Of the server, likewise.
    server: Duration,
}

impl Healing {
    /// CPU of gtctl for each agent.
    fn each(&self) -> Duration {
        self.gtctl / self.agents
    }
}

/// What both have cost, for the comparison with another size.
pub type Both = [Healing; 2];

/// How much more gtctl may spend on the start of an agent in a town that is ten times as large.
const GROWTH_OF_STARTS: f64 = 3.0;

/// How much more on an agent that dies: each pass looks at ten times as much.
const GROWTH_OF_DEATHS: f64 = 15.0;

/// How much of the daemon's starts counts where all start: they are measured on a server with all sessions, and the first ones would meet an empty one.
const HALF: f64 = 0.5;

/// Starts the agents of a town in which nothing runs, under a controller. `None` if that takes longer than `at_most`.
pub fn start_all<'town>(
    report: &mut Report,
    town: &'town BenchTown,
    smaller: Option<&Both>,
    at_most: Duration,
) -> Option<(RunningController<'town>, Healing)> {
    let begun = Instant::now();
    let controller = town.town.spawn_controller(town.town.gtctl_command(&["controller"]));
    let Some(last) = town.hello.all(town.size, at_most) else {
        report.row(Row {
            what: "the controller begins, all start → the last speaks: wall".to_owned(),
            size: Some(town.size),
            gtctl: format!("{} live after {}; the rest is left out", town.hello.count(), time(at_most)),
            ..Row::default()
        });
        return None;
    };
    town.quiet(controller.pid());
    // All that either has ever used.
    let (own, server) = (Usage::of(controller.pid()), Usage::of(town.town.server().pid));
    let none = Usage::nothing();
    let spent = own.since(&none);
    let healing = Healing {
        agents: u32::try_from(town.size).expect("a town"),
        wall: last - begun,
        gtctl: spent.cpu + spent.children,
        server: server.since(&none).cpu,
    };
    town.settled();
    row(
        report,
        "the controller begins, all start → the last speaks",
        town,
        &healing,
        smaller.map(|both| &both[0]),
        (HALF, GROWTH_OF_STARTS),
    );
    Some((controller, healing))
}

/// Kills 100 agents, chosen by chance, at once.
pub fn kill_many(
    report: &mut Report,
    town: &BenchTown,
    controller: &RunningController<'_>,
    smaller: Option<&Both>,
    chance: &mut fastrand::Rng,
) -> Healing {
    let victims = chance.choose_multiple(town.names(), 100.min(town.size));
    let pids: Vec<i32> = victims.iter().map(|name| town.hello.life(name).pid).collect();
    let (own, server) = (controller.pid(), town.town.server().pid);
    let (before, server_before) = (Usage::of(own), Usage::of(server));
    town.hello.forget();
    let begun = Instant::now();
    for pid in &pids {
        proc::send(*pid, rustix::process::Signal::KILL);
    }
    let last = town
        .hello
        .all(pids.len(), AT_MOST)
        .unwrap_or_else(|| panic!("{} of {} came back", town.hello.count(), pids.len()));
    town.quiet(own);
    let spent = Usage::of(own).since(&before);
    let healing = Healing {
        agents: u32::try_from(pids.len()).expect("a hundred"),
        wall: last - begun,
        gtctl: spent.cpu + spent.children,
        server: Usage::of(server).since(&server_before).cpu,
    };
    town.settled();
    row(
        report,
        "up to 100 agents die at once → the last successor speaks",
        town,
        &healing,
        smaller.map(|both| &both[1]),
        (1.0, GROWTH_OF_DEATHS),
    );
    report.row(Row {
        what: "controller, after that: memory (VmRSS)".to_owned(),
        size: Some(town.size),
        gtctl: memory(&Holdings::of(own)),
        ..Row::default()
    });
    healing
}

/// Rows for what it took, and a check that it did not grow by more than `growth_max` for each agent since a town of a tenth of the size. Of the daemon's starts,
/// this share is what it takes at least.
fn row(
    report: &mut Report,
    what: &str,
    town: &BenchTown,
    healing: &Healing,
    smaller: Option<&Healing>,
    (share, growth_max): (f64, f64),
) {
    let start = starts(town).times(share * f64::from(healing.agents) / f64::from(STARTS));
    report.row(Row {
        what: format!("{what}: wall"),
        size: Some(town.size),
        baseline: format!("≈ {} + {}", time(daemon::PERIOD / 2), time(start.wall)),
        gtctl: time(healing.wall),
        ratio: ratio((daemon::PERIOD / 2 + start.wall).as_secs_f64(), healing.wall.as_secs_f64()),
        trials: "1".to_owned(),
        ..Row::default()
    });
    let growth = smaller.map(|smaller| healing.each().as_secs_f64() / smaller.each().as_secs_f64());
    let told = growth.map_or(String::new(), |growth| format!("; own for each agent × {growth:.1}"));
    report.row(Row {
        what: format!("{what}: CPU, own + the server's"),
        size: Some(town.size),
        baseline: format!("≈ {} + {}", time(start.programs), time(start.server)),
        gtctl: format!("{} + {}{told}", time(healing.gtctl), time(healing.server)),
        ratio: ratio(start.cpu().as_secs_f64(), (healing.gtctl + healing.server).as_secs_f64()),
        trials: "1".to_owned(),
        ..Row::default()
    });
    // Ten sessions cost next to nothing, so that what does not depend on them would hide any growth.
    if let Some(growth) = growth.filter(|_| town.size >= 1000) {
        let what = format!(
            "{what}, {} sessions: gtctl's CPU for each agent is not above {growth_max} times that at a tenth",
            town.size
        );
        report.check(what, growth <= growth_max);
    }
}

/// How many starts of gt's daemon are measured.
const STARTS: u32 = 5;

/// What it runs for so many starts, without its sleeps, on this server.
fn starts(town: &BenchTown) -> Cost {
    let directory = town.town.path("work").display().to_string();
    let name = |number: u32| format!("gt-bench-{number}");
    let calls: Vec<daemon::Call> =
        (0..STARTS).flat_map(|number| daemon::start(&name(number), &directory, "sleep 1000000")).collect();
    let cost = daemon::run(&town.town, &calls);
    for number in 0..STARTS {
        town.town.tmux(&["kill-session", "-t", &format!("={}", name(number))]).exits(0);
    }
    cost
}
