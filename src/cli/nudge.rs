//! `gtctl nudge`.

use clap::Args;

use super::change::ask;
use super::confirm::asker;
use super::context::{Context, object};
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::act::nudge::text::sanitised;
use crate::act::{Do, Outcome};
use crate::controller::requests::Change;
use crate::ledger::{AskedNudge, KnownLife};
use crate::model::{Address, IncarnationId, Period, Reason, Why};
use crate::plan::{Decision, Options};
use crate::report::words;

/// Arguments of `nudge`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whom
    #[arg(value_name = "OBJECT")]
    object: String,
    /// What to type; several words are joined by spaces. Before words that begin with a dash: --
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// How long it may wait while it cannot be typed
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = Period::parse)]
    ttl: Period,
    /// Type it now or not at all
    #[arg(long, conflicts_with = "ttl")]
    now: bool,
}

/// Types a line into an agent, or leaves it with the controller until that is possible.
///
/// The typing itself takes no lock of the town: it decides nothing, and panes have their own locks, for all who type.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let text = sanitised(&arguments.text.join(" ")).map_err(|error| {
        print::error(&error.to_string(), None);
        Exit::Usage
    })?;
    let mut reconciler = context.open_and_ask(Options::default()).await?;
    let address = object(reconciler.desired(), &arguments.object)?;
    let before = reconciler.look().await;
    context.check_tmux_of(&before, reconciler.desired().policy.controller.tmux_timeout).await?;
    let verdict = before.plan.of(&address).ok_or(Exit::NotFound)?;
    let Some(KnownLife::Of(incarnation)) = verdict.state.life() else {
        let why = words::reason(&verdict.because, &before.observed.at);
        print::error(&format!("{address} is {}, so nothing is typed: {why}", verdict.word()), None);
        return Err(Exit::Failed);
    };
    let incarnation = incarnation.clone();
    reconciler.suppose(|ledger, now| {
        ledger.restarts.clear();
        ledger.nudges = vec![AskedNudge {
            address: address.clone(),
            incarnation: incarnation.clone(),
            text: text.clone(),
            by: asker(),
            at: now.clone(),
            until: now.plus(arguments.ttl.get()),
            begun: false,
        }];
    });
    let pass = reconciler.look().await;
    let verdict = pass.plan.of(&address).ok_or(Exit::NotFound)?;
    let outcome = match (&verdict.decision, &verdict.because) {
        (Decision::Step(step), Reason::Asked { .. }) => {
            let order = reconciler.order(&address, &step.action);
            reconciler.world.carry_out(&order).await
        }
        (_, Reason::NudgeWaiting { why, .. }) => Outcome::Refused(why.clone()),
        (_, because) => Outcome::Refused(Why::new(words::reason(because, &pass.observed.at))),
    };
    answer(context, arguments, (&address, &incarnation, &text), outcome).await
}

/// Says what came of it; what could not be typed for now is left with the controller.
async fn answer(
    context: &Context,
    arguments: &Arguments,
    (address, incarnation, text): (&Address, &IncarnationId, &str),
    outcome: Outcome,
) -> Result<Exit, Exit> {
    match outcome {
        Outcome::Done(_) => {
            print::out(&format!("{address}: submitted\n"));
            Ok(Exit::Ok)
        }
        Outcome::Unconfirmed(why) => {
            print::out(&format!("{address}: unconfirmed: {why}\n"));
            Ok(Exit::Unknown)
        }
        Outcome::Failed(why) => {
            print::error(&format!("{address}: {why}"), None);
            Err(Exit::Failed)
        }
        Outcome::Refused(why) if arguments.now => {
            print::error(&format!("{address}: refused: {why}"), None);
            Err(Exit::Failed)
        }
        Outcome::Refused(why) => match controller(context).await {
            Controller::Running(_) => {
                let change = Change::Nudge {
                    object: address.clone(),
                    incarnation: incarnation.clone(),
                    text: text.to_owned(),
                    by: asker(),
                    ttl: arguments.ttl,
                };
                ask(context, change).await?;
                print::out(&format!("{address}: queued for {} at most: {why}\n", arguments.ttl));
                Ok(Exit::Queued)
            }
            Controller::None | Controller::Silent(_) | Controller::Other(_) | Controller::Unknown(_) => {
                print::error(
                    &format!("{address}: refused: {why}"),
                    Some("no controller runs that could type it later"),
                );
                Err(Exit::Failed)
            }
        },
    }
}
