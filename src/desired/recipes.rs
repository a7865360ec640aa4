//! What each object is started from: command, environment, working directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agents::{self, Agent, NoAgent};
use super::choice::{self, By};
use super::environment::{self, Liveness};
use super::graph::{AgentChoice, Poke, Recipe, Watch};
use super::holds::{Hold, HoldKind};
use super::role_files::RoleSays;
use super::words;
use crate::model::{Address, Origin, Period, Seen, Why, excerpt};
use crate::town::files::TownFiles;
use crate::town::files::hooks::claude_settings;
use crate::town::files::town_toml::{RoleTable, TownToml};

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
    /// What it is told first, in the place of gt's words.
    pub prompt: Option<&'a str>,
    /// What must be alive first, and the path of the key that says so.
    pub after: Option<(&'a [String], Vec<&'a str>)>,
    /// How its silence is noticed.
    pub watch: WatchSettings<'a>,
    /// Whether it is poked when it is quiet, and after how long.
    pub poke: (Option<bool>, Option<Period>),
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

/// The older gt's daemon called an agent very stale after this, and poked it.
const POKE_AFTER: Period = Period::seconds(5 * 60);

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
        if let Some(prompt) = &table.prompt {
            self.prompt = Some(prompt);
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
        let (poke, after) = self.poke;
        self.poke = (table.poke.or(poke), table.poke_after.or(after));
    }

    /// When it is poked; not unless a file says so.
    pub fn poke(&self) -> Option<Poke> {
        let (poke, after) = self.poke;
        poke.unwrap_or_default().then(|| Poke { after: after.unwrap_or(POKE_AFTER).get() })
    }
}

/// So much of a name that nothing has is shown.
const NAME_SHOWN: usize = 64;

/// The kind of agent that `town.toml` names is nowhere defined.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownAgent<'a> {
    /// Its name.
    pub name: &'a str,
    /// The key that names it.
    pub path: Vec<&'a str>,
}

/// A recipe, and what came up while it was composed.
pub struct Composed {
    /// The recipe.
    pub recipe: Recipe,
    /// The kind of agent, and who chose it; `None` for a command that a file spells out.
    pub agent: Option<AgentChoice>,
    /// Set if a file that decides about it cannot be used. The recipe is then not the one that it should be started from.
    pub hold: Option<Hold>,
}

/// Composes the recipe of an object.
pub fn recipe<'a>(
    files: &'a TownFiles,
    toml: &'a TownToml,
    address: &Address,
    session: String,
    settings: &Settings<'a>,
) -> Result<Composed, UnknownAgent<'a>> {
    let root = files.root.path();
    let role = RoleSays::of(files, address);
    let Chosen { mut agent, mut choice, mut hold } = match settings.command {
        Some(command) => Chosen { agent: agents::of_command(command), choice: None, hold: None },
        None => kind(files, toml, address, settings)?,
    };
    let start = role.start_command(files).filter(|_| may_be_replaced(toml, settings, &choice));
    if let Some(said) = start {
        let command: Vec<String> = said.value.argv.iter().map(|word| role.fill(word)).collect();
        let mut env = agent.env;
        env.extend(said.value.env.iter().cloned());
        agent = Agent { env, ..agents::of_command(&command) };
        choice = Some(AgentChoice { name: choice::DEFAULT.to_owned(), origin: Origin::At(said.at.clone()) });
    }
    let mut env = environment::defaults(files, address, &mut hold);
    env.extend(std::mem::take(&mut agent.env));
    env.extend(role.env(files));
    env.extend(settings.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    hold = hold.or_else(|| environment::account(files, address, &mut env));
    let liveness = Liveness {
        name: choice.as_ref().map(|choice| choice.name.as_str()),
        processes: &agent.processes,
        command: &agent.command,
    };
    env.extend(environment::identity(toml.town.naming, root, address, &session, &liveness));
    env.extend(environment::slot(files, address));
    let directories = match (settings.directory, role.work_dir(files)) {
        (Some(directory), _) => vec![root.join(fill(directory, address))],
        (None, Some(directory)) => vec![root.join(directory)],
        (None, None) => directories(address).into_iter().map(|directory| root.join(directory)).collect(),
    };
    hold = hold.or_else(|| role.unread(files));
    let words = words::first(files, address, settings.prompt, &role, &agent);
    let recipe = Recipe { session, directories, command: agent.command, env, words, ready: agent.ready };
    Ok(Composed { recipe, agent: choice, hold })
}

