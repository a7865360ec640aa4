//! The ledger's file: replaced whole, the directory synced; a crash at any byte leaves the old one or the new one.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};

use super::Ledger;

/// The file's name, below `daemon/gtctl/`.
pub const LEDGER_FILE: &str = "ledger.json";

/// The version that this gtctl writes. An unknown one is not guessed at.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<L> {
    version: u32,
    #[serde(flatten)]
    ledger: L,
}

/// Why the ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file can be read and makes no sense. No strikes are guessed from that: zero would be a loop.
    #[error("{path} is damaged; move it away to start with an empty memory")]
    Damaged {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of gtctl wrote it.
    #[error("{path} has version {found}, and this gtctl knows version {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// The file cannot be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Reads the ledger from `directory`; an empty one if there is none yet.
pub fn load(directory: &Path) -> Result<Ledger, StoreError> {
    let file = directory.join(LEDGER_FILE);
    let path = file.display().to_string();
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Ledger::default()),
        Err(source) => return Err(StoreError::Read { path, source }),
    };
    let damaged = |source| StoreError::Damaged { path: path.clone(), source };
    let Envelope { version, ledger } =
        serde_json::from_slice::<Envelope<serde_json::Value>>(&text).map_err(damaged)?;
    if version != VERSION {
        return Err(StoreError::Version { path, found: version });
    }
    serde_json::from_value(ledger).map_err(damaged)
}

/// Writes the ledger to `directory`, which is created with mode 0700 if need be; the file has mode 0600.
pub fn save(directory: &Path, ledger: &Ledger) -> Result<(), StoreError> {
    let file = directory.join(LEDGER_FILE);
    let write = || -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut options = AtomicWriteFile::options();
        options.mode(0o600);
        let mut out = options.open(&file)?;
        serde_json::to_writer_pretty(&mut out, &Envelope { version: VERSION, ledger })?;
        out.write_all(b"\n")?;
        out.commit()
    };
    write().map_err(|source| StoreError::Write { path: file.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_cut_at_any_byte_is_damaged_and_never_an_empty_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::default();
        ledger.approvals.insert("abc".into());
        save(directory.path(), &ledger).unwrap();
        assert_eq!(load(directory.path()).unwrap(), ledger);
        let file = directory.path().join(LEDGER_FILE);
        let whole = std::fs::read(&file).unwrap();
        for end in 0..whole.len() - 2 {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert!(load(directory.path()).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LEDGER_FILE), r#"{"version":2}"#).unwrap();
        assert!(matches!(load(directory.path()), Err(StoreError::Version { found: 2, .. })));
    }
}
