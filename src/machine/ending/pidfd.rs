//! Waiting for processes to end, and signalling them, through pidfds: a reused pid can neither be waited for nor hit.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::super::Signal;
use super::super::processes::{Found, Linux, Observe};
use super::Ending;
use crate::model::{ProcessId, Seen, Why};

/// Asks the kernel for descriptors of processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pidfds;

/// How often `/proc` is asked where there is no pidfd to wait on.
const POLL: Duration = Duration::from_millis(50);

/// The processes that this one waits for, by their pids.
static AWAITED: LazyLock<Mutex<HashMap<i32, Awaited>>> = LazyLock::new(Mutex::default);

/// A process that is waited for.
#[derive(Debug, Clone)]
struct Awaited {
    found: Found,
    fd: Arc<OwnedFd>,
}

fn awaited() -> MutexGuard<'static, HashMap<i32, Awaited>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who waits. Of several for one process the last counts, and nothing is lost when it goes: then `/proc` is asked.
struct Waiter(Arc<OwnedFd>, i32);

impl Waiter {
    fn new(found: Found, fd: OwnedFd) -> Self {
        let (fd, pid) = (Arc::new(fd), found.id.pid);
        awaited().insert(pid, Awaited { found, fd: fd.clone() });
        Self(fd, pid)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut awaited = awaited();
        if awaited.get(&self.1).is_some_and(|one| Arc::ptr_eq(&one.fd, &self.0)) {
            awaited.remove(&self.1);
        }
    }
}

/// Whether none of these has ended: a pidfd can be read from then on.
fn all_live(fds: &[&OwnedFd]) -> bool {
    let mut fds: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)).collect();
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
}

/// A pidfd of this very process, and where it stands; `None` if it has ended.
fn open(id: ProcessId) -> Result<Option<(OwnedFd, Found)>, Errno> {
    let Some(pid) = Some(id.pid).filter(|pid| *pid > 1).and_then(Pid::from_raw) else { return Ok(None) };
    let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    // The fd names whoever has the pid now; only after that can the start time tell that it is the one.
    match Linux.find(id.pid) {
        Seen::Known(found) => Ok(found.filter(|found| found.id == id).map(|found| (fd, found))),
        Seen::Unknown(_) => Err(Errno::ACCESS),
    }
}

impl Ending for Pidfds {
    async fn end_of(&self, id: ProcessId) {
        if let Ok(opened) = open(id) {
            let Some((fd, found)) = opened else { return };
            let waiter = Waiter::new(found, fd);
            #[expect(
                deprecated,
                reason = "its successor is unsafe for types that do not own their descriptor; OwnedFd does"
            )]
            let registered = AsyncFd::new(waiter.0.clone());
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

    /// A parent that lives has not handed its children on, and a pid is nobody else's while its process lives.
    fn living(&self, pid: i32) -> Option<Found> {
        let awaited = awaited();
        let one = awaited.get(&pid).filter(|one| !one.found.zombie)?;
        let parent = awaited.get(&one.found.parent)?;
        all_live(&[&one.fd, &parent.fd]).then_some(one.found)
    }

    fn left_of(&self, ids: &[ProcessId]) -> Vec<ProcessId> {
        ids.iter().copied().filter(|id| Linux.is_alive(*id) != Seen::Known(false)).collect()
    }

    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why> {
        let sent = match open(id) {
            Ok(None) => return Ok(()),
            Ok(Some((fd, _))) => pidfd_send_signal(
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn one_who_is_waited_for_lives_as_proc_says_until_it_ends_and_only_while_somebody_waits() {
        let pid = |pid: u32| i32::try_from(pid).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let found = |pid| match Linux.find(pid) {
            Seen::Known(Some(found)) => found,
            other => panic!("{other:?}"),
        };
        let (own, other) = (found(pid(std::process::id())), found(pid(child.id())));
        assert_eq!(other.parent, own.id.pid);
        let of_child = tokio::spawn(async move { Pidfds.end_of(other.id).await });
        while awaited().get(&other.id.pid).is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            Pidfds.living(other.id.pid),
            None,
            "nobody waits for its parent: it may be another one by now"
        );
        let of_own = tokio::spawn(async move { Pidfds.end_of(own.id).await });
        while awaited().get(&own.id.pid).is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(Pidfds.living(other.id.pid), Some(other));
        child.kill().unwrap();
        of_child.await.unwrap();
        assert_eq!(Pidfds.living(other.id.pid), None, "it has ended");
        assert!(found(other.id.pid).zombie, "although it is not collected");
        child.wait().unwrap();
        of_own.abort();
        assert!(of_own.await.is_err());
        assert!(awaited().get(&own.id.pid).is_none());
    }
}
