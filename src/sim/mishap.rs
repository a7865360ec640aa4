//! What befalls a simulated world: people, agents, gt, tmux, the disk and the clock, each doing something at a bad moment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::choose::Choices;
use super::disk::File;
use super::plot::ROOT;
use super::scene::Scene;
use super::world::{Actor, World};
use crate::ledger::LEDGER_FILE;
use crate::model::{Address, Exit, ProcessId};

/// Kinds of mishaps. Each knows its number in the table of faults (tests/RELIABILITY.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// An agent ends.
    AgentEnds,
    /// All agents end at once.
    AllAgentsEnd,
    /// The tmux server is killed.
    ServerKilled,
    /// The tmux server is stopped, or goes on.
    ServerStopped,
    /// The socket's file is removed.
    SocketRemoved,
    /// tmux loses the notices of its children's ends, or stops losing them.
    NoticesLost,
    /// A person kills a session.
    SessionKilled,
    /// A person kills a pane.
    PaneKilled,
    /// A person renames a session.
    SessionRenamed,
    /// A person splits an agent's window.
    WindowSplit,
    /// A person attaches to a session, or leaves it.
    Attached,
    /// A person removes a session's label.
    LabelRemoved,
    /// A person starts something under the name of one of our sessions.
    NameTaken,
    /// A person starts something under another name.
    StrangerStarted,
    /// gt starts a session of the town by itself.
    StartedByGt,
    /// The machine sleeps.
    Suspended,
    /// The wall clock is set.
    WallClockSet,
    /// The machine is started again.
    Rebooted,
    /// A file of the town is torn, emptied, removed, forbidden, or a directory.
    FileDamaged,
    /// The files are as they should be again.
    FilesRestored,
    /// The disk is full, or has room again.
    DiskFull,
    /// The ledger is torn.
    LedgerTorn,
    /// The ledger is that of another version.
    LedgerOfOtherVersion,
    /// A rig is parked, docked or made active.
    RigEdited,
    /// The town is stopped, or goes on.
    Estop,
    /// A session's spec is changed.
    SpecChanged,
    /// A directory or a program is gone, or back.
    PlaceGone,
}

/// All kinds.
pub const MISHAPS: [Mishap; 27] = [
    Mishap::AgentEnds,
    Mishap::AllAgentsEnd,
    Mishap::ServerKilled,
    Mishap::ServerStopped,
    Mishap::SocketRemoved,
    Mishap::NoticesLost,
    Mishap::SessionKilled,
    Mishap::PaneKilled,
    Mishap::SessionRenamed,
    Mishap::WindowSplit,
    Mishap::Attached,
    Mishap::LabelRemoved,
    Mishap::NameTaken,
    Mishap::StrangerStarted,
    Mishap::StartedByGt,
    Mishap::Suspended,
    Mishap::WallClockSet,
    Mishap::Rebooted,
    Mishap::FileDamaged,
    Mishap::FilesRestored,
    Mishap::DiskFull,
    Mishap::LedgerTorn,
    Mishap::LedgerOfOtherVersion,
    Mishap::RigEdited,
    Mishap::Estop,
    Mishap::SpecChanged,
    Mishap::PlaceGone,
];

/// Whom a mishap concerns besides the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nobody.
    None,
    /// The files have changed: who watches them reads them.
    FilesChanged,
    /// Every controller is gone.
    ControllersGone,
    /// The clock has been changed: what is counted over time is not comparable any more.
    ClockChanged,
}

