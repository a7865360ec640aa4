//! Waiting for processes to end, and signalling them, through pidfds: a reused pid can neither be waited for nor hit.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::super::Signal;
use super::super::processes::{Linux, Observe};
use super::Ending;
use crate::model::{ProcessId, Seen, Why};

/// Asks the kernel for descriptors of processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pidfds;

/// How often `/proc` is asked where there is no pidfd to wait on.
const POLL: Duration = Duration::from_millis(50);

/// A pidfd of this very process; `None` if it has ended.
fn open(id: ProcessId) -> Result<Option<OwnedFd>, Errno> {
    let Some(pid) = Some(id.pid).filter(|pid| *pid > 1).and_then(Pid::from_raw) else { return Ok(None) };
    let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    // The fd names whoever has the pid now; only after that can the start time tell that it is the one.
    match Linux.find(id.pid) {
        Seen::Known(found) => Ok(found.filter(|found| found.id == id).map(|_| fd)),
        Seen::Unknown(_) => Err(Errno::ACCESS),
    }
}

impl Ending for Pidfds {
    async fn end_of(&self, id: ProcessId) {
        if let Ok(opened) = open(id) {
            let Some(fd) = opened else { return };
            #[expect(
                deprecated,
                reason = "its successor is unsafe for types that do not own their descriptor; OwnedFd does"
            )]
            let registered = AsyncFd::new(fd);
            if let Ok(fd) = registered
                && fd.readable().await.is_ok()
            {
                return;
            }
        }
        while Linux.is_alive(id) != Seen::Known(false) {
            tokio::time::sleep(POLL).await;
        }
    }

    fn left_of(&self, ids: &[ProcessId]) -> Vec<ProcessId> {
        ids.iter().copied().filter(|id| Linux.is_alive(*id) != Seen::Known(false)).collect()
    }

    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why> {
        let sent = match open(id) {
            Ok(None) => return Ok(()),
            Ok(Some(fd)) => pidfd_send_signal(
                &fd,
                match signal {
                    Signal::Term => Number::TERM,
                    Signal::Kill => Number::KILL,
                    Signal::Child => Number::CHILD,
                },
            ),
            Err(errno) => Err(errno),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Why::of(&errno)),
        }
    }
}
