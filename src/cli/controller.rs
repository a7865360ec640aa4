//! `gtctl controller`.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::exit::Exit;
use super::print;
use super::record::Record;
use crate::plan::Options;

/// Arguments of `controller`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    record: Record,
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
    /// Whether the log is JSON.
    pub fn json_log(&self) -> bool {
        self.log_format == LogFormat::Json
    }
}

/// Runs in the foreground until TERM or INT.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let lock = context.lock()?;
    let mut reconciler = context.open(Options::default())?;
    reconciler.take_up();
    arguments.record.apply(&mut reconciler);
    context.check_tmux(reconciler.desired().policy.controller.tmux_timeout).await?;
    match crate::controller::run::run(reconciler, &lock).await {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => {
            print::error(&format!("the controller cannot run: {error}"), None);
            Err(Exit::Failed)
        }
    }
}
