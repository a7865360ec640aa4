//! The command line: one file a verb, each with its arguments, its call, what it prints and its exit code.

mod approve;
mod change;
mod confirm;
mod context;
mod controller;
mod cost;
mod doctor;
mod end_with_parent;
mod events;
pub mod exit;
mod nudge;
mod park;
mod print;
mod reconcile;
mod record;
mod replay;
mod reset_backoff;
mod restart;
mod schema;
mod simulate;
mod start;
mod status;
mod stop;
mod validate;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use exit::Exit;

/// Keeps a Gas Town running the way its files say.
#[derive(Debug, Parser)]
#[command(name = "gtctl", version, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    /// The town: a directory with a town.toml or a mayor/ [default: the one around the current directory]
    #[arg(short = 'C', long, global = true, value_name = "DIR", env = "GTCTL_TOWN_ROOT")]
    town: Option<PathBuf>,

    /// Text for people or JSON for programs
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    verb: Verb,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Look, plan, and carry the plan out once (or only print it: --dry-run)
    #[command(visible_alias = "apply")]
    Reconcile(reconcile::Arguments),
    /// Print what `reconcile` would do; changes nothing
    #[command(visible_alias = "diff")]
    Plan(reconcile::PlanArguments),
    /// Keep the town for ever: reconcile whenever something changes (here, or in the background: start)
    Controller(controller::Arguments),
    /// Print what the running controller costs: time, CPU, programs, memory
    Cost,
    /// Show how every object, or one, stands
    Status(status::Arguments),
    /// Explain why an object is as it is, and what was done to it
    Why(why::Arguments),
    /// Show what happened
    Events(events::Arguments),
    /// Start what was stopped, and what waits or loops
    Start(start::Arguments),
    /// Stop objects; they stay down until `start`
    Stop(stop::Arguments),
    /// End agents and start them again; what does not run is started
    Restart(restart::Arguments),
    /// Type a line into an agent, and say whether it took it
    Nudge(nudge::Arguments),
    /// Rest rigs for a while: their witness and refinery stop, nothing starts
    Park(park::Arguments),
    /// End the rest of parked rigs
    Unpark(park::Back),
    /// Rest rigs for long: as park, and their polecats are drained
    Dock(park::Arguments),
    /// End the rest of docked rigs
    Undock(park::Back),
    /// Decide recorded passes anew, and say where the plans differ; needs no town
    Replay(replay::Arguments),
    /// Forget restarts, so that what waits or loops starts at once
    ResetBackoff(reset_backoff::Arguments),
    /// Lift a refusal, once
    Approve(approve::Arguments),
    /// Check the files of the town, without touching tmux
    #[command(visible_alias = "check")]
    Validate(validate::Arguments),
    /// Look for what goes wrong with towns, and say what to do about it; changes nothing
    Doctor,
    /// Try the files of the town in a simulated world: does all come up, and stay up whatever happens?
    Simulate(simulate::Arguments),
    /// Print the JSON schema of town.toml
    Schema,
    /// Become another program that ends when this process's parent does, however that ends
    #[command(hide = true)]
    EndWithParent(end_with_parent::Arguments),
}

/// Runs gtctl with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is a wrong use, and 2 means something else here.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return code.into();
        }
    };
    if let Verb::Controller(arguments) = &cli.verb
        && let Err(error) = arguments.leave_terminal()
    {
        print::error(&format!("the terminal cannot be left: {error}"), None);
        return Exit::Failed.into();
    }
    if let Verb::EndWithParent(arguments) = &cli.verb {
        return arguments.run().into();
    }
    log(&cli);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(&format!("the runtime cannot be started: {error}"), None);
            return Exit::Failed.into();
        }
    };
    runtime.block_on(dispatch(cli)).into()
}

async fn dispatch(cli: Cli) -> Exit {
    let Cli { town, output, verb, verbose } = cli;
    if matches!(verb, Verb::Schema) {
        return schema::run();
    }
    if let Verb::Replay(arguments) = &verb {
        return replay::run(output, arguments);
    }
    let context = match context::Context::locate(town.as_deref(), output) {
        Ok(context) => context,
        Err(exit) => return exit,
    };
    use crate::town::files::town_toml::RigState::{Active, Docked, Parked};
    let done = match verb {
        Verb::Reconcile(arguments) => reconcile::run(&context, &arguments).await,
        Verb::Plan(arguments) => reconcile::plan(&context, arguments.options()).await,
        Verb::Controller(arguments) => controller::run(&context, &arguments, verbose).await,
        Verb::Cost => cost::run(&context).await,
        Verb::Status(arguments) => status::run(&context, &arguments).await,
        Verb::Why(arguments) => why::run(&context, &arguments).await,
        Verb::Events(arguments) => events::run(&context, &arguments).await,
        Verb::Start(arguments) => start::run(&context, &arguments).await,
        Verb::Stop(arguments) => stop::run(&context, &arguments).await,
        Verb::Restart(arguments) => restart::run(&context, &arguments).await,
        Verb::Nudge(arguments) => nudge::run(&context, &arguments).await,
        Verb::Park(arguments) => park::run(&context, Parked, &arguments).await,
        Verb::Dock(arguments) => park::run(&context, Docked, &arguments).await,
        Verb::Unpark(arguments) => park::run(&context, Active, &arguments.ending(Parked)).await,
        Verb::Undock(arguments) => park::run(&context, Active, &arguments.ending(Docked)).await,
        Verb::ResetBackoff(arguments) => reset_backoff::run(&context, &arguments).await,
        Verb::Approve(arguments) => approve::run(&context, &arguments).await,
        Verb::Validate(arguments) => validate::run(&context, &arguments),
        Verb::Doctor => doctor::run(&context).await,
        Verb::Simulate(arguments) => simulate::run(&context, &arguments).await,
        Verb::Replay(arguments) => Ok(replay::run(output, &arguments)),
        Verb::Schema => Ok(schema::run()),
        Verb::EndWithParent(arguments) => Ok(arguments.run()),
    };
    done.unwrap_or_else(|exit| exit)
}

/// The log goes to standard error: news for the controller, trouble for everything else.
fn log(cli: &Cli) {
    let controller = match &cli.verb {
        Verb::Controller(arguments) => arguments.keeps(),
        _ => None,
    };
    let level = match (cli.verbose, controller) {
        (0, Some(_)) => "info",
        (0, None) => "error",
        (1, _) => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("GTCTL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let to = match controller.and_then(controller::Keep::log) {
        Some(log) => BoxMakeWriter::new(log),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_target(false).with_ansi(false);
    if controller.is_some_and(controller::Keep::json_log) {
        builder.json().init();
    } else {
        builder.init();
    }
}
