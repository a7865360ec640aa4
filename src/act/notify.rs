//! Writing a letter: `gt mail send`, an argv like any other.

use std::path::Path;

use super::{Order, Outcome};
use crate::machine::{Call, CallError, Machine};
use crate::model::{excerpt, printable};
use crate::observed::host::Host;
use crate::plan::Letter;

/// So much of a complaint is shown.
const SHOWN: usize = 200;

/// More than this is nothing that gt says of a letter.
const OUTPUT_MAX: usize = 1024 * 1024;

/// Sends it. One that was not taken in time may have been sent all the same, so that is not told as a failure: nobody is to get it twice.
pub async fn notify<M: Machine>(host: &Host<M>, order: &Order, letter: &Letter, program: &Path) -> Outcome {
    let words = ["mail", "send", &letter.to, "-s", &letter.subject, "-m", &letter.body];
    let call = Call {
        program: program.to_owned(),
        arguments: words.map(str::to_owned).to_vec(),
        directory: order.root.clone(),
        // Without it gt takes a person for the sender.
        environment: vec![("BD_ACTOR".to_owned(), "daemon".to_owned())],
        limit: order.mail_timeout,
        output_max: OUTPUT_MAX,
    };
    match host.machine.run_program(&call).await {
        Ok(reply) if reply.code == Some(0) => Outcome::Done(None),
        Ok(reply) => {
            let said = [&reply.stderr, &reply.stdout].into_iter().find(|text| !text.trim().is_empty());
            let said = said.map_or("nothing", |said| said.trim());
            Outcome::failed(format!(
                "gt did not take the letter and said: {}",
                printable(&excerpt(said, SHOWN))
            ))
        }
        Err(error @ CallError::Timeout { .. }) => {
            Outcome::unconfirmed(format!("{error}; whether it sent the letter is not known"))
        }
        Err(error) => Outcome::failed(error.to_string()),
    }
}