impl Mishap {
    /// Its number and what it is, for counting.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentEnds => "F14 an agent ends",
            Self::AllAgentsEnd => "F22 all agents end at once",
            Self::ServerKilled => "F8 the tmux server is killed",
            Self::ServerStopped => "F9 the tmux server is stopped or goes on",
            Self::SocketRemoved => "F10 the socket's file is removed",
            Self::NoticesLost => "F11 tmux loses notices, or ceases to",
            Self::SessionKilled => "F12 a session is killed by hand",
            Self::PaneKilled => "F12 a pane is killed by hand",
            Self::SessionRenamed => "F12 a session is renamed",
            Self::WindowSplit => "F12 a window is split",
            Self::Attached => "F12 somebody attaches or leaves",
            Self::LabelRemoved => "F12 a label is removed",
            Self::NameTaken => "F13 a name is taken by somebody else",
            Self::StrangerStarted => "F13 a session of somebody else",
            Self::StartedByGt => "F19 gt starts a session",
            Self::Suspended => "F16 the machine sleeps",
            Self::WallClockSet => "F16 the wall clock is set",
            Self::Rebooted => "F16 the machine is rebooted",
            Self::FileDamaged => "F17 a file is damaged",
            Self::FilesRestored => "F17 the files are restored",
            Self::DiskFull => "F18 the disk is full, or has room again",
            Self::LedgerTorn => "F18 the ledger is torn",
            Self::LedgerOfOtherVersion => "F21 the ledger is of another version",
            Self::RigEdited => "a rig is parked, docked or made active",
            Self::Estop => "the town is stopped or goes on",
            Self::SpecChanged => "a spec is changed",
            Self::PlaceGone => "F20 a directory or program is gone or back",
        }
    }

    /// Lets it happen; `None` if there was nothing for it to happen to.
    pub fn strike(self, world: &mut World, plot: &mut Scene, choices: &mut Choices) -> Option<Consequence> {
        let socket = &plot.socket();
        match self {
            Self::AgentEnds => {
                let lives: Vec<ProcessId> = world.lives().map(|(_, id, _)| id).collect();
                let id = *choices.pick(&lives)?;
                world.end(id, any_exit(choices));
            }
            Self::AllAgentsEnd => {
                let lives: Vec<ProcessId> = world.lives().map(|(_, id, _)| id).collect();
                lives.first()?;
                for id in lives {
                    world.end(id, Exit::Signal(9));
                }
            }
            Self::ServerKilled => {
                let server = some_server(world, choices)?;
                world.kill_server(server);
            }
            Self::ServerStopped => {
                let server = some_server(world, choices)?;
                world.processes.set_stopped(server, !world.processes.is_stopped(server));
            }
            Self::SocketRemoved => {
                let server = some_server(world, choices)?;
                world.tmux.remove_socket_file(server);
            }
            Self::NoticesLost => {
                let server = some_server(world, choices)?;
                world.tmux.set_loses_notices(server, !world.tmux.loses_notices(server));
            }
            Self::SessionKilled => {
                let session = some_session(world, socket, choices)?;
                by_hand(world, socket, &["kill-session", "-t", &session])?;
            }
            Self::PaneKilled => {
                let pane = some_pane(world, socket, choices)?;
                by_hand(world, socket, &["kill-pane", "-t", &pane])?;
            }
            Self::SessionRenamed => {
                let session = some_session(world, socket, choices)?;
                let name = format!("mine-{}", world.drawn);
                by_hand(world, socket, &["rename-session", "-t", &session, &name])?;
            }
            Self::WindowSplit => {
                let pane = some_pane(world, socket, choices)?;
                by_hand(world, socket, &["split-window", "-d", "-t", &pane, "--", "/bin/editor", "notes"])?;
            }
            Self::Attached => {
                let session = some_session(world, socket, choices)?;
                world.tmux.toggle_attached(&world.processes, &socket.display().to_string(), &session);
            }
            Self::LabelRemoved => {
                let session = some_session(world, socket, choices)?;
                by_hand(world, socket, &["set-option", "-u", "-t", &session, "@gtctl"])?;
            }
            Self::NameTaken => {
                let names: Vec<String> = plot.objects().iter().map(|one| plot.name_of(one)).collect();
                let name = choices.pick(&names)?.clone();
                by_hand(world, socket, &["new-session", "-d", "-s", &name, "--", "/bin/mine", "own"])?;
            }
            Self::StrangerStarted => {
                let name = format!("dotfiles-{}", world.drawn);
                by_hand(world, socket, &["new-session", "-d", "-s", &name, "--", "/bin/mine", "own"])?;
            }
            Self::StartedByGt => {
                let objects: Vec<Address> = plot.objects().into_iter().filter(is_of_gt).collect();
                let address = choices.pick(&objects)?.clone();
                started_by_gt(world, plot, &address)?;
            }
            Self::Suspended => {
                let length = Duration::from_secs(u64::from(choices.below(3)) * 600 + 60);
                world.pass(length);
                world.clock.slept(length);
                return Some(Consequence::ClockChanged);
            }
            Self::WallClockSet => {
                let hours = [1, -1, 24 * 365, -24 * 365];
                let hours = choices.pick(&hours).copied().unwrap_or(1);
                world.clock.set_wall(SignedDuration::from_hours(hours));
                return Some(Consequence::ClockChanged);
            }
            Self::Rebooted => {
                world.reboot();
                return Some(Consequence::ControllersGone);
            }
            Self::FileDamaged => {
                let file = choices.pick(&plot.files())?.clone();
                damage(world, &file, choices);
                return Some(Consequence::FilesChanged);
            }
            Self::FilesRestored => {
                plot.write(world);
                return Some(Consequence::FilesChanged);
            }
            Self::DiskFull => world.disk.full = !world.disk.full,
            Self::LedgerTorn => {
                let path = plot.ledger();
                let File::Bytes(bytes) = world.disk.get(&path)?.clone() else { return None };
                let length = choices.below(u32::try_from(bytes.len()).unwrap_or(1)) as usize;
                world.disk.put(path, bytes.get(..length).unwrap_or_default());
            }
            Self::LedgerOfOtherVersion => {
                world.disk.get(&plot.ledger())?;
                world.disk.put(plot.ledger(), "{\"version\":2}");
            }
            Self::RigEdited => {
                plot.edit_a_rig(choices)?;
                plot.write(world);
                return Some(Consequence::FilesChanged);
            }
            Self::Estop => {
                plot.toggle_estop();
                plot.write(world);
                return Some(Consequence::FilesChanged);
            }
            Self::SpecChanged => {
                plot.change_a_spec(choices)?;
                plot.write(world);
                return Some(Consequence::FilesChanged);
            }
            Self::PlaceGone => {
                let programs = plot.programs();
                let program = choices.pick(&programs)?.clone();
                if !world.missing_programs.remove(&program) {
                    world.missing_programs.insert(program);
                }
            }
        }
        Some(Consequence::None)
    }
}

