//! `gtctl stop`.

use clap::Args;

use super::change::{Come, Wait, Which, approval, make};
use super::confirm::asker;
use super::context::Context;
use super::exit::Exit;
use crate::controller::Pass;
use crate::controller::requests::Change;
use crate::model::Reason;
use crate::plan::{Decision, Options, State, Verdict};
use crate::report::words;

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Do not ask before stopping more sessions than one pass may
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Stops objects, and keeps them down.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let objects = arguments.which.of(context.open(Options::default())?.desired())?;
    let stop = |approved| Change::Stop { objects: objects.clone(), by: asker(), approved };
    let approved = approval(context, &stop(Vec::new()), &objects, arguments.yes).await?;
    make(context, stop(approved), &objects, &arguments.wait, come).await
}

fn come(verdict: &Verdict, pass: &Pass) -> Come {
    let why = || words::reason(&verdict.because, &pass.observed.at);
    match &verdict.state {
        State::Absent | State::Vanished | State::ServerLost => {
            Come::There("stopped; `gtctl start` ends that".to_owned())
        }
        State::Foreign { .. } => Come::There(format!("stopped; {}", why())),
        _ => match (&verdict.decision, &verdict.because) {
            (Decision::Step(_), _) | (_, Reason::InFlight | Reason::Retry { .. }) => Come::OnItsWay,
            // What is being stopped loses its terminal first.
            (Decision::Held, Reason::Unknown { .. } | Reason::Detached { .. }) => Come::OnItsWay,
            (Decision::Held | Decision::Nothing, Reason::Running | Reason::Starting { .. }) => Come::OnItsWay,
            (Decision::Held | Decision::Nothing, _) => Come::Not(format!("not stopped: {}", why())),
        },
    }
}
