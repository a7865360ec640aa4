//! What a simulation has shown, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::runs::{Broken, Tally};
use crate::model::Origin;
use crate::plan::Verdict;
use crate::report::json::FORMAT_VERSION;
use crate::report::words;
use crate::sim::rehearsal::Rehearsal;
use crate::sim::run::Failure;

/// What is shown.
pub struct Shown<'a> {
    /// The town.
    pub root: &'a Path,
    /// Without faults.
    pub rehearsal: &'a Rehearsal,
    /// With each kind of fault.
    pub tallies: &'a [Tally],
    /// Runs of each.
    pub seeds: u64,
    /// Whether directories and programs were taken for there.
    pub assume_installed: bool,
}

impl Shown<'_> {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.without_faults(&mut out);
        self.with_faults(&mut out);
        for tally in self.tallies {
            if let Some(broken) = &tally.broken {
                self.broken(&mut out, tally, broken);
            }
        }
        out.push_str(&self.last_line());
        out
    }

    fn without_faults(&self, out: &mut String) {
        let Rehearsal { up, lost, held, time, starts, stops, .. } = self.rehearsal;
        let objects = count((up.len() + lost.len()) as u64, "object");
        // Writing to a string cannot fail.
        let _ = match up.len() {
            0 => writeln!(out, "Without faults none of {objects} comes up."),
            all => writeln!(
                out,
                "Without faults {all} of {objects} come up, within {} (simulated), with {}{}:\n",
                words::length(*time),
                count(*starts, "start"),
                if *stops > 0 { format!(" and {}", count(*stops, "stop")) } else { String::new() },
            ),
        };
        for (address, after) in up {
            let _ = writeln!(out, "  {:>8}  {address}", words::length(*after));
        }
        self.group(out, "Never come up:", lost);
        self.group(out, "Held back by the files:", held);
        out.push('\n');
    }

    fn group(&self, out: &mut String, title: &str, verdicts: &[Verdict]) {
        if verdicts.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{title}\n");
        for verdict in verdicts {
            let reason = words::reason(&verdict.because, &self.rehearsal.now);
            let _ = writeln!(out, "  {}: {reason}", verdict.address);
            let _ = writeln!(out, "    # asked for by {}", words::origin(verdict));
        }
    }

    fn with_faults(&self, out: &mut String) {
        if self.tallies.is_empty() {
            if self.rehearsal.up.is_empty() {
                out.push_str("Nothing runs, so there is nothing for faults to happen to.\n\n");
            }
            return;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["FAULT", "RUNS", "AT REST", "FAULTS", "STARTS/FAULT", "STOPS/FAULT", "LONGEST"]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let (struck, idle): (Vec<&Tally>, Vec<&Tally>) =
            self.tallies.iter().partition(|tally| tally.strikes > 0 || tally.broken.is_some());
        for tally in &struck {
            let rested = if tally.broken.is_none() { "all".to_owned() } else { tally.rested.to_string() };
            table.add_row([
                tally.fault.name.to_owned(),
                self.seeds.to_string(),
                rested,
                tally.strikes.to_string(),
                each(tally.starts, tally.strikes),
                each(tally.stops, tally.strikes),
                words::length(tally.longest),
            ]);
        }
        if !struck.is_empty() {
            out.push_str("With faults, up to three a run (LONGEST is the time from the last one, or its end, until nothing was left to do):\n\n");
            out.extend(table.to_string().lines().map(|line| format!("{}\n", line.trim_end())));
            out.push('\n');
        }
        if !idle.is_empty() {
            let names: Vec<&str> = idle.iter().map(|tally| tally.fault.name).collect();
            let _ = writeln!(
                out,
                "There was nothing in this town for these to happen to: {}.\n",
                names.join(", ")
            );
        }
    }

    fn broken(&self, out: &mut String, tally: &Tally, broken: &Broken) {
        let Broken { runs, seed, failure } = broken;
        let _ = writeln!(
            out,
            "{} of {} runs with {} went wrong. Seed {seed}, made as short as possible:\n",
            runs, self.seeds, tally.fault.name
        );
        story(out, failure);
        let _ = writeln!(out, "\n  again: {}\n", self.again(tally, *seed));
    }

    /// The command that repeats a run.
    fn again(&self, tally: &Tally, seed: u64) -> String {
        let installed = if self.assume_installed { " --assume-installed" } else { "" };
        format!(
            "gtctl --town {} simulate --faults {} --seed {seed} --seeds 1{installed}",
            quoted(self.root),
            tally.fault.name
        )
    }

    fn last_line(&self) -> String {
        let struck = self.tallies.iter().filter(|tally| tally.strikes > 0 || tally.broken.is_some()).count();
        let broken: u64 = self.tallies.iter().filter_map(|tally| Some(tally.broken.as_ref()?.runs)).sum();
        let faults = if struck == 0 {
            "no faults".to_owned()
        } else {
            let rest = if broken == 0 {
                "all came to rest".to_owned()
            } else {
                format!("{broken} went wrong, see above")
            };
            format!("{} of faults × {}, {rest}", count(struck as u64, "kind"), count(self.seeds, "run"))
        };
        let lost = match self.rehearsal.lost.len() {
            0 if self.rehearsal.up.is_empty() => "no file asks for anything to run".to_owned(),
            0 => "everything comes up".to_owned(),
            1 => "1 object never comes up".to_owned(),
            lost => format!("{lost} objects never come up"),
        };
        format!("Simulated: {faults}; {lost}.\n")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let Rehearsal { up, lost, held, time, starts, stops, .. } = self.rehearsal;
        let verdict = |verdict: &Verdict| {
            json!({
                "address": verdict.address,
                "reason": verdict.because,
                "text": words::reason(&verdict.because, &self.rehearsal.now),
                "origin": verdict.origin,
                "origin-text": match &verdict.origin { Origin::Default => None, other => Some(other.to_string()) },
                "note": verdict.note,
            })
        };
        let up = up
            .iter()
            .map(|(address, after)| json!({ "address": address, "started-after-seconds": seconds(*after) }));
        json!({
            "format-version": FORMAT_VERSION,
            "town": self.root,
            "without-faults": {
                "at-rest": true,
                "up": up.collect::<Vec<_>>(),
                "never-up": lost.iter().map(verdict).collect::<Vec<_>>(),
                "held": held.iter().map(verdict).collect::<Vec<_>>(),
                "starts": starts,
                "stops": stops,
                "seconds": seconds(*time),
            },
            "faults": self.tallies.iter().map(|tally| self.tally(tally)).collect::<Vec<_>>(),
        })
    }

    fn tally(&self, tally: &Tally) -> Value {
        json!({
            "name": tally.fault.name,
            "text": tally.fault.text,
            "runs": self.seeds,
            "at-rest": tally.rested,
            "faults": tally.strikes,
            "starts": tally.starts,
            "stops": tally.stops,
            "longest-seconds": seconds(tally.longest),
            "broken": tally.broken.as_ref().map(|broken| json!({
                "runs": broken.runs,
                "seed": broken.seed,
                "law": broken.failure.violation.law,
                "how": broken.failure.violation.how,
                "story": broken.failure.story,
                "again": self.again(tally, broken.seed),
            })),
        })
    }
}

