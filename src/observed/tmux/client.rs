//! The transport: has tmux carry out a script and waits for its answer, but not for ever.

use std::path::PathBuf;
use std::time::Duration;

use crate::machine::{Machine, Reply, Script, Socket, TmuxError, Version};

/// A tmux to talk to.
#[derive(Debug, Clone)]
pub struct Tmux<M> {
    machine: M,
    socket: Socket,
    timeout: Duration,
}

impl<M: Machine> Tmux<M> {
    /// A tmux of this machine at `socket` that may take `timeout` for each answer.
    pub fn new(machine: M, socket: Socket, timeout: Duration) -> Self {
        Self { machine, socket, timeout }
    }

    /// Where its socket file is.
    pub fn socket_path(&self) -> PathBuf {
        self.machine.socket_path(&self.socket)
    }

    /// The server with this pid, of this version, has answered.
    pub fn met(&self, server: i32, version: Version) {
        self.machine.met(&self.socket, server, version, self.timeout);
    }

    /// Runs a script. Founds the server if there is none: then `start-server` is what its process list entry says for ever.
    pub async fn script(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::founding(lines)).await
    }

    /// Runs a script that changes nothing.
    pub async fn look(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::reading(lines)).await
    }

    /// Runs a script that does not found a server.
    pub async fn ask(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::acting(lines)).await
    }

    async fn exchange(&self, script: &Script) -> Result<Reply, TmuxError> {
        self.machine.tmux(&self.socket, script, self.timeout).await
    }
}
