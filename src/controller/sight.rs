//! What of a pass outlasts it: whose end is listened for, and which server is remembered.

use std::collections::BTreeSet;

use super::reconciler::{Pass, Reconciler};
use super::world::World;
use crate::ledger::{Ledger, ServerSeen};
use crate::model::{ProcessId, Seen};
use crate::observed::Server;
use crate::plan::State;

impl<W: World> Reconciler<W> {
    /// The processes whose end is news.
    pub fn listen_to(pass: &Pass) -> BTreeSet<ProcessId> {
        let server = match &pass.observed.server {
            Seen::Known(Server::Up(server)) => Some(server.id),
            Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => None,
        };
        let agents = pass.plan.verdicts.iter().filter_map(|verdict| match &verdict.state {
            State::Running(alive) | State::Starting(alive) | State::BareShell(alive) => alive.fence.process(),
            State::Detached { process, .. } => Some(*process),
            _ => None,
        });
        agents.chain(server).collect()
    }
}

/// The server to remember as the one that the agents are in. While the recorded one lives at another socket, they are still in that one, and
/// forgetting it would double them.
pub(super) fn server_to_remember(pass: &Pass, ledger: &Ledger) -> Option<ServerSeen> {
    let Seen::Known(Server::Up(server)) = &pass.observed.server else { return None };
    let boot = Some(pass.observed.at.boot.clone());
    let seen = ServerSeen { process: server.id, boot, socket: pass.observed.socket.clone() };
    let moved = ledger.server.as_ref().is_some_and(|known| known.socket != seen.socket);
    let old_is_gone = matches!(pass.observed.past_server, Some(Seen::Known(false)));
    (!moved || old_is_gone).then_some(seen)
}
