//! `town.toml`: gtctl's own file, as types. The published schema is generated from these.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Period;

mod moment;
mod policy;
mod read;

#[cfg(test)]
mod tests;

pub use policy::{
    BackoffTable, BeadsTable, BootTable, ControlClient, ControllerTable, ConvoysTable, CrashLoopTable,
    FeedTable, LimitsTable, MailTable, MassDeathTable, OrphansEnd, OrphansTable, PolecatsTable,
    UsageLimitTable,
};
pub(crate) use read::to_json;
pub use read::{TOWN_TOML, Town, parse_town_toml, read_town_toml};

/// What a Gas Town should run, and how gtctl keeps it so. Everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "town.toml")]
pub struct TownToml {
    /// The town as a whole.
    pub town: TownTable,
    /// What holds for every object that does not say otherwise.
    pub defaults: DefaultsTable,
    /// Kinds of agents by name. Yours override the built-in ones or add to them.
    pub agents: BTreeMap<String, AgentTable>,
    /// Settings of a role, for every object that has it.
    pub roles: RolesTable,
    /// Settings of a rig. In a town without `mayor/rigs.json` this is also the list of rigs.
    pub rigs: BTreeMap<String, RigTable>,
    /// Other sessions that should live.
    pub sessions: BTreeMap<String, SessionTable>,
    /// How long to wait between restarts of one object.
    pub backoff: BackoffTable,
    /// When to stop restarting.
    pub crash_loop: CrashLoopTable,
    /// How long to wait for an account that has used up what it may.
    pub usage_limit: UsageLimitTable,
    /// Ceilings that hold whatever else goes wrong.
    pub limits: LimitsTable,
    /// Processes that outlived their terminals or their agents.
    pub orphans: OrphansTable,
    /// The controller itself.
    pub controller: ControllerTable,
    /// The program that is asked for beads.
    pub beads: BeadsTable,
    /// The feed that is made of gt's events.
    pub feed: FeedTable,
    /// Checks of convoys.
    pub convoys: ConvoysTable,
    /// Requests by mail.
    pub mail: MailTable,
    /// The agent that looks after the deacon.
    pub boot: BootTable,
    /// What is told of polecats, and how they are drained.
    pub polecats: PolecatsTable,
    /// When many agents die together.
    pub mass_death: MassDeathTable,
}

/// `[town]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TownTable {
    /// How sessions are named: by rig (`gt-gastown-witness`) or by the rig's beads prefix (`gt-witness`, gt 0.6 and later).
    pub naming: Naming,
    /// The tmux server: a name for `tmux -L`, or an absolute path for `tmux -S`.
    pub socket: String,
}

impl Default for TownTable {
    fn default() -> Self {
        Self { naming: Naming::Rig, socket: "default".to_owned() }
    }
}

/// How sessions are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// `gt-<rig>-witness`
    Rig,
    /// `<prefix>-witness`
    Prefix,
}

impl Naming {
    /// The one that is not in force.
    pub fn other(self) -> Self {
        match self {
            Self::Rig => Self::Prefix,
            Self::Prefix => Self::Rig,
        }
    }
}

/// `[defaults]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DefaultsTable {
    /// The kind of agent that runs where no role, rig or worker names another. Where this is absent, gt's settings say; where they are
    /// silent too, it is `claude`.
    pub agent: Option<String>,
}

/// `[agents.<name>]`: a kind of agent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgentTable {
    /// Program and arguments; run as they stand, never through a shell.
    pub command: Option<Vec<String>>,
    /// Environment variables for this kind of agent.
    pub env: BTreeMap<String, String>,
    /// How it takes its first words. Where this is absent: as the built-in kind of the same name or program; any other is told nothing.
    pub prompt: Option<PromptMode>,
    /// How a line begins that shows that it is ready to be typed to; empty for none.
    pub ready_prompt: Option<String>,
    /// How long after its start it is taken for ready, where nothing on its screen shows that.
    pub ready_delay: Option<Period>,
}

/// How an agent takes its first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptMode {
    /// As its last argument.
    Argument,
    /// Typed, when it is ready.
    Typed,
    /// Not at all.
    None,
}

/// `[roles]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RolesTable {
    /// The mayor; off unless enabled here.
    pub mayor: RoleTable,
    /// The deacon.
    pub deacon: RoleTable,
    /// The agent that looks after the deacon when the deacon looks unwell; off unless the town has `deacon/dogs/boot`, or this says so.
    pub boot: RoleTable,
    /// Witnesses.
    pub witness: RoleTable,
    /// Refineries.
    pub refinery: RoleTable,
    /// Polecats: which there are, their directories say.
    pub polecat: RoleTable,
    /// Crew.
    pub crew: RoleTable,
}

