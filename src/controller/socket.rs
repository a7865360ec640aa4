//! The control socket, `daemon/gtctl/controller.sock`: one JSON line asks, one JSON line answers. For this user only.
//!
//! It has a thread of its own, so that a controller whose loop is stuck can still be asked how it is.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::cost::Cost;
use super::heart::Heart;
use super::requests::Change;
use crate::machine::Machine;
use crate::model::Address;
use crate::town::TownRoot;

/// The socket's name, below `daemon/gtctl/`.
pub const SOCKET_FILE: &str = "controller.sock";

/// How long a client waits for the controller's answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the loop has to tell how it is, before the socket tells what it knows without it.
const LOOP_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait after a connection could not be taken: there may be no descriptor left, for now.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// A longer line is no request.
const LINE_SIZE_MAX: u64 = 64 * 1024;

/// A longer line is no answer: a status of a thousand objects is a megabyte.
const ANSWER_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// The kernel takes socket paths of up to 107 bytes.
const PATH_LENGTH_MAX: usize = 107;

/// What can be asked of a controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Request {
    /// How it is.
    Status,
    /// What it costs.
    Cost,
    /// Look now.
    Look,
    /// Read the files again now, and say what has changed.
    Reload,
    /// Take note of something.
    #[serde(untagged)]
    Change(Change),
}

/// What a controller answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// How it is.
    Status(Status),
    /// What it costs.
    Cost(Cost),
    /// Done; the objects that it concerned.
    Done {
        /// Which.
        objects: Vec<Address>,
    },
    /// The files were read again.
    Reloaded(Reloaded),
    /// The request makes no sense.
    Invalid {
        /// Why.
        why: String,
    },
}

/// What came of reading the files again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reloaded {
    /// What is wanted now and was not before, in words; none if nothing has changed.
    pub changes: Vec<String>,
    /// What is wrong with the files; then an earlier reading of them stays in force.
    pub wrong: Option<String>,
    /// Since when they are wrong.
    pub wrong_since: Option<jiff::Timestamp>,
}

/// How a controller is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Its pid.
    pub pid: u32,
    /// The version that runs; the installed one may be another.
    pub version: String,
    /// Since when it runs.
    pub started: jiff::Timestamp,
    /// How many passes it has completed.
    pub passes: u64,
    /// When the last one ended.
    pub last_pass: Option<jiff::Timestamp>,
    /// How long the last one took, in milliseconds.
    pub last_pass_ms: u64,
    /// How long ago it ended, in milliseconds, by the controller's own clock.
    #[serde(default)]
    pub last_pass_ago_ms: Option<u64>,
    /// Whether the controller has taken longer than it may: its loop is stuck.
    #[serde(default)]
    pub late: bool,
    /// When it will look again at the latest.
    pub next_look: Option<jiff::Timestamp>,
    /// Since when the files are wrong and an earlier reading is in force; `None` if they are right.
    pub config_wrong_since: Option<jiff::Timestamp>,
    /// What is wrong with them.
    pub config_wrong: Option<String>,
    /// Which tmux server it keeps, in words.
    pub server: String,
    /// Its objects, as `gtctl status -o json` prints them, by the files that are in force.
    pub objects: Vec<serde_json::Value>,
}

impl Status {
    /// How a controller of this process is that begins now.
    pub fn starting() -> Self {
        Self {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: jiff::Timestamp::now(),
            passes: 0,
            last_pass: None,
            last_pass_ms: 0,
            last_pass_ago_ms: None,
            late: false,
            next_look: None,
            config_wrong_since: None,
            config_wrong: None,
            server: String::new(),
            objects: Vec::new(),
        }
    }
}

/// A request and where its answer goes.
pub type Asked = (Request, oneshot::Sender<Answer>);

/// The socket, listening; the file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// The file is somebody else's by now.
    abandoned: bool,
    /// The thread ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

impl ControlSocket {
    /// Listens, and passes what is asked to `asked`. Only for the holder of the lock: what an earlier controller left is replaced.
    pub fn listen<M: Machine>(
        root: &TownRoot,
        asked: mpsc::UnboundedSender<Asked>,
        heart: Arc<Heart>,
        machine: M,
    ) -> io::Result<Self> {
        let directory = root.gtctl_dir();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let path = directory.join(SOCKET_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = through_short_path(&path, |short| std::os::unix::net::UnixListener::bind(short))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new().name("socket".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, &asked, &heart, &machine) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { path, abandoned: false, _stop: stop })
    }

    /// Leaves the file as it is.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if self.abandoned {
            return;
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept<M: Machine>(
    listener: std::os::unix::net::UnixListener,
    asked: &mpsc::UnboundedSender<Asked>,
    heart: &Arc<Heart>,
    machine: &M,
) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "the control socket cannot be listened at");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A client that connects and says nothing must not hold a descriptor for ever.
                let serving = serve(stream, asked.clone(), heart.clone(), machine.clone());
                tokio::spawn(tokio::time::timeout(ANSWER_WITHIN * 2, serving));
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot take a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve<M: Machine>(
    stream: UnixStream,
    asked: mpsc::UnboundedSender<Asked>,
    heart: Arc<Heart>,
    machine: M,
) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_SIZE_MAX));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    let answer = match serde_json::from_str::<Request>(&line) {
        Err(error) => Answer::Invalid { why: error.to_string() },
        Ok(request) => {
            // What can be told without the loop, if that does not tell it in time.
            let without_loop: Option<&(dyn Fn() -> Answer + Sync)> = match request {
                Request::Status => Some(&|| Answer::Status(heart.status())),
                Request::Cost => Some(&|| Answer::Cost(heart.cost(&machine))),
                Request::Look | Request::Reload | Request::Change(_) => None,
            };
            let (to, from) = oneshot::channel();
            if asked.send((request, to)).is_err() {
                return;
            }
            let answer = if let Some(tell) = without_loop {
                match tokio::time::timeout(LOOP_WITHIN, from).await {
                    Ok(answer) => answer,
                    Err(_) => Ok(tell()),
                }
            } else {
                // What is asked by somebody who has given up is not done: they may have asked again.
                tokio::select! {
                    answer = from => answer,
                    _ = reader.read_u8() => return,
                }
            };
            let Ok(answer) = answer else { return };
            answer
        }
    };
    if let Ok(mut text) = serde_json::to_string(&answer) {
        text.push('\n');
        // A client that has gone away does not want it any more.
        let _ = writer.write_all(text.as_bytes()).await;
    }
}

/// Asks the controller of a town. `Ok(None)` if none listens.
pub async fn ask(root: &TownRoot, request: &Request) -> io::Result<Option<Answer>> {
    let path = root.gtctl_dir().join(SOCKET_FILE);
    let talk = async {
        let stream = match connect(&path).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let (reader, mut writer) = stream.into_split();
        let mut text = serde_json::to_string(request)?;
        text.push('\n');
        writer.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(reader.take(ANSWER_SIZE_MAX)).read_line(&mut line).await?;
        Ok(Some(serde_json::from_str(&line)?))
    };
    tokio::time::timeout(ANSWER_WITHIN, talk).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    let std = through_short_path(path, |short| std::os::unix::net::UnixStream::connect(short))?;
    std.set_nonblocking(true)?;
    UnixStream::from_std(std)
}

/// Towns lie deep in some homes: a path that is too long for the kernel is reached through its directory's descriptor.
fn through_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= PATH_LENGTH_MAX {
        return act(path);
    }
    let directory = std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(SOCKET_FILE))
}
