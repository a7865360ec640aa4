//! `gtctl reset-backoff`.

use clap::Args;

use super::context::{Context, object};
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::controller::requests::Change;
use crate::controller::socket::{self, Answer, Request};
use crate::model::Address;
use crate::plan::Options;
use crate::report::words;

/// Arguments of `reset-backoff`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Arguments {
    /// The objects
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
    /// All objects
    #[arg(long)]
    all: bool,
}

/// Forgets restarts; with a controller at once, without one for the next reconcile.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let reconciler = context.open(Options::default())?;
    let desired = reconciler.desired();
    let objects: Vec<Address> = if arguments.all {
        desired.objects.keys().cloned().collect()
    } else {
        arguments.objects.iter().map(|text| object(desired, text)).collect::<Result<_, _>>()?
    };
    let reset = match controller(context).await {
        Controller::Running(_) => {
            match socket::ask(&context.root, &Request::Change(Change::ResetBackoff { objects })).await {
                Ok(Some(Answer::Done { objects })) => objects,
                Ok(answer) => {
                    print::error(&format!("the controller did not do it: {answer:?}"), None);
                    return Err(Exit::Failed);
                }
                Err(error) => {
                    print::error(&format!("the controller did not answer: {error}"), None);
                    return Err(Exit::Failed);
                }
            }
        }
        Controller::Silent(_) | Controller::Other(_) | Controller::None | Controller::Unknown(_) => {
            let mut reset = Vec::new();
            context.change_ledger(|ledger| {
                reset = objects.into_iter().filter(|address| ledger.reset(address)).collect()
            })?;
            reset
        }
    };
    if reset.is_empty() {
        print::out("Nothing was waiting.\n");
    } else {
        print::out(&format!("Forgot the restarts of {}.\n", words::list(&reset)));
    }
    Ok(Exit::Ok)
}
