//! The table, and the checks that follow from it.

use std::fmt::{self, Display};
use std::time::Duration;

/// Times of the same thing, done again and again.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// In any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        assert!(!times.is_empty(), "nothing was measured");
        Self(times)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many percent of them do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent).div_ceil(100).saturating_sub(1)]
    }

    /// Half of them take longer.
    pub fn p50(&self) -> Duration {
        self.percentile(50)
    }
}

impl Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {}, p99 {}", time(self.p50()), time(self.percentile(99)))
    }
}

/// A time in three digits.
pub fn time(time: Duration) -> String {
    let ns = time.as_secs_f64() * 1e9;
    let (number, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", digits(number))
}

/// Three digits of a number.
pub fn digits(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

/// How many times as much the first is.
pub fn ratio(baseline: f64, gtctl: f64) -> String {
    if gtctl <= 0.0 { "∞".to_owned() } else { format!("{} : 1", digits(baseline / gtctl)) }
}

/// One row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// In a town of how many sessions, or for how many objects.
    pub size: Option<usize>,
    /// What gt's daemon does; empty where it does nothing of the kind.
    pub baseline: String,
    /// What gtctl does.
    pub gtctl: String,
    /// Baseline to gtctl.
    pub ratio: String,
    /// What the design promises; empty where it says nothing.
    pub promised: String,
    /// How often it was done.
    pub trials: String,
}

/// All rows so far, and the checks.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    checks: Vec<(String, bool)>,
}

impl Report {
    /// Adds a row, and shows it at once to who waits.
    pub fn row(&mut self, row: Row) {
        let size = row.size.map_or(String::new(), |size| format!(" ({size})"));
        eprintln!("  {}{size}: {}{}", row.what, row.gtctl, against(&row.baseline));
        self.rows.push(row);
    }

    /// What must be so on any machine: counts and ratios, never times.
    pub fn check(&mut self, what: impl Into<String>, holds: bool) {
        let what = what.into();
        if !holds {
            eprintln!("  NOT SO: {what}");
        }
        self.checks.push((what, holds));
    }

    /// The rows in the order in which their kinds came, and in each kind as they came.
    fn together(&self) -> Vec<&Row> {
        let mut kinds: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !kinds.contains(&row.what.as_str()) {
                kinds.push(&row.what);
            }
        }
        kinds.iter().flat_map(|kind| self.rows.iter().filter(move |row| row.what == *kind)).collect()
    }

    /// Whether all checks hold.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|(_, holds)| *holds)
    }
}

fn against(baseline: &str) -> String {
    if baseline.is_empty() { String::new() } else { format!(" (baseline: {baseline})") }
}

impl Display for Report {
    /// As Markdown, with columns that also line up where nothing renders it. What is the same thing at several sizes stands together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head =
            ["what", "sessions", "gt's daemon", "gtctl", "ratio", "to reach", "trials"].map(str::to_owned);
        let lines: Vec<[String; 7]> =
            std::iter::once(head).chain(self.together().into_iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..7).map(width).collect();
        for (index, line) in lines.iter().enumerate() {
            let padded: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "| {} |", padded.join(" | "))?;
            if index == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(f, "| {} |", rules.join(" | "))?;
            }
        }
        writeln!(f)?;
        for (what, holds) in &self.checks {
            writeln!(f, "{} {what}", if *holds { "ok    " } else { "NOT SO" })?;
        }
        Ok(())
    }
}

/// A row as it is printed.
fn cells(row: &Row) -> [String; 7] {
    let size = row.size.map_or(String::new(), |size| size.to_string());
    let Row { what, baseline, gtctl, ratio, promised, trials, .. } = row.clone();
    [what, size, baseline, gtctl, ratio, promised, trials]
        .map(|cell| if cell.is_empty() { "–".to_owned() } else { cell })
}
