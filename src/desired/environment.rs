//! The environment of gt's roles, as gt 1.0 gives it (docs/starts.md has the table). One for the first start and for every restart.

use std::collections::BTreeMap;
use std::path::Path;

use super::agents;
use super::choice;
use super::holds::Hold;
use crate::model::{Address, Seen};
use crate::town::files::town_toml::Naming;
use crate::town::files::{ACCOUNTS_JSON, TownFiles};

/// Where claude keeps whose account it uses.
const ACCOUNT: &str = "CLAUDE_CONFIG_DIR";

/// The port of the database, as gt calls it.
const DATABASE_PORT: &str = "GT_DOLT_PORT";

/// See [`slot`].
pub const SLOT: &str = "POLECAT_SLOT";

/// How much an agent is to think, unless gt's settings say otherwise.
const EFFORT: &str = "high";

/// What a role has unless a file says otherwise: gt's own environment from `mayor/daemon.json`, and what keeps agents and beads out of each
/// other's way. A file that would have to be asked and cannot be read is noted as a hold.
pub fn defaults(files: &TownFiles, address: &Address, hold: &mut Option<Hold>) -> BTreeMap<String, String> {
    if matches!(address, Address::Session(_)) {
        return BTreeMap::new();
    }
    let effort = match choice::effort(files, address) {
        Ok(effort) => effort.unwrap_or(EFFORT),
        Err(unread) => {
            hold.get_or_insert(unread);
            EFFORT
        }
    };
    let mut env = files.daemon.as_ref().map(|daemon| daemon.env.clone()).unwrap_or_default();
    if let Some(unread) = database(files, &mut env) {
        hold.get_or_insert(unread);
    }
    let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
    // An agent that finds these of another one refuses to start, or runs with its options.
    set("CLAUDECODE", "");
    set("NODE_OPTIONS", "");
    set("CLAUDE_CODE_EFFORT_LEVEL", effort);
    // git in a directory of the town that is no repository must not find one above the town.
    set("GIT_CEILING_DIRECTORIES", &files.root.path().display().to_string());
    set("BD_BACKUP_ENABLED", "false");
    set("BEADS_DOLT_AUTO_START", "0");
    if matches!(address, Address::Polecat(..)) {
        set("BD_DOLT_AUTO_COMMIT", "off");
    }
    env
}

/// Whose account the agents use, where no nearer file says it. A hold, if that cannot be known: with another account somebody else pays.
pub fn account(files: &TownFiles, address: &Address, env: &mut BTreeMap<String, String>) -> Option<Hold> {
    if matches!(address, Address::Session(_)) || env.contains_key(ACCOUNT) {
        return None;
    }
    match &files.starts.account {
        Seen::Known(directory) => {
            env.extend(directory.iter().map(|path| (ACCOUNT.to_owned(), path.display().to_string())));
            None
        }
        Seen::Unknown(why) => Some(Hold::unread(why, ACCOUNTS_JSON)),
    }
}

/// Where the town's database listens, in the words of gt and of all versions of `bd`. A hold, if that cannot be known: another database is
/// another town's.
fn database(files: &TownFiles, env: &mut BTreeMap<String, String>) -> Option<Hold> {
    let (port, host, told) = match files.starts.database.first() {
        Some((_, Seen::Known(endpoint))) => (Some(endpoint.port.to_string()), endpoint.host.clone(), true),
        // gt's own variable is in `mayor/daemon.json`, and `bd` does not know it.
        None => (env.get(DATABASE_PORT).cloned(), None, false),
        Some((file, Seen::Unknown(why))) => return Some(Hold::unread(why, *file)),
    };
    let ports = [DATABASE_PORT, "BEADS_DOLT_SERVER_PORT", "BEADS_DOLT_PORT"].map(|name| (name, &port));
    let hosts = ["GT_DOLT_HOST", "BEADS_DOLT_SERVER_HOST"].map(|name| (name, &host));
    for (name, value) in ports.into_iter().chain(hosts) {
        if let Some(value) = value
            && (told || !env.contains_key(name))
        {
            env.insert(name.to_owned(), value.clone());
        }
    }
    None
}

/// The number of a polecat among those of its rig, by which agents that run side by side keep apart what they open, ports say.
pub fn slot(files: &TownFiles, address: &Address) -> Option<(String, String)> {
    let Address::Polecat(rig, name) = address else { return None };
    let names = &files.polecats.get(rig)?.names;
    Some((SLOT.to_owned(), names.iter().position(|one| one == name)?.to_string()))
}

/// What gt needs to know an agent by its processes.
pub struct Liveness<'a> {
    /// The kind of agent, if one was chosen.
    pub name: Option<&'a str>,
    /// The names of its processes, if its kind tells them.
    pub processes: &'a [String],
    /// What is run.
    pub command: &'a [String],
}

impl Liveness<'_> {
    /// `GT_AGENT` and `GT_PROCESS_NAMES`.
    fn told(&self) -> (String, String) {
        let program = self.command.first().map_or("", String::as_str);
        let like = agents::of_program(program);
        let file = Path::new(program).file_name().map(|file| file.to_string_lossy().into_owned());
        let file = file.unwrap_or_default();
        let name = self.name.map(str::to_owned).or_else(|| like.map(|kind| kind.name.to_owned()));
        let processes = match (self.processes, like) {
            ([], Some(kind)) => kind.processes.join(","),
            ([], None) => file.clone(),
            (processes, _) => processes.join(","),
        };
        (name.unwrap_or(file), processes)
    }
}

/// Who and where the agent is, in gt's variables: gt and bd in it act in this name. No file changes these. The bare `GT_ROLE` is that of gt before 0.6, the
/// compound one that of later ones; `town.naming` tells them apart.
pub fn identity(
    naming: Naming,
    root: &Path,
    address: &Address,
    session: &str,
    agent: &Liveness<'_>,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("GT_ROOT", root.display().to_string());
    let actor = match address {
        Address::Session(_) => return env,
        Address::Boot => "deacon-boot".to_owned(),
        other => other.to_string(),
    };
    let author = match address {
        Address::Boot => address.to_string(),
        _ => address.worker().map_or_else(|| actor.clone(), ToString::to_string),
    };
    let role = match (naming, address) {
        (Naming::Rig, _) => address.role().to_string(),
        (Naming::Prefix, Address::Boot) => "deacon/boot".to_owned(),
        (Naming::Prefix, _) => address.to_string(),
    };
    set("GT_ROLE", role);
    set("GT_SESSION", session.to_owned());
    let (name, processes) = agent.told();
    set("GT_AGENT", name);
    set("GT_PROCESS_NAMES", processes);
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
            set("GT_TOWN_ROOT", root.display().to_string());
            set("BEADS_AGENT_NAME", format!("{rig}/{name}"));
        }
        Address::Refinery(_) => {
            set("GT_REFINERY", "1".to_owned());
        }
        Address::Mayor | Address::Deacon | Address::Boot | Address::Witness(_) | Address::Session(_) => {}
    }
    env
}
