//! Following a file that others append lines to: from where it was left, whole lines only, and with an eye on whether it is still the same file.

use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::machine::Disk;

/// So much is read at a time. A line that is longer is no line of ours and is passed over.
pub const CHUNK: u64 = 1024 * 1024;

/// So much of the end of a line is remembered it by.
const MARK_MAX: usize = 4096;

/// How far a file has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// Everything before this byte has been read.
    offset: u64,
    /// What is just before it, if it has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    /// The byte is in the middle of a line that is too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    inside: bool,
}

/// The end of the last line that was read: where it is not, the file is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mark {
    length: u64,
    hash: String,
}

impl Mark {
    /// The mark of a line, with its newline.
    fn of(line: &[u8]) -> Self {
        let end = line.get(line.len().saturating_sub(MARK_MAX)..).unwrap_or(line);
        let hash = Sha256::digest(end).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { length: end.len() as u64, hash }
    }
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Whole lines, without their ends. What is no UTF-8 in them is replaced.
    pub lines: Vec<String>,
    /// Whether there may be more.
    pub more: bool,
    /// Whether the file is another one than before, or a part of it is gone.
    pub replaced: bool,
}

impl Place {
    /// Behind the last whole line of a file; its beginning if there is no file.
    pub fn at_end(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let length = match disk.read_part(path, 0, 0) {
            Ok(part) => part.length,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let from = length.saturating_sub(CHUNK);
        let bytes = disk.read_part(path, from, CHUNK)?.bytes;
        let mut place = Self { offset: from, mark: None, inside: from > 0 };
        place.take(&bytes);
        Ok(place)
    }

    /// Reads on, no more than [`CHUNK`] at a time. A file that is not there has nothing new; its place is kept, for it may be on its way.
    ///
    /// If the last line that was read is not where it was, it is looked for in the whole file, which may have lost its beginning; if it
    /// is nowhere, the file is a new one and read from its beginning.
    pub fn read(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<Batch> {
        let back = self.mark.as_ref().map_or(0, |mark| mark.length).min(self.offset);
        let part = match disk.read_part(path, self.offset - back, CHUNK + back) {
            Ok(part) => part,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Batch::default()),
            Err(error) => return Err(error),
        };
        let back = usize::try_from(back).unwrap_or(usize::MAX);
        let is_same = part.length >= self.offset
            && self
                .mark
                .as_ref()
                .is_none_or(|mark| part.bytes.get(..back).map(Mark::of).as_ref() == Some(mark));
        if !is_same {
            let lost = self.mark.take();
            *self = find(disk, path, lost.as_ref())?;
            return Ok(Batch { lines: Vec::new(), more: true, replaced: true });
        }
        let before = self.offset;
        let lines = self.take(part.bytes.get(back..).unwrap_or_default());
        let more = self.offset > before && self.offset < part.length;
        Ok(Batch { lines, more, replaced: false })
    }

    /// Takes the whole lines of what comes next, and goes behind them.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1) else {
            // A line that is longer than what is read at a time is passed over; one that is being written is waited for.
            if bytes.len() as u64 >= CHUNK {
                *self = Self { offset: self.offset + bytes.len() as u64, mark: None, inside: true };
            }
            return Vec::new();
        };
        let whole = bytes.get(..end).unwrap_or_default();
        let mut lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        self.mark = lines.last().map(|line| Mark::of(line));
        self.offset += end as u64;
        if std::mem::take(&mut self.inside) {
            lines.remove(0);
        }
        let text = |line: &[u8]| String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
        lines.into_iter().map(text).filter(|line| !line.is_empty()).collect()
    }
}

