//! Keeping the files of a directory. Whatever goes wrong here is said once, and the passes go on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::encode::{self, Encoder};
use super::form::{FORM, Head};
use super::{Inputs, SUFFIX, is_recording};
use crate::machine::Disk;
use crate::model::{Stamp, Why};
use crate::plan::Plan;

/// So many bytes of recordings are kept if nobody says otherwise: weeks of a town of twenty agents.
pub const SIZE_DEFAULT: u64 = 64 * 1024 * 1024;

/// The recordings are kept in about so many files, so that what is dropped is a part of them and not all.
const FILES: u64 = 8;

/// After a failure, passes go unrecorded for so long: a disk that is full now is full in a moment too.
const REST: Duration = Duration::from_secs(10);

/// Records the passes of one start.
#[derive(Debug, Clone)]
pub struct Recorder {
    directory: PathBuf,
    start: String,
    head: Head,
    /// How many bytes all recordings of the directory may have.
    size: u64,
    encoder: Encoder,
    passes: u64,
    /// How many bytes the present file has; `None` before it has its head.
    written: Option<u64>,
    /// The present file may end within a line.
    torn: bool,
    failed: Option<Failure>,
}

/// A failure, until something can be recorded again.
#[derive(Debug, Clone)]
struct Failure {
    first: u64,
    again: Stamp,
}

/// Why a pass was not recorded.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    /// It cannot be told in JSON.
    #[error("it cannot be told in JSON")]
    Form(#[from] serde_json::Error),
    /// The disk does not take it.
    #[error("{path} cannot be written")]
    Disk {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Recorder {
    /// Records into `directory`, which is made if need be, and keeps the recordings there within `size` bytes, or the newest file if that
    /// alone is larger. `pid` and `now` name this start.
    pub fn new(directory: PathBuf, town: &Path, pid: u32, now: jiff::Timestamp, size: u64) -> Self {
        let head = Head {
            form: FORM,
            gtctl: env!("CARGO_PKG_VERSION").to_owned(),
            town: town.display().to_string(),
            file: 0,
            dropped_files: 0,
            dropped_bytes: 0,
        };
        Self {
            directory,
            start: format!("{}-{pid}", now.strftime("%Y%m%dT%H%M%S.%3fZ")),
            head,
            size,
            encoder: Encoder::default(),
            passes: 0,
            written: None,
            torn: false,
            failed: None,
        }
    }

    /// Records a pass. Never fails; what cannot be recorded is told in the log, once, and shows in the recording as a gap.
    pub fn pass(&mut self, disk: &dyn Disk, inputs: &Inputs<'_>, plan: &Plan) {
        self.passes += 1;
        let at = &inputs.observed.at;
        if self.failed.as_ref().is_some_and(|failure| !at.until(&failure.again).is_zero()) {
            return;
        }
        match self.append(disk, inputs, plan) {
            Ok(()) => {
                if let Some(Failure { first, .. }) = self.failed.take() {
                    tracing::warn!(
                        "passes are recorded again; passes {first} to {} of this start are missing",
                        self.passes - 1
                    );
                }
            }
            Err(error) => {
                let first = self.failed.take().map(|failure| failure.first);
                if first.is_none() {
                    let why = Why::of(&error);
                    tracing::warn!(
                        "pass {} is not recorded: {why}; nothing else changes, and it is tried again",
                        self.passes
                    );
                }
                self.failed = Some(Failure { first: first.unwrap_or(self.passes), again: at.plus(REST) });
                self.encoder.forget();
            }
        }
    }

    fn append(&mut self, disk: &dyn Disk, inputs: &Inputs<'_>, plan: &Plan) -> Result<(), Unrecorded> {
        if self.written.is_none_or(|written| written >= self.size / FILES) {
            // One that could not be begun is not left for another.
            if self.written.take().is_some() || self.head.file == 0 {
                self.head.file += 1;
                self.torn = false;
            }
            self.make_room(disk);
            self.encoder.forget();
        }
        // What was torn becomes a line of its own, which is told as damaged and costs nothing else.
        let mut bytes = if self.torn { vec![b'\n'] } else { Vec::new() };
        if self.written.is_none() {
            bytes.extend(encode::head(self.head.clone())?);
        }
        bytes.extend(self.encoder.pass(self.passes, inputs, plan)?);
        let path = self.directory.join(self.name());
        self.torn = true;
        // The size is kept here and not by the disk: the whole file is never put aside.
        disk.append(&path, &bytes, u64::MAX, &path)
            .map_err(|source| Unrecorded::Disk { path: path.display().to_string(), source })?;
        self.torn = false;
        self.written = Some(self.written.unwrap_or(0) + bytes.len() as u64);
        Ok(())
    }

    fn name(&self) -> String {
        format!("{}-{:04}{SUFFIX}", self.start, self.head.file)
    }

    /// Removes the oldest recordings, until another file can be added. Best effort: what cannot be removed now can be at the next file.
    fn make_room(&mut self, disk: &dyn Disk) {
        // There is no directory yet, or nothing in it can be told; then nothing is removed either.
        let Ok(files) = disk.files(&self.directory) else { return };
        let recordings: Vec<(String, u64)> =
            files.into_iter().filter(|(name, _)| is_recording(name)).collect();
        let mut size: u64 = recordings.iter().map(|(_, size)| size).sum();
        for (name, bytes) in recordings {
            if size <= self.size - self.size / FILES {
                return;
            }
            match disk.remove(&self.directory.join(&name)) {
                Ok(()) => {
                    size -= bytes;
                    self.head.dropped_files += 1;
                    self.head.dropped_bytes += bytes;
                    tracing::info!("recording {name} is dropped, to keep {} MiB", self.size >> 20);
                }
                Err(error) => tracing::warn!(%error, "recording {name} is too old and cannot be removed"),
            }
        }
    }
}
