//! `gtctl park`, `dock`, `unpark`, `undock`: edit town.toml, nothing else. The controller sees the file change, as it would see an editor's.

use clap::Args;
use similar::TextDiff;

use super::approve::lift_refusal;
use super::confirm::confirmed;
use super::context::Context;
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::machine::ThisMachine;
use crate::model::{Address, Name, Period};
use crate::plan::Options;
use crate::report::words;
use crate::town::closest::closest;
use crate::town::files::town_toml::{RigState, TOWN_TOML};
use crate::town::files::{TownFiles, read_all};
use crate::town::{set_rig_state, write_edit};

/// Arguments of `park` and `dock`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The rigs
    #[arg(required = true, value_name = "RIG")]
    rigs: Vec<String>,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Until when: 2026-12-01T09:00:00Z, "2026-12-01 09:00", 18:00, or for how long: 2h
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<jiff::Timestamp>,
    /// Print the diff, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before stopping more sessions than one pass may
    #[arg(long)]
    yes: bool,
    /// Which state `unpark` and `undock` end.
    #[arg(skip)]
    ending: Option<RigState>,
}

/// Arguments of `unpark` and `undock`.
#[derive(Debug, Args)]
pub struct Back {
    /// The rigs
    #[arg(required = true, value_name = "RIG")]
    rigs: Vec<String>,
    /// Print the diff, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Back {
    /// The same as arguments of an edit.
    pub fn ending(self, state: RigState) -> Arguments {
        Arguments {
            rigs: self.rigs,
            reason: None,
            until: None,
            dry_run: self.dry_run,
            yes: false,
            ending: Some(state),
        }
    }
}

/// Reads a moment as people write it.
fn until(text: &str) -> Result<jiff::Timestamp, String> {
    let zone = jiff::tz::TimeZone::system();
    let now = jiff::Zoned::now();
    let local = |civil: jiff::civil::DateTime| {
        civil.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
    };
    if let Ok(timestamp) = text.parse() {
        return Ok(timestamp);
    }
    if let Ok(period) = Period::parse(text) {
        let span = jiff::SignedDuration::try_from(period.get()).map_err(|error| error.to_string())?;
        let until = now.timestamp().checked_add(span).map_err(|error| error.to_string())?;
        // Nobody means the nanoseconds.
        return until.round(jiff::Unit::Second).map_err(|error| error.to_string());
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        return local(civil);
    }
    if let Ok(time) = text.parse::<jiff::civil::Time>() {
        let today = now.date().to_datetime(time);
        let day = if today > now.datetime() {
            now.date()
        } else {
            now.date().tomorrow().map_err(|error| error.to_string())?
        };
        return local(day.to_datetime(time));
    }
    Err("write it as 2026-12-01T09:00:00Z, \"2026-12-01 09:00\", 18:00, or as a length such as 2h".to_owned())
}

/// Makes the edit.
pub async fn run(context: &Context, state: RigState, arguments: &Arguments) -> Result<Exit, Exit> {
    let files =
        read_all(&ThisMachine::new(), &context.root).map_err(|diagnostics| context.config(&diagnostics))?;
    let rigs = rigs(&files, &arguments.rigs)?;
    if arguments.until.is_some_and(|until| until <= jiff::Timestamp::now()) {
        print::error("--until lies in the past", None);
        return Err(Exit::Usage);
    }
    let before = files
        .town
        .as_ref()
        .and_then(|town| town.source.as_ref())
        .map_or(String::new(), |source| source.text.clone());
    let mut after = before.clone();
    for rig in &rigs {
        if !check_ending(&files, rig, arguments.ending)? {
            continue;
        }
        after = set_rig_state(&after, rig, state, arguments.reason.as_deref(), arguments.until).map_err(
            |error| {
                print::error(&error.to_string(), None);
                Exit::Failed
            },
        )?;
    }
    if after == before {
        print::out(&format!("Nothing to change: {TOWN_TOML} says so already.\n"));
        return Ok(Exit::Ok);
    }
    print::out(&diff(&before, &after));
    if arguments.dry_run {
        return Ok(Exit::Ok);
    }
    write_edit(context.root.path(), &before, &after).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        print::error(&format!("{error}{cause}"), None);
        Exit::Failed
    })?;
    let exit = follow_up(context, arguments, &rigs).await?;
    if exit == Exit::Refused {
        // Who says no wants nothing to be changed. Until now nothing was: what was refused is not done.
        write_edit(context.root.path(), &after, &before).map_err(|error| {
            print::error(&format!("{TOWN_TOML} could not be set back: {error}"), None);
            Exit::Failed
        })?;
        print::out(&format!("Nothing is done; {TOWN_TOML} is as it was.\n"));
    }
    Ok(exit)
}

