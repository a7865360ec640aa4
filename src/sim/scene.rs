//! The town that is on stage: imagined for a test, or the user's own.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::choose::Choices;
use super::copied::CopiedTown;
use super::machine::SOCKETS;
use super::plot::{Plot, STATES};
use super::world::World;
use crate::desired::Policy;
use crate::ledger::LEDGER_FILE;
use crate::model::Address;
use crate::town::TownRoot;
use crate::town::files::town_toml::TOWN_TOML;

/// A town on stage.
#[derive(Debug, Clone)]
pub enum Scene {
    /// One that was made up.
    Imagined(Plot),
    /// One that is on a real disk.
    Copied(Box<CopiedTown>),
}

impl From<Plot> for Scene {
    fn from(plot: Plot) -> Self {
        Self::Imagined(plot)
    }
}

impl From<CopiedTown> for Scene {
    fn from(town: CopiedTown) -> Self {
        Self::Copied(Box::new(town))
    }
}

impl Scene {
    /// The town's directory.
    pub fn root(&self) -> TownRoot {
        match self {
            Self::Imagined(plot) => plot.root(),
            Self::Copied(town) => town.root().clone(),
        }
    }

    /// The path of the town's tmux socket.
    pub fn socket(&self) -> PathBuf {
        match self {
            Self::Imagined(_) => Path::new(SOCKETS).join("sim"),
            Self::Copied(town) => town.socket(),
        }
    }

    /// The path of the ledger.
    pub fn ledger(&self) -> PathBuf {
        self.root().gtctl_dir().join(LEDGER_FILE)
    }

    /// The files of the town that can be damaged.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Imagined(plot) => vec![plot.root().path().join(TOWN_TOML)],
            Self::Copied(town) => town.files(),
        }
    }

    /// Writes the files into a world that has none of them, and tells it of the programs.
    pub fn found(&self, world: &mut World) {
        match self {
            Self::Imagined(plot) => plot.found(world),
            Self::Copied(town) => town.found(world),
        }
    }

    /// Writes the files as they should be.
    pub fn write(&self, world: &mut World) {
        match self {
            Self::Imagined(plot) => plot.write(world),
            Self::Copied(town) => town.write(world),
        }
    }

    /// The numbers of the town.
    pub fn policy(&self) -> Policy {
        match self {
            Self::Imagined(plot) => plot.policy(),
            Self::Copied(town) => town.policy().clone(),
        }
    }

    /// Whether an object should not be started at that moment, by what somebody wrote.
    pub fn forbids(&self, address: &Address, at: Timestamp) -> bool {
        match self {
            Self::Imagined(plot) => plot.forbids(address),
            Self::Copied(town) => town.forbids(address, at),
        }
    }

    /// Whether an object should live at that moment; `None` if it is to be left as it is.
    pub fn wants(&self, address: &Address, at: Timestamp) -> Option<bool> {
        match self {
            Self::Imagined(plot) => plot.wants(address),
            Self::Copied(town) => town.wants(address, at),
        }
    }

    /// The objects that may ever run.
    pub fn objects(&self) -> Vec<Address> {
        match self {
            Self::Imagined(plot) => plot.objects().into_keys().collect(),
            Self::Copied(town) => town.objects(),
        }
    }

    /// The name of an object's session.
    pub fn name_of(&self, address: &Address) -> String {
        match (self, address) {
            (Self::Copied(town), _) => town.name_of(address),
            (Self::Imagined(_), Address::Session(name)) => name.to_string(),
            (Self::Imagined(_), other) => format!("gt-{}", other.to_string().replace('/', "-")),
        }
    }

    /// The programs of its agents.
    pub fn programs(&self) -> Vec<String> {
        match self {
            Self::Imagined(plot) => plot.programs(),
            Self::Copied(town) => town.programs(),
        }
    }

    /// Somebody stops the town, or ends the stop.
    pub fn toggle_estop(&mut self) {
        match self {
            Self::Imagined(plot) => plot.estop = !plot.estop,
            Self::Copied(town) => town.estop = !town.estop,
        }
    }

    /// Somebody parks a rig, or makes it active again; `None` if there is none.
    pub fn edit_a_rig(&mut self, choices: &mut Choices) -> Option<()> {
        match self {
            Self::Imagined(plot) => {
                let count = u32::try_from(plot.rigs.len()).unwrap_or(0);
                let rig = plot.rigs.get_mut(choices.below(count) as usize)?;
                rig.state = choices.pick(&STATES).copied().unwrap_or("active");
                Some(())
            }
            Self::Copied(town) => town.park_or_unpark(choices),
        }
    }

    /// Somebody edits how a session is started; `None` if there is none, and nothing that the user has written is edited.
    pub fn change_a_spec(&mut self, choices: &mut Choices) -> Option<()> {
        match self {
            Self::Imagined(plot) => {
                let count = u32::try_from(plot.sessions.len()).unwrap_or(0);
                plot.sessions.get_mut(choices.below(count) as usize)?.generation += 1;
                Some(())
            }
            Self::Copied(_) => None,
        }
    }
}
