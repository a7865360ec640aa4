//! `gtctl end-with-parent`: for gtctl itself. A tmux client whose controller was killed must not stay: one that nobody reads from can keep a tmux server
//! from ending (docs/tmux.md).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::exit::Exit;
use super::print;

/// Arguments of the verb.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

impl Arguments {
    /// Becomes the program; returns only if that is not possible.
    pub fn run(&self) -> Exit {
        let error = self.exec();
        print::error(&format!("{} cannot be run: {error}", self.command.join(" ")), None);
        Exit::Failed
    }

    fn exec(&self) -> io::Error {
        let Some((program, arguments)) = self.command.split_first() else {
            return io::Error::other("no program");
        };
        if let Err(error) = end_with_parent() {
            return error;
        }
        Command::new(program).args(arguments).exec()
    }
}

/// The kernel kills this process when the thread that started it ends; that is asked for before an exec, and outlasts it.
#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before it was asked for.
    if getppid() == parent { Ok(()) } else { Err(io::Error::other("the parent has ended")) }
}

/// Elsewhere the client ends when it finds its input closed.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}
