//! Fences (law 3): a command that acts only if what it was planned against is still there, tested in the server itself.
//!
//! The test names everything, because `if-shell -t` with a target that is gone silently tests some other session instead of failing.

use crate::machine::Machine;
use crate::model::Seen;
use crate::observed::processes;
use crate::observed::tmux::quote::word;
use crate::plan::Fence;

use super::Outcome;

/// What a guarded command prints when the fence let it through.
pub const PASSED: &str = "gtctl-passed";

/// What it prints when the fence held.
pub const HELD: &str = "gtctl-held";

/// One command line: `commands` if all of `conditions` hold in the context of `target`, else the mark [`HELD`].
pub fn guarded(target: &str, conditions: &[String], commands: &[String]) -> String {
    let condition = conditions.iter().rev().fold("1".to_owned(), |rest, one| format!("#{{&&:{one},{rest}}}"));
    format!(
        "if-shell -F -t {} {} {{ {} }} {{ display-message -p {HELD} }}",
        word(target),
        word(&condition),
        commands.join(" ; ")
    )
}

/// The conditions that a fence sets: the server, the session and its label. Values are ids and labels, whose letters mean nothing in a
/// format.
pub fn conditions(fence: &Fence) -> Vec<String> {
    vec![
        equal("pid", &fence.server().pid.to_string()),
        equal("session_id", &fence.session().to_string()),
        equal("@gtctl", fence.label()),
    ]
}

/// That the agent's pane is this one, with this process.
pub fn pane_conditions(fence: &Fence) -> Vec<String> {
    let Some((pane, pid)) = fence.pane() else { return Vec::new() };
    vec![equal("pane_id", &pane.to_string()), equal("pane_pid", &pid.to_string())]
}

/// The agent's pane as a target: by session, window and pane. A pane alone is not enough: where sessions share a window, tmux takes it for
/// part of the one that was used last, and the guard would test that one.
pub fn pane_target(fence: &Fence) -> String {
    match (fence.window(), fence.pane()) {
        (Some(window), Some((pane, _))) => format!("{}:@{window}.{pane}", fence.session()),
        _ => format!("{}:", fence.session()),
    }
}

/// That nobody is attached to the session, nor to another one of its group.
pub fn nobody_attached() -> String {
    "#{&&:#{==:#{session_attached},0},#{?session_group_attached,0,1}}".to_owned()
}

/// That a format variable has this value.
pub fn equal(variable: &str, value: &str) -> String {
    format!("#{{==:#{{{variable}}},{value}}}")
}

/// The part of the fence that tmux cannot test: that the server with this pid is the one that was seen.
pub fn same_server(machine: &impl Machine, fence: &Fence) -> Result<(), Outcome> {
    match processes::is_alive(machine, fence.server()) {
        Seen::Known(true) => Ok(()),
        Seen::Known(false) => Err(Outcome::refused("the tmux server is another one now")),
        Seen::Unknown(why) => Err(Outcome::Refused(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::State;
    use crate::plan::tests::builders::town;

    #[test]
    fn law_3_a_fence_tests_all_that_it_names() {
        let given = town("[sessions.scribe]\ncommand = ['x']").running("sessions/scribe");
        let plan = given.plan();
        let verdict = plan.verdicts.iter().find(|one| one.address.to_string() == "sessions/scribe").unwrap();
        let State::Running(alive) = &verdict.state else { panic!("it runs: {verdict:?}") };
        let fence = &alive.fence;
        let (pane, pid) = fence.pane().unwrap();
        assert_eq!(
            [conditions(fence), pane_conditions(fence)].concat(),
            [
                equal("pid", &fence.server().pid.to_string()),
                equal("session_id", &fence.session().to_string()),
                equal("@gtctl", fence.label()),
                equal("pane_id", &pane.to_string()),
                equal("pane_pid", &pid.to_string()),
            ]
        );
        assert!(fence.label().contains("sessions/scribe"), "the label names the life");
    }

    #[test]
    fn law_3_a_guard_tests_all_conditions_in_the_server() {
        let line = guarded(
            "$3:",
            &[equal("pid", "7"), equal("session_id", "$3")],
            &["kill-session -t '$3'".to_owned()],
        );
        assert_eq!(
            line,
            "if-shell -F -t '$3:' '#{&&:#{==:#{pid},7},#{&&:#{==:#{session_id},$3},1}}' \
             { kill-session -t '$3' } { display-message -p gtctl-held }"
        );
    }
}
