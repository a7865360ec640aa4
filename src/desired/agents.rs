//! The kinds of agents: those that gtctl knows without being told, with the arguments that gt gives them, and the user's own, of gt's files
//! and of `town.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{Address, Origin, Seen};
use crate::town::files::TownFiles;
use crate::town::files::agents::{AGENTS_JSON, CustomAgent, SETTINGS_JSON};
use crate::town::files::town_toml::TownToml;

use super::choice::layers;
use super::holds::{Hold, HoldKind};

/// A built-in kind: its name, its command, its environment.
pub struct Kind {
    /// The name in `agent = "…"`.
    pub name: &'static str,
    /// Program and arguments.
    pub command: &'static [&'static str],
    /// Environment variables.
    pub env: &'static [(&'static str, &'static str)],
}

/// All built-in kinds, by name.
pub const BUILT_IN: &[Kind] = &[
    Kind { name: "amp", command: &["amp", "--dangerously-allow-all", "--no-ide"], env: &[] },
    Kind { name: "auggie", command: &["auggie", "--allow-indexing"], env: &[] },
    Kind { name: "claude", command: &["claude", "--dangerously-skip-permissions"], env: &[] },
    Kind { name: "codex", command: &["codex", "--dangerously-bypass-approvals-and-sandbox"], env: &[] },
    Kind { name: "copilot", command: &["copilot", "--yolo"], env: &[] },
    Kind { name: "cursor", command: &["cursor-agent", "-f"], env: &[] },
    Kind { name: "gemini", command: &["gemini", "--approval-mode", "yolo"], env: &[] },
    Kind { name: "omp", command: &["omp", "--hook", ".omp/hooks/gastown-hook.ts"], env: &[] },
    Kind { name: "opencode", command: &["opencode"], env: &[("OPENCODE_PERMISSION", r#"{"*":"allow"}"#)] },
    Kind { name: "pi", command: &["pi", "-e", ".pi/extensions/gastown-hooks.js"], env: &[] },
    Kind { name: "vibe", command: &["vibe", "--agent", "auto-approve"], env: &[] },
];

/// A kind of agent, with all that a start needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
}

/// Why there is no such kind.
#[derive(Debug)]
pub enum NoAgent {
    /// No file defines it.
    Unknown,
    /// A file that may define it cannot be read.
    Unread(Hold),
}

/// The kind of this name, for an object: as `town.toml` defines it, else gt's files, the rig's before the town's, else the built-in one.
pub fn find(files: &TownFiles, toml: &TownToml, address: &Address, name: &str) -> Result<Agent, NoAgent> {
    let yours = toml.agents.get(name);
    let base = match of_gt(files, address, name) {
        Ok(Some(custom)) => of_custom(name, custom),
        Ok(None) => built_in(name).map(of_kind),
        // What `town.toml` gives a command needs no other file.
        Err(_) if yours.is_some_and(|yours| yours.command.is_some()) => built_in(name).map(of_kind),
        Err(hold) => return Err(NoAgent::Unread(hold)),
    };
    let Some(yours) = yours else { return base.ok_or(NoAgent::Unknown) };
    let command = yours.command.clone().or_else(|| base.as_ref().map(|base| base.command.clone()));
    let mut agent = base.unwrap_or(Agent { command: Vec::new(), env: BTreeMap::new() });
    agent.command = command.ok_or(NoAgent::Unknown)?;
    agent.env.extend(yours.env.clone());
    Ok(agent)
}

/// The built-in kind that runs where nobody chose one.
pub fn default() -> Agent {
    built_in(super::choice::DEFAULT).map(of_kind).unwrap_or_else(|| unreachable!("the default is built in"))
}

/// The kind of this name that gt's files define.
fn of_gt<'a>(files: &'a TownFiles, address: &Address, name: &str) -> Result<Option<&'a CustomAgent>, Hold> {
    let unread =
        |why: &crate::model::Why, file| Hold::new(HoldKind::Unreadable(why.clone()), Origin::File(file));
    for (layer, file) in layers(&files.starts, address, SETTINGS_JSON) {
        match &layer.settings {
            Seen::Known(settings) => {
                if let Some(custom) = settings.agents.get(name) {
                    return Ok(Some(custom));
                }
            }
            Seen::Unknown(why) => return Err(unread(why, file)),
        }
    }
    for (layer, file) in layers(&files.starts, address, AGENTS_JSON) {
        match &layer.kinds {
            Seen::Known(kinds) => {
                if let Some(custom) = kinds.as_ref().and_then(|kinds| kinds.get(name)) {
                    return Ok(Some(custom));
                }
            }
            Seen::Unknown(why) => return Err(unread(why, file)),
        }
    }
    Ok(None)
}

/// The built-in kind of this name.
fn built_in(name: &str) -> Option<&'static Kind> {
    BUILT_IN.iter().find(|kind| kind.name == name)
}

/// The built-in kind whose program this is.
fn of_program(program: &str) -> Option<&'static Kind> {
    let file = Path::new(program).file_name()?.to_str()?;
    BUILT_IN.iter().find(|kind| kind.command.first() == Some(&file))
}

fn of_kind(kind: &Kind) -> Agent {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Agent {
        command: kind.command.iter().map(|word| (*word).to_owned()).collect(),
        env: kind.env.iter().map(owned).collect(),
    }
}

/// What gt's files leave out comes from the built-in kind that theirs is like; `None` if nothing says what to run.
fn of_custom(name: &str, custom: &CustomAgent) -> Option<Agent> {
    let like = custom.provider.as_deref().and_then(built_in);
    let like = like.or_else(|| custom.command.as_deref().and_then(of_program)).or_else(|| built_in(name));
    let base = like.map(of_kind).unwrap_or(Agent { command: Vec::new(), env: BTreeMap::new() });
    let program = custom.command.clone().or_else(|| base.command.first().cloned())?;
    let arguments = custom.args.clone().unwrap_or_else(|| base.command.iter().skip(1).cloned().collect());
    let command = custom.wrapper.iter().cloned().chain([program]).chain(arguments).collect();
    let mut env = base.env;
    env.extend(custom.env.clone());
    Some(Agent { command, env })
}

/// Names of all kinds: `town.toml`'s, gt's and the built-in ones.
pub fn names(files: &TownFiles, toml: &TownToml) -> Vec<String> {
    let layers = || std::iter::once(&files.starts.town).chain(files.starts.rigs.values());
    let of_settings = layers().flat_map(|layer| match &layer.settings {
        Seen::Known(settings) => settings.agents.keys().cloned().collect(),
        Seen::Unknown(_) => Vec::new(),
    });
    let of_lists = layers().flat_map(|layer| match &layer.kinds {
        Seen::Known(Some(kinds)) => kinds.keys().cloned().collect(),
        Seen::Known(None) | Seen::Unknown(_) => Vec::new(),
    });
    let built_in = BUILT_IN.iter().map(|kind| kind.name.to_owned());
    let mut names: Vec<String> =
        toml.agents.keys().cloned().chain(of_settings).chain(of_lists).chain(built_in).collect();
    names.sort();
    names.dedup();
    names
}