/// The place behind the last line with this mark; the beginning if there is none.
fn find(disk: &dyn Disk, path: &Path, mark: Option<&Mark>) -> io::Result<Place> {
    let Some(mark) = mark else { return Ok(Place::default()) };
    let mut found = Place::default();
    let mut offset = 0;
    loop {
        let bytes = disk.read_part(path, offset, CHUNK)?.bytes;
        let full = bytes.len() as u64 >= CHUNK;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let whole = bytes.get(..end.unwrap_or_default()).unwrap_or_default();
        let mut at = offset;
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            at += line.len() as u64;
            if line.len() as u64 >= mark.length && Mark::of(line) == *mark {
                found = Place { offset: at, mark: Some(mark.clone()), inside: false };
            }
        }
        match (full, end) {
            (false, _) => return Ok(found),
            (true, Some(end)) => offset += end as u64,
            (true, None) => offset += bytes.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;
    use std::io::Write;
    use std::path::PathBuf;

    struct Log {
        _dir: tempfile::TempDir,
        path: PathBuf,
        place: Place,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { path: dir.path().join("log"), _dir: dir, place: Place::default() }
        }

        fn append(&self, text: &str) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn replace(&self, text: &str) {
            std::fs::write(&self.path, text).unwrap();
        }

        /// Everything there is to read.
        fn read(&mut self) -> String {
            let mut all = Vec::new();
            loop {
                let batch = self.place.read(&ThisMachine::new(), &self.path).unwrap();
                all.extend(batch.lines);
                if !batch.more {
                    return all.join(",");
                }
            }
        }
    }

    #[test]
    fn lines_are_read_once_and_only_when_they_are_whole() {
        let mut log = Log::new();
        assert_eq!(log.read(), "");
        log.append("a\nb\nha");
        assert_eq!(log.read(), "a,b");
        assert_eq!(log.read(), "");
        log.append("lf\n\n\r\nc\r\n");
        assert_eq!(log.read(), "half,c");
        std::fs::remove_file(&log.path).unwrap();
        assert_eq!(log.read(), "");
    }

    #[test]
    fn it_goes_on_where_it_was_written_down_after_every_byte() {
        let text = "one\ntwo\n\nthree\nfour and more\n";
        for cut in 0..=text.len() {
            let mut log = Log::new();
            log.append(&text[..cut]);
            let first = log.read();
            log.place = serde_json::from_str(&serde_json::to_string(&log.place).unwrap()).unwrap();
            log.append(&text[cut..]);
            let second = log.read();
            let both: Vec<&str> =
                [first.as_str(), second.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
            assert_eq!(both.join(","), "one,two,three,four and more", "{cut}");
        }
    }

    #[test]
    fn another_file_under_the_name_is_read_from_its_beginning() {
        for new in ["x\ny\n", "a much longer first line than before\nx\ny\n", "x\n"] {
            let mut log = Log::new();
            log.append("a\nb\n");
            assert_eq!(log.read(), "a,b");
            log.replace(new);
            assert_eq!(log.read(), new.trim_end().replace('\n', ","), "{new}");
            log.append("z\n");
            assert_eq!(log.read(), "z");
        }
    }

    #[test]
    fn a_file_that_lost_its_beginning_is_read_on_from_where_it_was_left() {
        let mut log = Log::new();
        log.append("a\nb\nc\nd\n");
        assert_eq!(log.read(), "a,b,c,d");
        log.replace("c\nd\ne\n");
        assert_eq!(log.read(), "e");
        log.replace("");
        assert_eq!(log.read(), "");
        log.append("f\n");
        assert_eq!(log.read(), "f");
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_never_held() {
        let mut log = Log::new();
        log.append("a\n");
        log.append(&"x".repeat(5 * 1024 * 1024 / 2));
        assert_eq!(log.read(), "a");
        log.append("the end of it\nb\n");
        assert_eq!(log.read(), "b");
    }

    #[test]
    fn many_lines_come_in_parts_and_none_is_lost_between_them() {
        let mut log = Log::new();
        let lines: Vec<String> =
            (0..60_000).map(|number| format!("{number} {}", "é".repeat(number % 40))).collect();
        log.append(&(lines.join("\n") + "\n"));
        assert!(std::fs::metadata(&log.path).unwrap().len() > 2 * CHUNK);
        assert_eq!(log.read(), lines.join(","));
    }

    #[test]
    fn the_end_of_a_file_is_behind_its_last_whole_line() {
        let mut log = Log::new();
        log.append(&("y".repeat(3 * 1024 * 1024 / 2) + "\nold\nha"));
        log.place = Place::at_end(&ThisMachine::new(), &log.path).unwrap();
        assert_eq!(log.read(), "");
        log.append("lf\n");
        assert_eq!(log.read(), "half");
        log.place = Place::at_end(&ThisMachine::new(), &log.path.with_extension("none")).unwrap();
        assert_eq!(log.place, Place::default());
    }
}
