//! What gt keeps of an agent in its bead, and which work hangs on an agent's hook.

use serde::{Deserialize, Serialize};

use super::issue::{Issue, Status};

/// What an agent's bead says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentBead {
    /// The bead.
    pub id: String,
    /// How the agent stands; `None` if that is not told.
    pub state: Option<AgentState>,
    /// The bead of the work on its hook. Only the column counts, never the description; since gt 0.6 nobody keeps it, and [`hooked`] tells.
    pub hook: Option<String>,
    /// How far the bead itself has come.
    pub status: Status,
    /// When it was last changed.
    pub updated: Option<jiff::Timestamp>,
}

/// How an agent stands, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentState {
    /// It is being started.
    Spawning,
    /// It works.
    Working,
    /// The same, in another word.
    Running,
    /// It has nothing to do.
    Idle,
    /// Its work is done.
    Done,
    /// It cannot go on.
    Stuck,
    /// It has asked for help.
    Escalated,
    /// It waits for a gate to open.
    AwaitingGate,
    /// It was taken apart on purpose.
    Nuked,
    /// Another one.
    Other(String),
}

impl AgentState {
    fn of(text: &str) -> Self {
        match text {
            "spawning" => Self::Spawning,
            "working" => Self::Working,
            "running" => Self::Running,
            "idle" => Self::Idle,
            "done" => Self::Done,
            "stuck" => Self::Stuck,
            "escalated" => Self::Escalated,
            "awaiting-gate" => Self::AwaitingGate,
            "nuked" => Self::Nuked,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The label of an agent's bead. gt 0.6 gives it the type `task` and this; before that its type was `agent`.
const AGENT_LABEL: &str = "gt:agent";

impl AgentBead {
    /// What a bead says of an agent; `None` if it is no agent's. The state is that of the description if it is there, else that of the
    /// column, as gt itself reads it.
    pub fn of(issue: &Issue) -> Option<Self> {
        if issue.kind != "agent" && !issue.labels.contains(AGENT_LABEL) {
            return None;
        }
        let state = issue.field("agent_state").or(issue.agent_state.as_deref());
        Some(Self {
            id: issue.id.clone(),
            state: state.map(AgentState::of),
            hook: issue.hook_bead.clone(),
            status: issue.status.clone(),
            updated: issue.updated,
        })
    }
}

/// The work among these issues that hangs on the hook of this assignee.
pub fn hooked<'a>(issues: &'a [Issue], assignee: &str) -> impl Iterator<Item = &'a Issue> {
    issues.iter().filter(move |issue| {
        issue.status == Status::Hooked
            && issue.assignee.as_deref().is_some_and(|of| of.trim_end_matches('/') == assignee)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::beads::issue::{parse_issues, tests::AGENT};

    fn agent(text: &str) -> Option<AgentBead> {
        AgentBead::of(&parse_issues(text).unwrap()[0])
    }

    #[test]
    fn an_agents_bead_tells_its_state_and_its_hook() {
        let bead = agent(AGENT).unwrap();
        assert_eq!(bead.state, Some(AgentState::Working));
        assert_eq!((bead.hook.as_deref(), bead.status), (Some("gt-abc"), Status::Open));
        assert_eq!(bead.updated, "2026-01-24T10:30:00Z".parse().ok());
    }

    #[test]
    fn the_newer_form_is_a_task_with_a_label_and_its_description_goes_first() {
        let text = r#"[{"id":"a","status":"open","issue_type":"task","labels":["gt:agent"],"agent_state":"idle","description":"x\n\nAgent_State: awaiting-gate"}]"#;
        assert_eq!(agent(text).unwrap().state, Some(AgentState::AwaitingGate));
        let column = r#"[{"id":"a","status":"open","issue_type":"agent","agent_state":"napping"}]"#;
        assert_eq!(agent(column).unwrap().state, Some(AgentState::Other("napping".to_owned())));
    }

    #[test]
    fn trap_29_a_hook_in_the_description_is_none_and_other_beads_are_no_agents() {
        let text = r#"[{"id":"a","status":"open","issue_type":"agent","description":"hook_bead: gt-abc"}]"#;
        assert_eq!(agent(text).unwrap().hook, None);
        assert_eq!(agent(r#"[{"id":"a","status":"open","issue_type":"task"}]"#), None);
    }

    #[test]
    fn work_is_on_the_hook_of_whom_it_is_assigned_to_and_only_while_it_hangs_there() {
        let text = r#"[{"id":"a","status":"hooked","assignee":"g/polecats/nux"},
            {"id":"b","status":"closed","assignee":"g/polecats/nux"},
            {"id":"c","status":"hooked","assignee":"g/polecats/nux2"},
            {"id":"d","status":"hooked"}]"#;
        let issues = parse_issues(text).unwrap();
        let ids: Vec<&str> = hooked(&issues, "g/polecats/nux").map(|issue| issue.id.as_str()).collect();
        assert_eq!(ids, ["a"]);
    }
}
