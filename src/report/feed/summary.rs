//! An event in words.

use serde_json::Value;

use super::curate::GtEvent;
use crate::model::{excerpt, printable};

/// The longest value that is repeated in a summary, in bytes.
const VALUE_SHOWN: usize = 120;

/// What happened, in one line.
pub fn summary(event: &GtEvent, count: Option<usize>) -> String {
    let said = |key: &str| value(event, key);
    let or = |key: &str, other: &str| said(key).unwrap_or_else(|| other.to_owned());
    let because = |key: &str| said(key).map(|why| format!(": {why}")).unwrap_or_default();
    let who = if event.actor.is_empty() { "somebody".to_owned() } else { clean(&event.actor) };
    match (event.kind.as_str(), count) {
        ("mass_death", _) => format!("MASS DEATH: {} sessions died simultaneously", or("count", "several")),
        ("session_death", _) => {
            format!("Session {} terminated: {}", or("session", "(unnamed)"), or("reason", "no reason given"))
        }
        ("sling", Some(count)) => format!("{who} slung {count} pieces of work"),
        ("sling", None) => format!("{who} slung {} to {}", or("bead", "work"), or("target", "somebody")),
        ("done", _) => format!("{who} is done with {}", or("bead", "its work")),
        ("hook", _) => format!("{who} took {} on its hook", or("bead", "work")),
        ("unhook", _) => format!("{who} took {} off its hook", or("bead", "work")),
        ("handoff", _) => format!("{who} handed off{}", because("subject")),
        ("mail", _) => format!("{who} wrote to {}{}", or("to", "somebody"), because("subject")),
        ("spawn", _) => format!("{who} spawned {}", worker(event)),
        ("kill", _) => format!("{who} ended {}{}", or("target", "a session"), because("reason")),
        ("nudge", _) => format!("{who} nudged {}{}", or("target", "somebody"), because("reason")),
        ("boot", _) => format!("{} is up", or("rig", "a rig")),
        ("halt", _) => "the town was stopped".to_owned(),
        ("session_start", _) => format!("{} began a session{}", or("role", &who), because("topic")),
        ("session_end", _) => format!("{} ended its session", or("role", &who)),
        ("merged", _) => format!("{who} merged {}", change(event)),
        ("merge_started", _) => format!("{who} began to merge {}", change(event)),
        ("merge_failed", _) => format!("{who} could not merge {}{}", change(event), because("reason")),
        ("merge_skipped", _) => format!("{who} passed over {}{}", change(event), because("reason")),
        (kind, _) => format!("{who}: {}", clean(kind).replace('_', " ")),
    }
}

/// A value of the payload that is a text or a number.
fn value(event: &GtEvent, key: &str) -> Option<String> {
    match event.payload.as_ref()?.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(clean(text.trim())),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn worker(event: &GtEvent) -> String {
    match (value(event, "rig"), value(event, "polecat")) {
        (Some(rig), Some(polecat)) => format!("{rig}/{polecat}"),
        (one, other) => one.or(other).unwrap_or_else(|| "a worker".to_owned()),
    }
}

fn change(event: &GtEvent) -> String {
    ["branch", "mr", "bead"]
        .into_iter()
        .find_map(|key| value(event, key))
        .unwrap_or_else(|| "a change".to_owned())
}

/// Short, and without what a terminal would act on.
fn clean(text: &str) -> String {
    printable(&excerpt(text, VALUE_SHOWN)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, payload: &str) -> String {
        let line = format!(r#"{{"type":"{kind}","actor":"g/nux","payload":{payload}}}"#);
        summary(&GtEvent::parse(&line).unwrap(), None)
    }

    #[test]
    fn the_two_that_others_look_for_are_worded_as_gt_words_them() {
        assert_eq!(of("mass_death", r#"{"count":4}"#), "MASS DEATH: 4 sessions died simultaneously");
        assert_eq!(
            of("session_death", r#"{"session":"hq-mayor","reason":"user shutdown"}"#),
            "Session hq-mayor terminated: user shutdown"
        );
    }

    #[test]
    fn a_payload_of_any_shape_is_told_on_one_short_line() {
        for kind in [
            "mass_death",
            "session_death",
            "sling",
            "done",
            "mail",
            "spawn",
            "merged",
            "session_start",
            "x_y",
        ] {
            for payload in ["null", "{}", r#"{"count":[],"bead":null,"target":{},"rig":true,"subject":" "}"#]
            {
                let text = of(kind, payload);
                assert!(!text.is_empty() && !text.contains('\n'), "{kind} {payload}: {text}");
            }
        }
        let long = "é\\n\\u001b[31m".repeat(1000);
        let text = of("mail", &format!(r#"{{"to":"mayor/","subject":"{long}"}}"#));
        assert!(text.len() < 600 && !text.contains(|letter: char| letter.is_control()), "{text}");
        assert_eq!(of("x_y", "{}"), "g/nux: x y");
    }
}
