//! Agents that say when they live: the first thing that each does is to write its name and pid into a pipe. So a start is timed to the moment at
//! which the agent itself speaks, and nothing has to look for it meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::common::agents::install;

/// One word of an agent.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When it came.
    pub at: Instant,
    /// The agent's process.
    pub pid: i32,
}

/// The pipe, and who has spoken last under which name.
pub struct Hello {
    program: PathBuf,
    heard: Receiver<(Instant, String, i32)>,
    last: RefCell<BTreeMap<String, Heard>>,
}

impl Hello {
    /// Makes the pipe and the agents' program below `root`, and listens.
    pub fn listen(root: &Path) -> Self {
        let pipe = root.join("hello");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        let program = root.join("agents/hello");
        let text = format!(
            "#!/bin/sh\necho \"$1 $$\" >'{}'\nexec '{}' 1000000\n",
            pipe.display(),
            which::which("sleep").expect("sleep").display()
        );
        install(&program, text.as_bytes());
        // Open for both, so that neither side ever waits for the other one or comes to an end.
        let file = OpenOptions::new().read(true).write(true).open(&pipe).expect("open the pipe");
        let (tell, heard) = channel();
        std::thread::spawn(move || read(file, &tell));
        Self { program, heard, last: RefCell::default() }
    }

    /// The command of the agent of this name.
    pub fn command(&self, name: &str) -> Vec<String> {
        vec![self.program.display().to_string(), name.to_owned()]
    }

    /// Who spoke last under this name.
    pub fn life(&self, name: &str) -> Heard {
        self.drain();
        *self.last.borrow().get(name).unwrap_or_else(|| panic!("{name} never spoke"))
    }

    /// Waits for a word of another process under this name than the one that spoke before.
    pub fn successor(&self, name: &str, before: Option<i32>, deadline: Duration) -> Option<Heard> {
        let is_new = |heard: &Heard| Some(heard.pid) != before;
        let end = Instant::now() + deadline;
        loop {
            if let Some(heard) = self.last.borrow().get(name).filter(|heard| is_new(heard)) {
                return Some(*heard);
            }
            self.hear(end.checked_duration_since(Instant::now())?)?;
        }
    }

    /// Forgets what was said so far.
    pub fn forget(&self) {
        self.drain();
        self.last.borrow_mut().clear();
    }

    /// Waits until so many have spoken since [`forget`](Self::forget); when the last of them did.
    pub fn all(&self, count: usize, deadline: Duration) -> Option<Instant> {
        let end = Instant::now() + deadline;
        while self.last.borrow().len() < count {
            self.hear(end.checked_duration_since(Instant::now())?)?;
        }
        self.last.borrow().values().map(|heard| heard.at).max()
    }

    /// How many have spoken.
    pub fn count(&self) -> usize {
        self.drain();
        self.last.borrow().len()
    }

    fn hear(&self, wait: Duration) -> Option<()> {
        match self.heard.recv_timeout(wait) {
            Ok((at, name, pid)) => {
                self.last.borrow_mut().insert(name, Heard { at, pid });
                Some(())
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the pipe is gone"),
        }
    }

    fn drain(&self) {
        while self.hear(Duration::ZERO).is_some() {}
    }
}

/// Reads words until the pipe cannot be read, or nobody wants them any more. Each comes whole: it is shorter than what a pipe takes at once.
fn read(mut file: File, tell: &std::sync::mpsc::Sender<(Instant, String, i32)>) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = file.read(&mut buffer) {
        let at = Instant::now();
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        while let Some((line, rest)) = text.split_once('\n') {
            if let Some((name, pid)) = line.split_once(' ')
                && tell.send((at, name.to_owned(), pid.parse().expect("a pid"))).is_err()
            {
                return;
            }
            text = rest.to_owned();
        }
    }
}
