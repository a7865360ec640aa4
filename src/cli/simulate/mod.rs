//! `gtctl simulate`: the town's own files in a simulated world, without faults and with every kind of them. The real town is only read, and
//! no tmux is called.

mod runs;
mod show;

use std::fmt::Write as _;

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::print;
use crate::machine::{Machine, ThisMachine};
use crate::plan::Options;
use crate::sim::copied::CopiedTown;
use crate::sim::faults::{FAULTS, Fault, named};
use crate::sim::rehearsal::{Rehearsal, rehearse};
use crate::town::closest::closest;
use runs::{Runs, Tally};
use show::Shown;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = kinds())]
pub struct Arguments {
    /// How many runs with each kind of fault
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// The first seed; a run is the same whenever it has the same seed and the same files
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Which kinds of faults: some of those below with commas between them, `all` or `none`
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = faults)]
    faults: Chosen,
    /// Take all directories and programs for there, as if gtctl looked on another machine
    #[arg(long)]
    assume_installed: bool,
}

/// Kinds of faults, in the order of the table.
#[derive(Debug, Clone)]
struct Chosen(Vec<&'static Fault>);

/// Reads a list of faults.
fn faults(text: &str) -> Result<Chosen, String> {
    match text {
        "all" => return Ok(Chosen(FAULTS.iter().collect())),
        "none" => return Ok(Chosen(Vec::new())),
        _ => {}
    }
    let mut chosen = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let Some(fault) = named(name) else {
            let near = closest(name, FAULTS.iter().map(|fault| fault.name));
            let hint = near.map_or_else(
                || "`gtctl simulate --help` lists them".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(format!("there is no fault `{name}`; {hint}"));
        };
        if !chosen.iter().any(|known: &&Fault| known.name == fault.name) {
            chosen.push(fault);
        }
    }
    Ok(Chosen(chosen))
}

/// The table of faults, for `--help`.
fn kinds() -> String {
    let mut text = "Kinds of faults:\n".to_owned();
    for fault in FAULTS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<23} {}", fault.name, fault.text);
    }
    text.push_str("\nWhat is simulated: tmux, processes, files, clocks, people. Agents run until something ends them.\n");
    text.push_str(super::exit::HELP);
    text
}

/// Simulates, and says what came of it.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let reconciler = context.open_and_ask(Options::default()).await?;
    let machine = ThisMachine::new();
    let (files, desired) = (reconciler.files(), reconciler.desired());
    let town = CopiedTown::read(&machine, files, desired, machine.now().wall, arguments.assume_installed);
    let town = match reconciler.bead_answers() {
        Some(answers) => town.with_beads(answers),
        None => town,
    };
    let rehearsal = match runs::silently(|| rehearse(town)) {
        Ok(rehearsal) => rehearsal,
        Err(failure) => {
            print_failure(context, &failure);
            return Ok(Exit::Broken);
        }
    };
    // Where nothing runs there is nothing to hurt.
    let faults = if rehearsal.up.is_empty() { Vec::new() } else { arguments.faults.0.clone() };
    let runs = Runs { faults, first: arguments.seed, count: arguments.seeds };
    let tallies = runs.all(&rehearsal);
    let shown = Shown {
        root: context.root.path(),
        rehearsal: &rehearsal,
        tallies: &tallies,
        seeds: arguments.seeds,
        assume_installed: arguments.assume_installed,
    };
    if context.is_json() {
        print::json(&shown.json());
    } else {
        print::out(&shown.text());
    }
    Ok(exit_of(&rehearsal, &tallies))
}

fn exit_of(rehearsal: &Rehearsal, tallies: &[Tally]) -> Exit {
    if tallies.iter().any(|tally| tally.broken.is_some()) {
        Exit::Broken
    } else if !rehearsal.lost.is_empty() {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

/// It does not even come to rest without faults.
fn print_failure(context: &Context, failure: &crate::sim::run::Failure) {
    if context.is_json() {
        print::json(&show::unrest(context.root.path(), failure));
    } else {
        print::out(&show::unrest_text(failure));
    }
}
