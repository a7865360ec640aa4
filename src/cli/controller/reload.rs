//! `gtctl controller reload`.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::controller::socket::{self, Answer, Reloaded, Request};
use crate::report::json::FORMAT_VERSION;

use super::who::not_answered;

/// Lets the controller read the files again, and says what has changed by that, or what is wrong with them.
pub async fn run(context: &Context) -> Result<Exit, Exit> {
    match socket::ask(&context.root, &Request::Reload).await {
        Ok(Some(Answer::Reloaded(reloaded))) => Ok(tell(context, &reloaded)),
        Ok(Some(Answer::Invalid { why })) => {
            print::error(
                &format!("the controller does not know how to: {why}"),
                Some("it may be of an older version; it reads changed files by itself"),
            );
            Err(Exit::Failed)
        }
        Ok(Some(Answer::Status(_) | Answer::Cost(_) | Answer::Done { .. })) => {
            print::error("the controller answered something else", None);
            Err(Exit::Failed)
        }
        Ok(None) => Err(not_answered(context, None).await),
        Err(error) => Err(not_answered(context, Some(error)).await),
    }
}

fn tell(context: &Context, reloaded: &Reloaded) -> Exit {
    let Reloaded { changes, wrong, wrong_since } = reloaded;
    let exit = if wrong.is_some() { Exit::Config } else { Exit::Ok };
    if context.is_json() {
        print::json(&json!({
            "format-version": FORMAT_VERSION, "changes": changes, "wrong": wrong, "wrong-since": wrong_since,
        }));
        return exit;
    }
    if let Some(wrong) = wrong {
        let since = wrong_since.map_or_else(String::new, |since| {
            format!(" since {}", since.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S"))
        });
        print::error(
            &format!("the files are wrong{since}, and their last good reading stays in force: {wrong}"),
            Some("`gtctl validate` shows all of it"),
        );
    } else if changes.is_empty() {
        print::out(
            "Read; nothing has changed since the last time (the controller reads changed files by itself).\n",
        );
    } else {
        print::out(&format!(
            "Read, and in force:\n{}",
            changes.iter().map(|line| format!("  {line}\n")).collect::<String>()
        ));
    }
    exit
}
