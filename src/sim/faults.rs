//! What `gtctl simulate` can do to a town: one table, in the words of its users.

use super::check::Violation;
use super::fate::{Blow, Odds, Script};
use super::mishap::{Mishap, by_hand};
use super::scene::Scene;
use super::stage::Stage;
use crate::model::Address;

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What it is called.
    pub name: &'static str,
    /// What happens.
    pub text: &'static str,
    strike: Strike,
    /// Who ends it: nobody but gtctl, or a person or time after a while.
    pub lasts: bool,
    /// Whether an agent dies with it: a fault that nobody is in the way of shows nothing.
    dies: bool,
}

/// How a fault strikes.
#[derive(Debug, Clone, Copy)]
enum Strike {
    /// It is one of the simulated world's.
    World(Mishap),
    /// Notices of deaths get lost.
    Deaf,
    /// The controller dies at some moment of what it does next.
    Controller,
    /// An answer, or a command, that comes next gets lost.
    Blow(Blow),
    /// For a while things go wrong again and again.
    Odds(fn(&mut Odds)),
    /// The ledger is torn while no controller runs.
    Ledger,
    /// A session ends, and a person or gt takes its name at once.
    Name {
        /// Whether it is gt.
        by_gt: bool,
    },
}

/// How often something goes wrong while it does: every second time.
const OFTEN: u32 = 2;

/// Within so many of a controller's next effects falls a blow that is struck: a look, a ledger, a start, a look.
const EFFECTS: u32 = 6;

const fn at_once(name: &'static str, text: &'static str, strike: Strike) -> Fault {
    Fault { name, text, strike, lasts: false, dies: false }
}

const fn with_a_death(name: &'static str, text: &'static str, strike: Strike) -> Fault {
    Fault { name, text, strike, lasts: false, dies: true }
}

const fn for_a_while(name: &'static str, text: &'static str, strike: Strike) -> Fault {
    Fault { name, text, strike, lasts: true, dies: true }
}

/// All kinds, in the order in which they are tried.
pub const FAULTS: &[Fault] = &[
    at_once("agent-dies", "an agent ends, in any way", Strike::World(Mishap::AgentEnds)),
    at_once("all-agents-die", "all agents end at once", Strike::World(Mishap::AllAgentsEnd)),
    at_once("session-killed-by-hand", "somebody kills a session", Strike::World(Mishap::SessionKilled)),
    at_once("session-renamed", "somebody renames a session", Strike::World(Mishap::SessionRenamed)),
    Fault {
        name: "name-taken",
        text: "somebody ends a session and uses its name, until they close it",
        strike: Strike::Name { by_gt: false },
        lasts: true,
        dies: false,
    },
    at_once(
        "started-by-gt",
        "gt starts a witness or refinery before gtctl does",
        Strike::Name { by_gt: true },
    ),
    at_once("server-killed", "the tmux server is killed", Strike::World(Mishap::ServerKilled)),
    for_a_while(
        "server-hangs",
        "the tmux server stops answering, until it is let go on; an agent dies meanwhile",
        Strike::World(Mishap::ServerStopped),
    ),
    for_a_while(
        "socket-lost",
        "the file of tmux's socket is removed, until it is brought back; an agent dies meanwhile",
        Strike::World(Mishap::SocketRemoved),
    ),
    with_a_death("status-lost", "tmux is not told how an agent ended", Strike::World(Mishap::NoticesLost)),
    with_a_death("death-unnoticed", "an agent ends, and gtctl gets no notice of it", Strike::Deaf),
    with_a_death(
        "controller-dies",
        "the controller is killed while it restarts an agent",
        Strike::Controller,
    ),
    with_a_death(
        "reply-lost",
        "tmux restarts an agent, and its answer is lost",
        Strike::Blow(Blow::LosesAnswer),
    ),
    with_a_death(
        "command-lost",
        "tmux is to restart an agent, and the command is lost",
        Strike::Blow(Blow::LosesCommand),
    ),
    for_a_while(
        "tmux-slow",
        "tmux answers late, for a while; an agent dies meanwhile",
        Strike::Odds(|odds| odds.slow = OFTEN),
    ),
    for_a_while(
        "tmux-refuses",
        "tmux refuses what it is asked, for a while; an agent dies meanwhile",
        Strike::Odds(|odds| odds.refused = OFTEN),
    ),
    for_a_while(
        "reply-cut",
        "tmux's answers break off, for a while; an agent dies meanwhile",
        Strike::Odds(|odds| odds.garbled = OFTEN),
    ),
    for_a_while(
        "proc-unreadable",
        "/proc cannot be read, for a while; an agent dies meanwhile",
        Strike::Odds(|odds| odds.blind = OFTEN),
    ),
    Fault {
        name: "files-torn",
        text: "a file of the town is torn, emptied or gone, until it is restored",
        strike: Strike::World(Mishap::FileDamaged),
        lasts: true,
        dies: false,
    },
    for_a_while(
        "disk-full",
        "the disk is full, until there is room; an agent dies meanwhile",
        Strike::World(Mishap::DiskFull),
    ),
    for_a_while(
        "ledger-torn",
        "gtctl's ledger is torn and the controller starts anew, until the ledger is put away",
        Strike::Ledger,
    ),
    for_a_while(
        "program-missing",
        "the program of agents is gone, until it is back; an agent dies meanwhile",
        Strike::World(Mishap::PlaceGone),
    ),
    for_a_while(
        "estop",
        "somebody stops the town with ESTOP, until it is removed; an agent dies meanwhile",
        Strike::World(Mishap::Estop),
    ),
    Fault {
        name: "rig-parked",
        text: "somebody parks a rig in town.toml, and unparks it",
        strike: Strike::World(Mishap::RigEdited),
        lasts: true,
        dies: false,
    },
    with_a_death("suspend", "the machine sleeps, and an agent dies", Strike::World(Mishap::Suspended)),
    with_a_death("clock-set", "the clock is set, and an agent dies", Strike::World(Mishap::WallClockSet)),
    at_once("reboot", "the machine is started again", Strike::World(Mishap::Rebooted)),
];

