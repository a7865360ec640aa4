//! `gtctl why`.

use clap::Args;
use serde_json::json;

use super::context::{Context, object};
use super::exit::Exit;
use super::print;
use crate::machine::ThisMachine;
use crate::plan::Options;
use crate::report::{events, text};

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The object, for example `mayor` or `gastown/witness`
    object: String,
    /// How many past events to show
    #[arg(short = 'n', long, default_value_t = 10)]
    events: usize,
}

/// Explains how an object stands and what was done to it.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let reconciler = context.open(Options::default())?;
    let address = object(reconciler.desired(), &arguments.object)?;
    let pass = reconciler.look().await;
    context.check_tmux_of(&pass, reconciler.desired().policy.controller.tmux_timeout).await?;
    let Some(verdict) = pass.plan.of(&address) else {
        print::error(&format!("there is no verdict on {address}"), None);
        return Err(Exit::NotFound);
    };
    let all = events::read(&ThisMachine::new(), &context.root.gtctl_dir()).map_err(|error| {
        print::error(&format!("the event log cannot be read: {error}"), None);
        Exit::Failed
    })?;
    let own: Vec<&events::Event> =
        all.iter().filter(|event| event.object.as_ref() == Some(&address)).collect();
    let last = own.get(own.len().saturating_sub(arguments.events)..).unwrap_or_default();
    if context.is_json() {
        print::json(&json!({
            "format-version": crate::report::json::FORMAT_VERSION,
            "verdict": crate::report::json::verdict(verdict, &pass.observed.at),
            "events": last,
        }));
        return Ok(Exit::Ok);
    }
    let after: Vec<_> = reconciler
        .desired()
        .objects
        .get(&address)
        .map(|object| object.after.iter().cloned().collect())
        .unwrap_or_default();
    print::out(&text::why(verdict, &pass.observed.at, &after));
    if last.is_empty() {
        print::out("\nNothing has been done to it yet.\n");
    } else {
        print::out("\nWhat happened:\n");
        for event in last {
            print::out(&super::events::line(event, false));
        }
    }
    Ok(Exit::Ok)
}
