//! What every verb begins with: which town, and a readable word for everything that can go wrong before it starts.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use super::Output;
use super::exit::Exit;
use super::print;
use crate::controller::lock::{LockError, TownLock};
use crate::controller::{Pass, Reconciler};
use crate::desired::{Desired, remarks};
use crate::ledger::{self, Ledger};
use crate::machine::ThisMachine;
use crate::model::{Address, Period, Seen, Why};
use crate::observed::Server;
use crate::observed::host::Host;
use crate::observed::tmux::{Socket, TmuxError, VERSION_MIN, Version};
use crate::plan::Options;
use crate::report::diagnostics;
use crate::town::closest::closest;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::{TownRoot, Where, locate};

/// Where a verb works and how it prints.
pub struct Context {
    /// The town.
    pub root: TownRoot,
    /// How to print.
    pub output: Output,
}

impl Context {
    /// Finds the town.
    pub fn locate(flag: Option<&Path>, output: Output) -> Result<Self, Exit> {
        let cwd = std::env::current_dir().map_err(|error| {
            print::error(
                &format!("the current directory cannot be told: {error}"),
                Some("go to another one, or give --town"),
            );
            Exit::Failed
        })?;
        let (env_town, env_root) = (std::env::var_os("GT_TOWN_ROOT"), std::env::var_os("GT_ROOT"));
        let place = Where { flag, cwd: &cwd, env_town: env_town.as_deref(), env_root: env_root.as_deref() };
        match locate(&place) {
            Ok(root) => Ok(Self { root, output }),
            Err(error) => {
                print::error(&Why::of(&error).0, None);
                Err(Exit::Config)
            }
        }
    }

    /// Whether to print JSON.
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Opens the town: files and memory, no side effects.
    pub fn open(&self, options: Options) -> Result<Reconciler<Host<ThisMachine>>, Exit> {
        match Reconciler::open(&world(), self.root.clone(), here(options)) {
            Ok(reconciler) => {
                let (files, desired) = (reconciler.files(), reconciler.desired());
                self.warn(&[files.warnings.clone(), remarks(files, desired)].concat());
                self.check_environment(reconciler.desired())?;
                Ok(reconciler)
            }
            Err(diagnostics) => Err(self.config(&diagnostics)),
        }
    }

    /// The same, without the warnings: for looks that follow one that gave them.
    pub fn open_again(&self, options: Options) -> Result<Reconciler<Host<ThisMachine>>, Exit> {
        Reconciler::open(&world(), self.root.clone(), here(options))
            .map_err(|diagnostics| self.config(&diagnostics))
    }

    /// The same, and asks for the beads that nobody has asked for lately.
    pub async fn open_and_ask(&self, options: Options) -> Result<Reconciler<Host<ThisMachine>>, Exit> {
        let mut reconciler = self.open(options)?;
        reconciler.ask_beads().await;
        reconciler.ask_work().await;
        Ok(reconciler)
    }

    /// Prints what is wrong with the files.
    pub fn config(&self, diagnostics: &[Diagnostic]) -> Exit {
        let sources = |file: &str| std::fs::read_to_string(self.root.path().join(file)).ok();
        if self.is_json() {
            print::json(
                &serde_json::json!({ "valid": false, "diagnostics": diagnostics::to_json(diagnostics, &sources) }),
            );
        } else {
            print::note(
                diagnostics::render(diagnostics, &sources, std::io::stderr().is_terminal()).trim_end(),
            );
        }
        Exit::Config
    }

    /// Prints warnings about the files, on standard error.
    pub fn warn(&self, warnings: &[Diagnostic]) {
        if !warnings.is_empty() {
            let sources = |file: &str| std::fs::read_to_string(self.root.path().join(file)).ok();
            print::note(diagnostics::render(warnings, &sources, std::io::stderr().is_terminal()).trim_end());
        }
    }

    /// gt's variable for the tmux server must not say another one than the files: an agent started on two servers runs twice.
    pub fn check_environment(&self, desired: &Desired) -> Result<(), Exit> {
        let Ok(named) = std::env::var("GT_TMUX_SOCKET") else { return Ok(()) };
        let socket = desired.socket.arguments()[1].clone();
        if matches!(named.as_str(), "" | "default" | "auto") || named == socket {
            return Ok(());
        }
        let title = format!("GT_TMUX_SOCKET names the tmux server `{named}`, the files name `{socket}`");
        let diagnostic = Diagnostic::error(title, Label::file("town.toml"))
            .with_help(format!("set `socket = \"{named}\"` in [town], or unset GT_TMUX_SOCKET"));
        Err(self.config(&[diagnostic]))
    }

