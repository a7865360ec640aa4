//! One client: a process, questions that go in, answers that come out in the same order.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::blocks::{Blocks, Heard};
use super::kept::Keeper;
use crate::machine::own;
use crate::machine::tmux::{Reply, Script, Socket, TmuxError, clean};

/// A client that answers. When this is dropped, its process is killed.
#[derive(Debug)]
pub struct Client {
    questions: UnboundedSender<Question>,
}

/// A script, the mark that its answer ends with, and who waits for the answer.
#[derive(Debug)]
struct Question {
    text: String,
    mark: String,
    to: oneshot::Sender<Result<Reply, TmuxError>>,
}

impl Client {
    /// Starts one. It attaches to a session of its own, which is made if it is not there; it never founds a server.
    ///
    /// The session is not `destroy-unattached`: tmux 3.3a takes a client that is about to end for gone, destroys its session below it, and crashes with all
    /// agents (docs/tmux.md).
    pub fn start(socket: &Socket, keeper: &Keeper) -> io::Result<Self> {
        let mut command = match &keeper.launcher {
            Some(launcher) => {
                let mut command = Command::new(launcher);
                command.args(super::super::LAUNCH).arg("tmux");
                command
            }
            None => Command::new("tmux"),
        };
        clean(&mut command);
        let target = format!("={}:", keeper.session());
        command.args(["-N", "-C", "-u"]).args(socket.arguments());
        command.args(["new-session", "-A", "-s", &keeper.session(), "-c", "/", "-x", "80", "-y", "24"]);
        command.args(["-f", "no-output,ignore-size", "--", "/usr/bin/env", "cat"]);
        command.args([";", "set-option", "-t", &target, "destroy-unattached", "off"]);
        command.args([";", "set-option", "-t", &target, "@gtctl", &keeper.label()]);
        command.current_dir(Path::new("/"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = own::start(&mut command)?;
        let input = child.stdin.take().ok_or_else(|| io::Error::other("it has no input"))?;
        let (questions, asked) = unbounded_channel();
        let (to_write, written) = unbounded_channel();
        tokio::spawn(write(input, written));
        tokio::spawn(converse(child, asked, to_write, keeper.changed.clone()));
        Ok(Self { questions })
    }

    /// Whether it can be asked.
    pub fn is_open(&self) -> bool {
        !self.questions.is_closed()
    }

    /// Asks. It waits for as long as the answer takes; whoever does not want to wait any longer drops the future, and should drop the client as well.
    pub async fn ask(&self, script: &Script, mark: String) -> Result<Reply, TmuxError> {
        let mut text = script.text();
        text.push_str(&format!("display-message -p {mark}\n"));
        let (to, answer) = oneshot::channel();
        let question = Question { text, mark, to };
        self.questions.send(question).map_err(|_| TmuxError::Lost)?;
        answer.await.unwrap_or(Err(TmuxError::Lost))
    }

    /// Waits until the process is gone.
    pub async fn ended(&self) {
        self.questions.closed().await;
    }
}

/// Writes what it is given. A server that does not read lets this wait, and nothing else.
async fn write(mut input: ChildStdin, mut texts: UnboundedReceiver<String>) {
    while let Some(text) = texts.recv().await {
        if input.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// An answer that is not complete.
struct Pending {
    question: Question,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Pending {
    /// Takes a block; true if it was the last one.
    fn take(&mut self, refused: bool, text: &[u8]) -> bool {
        if !refused && text.strip_suffix(b"\n") == Some(self.question.mark.as_bytes()) {
            return true;
        }
        if refused { &mut self.stderr } else { &mut self.stdout }.extend_from_slice(text);
        false
    }

    fn answer(self) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| TmuxError::NotText);
        let code = if self.stderr.is_empty() { 0 } else { 1 };
        let reply = || Ok(Reply { code: Some(code), stdout: text(self.stdout)?, stderr: text(self.stderr)? });
        // Whoever asked may have given up.
        let _ = self.question.to.send(reply());
    }
}

/// Runs until the process ends, breaks its form, or nobody can ask any more. Then it is killed, and who still waits is told that the answer is lost.
async fn converse(
    mut child: Child,
    mut asked: UnboundedReceiver<Question>,
    to_write: UnboundedSender<String>,
    changed: UnboundedSender<()>,
) {
    let Some(output) = child.stdout.take() else { return };
    let mut lines = BufReader::new(output).split(b'\n');
    let mut blocks = Blocks::default();
    let mut waiting: VecDeque<Pending> = VecDeque::new();
    loop {
        let line = tokio::select! {
            question = asked.recv() => {
                let Some(question) = question else { break };
                if to_write.send(question.text.clone()).is_err() {
                    break;
                }
                waiting.push_back(Pending { question, stdout: Vec::new(), stderr: Vec::new() });
                continue;
            }
            line = lines.next_segment() => line,
        };
        let Ok(Some(line)) = line else { break };
        match blocks.line(&line) {
            None => {}
            Some(Heard::Answer { own, refused, text }) => {
                let is_complete = own && waiting.front_mut().is_some_and(|first| first.take(refused, &text));
                if is_complete && let Some(first) = waiting.pop_front() {
                    first.answer();
                }
            }
            // Nobody listens any more only when the controller is leaving.
            Some(Heard::Change) => _ = changed.send(()),
            Some(Heard::Exit | Heard::TooMuch) => break,
        }
    }
    // Closed before anybody hears of it: who asks now is not made to wait.
    drop((asked, waiting));
    let _ = child.kill().await;
    let _ = changed.send(());
}
