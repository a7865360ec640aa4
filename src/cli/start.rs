//! `gtctl start`.

use clap::Args;

use super::change::{Come, Wait, Which, make};
use super::confirm::asker;
use super::context::Context;
use super::exit::Exit;
use crate::controller::Pass;
use crate::controller::requests::Change;
use crate::model::Reason;
use crate::plan::{Decision, Options, State, Verdict};
use crate::report::words;

/// Arguments of `start`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: Wait,
}

/// Starts objects: ends what `stop` began, and waits of restarts.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let objects = arguments.which.of(context.open(Options::default())?.desired())?;
    let change = Change::Start { objects: objects.clone(), by: asker() };
    make(context, change, &objects, &arguments.wait, come).await
}

/// How far an object has come that is to run.
pub fn come(verdict: &Verdict, pass: &Pass) -> Come {
    let why = || words::reason(&verdict.because, &pass.observed.at);
    match (&verdict.state, &verdict.decision, &verdict.because) {
        (
            State::Running(alive),
            Decision::Nothing,
            Reason::Running | Reason::NudgeWaiting { .. } | Reason::Stale { .. },
        ) => {
            let pid = alive.fence.process().map_or(0, |process| process.pid);
            Come::There(format!("runs, process {pid} in session {}", alive.fence.name()))
        }
        (_, Decision::Step(_), _)
        | (_, _, Reason::InFlight | Reason::Starting { .. } | Reason::WaitingFor { .. })
        | (
            _,
            _,
            Reason::Unknown { .. } | Reason::WorkUnknown { .. } | Reason::Running | Reason::Stopped { .. },
        ) => Come::OnItsWay,
        (_, Decision::Held | Decision::Nothing, _) => {
            let hint = words::hint(verdict).map(|hint| format!("; {hint}")).unwrap_or_default();
            let text = format!("not started: {} ({}){hint}", why(), words::origin(verdict));
            match verdict.because {
                // Its waits were forgotten before, so these are new.
                Reason::Backoff { .. } | Reason::CrashLoop { .. } => Come::Not(format!(
                    "it was started and ended again ({}); `gtctl why {}` has how",
                    why(),
                    verdict.address
                )),
                // It comes when it is needed, and may.
                Reason::DeaconWell | Reason::Cooldown { .. } | Reason::Degraded => {
                    Come::There(format!("may run: {}", why()))
                }
                // A server that has lost its last session removes its socket and ends.
                Reason::SocketLost { .. } | Reason::Retry { .. } => Come::Stuck(text),
                _ => Come::Not(text),
            }
        }
    }
}
