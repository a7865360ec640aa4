//! `daemon/gtctl/controller.json`: which process is the controller. A pid alone names whoever has it now; this names one life, so that nobody else
//! is ever taken for the controller (law 3), also if it does not answer.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::{Disk, Machine};
use crate::model::{BootId, ProcessId, Seen};
use crate::town::TownRoot;

/// The file's name, below `daemon/gtctl/`.
pub const IDENTITY_FILE: &str = "controller.json";

/// A larger file is none of ours.
const SIZE_MAX: u64 = 64 * 1024;

/// Who the controller is, as it wrote it down itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Written {
    /// Its process.
    pub process: ProcessId,
    /// The boot in which it has that pid and start time.
    pub boot: BootId,
    /// The version that runs.
    pub version: String,
    /// Since when it runs.
    pub started: jiff::Timestamp,
}

impl Written {
    /// Reads it. `None` if there is none that can be read whole: then it proves nothing.
    pub fn read(disk: &dyn Disk, root: &TownRoot) -> Option<Self> {
        Self::parse(&disk.read(&path(root), SIZE_MAX).ok()?)
    }

    /// Reads its text.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether this very process wrote it, in this boot.
    pub fn is_of(&self, process: ProcessId, boot: &BootId) -> bool {
        self.process == process && self.boot == *boot
    }
}

/// The file, removed when this is dropped.
#[derive(Debug)]
pub struct Identity {
    path: PathBuf,
    /// It is somebody else's by now.
    abandoned: bool,
}

impl Identity {
    /// Writes down who this process is. Only for the holder of the lock. On a machine that cannot tell who it is, nothing is written, and an
    /// earlier controller's file is removed.
    pub fn write<M: Machine>(root: &TownRoot, machine: &M) -> std::io::Result<Self> {
        let path = path(root);
        let now = machine.now();
        match machine.find(machine.own_pid()) {
            Seen::Known(Some(found)) => {
                let written = Written {
                    process: found.id,
                    boot: now.boot,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    started: now.wall,
                };
                machine.replace(&path, &serde_json::to_vec_pretty(&written)?)?;
            }
            Seen::Known(None) | Seen::Unknown(_) => remove(&path)?,
        }
        Ok(Self { path, abandoned: false })
    }

    /// Leaves the file as it is.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        if self.abandoned {
            return;
        }
        // A file that stays proves nothing: its process has ended.
        let _ = remove(&self.path);
    }
}

fn path(root: &TownRoot) -> PathBuf {
    root.gtctl_dir().join(IDENTITY_FILE)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
