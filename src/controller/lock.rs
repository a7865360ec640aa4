//! The lock (law 5): flock on `daemon/daemon.lock`, the file that `gt daemon` locks too. The kernel lets go of it however its holder ends.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use std::time::{Duration, Instant};

use crate::machine::processes::{HERE, Observe};
use crate::model::Seen;
use crate::town::TownRoot;

/// The lock, held for as long as this lives.
#[derive(Debug)]
pub struct TownLock {
    file: File,
    path: PathBuf,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("{}", held(*.holder))]
    Held {
        /// Their pid, if the kernel tells.
        holder: Option<i32>,
    },
    /// The file cannot be opened.
    #[error("{path} cannot be locked")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

fn held(holder: Option<i32>) -> String {
    match holder {
        Some(pid) => format!("another process acts on this town: pid {pid} holds daemon/daemon.lock"),
        None => "another process acts on this town: it holds daemon/daemon.lock".to_owned(),
    }
}

impl TownLock {
    /// Whether the locked file still is the one that others would lock. Somebody who removes it lets a second controller in.
    pub fn still_holds(&self) -> bool {
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (self.file.metadata().map(inode), std::fs::metadata(&self.path).map(inode)) {
            (Ok(held), Ok(there)) => held == there,
            (_, Err(error)) => error.kind() != ErrorKind::NotFound,
            // Not being able to look is no loss.
            (Err(_), Ok(_)) => true,
        }
    }

    /// Takes the lock or says who has it; never waits. The file itself is never deleted: an unlinked lock locks nobody out.
    pub fn take(root: &TownRoot) -> Result<Self, LockError> {
        let path = root.daemon_dir().join("daemon.lock");
        let io = |source| LockError::Io { path: path.display().to_string(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root.daemon_dir()).map_err(io)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let begun = Instant::now();
        loop {
            match fs4::FileExt::try_lock(&file) {
                Ok(()) => return Ok(Self { file, path }),
                Err(fs4::TryLockError::WouldBlock) if is_dying(&file) && begun.elapsed() < DYING_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(fs4::TryLockError::WouldBlock) => {
                    return Err(LockError::Held { holder: holder(&file).unwrap_or_default() });
                }
                Err(fs4::TryLockError::Error(source)) => return Err(io(source)),
            }
        }
    }
}

/// A holder that was killed may have been about to run a command: its child has the lock until it does, for a moment.
const DYING_PATIENCE: Duration = Duration::from_secs(1);

/// Whether the one who took the lock is gone already.
fn is_dying(file: &File) -> bool {
    match holder(file) {
        // Who cannot be told is not known to be gone.
        Err(_) => false,
        Ok(None) => true,
        Ok(Some(pid)) => {
            matches!(HERE.find(pid), Seen::Known(found) if found.is_none_or(|found| found.zombie))
        }
    }
}

/// Who holds the lock now; `None` if nobody does, or the file does not exist. Does not take it, not even for a moment: that could make a
/// starting `gt daemon` fail.
pub fn current_holder(root: &TownRoot) -> Result<Option<i32>, LockError> {
    let path = root.daemon_dir().join("daemon.lock");
    match File::open(&path) {
        Ok(file) => {
            holder(&file).map_err(|source| LockError::Io { path: path.display().to_string(), source })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LockError::Io { path: path.display().to_string(), source }),
    }
}

/// The kernel's own list of locks names the holder; a pid file may be stale.
fn holder(file: &File) -> std::io::Result<Option<i32>> {
    let inode = file.metadata()?.ino();
    match HERE.lock_holder(inode) {
        Seen::Known(holder) => Ok(holder),
        Seen::Unknown(why) => Err(std::io::Error::other(why.0)),
    }
}
