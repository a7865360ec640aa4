//! What each object is started from: command, environment, working directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agents::BUILT_IN;
use super::graph::{Recipe, Watch};
use crate::model::{Address, Period};
use crate::town::files::town_toml::{AgentTable, Naming, RoleTable, TownToml};

/// The settings of an object after its layers are joined: what is said closest to it counts.
#[derive(Debug, Clone, Default)]
pub struct Settings<'a> {
    /// Whether it should run, and the path of the key that says so.
    pub enabled: Option<(bool, Vec<&'a str>)>,
    /// The kind of agent, and the path of the key that names it.
    pub agent: Option<(&'a str, Vec<&'a str>)>,
    /// Program and arguments.
    pub command: Option<&'a [String]>,
    /// Environment variables.
    pub env: BTreeMap<&'a str, &'a str>,
    /// Working directory, with `{rig}` and `{name}`.
    pub directory: Option<&'a Path>,
    /// What must be alive first, and the path of the key that says so.
    pub after: Option<(&'a [String], Vec<&'a str>)>,
    /// How its silence is noticed.
    pub watch: WatchSettings<'a>,
}

/// The keys that make a [`Watch`].
#[derive(Debug, Clone, Copy, Default)]
pub struct WatchSettings<'a> {
    /// The file, with `{rig}` and `{name}`.
    pub file: Option<&'a Path>,
    /// See [`Watch::stale_after`].
    pub stale_after: Option<Period>,
    /// See [`Watch::stuck_after`].
    pub stuck_after: Option<Period>,
    /// See [`Watch::grace`].
    pub grace: Option<Period>,
}

/// gt's own thresholds: its deacon may sleep for eight minutes.
const STALE_AFTER: Period = Period::seconds(15 * 60);
const STUCK_AFTER: Period = Period::seconds(30 * 60);
const GRACE: Period = Period::seconds(5 * 60);

impl WatchSettings<'_> {
    /// Lays what `over` says over what is there.
    fn lay(&mut self, over: Self) {
        self.file = over.file.or(self.file);
        self.stale_after = over.stale_after.or(self.stale_after);
        self.stuck_after = over.stuck_after.or(self.stuck_after);
        self.grace = over.grace.or(self.grace);
    }

    /// How this object is watched. The deacon of a Gas Town writes a heartbeat without being told; an empty file name ends that.
    pub fn watch(&self, address: &Address, workspace: bool) -> Option<Watch> {
        let is_deacon = *address == Address::Deacon && workspace;
        let file = match self.file {
            Some(file) => fill(file, address).display().to_string(),
            None if is_deacon => "deacon/heartbeat.json".to_owned(),
            None => return None,
        };
        Some(Watch {
            file,
            stale_after: self.stale_after.unwrap_or(STALE_AFTER).get(),
            stuck_after: self.stuck_after.or(is_deacon.then_some(STUCK_AFTER)).map(Period::get),
            grace: self.grace.unwrap_or(GRACE).get(),
        })
        .filter(|watch| !watch.file.is_empty())
    }
}

impl<'a> Settings<'a> {
    /// Lays `table`, found at `path`, over what is there.
    pub fn lay(&mut self, table: &'a RoleTable, path: &[&'a str]) {
        let key = |name: &'a str| path.iter().copied().chain([name]).collect::<Vec<_>>();
        if let Some(enabled) = table.enabled {
            self.enabled = Some((enabled, key("enabled")));
        }
        if let Some(agent) = &table.agent {
            self.agent = Some((agent, key("agent")));
            // A nearer `agent` replaces a farther `command`.
            self.command = None;
        }
        if let Some(command) = &table.command {
            self.command = Some(command);
        }
        self.env.extend(table.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if let Some(directory) = &table.directory {
            self.directory = Some(directory);
        }
        if let Some(after) = &table.after {
            self.after = Some((after, key("after")));
        }
        self.watch.lay(WatchSettings {
            file: table.heartbeat.as_deref(),
            stale_after: table.stale_after,
            stuck_after: table.stuck_after,
            grace: table.grace,
        });
    }
}

/// The kind of agent that an object runs is nowhere defined.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownAgent<'a> {
    /// Its name.
    pub name: &'a str,
    /// The key that names it; `None` for the built-in default.
    pub path: Option<Vec<&'a str>>,
}

/// Names of all kinds of agents: yours and the built-in ones.
pub fn agent_names(toml: &TownToml) -> Vec<String> {
    let built_in = BUILT_IN.iter().map(|kind| kind.name.to_owned());
    let mut names: Vec<String> = toml.agents.keys().cloned().chain(built_in).collect();
    names.sort();
    names.dedup();
    names
}

