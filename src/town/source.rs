//! Reading a file whole, or saying why not. A missing file is the only absence there is (law 11).

use std::io;
use std::ops::Range;
use std::path::Path;

use super::diagnostic::{Diagnostic, Label};
use crate::machine::{Disk, ReadError};
use crate::model::Position;

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
        let breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
        let mut counts = vec![0];
        let mut count = 0;
        for end in (STRIDE..=self.text.len()).step_by(STRIDE) {
            count += chars(&self.text, end - STRIDE..end);
            counts.push(count);
        }
        Lines { source: self, starts: std::iter::once(0).chain(breaks).collect(), counts }
    }

    /// A label on some bytes of this file.
    pub fn label(&self, span: Range<usize>, text: impl Into<String>) -> Label {
        Label::at(&self.file, span, text)
    }
}

/// Characters are counted once for each so many bytes: a file of a single line would else be counted again for each place in it.
const STRIDE: usize = 1024;

/// The characters that start in these bytes.
fn chars(text: &str, bytes: Range<usize>) -> usize {
    let at_boundaries = text.ceil_char_boundary(bytes.start)..text.ceil_char_boundary(bytes.end);
    text.get(at_boundaries).map_or(0, |part| part.chars().count())
}

/// Where the lines of a text start.
#[derive(Debug)]
pub struct Lines<'a> {
    source: &'a Source,
    starts: Vec<usize>,
    /// The characters that start before byte 0, [`STRIDE`], twice that, and so on.
    counts: Vec<usize>,
}

impl Lines<'_> {
    /// The line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, offset: usize) -> Position {
        let text = &self.source.text;
        let offset = text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.chars_before(offset).saturating_sub(self.chars_before(start)) + 1;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { file: self.source.file.clone(), line: count(line), column: count(column) }
    }

    /// The byte at a position of this text; `None` if the text has no such line.
    pub fn offset(&self, position: &Position) -> Option<usize> {
        let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
        let start = self.starts.get(line).copied()?;
        let wanted = self.chars_before(start) + column;
        let stride = self.counts.partition_point(|count| *count <= wanted).saturating_sub(1);
        let from = self.source.text.ceil_char_boundary(stride * STRIDE);
        let left = wanted.saturating_sub(self.counts.get(stride).copied().unwrap_or_default());
        let between = self.source.text.get(from..)?.chars().take(left).map(char::len_utf8).sum::<usize>();
        Some(from + between)
    }

    fn chars_before(&self, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let known = self.counts.get(stride).copied().unwrap_or_default();
        known + chars(&self.source.text, stride * STRIDE..offset)
    }
}

fn help(why: &ReadError) -> Option<&'static str> {
    match why {
        ReadError::Dangling(_) => Some("restore what the link points to, or remove the link"),
        ReadError::NoTown => Some("is the file system mounted?"),
        ReadError::NotRegular(_) | ReadError::NotUtf8 { .. } => None,
        ReadError::TooLarge => Some("is this the right file?"),
        ReadError::Changed => Some("try again"),
        ReadError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("gtctl must run as the user who owns the town")
        }
        ReadError::Io(_) => None,
    }
}

/// Reads a file of the town, following symbolic links; `Ok(None)` if there is no such file.
///
/// What is there and cannot be read whole, as [`Disk::read_text`] demands, is a mistake.
pub fn read(disk: &dyn Disk, root: &Path, relative: &str) -> Result<Option<Source>, Diagnostic> {
    match disk.read_text(root, relative) {
        Ok(text) => Ok(text.map(|text| Source { file: relative.to_owned(), text })),
        Err(why) => {
            let diagnostic =
                Diagnostic::error(format!("cannot read {relative}: {why}"), Label::file(relative));
            Err(match help(&why) {
                Some(help) => diagnostic.with_help(help),
                None => diagnostic,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use rustix::fs::Mode;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn read(root: &Path, file: &str) -> Result<Option<Source>, Diagnostic> {
        super::read(&ThisMachine::new(), root, file)
    }

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

    #[test]
    fn a_place_reads_back_in_lines_of_every_length() {
        // Three bytes a character, so that the counted strides end within one.
        for text in
            ["€".repeat(3000), format!("{}\r\n{}\n", "a€".repeat(900), "€".repeat(1100)), String::new()]
        {
            let source = Source { file: "f".to_owned(), text };
            let lines = source.lines();
            for (at, _) in source.text.char_indices() {
                let position = lines.position(at);
                let before = &source.text[..at];
                let start = before.rfind('\n').map_or(0, |newline| newline + 1);
                assert_eq!(position.column as usize, before[start..].chars().count() + 1, "byte {at}");
                assert_eq!(lines.offset(&position), Some(at));
            }
        }
    }
}
