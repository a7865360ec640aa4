//! Files: read whole or not at all, replaced whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::model::Seen;

/// The largest file of a town that is read, in bytes. A thousand rigs fit; a log that was moved here by mistake does not.
pub const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// The files of a machine. What gtctl writes is for its user alone: directories 0700, files 0600.
pub trait Disk: Send + Sync {
    /// Reads a file of a town whole, following symbolic links.
    ///
    /// `Ok(None)` means that there is no such file, and nothing else. Whatever is there but is not a whole, regular UTF-8 file
    /// of at most [`FILE_SIZE_MAX`] bytes is an error.
    fn read_text(&self, root: &Path, relative: &str) -> Result<Option<String>, ReadError>;

    /// Whether a town has an entry of this name, be it a link to nothing.
    fn is_there(&self, root: &Path, relative: &str) -> Result<bool, ReadError>;

    /// The names in a directory; none if it cannot be read.
    fn names(&self, directory: &Path) -> Vec<String>;

    /// The names of the directories in a directory; none if it does not exist. Links to directories are directories.
    fn directories(&self, directory: &Path) -> io::Result<BTreeSet<String>>;

    /// The regular files in a directory, by name, with their sizes in bytes.
    fn files(&self, directory: &Path) -> io::Result<BTreeMap<String, u64>>;

    /// Whether somebody has locked this file of a town; a missing one is locked by nobody.
    fn is_locked(&self, root: &Path, relative: &str) -> Result<bool, ReadError>;

    /// Whether this is a directory. Not being allowed to look is no answer.
    fn is_directory(&self, path: &Path) -> Seen<bool>;

    /// The home directory of gtctl's user: what `~` stands for in gt's files.
    fn home(&self) -> Option<PathBuf>;

    /// Where a program is, by its path, or by its name on `search` (gtctl's own PATH if `None`); and what was searched.
    fn find_program(
        &self,
        program: &str,
        search: Option<&str>,
        directory: &Path,
    ) -> (Seen<Option<PathBuf>>, String);

    /// Reads the last `limit` bytes of a file, or all of it.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Reads up to `limit` bytes of a file from a byte on; none from its end on.
    fn read_part(&self, path: &Path, offset: u64, limit: u64) -> io::Result<Part>;

