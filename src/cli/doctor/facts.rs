//! What the doctor looks at. Nothing here judges, and nothing is changed: no server is founded, nobody is signalled.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::orphans::{self, Orphans};
use crate::cli::context::{Context, world};
use crate::cli::controller::{Controller, controller};
use crate::controller::Reconciler;
use crate::controller::lock::current_holder;
use crate::desired::session_names;
use crate::ledger::{self, Ledger};
use crate::machine::processes::{HERE, Observe};
use crate::machine::{Machine, ThisMachine};
use crate::model::{Address, ProcessId, Seen, TownId, Why};
use crate::observed::host::Host;
use crate::observed::tmux::{Socket, TmuxError};
use crate::observed::{LastWords, Look, PastProcess, Server, Wants};
use crate::plan::Options;
use crate::report::words;
use crate::town::files::town_toml::Naming;

/// Everything that the doctor judges by.
pub struct Facts {
    /// The town.
    pub town: TownId,
    /// Its directory.
    pub root: PathBuf,
    /// What the installed tmux says of its version; `Known(None)` if none is installed.
    pub installed: Seen<Option<String>>,
    /// The first mistake in the files of the town, if there is one.
    pub files: Result<(), String>,
    /// Why what gtctl remembers cannot be read, if so.
    pub memory: Result<(), String>,
    /// Who acts on the town.
    pub controller: Controller,
    /// Processes that have the town's lock file open and do not hold the lock.
    pub leftovers: Seen<Vec<Leftover>>,
    /// The tmux servers at which sessions of the town could be.
    pub servers: Seen<Vec<ServerAt>>,
    /// Processes that outlived their terminals or their agents.
    pub orphans: Seen<Orphans>,
    /// What sessions are called and could be called; `None` without right files.
    pub names: Option<Names>,
    /// The pid that `daemon/daemon.pid` names, if there is such a file.
    pub pid_file: Option<String>,
    /// Files of a controller that are there, by their names below the town.
    pub controller_files: Vec<&'static str>,
    /// Where the controller and the tmux server stand in systemd's tree.
    pub units: Units,
    /// Who may read and write what.
    pub permissions: Vec<Permission>,
    /// The user that gtctl runs as.
    pub user: u32,
}

/// Session names.
#[derive(Debug, Clone)]
pub struct Names {
    /// Those of the objects, by the naming that is in force.
    pub now: BTreeSet<String>,
    /// Those that the objects would have by the other naming.
    pub others: BTreeMap<String, Address>,
    /// Which naming that is.
    pub naming: Naming,
}

/// A process that is left over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Which.
    pub process: ProcessId,
    /// Its arguments, for people.
    pub arguments: Vec<String>,
}

/// A tmux server.
#[derive(Debug, Clone)]
pub struct ServerAt {
    /// The path of its socket.
    pub socket: PathBuf,
    /// Whether it is the one that the files name.
    pub configured: bool,
    /// What a look at it told.
    pub server: Seen<Server>,
}

/// Control groups in systemd's tree.
#[derive(Debug, Clone, Default)]
pub struct Units {
    /// Of the controller, if one runs.
    pub controller: Option<Seen<Option<String>>>,
    /// Of the tmux server that the files name, if it runs.
    pub server: Option<Seen<Option<String>>>,
    /// `KillMode` of the unit that the server is in, if it is in one.
    pub kill_mode: Option<Seen<String>>,
}

/// Mode and owner of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its name below the town, or its path.
    pub name: String,
    /// Whether gtctl keeps it for its user alone.
    pub private: bool,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
}

/// How long systemd may take to tell a property, and how long a process may have the lock file open only because it looks who holds it.
const PATIENCE: Duration = Duration::from_secs(2);
const A_LOOK: Duration = Duration::from_millis(300);

/// What a controller leaves if it is killed.
const CONTROLLER_FILES: &[&str] = &["daemon/gtctl/controller.sock", "daemon/gtctl/controller.json"];

