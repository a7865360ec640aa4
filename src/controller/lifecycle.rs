//! `daemon/daemon.pid` and `daemon/state.json` in gt's own format, so that `gt daemon status` tells the truth.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use serde::Serialize;

use crate::town::TownRoot;

/// The two files; removed and marked as ended when this is dropped.
#[derive(Debug)]
pub struct DaemonFiles {
    directory: PathBuf,
    state: State,
    /// They are somebody else's by now.
    abandoned: bool,
}

/// `state.json` as gt writes it.
#[derive(Debug, Clone, Serialize)]
struct State {
    running: bool,
    pid: u32,
    started_at: String,
    last_heartbeat: String,
    heartbeat_count: u64,
}

/// gt writes the zero time where there is none.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl DaemonFiles {
    /// Writes both. Whatever an earlier controller left there is replaced: the lock, not these files, says who runs.
    pub fn create(root: &TownRoot) -> std::io::Result<Self> {
        let state = State {
            running: true,
            pid: std::process::id(),
            started_at: now(),
            last_heartbeat: NEVER.to_owned(),
            heartbeat_count: 0,
        };
        let files = Self { directory: root.daemon_dir(), state, abandoned: false };
        // One decimal number and nothing else: the form that all versions of gt can read.
        replace(&files.directory.join("daemon.pid"), files.state.pid.to_string().as_bytes())?;
        files.write()?;
        Ok(files)
    }

    /// Notes that a full look was completed.
    pub fn beat(&mut self) -> std::io::Result<()> {
        self.state.last_heartbeat = now();
        self.state.heartbeat_count += 1;
        self.write()
    }

    /// Leaves them as they are.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }

    fn write(&self) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.state)?;
        replace(&self.directory.join("state.json"), &text)
    }
}

impl Drop for DaemonFiles {
    fn drop(&mut self) {
        if self.abandoned {
            return;
        }
        self.state.running = false;
        // Leaving is a no-op (law 6): if these fail, the lock still tells that nobody runs.
        let _ = self.write();
        let _ = std::fs::remove_file(self.directory.join("daemon.pid"));
    }
}

fn now() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = AtomicWriteFile::options();
    options.mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.commit()
}