/// What follows from the edit: a stop that needs approval, holds of other files, nobody to carry it out.
async fn follow_up(context: &Context, arguments: &Arguments, rigs: &[Name]) -> Result<Exit, Exit> {
    let reconciler = context.open(Options::default())?;
    let pass = reconciler.look().await;
    if let Some(refusal) = pass.plan.refusal.as_ref().filter(|_| arguments.ending.is_none()) {
        // `--yes` answers for the rigs that were named, not for what else is refused at the moment.
        let is_of_these = |address: &Address| address.rig().is_some_and(|rig| rigs.contains(rig));
        let yes = arguments.yes && refusal.stops.iter().all(is_of_these);
        if yes || confirmed(&format!("This stops {}. Go on?", words::list(&refusal.stops))) {
            lift_refusal(context, refusal).await?;
        } else {
            print::error(
                &format!(
                    "{} would be stopped at once, and no more than {} may be",
                    words::list(&refusal.stops),
                    refusal.limit
                ),
                Some("if that is meant, say --yes"),
            );
            return Ok(Exit::Refused);
        }
    }
    if arguments.ending.is_some() {
        for verdict in pass.plan.verdicts.iter().filter(|verdict| verdict.because.is_wish()) {
            if verdict.address.rig().is_some_and(|rig| rigs.contains(rig)) {
                print::out(&format!(
                    "{} is still held: {} ({})\n",
                    verdict.address,
                    words::reason(&verdict.because, &pass.observed.at),
                    words::origin(verdict)
                ));
            }
        }
    }
    if matches!(controller(context).await, Controller::None) {
        print::out("No controller runs; `gtctl reconcile` carries it out.\n");
    }
    Ok(Exit::Ok)
}

fn rigs(files: &TownFiles, texts: &[String]) -> Result<Vec<Name>, Exit> {
    let known = files.rig_names();
    texts
        .iter()
        .map(|text| {
            known.iter().find(|rig| rig.as_str() == text).cloned().ok_or_else(|| {
                let near = closest(text, known.iter().map(Name::as_str));
                let names: Vec<&str> = known.iter().map(Name::as_str).collect();
                let help = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None if names.is_empty() => "this town has no rigs".to_owned(),
                    None => format!("the rigs of this town are {}", names.join(", ")),
                };
                print::error(&format!("there is no rig `{}`", text.escape_debug()), Some(&help));
                Exit::NotFound
            })
        })
        .collect()
}

/// `unpark` ends a park and `undock` a dock, not the other.
fn check_ending(files: &TownFiles, rig: &Name, ending: Option<RigState>) -> Result<bool, Exit> {
    let Some(ending) = ending else { return Ok(true) };
    let now = files
        .town
        .as_ref()
        .and_then(|town| town.toml.rigs.get(rig.as_str()))
        .map_or(RigState::Active, |table| table.state);
    match (now, ending) {
        (RigState::Parked, RigState::Docked) => Err(("parked", "unpark")),
        (RigState::Docked, RigState::Parked) => Err(("docked", "undock")),
        (RigState::Active, _) => {
            print::out(&format!("{rig} is not held by {TOWN_TOML}.\n"));
            Ok(false)
        }
        _ => Ok(true),
    }
    .map_err(|(state, verb)| {
        print::error(&format!("{rig} is {state}"), Some(&format!("`gtctl {verb} {rig}` ends that")));
        Exit::Failed
    })
}

fn diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).header(TOWN_TOML, TOWN_TOML).to_string()
}
