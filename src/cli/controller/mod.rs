//! `gtctl controller`: here in the foreground, or in the background with `start`, `stop`, `status`, `reload`.

mod log;
mod reload;
mod start;
mod status;
mod stop;
mod who;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::context::Context;
use super::exit::Exit;
use super::print;
use super::record::Record;
use crate::controller::identity::Identity;
use crate::controller::run::{Left, run as keep_for_ever};
use crate::machine::ThisMachine;
use crate::plan::Options;

pub use who::{Controller, controller, last_pass, not_answered};

/// Arguments of `controller`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    keep: Keep,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Keep the town from here, until TERM or INT; what `gtctl controller` alone does
    Run(Keep),
    /// Keep the town in the background, and wait until that is so
    Start(Keep),
    /// End the controller, and wait until it is gone; no agent notices
    Stop(stop::Arguments),
    /// Who keeps the town, since when, and whether it comes round
    Status,
    /// Read the files again now, and say what has changed
    Reload,
}

/// How a town is kept.
#[derive(Debug, Args)]
pub struct Keep {
    /// The form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    record: Record,
    /// In the background: leave the terminal, and keep the log, which standard error is by then, in this file
    #[arg(long, hide = true, value_name = "FILE")]
    detached: Option<PathBuf>,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Arguments {
    /// How this very process is to keep a town, if it is.
    pub fn keeps(&self) -> Option<&Keep> {
        match &self.verb {
            None => Some(&self.keep),
            Some(Verb::Run(keep)) => Some(keep),
            Some(Verb::Start(_) | Verb::Stop(_) | Verb::Status | Verb::Reload) => None,
        }
    }

    /// Begins a session of its own, if it is to run in the background. Before anything else: so far this process has one thread.
    pub fn leave_terminal(&self) -> std::io::Result<()> {
        if self.keeps().is_some_and(|keep| keep.detached.is_some()) {
            rustix::process::setsid()?;
        }
        Ok(())
    }
}

impl Keep {
    /// Whether the log is JSON.
    pub fn json_log(&self) -> bool {
        self.log_format == LogFormat::Json
    }

    /// Where the log is kept, if not only on standard error.
    pub fn log(&self) -> Option<log::Log> {
        self.detached.clone().map(log::Log::new)
    }
}

/// Does what the arguments say.
pub async fn run(context: &Context, arguments: &Arguments, verbose: u8) -> Result<Exit, Exit> {
    match &arguments.verb {
        None => keep(context, &arguments.keep).await,
        Some(Verb::Run(arguments)) => keep(context, arguments).await,
        Some(Verb::Start(arguments)) => start::run(context, arguments, verbose).await,
        Some(Verb::Stop(arguments)) => stop::run(context, arguments).await,
        Some(Verb::Status) => status::run(context).await,
        Some(Verb::Reload) => reload::run(context).await,
    }
}

/// Keeps the town until TERM or INT.
async fn keep(context: &Context, arguments: &Keep) -> Result<Exit, Exit> {
    let lock = context.lock()?;
    let cannot = |error: std::io::Error| {
        print::error(&format!("the controller cannot run: {error}"), None);
        Exit::Failed
    };
    // Who holds the lock is to be known for what it is from the first moment to the last.
    let identity = Identity::write(&context.root, &ThisMachine::new()).map_err(cannot)?;
    let mut reconciler = context.open(Options::default())?;
    reconciler.take_up();
    arguments.record.apply(&mut reconciler);
    context.check_tmux(reconciler.desired().policy.controller.tmux_timeout).await?;
    match keep_for_ever(reconciler, &lock).await.map_err(cannot)? {
        Left::Asked => Ok(Exit::Ok),
        Left::LockLost => {
            identity.abandon();
            Err(Exit::Locked)
        }
    }
}
