//! Which server may be spoken to directly: the one that has been seen to answer just as `tmux` says.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::exchange::{exchange, introduction};
use crate::machine::tmux::{Reply, Script, TmuxError};
use crate::machine::version::{VERSION_MIN, VERSION_OF_KNOWN_PROTOCOL, Version};

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
    introduction: OnceLock<Vec<u8>>,
    /// The server that was last seen to be of a version that bears it.
    borne: Mutex<Option<i32>>,
    known: Mutex<Option<Known>>,
}

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

    /// A server of this version has answered.
    pub fn met(&self, server: i32, version: Version) {
        let is_known = (VERSION_MIN..=VERSION_OF_KNOWN_PROTOCOL).contains(&version);
        *self.borne() = is_known.then_some(server);
    }

    fn borne(&self) -> MutexGuard<'_, Option<i32>> {
        self.0.borne.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn introduction(&self) -> Option<&[u8]> {
        let wanted = self.0.wanted.load(Ordering::Relaxed);
        wanted.then(|| self.0.introduction.get_or_init(introduction).as_slice())
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
        let proven = self.known().clone();
        let proven = proven.filter(|known| known.proof == Proof::Given && known.socket == socket)?.pid;
        let server = reach(socket).filter(|(_, pid)| *pid == proven).map(|(server, _)| server);
        let answer = match server {
            Some(server) => {
                let talk = tokio::time::timeout(limit, exchange(server, introduction, script)).await;
                Some(talk.unwrap_or(Err(TmuxError::Timeout(limit))))
            }
            None => None,
        };
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
        let borne = *self.borne();
        let Some((server, pid)) = reach(socket).filter(|(_, pid)| borne == Some(*pid)) else { return };
        let known = self.known().clone().filter(|known| known.socket == socket && known.pid == pid);
        let failed = match known.map(|known| known.proof) {
            None => 0,
            Some(Proof::Failed(times)) if times < TRIES_MAX => times,
            Some(Proof::Failed(_) | Proof::Given) => return,
        };
        let talk = exchange(server, introduction, script);
        let Ok(answer) = tokio::time::timeout(limit.min(PROOF_LIMIT), talk).await else { return };
        let same = answer.is_ok_and(|answer| answer == *reply);
        let proof = if same { Proof::Given } else { Proof::Failed(failed.saturating_add(1)) };
        let known = Known { socket: socket.to_owned(), pid, proof };
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

/// Connects, and sees which process listens. A server that takes nobody in at once is not waited for.
#[cfg(target_os = "linux")]
fn reach(socket: &Path) -> Option<(UnixStream, i32)> {
    use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let server = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    net::connect(&server, &SocketAddrUnix::new(socket).ok()?).ok()?;
    let pid = net::sockopt::socket_peercred(&server).ok()?.pid.as_raw_nonzero().get();
    Some((UnixStream::from(server), pid))
}

/// Who listens is not told in the same way everywhere: there `tmux` is run.
#[cfg(not(target_os = "linux"))]
fn reach(_socket: &Path) -> Option<(UnixStream, i32)> {
    None
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
                while connection.read(&mut [0; 65536]).is_ok_and(|length| length == 0) {
                    let Ok((next, _)) = listener.accept() else { return };
                    connection = next;
                }
                let _ = to.send(());
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

    /// Who listens in these tests is this very process.
    fn meet(direct: &Direct, version: &str) {
        direct.met(std::process::id().cast_signed(), Version::parse(version).unwrap());
    }

    fn wanted() -> Direct {
        let direct = Direct::default();
        direct.want(true);
        meet(&direct, "3.3a");
        direct
    }

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
        let direct = wanted();
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
        for version in ["3.1c", "3.7", "4.0"] {
            meet(&direct, version);
            direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
        }
        assert_eq!(came.try_iter().count(), 0, "what these would make of it is not known");
        meet(&direct, "3.3a");
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
        let direct = wanted();
        direct.prove(&socket, &script(), &reply("x\n"), LIMIT).await;
        std::fs::remove_file(&socket).unwrap();
        let _silent = UnixListener::bind(&socket).unwrap();
        let answer = direct.ask(&socket, &script(), Duration::from_millis(50)).await;
        assert!(matches!(answer, Some(Err(TmuxError::Timeout(_)))), "{answer:?}");
    }
}
