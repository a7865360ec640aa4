//! How a process ends: hearing that it has, and telling it to.
//!
//! There are two ways: [`Pidfds`], where the kernel names a process by a descriptor, and [`Polling`], where it does not. [`Here`] is the one that gtctl uses.
//! On Linux both are there, and one suite of tests holds both to the same promises (`tests/processes.rs`).

#[cfg(target_os = "linux")]
mod pidfd;
mod polling;

use std::future::Future;
use std::time::Duration;

use super::Signal;
use super::processes::Found;
use crate::model::{ProcessId, Why};

#[cfg(target_os = "linux")]
pub use pidfd::Pidfds;
pub use polling::Polling;

/// How gtctl hears of ends on this system.
#[cfg(target_os = "linux")]
pub type Here = Pidfds;
/// How gtctl hears of ends on this system.
#[cfg(not(target_os = "linux"))]
pub type Here = Polling;

/// How gtctl hears of ends on this system.
#[cfg(target_os = "linux")]
pub const HERE: Here = Pidfds;
/// How gtctl hears of ends on this system.
#[cfg(not(target_os = "linux"))]
pub const HERE: Here = Polling;

/// Somebody who hears of the end of processes, be they children or not, and can bring it about.
pub trait Ending: Copy + Send + Sync + 'static {
    /// Waits until the process has ended. One that has ended, but is not collected yet, has ended.
    fn end_of(&self, id: ProcessId) -> impl Future<Output = ()> + Send;

    /// Where the process with this pid stands, if it lives, it and its parent are waited for, and that alone proves it: cheaper than looking. `None`
    /// says nothing.
    fn living(&self, _pid: i32) -> Option<Found> {
        None
    }

    /// Those that are not known to have ended.
    fn left_of(&self, ids: &[ProcessId]) -> Vec<ProcessId>;

    /// Waits until all have ended, but no longer than `limit`; those that are left.
    fn ended(&self, ids: &[ProcessId], limit: Duration) -> impl Future<Output = Vec<ProcessId>> + Send {
        let (this, ids) = (*self, ids.to_vec());
        async move {
            let _ = tokio::time::timeout(limit, async {
                for id in &ids {
                    this.end_of(*id).await;
                }
            })
            .await;
            this.left_of(&ids)
        }
    }

    /// Sends a signal to this very process; nothing happens if it has ended. Where the system has no way to be sure that nobody else is hit, none is sent,
    /// and that is the error (law 3).
    fn signal(&self, id: ProcessId, signal: Signal) -> Result<(), Why>;
}