/// Looks at everything.
pub async fn gather(context: &Context) -> Facts {
    let root = context.root.path().to_owned();
    let machine = ThisMachine::new();
    let opened = Reconciler::open(&world(), context.root.clone(), Options::default());
    let controller = controller(context).await;
    let (files, servers, names) = match &opened {
        Ok(reconciler) => {
            let naming = reconciler.desired().naming.other();
            let others = session_names(reconciler.files(), reconciler.desired(), naming);
            let now = session_names(reconciler.files(), reconciler.desired(), reconciler.desired().naming);
            let names = Names { now: now.into_keys().collect(), others, naming };
            let mut wants = reconciler.desired().wants(BTreeMap::new(), remembered(reconciler.ledger()));
            wants.names.extend(names.others.keys().cloned());
            let timeout = reconciler.desired().policy.controller.tmux_timeout.get();
            let servers = servers(&machine, wants, Some(&reconciler.desired().socket), timeout).await;
            let wrong = reconciler.trouble().map(|trouble| words::first_line(&trouble.diagnostics));
            (wrong.map_or(Ok(()), Err), servers, Some(names))
        }
        Err(diagnostics) => {
            let ledger = ledger::load(&machine, &context.root.gtctl_dir()).unwrap_or_default();
            let wants = Wants {
                heartbeats: BTreeMap::new(),
                endings: BTreeSet::new(),
                last_words: LastWords::OfAll,
                free_memory: None,
                openings: Default::default(),
                activity: BTreeSet::new(),
                town: context.root.id(),
                root: root.clone(),
                names: BTreeSet::new(),
                places: BTreeMap::new(),
                past: BTreeMap::new(),
                server: remembered(&ledger),
            };
            let servers = servers(&machine, wants, None, PATIENCE).await;
            (Err(words::first_line(diagnostics)), servers, None)
        }
    };
    let is_there = |name: &&&str| std::fs::symlink_metadata(root.join(name)).is_ok();
    let orphans = match &opened {
        Ok(reconciler) => orphans::gather(&machine, reconciler).await,
        Err(_) => Seen::unknown("without right files it is not known whose processes would be of this town"),
    };
    Facts {
        orphans,
        town: context.root.id(),
        installed: match ThisMachine::tmux_version(PATIENCE).await {
            Ok(Some(text)) => Seen::Known(Some(text)),
            Ok(None) => Seen::unknown("`tmux -V` fails"),
            Err(TmuxError::NotInstalled { .. }) => Seen::Known(None),
            Err(error) => Seen::Unknown(Why::of(&error)),
        },
        files,
        memory: ledger::load(&machine, &context.root.gtctl_dir())
            .map(drop)
            .map_err(|error| Why::of(&error).0),
        leftovers: leftovers(context, &machine).await,
        units: units(&controller, &servers).await,
        controller,
        permissions: permissions(&root, &machine),
        pid_file: std::fs::read_to_string(root.join("daemon/daemon.pid")).ok(),
        controller_files: CONTROLLER_FILES.iter().filter(is_there).copied().collect(),
        servers,
        names,
        user: rustix::process::getuid().as_raw(),
        root,
    }
}

/// The tmux server that the agents were last seen in.
fn remembered(ledger: &Ledger) -> Option<(PastProcess, String)> {
    let server = ledger.server.as_ref()?;
    Some((PastProcess { process: server.process, boot: server.boot.clone() }, server.socket.clone()))
}

