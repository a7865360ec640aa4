//! `gtctl replay`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Output;
use super::exit::Exit;
use super::print;
use crate::machine::ThisMachine;
use crate::model::{Stamp, Why};
use crate::plan::{Plan, plan};
use crate::report::json::FORMAT_VERSION;
use crate::report::recording::{Found, Head, Recorded, Trouble, decided, read};
use crate::report::replay::{self, Differences, compare};
use crate::report::{self, text};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A directory of recordings, or one recording
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print the plan of this pass, as `gtctl plan` does; passes are counted from 1 over all that is in DIR
    #[arg(long, value_name = "N")]
    pass: Option<u64>,
}

/// Decides all recorded passes anew with this gtctl.
pub fn run(output: Output, arguments: &Arguments) -> Exit {
    let mut replay = Replay {
        json: output == Output::Json,
        only: arguments.pass,
        passes: 0,
        differ: 0,
        missing: 0,
        damaged: false,
        last: None,
        likewise: 0,
        heads: Vec::new(),
        differences: Vec::new(),
        troubles: Vec::new(),
        shown: false,
    };
    if let Err(error) = read(&ThisMachine::new(), &arguments.directory, |found| replay.find(found)) {
        let help = "`gtctl controller --record DIR` makes recordings";
        print::error(&Why::of(&error).0, Some(help));
        return Exit::NotFound;
    }
    replay.end()
}

struct Replay {
    json: bool,
    /// The pass whose plan is asked for.
    only: Option<u64>,
    passes: u64,
    differ: u64,
    missing: u64,
    damaged: bool,
    last: Option<Decision>,
    /// So many passes in a row differ just as the last one that was told.
    likewise: u64,
    heads: Vec<Head>,
    differences: Vec<Value>,
    troubles: Vec<Value>,
    shown: bool,
}

/// What a pass came to; most passes come to the same as the one before.
struct Decision {
    plan: Plan,
    differences: Differences,
}

impl Replay {
    fn find(&mut self, found: Found<'_>) {
        match found {
            Found::File(head) => self.file(head),
            Found::Pass { file, line, pass, as_before } => self.pass(file, line, pass, as_before),
            Found::Trouble(trouble) => self.trouble(&trouble),
        }
    }

    fn file(&mut self, head: &Head) {
        let is_news =
            self.heads.last().is_none_or(|last| (&last.town, &last.gtctl) != (&head.town, &head.gtctl));
        if is_news {
            self.heads.push(head.clone());
            if !self.json && self.only.is_none() {
                self.tell_likewise();
                print::out(&format!("{}\n", replay::head_line(head)));
            }
        }
    }

    fn trouble(&mut self, trouble: &Trouble) {
        self.damaged |= trouble.is_damage();
        if let Trouble::Missing { from, to, .. } = trouble {
            self.missing += to - from + 1;
        }
        if self.json {
            self.troubles.push(replay::trouble_json(trouble));
        } else if self.only.is_none() {
            print::note(&format!("{}: {trouble}", if trouble.is_damage() { "error" } else { "note" }));
        }
    }

    fn pass(&mut self, file: &str, line: usize, pass: &Recorded, as_before: bool) {
        self.passes += 1;
        if self.only.is_some_and(|only| only != self.passes) {
            return;
        }
        let inputs = pass.inputs();
        let plan = plan(inputs.desired, inputs.observed, inputs.ledger, inputs.options, pass.at());
        if self.only.is_some() {
            return self.show(file, line, pass, &plan);
        }
        let same = self.last.as_ref().filter(|last| as_before && decided(&last.plan) == decided(&plan));
        let differences = match same {
            Some(last) => last.differences.clone(),
            None => compare(&pass.decided, &plan),
        };
        if !differences.is_none() {
            self.differ += 1;
            self.tell(file, line, pass, &differences);
        }
        self.last = Some(Decision { plan, differences });
    }

    fn tell(&mut self, file: &str, line: usize, pass: &Recorded, differences: &Differences) {
        if self.json {
            self.differences.push(replay::pass_json(self.passes, file, line, pass, differences));
            return;
        }
        if self.last.as_ref().is_some_and(|last| last.differences == *differences) {
            self.likewise += 1;
            return;
        }
        self.tell_likewise();
        let at = moment(pass.at());
        print::out(&format!("\npass {}, {at} ({file}:{line})\n", self.passes));
        print::out(&replay::text(differences, pass.at()));
    }

    fn tell_likewise(&mut self) {
        match std::mem::take(&mut self.likewise) {
            0 => {}
            1 => print::out("  ... and the next pass likewise\n"),
            many => print::out(&format!("  ... and the next {many} passes likewise\n")),
        }
    }

    /// Prints a plan as it is made now, and says if it was another one.
    fn show(&mut self, file: &str, line: usize, pass: &Recorded, plan: &Plan) {
        self.shown = true;
        let town = pass.desired.root.display().to_string();
        print::note(&format!("pass {}, {} ({file}:{line})", self.passes, moment(pass.at())));
        if self.json {
            print::json(&report::json::plan(plan, &pass.observed, &town));
        } else {
            print::out(&text::plan(plan, &pass.observed, &town));
        }
        let differences = compare(&pass.decided, plan);
        if !differences.is_none() {
            self.differ = 1;
            print::note("note: this is the plan of this gtctl, and what was recorded differs:");
            print::note(replay::text(&differences, pass.at()).trim_end());
        }
    }

    fn end(mut self) -> Exit {
        if let Some(only) = self.only
            && !self.shown
        {
            let help = format!("there are {}", self.passes);
            print::error(&format!("there is no pass {only} in these recordings"), Some(&help));
            return Exit::NotFound;
        }
        if self.only.is_none() {
            self.summary();
        }
        match (self.differ, self.damaged && self.only.is_none()) {
            (0, false) => Exit::Ok,
            (0, true) => Exit::Failed,
            _ => Exit::Unknown,
        }
    }

    fn summary(&mut self) {
        if self.json {
            print::json(&json!({
                "format-version": FORMAT_VERSION,
                "recorded-by": self.heads,
                "gtctl": env!("CARGO_PKG_VERSION"),
                "passes": self.passes,
                "differ": self.differ,
                "missing": self.missing,
                "differences": self.differences,
                "notes": self.troubles,
            }));
            return;
        }
        self.tell_likewise();
        let gap = if self.differ > 0 { "\n" } else { "" };
        print::out(&format!("{gap}{}\n", replay::summary(self.passes, self.differ, self.missing)));
    }
}

/// A moment with its date, in the local zone.
fn moment(at: &Stamp) -> String {
    at.wall.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