/// Settings of a role, of one role in one rig, or of one crew member. What is absent comes from the layer above.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoleTable {
    /// Whether it should run. `false` starts nothing and leaves alone what runs.
    pub enabled: Option<bool>,
    /// The kind of agent.
    pub agent: Option<String>,
    /// Program and arguments, instead of the agent's.
    pub command: Option<Vec<String>>,
    /// Environment variables, added to the agent's.
    pub env: BTreeMap<String, String>,
    /// Working directory, relative to the town; `{rig}` and `{name}` stand for the rig and the worker.
    pub directory: Option<PathBuf>,
    /// What it is told first, in the place of gt's words; empty for nothing. `{rig}` and `{name}` stand for the rig and the worker, `{now}`
    /// for the local time.
    pub prompt: Option<String>,
    /// Objects that must be alive first: `mayor`, `deacon`, `witness` and `refinery` (of the same rig), or full addresses.
    pub after: Option<Vec<String>>,
    /// A file, relative to the town, in which it says from time to time that it is well: `{"timestamp": "…"}`, or a timestamp alone; `{rig}` and
    /// `{name}` stand for the rig and the worker. The deacon of a Gas Town has `deacon/heartbeat.json`.
    pub heartbeat: Option<PathBuf>,
    /// Silent for so long, it is asked once whether it is well.
    pub stale_after: Option<Period>,
    /// Silent for so long, and asked, it is replaced. Only the deacon is by default.
    pub stuck_after: Option<Period>,
    /// How long after its start its silence does not count.
    pub grace: Option<Period>,
    /// Whether it is poked when it has been quiet for a while. It is not unless this says so: each poke costs tokens.
    pub poke: Option<bool>,
    /// Quiet for so long, it is poked. While that leads to nothing, each further poke waits longer.
    pub poke_after: Option<Period>,
}

/// `[rigs.<name>]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RigTable {
    /// `parked` stops witness and refinery and starts nothing; `docked` also drains the polecats.
    pub state: RigState,
    /// Why, for people.
    pub reason: Option<String>,
    /// Until when the state holds; then the rig is active again.
    #[serde(with = "moment")]
    #[schemars(schema_with = "moment::schema")]
    pub until: Option<jiff::Timestamp>,
    /// `false` starts and restarts nothing of the rig.
    pub auto_restart: Option<bool>,
    /// The beads prefix of the rig, where `mayor/rigs.json` does not give one.
    pub prefix: Option<String>,
    /// Settings of a role in this rig alone.
    pub roles: RigRolesTable,
    /// Crew members that should run, by name.
    pub crew: BTreeMap<String, RoleTable>,
}

/// `[rigs.<name>.roles]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RigRolesTable {
    /// This rig's witness.
    pub witness: RoleTable,
    /// This rig's refinery.
    pub refinery: RoleTable,
    /// This rig's polecats.
    pub polecat: RoleTable,
    /// This rig's crew.
    pub crew: RoleTable,
}

/// What a rig should do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RigState {
    /// Run.
    #[default]
    Active,
    /// Rest for a while: witness and refinery stop, nothing starts.
    Parked,
    /// Rest for long: polecats are drained too.
    Docked,
}

/// `[sessions.<name>]`: any other session that should live.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SessionTable {
    /// Whether it should run.
    pub enabled: Option<bool>,
    /// The kind of agent; give this or `command`.
    pub agent: Option<String>,
    /// Program and arguments.
    pub command: Option<Vec<String>>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Working directory, relative to the town.
    pub directory: Option<PathBuf>,
    /// What it is told first; nothing unless this says so. `{now}` stands for the local time.
    pub prompt: Option<String>,
    /// Objects that must be alive first.
    pub after: Option<Vec<String>>,
    /// When to start it again after it ended.
    pub restart: RestartPolicy,
    /// A file, relative to the town, in which it says from time to time that it is well: `{"timestamp": "…"}`, or a timestamp alone.
    pub heartbeat: Option<PathBuf>,
    /// Silent for so long, it is asked once whether it is well.
    pub stale_after: Option<Period>,
    /// Silent for so long, and asked, it is replaced. Without it, its silence is only told.
    pub stuck_after: Option<Period>,
    /// How long after its start its silence does not count.
    pub grace: Option<Period>,
}

/// When to start something again after it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Whenever it is gone.
    #[default]
    Always,
    /// Unless it ended with status 0.
    OnFailure,
    /// Never.
    Never,
}