    /// Replaces a file whole: a crash at any moment leaves the old one or the new one. Makes its directory if need be.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Appends to a file, after putting it aside under the name `aside` if it is larger than `limit`. Makes its directory if need be.
    fn append(&self, path: &Path, bytes: &[u8], limit: u64, aside: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A part of a file that others append to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What is there.
    pub bytes: Vec<u8>,
    /// The length of the whole file.
    pub length: u64,
}

/// Why a file that is there could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A directory on the way, or the file, is a symbolic link to nothing.
    #[error("`{0}` is a symbolic link to something that does not exist")]
    Dangling(String),
    /// The town's directory is gone, so nothing can be said about a file in it.
    #[error("the town's directory does not exist any more")]
    NoTown,
    /// A directory, a pipe, a device.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// Larger than [`FILE_SIZE_MAX`].
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Somebody wrote it while it was read.
    #[error("it changed while it was being read")]
    Changed,
    /// Not text.
    #[error("it is not UTF-8: byte {offset} (line {line})")]
    NotUtf8 {
        /// The first byte that is not UTF-8, from 0.
        offset: usize,
        /// The line it is in, from 1.
        line: usize,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// See [`Disk::read_text`].
pub fn read_text(root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
    let path = root.join(relative);
    // Looked at before it is opened: opening a pipe lets its writer go on, and opening a device can do anything.
    match fs::metadata(&path) {
        Ok(found) => regular(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return absent(root, relative).map(|()| None);
        }
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(handle) => fs::File::from(handle),
        Err(rustix::io::Errno::NOENT) => return Err(ReadError::Changed),
        Err(errno) => return Err(io::Error::from(errno).into()),
    };
    let before = file.metadata()?;
    regular(&before)?;
    if before.len() > FILE_SIZE_MAX {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    (&mut file).take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes)?;
    let after = file.metadata()?;
    let same_time = before.modified().ok() == after.modified().ok();
    if !same_time || before.len() != after.len() || after.len() != bytes.len() as u64 {
        return Err(ReadError::Changed);
    }
    String::from_utf8(bytes).map(Some).map_err(not_utf8)
}

fn regular(found: &fs::Metadata) -> Result<(), ReadError> {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(ReadError::NotRegular(what))
}

/// "Not found" is an absence only if no link on the way leads to nothing.
fn absent(root: &Path, relative: &str) -> Result<(), ReadError> {
    if !root.is_dir() {
        return Err(ReadError::NoTown);
    }
    let mut part = String::new();
    for name in relative.split('/') {
        if !part.is_empty() {
            part.push('/');
        }
        part.push_str(name);
        let path = root.join(&part);
        let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_symlink());
        if is_link && !path.exists() {
            return Err(ReadError::Dangling(part));
        }
    }
    Ok(())
}

fn not_utf8(error: std::string::FromUtf8Error) -> ReadError {
    let offset = error.utf8_error().valid_up_to();
    let line = error.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    ReadError::NotUtf8 { offset, line }
}

/// See [`Disk::is_there`].
pub fn is_there(root: &Path, relative: &str) -> Result<bool, ReadError> {
    match fs::symlink_metadata(root.join(relative)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound && root.is_dir() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// See [`Disk::is_locked`].
pub fn is_locked(root: &Path, relative: &str) -> Result<bool, ReadError> {
    let path = root.join(relative);
    match fs::metadata(&path) {
        Ok(found) => regular(&found)?,
        Err(error) if error.kind() == ErrorKind::NotFound && root.is_dir() => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::empty()).map_err(io::Error::from)?;
    // Shared, so that two looks do not see each other; closing the file gives it back at once.
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

/// Opens a file to lock it. Makes it, and its directory, if need be.
pub fn open_lock(path: &Path) -> io::Result<fs::File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(fs::File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Locks a file for this process alone; `false` if somebody else has it locked.
pub fn try_lock(file: &fs::File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// See [`Disk::is_directory`].
pub fn is_directory(path: &Path) -> Seen<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Seen::Known(metadata.is_dir()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Seen::Known(false),
            _ => Seen::unknown(format!("{}: {error}", path.display())),
        },
    }
}

/// See [`Disk::directories`]. One whose name is no text is passed over: nobody could say it.
pub fn directories(directory: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match fs::metadata(entry.path()) {
            Ok(found) if found.is_dir() => drop(names.insert(name)),
            Ok(_) => {}
            // Somebody has removed it meanwhile, or it is a link to nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

/// See [`Disk::files`]. One whose name is no text is passed over: gtctl has none of those.
pub fn files(directory: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.metadata() {
            Ok(found) if found.is_file() => drop(files.insert(name, found.len())),
            Ok(_) => {}
            // Somebody has removed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// See [`Disk::read`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// See [`Disk::read_part`]. What is no regular file is not opened: a pipe would let its writer go on.
pub fn read_part(path: &Path, offset: u64, limit: u64) -> io::Result<Part> {
    regular(&fs::metadata(path)?).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Part { bytes, length })
}

fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => fs::DirBuilder::new().recursive(true).mode(0o700).create(directory),
        None => Ok(()),
    }
}

/// See [`Disk::replace`]. The new file is written beside the old one and renamed over it. Its name is always the same, so that a crash, or a disk
/// that takes the file and refuses the rename each time that it is tried, leaves one of them and not one for every try; and its mode is not
/// that of what it replaces.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_parent(path)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// See [`Disk::append`].
pub fn append(path: &Path, bytes: &[u8], limit: u64, aside: &Path) -> io::Result<()> {
    make_parent(path)?;
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > limit) {
        fs::rename(path, aside)?;
    }
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(bytes)
}