/// The fault of that name.
pub fn named(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

impl Fault {
    /// Lets it strike; whether there was anything to strike.
    pub(super) fn strike(&self, stage: &mut Stage) -> Result<bool, Violation> {
        let struck = match self.strike {
            Strike::World(mishap) => befalls(stage, mishap)?,
            Strike::Deaf => {
                // Each notice gets lost.
                stage.deafness = 1;
                true
            }
            Strike::Controller => {
                let what = if stage.shared().fates.one_in(2) { Blow::DiesAfter } else { Blow::DiesBefore };
                blow(stage, what)
            }
            Strike::Blow(what) => blow(stage, what),
            Strike::Odds(set) => {
                set(&mut stage.shared().fates.odds);
                true
            }
            Strike::Ledger => {
                let struck = befalls(stage, Mishap::LedgerTorn)?;
                for keeper in &stage.keepers {
                    stage.shared().fates.kill(keeper.pid);
                }
                struck
            }
            Strike::Name { by_gt } => takes_a_name(stage, by_gt),
        };
        if struck && matches!(self.strike, Strike::World(Mishap::FileDamaged)) {
            // What the damaged file says counts for whoever reads it, and later nobody can tell which numbers a wait came from.
            stage.checker.excuse_all();
        }
        if !struck || !self.dies {
            return Ok(struck);
        }
        let died = befalls(stage, Mishap::AgentEnds)?;
        if matches!(self.strike, Strike::Deaf) {
            stage.deafness = 0;
            return Ok(died);
        }
        Ok(true)
    }

    /// A person or time ends it.
    pub(super) fn end(&self, stage: &mut Stage) {
        if let Scene::Copied(town) = &mut stage.plot {
            town.undo();
        }
        stage.heal();
        if matches!(self.strike, Strike::World(Mishap::FileDamaged)) {
            stage.checker.excuse_all();
        }
    }
}

fn befalls(stage: &mut Stage, mishap: Mishap) -> Result<bool, Violation> {
    let struck = |stage: &Stage| stage.shared().fates.tally.get(mishap.name()).copied();
    let before = struck(stage);
    stage.befalls(mishap)?;
    Ok(struck(stage) != before)
}

/// Something happens at one of the next things that a controller does.
fn blow(stage: &mut Stage, what: Blow) -> bool {
    let mut shared = stage.shared();
    let at = shared.fates.effects + u64::from(shared.fates.below(EFFECTS));
    shared.fates.script = Some(Script { at, what });
    true
}

/// A session ends by hand, and somebody else has its name before gtctl can do anything.
fn takes_a_name(stage: &mut Stage, by_gt: bool) -> bool {
    let socket = stage.plot.socket();
    let is_meant = |one: &Address| !by_gt || matches!(one, Address::Witness(_) | Address::Refinery(_));
    let struck = {
        let mut shared = stage.shared();
        let lives: Vec<Address> =
            shared.world.lives().map(|(address, ..)| address.clone()).filter(is_meant).collect();
        let Some(choices) = &mut shared.fates.choices else { return false };
        let Some(address) = choices.pick(&lives).cloned() else { return false };
        let name = stage.plot.name_of(&address);
        let target = format!("={name}");
        let ended = by_hand(&mut shared.world, &socket, &["kill-session", "-t", &target]);
        ended.is_some()
            && if by_gt {
                super::mishap::started_by_gt(&mut shared.world, &stage.plot, &address).is_some()
            } else {
                let new = ["new-session", "-d", "-s", &name, "--", "/bin/mine", "own"];
                by_hand(&mut shared.world, &socket, &new).is_some()
            }
    };
    stage.listen();
    struck
}
