//! The plan and the status as text. Everything is readable without colour, because each line begins with a sign.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::Value;

use super::words;
use crate::desired::HoldKind;
use crate::model::{Address, Reason, Seen, Stamp};
use crate::observed::{Observed, Server};
use crate::plan::{Action, Counts, Decision, Plan, Verdict};

/// What is said of an object that runs from an older spec.
const DRIFTED: &str = "differs from config; `gtctl restart` applies it";

/// The last line of every plan. Scripts read it, so its form never changes.
pub fn counts_line(counts: Counts) -> String {
    let Counts { start, restart, nudge, notify: _, kill, held } = counts;
    format!("Plan: {start} to start, {restart} to restart, {nudge} to nudge, {kill} to kill, {held} held.")
}

/// A plan: what would be done and why, what is held and by whom, what is not managed.
pub fn plan(plan: &Plan, observed: &Observed, town: &str) -> String {
    let now = &observed.at;
    let mut out = format!("Town {town}, tmux {}.\n\n", server(observed));
    for verdict in plan
        .verdicts
        .iter()
        .filter(|verdict| !verdict.is_off_by_default() || verdict.state.has_living_process())
    {
        out.push_str(&verdict_block(verdict, now, false));
    }
    if !plan.unmanaged.is_empty() {
        out.push_str("\nNot managed:\n");
        for session in &plan.unmanaged {
            let hint = if session.ours { "; `gtctl reconcile --prune` stops it" } else { "" };
            out.push_str(&format!("  {} ({}): {}{hint}\n", session.session, session.id, session.why));
        }
    }
    if let Some(refusal) = &plan.refusal {
        out.push_str(&format!("\n{}\n", words::refusal(refusal)));
    }
    out.push('\n');
    if plan.steps().next().is_none() {
        out.push_str(no_changes(plan));
        out.push('\n');
    }
    out.push_str(&counts_line(plan.counts()));
    out.push('\n');
    out
}

/// The sentence for a plan without steps.
pub fn no_changes(plan: &Plan) -> &'static str {
    if plan.verdicts.iter().any(|verdict| verdict.drifted) {
        return "No changes. Some agents run from an older config, see above; each takes up the new one when it is started again.";
    }
    let blocked =
        plan.verdicts.iter().any(|verdict| verdict.decision == Decision::Held && !verdict.because.is_wish());
    if blocked {
        "No changes. Something is held for a reason that no file asked for, see above."
    } else {
        "No changes. What runs is what the files ask for."
    }
}

/// Which tmux server was looked at.
pub fn server(observed: &Observed) -> String {
    match &observed.server {
        Seen::Known(Server::Up(up)) => {
            format!(
                "server {} ({}) at {}, {} sessions",
                up.id,
                up.version,
                observed.socket,
                up.sessions.len()
            )
        }
        Seen::Known(Server::Down) => format!("has no server at {}", observed.socket),
        Seen::Known(Server::SocketLost { .. }) => format!("socket lost at {}", observed.socket),
        Seen::Unknown(why) => format!("at {} cannot be seen: {why}", observed.socket),
    }
}

fn verdict_block(verdict: &Verdict, now: &Stamp, all: bool) -> String {
    let (sign, word) = sign(verdict);
    let reason = words::reason(&verdict.because, now);
    let mut first = match reason.strip_prefix("until ") {
        Some(rest) => format!("{word} until {rest} ({})", verdict.because.code()),
        None => format!("{word} ({}): {reason}", verdict.because.code()),
    };
    if matches!(verdict.because, Reason::Running) {
        first = verdict.word().to_owned();
    }
    let mut out = format!("  {sign:>3} {:<28} {first}\n", verdict.address.to_string());
    let mut more = |text: String| out.push_str(&format!("      # {text}\n"));
    let quiet =
        !all && matches!(verdict.decision, Decision::Nothing) && matches!(verdict.because, Reason::Running);
    if let Decision::Step(step) = &verdict.decision {
        words::gate(&step.gate, now).into_iter().for_each(&mut more);
        words::how(&step.action).into_iter().for_each(&mut more);
    }
    for evidence in &verdict.evidence {
        let age = evidence.age.map(|age| format!(", {} old", words::length(age))).unwrap_or_default();
        if !quiet || evidence.age.is_some() {
            more(format!("{}{age}", evidence.what));
        }
    }
    if !quiet {
        more(format!("asked for by {}", words::origin(verdict)));
    }
    words::hint(verdict).into_iter().for_each(&mut more);
    if verdict.drifted {
        more(DRIFTED.to_owned());
    }
    out
}

