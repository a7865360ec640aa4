//! Which server may be spoken to directly: the one that has been seen to answer just as `tmux` says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;

use super::exchange::{exchange, introduction};
use crate::machine::tmux::{Reply, Script, TmuxError};

/// What is in motion may answer differently a moment later. A server that does so for so many times is not understood.
const TRIES_MAX: u32 = 5;

/// A server that has just answered `tmux` need not be given longer to answer again.
const PROOF_LIMIT: Duration = Duration::from_secs(1);

/// Speaks directly to the server at one socket, where that is known to work.
#[derive(Debug, Clone, Default)]
pub struct Direct(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    introduction: OnceLock<Introduction>,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Introduction(Vec<u8>);

/// A server, and how far it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    socket: PathBuf,
    pid: i32,
    proof: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// It answered otherwise, so often.
    Failed(u32),
    /// It answered the same.
    Given,
}

impl Direct {
    /// Whether servers are spoken to directly, once they are proven.
    pub fn want(&self, wanted: bool) {
        self.0.wanted.store(wanted, Ordering::Relaxed);
    }

    fn introduction(&self) -> Option<&[u8]> {
        let wanted = self.0.wanted.load(Ordering::Relaxed);
        wanted.then(|| self.0.introduction.get_or_init(|| Introduction(introduction())).0.as_slice())
    }

    /// Asks the server at a socket; `None` if it may not be asked directly, cannot be reached, or is not the one that was proven.
    ///
    /// # Errors
    /// No answer within `limit`, or the connection broke: then it is not known whether the script was carried out.
    pub async fn ask(
        &self,
        socket: &Path,
        script: &Script,
        limit: Duration,
    ) -> Option<Result<Reply, TmuxError>> {
        let introduction = self.introduction()?;
        let proven =
            self.known().clone().filter(|known| known.proof == Proof::Given && known.socket == socket)?;
        let talk = async {
            let server = reach(socket).await.filter(|(_, pid)| *pid == proven.pid).map(|(server, _)| server);
            match server {
                Some(server) => Some(exchange(server, introduction, script).await),
                None => None,
            }
        };
        let answer = tokio::time::timeout(limit, talk).await.unwrap_or(Some(Err(TmuxError::Timeout(limit))));
        if answer.as_ref().is_none_or(|answer| answer.is_err()) {
            // Whoever is there now is to prove itself anew.
            *self.known() = None;
        }
        answer
    }