/// The path of an imagined town's ledger.
pub fn ledger() -> PathBuf {
    Path::new(ROOT).join("daemon/gtctl").join(LEDGER_FILE)
}

fn any_exit(choices: &mut Choices) -> Exit {
    let exits = [Exit::Code(1), Exit::Code(0), Exit::Signal(9), Exit::Signal(15)];
    choices.pick(&exits).copied().unwrap_or(Exit::Code(1))
}

fn some_server(world: &World, choices: &mut Choices) -> Option<ProcessId> {
    let servers: Vec<ProcessId> = world.tmux.servers().collect();
    choices.pick(&servers).copied()
}

fn some_session(world: &World, socket: &Path, choices: &mut Choices) -> Option<String> {
    let sessions: Vec<String> = world.tmux.sessions_at(&world.processes, &socket.display().to_string());
    choices.pick(&sessions).cloned()
}

fn some_pane(world: &World, socket: &Path, choices: &mut Choices) -> Option<String> {
    let panes: Vec<String> = world.tmux.panes_at(&world.processes, &socket.display().to_string());
    choices.pick(&panes).cloned()
}

/// A person, or gt, runs a tmux client; `None` if tmux refuses.
pub(super) fn by_hand(world: &mut World, socket: &Path, arguments: &[&str]) -> Option<()> {
    world.drawn += 1;
    if world.hangs(socket) {
        return None;
    }
    let (reply, _) = world.tmux(socket, arguments, None);
    (reply.code == Some(0)).then_some(())
}

/// Whether gt would start it by itself.
fn is_of_gt(address: &Address) -> bool {
    matches!(address, Address::Witness(_) | Address::Refinery(_))
}

/// gt starts a witness or refinery as it does, with what tells in its environment that it is ours.
pub(super) fn started_by_gt(world: &mut World, plot: &Scene, address: &Address) -> Option<()> {
    let (rig, role, root) = (address.rig()?.as_str(), address.role().as_str(), plot.root());
    let root = root.path().display();
    let variables = [format!("GT_ROOT={root}"), format!("GT_ROLE={rig}/{role}"), format!("GT_RIG={rig}")];
    let name = plot.name_of(address);
    let mut arguments = vec!["new-session", "-d", "-s", &name];
    for variable in &variables {
        arguments.extend(["-e", variable]);
    }
    arguments.extend(["--", "/bin/ok", "gt"]);
    let actor = std::mem::replace(&mut world.actor, Actor::Gt);
    let started = by_hand(world, &plot.socket(), &arguments);
    world.actor = actor;
    started
}

fn damage(world: &mut World, path: &Path, choices: &mut Choices) {
    let bytes = match world.disk.get(path) {
        Some(File::Bytes(bytes) | File::Forbidden(bytes)) => bytes.clone(),
        Some(File::Directory) | None => Vec::new(),
    };
    match choices.below(5) {
        0 => {
            let length = choices.below(u32::try_from(bytes.len()).unwrap_or(1)) as usize;
            world.disk.put(path, bytes.get(..length).unwrap_or_default());
        }
        1 => world.disk.put(path, ""),
        2 => world.disk.put_file(path, File::Forbidden(bytes)),
        3 => world.disk.put_file(path, File::Directory),
        _ => {
            world.disk.remove(path);
        }
    }
}
