//! `gtctl events`.

use std::time::Duration;

use clap::Args;

use super::context::{Context, object};
use super::exit::Exit;
use super::print;
use crate::machine::ThisMachine;
use crate::plan::Options;
use crate::report::events::{Event, read};
use crate::report::words;

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep waiting for more
    #[arg(short, long)]
    follow: bool,
    /// Only those of this object
    #[arg(long = "for", value_name = "OBJECT")]
    only: Option<String>,
    /// Only the last N
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
}

/// How often a followed log is read again.
const FOLLOW: Duration = Duration::from_millis(250);

/// Prints the event log; one JSON object a line with `-o json`.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let only = match &arguments.only {
        Some(text) => Some(object(context.open(Options::default())?.desired(), text)?),
        None => None,
    };
    let mut shown = 0;
    let mut last_shown: Option<Event> = None;
    loop {
        let all = read(&ThisMachine::new(), &context.root.gtctl_dir()).map_err(|error| {
            print::error(&format!("the event log cannot be read: {error}"), None);
            Exit::Failed
        })?;
        // After a rotation the log begins elsewhere: go on behind the last event that was shown.
        let known = shown.min(all.len());
        let from = match &last_shown {
            Some(last) if all.get(known.wrapping_sub(1)) != Some(last) => {
                all.iter().rposition(|event| event == last).map_or(0, |at| at + 1)
            }
            _ => known,
        };
        let fresh: Vec<&Event> = all
            .iter()
            .skip(from)
            .filter(|event| only.as_ref().is_none_or(|only| event.object.as_ref() == Some(only)))
            .collect();
        let skip = arguments.last.filter(|_| shown == 0).map_or(0, |last| fresh.len().saturating_sub(last));
        for event in fresh.into_iter().skip(skip) {
            print::out(&if context.is_json() {
                serde_json::to_string(event).map(|line| line + "\n").unwrap_or_default()
            } else {
                line(event, true)
            });
        }
        shown = all.len();
        last_shown = all.last().cloned();
        if !arguments.follow {
            if shown == 0 && !context.is_json() {
                print::note("no events yet");
            }
            return Ok(Exit::Ok);
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
        }
    }
}

/// An event as a line, in local time.
pub fn line(event: &Event, with_object: bool) -> String {
    let at = event.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    let text = if with_object { words::event_line(event) } else { event.text.clone() };
    let origin = match &event.origin {
        Some(crate::model::Origin::Default) | None => String::new(),
        Some(origin) => format!(" [{origin}]"),
    };
    let evidence: String = event.evidence.iter().map(|evidence| format!("; {}", evidence.what)).collect();
    let life = event.incarnation.as_ref().map(|life| format!(" #{life}")).unwrap_or_default();
    format!("  {at}  {text}{evidence}{origin}{life}\n")
}