    /// Has the server at a socket answer what `tmux` was just told `reply` to. It must be a script that changes nothing.
    pub async fn prove(&self, socket: &Path, script: &Script, reply: &Reply, limit: Duration) {
        let Some(introduction) = self.introduction() else { return };
        if reply.code != Some(0) || !script.only_reads() {
            return;
        }
        let talk = async {
            let (server, pid) = reach(socket).await?;
            let failed =
                match self.known().as_ref().filter(|known| known.socket == socket && known.pid == pid) {
                    None => 0,
                    Some(Known { proof: Proof::Failed(times), .. }) if *times < TRIES_MAX => *times,
                    Some(_) => return None,
                };
            let same = exchange(server, introduction, script).await.is_ok_and(|answer| answer == *reply);
            let proof = if same { Proof::Given } else { Proof::Failed(failed.saturating_add(1)) };
            Some(Known { socket: socket.to_owned(), pid, proof })
        };
        let Ok(Some(known)) = tokio::time::timeout(limit.min(PROOF_LIMIT), talk).await else { return };
        if known.proof == Proof::Failed(TRIES_MAX) {
            tracing::info!(
                pid = known.pid,
                "the tmux server answers otherwise than it answers `tmux`, which is run for each look"
            );
        }
        *self.known() = Some(known);
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, and sees which process listens.
async fn reach(socket: &Path) -> Option<(UnixStream, i32)> {
    let server = UnixStream::connect(socket).await.ok()?;
    let pid = server.peer_cred().ok()?.pid()?;
    Some((server, pid))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::super::message::tests::heard;
    use super::*;

    /// Listens, and says one of these to each who comes, after he has introduced himself; tells of each.
    fn server(socket: &Path, answers: Vec<Vec<u8>>) -> Receiver<()> {
        use std::io::{Read, Write};
        let listener = UnixListener::bind(socket).unwrap();
        let (to, came) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut connection, _)) = listener.accept() else { return };
                // Who only looks which process listens says nothing.
                if connection.read(&mut [0; 65536]).is_ok_and(|length| length > 0) {
                    let _ = to.send(());
                }
                let _ = connection.write_all(&answer);
                let _ = connection.shutdown(std::net::Shutdown::Write);
                let _ = connection.read_to_end(&mut Vec::new());
            }
        });
        came
    }

    /// What a tmux says that writes this text.
    fn says(text: &str) -> Vec<u8> {
        let stream = 1_i32.to_ne_bytes();
        let open = heard(303, &[&stream[..], &stream, &[0; 4]].concat());
        let write = heard(304, &[&stream[..], text.as_bytes()].concat());
        [open, write, heard(203, &[0; 4])].concat()
    }

    fn reply(text: &str) -> Reply {
        Reply { code: Some(0), stdout: text.to_owned(), stderr: String::new() }
    }

    const LIMIT: Duration = Duration::from_secs(20);

    fn script() -> Script {
        Script::reading(&["display-message -p x".to_owned()])
    }

    #[tokio::test]
    async fn law_1_who_does_not_answer_as_tmux_says_is_never_spoken_to_and_soon_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("s");
        let odd =
            vec![Vec::new(), vec![0xff; 64], heard(12, &[]), says("y\n"), heard(203, &[0; 4]), says("x\n")];
        let came = server(&socket, odd);
        let direct = Direct::default();
        direct.want(true);
        for _ in 0..20 {
            direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
            assert!(direct.ask(&socket, &script(), LIMIT).await.is_none(), "not proven");
        }
        assert_eq!(
            came.try_iter().count(),
            5,
            "the sixth answer would have been right, and was not asked for"
        );
    }

    #[tokio::test]
    async fn law_3_what_a_proven_server_leaves_open_is_lost_and_it_must_prove_itself_anew() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("s");
        let half = heard(300, &[1; 8]);
        let came = server(&socket, vec![says("x\n"), says("z\n"), half]);
        let direct = Direct::default();
        direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
        assert_eq!(came.try_iter().count(), 0, "nobody wants it");
        direct.want(true);
        let failed = Reply { code: Some(1), ..reply("x\n") };
        direct.prove(&socket, &script(), &failed, LIMIT).await;
        direct.prove(&socket, &Script::acting(&[]), &reply("x\n"), LIMIT).await;
        assert_eq!(came.try_iter().count(), 0, "an act is never done twice, and a failure proves nothing");
        direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
        let act = Script::acting(&["kill-pane".to_owned()]);
        assert_eq!(direct.ask(&socket, &act, LIMIT).await.unwrap().unwrap(), reply("z\n"));
        assert!(matches!(direct.ask(&socket, &act, LIMIT).await, Some(Err(TmuxError::Lost))));
        assert!(direct.ask(&socket, &act, LIMIT).await.is_none(), "tmux is run from now on");
        assert_eq!(came.iter().count(), 3);
    }

    #[tokio::test]
    async fn law_1_a_server_that_says_nothing_is_given_up_at_the_deadline() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("s");
        let _came = server(&socket, vec![says("x\n")]);
        let direct = Direct::default();
        direct.want(true);
        direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
        std::fs::remove_file(&socket).unwrap();
        let _silent = UnixListener::bind(&socket).unwrap();
        let answer = direct.ask(&socket, &script(), Duration::from_millis(50)).await;
        assert!(matches!(answer, Some(Err(TmuxError::Timeout(_)))), "{answer:?}");
    }
}
