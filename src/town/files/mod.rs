//! The files of a town, each read with the place of everything in it. What they mean together is decided elsewhere.

pub mod accounts;
pub mod agents;
mod check;
pub mod daemon;
pub mod dolt;
pub mod hooks;
mod json;
mod lenient;
pub mod polecats;
pub mod rigs;
pub mod roles;
pub mod start_command;
pub mod stops;
pub mod town_toml;
pub mod wisp;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use accounts::ACCOUNTS_JSON;
pub use agents::{AgentSettings, CustomAgent, Layer, Said, Starts};
pub use daemon::{DaemonFile, DisabledPatrol, DisabledPatrols, Patrol};
pub use polecats::Polecats;
pub use rigs::{RigEntry, RigsFile};
pub use stops::{Stop, Stops};
pub use town_toml::Town;
pub use wisp::{AutoRestart, Wisp, WispStatus};

use super::closest::closest;
use super::diagnostic::{Diagnostic, Label};
use super::locate::TownRoot;
use crate::machine::Disk;
use crate::model::{Name, Seen};

/// Everything that the files of a town say.
#[derive(Debug, Clone, PartialEq)]
pub struct TownFiles {
    /// The town.
    pub root: TownRoot,
    /// Whether gt made this town; otherwise `town.toml` is all there is.
    pub workspace: bool,
    /// Whether gt has made a place for boot, the agent that looks after the deacon: `deacon/dogs/boot`.
    pub boot: bool,
    /// `town.toml`; `None` if there is none.
    pub town: Option<Town>,
    /// `mayor/rigs.json`; `None` if there is none.
    pub rigs: Option<RigsFile>,
    /// `mayor/daemon.json`; `None` if there is none. [`TownFiles::patrol`] answers either way.
    pub daemon: Option<DaemonFile>,
    /// `disabled_patrols` of `settings/config.json`.
    pub disabled_patrols: DisabledPatrols,
    /// The wisp config of each rig that any file names.
    pub wisps: BTreeMap<Name, Seen<Option<Wisp>>>,
    /// The polecats of each rig that has any; none outside of a Gas Town.
    pub polecats: BTreeMap<Name, Polecats>,
    /// What freezes the town or a rig.
    pub stops: Stops,
    /// What gt's own files say of how agents are started.
    pub starts: Starts,
    /// What is not wrong but has no effect, or a surprising one.
    pub warnings: Vec<Diagnostic>,
}

/// Reads all files of a town, or tells every mistake in all of them.
///
/// A wisp config or a stop that cannot be read fails nothing: it is unknown, and holds back its rig alone.
pub fn read_all(disk: &dyn Disk, root: &TownRoot) -> Result<TownFiles, Vec<Diagnostic>> {
    reread_all(disk, root, None)
}

