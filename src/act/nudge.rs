//! Nudging: types one line into an agent, only if its pane is ours, alive, in no mode, and nobody is attached to it.

use std::time::Duration;

use crate::model::Why;
use crate::observed::host::Host;
use crate::observed::tmux::quote::word;
use crate::plan::Fence;

use super::Outcome;
use super::fence::{
    HELD, PASSED, conditions, equal, guarded, nobody_attached, pane_conditions, pane_target, same_server,
};

/// The longest text that is typed; a terminal in line mode cuts a line at 4096 bytes and says nothing.
const TEXT_LENGTH_MAX: usize = 4000;

/// How long a text rests before Enter: agents that are pasted to swallow an Enter that comes at once.
const BEFORE_ENTER: Duration = Duration::from_millis(500);

/// Types `text` and presses Enter.
pub async fn nudge(host: &Host, fence: &Fence, text: &str) -> Outcome {
    if text.is_empty() || text.len() > TEXT_LENGTH_MAX || text.chars().any(char::is_control) {
        return Outcome::refused(format!(
            "a nudge is one line of 1 to {TEXT_LENGTH_MAX} bytes without control characters"
        ));
    }
    if let Err(outcome) = same_server(fence) {
        return outcome;
    }
    let Some((pane, _)) = fence.pane() else { return Outcome::refused("it has no pane") };
    let target = word(&pane.to_string());
    let free = [equal("pane_dead", "0"), equal("pane_in_mode", "0"), nobody_attached()];
    let all = [conditions(fence), pane_conditions(fence), free.to_vec()].concat();
    for keys in
        [format!("send-keys -l -t {target} -- {}", word(text)), format!("send-keys -t {target} Enter")]
    {
        let commands = [keys, format!("display-message -p {PASSED}")];
        match host.tmux.ask(&[guarded(&pane_target(fence), &all, &commands)]).await {
            Ok(reply) if reply.stdout.lines().any(|line| line == PASSED) => {}
            Ok(reply) if reply.stdout.lines().any(|line| line == HELD) => {
                return Outcome::refused("its pane is dead, in a mode, or somebody is attached to it");
            }
            Ok(reply) => return Outcome::failed(format!("tmux did not type it: {}", reply.stderr.trim())),
            Err(error) => return Outcome::Unconfirmed(Why::of(&error)),
        }
        tokio::time::sleep(BEFORE_ENTER).await;
    }
    Outcome::unconfirmed("typed; nothing shows yet whether the agent took it")
}