/// A town that does not come to rest although nothing goes wrong, for people.
pub fn unrest_text(failure: &Failure) -> String {
    let mut out = "Without faults this town never comes to rest:\n\n".to_owned();
    story(&mut out, failure);
    out.push_str("\nSimulated: no faults; it never comes to rest.\n");
    out
}

/// The same for programs.
pub fn unrest(root: &Path, failure: &Failure) -> Value {
    let Failure { violation, story, .. } = failure;
    json!({
        "format-version": FORMAT_VERSION,
        "town": root,
        "without-faults": { "at-rest": false, "law": violation.law, "how": violation.how, "story": story },
        "faults": [],
    })
}

/// So many last lines of a story are shown: what matters is how it ends.
const STORY_LINES_MAX: usize = 60;

fn story(out: &mut String, failure: &Failure) {
    let skipped = failure.story.len().saturating_sub(STORY_LINES_MAX);
    if skipped > 0 {
        let _ = writeln!(out, "  … {skipped} lines before that");
    }
    for line in failure.story.iter().skip(skipped) {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "\n  broken: {}\n          {}", failure.violation.law, failure.violation.how);
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// So many for each, with one decimal.
fn each(number: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let tenths = (number * 10 + of / 2) / of;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn seconds(length: Duration) -> f64 {
    length.as_secs_f64()
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+".contains(letter);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
