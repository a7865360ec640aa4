//! The ledger's file: replaced whole, the directory synced; a crash at any byte leaves the old one or the new one.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::machine::Disk;

/// The file's name, below `daemon/gtctl/`.
pub const LEDGER_FILE: &str = "ledger.json";

/// A larger file is no ledger: a town of a thousand objects needs a megabyte.
const SIZE_MAX: u64 = 64 * 1024 * 1024;

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
pub fn load(disk: &dyn Disk, directory: &Path) -> Result<Ledger, StoreError> {
    let file = directory.join(LEDGER_FILE);
    let path = file.display().to_string();
    // One byte more than allowed, for it is the end of a file that is read.
    let text = match disk.read(&file, SIZE_MAX + 1) {
        Ok(text) if text.len() as u64 > SIZE_MAX => {
            let source = std::io::Error::new(ErrorKind::FileTooLarge, "it is larger than 64 MiB");
            return Err(StoreError::Read { path, source });
        }
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

/// Writes the ledger to `directory`.
pub fn save(disk: &dyn Disk, directory: &Path, ledger: &Ledger) -> Result<(), StoreError> {
    let file = directory.join(LEDGER_FILE);
    let write = || -> std::io::Result<()> {
        let mut text = serde_json::to_vec(&Envelope { version: VERSION, ledger })?;
        text.push(b'\n');
        disk.replace(&file, &text)
    };
    write().map_err(|source| StoreError::Write { path: file.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;

    #[test]
    fn a_ledger_cut_at_any_byte_is_damaged_and_never_an_empty_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::default();
        ledger.approvals.insert("abc".into());
        save(&ThisMachine::new(), directory.path(), &ledger).unwrap();
        assert_eq!(load(&ThisMachine::new(), directory.path()).unwrap(), ledger);
        let file = directory.path().join(LEDGER_FILE);
        let whole = std::fs::read(&file).unwrap();
        for end in 0..whole.len() - 2 {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert!(load(&ThisMachine::new(), directory.path()).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn s100_a_disk_that_refuses_the_ledger_again_and_again_is_not_filled_with_tries() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(LEDGER_FILE)).unwrap();
        for _ in 0..3 {
            save(&ThisMachine::new(), directory.path(), &Ledger::default()).unwrap_err();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "the directory, and one try");
    }

    #[test]
    fn s110_the_ledger_is_private_whatever_stood_in_its_place() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(LEDGER_FILE);
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        save(&ThisMachine::new(), directory.path(), &Ledger::default()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LEDGER_FILE), r#"{"version":2}"#).unwrap();
        assert!(matches!(
            load(&ThisMachine::new(), directory.path()),
            Err(StoreError::Version { found: 2, .. })
        ));
    }

    #[test]
    fn a_ledger_of_absurd_size_is_refused_before_it_is_parsed() {
        let directory = tempfile::tempdir().unwrap();
        // Its last bytes alone are a ledger, and say that there is nothing to remember.
        let mut text = vec![b' '; usize::try_from(SIZE_MAX).unwrap()];
        text.extend_from_slice(b"{\"version\":1}");
        std::fs::write(directory.path().join(LEDGER_FILE), text).unwrap();
        assert!(matches!(load(&ThisMachine::new(), directory.path()), Err(StoreError::Read { .. })));
    }
}
