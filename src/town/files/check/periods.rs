//! Lengths of time and moments.

use std::time::Duration;

use serde_json::Value;

use super::Subject;
use crate::model::Period;
use crate::town::diagnostic::Diagnostic;
use crate::town::files::town_toml::BackoffTable;

/// The allowed range of a length of time, and why it ends there.
struct Range {
    path: [&'static str; 2],
    low: Period,
    high: Period,
    why: &'static str,
}

/// What may stand at this path, if it is a length of time.
pub fn allowed(path: &[&str]) -> Option<String> {
    let of_objects = |range: &&Range| path.len() > 2 && path.last() == Some(&range.path[1]);
    let range = match path {
        ["agents", _, "ready-delay"] => &READY_DELAY,
        _ => RANGES.iter().find(|range| range.path == path).or_else(|| OF_OBJECTS.iter().find(of_objects))?,
    };
    Some(format!("a length of time between {} and {}, with units, such as \"30s\"", range.low, range.high))
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const fn range(path: [&'static str; 2], low: Period, high: Period, why: &'static str) -> Range {
    Range { path, low, high, why }
}

/// Every length of time in `town.toml`.
const RANGES: &[Range] = &[
    range(
        ["backoff", "initial"],
        Period::seconds(1),
        Period::seconds(HOUR),
        "less than a second is a busy loop; after an hour nobody expects a first restart",
    ),
    range(
        ["backoff", "max"],
        Period::seconds(1),
        Period::seconds(DAY),
        "an agent that waits for more than a day has been forgotten",
    ),
    range(
        ["crash-loop", "window"],
        Period::seconds(MINUTE),
        Period::seconds(DAY),
        "starts take up to a minute, so a shorter window never fills",
    ),
    range(
        ["crash-loop", "stable"],
        Period::seconds(MINUTE),
        Period::seconds(7 * DAY),
        "an agent that just started is not yet stable",
    ),
    range(
        ["crash-loop", "probe-after"],
        Period::seconds(MINUTE),
        Period::seconds(7 * DAY),
        "a shorter wait is no end of a crash loop",
    ),
    range(
        ["usage-limit", "retry"],
        Period::seconds(MINUTE),
        Period::seconds(DAY),
        "no account comes back sooner, and each try is a start",
    ),
    range(
        ["orphans", "grace"],
        Period::seconds(1),
        Period::seconds(DAY),
        "an agent whose terminal has just closed may be about to end",
    ),
    range(
        ["controller", "resync"],
        Period::seconds(1),
        Period::seconds(HOUR),
        "it is the net for notices that were lost: not a poll, and not a day's wait",
    ),
    range(
        ["controller", "debounce"],
        Period::millis(10),
        Period::seconds(5),
        "an editor writes a file in several steps; people wait for the reaction",
    ),
    range(
        ["controller", "settle"],
        Period::millis(100),
        Period::seconds(MINUTE),
        "a program that cannot run fails within milliseconds; a pass waits for it",
    ),
    range(
        ["controller", "stop-timeout"],
        Period::millis(100),
        Period::seconds(10 * MINUTE),
        "an agent needs time to save its work, and a stop must end",
    ),
    range(
        ["controller", "tmux-timeout"],
        Period::millis(100),
        Period::seconds(MINUTE),
        "a busy machine answers late, and a hung server never does",
    ),
    range(
        ["beads", "timeout"],
        Period::millis(100),
        Period::seconds(5 * MINUTE),
        "a database that another one writes answers late, and a hung one never does",
    ),
    range(
        ["beads", "every"],
        Period::seconds(1),
        Period::seconds(DAY),
        "each answer costs a process; a rig that was docked yesterday should rest today",
    ),
    range(
        ["feed", "repeat-window"],
        Period::millis(1),
        Period::seconds(HOUR),
        "what comes again after an hour is news",
    ),
    range(
        ["feed", "sling-window"],
        Period::millis(1),
        Period::seconds(HOUR),
        "an hour of slings is no burst",
    ),
    range(
        ["convoys", "delay"],
        Period::millis(10),
        Period::seconds(HOUR),
        "a check costs processes, and people wait for it",
    ),
    range(
        ["convoys", "timeout"],
        Period::millis(100),
        Period::seconds(HOUR),
        "a check may send mail, and must end",
    ),
    range(
        ["mail", "timeout"],
        Period::millis(100),
        Period::seconds(5 * MINUTE),
        "mail lies in a database that answers late, and a hung one never does",
    ),
    range(
        ["mail", "every"],
        Period::seconds(1),
        Period::seconds(HOUR),
        "each look costs processes; a letter is good for six hours",
    ),
    range(
        ["boot", "cooldown"],
        Period::seconds(1),
        Period::seconds(DAY),
        "each start costs tokens, and a deacon that is unwell should not wait for a day",
    ),
    range(
        ["boot", "max"],
        Period::seconds(2),
        Period::seconds(DAY),
        "an agent thinks for a while, and this one is meant to end",
    ),
    range(
        ["polecats", "orphaned-after"],
        Period::seconds(1),
        Period::seconds(DAY),
        "gt itself ends sessions and starts others in their place, which takes a moment",
    ),
    range(
        ["polecats", "gupp-after"],
        Period::seconds(1),
        Period::seconds(7 * DAY),
        "an agent that thinks or compiles writes to no bead",
    ),
    range(
        ["polecats", "drain"],
        Period::seconds(0),
        Period::seconds(DAY),
        "a rig that is docked should rest today",
    ),
    range(
        ["mass-death", "window"],
        Period::seconds(1),
        Period::seconds(HOUR),
        "what dies hours apart has no one cause",
    ),
    range(
        ["mass-death", "gap"],
        Period::seconds(0),
        Period::seconds(10 * MINUTE),
        "the last of a hundred agents would wait for more than a night",
    ),
    range(
        ["mass-death", "calm"],
        Period::seconds(1),
        Period::seconds(HOUR),
        "agents that live for an hour have nothing that kills them all",
    ),
];

/// Those of a role, of a crew member, of a session: the last key alone counts.
const OF_OBJECTS: &[Range] = &[
    range(
        ["", "stale-after"],
        Period::seconds(1),
        Period::seconds(7 * DAY),
        "an agent thinks for longer than that",
    ),
    range(
        ["", "stuck-after"],
        Period::seconds(2),
        Period::seconds(7 * DAY),
        "it is asked first, and needs time to answer",
    ),
    range(
        ["", "grace"],
        Period::seconds(0),
        Period::seconds(DAY),
        "what has not come up after a day will not",
    ),
    range(
        ["", "poke-after"],
        Period::seconds(1),
        Period::seconds(7 * DAY),
        "each poke costs, and an agent thinks for longer than that",
    ),
];

/// The length of time of each kind of agent.
const READY_DELAY: Range = range(
    ["agents", "ready-delay"],
    Period::seconds(0),
    Period::seconds(10 * MINUTE),
    "an agent that takes longer than that to start does not start",
);

pub(super) fn mistakes(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        RANGES.iter().filter_map(|range| outside(subject, &range.path, range)).collect();
    for table in super::launch::tables(subject) {
        let table: Vec<&str> = table.iter().map(String::as_str).collect();
        let of_table = |range: &Range| outside(subject, &[&table[..], &[range.path[1]]].concat(), range);
        found.extend(OF_OBJECTS.iter().filter_map(of_table));
        found.extend(stuck_before_stale(subject, &table));
    }
    for (agent, _) in subject.entries(&["agents"]) {
        found.extend(outside(subject, &["agents", agent, "ready-delay"], &READY_DELAY));
    }
    found.extend(backoff_order(subject));
    for (rig, _) in subject.entries(&["rigs"]) {
        found.extend(bad_moment(subject, &["rigs", rig, "until"]));
    }
    found
}

fn outside(subject: &Subject<'_>, path: &[&str], range: &Range) -> Option<Diagnostic> {
    let text = subject.get(path)?.as_str()?;
    let label = |text: String| subject.at(path, text);
    match Period::parse(text) {
        Err(why) => Some(Diagnostic::error(why.to_string(), label(String::new()))),
        Ok(period) if period < range.low || period > range.high => {
            // As it can be written: the form for people has days, which a file cannot have.
            let (low, high) = (String::from(range.low), String::from(range.high));
            let title = format!("`{}` must lie between {low} and {high}", path.join("."));
            Some(Diagnostic::error(title, label(format!("found {period}"))).with_help(range.why))
        }
        Ok(_) => None,
    }
}

/// Who is to be replaced must have been asked before.
fn stuck_before_stale(subject: &Subject<'_>, table: &[&str]) -> Option<Diagnostic> {
    let path = |key| [table, &[key]].concat();
    let read = |key| Period::parse(subject.get(&path(key))?.as_str()?).ok();
    let (stale, stuck) = (read("stale-after")?, read("stuck-after")?);
    let title = format!("`stuck-after` ({stuck}) is not longer than `stale-after` ({stale})");
    let label = subject.at(&path("stuck-after"), "an agent is asked before it is replaced");
    (stuck.get() <= stale.get()).then(|| Diagnostic::error(title, label))
}

/// The longest wait must not be shorter than the first one, be they written or default.
fn backoff_order(subject: &Subject<'_>) -> Option<Diagnostic> {
    let defaults = BackoffTable::default();
    let effective = |key, default: Period| match subject.get(&["backoff", key]) {
        None => Some(default),
        Some(value) => value.as_str().and_then(|text| Period::parse(text).ok()),
    };
    let (initial, max) = (effective("initial", defaults.initial)?, effective("max", defaults.max)?);
    if max.get() >= initial.get() || max.get() == Duration::ZERO {
        return None;
    }
    let title = format!("`backoff.max` ({max}) is shorter than `backoff.initial` ({initial})");
    let written = |key| subject.get(&["backoff", key]).is_some();
    let label = |key| subject.at(&["backoff", key], format!("`{key}` is set here"));
    Some(match (written("max"), written("initial")) {
        (true, true) => Diagnostic::error(title, label("max")).with_label(label("initial")),
        (true, false) => {
            Diagnostic::error(title, label("max")).with_help("`backoff.initial` has its default")
        }
        _ => Diagnostic::error(title, label("initial"))
            .with_help("`backoff.max` has its default; set it as well"),
    })
}

fn bad_moment(subject: &Subject<'_>, path: &[&str]) -> Option<Diagnostic> {
    let text = subject.get(path).and_then(Value::as_str)?;
    if text.parse::<jiff::Timestamp>().is_ok() {
        return None;
    }
    let title = format!("`{}` is not a moment", text.escape_debug());
    let help = "write it with its offset from UTC, for example 2026-12-01T09:00:00Z";
    Some(Diagnostic::error(title, subject.at(path, "")).with_help(help))
}
