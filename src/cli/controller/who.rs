//! Who acts on the town, for every verb that asks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::controller::holder::{Holder, Other, Running, holder};
use crate::controller::socket::{self, Answer, Request, Status};
use crate::machine::ThisMachine;
use crate::model::Why;
use crate::report::words;

/// Who acts on the town.
pub enum Controller {
    /// One of gtctl's, and it answers.
    Running(Box<Status>),
    /// One of gtctl's that does not answer: it is stopped, or its socket is gone.
    Silent(Running),
    /// `gt daemon`, or a gtctl that acts once.
    Other(Other),
    /// Nobody.
    None,
    /// It cannot be told.
    Unknown(Why),
}

/// Asks the controller, or the kernel who holds its lock.
pub async fn controller(context: &Context) -> Controller {
    if let Ok(Some(Answer::Status(status))) = socket::ask(&context.root, &Request::Status).await {
        return Controller::Running(Box::new(status));
    }
    match holder(&ThisMachine::new(), &context.root).await {
        Ok(Holder::Controller(running)) => Controller::Silent(running),
        Ok(Holder::Other(other)) => Controller::Other(other),
        Ok(Holder::Nobody) => Controller::None,
        Err(why) => Controller::Unknown(why),
    }
}

/// Says why a question to the controller was not answered: there is none, or it does not answer; the error, if there was one.
pub async fn not_answered(context: &Context, error: Option<std::io::Error>) -> Exit {
    let acts = match controller(context).await {
        Controller::None => Some(String::new()),
        Controller::Other(other) => Some(format!("; {} acts on this town", other.named())),
        Controller::Running(_) | Controller::Silent(_) | Controller::Unknown(_) => None,
    };
    if let Some(acts) = acts {
        print::error(
            &format!("no controller of gtctl runs{acts}"),
            Some("`gtctl controller start` starts one"),
        );
        return Exit::NotRunning;
    }
    let why = error.map_or_else(String::new, |error| format!(": {error}"));
    print::error(
        &format!("the controller did not answer{why}"),
        Some("`gtctl controller status` shows how it is"),
    );
    Exit::Failed
}

impl Controller {
    /// Whether there is one of gtctl's, and it does not do its work.
    pub fn is_stuck(&self) -> bool {
        match self {
            Self::Running(status) => status.late,
            Self::Silent(running) => !running.is_young(),
            Self::Other(_) | Self::None | Self::Unknown(_) => false,
        }
    }

    /// The pid of whoever acts on the town; `None` if nobody does, or it cannot be told.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Running(status) => i32::try_from(status.pid).ok(),
            Self::Silent(running) => Some(running.process.pid),
            Self::Other(other) => Some(other.pid),
            Self::None | Self::Unknown(_) => None,
        }
    }

    /// One line for people, and a second one for each thing that is wrong.
    pub fn text(&self) -> String {
        match self {
            Self::None => "none; `gtctl controller start` would keep this town".to_owned(),
            Self::Other(other) => format!("{} holds the lock and is no controller of gtctl", other.named()),
            Self::Silent(running) if running.is_young() => format!("starting, pid {}", running.process),
            Self::Silent(running) => format!(
                "running, pid {}, and does not answer: it is stopped or stuck{}",
                running.process,
                other_version(&running.version)
            ),
            Self::Unknown(why) => format!("cannot tell: {why}"),
            Self::Running(status) => running(status),
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        match self {
            Self::None => json!({ "running": false }),
            Self::Unknown(why) => json!({ "running": null, "why": why }),
            Self::Other(other) => json!({
                "running": true, "pid": other.pid, "answers": false, "is-gtctl": false, "command": other.arguments,
            }),
            Self::Silent(running) => json!({
                "running": true, "pid": running.process.pid, "answers": false, "is-gtctl": true,
                "version": running.version, "started": running.started, "late": self.is_stuck(),
            }),
            Self::Running(status) => {
                let mut value = serde_json::to_value(status).unwrap_or_default();
                if let Some(object) = value.as_object_mut() {
                    object.remove("objects");
                    object.insert("running".to_owned(), json!(true));
                    object.insert("answers".to_owned(), json!(true));
                    object.insert("is-gtctl".to_owned(), json!(true));
                }
                value
            }
        }
    }
}

/// How long ago the last pass was completed, in words; with "late" if the next one should be there.
pub fn last_pass(status: &Status) -> String {
    let late = if status.late { " (late)" } else { "" };
    let ago = status.last_pass_ago_ms.map(Duration::from_millis).or_else(|| {
        let last = status.last_pass?;
        Duration::try_from(jiff::Timestamp::now().duration_since(last)).ok()
    });
    match ago {
        Some(ago) => format!("{} ago{late}", words::length(ago)),
        None => format!("none yet{late}"),
    }
}

fn running(status: &Status) -> String {
    let mut text = format!("running, pid {}, {} passes", status.pid, status.passes);
    match status.last_pass {
        Some(_) if status.late => text.push_str(&format!(", last completed pass {}", last_pass(status))),
        Some(_) => {
            text.push_str(&format!(", the last one {} ({} ms)", last_pass(status), status.last_pass_ms))
        }
        None => text.push_str(if status.late { " (late)" } else { "" }),
    }
    text.push_str(&other_version(&status.version));
    if status.late {
        text.push_str("\nstuck       its loop does not come round; `gtctl controller stop --kill` ends it, no agent notices");
    }
    if let (Some(since), Some(wrong)) = (status.config_wrong_since, &status.config_wrong) {
        let since = since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string();
        text.push_str(&format!("\nconfig      error since {since}, using the version before: {wrong}"));
    }
    text
}

/// Says so if the version that runs is not the one that is installed.
fn other_version(runs: &str) -> String {
    let installed = env!("CARGO_PKG_VERSION");
    if runs == installed {
        String::new()
    } else {
        format!("; it runs version {runs}, installed is {installed}")
    }
}
