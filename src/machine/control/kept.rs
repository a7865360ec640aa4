//! Keeps one client: makes it when the server is known to answer, lets go of it when it may not speak for the socket any more, and waits longer each time it
//! is lost.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::client::Client;
use crate::machine::tmux::{Reply, Script, Socket, TmuxError};
use crate::machine::version::Version;
use crate::model::TownId;

/// How long the first wait is after a client is lost; the next one is twice as long …
const AGAIN_FIRST: Duration = Duration::from_secs(1);

/// … up to this, …
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// … and the first one again after a client that has lasted for this long.
const LASTED: Duration = Duration::from_secs(60);

/// How long a client of a server that the files do not name any more gets to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// For whom a client is kept.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The town. Its client has a session of its own: attached to another one it would look like a person there.
    pub town: TownId,
    /// The oldest tmux for which a client is kept.
    pub since: Version,
    /// The program that becomes the client, and ends with this process however that ends; `None` where there is no such program.
    pub launcher: Option<PathBuf>,
    /// Who wants to know that something has changed, or that the client is lost.
    pub changed: UnboundedSender<()>,
}

impl Keeper {
    /// The name of the client's session.
    pub fn session(&self) -> String {
        format!("gtctl-controller-{}", self.town)
    }

    /// Its label: no object's, and still ours.
    pub fn label(&self) -> String {
        format!("{}.controller", self.town)
    }
}

/// At most one client.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    keeper: Option<Keeper>,
    link: Option<Link>,
    /// One is being made.
    joins: bool,
    /// One has been begun, so that its session may be there.
    joined: bool,
    /// Not before this moment.
    again: Option<Instant>,
    wait: Duration,
    /// What marks of answers begin with, which nobody else knows, and how many there were.
    marks: (u64, u64),
}

/// A client, and what it was made for.
#[derive(Debug)]
struct Link {
    client: Arc<Client>,
    socket: Socket,
    file: FileId,
    since: Instant,
}

/// Which file a socket is: another one at the same path belongs to another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    /// Inodes are used again. tmux changes the file's mode whenever somebody attaches, so the time of its last change tells nothing.
    made: (i64, i64),
}

impl FileId {
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::symlink_metadata(path).ok()?;
        Some(Self { device: data.dev(), inode: data.ino(), made: (data.mtime(), data.mtime_nsec()) })
    }
}

impl Kept {
    /// From now on there is to be one; `chance` is a number that nobody can guess.
    pub fn keep(&self, keeper: Keeper, chance: u64) {
        let mut state = self.state();
        state.keeper = Some(keeper);
        state.marks = (chance, 0);
    }

    /// Asks the client, if there is one that speaks for the socket; `None` if there is not.
    ///
    /// # Errors
    /// No answer within `limit`, or the connection broke: then it is not known whether the script was carried out. The client is given up.
    pub async fn ask(
        &self,
        socket: &Socket,
        path: &Path,
        script: &Script,
        limit: Duration,
    ) -> Option<Result<Reply, TmuxError>> {
        let (client, mark) = self.client(socket, path)?;
        let answer = match tokio::time::timeout(limit, client.ask(script, mark)).await {
            Ok(answer) => answer,
            Err(_) => Err(TmuxError::Timeout(limit)),
        };
        if answer.is_err() {
            self.state().let_go();
        }
        Some(answer)
    }

    fn client(&self, socket: &Socket, path: &Path) -> Option<(Arc<Client>, String)> {
        let mut state = self.state();
        let link = state.link.as_ref()?;
        if link.socket != *socket {
            // The files name another server now. What was made in that one goes.
            if let (Some(link), Some(keeper)) = (state.link.take(), &state.keeper) {
                tokio::spawn(left(link.client, keeper.session(), FAREWELL));
            }
            return None;
        }
        if !link.client.is_open() || FileId::of(path) != Some(link.file) {
            state.let_go();
            return None;
        }
        let client = link.client.clone();
        state.marks.1 += 1;
        let (chance, count) = state.marks;
        Some((client, format!("gtctl-answered-{chance:016x}-{count}")))
    }

    /// A server of this version has answered another client just now: makes a client if there is to be one for that, there is none, and it is time for one. Nobody waits for that.
    pub fn join(&self, socket: &Socket, path: &Path, version: Version, limit: Duration) {
        let mut state = self.state();
        let is_early = state.again.is_some_and(|again| Instant::now() < again);
        let Some(keeper) = state.keeper.clone() else { return };
        let Some(file) = FileId::of(path) else { return };
        if version < keeper.since || state.link.is_some() || state.joins || is_early {
            return;
        }
        (state.joins, state.joined) = (true, true);
        let (kept, socket, path) = (self.clone(), socket.clone(), path.to_owned());
        tokio::spawn(async move {
            let made = made(&socket, &keeper, limit).await;
            let mut state = kept.state();
            state.joins = false;
            let is_wanted = state.keeper.is_some();
            match made {
                // The file must have been the same one before and after.
                Some(client) if is_wanted && FileId::of(&path) == Some(file) => {
                    state.link = Some(Link { client, socket, file, since: Instant::now() });
                }
                Some(_) | None => state.wait_longer(),
            }
        });
    }

    /// Gives up the client and its session, and keeps none from now on. The session, if it may still be there: then another client must end it.
    pub async fn leave(&self, limit: Duration) -> Option<String> {
        let (link, session) = {
            let mut state = self.state();
            let session = state.keeper.take().filter(|_| state.joined)?.session();
            (state.link.take(), session)
        };
        match link {
            None => Some(session),
            Some(link) => (!left(link.client, session.clone(), limit).await).then_some(session),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a client end its session, and with it itself; whether that was seen.
async fn left(client: Arc<Client>, session: String, limit: Duration) -> bool {
    let script = Script::acting(&[format!("kill-session -t ={session}")]);
    // No answer comes any more.
    let end = async {
        let _ = client.ask(&script, "gtctl-left".to_owned()).await;
        client.ended().await;
    };
    tokio::time::timeout(limit, end).await.is_ok()
}

/// A client that has answered once.
async fn made(socket: &Socket, keeper: &Keeper, limit: Duration) -> Option<Arc<Client>> {
    let client = match Client::start(socket, keeper) {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(%error, "no control client can be started; tmux is asked anew each time");
            return None;
        }
    };
    let nothing = Script::reading(&[]);
    match tokio::time::timeout(limit, client.ask(&nothing, "gtctl-here".to_owned())).await {
        Ok(Ok(_)) => Some(Arc::new(client)),
        Ok(Err(_)) | Err(_) => None,
    }
}

impl State {
    /// Lets go of the client, if there is one. Its process is killed.
    fn let_go(&mut self) {
        if let Some(link) = self.link.take() {
            if link.since.elapsed() >= LASTED {
                self.wait = Duration::ZERO;
            }
            self.wait_longer();
        }
    }

    fn wait_longer(&mut self) {
        self.wait = (self.wait * 2).clamp(AGAIN_FIRST, AGAIN_MAX);
        self.again = Some(Instant::now() + self.wait);
    }
}
