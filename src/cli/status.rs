//! `gtctl status`.

use clap::Args;
use serde_json::json;

use super::context::{Context, object};
use super::exit::Exit;
use super::print;
use crate::controller::lock::current_holder;
use crate::controller::socket::{self, Answer, Request, Status};
use crate::model::Seen;
use crate::observed::Server;
use crate::plan::{Decision, Options, Verdict};
use crate::report::text::StatusRow;
use crate::report::{text, words};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this object
    object: Option<String>,
}

/// Looks, and shows.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let reconciler = context.open(Options::default())?;
    let only = arguments.object.as_deref().map(|text| object(reconciler.desired(), text)).transpose()?;
    context.check_tmux(reconciler.desired().policy.controller.tmux_timeout).await?;
    let pass = reconciler.look().await;
    let controller = controller(context).await;
    let shown: Vec<&Verdict> = pass
        .plan
        .verdicts
        .iter()
        .filter(|verdict| only.as_ref().is_none_or(|only| verdict.address == *only))
        .filter(|verdict| {
            only.is_some() || !verdict.is_off_by_default() || verdict.state.has_living_process()
        })
        .collect();
    let ledger = reconciler.ledger();
    let attach = attach(&reconciler.desired().socket.arguments(), &shown);
    if context.is_json() {
        print::json(&json!({
            "format-version": crate::report::json::FORMAT_VERSION,
            "town": context.root.path(),
            "socket": pass.observed.socket,
            "server": text::server(&pass.observed),
            "attach": attach,
            "controller": controller.json(),
            "objects": shown.iter().map(|verdict| crate::report::json::verdict(verdict, Some(ledger))).collect::<Vec<_>>(),
            "unmanaged": pass.plan.unmanaged,
            "refusal": pass.plan.refusal,
        }));
    } else {
        print::out(&format!("town        {}\n", context.root.path().display()));
        print::out(&format!("tmux        {}\n", text::server(&pass.observed)));
        print::out(&format!("controller  {}\n", controller.text()));
        if let Some(refusal) = &pass.plan.refusal {
            print::out(&format!("refused     {}\n", words::refusal(refusal)));
        }
        if let Some(attach) = &attach {
            print::out(&format!("attach      {attach}\n"));
        }
        let rows: Vec<StatusRow<'_>> = shown
            .iter()
            .map(|verdict| StatusRow { verdict, restarts: ledger.record(&verdict.address).restarts() })
            .collect();
        print::out(&format!("\n{}", text::status(&rows, &pass.observed.at)));
        if only.is_none() {
            for session in &pass.plan.unmanaged {
                print::out(&format!("\nnot managed: {} ({}): {}", session.session, session.id, session.why));
            }
            if !pass.plan.unmanaged.is_empty() {
                print::out("\n");
            }
        }
    }
    let blind = !matches!(pass.observed.server, Seen::Known(Server::Up(_) | Server::Down));
    Ok(if blind || shown.iter().any(|verdict| verdict.because.is_unknown()) {
        Exit::Unknown
    } else if shown.iter().all(|verdict| is_as_wanted(verdict)) {
        Exit::Ok
    } else {
        Exit::Failed
    })
}

fn is_as_wanted(verdict: &Verdict) -> bool {
    match &verdict.decision {
        Decision::Nothing => true,
        Decision::Held => verdict.because.is_wish(),
        Decision::Step(_) => false,
    }
}

/// A command that attaches to the first living session, from any shell, also from inside tmux.
fn attach(socket: &[String; 2], shown: &[&Verdict]) -> Option<String> {
    let alive = shown.iter().find_map(|verdict| verdict.state.alive())?;
    let place = match std::env::var("TMUX_TMPDIR") {
        Ok(directory) if !directory.is_empty() => format!(" TMUX_TMPDIR={directory}"),
        _ => String::new(),
    };
    Some(format!("env -u TMUX{place} tmux {} {} attach -t ={}", socket[0], socket[1], alive.fence.name()))
}

/// Who acts on the town.
pub enum Controller {
    /// One of gtctl's, and it answers.
    Running(Box<Status>),
    /// Somebody holds the lock, and does not answer.
    Silent(i32),
    /// Nobody.
    None,
}

/// Asks the controller, or the kernel who holds its lock.
pub async fn controller(context: &Context) -> Controller {
    if let Ok(Some(Answer::Status(status))) = socket::ask(&context.root, &Request::Status).await {
        return Controller::Running(Box::new(status));
    }
    match current_holder(&context.root) {
        Ok(Some(pid)) => Controller::Silent(pid),
        Ok(None) | Err(_) => Controller::None,
    }
}

impl Controller {
    fn text(&self) -> String {
        match self {
            Self::None => "not running; `gtctl controller` keeps this town".to_owned(),
            Self::Silent(pid) => {
                format!("pid {pid} holds the lock and does not answer (gt daemon, or a reconcile)")
            }
            Self::Running(status) => {
                let installed = env!("CARGO_PKG_VERSION");
                let mut text = format!("running, pid {}, {} passes", status.pid, status.passes);
                if let Some(last) = status.last_pass {
                    let ago = jiff::Timestamp::now().duration_since(last);
                    let ago = words::length(std::time::Duration::try_from(ago).unwrap_or_default());
                    text.push_str(&format!(", the last one {ago} ago ({} ms)", status.last_pass_ms));
                }
                if status.version != installed {
                    text.push_str(&format!("; it runs version {}, installed is {installed}", status.version));
                }
                if let (Some(since), Some(wrong)) = (status.config_wrong_since, &status.config_wrong) {
                    let since = since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string();
                    text.push_str(&format!(
                        "\nconfig      error since {since}, using the version before: {wrong}"
                    ));
                }
                text
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::None => json!({ "running": false }),
            Self::Silent(pid) => json!({ "running": true, "pid": pid, "answers": false }),
            Self::Running(status) => {
                let mut value = serde_json::to_value(status).unwrap_or_default();
                if let Some(object) = value.as_object_mut() {
                    object.insert("running".to_owned(), json!(true));
                    object.insert("answers".to_owned(), json!(true));
                }
                value
            }
        }
    }
}
