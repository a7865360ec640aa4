//! Reading a file whole, or saying why not. A missing file is the only absence there is (law 11).

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::diagnostic::{Diagnostic, Label};
use crate::model::Position;

/// The largest file that is read, in bytes. A thousand rigs fit; a log that was moved here by mistake does not.
pub const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, relative to the town.
    pub file: String,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The line and column of a byte; the end of the text for a byte behind it.
    pub fn position(&self, offset: usize) -> Position {
        self.lines().position(offset)
    }

    /// An index for many positions of this text.
    pub fn lines(&self) -> Lines<'_> {
        let breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { source: self, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The byte at a position of this text; `None` if the text has no such line.
    pub fn offset(&self, position: &Position) -> Option<usize> {
        let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
        let start = self.lines().starts.get(line).copied()?;
        let before = self.text.get(start..)?.chars().take(column).map(char::len_utf8).sum::<usize>();
        Some(start + before)
    }

    /// A label on some bytes of this file.
    pub fn label(&self, span: Range<usize>, text: impl Into<String>) -> Label {
        Label::at(&self.file, span, text)
    }
}

/// Where the lines of a text start.
#[derive(Debug)]
pub struct Lines<'a> {
    source: &'a Source,
    starts: Vec<usize>,
}

impl Lines<'_> {
    /// The line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, offset: usize) -> Position {
        let text = &self.source.text;
        let offset = text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { file: self.source.file.clone(), line: count(line), column: count(column) }
    }
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

impl ReadError {
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Dangling(_) => Some("restore what the link points to, or remove the link"),
            Self::NoTown => Some("is the file system mounted?"),
            Self::NotRegular(_) | Self::NotUtf8 { .. } => None,
            Self::TooLarge => Some("is this the right file?"),
            Self::Changed => Some("try again"),
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("gtctl must run as the user who owns the town")
            }
            Self::Io(_) => None,
        }
    }
}

/// Reads a file of the town, following symbolic links.
///
/// `Ok(None)` means that there is no such file, and nothing else. Whatever is there but is not a whole, regular UTF-8 file
/// of at most [`FILE_SIZE_MAX`] bytes is an error.
pub fn read(root: &Path, relative: &str) -> Result<Option<Source>, Diagnostic> {
    match read_whole(root, relative) {
        Ok(text) => Ok(text.map(|text| Source { file: relative.to_owned(), text })),
        Err(why) => {
            let diagnostic =
                Diagnostic::error(format!("cannot read {relative}: {why}"), Label::file(relative));
            Err(match why.help() {
                Some(help) => diagnostic.with_help(help),
                None => diagnostic,
            })
        }
    }
}

fn read_whole(root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
    let path = root.join(relative);
    // Looked at before it is opened: opening a pipe lets its writer go on, and opening a device can do anything.
    match fs::metadata(&path) {
        Ok(found) => regular(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(root, relative),
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
fn absent(root: &Path, relative: &str) -> Result<Option<String>, ReadError> {
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
    Ok(None)
}

fn not_utf8(error: std::string::FromUtf8Error) -> ReadError {
    let offset = error.utf8_error().valid_up_to();
    let line = error.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    ReadError::NotUtf8 { offset, line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn title(root: &Path, file: &str) -> String {
        read(root, file).expect_err("must not be readable").title
    }

    #[test]
    fn only_a_missing_file_is_absent() {
        let town = tempfile::tempdir().unwrap();
        assert_eq!(read(town.path(), "town.toml"), Ok(None));
        assert_eq!(read(town.path(), "mayor/rigs.json"), Ok(None));
        assert!(title(&town.path().join("gone"), "town.toml").contains("does not exist any more"));
    }

    #[test]
    fn s73_what_is_no_whole_text_is_an_error() {
        let town = tempfile::tempdir().unwrap();
        let root = town.path();
        fs::create_dir(root.join("directory")).unwrap();
        fs::write(root.join("large"), vec![b'x'; 10 * 1024 * 1024]).unwrap();
        fs::write(root.join("latin"), b"a\nb\xff\n").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("nowhere", root.join("mayor")).unwrap();
        assert!(title(root, "directory").contains("is a directory"));
        assert!(title(root, "large").contains("larger than 1 MiB"));
        assert!(title(root, "latin").contains("byte 3 (line 2)"));
        assert!(title(root, "pipe").contains("is a named pipe"));
        assert!(title(root, "dangling").contains("`dangling` is a symbolic link"));
        assert!(title(root, "mayor/rigs.json").contains("`mayor` is a symbolic link"));
        assert!(title(root, "latin/below").contains("cannot read latin/below"));
    }

    #[test]
    fn a_file_without_permission_is_not_absent() {
        let town = tempfile::tempdir().unwrap();
        let file = town.path().join("town.toml");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read(&file).is_err() {
            assert!(title(town.path(), "town.toml").contains("ermission"));
        }
    }

    #[test]
    fn links_to_regular_files_are_followed() {
        let town = tempfile::tempdir().unwrap();
        fs::write(town.path().join("real"), "x").unwrap();
        symlink("real", town.path().join("link")).unwrap();
        assert_eq!(read(town.path(), "link").unwrap().unwrap().text, "x");
    }

    #[test]
    fn columns_count_characters_and_lines_may_end_in_crlf() {
        let source = Source { file: "f".to_owned(), text: "aé = 1\r\nb\n".to_owned() };
        let at = |offset| {
            let position = source.position(offset);
            (position.line, position.column)
        };
        assert_eq!(
            [at(0), at(3), at(2), at(9), at(11), at(999)],
            [(1, 1), (1, 3), (1, 2), (2, 1), (3, 1), (3, 1)]
        );
    }
}