    /// Takes the lock, or says who has it.
    pub fn lock(&self) -> Result<TownLock, Exit> {
        TownLock::take(&self.root).map_err(|error| match error {
            LockError::Held { .. } => {
                print::error(
                    &error.to_string(),
                    Some("`gtctl status` shows it; `gtctl controller stop` ends gtctl's own, `gt daemon stop` gt's"),
                );
                Exit::Locked
            }
            LockError::Io { ref source, .. } => {
                print::error(&format!("{error}: {source}"), None);
                Exit::Failed
            }
        })
    }

    /// Refuses to go on without a tmux that can do what is needed.
    pub async fn check_tmux(&self, timeout: Period) -> Result<(), Exit> {
        check_tmux(timeout.get()).await
    }

    /// The same after a look: a server that answered has told its version, and only where none did, tmux itself is asked.
    pub async fn check_tmux_of(&self, pass: &Pass, timeout: Period) -> Result<(), Exit> {
        match &pass.observed.server {
            Seen::Known(Server::Up(server)) => suffices(&format!("tmux {}", server.version)),
            Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => {
                self.check_tmux(timeout).await
            }
        }
    }

    /// Changes the ledger while nobody else acts on the town.
    pub fn change_ledger(&self, change: impl FnOnce(&mut Ledger)) -> Result<(), Exit> {
        let _lock = self.lock()?;
        let directory = self.root.gtctl_dir();
        let result = ledger::load(&ThisMachine::new(), &directory).and_then(|mut ledger| {
            change(&mut ledger);
            ledger::save(&ThisMachine::new(), &directory, &ledger)
        });
        result.map_err(|error| {
            print::error(&Why::of(&error).0, None);
            Exit::Failed
        })
    }
}

/// The machine that gtctl runs on. Which of its tmux servers is meant, the files tell.
pub fn world() -> Host<ThisMachine> {
    // This very program, also when another one has taken its place on disk. Only Linux has the path, and what it is needed for.
    let machine = match cfg!(target_os = "linux") {
        true => ThisMachine::new().launching_with(std::path::PathBuf::from("/proc/self/exe")),
        false => ThisMachine::new(),
    };
    Host::new(machine, Socket::new("default"), Duration::ZERO)
}

async fn check_tmux(timeout: Duration) -> Result<(), Exit> {
    match ThisMachine::tmux_version(timeout).await {
        Err(error @ TmuxError::NotInstalled { .. }) => {
            let text = format!("{error}; without it nothing can be said to run or not");
            print::error(&text, Some(&tmux_help()));
            Err(Exit::Failed)
        }
        // A tmux that cannot even tell its version is for the look to report: there it is unknown, and nothing follows from it.
        Err(_) | Ok(None) => Ok(()),
        Ok(Some(text)) => suffices(&text),
    }
}

/// Whether a tmux of this version can do what is needed.
fn suffices(text: &str) -> Result<(), Exit> {
    let wrong = match Version::parse(text) {
        Some(version) if version >= VERSION_MIN => return Ok(()),
        Some(_) => format!("`{text}` is too old"),
        None => format!("`{}` tells no version", text.escape_debug()),
    };
    print::error(&wrong, Some(&tmux_help()));
    Err(Exit::Failed)
}

fn tmux_help() -> String {
    format!("gtctl needs tmux {VERSION_MIN} or later on PATH")
}

/// Reads an address of the command line that must name an object of the town.
pub fn object(desired: &Desired, text: &str) -> Result<Address, Exit> {
    let known = || desired.objects.keys().map(ToString::to_string);
    let hint = || {
        let known: Vec<String> = known().collect();
        match closest(text, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the objects of this town are {}", known.join(", ")),
        }
    };
    match text.parse::<Address>() {
        Ok(address) if desired.objects.contains_key(&address) => Ok(address),
        Ok(address) => {
            print::error(&format!("there is no {address} in this town"), Some(&hint()));
            Err(Exit::NotFound)
        }
        Err(error) => {
            print::error(&error.to_string(), Some(&hint()));
            Err(Exit::NotFound)
        }
    }
}

/// What is asked of a plan, and what the environment adds to that: gt's word for a machine on which nothing extra is to be started.
pub fn here(options: Options) -> Options {
    let degraded = std::env::var_os("GT_DEGRADED").is_some_and(|value| value == "true");
    Options { degraded: options.degraded || degraded, ..options }
}
