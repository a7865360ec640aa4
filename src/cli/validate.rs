//! `gtctl validate`: checks the files and says what would run because of them. Touches no tmux and changes nothing.

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::Exit;
use super::print;
use crate::desired::{AgentChoice, Desired, Object};
use crate::model::{Address, Origin};
use crate::plan::Options;
use crate::town::files::TownFiles;
use crate::town::files::town_toml::TownToml;

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print every setting with its value and where that comes from
    #[arg(long)]
    effective: bool,
}

/// Checks, and lists.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    // As the controller would: a file that was there and is gone is missed here, too.
    let reconciler = context.open(Options::default())?;
    let (files, desired) = (reconciler.files(), reconciler.desired());
    let settings = if arguments.effective { effective(files, desired) } else { Vec::new() };
    if context.is_json() {
        print::json(&json!({
            "format-version": crate::report::json::FORMAT_VERSION,
            "valid": true,
            "diagnostics": [],
            "objects": desired.objects.values().map(object_json).collect::<Vec<_>>(),
            "settings": settings.iter().map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin})).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Ok);
    }
    print_objects(files, desired);
    for (key, value, origin) in settings {
        print::out(&format!("{key} = {value}    # {origin}\n"));
    }
    Ok(Exit::Ok)
}

fn print_objects(files: &TownFiles, desired: &Desired) {
    let rigs = files.rig_names().len();
    let is_on = |object: &&Object| !object.holds.iter().any(|hold| hold.origin == Origin::Default);
    let objects = desired.objects.values().filter(is_on).count();
    print::out(&format!("The files are valid: {rigs} rigs, {objects} objects.\n\n"));
    let now = jiff::Timestamp::now();
    for object in desired.objects.values() {
        match object.holds.iter().find(|hold| hold.is_active(now)) {
            None => print::out(&format!(
                "  {} {:<28} {} (asked for by {}{})\n",
                // Only while the deacon looks unwell, and only with work on its hook.
                if matches!(object.address, Address::Boot | Address::Polecat(..)) {
                    "maybe"
                } else {
                    "runs "
                },
                object.address.to_string(),
                object.recipe.command.join(" "),
                object.origin,
                agent(object)
            )),
            Some(hold) if hold.origin == Origin::Default => {
                print::out(&format!("  off   {:<28} unless a file enables it\n", object.address.to_string()))
            }
            Some(hold) => print::out(&format!(
                "  held  {:<28} {} by {}\n",
                object.address.to_string(),
                hold.reason().code(),
                hold.origin
            )),
        }
    }
    print::out("\n");
}

/// The kind of agent, where a file chose it.
fn agent(object: &Object) -> String {
    match &object.agent {
        Some(AgentChoice { origin: Origin::Default, .. }) | None => String::new(),
        Some(AgentChoice { name, origin }) => format!(", agent {name} by {origin}"),
    }
}

fn object_json(object: &Object) -> Value {
    let now = jiff::Timestamp::now();
    let hold = object.holds.iter().find(|hold| hold.is_active(now));
    json!({
        "address": object.address,
        "session": object.recipe.session,
        "command": object.recipe.command,
        "directories": object.recipe.directories,
        // Values may be secrets.
        "env": object.recipe.env.keys().collect::<Vec<_>>(),
        "agent": object.agent,
        "words": object.recipe.words,
        "ready": object.recipe.ready,
        "after": object.after,
        "would-run": hold.is_none(),
        "held-by": hold.map(|hold| json!({"code": hold.reason().code(), "origin": hold.origin, "note": hold.note})),
        "origin": object.origin,
    })
}

/// Every setting that is one value, with its origin.
fn effective(files: &TownFiles, desired: &Desired) -> Vec<(String, Value, Origin)> {
    let default = TownToml::default();
    let toml = files.town.as_ref().map_or(&default, |town| &town.toml);
    let value = serde_json::to_value(toml).unwrap_or_default();
    let mut settings = Vec::new();
    for table in [
        "town",
        "defaults",
        "backoff",
        "crash-loop",
        "usage-limit",
        "limits",
        "orphans",
        "controller",
        "boot",
    ] {
        let Some(keys) = value.get(table).and_then(Value::as_object) else { continue };
        for (key, value) in keys {
            let position = files.town.as_ref().and_then(|town| town.positions.of(&[table, key]));
            let origin = position.map_or(Origin::Default, |position| Origin::At(position.clone()));
            // A key that is absent and has no default of its own.
            if !value.is_null() {
                settings.push((format!("{table}.{key}"), value.clone(), origin));
            }
        }
    }
    for object in desired.objects.values() {
        if let Some(agent) = &object.agent {
            settings.push((format!("{}: agent", object.address), json!(agent.name), agent.origin.clone()));
        }
    }
    settings
}
