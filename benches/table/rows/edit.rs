//! `town.toml` gets another session: until its agent speaks.

use std::time::{Duration, Instant};

use crate::daemon;
use crate::report::{Report, Row, Times, ratio, time};
use crate::town::{AT_MOST, BenchTown, SETTLING};

/// Adds one session after the other. A controller keeps the town, and is left with the town as it was.
pub fn measure(report: &mut Report, town: &BenchTown, trials: usize) {
    let mut added = Vec::with_capacity(trials);
    let mut times = Vec::with_capacity(trials);
    for number in 0..trials {
        let name = format!("new{number}");
        added.push(name.clone());
        let begun = Instant::now();
        town.write_with(&added);
        let heard = town.hello.successor(&name, None, AT_MOST);
        let heard = heard.unwrap_or_else(|| panic!("{name} did not come\n{}", town.town.diagnosis()));
        times.push(heard.at - begun);
        std::thread::sleep(SETTLING);
    }
    let objects: Vec<String> = added.iter().map(|name| format!("sessions/{name}")).collect();
    let mut stop = vec!["stop", "--yes"];
    stop.extend(objects.iter().map(String::as_str));
    town.town.gtctl(&stop).exits(0);
    town.write_with(&[]);
    town.settled();

    let times = Times::new(times);
    let baseline = daemon::PERIOD / 2;
    report.row(Row {
        what: "a session is written into town.toml → its agent speaks".to_owned(),
        size: Some(town.size),
        baseline: format!("its next heartbeat: mean {}", time(baseline)),
        gtctl: times.to_string(),
        ratio: ratio(baseline.as_secs_f64(), times.p50().as_secs_f64()),
        promised: "≤ 150 ms (100 ms of it the debounce)".to_owned(),
        trials: times.count().to_string(),
    });
    report.check(
        "an edit is followed sooner than at the next heartbeat",
        times.percentile(100) < Duration::from_secs(90),
    );
}
