//! `plan()` by itself. How often it allocates, `cargo bench --bench functions` tells.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gtctl::ledger::Ledger;
use gtctl::plan::{Options, plan};

use crate::inputs::{Between, desired, look};
use crate::report::{Report, Row, Times, time};

/// Sizes, with the number of runs and what is promised.
const SIZES: &[(u32, usize, &str)] =
    &[(10, 500, ""), (100, 500, ""), (1000, 200, "≤ 1 ms"), (10_000, 3, "≤ 15 ms")];

/// How much more an object may cost in a town that is ten times as large: caches are smaller than towns.
const GROWTH: u32 = 2;

/// All sizes, in a town in which everything lives, and in one where one agent is dead.
pub fn measure(report: &mut Report) {
    for (between, what) in [(Between::Nothing, "all live"), (Between::OneDies, "one is dead")] {
        let mut before: Option<Duration> = None;
        for (objects, runs, promised) in SIZES {
            let times = run(*objects, *runs, between);
            let each = times.p50() / *objects;
            let growth = before.map_or(String::new(), |before| {
                format!(", × {:.1}", each.as_secs_f64() / before.as_secs_f64())
            });
            report.row(Row {
                what: format!("plan(), {what}"),
                size: Some(*objects as usize),
                gtctl: format!("{times}; per object {}{growth}", time(each)),
                promised: (*promised).to_owned(),
                trials: times.count().to_string(),
                ..Row::default()
            });
            if let Some(before) = before.filter(|_| *objects > 100) {
                let what =
                    format!("plan() grows with the number of objects up to {objects}, not faster ({what})");
                report.check(what, each < before * GROWTH);
            }
            before = Some(each);
        }
    }
}

fn run(objects: u32, runs: usize, between: Between) -> Times {
    let directory = tempfile::tempdir().expect("a directory");
    let desired = desired(directory.path(), objects);
    let observed = look(&desired, 1, between);
    let ledger = Ledger::default();
    let once = || {
        let begun = Instant::now();
        black_box(plan(black_box(&desired), &observed, &ledger, Options::default(), &observed.at));
        begun.elapsed()
    };
    once();
    Times::new((0..runs).map(|_| once()).collect())
}
