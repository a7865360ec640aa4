//! Issues, as `bd` and `br` print them with `--json`.
//!
//! The two, and their versions, wrap them differently: an array (`show`, `list`), one object (`create`), `null` for none, or an object around
//! the array (`{"wisps": […], "count": N}`, `{"issues": […]}`).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::model::excerpt;

/// An issue, as far as gtctl needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its id, for example `gt-abc`.
    pub id: String,
    /// How far it has come.
    pub status: Status,
    /// Its type: `task`, `agent`, `convoy`, …; empty if none is told.
    pub kind: String,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// Whose it is, as gt writes it: `gastown/polecats/nux`.
    pub assignee: Option<String>,
    /// The column `hook_bead`.
    pub hook_bead: Option<String>,
    /// The column `agent_state`.
    pub agent_state: Option<String>,
    /// Its text, in which gt keeps `key: value` lines.
    pub description: String,
    /// When it was last changed, if that is told and a time.
    pub updated: Option<jiff::Timestamp>,
}

/// How far an issue has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nobody works on it.
    Open,
    /// Somebody does.
    InProgress,
    /// It waits for another one.
    Blocked,
    /// It hangs on an agent's hook.
    Hooked,
    /// It is done.
    Closed,
    /// Another one: whatever it means, it is none of these.
    Other(String),
}

impl Status {
    fn of(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            "in_progress" => Self::InProgress,
            "blocked" => Self::Blocked,
            "hooked" => Self::Hooked,
            "closed" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON, or not all of it.
    #[error("the answer is no JSON: {0}")]
    NotJson(String),
    /// It is JSON, and no list of issues.
    #[error("the answer holds {0} where an issue is expected")]
    NotAnIssue(String),
}

/// What is read of an issue; all else is passed over.
#[derive(Deserialize)]
struct Wire {
    id: String,
    status: String,
    #[serde(default)]
    issue_type: Option<String>,
    #[serde(default)]
    labels: Option<BTreeSet<String>>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    hook_bead: Option<String>,
    #[serde(default)]
    agent_state: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

/// So much of what is no issue is shown.
const SHOWN: usize = 60;

/// The objects that wrap a list, by its key.
const WRAPPERS: [&str; 2] = ["issues", "wisps"];

/// Reads an answer whole, or not at all: one issue that makes no sense makes none of the others certain.
pub fn parse_issues(text: &str) -> Result<Vec<Issue>, Malformed> {
    let value: Value =
        serde_json::from_str(text.trim()).map_err(|error| Malformed::NotJson(error.to_string()))?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.into_iter().map(one).collect(),
        Value::Object(mut object) => {
            match WRAPPERS.iter().find_map(|key| object.remove(*key)) {
                Some(Value::Array(list)) => list.into_iter().map(one).collect(),
                Some(Value::Null) => Ok(Vec::new()),
                Some(other) => Err(not_an_issue(&other)),
                // `create` answers with the issue itself.
                None => one(Value::Object(object)).map(|issue| vec![issue]),
            }
        }
        other => Err(not_an_issue(&other)),
    }
}

fn not_an_issue(value: &Value) -> Malformed {
    Malformed::NotAnIssue(excerpt(&value.to_string(), SHOWN).escape_debug().to_string())
}

fn one(value: Value) -> Result<Issue, Malformed> {
    let wire = Wire::deserialize(&value).map_err(|_| not_an_issue(&value))?;
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Issue {
        id: wire.id,
        status: Status::of(&wire.status),
        kind: wire.issue_type.unwrap_or_default(),
        labels: wire.labels.unwrap_or_default(),
        assignee: said(wire.assignee),
        hook_bead: said(wire.hook_bead),
        agent_state: said(wire.agent_state),
        description: wire.description.unwrap_or_default(),
        updated: wire.updated_at.and_then(|text| text.parse().ok()),
    })
}

impl Issue {
    /// The value of a `key: value` line of its description; keys in any case, `null` and nothing are no value.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.description.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            (name.trim().eq_ignore_ascii_case(key) && !value.is_empty() && value != "null").then_some(value)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An agent's bead as `bd show --json` prints it.
    pub const AGENT: &str = r#"[{"id":"gt-gastown-polecat-nux","title":"nux",
        "description":"nux\n\nrole_type: polecat\nrig: gastown\nagent_state: working\nhook_bead: gt-abc\ncleanup_status: null",
        "status":"open","priority":2,"issue_type":"agent","created_at":"2026-01-24T10:00:00Z",
        "updated_at":"2026-01-24T10:30:00Z","labels":["gt:agent"],"hook_bead":"gt-abc","agent_state":"working"}]"#;

    fn ids(text: &str) -> Vec<String> {
        parse_issues(text).unwrap().into_iter().map(|issue| issue.id).collect()
    }

    #[test]
    fn every_wrapping_of_the_two_programs_is_read() {
        let issue = r#"{"id":"a-1","title":"t","status":"open"}"#;
        for (text, count) in [
            (format!("[{issue}]"), 1),
            (format!("[\n  {issue},\n  {issue}\n]\n"), 2),
            (issue.to_owned(), 1),
            (format!(r#"{{"issues":[{issue}],"total":1}}"#), 1),
            (format!(r#"{{"wisps":[{issue}],"count":1}}"#), 1),
            (r#"{"wisps":null,"count":0}"#.to_owned(), 0),
            ("[]".to_owned(), 0),
            ("null\n".to_owned(), 0),
        ] {
            assert_eq!(ids(&text).len(), count, "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_answer_is_none_at_every_byte() {
        for end in 0..AGENT.len() {
            assert!(parse_issues(&AGENT[..end]).is_err(), "{end}");
        }
        for text in [
            "",
            "Error: no database",
            "3",
            "\"x\"",
            "[3]",
            r#"[{"id":"a"}]"#,
            r#"[{"id":1,"status":"open"}]"#,
            r#"[{"id":"a","status":"open","labels":"x"}]"#,
            r#"{"issues":3}"#,
            r#"{"error":{"code":"NOT_INITIALIZED","message":"x"}}"#,
            r#"[{"id":"a","status":"open"},{}]"#,
        ] {
            assert!(parse_issues(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_absent_null_or_new_is_no_mistake() {
        let text = r#"[{"id":"a","status":"tombstone","labels":null,"assignee":"","hook_bead":null,"new":[1],"updated_at":"soon"}]"#;
        let issue = parse_issues(text).unwrap().remove(0);
        assert_eq!(issue.status, Status::Other("tombstone".to_owned()));
        assert_eq!((issue.assignee, issue.hook_bead, issue.updated), (None, None, None));
        assert!(issue.labels.is_empty() && issue.kind.is_empty());
    }

    #[test]
    fn the_lines_of_a_description_are_fields() {
        let issue = parse_issues(AGENT).unwrap().remove(0);
        assert_eq!(issue.field("role_type"), Some("polecat"));
        assert_eq!(issue.field("Agent_State"), Some("working"));
        assert_eq!(issue.field("cleanup_status"), None);
        assert_eq!(issue.field("nux"), None);
    }
}
