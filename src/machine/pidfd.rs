//! Waiting for processes to end, and signalling them, through pidfds: a reused pid can neither be waited for nor hit.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::{Signal, processes};
use crate::model::{ProcessId, Seen};

/// How often `/proc` is asked where there is no pidfd to wait on.
const POLL: Duration = Duration::from_millis(50);

fn is_alive(id: ProcessId) -> Seen<bool> {
    processes::find(id.pid).map(|found| found.is_some_and(|found| found.id == id && !found.zombie))
}

/// A pidfd of this very process; `None` if it has ended.
fn open(id: ProcessId) -> Result<Option<OwnedFd>, Errno> {
    let Some(pid) = Pid::from_raw(id.pid).filter(|_| id.pid > 1) else { return Ok(None) };
    let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    // The fd names whoever has the pid now; only after that can the start time tell that it is the one.
    match processes::find(id.pid) {
        Seen::Known(found) => Ok(found.filter(|found| found.id == id).map(|_| fd)),
        Seen::Unknown(_) => Err(Errno::ACCESS),
    }
}

/// Waits until the process has ended. A process that has ended, but is not collected yet, has ended.
pub async fn ended(id: ProcessId) {
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
    while !matches!(is_alive(id), Seen::Known(false)) {
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until all have ended, but no longer than `limit`; those that are left.
pub async fn all_ended(ids: Vec<ProcessId>, limit: Duration) -> Vec<ProcessId> {
    let _ = tokio::time::timeout(limit, async {
        for id in &ids {
            ended(*id).await;
        }
    })
    .await;
    ids.into_iter().filter(|id| !matches!(is_alive(*id), Seen::Known(false))).collect()
}

/// Sends a signal to this very process; nothing happens if it has ended.
pub fn signal(id: ProcessId, signal: Signal) -> Result<(), Errno> {
    match open(id)? {
        None => Ok(()),
        Some(fd) => {
            let number = match signal {
                Signal::Term => Number::TERM,
                Signal::Kill => Number::KILL,
                Signal::Child => Number::CHILD,
            };
            match pidfd_send_signal(&fd, number) {
                Ok(()) | Err(Errno::SRCH) => Ok(()),
                Err(errno) => Err(errno),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn sleeper() -> (std::process::Child, ProcessId) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let Seen::Known(Some(found)) = processes::find(i32::try_from(child.id()).unwrap()) else {
            panic!("it lives")
        };
        (child, found.id)
    }

    #[tokio::test]
    async fn s17_a_reused_pid_is_not_signalled() {
        let (mut child, id) = sleeper();
        let stale = ProcessId { start: id.start.wrapping_sub(1), ..id };
        signal(stale, Signal::Kill).unwrap();
        // Whoever is killed may live on for a moment: looking at once would show nothing.
        assert_eq!(all_ended(vec![id], Duration::from_millis(500)).await, vec![id]);
        assert_eq!(
            all_ended(vec![stale], Duration::from_secs(10)).await,
            vec![],
            "the one that was meant has ended long ago"
        );
        signal(id, Signal::Kill).unwrap();
        assert_eq!(all_ended(vec![id], Duration::from_secs(10)).await, vec![]);
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn what_lives_past_the_limit_is_left_over() {
        let (mut child, id) = sleeper();
        assert_eq!(all_ended(vec![id], Duration::from_millis(20)).await, vec![id]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
