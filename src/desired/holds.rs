//! Holds: reasons not to act on an object, each with the file that gives it. Every layer can hold, none can lift another's hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Address, Name, Origin, Reason, Role, Seen, Why, excerpt, printable, some_of};
use crate::town::files::daemon::Patrol;
use crate::town::files::stops::Stop;
use crate::town::files::town_toml::RigState;
use crate::town::files::wisp::{AutoRestart, WispStatus};
use crate::town::files::{TownFiles, rigs::RigsFile};

/// What a hold says. Ordered by strictness; the strictest one counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldKind {
    /// Start nothing: the role, the object or its patrol is off.
    Disabled,
    /// Start nothing: restarts are off.
    NoRestart,
    /// Rest: witness and refinery stop.
    Parked,
    /// Rest for long: polecats are drained too.
    Docked,
    /// Somebody, named here, stopped it: it stops and stays down until somebody starts it. No file says that, the ledger does.
    Stopped(String),
    /// A file that could hold it cannot be read: touch nothing.
    Unreadable(Why),
    /// Touch nothing.
    Frozen,
}

/// A hold and who gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hold {
    /// What it says.
    pub kind: HoldKind,
    /// Who says so.
    pub origin: Origin,
    /// Why, in words, if they are given.
    pub note: Option<String>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// A hold without note and end.
    pub fn new(kind: HoldKind, origin: Origin) -> Self {
        Self { kind, origin, note: None, until: None }
    }

    /// That a file which would decide cannot be read.
    pub fn unread(why: &Why, file: impl Into<String>) -> Self {
        Self::new(HoldKind::Unreadable(why.clone()), Origin::File(file.into()))
    }

    /// Whether it still holds at that moment.
    pub fn is_active(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }

    /// The reason that a plan gives for it.
    pub fn reason(&self) -> Reason {
        match &self.kind {
            HoldKind::Disabled => Reason::Disabled,
            HoldKind::NoRestart => Reason::NoRestart,
            HoldKind::Parked => Reason::Parked,
            HoldKind::Docked => Reason::Docked,
            HoldKind::Stopped(by) => Reason::Stopped { by: by.clone() },
            HoldKind::Unreadable(why) => Reason::LayerUnreadable { why: why.clone() },
            HoldKind::Frozen => Reason::Frozen,
        }
    }
}

/// A longer reason is cut: every object of the rig or the town keeps a copy.
const NOTE_LENGTH_MAX: usize = 500;

fn note(reason: &str) -> String {
    printable(&excerpt(reason, NOTE_LENGTH_MAX)).into_owned()
}

/// The holds of all layers but `enabled`, which the recipe's reader knows.
pub fn of_layers(files: &TownFiles, address: &Address) -> Vec<Hold> {
    let mut holds = Vec::new();
    stops(files, &mut holds);
    patrol(files, address, &mut holds);
    if let Some(rig) = address.rig() {
        rig_stop(files, rig, &mut holds);
        rig_table(files, rig, &mut holds);
        wisp(files, rig, &mut holds);
    }
    holds
}

fn stops(files: &TownFiles, holds: &mut Vec<Hold>) {
    push_stop(&files.stops.town, "ESTOP", holds);
    match &files.stops.shutdown {
        Seen::Known(false) => {}
        Seen::Known(true) => {
            let mut hold = Hold::new(HoldKind::Frozen, Origin::File("daemon/shutdown.lock".to_owned()));
            hold.note = Some("`gt down` holds it".to_owned());
            holds.push(hold);
        }
        Seen::Unknown(why) => {
            holds.push(Hold::new(
                HoldKind::Unreadable(why.clone()),
                Origin::File("daemon/shutdown.lock".to_owned()),
            ));
        }
    }
}

/// The stops of single rigs.
pub fn frozen_rigs(files: &TownFiles) -> BTreeMap<Name, Hold> {
    let hold = |rig: &Name| {
        let mut holds = Vec::new();
        rig_stop(files, rig, &mut holds);
        holds.pop().map(|hold| (rig.clone(), hold))
    };
    files.stops.rigs.keys().filter_map(hold).collect()
}

fn rig_stop(files: &TownFiles, rig: &Name, holds: &mut Vec<Hold>) {
    if let Some(stop) = files.stops.rigs.get(rig) {
        push_stop(stop, &format!("ESTOP.{rig}"), holds);
    }
}

fn push_stop(stop: &Seen<Option<Stop>>, file: &str, holds: &mut Vec<Hold>) {
    match stop {
        Seen::Known(None) => {}
        Seen::Known(Some(stop)) => {
            let mut hold = Hold::new(HoldKind::Frozen, Origin::File(stop.file.clone()));
            hold.note = stop.reason.as_deref().map(note);
            holds.push(hold);
        }
        Seen::Unknown(why) => holds.push(Hold::unread(why, file)),
    }
}

