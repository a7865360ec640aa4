//! Going through the recordings of a directory, oldest first.

use std::path::{Path, PathBuf};

use super::decode::{BadLine, Decoder, Read, Recorded};
use super::form::Head;
use super::{SUFFIX, is_recording};
use crate::machine::Disk;
use crate::model::Why;

/// What is found on the way.
#[derive(Debug)]
pub enum Found<'a> {
    /// A start, or the next file of one.
    File(&'a Head),
    /// A pass.
    Pass {
        /// The file it is in.
        file: &'a str,
        /// Its line.
        line: usize,
        /// The pass.
        pass: &'a Recorded,
        /// It decided exactly what the one before it did.
        as_before: bool,
    },
    /// Something is wrong, or not there.
    Trouble(Trouble),
}

/// What is wrong with recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The last line of a file has no end: whoever wrote it was killed.
    Torn {
        /// The file.
        file: String,
        /// The line.
        line: usize,
    },
    /// A line cannot be read.
    Damaged {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        why: Why,
    },
    /// A file cannot be read.
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        why: Why,
    },
    /// Passes that were made are not there: dropped, not written, or lost with damaged lines.
    Missing {
        /// The file that comes after them, or that they should be in.
        file: String,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Older recordings were removed, to keep within a size.
    Dropped {
        /// The file that says so.
        file: String,
        /// How many files.
        files: u64,
        /// How many bytes.
        bytes: u64,
    },
}

impl Trouble {
    /// Whether something is broken, and not just not there.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Unreadable { .. })
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Torn { file, line } => {
                write!(f, "{file}:{line}: the last line is torn; gtctl was ended while it wrote")
            }
            Self::Damaged { file, line, why } => write!(f, "{file}:{line}: {why}"),
            Self::Unreadable { file, why } => write!(f, "{file} cannot be read: {why}"),
            Self::Missing { file, from, to } if from == to => {
                write!(f, "{file}: pass {from} of this start is missing")
            }
            Self::Missing { file, from, to } => {
                write!(f, "{file}: passes {from} to {to} of this start are missing")
            }
            Self::Dropped { file, files, bytes } => {
                write!(f, "{file}: {files} older files ({bytes} bytes) were dropped to stay within the size")
            }
        }
    }
}

/// There are no recordings.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory cannot be read.
    #[error("{path} cannot be read")]
    Directory {
        /// The directory.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It has none.
    #[error("{0} has no recordings")]
    Nothing(String),
}

/// Reads all recordings of a directory, or one file, and tells what it finds.
pub fn read(disk: &dyn Disk, path: &Path, mut tell: impl FnMut(Found<'_>)) -> Result<(), ReadError> {
    let shown = || path.display().to_string();
    let files: Vec<PathBuf> = match disk.files(path) {
        Ok(files) => {
            files.into_keys().filter(|name| is_recording(name)).map(|name| path.join(name)).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => vec![path.to_owned()],
        Err(source) => return Err(ReadError::Directory { path: shown(), source }),
    };
    if files.is_empty() {
        return Err(ReadError::Nothing(shown()));
    }
    let mut start = Start::default();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match disk.read(&path, u64::MAX) {
            Ok(bytes) => start.file(&file, &bytes, &mut tell),
            Err(error) => tell(Found::Trouble(Trouble::Unreadable { file, why: Why::of(&error) })),
        }
    }
    Ok(())
}

/// Where the reading of one start has come to.
#[derive(Default)]
struct Start {
    /// Its name: that of its files without their numbers.
    name: String,
    /// The last pass that was told or missed.
    last: u64,
}

impl Start {
    fn file(&mut self, file: &str, bytes: &[u8], tell: &mut impl FnMut(Found<'_>)) {
        let name =
            file.strip_suffix(SUFFIX).and_then(|stem| stem.rsplit_once('-')).map_or(file, |(name, _)| name);
        if self.name != name {
            *self = Self { name: name.to_owned(), last: 0 };
        }
        let mut decoder = Decoder::default();
        let mut lost = Lost::default();
        let mut has_head = false;
        let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..).peekable();
        while let Some((text, line)) = lines.next() {
            // Behind the end of the last line; and what a recorder puts behind a line that it could not end.
            if text.is_empty() {
                continue;
            }
            let is_last = lines.peek().is_none();
            let damage = |why| Found::Trouble(Trouble::Damaged { file: file.to_owned(), line, why });
            match decoder.line(text) {
                Ok(Read::Head(head)) => {
                    has_head = true;
                    if head.dropped_files > 0 {
                        let (files, bytes) = (head.dropped_files, head.dropped_bytes);
                        tell(Found::Trouble(Trouble::Dropped { file: file.to_owned(), files, bytes }));
                    }
                    tell(Found::File(&head));
                }
                Ok(Read::Pass(pass, as_before)) => {
                    self.miss(file, pass.number.saturating_sub(1), tell);
                    self.last = pass.number;
                    tell(Found::Pass { file, line, pass, as_before });
                    lost = Lost::default();
                }
                Err(BadLine::Damaged { .. }) if is_last => {
                    tell(Found::Trouble(Trouble::Torn { file: file.to_owned(), line }));
                }
                // What follows on damage is told as missing in the end, and a file that is none of ours is told once.
                Err(BadLine::Unfounded(number)) if lost.told => lost.to = number,
                Err(BadLine::Damaged { .. }) if lost.told && !has_head => {}
                Err(error) => {
                    if let BadLine::Unfounded(number) | BadLine::Unfit(number) = error {
                        lost.to = number;
                    }
                    lost.told = true;
                    tell(damage(Why::of(&error)));
                    if matches!(error, BadLine::Form { .. }) {
                        return;
                    }
                }
            }
        }
        self.miss(file, lost.to, tell);
        self.last = self.last.max(lost.to);
    }

    /// Tells that the passes up to this one are not there.
    fn miss(&mut self, file: &str, to: u64, tell: &mut impl FnMut(Found<'_>)) {
        if self.last < to {
            let from = self.last + 1;
            tell(Found::Trouble(Trouble::Missing { file: file.to_owned(), from, to }));
        }
    }
}

/// What damage has cost so far.
#[derive(Default)]
struct Lost {
    /// A line of it was told; those that build on it are not told one by one.
    told: bool,
    /// The last pass that is lost.
    to: u64,
}
