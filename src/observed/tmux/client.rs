//! The transport: has tmux carry out a script and waits for its answer, but not for ever.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::machine::{Machine, Reply, Script, Socket, TmuxError};

/// The oldest tmux that does what gtctl needs: `new-session -e` and braces in commands came with 3.2.
pub const VERSION_MIN: Version = Version { major: 3, minor: 2 };

/// A tmux to talk to.
#[derive(Debug, Clone)]
pub struct Tmux<M> {
    machine: M,
    socket: Socket,
    timeout: Duration,
}

impl<M: Machine> Tmux<M> {
    /// A tmux of this machine at `socket` that may take `timeout` for each answer.
    pub fn new(machine: M, socket: Socket, timeout: Duration) -> Self {
        Self { machine, socket, timeout }
    }

    /// Where its socket file is.
    pub fn socket_path(&self) -> PathBuf {
        self.machine.socket_path(&self.socket)
    }

    /// Runs a script. Founds the server if there is none: then `start-server` is what its process list entry says for ever.
    pub async fn script(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::founding(lines)).await
    }

    /// Runs a script that changes nothing.
    pub async fn look(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::reading(lines)).await
    }

    /// Runs a script that does not found a server.
    pub async fn ask(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        self.exchange(&Script::acting(lines)).await
    }

    async fn exchange(&self, script: &Script) -> Result<Reply, TmuxError> {
        self.machine.tmux(&self.socket, script, self.timeout).await
    }
}

/// A tmux version, as far as it matters: `3.3a` is 3.3, `next-3.7` is 3.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl Version {
    /// Reads `tmux 3.3a`, `3.3a`, `tmux next-3.7`, `openbsd-7.6`'s kin; `None` if there is no number in it.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let (major, rest) = text.get(start..)?.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s81_versions_are_read_in_all_their_spellings() {
        assert_eq!(Version::parse("tmux 3.3a"), Some(Version { major: 3, minor: 3 }));
        assert_eq!(Version::parse("tmux next-3.7"), Some(Version { major: 3, minor: 7 }));
        assert_eq!(Version::parse("3.10"), Some(Version { major: 3, minor: 10 }));
        assert_eq!(Version::parse("tmux master"), None);
        assert!(
            Version { major: 2, minor: 9 } < VERSION_MIN && VERSION_MIN < Version { major: 3, minor: 10 }
        );
    }
}