/// As [`read_all`], for one who has read them before.
pub fn reread_all(
    disk: &dyn Disk,
    root: &TownRoot,
    before: Option<&TownFiles>,
) -> Result<TownFiles, Vec<Diagnostic>> {
    let (polecats_before, before) =
        (before.map(|files| &files.polecats), before.and_then(|files| files.town.as_ref()));
    let mut mistakes = Vec::new();
    let town = kept(town_toml::read_town_toml(disk, root.path(), before), &mut mistakes);
    let rigs = kept(rigs::read_rigs(disk, root.path()), &mut mistakes);
    let daemon = kept(daemon::read_daemon(disk, root.path()), &mut mistakes);
    let workspace = has_directory(disk, root, "mayor", &mut mistakes);
    let boot = has_directory(disk, root, "deacon/dogs/boot", &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (disabled_patrols, mut warnings) = daemon::read_disabled_patrols(disk, root.path());
    warnings.extend(strangers(town.as_ref(), rigs.as_ref()));
    let mut named = rig_tables(town.as_ref());
    named.extend(rigs.iter().flat_map(|file| file.rigs.keys().cloned()));
    named.extend(stops::stopped_rigs(disk, root.path()));
    let wisps = named.iter().map(|rig| (rig.clone(), wisp::read_wisp(disk, root.path(), rig))).collect();
    let stops = stops::read_stops(disk, root.path(), &named);
    let starts = read_starts(disk, root.path(), &named, &mut warnings);
    let mut files = TownFiles {
        root: root.clone(),
        workspace,
        boot,
        town,
        rigs,
        daemon,
        disabled_patrols,
        wisps,
        polecats: BTreeMap::new(),
        stops,
        starts,
        warnings,
    };
    if workspace {
        let rigs = files.rig_names();
        files.polecats =
            polecats::read_polecats(disk, root.path(), &rigs, polecats_before, &mut files.warnings);
    }
    Ok(files)
}

/// Reads what gt's files say of how agents are started; what is wrong with them is a warning.
fn read_starts(
    disk: &dyn Disk,
    root: &Path,
    rigs: &BTreeSet<Name>,
    warnings: &mut Vec<Diagnostic>,
) -> Starts {
    let mut layer = |rig: Option<&Name>| {
        let (layer, found) = agents::read_layer(disk, root, rig);
        for one in found {
            // The town's settings are read for their patrols as well.
            if !warnings.iter().any(|told| (&told.title, &told.labels) == (&one.title, &one.labels)) {
                warnings.push(one);
            }
        }
        layer
    };
    let mut town = layer(None);
    let of_rigs = rigs.iter().map(|rig| (rig.clone(), layer(Some(rig))));
    let rigs = of_rigs.filter(|(_, layer)| *layer != Layer::default()).collect();
    let account = accounts::read_account(disk, root, warnings);
    if account != Seen::Known(None) {
        town.there.push(ACCOUNTS_JSON.to_owned());
    }
    let mut database = Vec::new();
    for (file, said) in dolt::read_endpoints(disk, root, warnings) {
        match said {
            Seen::Known(None) => continue,
            Seen::Known(Some(None)) => {}
            Seen::Known(Some(Some(endpoint))) => database.push((file, Seen::Known(endpoint))),
            Seen::Unknown(why) => database.push((file, Seen::Unknown(why))),
        }
        town.there.push(file.to_owned());
    }
    Starts { town, rigs, account: account.map(Option::flatten), database }
}

impl TownFiles {
    /// The rigs of the town: those of `mayor/rigs.json` if there is one, else the tables of `town.toml`.
    pub fn rig_names(&self) -> BTreeSet<Name> {
        match &self.rigs {
            Some(file) => file.rigs.keys().cloned().collect(),
            None => rig_tables(self.town.as_ref()),
        }
    }

    /// What `mayor/daemon.json` says of a patrol; on where it is silent or absent.
    pub fn patrol(&self, name: &str) -> &Patrol {
        self.daemon.as_ref().map_or(Patrol::ON, |file| file.patrol(name))
    }
}

fn kept<T>(read: Result<Option<T>, Vec<Diagnostic>>, mistakes: &mut Vec<Diagnostic>) -> Option<T> {
    match read {
        Ok(file) => file,
        Err(found) => {
            mistakes.extend(found);
            None
        }
    }
}

/// Whether the town has a directory. Were one that cannot be looked at taken for none, everything that it stands for would be listed by no file.
fn has_directory(disk: &dyn Disk, root: &TownRoot, path: &str, mistakes: &mut Vec<Diagnostic>) -> bool {
    match disk.is_directory(&root.path().join(path)) {
        Seen::Known(there) => there,
        Seen::Unknown(why) => {
            mistakes.push(Diagnostic::error(
                format!("whether `{path}` is a directory cannot be seen: {why}"),
                Label::file(path),
            ));
            false
        }
    }
}

fn rig_tables(town: Option<&Town>) -> BTreeSet<Name> {
    let keys = town.into_iter().flat_map(|town| town.toml.rigs.keys());
    keys.filter_map(|key| Name::parse(key).ok()).collect()
}

/// So many misspelt names get a "did you mean".
pub(crate) const GUESSES_MAX: usize = 20;

/// Tables of `town.toml` for rigs that the town does not have: most often a slip of the finger.
fn strangers(town: Option<&Town>, rigs: Option<&RigsFile>) -> Vec<Diagnostic> {
    let (Some(town), Some(rigs)) = (town, rigs) else { return Vec::new() };
    let known = || rigs.rigs.keys().map(Name::as_str);
    let unknown = town.toml.rigs.keys().filter(|key| !known().any(|name| name == key.as_str()));
    unknown
        .enumerate()
        .map(|(index, rig)| {
            let label = match town.positions.key(&["rigs", rig]) {
                Some(span) => Label::at(town_toml::TOWN_TOML, span, "nothing runs for it"),
                None => Label::file(town_toml::TOWN_TOML),
            };
            let title = format!("rig `{rig}` is not in {}", rigs::RIGS_JSON);
            // Who has so many has not misspelt them, and each guess looks at all that is known.
            let near = if index < GUESSES_MAX { closest(rig, known()) } else { None };
            let help = match near {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("add it with `gt rig add {rig}`, or remove the table"),
            };
            Diagnostic::warning(title, label).with_help(help)
        })
        .collect()
}
