//! `gtctl status`.

use clap::Args;
use serde_json::{Value, json};

use super::context::{Context, object, world};
use super::exit::Exit;
use super::print;
use crate::controller::Reconciler;
use crate::controller::lock::current_holder;
use crate::controller::socket::{self, Answer, Request, Status};
use crate::machine::ThisMachine;
use crate::model::{Seen, Why};
use crate::observed::Server;
use crate::observed::host::Host;
use crate::plan::Options;
use crate::report::json::FORMAT_VERSION;
use crate::report::{json as as_json, text, words};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this object
    object: Option<String>,
}

/// What there is to show, whoever looked.
struct Shown {
    server: String,
    objects: Vec<Value>,
    attach: Option<String>,
    unmanaged: Value,
    refusal: Option<String>,
    blind: bool,
}

/// Looks, and shows. If the files are wrong but a controller keeps the town by an earlier reading of them, that is shown.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let controller = controller(context).await;
    let (shown, wrong_files) = match Reconciler::open(&world(), context.root.clone(), Options::default()) {
        Ok(reconciler) => {
            context.check_environment(reconciler.desired())?;
            (look(&reconciler, arguments).await?, None)
        }
        Err(diagnostics) => match &controller {
            Controller::Running(status) if arguments.object.is_none() => (told(status), Some(diagnostics)),
            _ => return Err(context.config(&diagnostics)),
        },
    };
    if context.is_json() {
        print::json(&json!({
            "format-version": FORMAT_VERSION,
            "town": context.root.path(),
            "server": shown.server,
            "attach": shown.attach,
            "controller": controller.json(),
            "objects": shown.objects,
            "unmanaged": shown.unmanaged,
            "refusal": shown.refusal,
        }));
    } else {
        print_text(context, &shown, &controller, arguments.object.is_none());
    }
    if let Some(diagnostics) = wrong_files {
        context.warn(&diagnostics);
    }
    Ok(exit_of(&shown))
}

async fn look(reconciler: &Reconciler<Host<ThisMachine>>, arguments: &Arguments) -> Result<Shown, Exit> {
    let only = arguments.object.as_deref().map(|text| object(reconciler.desired(), text)).transpose()?;
    let pass = reconciler.look().await;
    let alive =
        pass.plan.verdicts.iter().filter(|verdict| only.as_ref().is_none_or(|only| verdict.address == *only));
    let session = alive.filter_map(|verdict| verdict.state.alive()).map(|alive| alive.fence.name()).next();
    Ok(Shown {
        server: text::server(&pass.observed),
        objects: as_json::objects(&pass.plan, reconciler.ledger(), &pass.observed.at, only.as_ref()),
        attach: session.map(|session| attach(&reconciler.desired().socket.arguments(), session)),
        unmanaged: json!(pass.plan.unmanaged),
        refusal: pass.plan.refusal.as_ref().map(words::refusal),
        blind: !matches!(pass.observed.server, Seen::Known(Server::Up(_) | Server::Down)),
    })
}

/// What the controller told at its last look.
fn told(status: &Status) -> Shown {
    Shown {
        server: status.server.clone(),
        objects: status.objects.clone(),
        attach: None,
        unmanaged: json!([]),
        refusal: None,
        blind: false,
    }
}

fn print_text(context: &Context, shown: &Shown, controller: &Controller, whole: bool) {
    print::out(&format!("town        {}\n", context.root.path().display()));
    print::out(&format!("tmux        {}\n", shown.server));
    print::out(&format!("controller  {}\n", controller.text()));
    if let Some(refusal) = &shown.refusal {
        print::out(&format!("refused     {refusal}\n"));
    }
    if let Some(attach) = &shown.attach {
        print::out(&format!("attach      {attach}\n"));
    }
    print::out(&format!("\n{}", text::status(&shown.objects)));
    let unmanaged = shown.unmanaged.as_array().filter(|all| whole && !all.is_empty());
    for session in unmanaged.into_iter().flatten() {
        let word = |key: &str| session.get(key).and_then(Value::as_str).unwrap_or_default();
        print::out(&format!("\nnot managed: {} ({}): {}", word("session"), word("id"), word("why")));
    }
    if unmanaged.is_some() {
        print::out("\n");
    }
}

fn exit_of(shown: &Shown) -> Exit {
    let is = |object: &Value, key: &str| object.get(key) == Some(&Value::Bool(true));
    if shown.blind || shown.objects.iter().any(|object| is(object, "unknown")) {
        Exit::Unknown
    } else if shown.objects.iter().all(|object| is(object, "as-wanted")) {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// A command that attaches to a session, from any shell, also from inside tmux.
fn attach(socket: &[String; 2], session: &str) -> String {
    let place = match std::env::var("TMUX_TMPDIR") {
        Ok(directory) if !directory.is_empty() => format!(" TMUX_TMPDIR={}", pasteable(&directory)),
        _ => String::new(),
    };
    let [option, name] = socket;
    // Quoted also where it need not be: an unquoted `=word` is a file name to zsh.
    format!("env -u TMUX{place} tmux {option} {} attach -t '={session}'", pasteable(name))
}

/// A word that can be pasted into any shell.
fn pasteable(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Who acts on the town.
pub enum Controller {
    /// One of gtctl's, and it answers.
    Running(Box<Status>),
    /// Somebody holds the lock, and does not answer.
    Silent(i32),
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
    match current_holder(&context.root) {
        Ok(Some(pid)) => Controller::Silent(pid),
        Ok(None) => Controller::None,
        Err(error) => Controller::Unknown(Why::of(&error)),
    }
}

impl Controller {
    fn text(&self) -> String {
        match self {
            Self::None => "none; `gtctl controller` would keep this town".to_owned(),
            Self::Silent(pid) => {
                format!("pid {pid} holds the lock and does not answer (gt daemon, or a reconcile)")
            }
            Self::Unknown(why) => format!("cannot tell: {why}"),
            Self::Running(status) => running(status),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::None => json!({ "running": false }),
            Self::Unknown(why) => json!({ "running": null, "why": why }),
            Self::Silent(pid) => json!({ "running": true, "pid": pid, "answers": false }),
            Self::Running(status) => {
                let mut value = serde_json::to_value(status).unwrap_or_default();
                if let Some(object) = value.as_object_mut() {
                    object.remove("objects");
                    object.insert("running".to_owned(), json!(true));
                    object.insert("answers".to_owned(), json!(true));
                }
                value
            }
        }
    }
}

fn running(status: &Status) -> String {
    let installed = env!("CARGO_PKG_VERSION");
    let mut text = format!("running, pid {}, {} passes", status.pid, status.passes);
    if let Some(last) = status.last_pass {
        let ago =
            std::time::Duration::try_from(jiff::Timestamp::now().duration_since(last)).unwrap_or_default();
        text.push_str(&format!(", the last one {} ago ({} ms)", words::length(ago), status.last_pass_ms));
    }
    if status.version != installed {
        text.push_str(&format!("; it runs version {}, installed is {installed}", status.version));
    }
    if let (Some(since), Some(wrong)) = (status.config_wrong_since, &status.config_wrong) {
        let since = since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string();
        text.push_str(&format!("\nconfig      error since {since}, using the version before: {wrong}"));
    }
    text
}
