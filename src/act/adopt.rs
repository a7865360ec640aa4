//! Adopting: labels a session that gt started, after its environment has proved that it is ours.

use crate::machine::Machine;
use crate::model::Why;
use crate::observed::host::Host;
use crate::observed::tmux::quote::word;
use crate::plan::Fence;

use super::fence::{HELD, PASSED, conditions, guarded, pane_conditions, pane_target, same_server};
use super::{Order, Outcome};

/// Labels it, if it still is what was seen and still has no label.
pub async fn adopt(host: &Host<impl Machine>, order: &Order, fence: &Fence) -> Outcome {
    if let Err(outcome) = same_server(&host.machine, fence) {
        return outcome;
    }
    let Some((pane, _)) = fence.pane() else { return Outcome::refused("it has no pane") };
    let session = word(&format!("{}:", fence.session()));
    let commands = [
        format!("set-option -t {session} @gtctl {}", word(&order.marker().to_string())),
        format!(
            "set-option -p -t {} @gtctl_agent {}",
            word(&pane.to_string()),
            word(order.incarnation.as_str())
        ),
        format!("display-message -p {PASSED}"),
    ];
    let all = [conditions(fence), pane_conditions(fence)].concat();
    match host.tmux.ask(&[guarded(&pane_target(fence), &all, &commands)]).await {
        Ok(reply) if reply.stdout.lines().any(|line| line == PASSED) => Outcome::Done(None),
        Ok(reply) if reply.stdout.lines().any(|line| line == HELD) => {
            Outcome::refused("it is not what it was when the plan was made")
        }
        Ok(reply) => Outcome::failed(format!("tmux did not label it: {}", reply.stderr.trim())),
        Err(error) => Outcome::Unconfirmed(Why::of(&error)),
    }
}
