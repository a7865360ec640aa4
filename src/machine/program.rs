//! One program that gtctl runs to learn or to do something: an argv, a directory, a deadline, an answer of bounded size.
//!
//! It gets a process group of its own. If it does not end in time, or says too much, that group is killed before its leader is collected: until
//! then the group's number cannot belong to anybody else.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Reply;
use super::ending::{self, Ending};
use super::own;
use super::processes::{self, Observe};
use super::tmux::{IDENTITY, NOT_FOR_A_SERVER};
use crate::model::{Period, Seen};

/// What is to be run, and how far it may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// What is added to gtctl's own environment. What tells who an agent is, is taken out of that first ([`IDENTITY`]).
    pub environment: Vec<(String, String)>,
    /// How long it may take.
    pub limit: Duration,
    /// How many bytes it may say on each of its two outputs.
    pub output_max: usize,
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no such file, or no such directory to run in.
    #[error("{0} is not there")]
    NotFound(String),
    /// It did not end in time, and was killed. It may have done all the same what it was told.
    #[error("{program} did not answer within {}", Period::from(*.limit))]
    Timeout {
        /// The program.
        program: String,
        /// The time that it had.
        limit: Duration,
    },
    /// It said more than is read.
    #[error("{program} said more than {output_max} bytes")]
    TooMuch {
        /// The program.
        program: String,
        /// What is read.
        output_max: usize,
    },
    /// What it said is no text.
    #[error("{0} said something that is not UTF-8")]
    NotText(String),
    /// It could not be run or listened to.
    #[error("{program} cannot be run")]
    Io {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// What a program wrote is still in the pipe when it ends; what it left behind may hold the pipe open for ever (`bd` starts a daemon).
const AFTER_ITS_END: Duration = Duration::from_millis(100);

/// How long a process that was killed is waited for. One that the kernel keeps longer is collected whenever it does end.
const KILLED: Duration = Duration::from_secs(1);

/// A child that does not outlive this, nor do its children, as long as it has not ended by itself.
struct Running(Child);

impl Running {
    fn kill_group(&self) {
        // Not collected yet, so that the number is still its own, and that of its group.
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = leader {
            // It may have ended this very moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// Runs a program to its end, or to its deadline.
pub async fn run(call: &Call) -> Result<Reply, CallError> {
    let program = call.program.display().to_string();
    let failed = |source| CallError::Io { program: program.clone(), source };
    let mut command = Command::new(&call.program);
    command.args(&call.arguments).current_dir(&call.directory);
    for variable in IDENTITY.iter().chain(NOT_FOR_A_SERVER) {
        command.env_remove(variable);
    }
    command.envs(call.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child =
        own::start(command.process_group(0).kill_on_drop(true)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => CallError::NotFound(program.clone()),
            _ => failed(error),
        })?;
    let mut child = Running(child);
    let result = match timeout(call.limit, converse(&mut child, call)).await {
        Err(_) => Err(CallError::Timeout { program: program.clone(), limit: call.limit }),
        Ok(Err(Trouble::TooMuch)) => {
            Err(CallError::TooMuch { program: program.clone(), output_max: call.output_max })
        }
        Ok(Err(Trouble::Io(error))) => Err(failed(error)),
        Ok(Ok(said)) => Ok(said),
    };
    match result {
        Ok((stdout, stderr, code)) => {
            let text = |bytes| String::from_utf8(bytes).map_err(|_| CallError::NotText(program.clone()));
            Ok(Reply { code, stdout: text(stdout)?, stderr: text(stderr)? })
        }
        Err(error) => {
            child.kill_group();
            let _ = timeout(KILLED, child.0.wait()).await;
            Err(error)
        }
    }
}

enum Trouble {
    TooMuch,
    Io(std::io::Error),
}

type Said = (Vec<u8>, Vec<u8>, Option<i32>);

/// Listens until both outputs are closed, or until shortly after its end, and collects it.
async fn converse(child: &mut Running, call: &Call) -> Result<Said, Trouble> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
    let pid = child.0.id().and_then(|id| i32::try_from(id).ok());
    let ended = async {
        match pid.map(|pid| processes::HERE.find(pid)) {
            Some(Seen::Known(Some(found))) => ending::HERE.end_of(found.id).await,
            Some(Seen::Known(None)) => {}
            // Then only the outputs tell.
            Some(Seen::Unknown(_)) | None => std::future::pending().await,
        }
        tokio::time::sleep(AFTER_ITS_END).await;
    };
    let max = call.output_max;
    let listen =
        async { tokio::try_join!(fill(out, &mut stdout, max), fill(err, &mut stderr, max)).map(drop) };
    tokio::select! {
        heard = listen => heard?,
        () = ended => {}
    }
    let status = child.0.wait().await.map_err(Trouble::Io)?;
    Ok((stdout, stderr, status.code()))
}

/// Reads to the end. What has been read so far is in `into` at any moment.
async fn fill(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, max: usize) -> Result<(), Trouble> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    loop {
        match pipe.read_buf(into).await {
            Ok(0) => return Ok(()),
            Ok(_) if into.len() > max => return Err(Trouble::TooMuch),
            Ok(_) => {}
            Err(error) => return Err(Trouble::Io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str, directory: &Path, limit: Duration) -> Call {
        Call {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            directory: directory.to_owned(),
            environment: vec![("ADDED".to_owned(), "a b".to_owned())],
            limit,
            output_max: 1000,
        }
    }

    fn here() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// The pid that a script wrote, when it has.
    async fn pid_in(file: &Path) -> i32 {
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) if text.ends_with('\n') => return pid,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn is_gone(pid: i32) -> bool {
        match processes::HERE.find(pid) {
            Seen::Known(found) => found.is_none_or(|found| found.zombie),
            Seen::Unknown(why) => panic!("{why}"),
        }
    }

    #[tokio::test]
    async fn a_program_answers_with_its_outputs_and_its_code() {
        let dir = here();
        let call = shell("pwd; printf '%s' \"$ADDED\" >&2; exit 3", dir.path(), LONG);
        let reply = run(&call).await.unwrap();
        let place = dir.path().canonicalize().unwrap();
        assert_eq!(reply.stdout.trim_end(), place.to_str().unwrap());
        assert_eq!((reply.code, reply.stderr.as_str()), (Some(3), "a b"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_says_so_and_so_does_one_that_says_no_text() {
        let dir = here();
        let nowhere = Call { program: dir.path().join("nowhere"), ..shell("", dir.path(), LONG) };
        assert!(matches!(run(&nowhere).await, Err(CallError::NotFound(_))));
        let binary = shell("printf '\\377'", dir.path(), LONG);
        assert!(matches!(run(&binary).await, Err(CallError::NotText(_))));
    }

    #[tokio::test]
    async fn law_13_the_deadline_ends_the_program_and_its_children() {
        let dir = here();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > '{}'; wait", file.display());
        let begun = Instant::now();
        let error = run(&shell(&script, dir.path(), Duration::from_millis(300))).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout { .. }), "{error}");
        assert!(begun.elapsed() < LONG);
        let child = pid_in(&file).await;
        while !is_gone(child) {
            assert!(begun.elapsed() < LONG, "the child lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn one_that_says_too_much_is_ended() {
        let dir = here();
        let error = run(&shell("while :; do echo more; done", dir.path(), LONG)).await.unwrap_err();
        assert!(matches!(error, CallError::TooMuch { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_neither_delays_its_answer_nor_is_ended() {
        let dir = here();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > '{}'; echo said", file.display());
        let begun = Instant::now();
        let reply = run(&shell(&script, dir.path(), LONG)).await.unwrap();
        assert!(begun.elapsed() < LONG);
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(0), "said\n"));
        let left = pid_in(&file).await;
        assert!(!is_gone(left), "its daemon is its own business");
        rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn law_6_an_answer_that_nobody_waits_for_any_more_is_not_worked_on() {
        let dir = here();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > '{}'; wait", file.display());
        let call = shell(&script, dir.path(), LONG);
        let child = tokio::select! {
            _ = run(&call) => panic!("it waits"),
            pid = pid_in(&file) => pid,
        };
        let begun = Instant::now();
        while !is_gone(child) {
            assert!(begun.elapsed() < LONG, "the child lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
