//! Nudging: types one line into an agent, only if its pane is ours, alive, in no mode, and nobody is attached to it; then looks whether the
//! agent took it.
//!
//! Whoever types into the pane at the same time would mix two texts into one. gt's own nudges take a lock for that, in a file for each
//! session; so do these.

pub mod text;

use std::path::PathBuf;
use std::time::Duration;

use crate::machine::Machine;
use crate::model::{PaneId, Seen, Why};
use crate::observed::host::Host;
use crate::observed::tmux::quote::word;
use crate::plan::{Fence, poke_text};

use super::fence::{
    HELD, PASSED, conditions, equal, guarded, nobody_attached, pane_conditions, pane_target, same_server,
};
use super::{Order, Outcome};

/// How long another nudge of the same pane is waited for. gt waits as long.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// How long a text rests before Enter: agents that are pasted to swallow an Enter that comes at once.
const BEFORE_ENTER: Duration = Duration::from_millis(500);

/// When to look after each Enter whether the agent took it. One that did not gets another Enter.
const AFTER_ENTER: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(700), Duration::from_millis(1500)];

/// Types `text` and presses Enter.
pub async fn nudge(host: &Host<impl Machine>, order: &Order, fence: &Fence, text: &str) -> Outcome {
    let line = match text::sanitised(text) {
        Ok(line) => line,
        Err(error) => return Outcome::Failed(Why::of(&error)),
    };
    let Some((pane, _)) = fence.pane() else { return Outcome::refused("it has no pane") };
    let _lock = match host.machine.lock(&lock_file(host, order, fence), LOCK_PATIENCE).await {
        Ok(lock) => lock,
        Err(why) => return Outcome::Refused(why),
    };
    if let Err(outcome) = same_server(&host.machine, fence) {
        return outcome;
    }
    // A poke says nothing new: one that stands there, unsent, is not made longer.
    if line == poke_text(&order.address) && shows(host, fence, pane, &line).await == Seen::Known(true) {
        return Outcome::refused("it stands at its prompt already, and was not sent");
    }
    let keys: Vec<String> = text::chunks(&line)
        .iter()
        .map(|chunk| format!("send-keys -l -t {} -- {}", word(&pane.to_string()), word(chunk)))
        .collect();
    if let Err(outcome) = typed(host, fence, &keys).await {
        return outcome;
    }
    host.machine.sleep(BEFORE_ENTER).await;
    let shown = shows(host, fence, pane, &line).await;
    for pause in AFTER_ENTER {
        match typed(host, fence, &[format!("send-keys -t {} Enter", word(&pane.to_string()))]).await {
            Ok(()) => {}
            Err(Outcome::Refused(why)) => {
                return Outcome::unconfirmed(format!("typed, but its pane was not free for Enter: {why}"));
            }
            Err(outcome) => return outcome,
        }
        host.machine.sleep(pause).await;
        match (&shown, shows(host, fence, pane, &line).await) {
            (Seen::Known(true), Seen::Known(false)) => return Outcome::Done(None),
            (Seen::Known(true), Seen::Known(true)) => {}
            // A screen that did not show the text before Enter tells nothing after it.
            _ => return Outcome::unconfirmed("typed; its screen does not show whether the agent took it"),
        }
    }
    Outcome::unconfirmed("typed; it still stands at its prompt, after three times Enter")
}

/// gt's lock of the session where there is a gt, one of our own elsewhere.
fn lock_file(host: &Host<impl Machine>, order: &Order, fence: &Fence) -> PathBuf {
    let runtime = order.root.join(".runtime");
    let session = fence.name().replace('/', "_");
    match host.machine.is_directory(&runtime) {
        Seen::Known(true) => runtime.join("nudge_queue").join(session).join(".lock"),
        Seen::Known(false) | Seen::Unknown(_) => {
            order.root.join("daemon/gtctl/nudges").join(format!("{session}.lock"))
        }
    }
}

/// Sends keys, if the pane still is the agent's, and free.
async fn typed(host: &Host<impl Machine>, fence: &Fence, keys: &[String]) -> Result<(), Outcome> {
    let free = [equal("pane_dead", "0"), equal("pane_in_mode", "0"), nobody_attached()];
    let all = [conditions(fence), pane_conditions(fence), free.to_vec()].concat();
    let commands = [keys, &[format!("display-message -p {PASSED}")]].concat();
    match host.tmux.ask(&[guarded(&pane_target(fence), &all, &commands)]).await {
        Ok(reply) if reply.stdout.lines().any(|line| line == PASSED) => Ok(()),
        Ok(reply) if reply.stdout.lines().any(|line| line == HELD) => {
            Err(Outcome::refused("its pane is dead, in a mode, or somebody is attached to it"))
        }
        Ok(reply) => Err(Outcome::failed(format!("tmux did not type it: {}", reply.stderr.trim()))),
        Err(error) => Err(Outcome::Unconfirmed(Why::of(&error))),
    }
}

/// Whether the agent's screen shows the text at its cursor.
async fn shows(host: &Host<impl Machine>, fence: &Fence, pane: PaneId, text: &str) -> Seen<bool> {
    let target = word(&pane.to_string());
    let commands = [
        format!("display-message -p -t {target} 'gtctl-cursor #{{cursor_y}}'"),
        format!("capture-pane -p -t {target}"),
    ];
    let all = [conditions(fence), pane_conditions(fence)].concat();
    let reply = match host.tmux.ask(&[guarded(&pane_target(fence), &all, &commands)]).await {
        Ok(reply) => reply,
        Err(error) => return Seen::unknown(error.to_string()),
    };
    let mut lines = reply.stdout.lines();
    let cursor = lines.next().and_then(|line| line.strip_prefix("gtctl-cursor "));
    let Some(cursor) = cursor.and_then(|row| row.parse().ok()) else {
        return Seen::unknown("tmux did not show its screen");
    };
    Seen::Known(text::ends_at_cursor(&lines.collect::<Vec<_>>(), cursor, text))
}
