//! What a town is kept in: an eye and a hand for one tmux server, and a disk.

use std::time::Duration;

use crate::act::Do;
use crate::machine::{Disk, Machine, Signal};
use crate::model::ProcessId;
use crate::observed::Look;
use crate::observed::host::Host;
use crate::observed::tmux::Socket;

/// Everything outside: an eye and a hand for one tmux server, and the disk.
pub trait World: Look + Do + Clone + Send + Sync + 'static {
    /// The same world with another tmux server in it.
    fn at(&self, socket: &Socket, timeout: Duration) -> Self;

    /// The files of this world.
    fn disk(&self) -> &dyn Disk;

    /// Makes a tmux server collect its children, and gives it a moment for that, if it can be told.
    fn poke(&self, server: ProcessId) -> impl Future<Output = ()> + Send;
}

impl<M: Machine> World for Host<M> {
    fn at(&self, socket: &Socket, timeout: Duration) -> Self {
        Self::new(self.machine.clone(), socket.clone(), timeout)
    }

    fn disk(&self) -> &dyn Disk {
        &self.machine
    }

    async fn poke(&self, server: ProcessId) {
        if self.machine.signal(server, Signal::Child).is_ok() {
            self.machine.sleep(AFTER_POKE).await;
        }
    }
}

/// How long tmux gets to collect its children after a poke.
const AFTER_POKE: Duration = Duration::from_millis(2);
