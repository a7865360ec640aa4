//! `gtctl controller start`: a controller in the background. Nothing forks: this program is started once more, with a session of its own and the log
//! in the place of its terminal, and is watched until it keeps the town.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::{Child, Command};

use super::{Keep, LogFormat, controller, log};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::print;
use crate::controller::holder::{Holder, holder};
use crate::controller::lock::current_holder;
use crate::controller::socket::{self, Answer, Request};
use crate::machine::{Disk, ThisMachine};
use crate::model::Why;
use crate::plan::Options;
use crate::report::json::FORMAT_VERSION;

/// How long a controller may take until it keeps the town.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether it does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long somebody else may hold the lock before a start gives up.
const PASSING: Duration = Duration::from_secs(3);

/// So much of the end of the log is read to say why a start failed, in bytes, and so many lines of it are shown.
const LOG_END: (u64, usize) = (16 * 1024, 10);

/// What came of a start.
enum Came {
    /// It keeps the town.
    Up,
    /// It ended.
    Ended(ExitStatus),
    /// It lives, and does not keep the town.
    TooLate,
}

/// Starts a controller, and waits until it holds the lock and answers.
pub async fn run(context: &Context, arguments: &Keep, verbose: u8) -> Result<Exit, Exit> {
    if let Some(exit) = kept_already(context).await? {
        return Ok(exit);
    }
    // What is wrong with the files or with tmux is better said here than in a log.
    let reconciler = context.open(Options::default())?;
    context.check_tmux(reconciler.desired().policy.controller.tmux_timeout).await?;
    let path = log::path(&context.root);
    let begun_at = std::fs::metadata(&path).map_or(0, |found| found.len());
    let mut child = spawn(context, arguments, verbose).map_err(|error| {
        print::error(&format!("the controller cannot be started: {error}"), None);
        Exit::Failed
    })?;
    match wait(context, &mut child).await {
        Came::Up => {
            tell(context, child.id().unwrap_or_default(), false);
            Ok(Exit::Ok)
        }
        Came::Ended(status) => {
            // Somebody else may have been faster.
            if status.code() == Some(i32::from(Exit::Locked.code()))
                && let Some(exit) = kept_already(context).await?
            {
                return Ok(exit);
            }
            print::error(&format!("the controller ended during its start ({status})"), None);
            print::note(&log_since(context, begun_at));
            print::note(&format!("help: its log is {}", path.display()));
            Err(match status.code().and_then(|code| u8::try_from(code).ok()) {
                Some(code) if code == Exit::Config.code() => Exit::Config,
                Some(code) if code == Exit::Locked.code() => Exit::Locked,
                _ => Exit::Failed,
            })
        }
        Came::TooLate => {
            // It is our child, so its pid is still its own. No agent notices (law 6).
            let _ = child.kill().await;
            print::error(
                &format!(
                    "the controller did not keep the town within {} s and was ended",
                    START_WITHIN.as_secs()
                ),
                Some(&format!("its log is {}", path.display())),
            );
            print::note(&log_since(context, begun_at));
            Err(Exit::Failed)
        }
    }
}

/// Says so if somebody acts on the town: fine if that is a controller that does its work, and an error if not.
async fn kept_already(context: &Context) -> Result<Option<Exit>, Exit> {
    match holder_at_rest(context).await {
        Ok(Holder::Nobody) => Ok(None),
        Ok(Holder::Controller(running)) => {
            if controller(context).await.is_stuck() {
                print::error(
                    &format!("a controller runs already, process {}, and is stuck", running.process),
                    Some("`gtctl controller stop --kill`, then start one; no agent notices"),
                );
                return Err(Exit::Failed);
            }
            tell(context, running.process.pid.cast_unsigned(), true);
            Ok(Some(Exit::Ok))
        }
        Ok(Holder::Other(other)) => {
            let help = if other.is_gt_daemon() {
                "of the two, one at a time: `gt daemon stop` ends it"
            } else {
                "try again when it has ended"
            };
            print::error(&format!("{} acts on this town", other.named()), Some(help));
            Err(Exit::Locked)
        }
        Err(why) => {
            print::error(&format!("it cannot be told who acts on this town: {why}"), None);
            Err(Exit::Unknown)
        }
    }
}

/// Who acts on the town, after a moment for those who only look after something, or have not said yet who they are.
async fn holder_at_rest(context: &Context) -> Result<Holder, Why> {
    let begun = Instant::now();
    loop {
        match holder(&ThisMachine::new(), &context.root).await {
            Ok(Holder::Other(other)) if !other.is_gt_daemon() && begun.elapsed() < PASSING => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            answer => return answer,
        }
    }
}

fn tell(context: &Context, pid: u32, already: bool) {
    let path = log::path(&context.root);
    if context.is_json() {
        print::json(
            &json!({ "format-version": FORMAT_VERSION, "running": true, "pid": pid, "already": already, "log": path }),
        );
    } else if already {
        print::out(&format!("The controller runs already, process {pid}.\n"));
    } else {
        print::out(&format!("The controller runs, process {pid}. Its log: {}\n", path.display()));
    }
}

fn spawn(context: &Context, arguments: &Keep, verbose: u8) -> std::io::Result<Child> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(context.root.gtctl_dir())?;
    let path = log::path(&context.root);
    let log = log::open(&path)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--town").arg(context.root.path());
    if verbose > 0 {
        command.arg(format!("-{}", "v".repeat(verbose.into())));
    }
    let format = match arguments.log_format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let own: [OsString; 6] = [
        "controller".into(),
        "run".into(),
        "--log-format".into(),
        format.into(),
        "--detached".into(),
        path.into(),
    ];
    command.args(own).args(arguments.record.arguments()?);
    // A supervisor of the caller waits for the caller, not for what it leaves behind.
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
        command.env_remove(variable);
    }
    // Not where the caller happens to be: that directory could not be removed or unmounted any more.
    command.current_dir(context.root.path());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn()
}

/// Waits until the child keeps the town, or has ended, or has had its time.
async fn wait(context: &Context, child: &mut Child) -> Came {
    let begun = Instant::now();
    while begun.elapsed() < START_WITHIN {
        if let Ok(Some(status)) = child.try_wait() {
            return Came::Ended(status);
        }
        let pid = child.id();
        let holds = || current_holder(&context.root).ok().flatten().map(i32::cast_unsigned) == pid;
        if holds()
            && let Ok(Some(Answer::Status(status))) = socket::ask(&context.root, &Request::Status).await
            && Some(status.pid) == pid
        {
            return Came::Up;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Came::TooLate
}

/// The last lines that the log got since it had this length.
fn log_since(context: &Context, length: u64) -> String {
    let path = log::path(&context.root);
    let now = std::fs::metadata(&path).map_or(0, |found| found.len());
    // A log that is shorter than it was is another one.
    let new = if now >= length { now - length } else { now };
    match ThisMachine::new().read(&path, new.min(LOG_END.0)) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            let skipped = lines.len().saturating_sub(LOG_END.1);
            lines
                .into_iter()
                .skip(skipped)
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
                .trim_end()
                .to_owned()
        }
        Err(error) => format!("  {}", Why::of(&error)),
    }
}
