//! `gtctl cost`: what the running controller costs, by its own word and the kernel's.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::context::Context;
use super::controller::not_answered;
use super::exit::Exit;
use super::print;
use crate::controller::cost::{Cost, LastPasses, Spread};
use crate::controller::socket::{self, Answer, Request};
use crate::model::{Seen, Why};
use crate::report::json::FORMAT_VERSION;
use crate::report::words;

/// Asks the controller, which makes no pass for that.
pub async fn run(context: &Context) -> Result<Exit, Exit> {
    let cost = match socket::ask(&context.root, &Request::Cost).await {
        Ok(Some(Answer::Cost(cost))) => cost,
        Ok(Some(Answer::Invalid { why })) => {
            print::error(
                &format!("the controller does not know what it costs: {why}"),
                Some("it may be of an older version; `gtctl controller status` shows which"),
            );
            return Err(Exit::Failed);
        }
        Ok(Some(Answer::Status(_) | Answer::Reloaded(_) | Answer::Done { .. })) => {
            print::error("the controller answered something else", None);
            return Err(Exit::Failed);
        }
        Ok(None) => return Err(not_answered(context, None).await),
        Err(error) => return Err(not_answered(context, Some(error)).await),
    };
    if context.is_json() {
        print::json(&for_programs(&cost));
    } else {
        let runs = Duration::try_from(jiff::Timestamp::now().duration_since(cost.started));
        print::out(&for_people(&cost, runs.unwrap_or_default()));
    }
    Ok(Exit::Ok)
}

/// The lines; `runs` is how long it has run.
fn for_people(cost: &Cost, runs: Duration) -> String {
    let mut lines = vec![(
        "controller",
        format!("pid {}, for {}, {} passes", cost.pid, words::length(runs), cost.passes),
    )];
    if let Some(last) = &cost.last {
        let LastPasses { count, over_ms, wall, cpu, programs } = last;
        let a_pass = |sum: &u64| format!("{sum} ({:.2} a pass)", quotient(*sum, *count as u64));
        lines.push((
            "last passes",
            format!("{count}, over {}", words::length(Duration::from_millis(*over_ms))),
        ));
        lines.push(("  wall time", spread(*wall)));
        lines.push(("  CPU time", shown(cpu, |cpu| spread(*cpu))));
        lines.push(("  programs run", shown(programs, a_pass)));
    }
    let share = |used: &u64| {
        let of_a_core = 100.0 * quotient(*used, u64::try_from(runs.as_micros()).unwrap_or(u64::MAX));
        format!("{} ({of_a_core:.2} % of a core)", microseconds(*used))
    };
    lines.push(("since it began", String::new()));
    lines.push(("  programs run", shown(&cost.programs, u64::to_string)));
    lines.push(("  CPU time", shown(&cost.cpu_us, share)));
    lines.push(("  of programs", shown(&cost.cpu_of_programs_us, share)));
    lines
        .push(("memory", shown(&cost.memory_bytes, |bytes| format!("{:.1} MiB", quotient(*bytes, 1 << 20)))));
    lines.iter().map(|(what, text)| format!("{what:<14}  {text}").trim_end().to_owned() + "\n").collect()
}

/// The same for programs: a figure that is not known is null, and `unknown` says why.
fn for_programs(cost: &Cost) -> Value {
    let mut unknown = Map::new();
    let mut put = |what: &str, seen: Seen<Value>| match seen {
        Seen::Known(value) => value,
        Seen::Unknown(Why(why)) => {
            unknown.insert(what.to_owned(), json!(why));
            Value::Null
        }
    };
    let last = cost.last.as_ref().map(|last| {
        json!({
            "count": last.count,
            "over-ms": last.over_ms,
            "wall": last.wall,
            "cpu": put("last.cpu", last.cpu.clone().map(|cpu| json!(cpu))),
            "programs": put("last.programs", last.programs.clone().map(|count| json!(count))),
        })
    });
    let mut number = |what: &str, seen: &Seen<u64>| put(what, seen.clone().map(|number| json!(number)));
    let programs = number("programs", &cost.programs);
    let cpu = number("cpu-us", &cost.cpu_us);
    let of_programs = number("cpu-of-programs-us", &cost.cpu_of_programs_us);
    let memory = number("memory-bytes", &cost.memory_bytes);
    json!({
        "format-version": FORMAT_VERSION,
        "pid": cost.pid,
        "version": cost.version,
        "started": cost.started,
        "passes": cost.passes,
        "last": last,
        "programs": programs,
        "cpu-us": cpu,
        "cpu-of-programs-us": of_programs,
        "memory-bytes": memory,
        "unknown": unknown,
    })
}

fn shown<T>(seen: &Seen<T>, text: impl FnOnce(&T) -> String) -> String {
    match seen {
        Seen::Known(value) => text(value),
        Seen::Unknown(why) => format!("unknown: {why}"),
    }
}

fn spread(spread: Spread) -> String {
    format!("median {}, worst {}", microseconds(spread.median_us), microseconds(spread.worst_us))
}

/// A length of time with as many digits as tell something.
fn microseconds(length: u64) -> String {
    match length {
        0..1_000 => format!("{length} µs"),
        1_000..1_000_000 => format!("{:.2} ms", quotient(length, 1_000)),
        _ => format!("{:.2} s", quotient(length, 1_000_000)),
    }
}

/// Zero if there is nothing to divide by.
#[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
fn quotient(number: u64, by: u64) -> f64 {
    if by == 0 { 0.0 } else { number as f64 / by as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost() -> Cost {
        Cost {
            pid: 7,
            version: "0.1.0".to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            passes: 300,
            last: Some(LastPasses {
                count: 256,
                over_ms: 61_000,
                wall: Spread { median_us: 2_345, worst_us: 1_250_000 },
                cpu: Seen::Known(Spread { median_us: 900, worst_us: 12_000 }),
                programs: Seen::Known(384),
            }),
            programs: Seen::Known(460),
            cpu_us: Seen::Known(1_500_000),
            cpu_of_programs_us: Seen::unknown("no clock"),
            memory_bytes: Seen::Known(15 << 20),
        }
    }

    #[test]
    fn people_read_one_figure_a_line_with_its_unit() {
        let expected = "\
controller      pid 7, for 2m30s, 300 passes
last passes     256, over 1m1s
  wall time     median 2.35 ms, worst 1.25 s
  CPU time      median 900 µs, worst 12.00 ms
  programs run  384 (1.50 a pass)
since it began
  programs run  460
  CPU time      1.50 s (1.00 % of a core)
  of programs   unknown: no clock
memory          15.0 MiB
";
        assert_eq!(for_people(&cost(), Duration::from_secs(150)), expected);
        let young = Cost { last: None, ..cost() };
        assert!(!for_people(&young, Duration::ZERO).contains("last passes"));
    }

    #[test]
    fn law_1_programs_read_null_for_what_is_unknown_and_why() {
        let value = for_programs(&cost());
        assert_eq!(value["cpu-of-programs-us"], Value::Null);
        assert_eq!(value["unknown"], json!({ "cpu-of-programs-us": "no clock" }));
        assert_eq!(value["last"]["wall"], json!({ "median-us": 2_345, "worst-us": 1_250_000 }));
        assert_eq!((&value["programs"], &value["memory-bytes"]), (&json!(460), &json!(15_728_640)));
    }
}
