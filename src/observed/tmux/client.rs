//! The transport: runs `tmux` once and waits for its answer, but not for ever.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// The oldest tmux that does what gtctl needs: `new-session -e` and braces in commands came with 3.2.
pub const VERSION_MIN: Version = Version { major: 3, minor: 2 };

/// More output than this is not an answer to anything gtctl asks.
const OUTPUT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// Environment variables that tell who an agent is, or that belong to the agent that happens to run gtctl. They must not reach others:
/// gt's users had mail sent in the wrong name. Agents get them unset, or with their own values.
pub const IDENTITY: &[&str] = &[
    "GT_ROLE",
    "GT_RIG",
    "GT_CREW",
    "GT_POLECAT",
    "GT_DOG_NAME",
    "GT_SESSION",
    "GT_SESSION_ID_ENV",
    "GT_AGENT",
    "GT_PANE_ID",
    "GT_PROCESS_NAMES",
    "GT_REFINERY",
    "GT_RUN",
    "BD_ACTOR",
    "BEADS_AGENT_NAME",
    "GIT_AUTHOR_NAME",
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "NODE_OPTIONS",
];

/// What else must not become part of a server that gtctl founds.
const NOT_FOR_A_SERVER: &[&str] =
    &["TMUX", "TMUX_PANE", "GT_ROOT", "GTCTL_TOWN", "GTCTL_OBJECT", "GTCTL_INCARNATION"];

/// Which tmux server: `tmux -L NAME` or `tmux -S PATH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Socket {
    /// A name below tmux's own directory.
    Name(String),
    /// An absolute path.
    Path(PathBuf),
}

impl Socket {
    /// From `town.socket`: an absolute path, or else a name.
    pub fn new(text: &str) -> Self {
        if text.starts_with('/') { Self::Path(PathBuf::from(text)) } else { Self::Name(text.to_owned()) }
    }

    /// The option and its argument.
    pub fn arguments(&self) -> [String; 2] {
        match self {
            Self::Name(name) => ["-L".to_owned(), name.clone()],
            Self::Path(path) => ["-S".to_owned(), path.display().to_string()],
        }
    }

    /// Where the socket file is, given `TMUX_TMPDIR`: `$TMUX_TMPDIR/tmux-UID/NAME`.
    pub fn path(&self, tmux_tmpdir: Option<&Path>) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Name(name) => {
                let base = tmux_tmpdir.filter(|dir| dir.is_dir()).unwrap_or(Path::new("/tmp"));
                // tmux resolves the directory first, and the kernel knows the socket by that name.
                let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
                base.join(format!("tmux-{}", rustix::process::getuid().as_raw())).join(name)
            }
        }
    }
}

/// A tmux to talk to.
#[derive(Debug, Clone)]
pub struct Tmux {
    socket: Socket,
    timeout: Duration,
}

/// What tmux answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Exit status; `None` if a signal ended it. By itself it tells nothing: "no such session" and "no server" are both 1.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Why tmux did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TmuxError {
    /// There is no tmux to run.
    #[error("tmux is not on PATH ({path})")]
    NotInstalled {
        /// PATH.
        path: String,
    },
    /// It did not answer in time. It may still carry out what it was told.
    #[error("tmux did not answer within {}", crate::model::Period::from(*.0))]
    Timeout(Duration),
    /// It could not be run or talked to.
    #[error("tmux cannot be run")]
    Io(#[from] std::io::Error),
    /// Its answer is no text.
    #[error("tmux answered something that is not UTF-8")]
    NotText,
}

impl Tmux {
    /// A tmux at `socket` that may take `timeout` for each answer.
    pub fn new(socket: Socket, timeout: Duration) -> Self {
        Self { socket, timeout }
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Runs commands given as arguments; `;` alone separates two. Arguments are visible to every user: no secrets here.
    pub async fn run(&self, arguments: &[&str]) -> Result<Reply, TmuxError> {
        self.exchange(arguments, None).await
    }

    /// Runs a script, one command line after the other; a line that fails does not keep the next from running. What it contains
    /// is in nobody's process list.
    ///
    /// Founds the server if there is none: then `start-server` is what its process list entry says for ever.
    pub async fn script(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        let mut script = lines.join("\n");
        script.push('\n');
        self.exchange(&["start-server", ";", "source-file", "-"], Some(script)).await
    }

    /// Runs a script that only asks; does not found a server.
    pub async fn ask(&self, lines: &[String]) -> Result<Reply, TmuxError> {
        let mut script = lines.join("\n");
        script.push('\n');
        self.exchange(&["source-file", "-"], Some(script)).await
    }

    async fn exchange(&self, arguments: &[&str], input: Option<String>) -> Result<Reply, TmuxError> {
        let mut command = Command::new("tmux");
        command.arg("-u").args(self.socket.arguments()).args(arguments);
        for variable in IDENTITY.iter().chain(NOT_FOR_A_SERVER) {
            command.env_remove(variable);
        }
        run(command, input, self.timeout).await
    }
}

/// Runs a prepared command to its end or to the deadline; then it is killed, so that no stuck client stays behind.
async fn run(mut command: Command, input: Option<String>, timeout: Duration) -> Result<Reply, TmuxError> {
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            TmuxError::NotInstalled { path: std::env::var("PATH").unwrap_or_else(|_| "not set".to_owned()) }
        }
        _ => TmuxError::Io(error),
    })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A client that ends early closes the pipe; its answer tells more than this error would.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let talk = async {
        let ((), stdout, stderr, status) = tokio::join!(write, read(stdout), read(stderr), child.wait());
        Ok::<_, std::io::Error>((stdout?, stderr?, status?))
    };
    let (stdout, stderr, status) =
        tokio::time::timeout(timeout, talk).await.map_err(|_| TmuxError::Timeout(timeout))??;
    let text = |bytes| String::from_utf8(bytes).map_err(|_| TmuxError::NotText);
    Ok(Reply { code: status.code(), stdout: text(stdout)?, stderr: text(stderr)? })
}

async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_SIZE_MAX).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
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

    /// Asks the installed client for its version; `None` if it fails to tell.
    pub async fn installed(timeout: Duration) -> Result<Option<String>, TmuxError> {
        let mut command = Command::new("tmux");
        command.arg("-V");
        let reply = run(command, None, timeout).await?;
        Ok((reply.code == Some(0)).then(|| reply.stdout.trim().to_owned()))
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
