//! A simulated disk: whole files in memory, and the ways in which a disk disappoints.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::machine::ReadError;

/// The files of a simulated machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SimDisk {
    files: BTreeMap<PathBuf, File>,
    directories: BTreeSet<PathBuf>,
    /// Files that somebody has locked.
    pub locked: BTreeSet<PathBuf>,
    /// Whether a write finds no room.
    pub full: bool,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum File {
    /// A file with this in it.
    Bytes(Vec<u8>),
    /// A file that may not be read.
    Forbidden(Vec<u8>),
    /// A directory where a file should be.
    Directory,
}

impl SimDisk {
    /// A file and the directories above it.
    pub fn put(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        self.put_file(path, File::Bytes(bytes.into()));
    }

    /// Anything at a path, and the directories above it.
    pub fn put_file(&mut self, path: impl Into<PathBuf>, file: File) {
        let path = path.into();
        if let Some(parent) = path.parent() {
            self.make_directory(parent);
        }
        self.files.insert(path, file);
    }

    /// A directory and those above it.
    pub fn make_directory(&mut self, path: &Path) {
        for directory in path.ancestors() {
            if !self.directories.insert(directory.to_owned()) {
                return;
            }
        }
    }

    /// Removes a directory; what was in it is out of reach.
    pub fn remove_directory(&mut self, path: &Path) {
        self.directories.remove(path);
    }

    /// The names of the directories in a directory.
    pub fn directories_in(&self, directory: &Path) -> BTreeSet<String> {
        let inside = self.directories.iter().filter(|path| path.parent() == Some(directory));
        inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    /// Removes a file; what it was.
    pub fn remove(&mut self, path: &Path) -> Option<File> {
        self.files.remove(path)
    }

    /// What is at a path.
    pub fn get(&self, path: &Path) -> Option<&File> {
        self.files.get(path)
    }

    /// See [`Disk::read_text`](crate::machine::Disk::read_text).
    pub fn read_text(&self, root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
        if !self.directories.contains(root) {
            return Err(ReadError::NoTown);
        }
        match self.files.get(&root.join(relative)) {
            None => Ok(None),
            Some(File::Bytes(bytes)) => String::from_utf8(bytes.clone())
                .map(Some)
                .map_err(|error| ReadError::NotUtf8 { offset: error.utf8_error().valid_up_to(), line: 1 }),
            Some(File::Forbidden(_)) => Err(io::Error::from(ErrorKind::PermissionDenied).into()),
            Some(File::Directory) => Err(ReadError::NotRegular("a directory")),
        }
    }

    /// See [`Disk::is_there`](crate::machine::Disk::is_there).
    pub fn is_there(&self, root: &Path, relative: &str) -> Result<bool, ReadError> {
        if self.directories.contains(root) {
            Ok(self.files.contains_key(&root.join(relative)))
        } else {
            Err(ReadError::NoTown)
        }
    }

    /// The names of the files in a directory.
    pub fn names(&self, directory: &Path) -> Vec<String> {
        let inside = self.files.keys().filter(|path| path.parent() == Some(directory));
        inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
    }

    /// The names and sizes of the files in a directory.
    pub fn sizes(&self, directory: &Path) -> BTreeMap<String, u64> {
        let size = |file: &File| match file {
            File::Bytes(bytes) | File::Forbidden(bytes) => bytes.len() as u64,
            File::Directory => 0,
        };
        let inside = self.files.iter().filter(|(path, _)| path.parent() == Some(directory));
        inside.filter_map(|(path, file)| Some((path.file_name()?.to_str()?.to_owned(), size(file)))).collect()
    }

    /// Whether there is such a directory.
    pub fn is_directory(&self, path: &Path) -> bool {
        self.directories.contains(path)
    }

    /// See [`Disk::read`](crate::machine::Disk::read).
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            None => Err(ErrorKind::NotFound.into()),
            Some(File::Bytes(bytes)) => Ok(bytes.clone()),
            Some(File::Forbidden(_)) => Err(ErrorKind::PermissionDenied.into()),
            Some(File::Directory) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// See [`Disk::replace`](crate::machine::Disk::replace). A file is replaced by renaming another one over it, so that one that may
    /// not be read can be replaced all the same.
    pub fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.full {
            return Err(ErrorKind::StorageFull.into());
        }
        if self.files.get(path) == Some(&File::Directory) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.put(path, bytes);
        Ok(())
    }

    /// See [`Disk::append`](crate::machine::Disk::append).
    pub fn append(&mut self, path: &Path, bytes: &[u8], limit: u64, aside: &Path) -> io::Result<()> {
        if self.full {
            return Err(ErrorKind::StorageFull.into());
        }
        let is_large = |file: &File| matches!(file, File::Bytes(bytes) if bytes.len() as u64 > limit);
        if self.files.get(path).is_some_and(is_large)
            && let Some(file) = self.files.remove(path)
        {
            self.files.insert(aside.to_owned(), file);
        }
        match self.files.entry(path.to_owned()).or_insert_with(|| File::Bytes(Vec::new())) {
            File::Bytes(all) => all.extend_from_slice(bytes),
            File::Forbidden(_) => return Err(ErrorKind::PermissionDenied.into()),
            File::Directory => return Err(ErrorKind::IsADirectory.into()),
        }
        if let Some(parent) = path.parent() {
            self.make_directory(parent);
        }
        Ok(())
    }
}
