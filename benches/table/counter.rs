//! Counts the programs that gtctl runs, and can make one call to tmux hang: scripts in front of the real programs, on the town's own PATH.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::agents::install;
use crate::common::{TestTown, guard};

/// What gtctl could run to look at agents, or to ask gt about them. Those that are not installed cannot be run and are not counted.
const PROGRAMS: &[&str] = &["tmux", "ps", "pgrep", "pkill", "lsof", "sh", "bash", "gt", "bd", "br"];

/// The scripts; removed when this is dropped, and with them what they cost.
pub struct Counter {
    installed: Vec<PathBuf>,
    bin: PathBuf,
    counts: PathBuf,
}

impl Counter {
    /// Puts them in front.
    pub fn install(town: &TestTown) -> Self {
        let counts = town.root().join("counts");
        let mut counter = Self { installed: Vec::new(), bin: town.root().join("bin"), counts };
        fs::create_dir_all(&counter.counts).expect("a directory for the counts");
        for program in PROGRAMS {
            let path = counter.bin.join(program);
            let Some(real) = real(program, &path, town) else { continue };
            let (count, hang) = (counter.counts.join(program), counter.hang());
            let text = format!(
                "#!/bin/sh\nprintf . >>'{}'\n[ -e '{hang}' ] && read -r s <'{hang}' && rm '{hang}' && '{}' \"$s\"\nexec '{}' \"$@\"\n",
                count.display(),
                which::which("sleep").expect("sleep").display(),
                real.display(),
                hang = hang.display(),
            );
            let _ = fs::remove_file(&path);
            install(&path, text.as_bytes());
            counter.installed.push(path);
        }
        counter
    }

    fn hang(&self) -> PathBuf {
        self.counts.join("hang")
    }

    /// Makes the next call hang for so long before it does what it is asked.
    pub fn hang_once(&self, time: Duration) {
        let new = self.counts.join("hang.new");
        fs::write(&new, format!("{}\n", time.as_secs_f64())).expect("write");
        fs::rename(new, self.hang()).expect("rename");
    }

    /// Whether a call has hung since, or hangs.
    pub fn has_hung(&self) -> bool {
        !self.hang().exists()
    }

    /// How often this program was run.
    pub fn of(&self, program: &str) -> u64 {
        fs::metadata(self.counts.join(program)).map_or(0, |file| file.len())
    }

    /// How many programs were run.
    pub fn all(&self) -> u64 {
        PROGRAMS.iter().map(|program| self.of(program)).sum()
    }
}

/// The program that a script stands for; none if gtctl would not find one, or the town has one of its own already.
fn real(program: &str, own: &Path, town: &TestTown) -> Option<PathBuf> {
    match program {
        "tmux" => Some(guard::program()),
        _ if own.exists() => None,
        _ => which::which_in(program, Some("/usr/bin:/bin"), town.root()).ok(),
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        for path in &self.installed {
            let _ = fs::remove_file(path);
        }
        let _ = symlink(guard::program(), self.bin.join("tmux"));
    }
}
