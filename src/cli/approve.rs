//! `gtctl approve`.

use clap::Args;

use super::context::Context;
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::controller::requests::Change;
use crate::controller::socket::{self, Answer, Request};
use crate::ledger::Ledger;
use crate::plan::{Options, Refusal};
use crate::report::words;

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The refusal, as `plan` and `status` name it [default: the one there is]
    id: Option<String>,
    /// Accept that this file of the town is gone, for example town.toml
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    missing: Option<String>,
}

/// Lifts exactly one refusal, once.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    if let Some(file) = &arguments.missing {
        let request = Request::Change(Change::ForgetFile { file: file.clone() });
        lift(context, request, |ledger| {
            ledger.files.remove(file);
        })
        .await?;
        print::out(&format!("From now on {file} is not missed.\n"));
        return Ok(Exit::Ok);
    }
    let now = refusal(context, Options::default()).await?;
    // What `--prune` was refused only shows with it.
    let pruned = refusal(context, Options { prune: true, ..Options::default() }).await?;
    let is_asked_for = |refusal: &&Refusal| arguments.id.as_ref().is_none_or(|id| *id == refusal.id);
    let Some(refusal) = now.iter().chain(&pruned).find(is_asked_for) else {
        return nothing(arguments, now.as_ref().or(pruned.as_ref()));
    };
    lift_refusal(context, refusal).await?;
    print::out(&format!("Approved, once: stopping {}.\n", words::list(&refusal.stops)));
    if matches!(controller(context).await, Controller::None) {
        print::out("No controller runs; `gtctl reconcile` carries it out.\n");
    }
    Ok(Exit::Ok)
}

async fn refusal(context: &Context, options: Options) -> Result<Option<Refusal>, Exit> {
    Ok(context.open(options)?.look().await.plan.refusal)
}

/// There is nothing to approve, or not what was named.
fn nothing(arguments: &Arguments, other: Option<&Refusal>) -> Result<Exit, Exit> {
    match (&arguments.id, other) {
        (Some(id), Some(other)) => {
            print::error(
                &format!("there is no refusal {id} any more; the one there is now is {}", other.id),
                Some(&format!(
                    "it would stop {}; `gtctl approve {}` lifts it",
                    words::list(&other.stops),
                    other.id
                )),
            );
            Err(Exit::Refused)
        }
        (Some(id), None) => {
            print::error(&format!("there is no refusal {id} any more; nothing is refused now"), None);
            Err(Exit::Refused)
        }
        (None, _) => {
            print::out("Nothing is refused.\n");
            Ok(Exit::Ok)
        }
    }
}

/// Lifts a refusal, with or without a controller.
pub async fn lift_refusal(context: &Context, refusal: &Refusal) -> Result<(), Exit> {
    lift(context, Request::Change(Change::Approve { lives: refusal.lives.clone() }), |ledger| {
        ledger.approvals.extend(refusal.lives.iter().cloned());
    })
    .await
}

/// Asks the controller, or changes the ledger where there is none.
async fn lift(context: &Context, request: Request, change: impl FnOnce(&mut Ledger)) -> Result<(), Exit> {
    if let Controller::Running(_) = controller(context).await {
        return match socket::ask(&context.root, &request).await {
            Ok(Some(Answer::Done { .. })) => Ok(()),
            other => {
                print::error(&format!("the controller did not take it: {other:?}"), None);
                Err(Exit::Failed)
            }
        };
    }
    context.change_ledger(change)
}