/// Composes the recipe of an object.
pub fn recipe<'a>(
    toml: &'a TownToml,
    root: &Path,
    address: &Address,
    session: String,
    settings: &Settings<'a>,
) -> Result<Recipe, UnknownAgent<'a>> {
    let mut env = BTreeMap::new();
    let command = match settings.command {
        Some(command) => command.to_vec(),
        None => {
            let (name, path) = match &settings.agent {
                Some((name, path)) => (*name, Some(path.clone())),
                None => (toml.defaults.agent.as_str(), Some(vec!["defaults", "agent"])),
            };
            let (command, agent_env) = agent(toml, name).ok_or(UnknownAgent { name, path })?;
            env.extend(agent_env);
            command
        }
    };
    env.extend(settings.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env.extend(identity(toml.town.naming, root, address));
    let directories = match settings.directory {
        Some(directory) => vec![root.join(fill(directory, address))],
        None => directories(address).into_iter().map(|directory| root.join(directory)).collect(),
    };
    Ok(Recipe { session, directories, command, env })
}

/// The command and environment of a kind of agent: yours, the built-in one, or your environment on the built-in command.
fn agent(toml: &TownToml, name: &str) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let built_in = BUILT_IN.iter().find(|kind| kind.name == name);
    let yours = toml.agents.get(name);
    let mut env: BTreeMap<String, String> = built_in
        .map(|kind| kind.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        .unwrap_or_default();
    if let Some(AgentTable { env: more, .. }) = yours {
        env.extend(more.clone());
    }
    let command = yours
        .and_then(|agent| agent.command.clone())
        .or_else(|| built_in.map(|kind| kind.command.iter().map(|word| (*word).to_owned()).collect()))?;
    Some((command, env))
}

/// Who the agent is, in gt's variables: gt and bd in it act in this name. The bare `GT_ROLE` is that of gt before 0.6, the
/// compound one that of later ones; `town.naming` tells them apart.
fn identity(naming: Naming, root: &Path, address: &Address) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("GT_ROOT", root.display().to_string());
    let actor = match address {
        Address::Session(_) => return env,
        Address::Boot => "deacon-boot".to_owned(),
        other => other.to_string(),
    };
    let author = address.worker().map_or_else(|| actor.clone(), ToString::to_string);
    let role = match (naming, address) {
        (Naming::Rig, _) => address.role().to_string(),
        (Naming::Prefix, Address::Boot) => "deacon/boot".to_owned(),
        (Naming::Prefix, _) => address.to_string(),
    };
    set("GT_ROLE", role);
    set("BD_ACTOR", actor);
    set("GIT_AUTHOR_NAME", author);
    if let Some(rig) = address.rig() {
        set("GT_RIG", rig.to_string());
    }
    match address {
        Address::Crew(rig, name) => {
            set("GT_CREW", name.to_string());
            set("BEADS_AGENT_NAME", format!("{rig}/{name}"));
        }
        Address::Polecat(rig, name) => {
            set("GT_POLECAT", name.to_string());
            set("BEADS_AGENT_NAME", format!("{rig}/{name}"));
        }
        Address::Refinery(_) => {
            set("GT_REFINERY", "1".to_owned());
        }
        Address::Mayor | Address::Deacon | Address::Boot | Address::Witness(_) | Address::Session(_) => {}
    }
    env
}

/// Where gt starts each role; several where it has several layouts.
fn directories(address: &Address) -> Vec<PathBuf> {
    let texts = match address {
        Address::Mayor => vec!["mayor".to_owned()],
        Address::Deacon => vec!["deacon".to_owned()],
        Address::Boot => vec!["deacon/dogs/boot".to_owned()],
        Address::Witness(rig) => {
            vec![format!("{rig}/witness/rig"), format!("{rig}/witness"), rig.to_string()]
        }
        Address::Refinery(rig) => vec![format!("{rig}/refinery/rig"), format!("{rig}/mayor/rig")],
        Address::Polecat(rig, name) => {
            vec![format!("{rig}/polecats/{name}/{rig}"), format!("{rig}/polecats/{name}")]
        }
        Address::Crew(rig, name) => vec![format!("{rig}/crew/{name}")],
        Address::Session(_) => vec![String::new()],
    };
    texts.into_iter().map(PathBuf::from).collect()
}

/// Puts the rig and the worker in the place of `{rig}` and `{name}`.
fn fill(directory: &Path, address: &Address) -> PathBuf {
    let text = directory.to_string_lossy();
    let rig = address.rig().map_or("", |rig| rig.as_str());
    let name = address.worker().map_or("", |name| name.as_str());
    PathBuf::from(text.replace("{rig}", rig).replace("{name}", name))
}