/// Looks at every tmux server of this user that could have sessions of the town: the one that the files name, the one that is remembered, and
/// all that are in tmux's own directory. A socket that nobody listens at is not asked.
async fn servers(
    machine: &ThisMachine,
    wants: Wants,
    configured: Option<&Socket>,
    timeout: Duration,
) -> Seen<Vec<ServerAt>> {
    let configured = configured.map(|socket| machine.socket_path(socket));
    let default = machine.socket_path(&Socket::new("default"));
    let Some(directory) = default.parent() else { return Seen::Known(Vec::new()) };
    let mut sockets: BTreeSet<PathBuf> = match HERE.bound_in(directory) {
        Seen::Known(bound) => bound.into_iter().filter(|path| machine.has_socket_file(path)).collect(),
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    sockets.extend(configured.clone());
    sockets.extend(wants.server.iter().map(|(_, socket)| PathBuf::from(socket)));
    let wants = Wants { places: BTreeMap::new(), ..wants };
    let mut servers = Vec::new();
    for socket in sockets {
        let host = Host::new(machine.clone(), Socket::Path(socket.clone()), timeout);
        let server = host.look(&wants).await.server;
        servers.push(ServerAt { configured: configured.as_ref() == Some(&socket), socket, server });
    }
    Seen::Known(servers)
}

/// Processes that have the lock file open for longer than a look at it takes, and do not hold it.
async fn leftovers(context: &Context, machine: &ThisMachine) -> Seen<Vec<Leftover>> {
    let lock = context.root.daemon_dir().join("daemon.lock");
    let first = match HERE.having_open(&lock) {
        Seen::Known(first) => first,
        Seen::Unknown(why) => return Seen::Unknown(why),
    };
    let holder = match current_holder(&context.root) {
        Ok(holder) => holder,
        Err(error) => return Seen::Unknown(Why::of(&error)),
    };
    // What the holder runs may have the file open from it; that is no controller.
    let is_of_the_holder = |pid: i32| match machine.find(pid) {
        Seen::Known(Some(found)) => holder == Some(pid) || holder == Some(found.parent),
        Seen::Known(None) | Seen::Unknown(_) => holder == Some(pid),
    };
    let is_other = |process: &ProcessId| !is_of_the_holder(process.pid) && process.pid != machine.own_pid();
    let mut left: Vec<ProcessId> = first.into_iter().filter(is_other).collect();
    if !left.is_empty() {
        tokio::time::sleep(A_LOOK).await;
        match HERE.having_open(&lock) {
            Seen::Known(still) => left.retain(|process| still.contains(process)),
            Seen::Unknown(why) => return Seen::Unknown(why),
        }
    }
    let arguments = |process: &ProcessId| match machine.arguments(process.pid) {
        Seen::Known(arguments) => arguments.unwrap_or_default(),
        Seen::Unknown(_) => Vec::new(),
    };
    Seen::Known(
        left.into_iter().map(|process| Leftover { arguments: arguments(&process), process }).collect(),
    )
}

async fn units(controller: &Controller, servers: &Seen<Vec<ServerAt>>) -> Units {
    let server = match servers {
        Seen::Known(servers) => servers.iter().find(|server| server.configured).map(|server| &server.server),
        Seen::Unknown(_) => None,
    };
    let server = match server {
        Some(Seen::Known(Server::Up(up))) => Some(HERE.control_group(up.id.pid)),
        _ => None,
    };
    let group = server.as_ref().and_then(|server| match server {
        Seen::Known(group) => group.as_deref(),
        Seen::Unknown(_) => None,
    });
    let kill_mode = match group.and_then(super::judge::unit) {
        Some((unit, of_the_user)) => Some(kill_mode(unit, of_the_user).await),
        None => None,
    };
    Units { controller: controller.pid().map(|pid| HERE.control_group(pid)), server, kill_mode }
}

/// Asks systemd what it kills when the unit is stopped.
async fn kill_mode(unit: &str, of_the_user: bool) -> Seen<String> {
    let mut command = Command::new("systemctl");
    command.args(of_the_user.then_some("--user")).args([
        "show",
        "--property=KillMode",
        "--value",
        "--",
        unit,
    ]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_) => Seen::unknown("systemctl does not answer"),
        Ok(Err(error)) => Seen::unknown(format!("systemctl: {error}")),
        Ok(Ok(output)) => match String::from_utf8_lossy(&output.stdout).trim() {
            "" => Seen::unknown("systemctl does not tell"),
            mode => Seen::Known(mode.to_owned()),
        },
    }
}

fn permissions(root: &Path, machine: &ThisMachine) -> Vec<Permission> {
    let of = |name: String, path: &Path, private: bool| {
        let found = std::fs::metadata(path).ok()?;
        Some(Permission { name, private, mode: found.mode() & 0o7777, owner: found.uid() })
    };
    let in_town = |name: &str, private| of(name.to_owned(), &root.join(name), private);
    let mut all: Vec<Permission> = of(root.display().to_string(), root, false).into_iter().collect();
    all.extend(in_town("town.toml", false));
    all.extend(in_town("daemon", false));
    all.extend(in_town("daemon/daemon.lock", false));
    all.extend(in_town("daemon/gtctl", true));
    for entry in std::fs::read_dir(root.join("daemon/gtctl")).into_iter().flatten().flatten() {
        all.extend(in_town(&format!("daemon/gtctl/{}", entry.file_name().to_string_lossy()), true));
    }
    let default = machine.socket_path(&Socket::new("default"));
    all.extend(default.parent().and_then(|directory| of(directory.display().to_string(), directory, false)));
    all
}
