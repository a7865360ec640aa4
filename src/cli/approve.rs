//! `gtctl approve`.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::print;
use super::status::{Controller, controller};
use crate::controller::socket::{self, Answer, Request};
use crate::ledger::Ledger;
use crate::plan::Options;
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
        let request = Request::ForgetFile { file: file.clone() };
        lift(context, request, |ledger| {
            ledger.files.remove(file);
        })
        .await?;
        print::out(&format!("From now on {file} is not missed.\n"));
        return Ok(Exit::Ok);
    }
    let reconciler = context.open(Options::default())?;
    let pass = reconciler.look().await;
    let Some(refusal) = pass.plan.refusal else {
        print::out("Nothing is refused.\n");
        return Ok(Exit::Ok);
    };
    if let Some(id) = &arguments.id
        && *id != refusal.id
    {
        print::error(
            &format!("there is no refusal {id} any more; the one there is now is {}", refusal.id),
            Some(&format!(
                "it would stop {}; `gtctl approve {}` lifts it",
                words::list(&refusal.stops),
                refusal.id
            )),
        );
        return Err(Exit::Refused);
    }
    lift_refusal(context, &refusal.id).await?;
    print::out(&format!("Approved, once: stopping {}.\n", words::list(&refusal.stops)));
    if matches!(controller(context).await, Controller::None) {
        print::out("No controller runs; `gtctl reconcile` carries it out.\n");
    }
    Ok(Exit::Ok)
}

/// Lifts the refusal with this id, with or without a controller.
pub async fn lift_refusal(context: &Context, id: &str) -> Result<(), Exit> {
    lift(context, Request::Approve { id: id.to_owned() }, |ledger| {
        ledger.approvals.insert(id.to_owned());
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
