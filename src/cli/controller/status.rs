//! `gtctl controller status`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::log;
use super::who::{Controller, controller, last_pass};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::report::json::FORMAT_VERSION;
use crate::report::words;

/// Says who keeps the town and whether it comes round. Does not look at the agents.
pub async fn run(context: &Context) -> Result<Exit, Exit> {
    let controller = controller(context).await;
    if context.is_json() {
        print::json(&json!({
            "format-version": FORMAT_VERSION,
            "town": context.root.path(),
            "installed": env!("CARGO_PKG_VERSION"),
            "controller": controller.json(),
            "log": log_of(context, &controller),
        }));
    } else {
        text(context, &controller);
    }
    Ok(match &controller {
        _ if controller.is_stuck() => Exit::Failed,
        Controller::Running(_) | Controller::Silent(_) => Exit::Ok,
        Controller::None | Controller::Other(_) => Exit::NotRunning,
        Controller::Unknown(_) => Exit::Unknown,
    })
}

fn text(context: &Context, controller: &Controller) {
    let line = |what: &str, text: &str| print::out(&format!("{what:<11} {text}\n"));
    line("controller", &controller.text());
    let started = match controller {
        Controller::Running(status) => Some(status.started),
        Controller::Silent(running) => Some(running.started),
        Controller::Other(_) | Controller::None | Controller::Unknown(_) => None,
    };
    if let Some(started) = started {
        let for_so_long =
            Duration::try_from(jiff::Timestamp::now().duration_since(started)).unwrap_or_default();
        let zoned = started.to_zoned(jiff::tz::TimeZone::system());
        line("since", &format!("{} ({})", zoned.strftime("%Y-%m-%d %H:%M:%S"), words::length(for_so_long)));
    }
    if let Controller::Running(status) = controller {
        line("version", &format!("{}, installed is {}", status.version, env!("CARGO_PKG_VERSION")));
        line("last pass", &last_pass(status));
    }
    if let Some(log) = log_of(context, controller) {
        line("log", &log.display().to_string());
    }
}

/// The log, if the controller that runs writes to it.
fn log_of(context: &Context, controller: &Controller) -> Option<PathBuf> {
    let pid = controller.pid()?;
    let own = log::path(&context.root);
    let target = std::fs::read_link(format!("/proc/{pid}/fd/2")).ok()?;
    (target == own).then_some(own)
}