/// gt's patrols: deacon, witness and refinery can be off, or on for some rigs only.
fn patrol(files: &TownFiles, address: &Address, holds: &mut Vec<Hold>) {
    let name = match address.role() {
        Role::Deacon | Role::Witness | Role::Refinery => address.role().as_str(),
        // Who looks after the deacon has nothing to look after.
        Role::Boot => Role::Deacon.as_str(),
        Role::Mayor | Role::Polecat | Role::Crew | Role::Session => return,
    };
    if let Some(off) = files.disabled_patrols.patrols.iter().find(|patrol| patrol.name == name) {
        holds.push(Hold::new(HoldKind::Disabled, Origin::At(off.position.clone())));
    }
    if let Some(why) = &files.disabled_patrols.unread {
        holds.push(Hold::new(
            HoldKind::Unreadable(why.clone()),
            Origin::File("settings/config.json".to_owned()),
        ));
    }
    let Patrol { enabled, rigs, position } = files.patrol(name);
    let origin = position.clone().map_or_else(|| Origin::File("mayor/daemon.json".to_owned()), Origin::At);
    if !*enabled {
        holds.push(Hold::new(HoldKind::Disabled, origin));
    } else if let (Some(rigs), Some(rig)) = (rigs, address.rig())
        && !rigs.contains(rig.as_str())
    {
        let mut hold = Hold::new(HoldKind::Disabled, origin);
        hold.note = Some(note(&format!("the patrol lists {} only", some_of(rigs))));
        holds.push(hold);
    }
}

/// `[rigs.<name>]` of town.toml.
fn rig_table(files: &TownFiles, rig: &Name, holds: &mut Vec<Hold>) {
    let Some(town) = &files.town else { return };
    let Some(table) = town.toml.rigs.get(rig.as_str()) else { return };
    let at = |key| {
        let found = town.positions.nearest(&["rigs", rig.as_str(), key]).cloned();
        found.map_or_else(|| Origin::File("town.toml".to_owned()), Origin::At)
    };
    let kind = match table.state {
        RigState::Active => None,
        RigState::Parked => Some(HoldKind::Parked),
        RigState::Docked => Some(HoldKind::Docked),
    };
    if let Some(kind) = kind {
        holds.push(Hold {
            kind,
            origin: at("state"),
            note: table.reason.as_deref().map(note),
            until: table.until,
        });
    }
    if table.auto_restart == Some(false) {
        holds.push(Hold::new(HoldKind::NoRestart, at("auto-restart")));
    }
}

/// gt's local layer.
fn wisp(files: &TownFiles, rig: &Name, holds: &mut Vec<Hold>) {
    let file = format!(".beads-wisp/config/{rig}.json");
    let wisp = match files.wisps.get(rig) {
        None | Some(Seen::Known(None)) => return,
        Some(Seen::Unknown(why)) => {
            holds.push(Hold::unread(why, file));
            return;
        }
        Some(Seen::Known(Some(wisp))) => wisp,
    };
    let at = |position: &Option<crate::model::Position>| {
        position.clone().map_or_else(|| Origin::File(file.clone()), Origin::At)
    };
    match wisp.status {
        WispStatus::Active => {}
        WispStatus::Parked => holds.push(Hold::new(HoldKind::Parked, at(&wisp.status_position))),
        WispStatus::Docked => holds.push(Hold::new(HoldKind::Docked, at(&wisp.status_position))),
    }
    match wisp.auto_restart {
        AutoRestart::Yes => {}
        AutoRestart::No => holds.push(Hold::new(HoldKind::NoRestart, at(&wisp.auto_restart_position))),
        AutoRestart::Blocked => {
            let mut hold = Hold::new(HoldKind::NoRestart, at(&wisp.auto_restart_position));
            hold.note = Some("auto_restart is blocked".to_owned());
            holds.push(hold);
        }
    }
}

/// The prefix that a rig's sessions have: `mayor/rigs.json` first, then town.toml.
pub fn prefix_of(files: &TownFiles, rig: &Name) -> Option<Name> {
    let listed = |rigs: &RigsFile| rigs.rigs.get(rig).and_then(|entry| entry.prefix.clone());
    files.rigs.as_ref().and_then(listed).or_else(|| {
        let table = files.town.as_ref()?.toml.rigs.get(rig.as_str())?;
        Name::parse(table.prefix.as_deref()?).ok()
    })
}
