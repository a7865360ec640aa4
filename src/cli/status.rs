//! `gtctl status`.

use clap::Args;
use serde_json::{Value, json};

use super::context::{Context, here, object, world};
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::controller::Reconciler;
use crate::controller::socket::Status;
use crate::machine::ThisMachine;
use crate::model::Seen;
use crate::observed::Server;
use crate::observed::host::Host;
use crate::plan::Options;
use crate::report::json::FORMAT_VERSION;
use crate::report::progress::Progress;
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
    starts: Option<Progress>,
    blind: bool,
}

/// Looks, and shows. If the files are wrong but a controller keeps the town by an earlier reading of them, that is shown.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let controller = controller(context).await;
    let (shown, wrong_files) =
        match Reconciler::open(&world(), context.root.clone(), here(Options::default())) {
            Ok(reconciler) => {
                context.check_environment(reconciler.desired())?;
                (look(&reconciler, arguments).await?, None)
            }
            Err(diagnostics) => match &controller {
                Controller::Running(status) if arguments.object.is_none() => {
                    (told(status), Some(diagnostics))
                }
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
            "starts": shown.starts,
        }));
    } else {
        print_text(context, &shown, &controller, arguments.object.is_none());
    }
    if let Some(diagnostics) = wrong_files {
        context.warn(&diagnostics);
    }
    Ok(exit_of(&shown, &controller))
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
        starts: Progress::of(&pass.plan, &pass.observed.at),
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
        starts: None,
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
    if let Some(starts) = &shown.starts {
        print::out(&format!("starts      {}\n", starts.text()));
    }
    if let Some(attach) = &shown.attach {
        print::out(&format!("attach      {attach}\n"));
    }
    if shown.objects.is_empty() && controller.is_stuck() {
        print::out("\nThe controller cannot tell how its objects stand, and the files are wrong.\n");
        return;
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

/// A controller that is stuck keeps nothing, however well the agents are at the moment (S63).
fn exit_of(shown: &Shown, controller: &Controller) -> Exit {
    let is = |object: &Value, key: &str| object.get(key) == Some(&Value::Bool(true));
    if shown.blind || shown.objects.iter().any(|object| is(object, "unknown")) {
        Exit::Unknown
    } else if !controller.is_stuck() && shown.objects.iter().all(|object| is(object, "as-wanted")) {
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
