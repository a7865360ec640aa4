//! `gtctl controller stop`: ends the controller of gtctl that verifiably holds the lock, and nobody else.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::controller::holder::{Holder, holder};
use crate::machine::{Machine, Signal, ThisMachine};
use crate::model::Period;
use crate::report::json::FORMAT_VERSION;

/// Arguments of `controller stop`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How long to wait until it is gone
    #[arg(long, value_name = "LENGTH", default_value = "30s", value_parser = Period::parse)]
    timeout: Period,
    /// Kill it if it has not ended by then: for one that is stuck
    #[arg(long)]
    kill: bool,
}

/// Ends it through a pidfd, so that a pid that has been reused is not hit, and waits until the kernel says that it is gone.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let machine = ThisMachine::new();
    let running = match holder(&machine, &context.root).await {
        Ok(Holder::Nobody) => {
            told(context, None, "No controller runs.");
            return Ok(Exit::Ok);
        }
        Ok(Holder::Other(other)) => {
            let help = other.is_gt_daemon().then_some("`gt daemon stop` ends it");
            print::error(
                &format!(
                    "no controller of gtctl runs; {} acts on this town and is left alone",
                    other.named()
                ),
                help,
            );
            return Err(Exit::Locked);
        }
        Ok(Holder::Controller(running)) => running,
        Err(why) => {
            print::error(
                &format!("it cannot be told who acts on this town: {why}; nothing was stopped"),
                None,
            );
            return Err(Exit::Unknown);
        }
    };
    let process = running.process;
    let steps: &[Signal] = if arguments.kill { &[Signal::Term, Signal::Kill] } else { &[Signal::Term] };
    for signal in steps {
        if let Err(why) = machine.signal(process, *signal) {
            print::error(&format!("the controller, process {process}, cannot be told to end: {why}"), None);
            return Err(Exit::Failed);
        }
        if machine.ended(&[process], arguments.timeout.get()).await.is_empty() {
            let how = if *signal == Signal::Kill { "was killed" } else { "has ended" };
            told(
                context,
                Some(process.pid),
                &format!("The controller, process {process}, {how}; the agents live on."),
            );
            return Ok(Exit::Ok);
        }
    }
    print::error(
        &format!("the controller, process {process}, has not ended within {}", arguments.timeout),
        Some("`gtctl controller stop --kill` kills one that is stuck; no agent notices"),
    );
    Err(Exit::Failed)
}

fn told(context: &Context, pid: Option<i32>, text: &str) {
    if context.is_json() {
        print::json(&json!({ "format-version": FORMAT_VERSION, "running": false, "stopped": pid }));
    } else {
        print::out(&format!("{text}\n"));
    }
}