fn sign(verdict: &Verdict) -> (&'static str, &'static str) {
    match &verdict.decision {
        Decision::Nothing => ("=", verdict.word()),
        Decision::Held => ("!", "held"),
        Decision::Step(step) => match step.action {
            Action::Start(_) => ("+", "start"),
            Action::Restart(_) => ("-/+", "restart"),
            Action::Kill(_) => ("-", "kill"),
            Action::Nudge { .. } => ("~", "nudge"),
            Action::Adopt(_) => ("*", "adopt"),
            Action::Reap(_) => ("-", "reap"),
            Action::Notify { .. } => ("@", "notify"),
        },
    }
}

/// What is wanted of an object, as a word for the status.
pub fn wanted_word(verdict: &Verdict) -> &'static str {
    match &verdict.wanted {
        None if verdict.because == Reason::Pruned => "unlisted",
        None => "run",
        Some(HoldKind::Disabled) => "off",
        Some(HoldKind::NoRestart) => "no-restart",
        Some(HoldKind::Parked) => "parked",
        Some(HoldKind::Docked) => "docked",
        Some(HoldKind::Stopped(_)) => "stopped",
        Some(HoldKind::Unreadable(_)) => "unknown",
        Some(HoldKind::Frozen) => "frozen",
    }
}

/// The objects of a status, as [`super::json::objects`] gives them, as a table.
pub fn status(objects: &[Value]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["NAME", "WANTED", "STATE", "RESTARTS", "AGE", "WHY"]);
    for object in objects {
        let word = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let age = object.get("lived-seconds").and_then(Value::as_u64);
        let age =
            age.map_or_else(|| "<none>".to_owned(), |seconds| words::length(Duration::from_secs(seconds)));
        let restarts = object.get("restarts").and_then(Value::as_u64).unwrap_or_default().to_string();
        let origin = object.get("origin-text").and_then(Value::as_str);
        let is_wish = object.get("as-wanted") == Some(&Value::Bool(true));
        let why = match (object.pointer("/reason/code").and_then(Value::as_str), origin) {
            (Some("running"), _) if object.get("drifted") == Some(&Value::Bool(true)) => DRIFTED.to_owned(),
            (Some("running"), _) => String::new(),
            (_, Some(origin)) if is_wish => format!("{} ({origin})", word("text")),
            _ if !word("gate-text").is_empty() => {
                format!("{}; it starts {}", word("text"), word("gate-text"))
            }
            _ => word("text"),
        };
        table.add_row([word("address"), word("wanted"), word("state"), restarts, age, why]);
    }
    table.to_string().lines().map(|line| format!("{}\n", line.trim())).collect()
}

/// Why an object is as it is, in full.
pub fn why(verdict: &Verdict, now: &Stamp, after: &[Address]) -> String {
    let mut out = verdict_block(verdict, now, true);
    out.push_str(&format!("\n  reason    {}\n  state     {}\n", verdict.because.code(), verdict.word()));
    out.push_str(&format!("  asked by  {}\n", words::origin(verdict)));
    if let Some(incarnation) = verdict.state.alive().and_then(|alive| alive.incarnation.as_ref()) {
        out.push_str(&format!(
            "  life      {} (session {}, pane {})\n",
            incarnation.marker.incarnation, incarnation.session, incarnation.pane
        ));
    }
    if !after.is_empty() {
        out.push_str(&format!("  after     {}\n", words::list(after)));
    }
    out
}
