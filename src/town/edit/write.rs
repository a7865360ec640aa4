//! Writing an edited `town.toml`, whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use atomic_write_file::AtomicWriteFile;
use rustix::fs::FlockOperation;

use super::EditError;
use crate::machine::ThisMachine;
use crate::town::files::town_toml::TOWN_TOML;
use crate::town::source;

/// The lock beside the edit: never `town.toml` itself, for a lock on a file that is replaced locks nothing.
const LOCK: &str = "daemon/gtctl/town.toml.lock";

/// How long to wait for another gtctl, which holds the lock for milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Replaces `town.toml` by `after`, if it still says `before`; an empty `before` stands for an absent file, too.
///
/// Readers see the old text or the new one and nothing between. A symbolic link stays, and what it leads to is replaced;
/// mode and owner stay. When it returns, the new text is on disk, its directory entry as well.
pub fn write_edit(root: &Path, before: &str, after: &str) -> Result<(), EditError> {
    let _lock = lock(root)?;
    let found = source::read(&ThisMachine::new(), root, TOWN_TOML)
        .map_err(|diagnostic| EditError::Unreadable(diagnostic.title))?;
    if found.as_ref().map_or("", |source| source.text.as_str()) != before {
        return Err(EditError::Changed);
    }
    let path = root.join(TOWN_TOML);
    let target = match found {
        Some(_) => path.canonicalize().map_err(failed("find what town.toml leads to"))?,
        None => path,
    };
    let mut file = AtomicWriteFile::open(target).map_err(failed("write town.toml"))?;
    file.write_all(after.as_bytes()).map_err(failed("write town.toml"))?;
    file.commit().map_err(failed("replace town.toml"))
}

fn failed(what: &str) -> impl Fn(io::Error) -> EditError + '_ {
    move |source| EditError::Io { what: what.to_owned(), source }
}

fn lock(root: &Path) -> Result<fs::File, EditError> {
    let path = root.join(LOCK);
    let directory = path.parent().unwrap_or(root);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed("create daemon/gtctl"))?;
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&path).map_err(failed("open the lock of town.toml"))?;
    let start = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(EditError::Locked { lock: LOCK.to_owned() }),
            Err(errno) => return Err(failed("lock town.toml")(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn an_absent_file_is_created_and_a_present_one_replaced() {
        let town = tempfile::tempdir().unwrap();
        write_edit(town.path(), "", "a = 1\n").unwrap();
        write_edit(town.path(), "a = 1\n", "a = 2\n").unwrap();
        assert_eq!(fs::read_to_string(town.path().join(TOWN_TOML)).unwrap(), "a = 2\n");
        let mode = |path: &str| fs::metadata(town.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("daemon/gtctl"), mode(LOCK)), (0o700, 0o600));
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let town = tempfile::tempdir().unwrap();
        fs::write(town.path().join(TOWN_TOML), "theirs").unwrap();
        assert!(matches!(write_edit(town.path(), "mine", "new"), Err(EditError::Changed)));
        assert!(matches!(write_edit(town.path(), "", "new"), Err(EditError::Changed)));
        assert_eq!(fs::read_to_string(town.path().join(TOWN_TOML)).unwrap(), "theirs");
    }

    #[test]
    fn links_and_modes_stay() {
        let town = tempfile::tempdir().unwrap();
        fs::create_dir(town.path().join("dotfiles")).unwrap();
        let real = town.path().join("dotfiles/town.toml");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("dotfiles/town.toml", town.path().join(TOWN_TOML)).unwrap();
        write_edit(town.path(), "old", "new").unwrap();
        assert!(town.path().join(TOWN_TOML).is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(town.path().join("dotfiles")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn two_editors_do_not_write_at_once() {
        let town = tempfile::tempdir().unwrap();
        let held = lock(town.path()).unwrap();
        assert!(matches!(write_edit(town.path(), "", "x"), Err(EditError::Locked { .. })));
        drop(held);
        write_edit(town.path(), "", "x").unwrap();
    }
}