/// Whether the start command of a role file counts, as in gt: it is for claude, and claude is what gt's own files come to.
pub(super) fn may_be_replaced(
    toml: &TownToml,
    settings: &Settings<'_>,
    choice: &Option<AgentChoice>,
) -> bool {
    let is_claude = choice.as_ref().is_some_and(|choice| choice.name == choice::DEFAULT);
    is_claude && settings.agent.is_none() && toml.defaults.agent.is_none()
}

/// A kind of agent, as far as the files tell it.
struct Chosen {
    agent: Agent,
    choice: Option<AgentChoice>,
    hold: Option<Hold>,
}

/// The kind of agent of an object. A mistake in `town.toml` is one; what a file of gt's leaves open holds the object back, in the place of
/// another agent.
fn kind<'a>(
    files: &'a TownFiles,
    toml: &'a TownToml,
    address: &Address,
    settings: &Settings<'a>,
) -> Result<Chosen, UnknownAgent<'a>> {
    let held = |hold| Chosen { agent: agents::default(), choice: None, hold: Some(hold) };
    let choice = match choice::choose(files, toml, address, settings.agent.as_ref()) {
        Ok(choice) => choice,
        Err(hold) => return Ok(held(hold)),
    };
    let found = match choice.spelled_out {
        Some(custom) => agents::of_custom(choice.name, custom).ok_or(NoAgent::Unknown),
        None => agents::find(files, toml, address, choice.name),
    };
    let origin = match &choice.by {
        By::TownToml(path) => files
            .town
            .as_ref()
            .and_then(|town| town.positions.nearest(path))
            .map_or(Origin::Default, |position| Origin::At(position.clone())),
        By::Gt(position) => Origin::At((*position).clone()),
        By::Nobody => Origin::Default,
    };
    match found {
        Ok(mut agent) => {
            let hold = with_hooks(files, address, &mut agent);
            let choice = AgentChoice { name: choice.name.to_owned(), origin };
            Ok(Chosen { agent, choice: Some(choice), hold })
        }
        Err(NoAgent::Unread(hold)) => Ok(held(hold)),
        Err(NoAgent::Unknown) => match choice.by {
            By::TownToml(path) => Err(UnknownAgent { name: choice.name, path }),
            By::Gt(_) | By::Nobody => {
                let name = excerpt(choice.name, NAME_SHOWN);
                let why = Why::new(format!("there is no agent `{}`", name.escape_debug()));
                Ok(held(Hold::new(HoldKind::Unreadable(why), origin)))
            }
        },
    }
}

/// Shows claude the settings that the members of its role share: gt's hooks are in them. Without them nothing tells it what gt knows. A hold, if it cannot
/// be seen whether they are there.
fn with_hooks(files: &TownFiles, address: &Address, agent: &mut Agent) -> Option<Hold> {
    let rig = address.rig().filter(|_| agent.is_claude && files.workspace)?;
    let settings = claude_settings(rig, address.role())?;
    if agent.command.iter().any(|word| word == "--settings") {
        return None;
    }
    let there = match files.starts.rigs.get(rig).map(|layer| &layer.claude_settings) {
        Some(Seen::Known(roles)) => roles.contains(&address.role()),
        Some(Seen::Unknown(why)) => return Some(Hold::unread(why, settings)),
        None => false,
    };
    agent.hooks = there;
    if there {
        agent.command.push("--settings".to_owned());
        agent.command.push(files.root.path().join(settings).display().to_string());
    }
    None
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
