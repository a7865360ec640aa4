//! Stopping: the hang-up is not the stop. The session is killed, then everything below its agent must be seen to end; what does not is
//! sent TERM, then KILL.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::machine::{Machine, Signal};
use crate::model::{ProcessId, Seen, Why};
use crate::observed::host::Host;
use crate::observed::processes;
use crate::observed::tmux::quote::word;
use crate::plan::Fence;

use super::Outcome;
use super::fence::{
    HELD, PASSED, conditions, equal, guarded, nobody_attached, pane_conditions, pane_target, same_server,
};

/// How long a process may take to end after KILL before it counts as unkillable (it sits in the kernel).
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Stops the session behind the fence and all that its agent started.
pub async fn stop(host: &Host<impl Machine>, fence: &Fence, patience: Duration) -> Outcome {
    match fence.process() {
        Some(_) => stop_if(host, fence, &[], patience).await,
        // Nothing of ours lived in it: a pane that somebody has opened there since then must not end with what is left.
        None => stop_if(host, fence, &[pane_conditions(fence), only_pane()].concat(), patience).await,
    }
}

/// That the session has no pane but one.
fn only_pane() -> Vec<String> {
    vec![equal("session_windows", "1"), equal("window_panes", "1")]
}

/// Stops a session in which only a bare shell is left, if that is still so and nobody is there to use the shell, nor has a pane beside it.
pub async fn stop_bare_shell(host: &Host<impl Machine>, fence: &Fence, patience: Duration) -> Outcome {
    let Some((_, pid)) = fence.pane() else { return Outcome::refused("it has no pane") };
    match processes::is_bare_shell(&host.machine, pid) {
        Seen::Known(true) => {}
        Seen::Known(false) => return Outcome::refused("something runs in its shell again"),
        Seen::Unknown(why) => return Outcome::Refused(why),
    }
    let alone = [pane_conditions(fence), only_pane(), vec![nobody_attached()]].concat();
    stop_if(host, fence, &alone, patience).await
}

async fn stop_if(host: &Host<impl Machine>, fence: &Fence, also: &[String], patience: Duration) -> Outcome {
    if let Err(outcome) = same_server(&host.machine, fence) {
        return outcome;
    }
    let mut family = match family(&host.machine, fence) {
        Ok(family) => family,
        Err(outcome) => return outcome,
    };
    if family.iter().any(|id| id.pid == host.machine.own_pid()) {
        return Outcome::refused("this very command runs inside it; run it from elsewhere");
    }
    let target = if also.is_empty() { format!("{}:", fence.session()) } else { pane_target(fence) };
    let all = [conditions(fence), also.to_vec()].concat();
    let commands = [
        format!("display-message -p {PASSED}"),
        format!("kill-session -t {}", word(&fence.session().to_string())),
    ];
    match host.tmux.ask(&[guarded(&target, &all, &commands)]).await {
        // Killing the last session ends the server, so its answer may break off after the mark.
        Ok(reply) if reply.stdout.lines().any(|line| line == PASSED) => {}
        Ok(reply) if reply.stdout.lines().any(|line| line == HELD) => {
            return Outcome::refused("it is not what it was when the plan was made");
        }
        Ok(reply) => return Outcome::failed(format!("tmux did not stop it: {}", reply.stderr.trim())),
        Err(error) => return Outcome::Unconfirmed(Why::of(&error)),
    }
    for signal in [None, Some(Signal::Term), Some(Signal::Kill)] {
        if let Some(signal) = signal {
            grow(&host.machine, &mut family);
            for id in &family {
                if let Err(why) = host.machine.signal(*id, signal) {
                    return Outcome::failed(format!("process {id} cannot be signalled: {why}"));
                }
            }
        }
        let limit = if signal == Some(Signal::Kill) { AFTER_KILL } else { patience };
        family = host.machine.ended(&family, limit).await;
        if family.is_empty() {
            return Outcome::Done(None);
        }
    }
    let left: Vec<String> = family.iter().map(ToString::to_string).collect();
    Outcome::failed(format!("processes {} survived KILL", left.join(", ")))
}

/// The agent and everything below it, collected before the hang-up: afterwards children may have another parent.
fn family(machine: &impl Machine, fence: &Fence) -> Result<Vec<ProcessId>, Outcome> {
    match fence.process() {
        None => Ok(Vec::new()),
        Some(process) => match processes::tree(machine, process) {
            Seen::Known(family) => Ok(family),
            Seen::Unknown(why) => Err(Outcome::Refused(why)),
        },
    }
}

/// Adds what the survivors have started meanwhile.
fn grow(machine: &impl Machine, family: &mut Vec<ProcessId>) {
    let more: BTreeSet<ProcessId> = family
        .iter()
        .filter_map(|id| match processes::tree(machine, *id) {
            Seen::Known(tree) => Some(tree),
            Seen::Unknown(_) => None,
        })
        .flatten()
        .collect();
    let known: BTreeSet<ProcessId> = family.iter().copied().collect();
    family.extend(more.difference(&known));
}
