//! The log of a controller in the background: a file that stays within bounds. Standard error *is* that file, so that whatever is written there, also
//! by a panic, is in it; when it is full, it is put aside, and standard error becomes the next one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tracing_subscriber::fmt::MakeWriter;

use crate::town::TownRoot;

/// The log is put aside when it is larger than this, in bytes; one old one is kept, so there are never more than about twice as many.
pub const SIZE_MAX: u64 = 8 * 1024 * 1024;

/// The log of a town's controller in the background.
pub fn path(root: &TownRoot) -> PathBuf {
    root.gtctl_dir().join("controller.log")
}

/// Opens the log to append to it, for its user alone; puts it aside before if it is full.
pub fn open(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > SIZE_MAX) {
        put_aside(path)?;
    }
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?))
}

fn put_aside(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".1");
    std::fs::rename(path, aside)
}

/// Writes to standard error, and keeps that within bounds.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Standard error is the file at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Takes the next file if this one is full, or if somebody has moved or removed it.
    fn turn(&self) -> io::Result<()> {
        let open_now = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        let there = std::fs::metadata(&self.path).ok();
        let is_it = there.is_some_and(|there| there.ino() == open_now.ino() && there.dev() == open_now.dev());
        if is_it && open_now.len() <= SIZE_MAX {
            return Ok(());
        }
        let next = open(&self.path)?;
        rustix::stdio::dup2_stderr(&next)?;
        Ok(rustix::stdio::dup2_stdout(&next)?)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Where there is no next file, the old one goes on: a log that is too long tells more than none.
        let _ = self.turn();
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
