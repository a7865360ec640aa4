//! What is asked of tmux and what it answers; and the plain way to ask: one client, its answer, a deadline.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::own;

/// More output than this is not an answer to anything gtctl asks.
pub(super) const OUTPUT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// Environment variables that tell who an agent is, or that belong to the agent that happens to run gtctl. They must not reach others:
/// gt's users had mail sent in the wrong name. Agents get them unset, or with their own values.
pub const IDENTITY: &[&str] = &[
    "GT_ROLE",
    "GT_RIG",
    "GT_CREW",
    "GT_POLECAT",
    "GT_POLECAT_PATH",
    "GT_BRANCH",
    "POLECAT_SLOT",
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
pub(super) const NOT_FOR_A_SERVER: &[&str] = &[
    "TMUX",
    "TMUX_PANE",
    "GT_ROOT",
    "GTCTL_TOWN",
    "GTCTL_OBJECT",
    "GTCTL_INCARNATION",
    // What a supervisor wants to hear from the controller, it does not want to hear from agents.
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

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

/// Lines of tmux commands, carried out one after the other. In a line, `;` separates commands, and one that fails keeps the rest of its line from
/// running; the next line runs all the same. What they contain is in nobody's process list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    lines: Vec<String>,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Acts,
    Founds,
}

impl Script {
    /// Lines that change nothing, so that they may be carried out twice.
    pub fn reading(lines: &[String]) -> Self {
        Self { lines: lines.to_vec(), effect: Effect::Reads }
    }

    /// Lines that only a server that is there carries out.
    pub fn acting(lines: &[String]) -> Self {
        Self { lines: lines.to_vec(), effect: Effect::Acts }
    }

    /// Lines for which a server is founded if there is none.
    pub fn founding(lines: &[String]) -> Self {
        Self { lines: lines.to_vec(), effect: Effect::Founds }
    }

    /// Whether it changes nothing.
    pub fn only_reads(&self) -> bool {
        self.effect == Effect::Reads
    }

    /// The lines, each with its end.
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The arguments of a client that reads the lines from its input. Those of the first client stay the server's for ever.
    pub fn arguments(&self) -> &'static [&'static str] {
        match self.effect {
            Effect::Founds => &["start-server", ";", "source-file", "-"],
            Effect::Reads | Effect::Acts => &["source-file", "-"],
        }
    }
}

/// What tmux, or another program, answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// Exit status; `None` if a signal ended it. Of tmux it tells nothing by itself: "no such session" and "no server" are both 1.
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
    /// The connection broke before the answer came. It may have carried out what it was told.
    #[error("the connection to tmux was lost before it answered")]
    Lost,
    /// It could not be run or talked to.
    #[error("tmux cannot be run")]
    Io(#[from] std::io::Error),
    /// Its answer is no text.
    #[error("tmux answered something that is not UTF-8")]
    NotText,
}

/// Runs a `tmux` client that carries out a script.
pub async fn client(socket: &Socket, script: &Script, limit: Duration) -> Result<Reply, TmuxError> {
    let mut command = Command::new("tmux");
    command.arg("-u").args(socket.arguments()).args(script.arguments());
    clean(&mut command);
    run(command, Some(script.text()), limit).await
}

/// A client never inherits who gtctl's own caller is: the first one's environment becomes the server's.
pub(super) fn clean(command: &mut Command) {
    for variable in IDENTITY.iter().chain(NOT_FOR_A_SERVER) {
        command.env_remove(variable);
    }
}

/// Runs a prepared command to its end or to the deadline; then it is killed, so that no stuck client stays behind.
async fn run(mut command: Command, input: Option<String>, timeout: Duration) -> Result<Reply, TmuxError> {
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = own::start(&mut command).map_err(|error| match error.kind() {
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

/// What the installed client says of its version; `None` if it fails to tell.
pub async fn version(limit: Duration) -> Result<Option<String>, TmuxError> {
    let mut command = Command::new("tmux");
    command.arg("-V");
    let reply = run(command, None, limit).await?;
    Ok((reply.code == Some(0)).then(|| reply.stdout.trim().to_owned()))
}
