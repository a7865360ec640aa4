//! The graph's types.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::Hold;
use super::environment::SLOT;
use crate::model::{Address, Name, Origin, Ready, SpecHash, TownId, Words};
use crate::observed::{HeartbeatWanted, PastProcess, PlaceWanted, Wants, tmux::Socket};
use crate::town::files::town_toml::{
    BackoffTable, BeadsTable, BootTable, ControllerTable, ConvoysTable, CrashLoopTable, FeedTable,
    LimitsTable, MailTable, MassDeathTable, Naming, OrphansTable, PolecatsTable, RestartPolicy, TownToml,
    UsageLimitTable,
};

/// Everything that the files of a town ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Desired {
    /// The town.
    pub town: TownId,
    /// Its root, canonical.
    pub root: PathBuf,
    /// The tmux server its sessions live in.
    pub socket: Socket,
    /// How sessions are named; also which of gt's two eras the environment speaks.
    pub naming: Naming,
    /// Rigs with a stop of their own, also those that no file lists.
    pub frozen_rigs: BTreeMap<Name, Hold>,
    /// The objects, in the order of their addresses.
    pub objects: BTreeMap<Address, Object>,
    /// The numbers.
    pub policy: Policy,
}

/// The numbers that decisions follow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// Waits between restarts.
    pub backoff: BackoffTable,
    /// When restarting ends.
    pub crash_loop: CrashLoopTable,
    /// How long to wait for an account that has used up what it may.
    #[serde(default)]
    pub usage_limit: UsageLimitTable,
    /// Ceilings.
    pub limits: LimitsTable,
    /// Processes that outlived their terminals or their agents.
    #[serde(default)]
    pub orphans: OrphansTable,
    /// Timing of the controller.
    pub controller: ControllerTable,
    /// How beads are asked for. No plan is made from this, the feed, convoys and mail.
    #[serde(default)]
    pub beads: BeadsTable,
    /// The feed.
    #[serde(default)]
    pub feed: FeedTable,
    /// Checks of convoys.
    #[serde(default)]
    pub convoys: ConvoysTable,
    /// Requests by mail.
    #[serde(default)]
    pub mail: MailTable,
    /// The agent that looks after the deacon; of this plans are made.
    #[serde(default)]
    pub boot: BootTable,
    /// Letters about polecats, and their drain.
    #[serde(default)]
    pub polecats: PolecatsTable,
    /// When many agents die together.
    #[serde(default)]
    pub mass_death: MassDeathTable,
}

impl From<&TownToml> for Policy {
    fn from(toml: &TownToml) -> Self {
        Self {
            backoff: toml.backoff.clone(),
            crash_loop: toml.crash_loop.clone(),
            usage_limit: toml.usage_limit.clone(),
            limits: toml.limits.clone(),
            orphans: toml.orphans.clone(),
            controller: toml.controller.clone(),
            beads: toml.beads.clone(),
            feed: toml.feed.clone(),
            convoys: toml.convoys.clone(),
            mail: toml.mail.clone(),
            boot: toml.boot.clone(),
            polecats: toml.polecats.clone(),
            mass_death: toml.mass_death.clone(),
        }
    }
}

/// Something that should run, unless it is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Object {
    /// What it is called.
    pub address: Address,
    /// What it is started from.
    pub recipe: Recipe,
    /// The recipe's [`spec`](Recipe::spec), which is all that decisions take from the values of its variables: a recording keeps this and
    /// not those.
    pub spec: SpecHash,
    /// The kind of agent that it runs, and who chose it; `None` where a file spells out its command.
    #[serde(default)]
    pub agent: Option<AgentChoice>,
    /// What its session would be called by gt's other naming, if that is another name: an agent that was started before an upgrade has it.
    #[serde(default)]
    pub other_name: Option<String>,
    /// What must be alive before it is started. Only existing objects, never a cycle.
    pub after: BTreeSet<Address>,
    /// How many starts lie before its own along the `after` edges.
    pub wave: usize,
    /// What holds it back, all of it, strictest first.
    pub holds: Vec<Hold>,
    /// When to start it again.
    pub restart: RestartPolicy,
    /// How its silence is noticed, if it is to say from time to time that it is well.
    #[serde(default)]
    pub watch: Option<Watch>,
    /// When it is poked, if it is.
    #[serde(default)]
    pub poke: Option<Poke>,
    /// The line that asks for it.
    pub origin: Origin,
}

impl Object {
    /// What its session may be called: by the naming in force, and by gt's other one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [Some(&self.recipe.session), self.other_name.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

/// How an agent that lives and does nothing any more is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Watch {
    /// The file in which it says that it is well, relative to the town.
    pub file: String,
    /// Silent for so long, it is asked.
    pub stale_after: Duration,
    /// Silent for so long, it is replaced; `None`: never.
    pub stuck_after: Option<Duration>,
    /// How long after its start its silence does not count.
    pub grace: Duration,
}

/// When an agent that is quiet is poked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Poke {
    /// Quiet for so long, it is poked for the first time.
    pub after: Duration,
}

/// A kind of agent, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AgentChoice {
    /// Its name.
    pub name: String,
    /// Who.
    pub origin: Origin,
}

/// What an object is started from. One recipe for the first start and for every restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recipe {
    /// The session's name.
    pub session: String,
    /// Working directories; the first that exists is taken.
    pub directories: Vec<PathBuf>,
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Environment variables to set. May hold secrets: never printed, never part of an argv, and written down by their names alone.
    #[serde(serialize_with = "names", deserialize_with = "without_values")]
    pub env: BTreeMap<String, String>,
    /// What it is told first, if anything.
    #[serde(default)]
    pub words: Option<Words>,
    /// How to see that it is ready; `None` for a program of which nothing is known. No part of the spec: another one needs no restart.
    #[serde(default)]
    pub ready: Option<Ready>,
}

/// The names of variables.
fn names<S: Serializer>(env: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(env.keys())
}

/// Variables whose values were not written down.
fn without_values<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Vec::deserialize(from)?.into_iter().map(|name| (name, String::new())).collect())
}

impl Recipe {
    /// The program.
    pub fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// A hash that changes with anything that a restart would change.
    pub fn spec(&self) -> SpecHash {
        let mut digest = Sha256::new();
        // Each part with its length, so that no two recipes run together to the same bytes; bytes, because a path need not be text.
        let mut part = |bytes: &[u8]| {
            digest.update(bytes.len().to_le_bytes());
            digest.update(bytes);
        };
        part(self.session.as_bytes());
        part(&self.directories.len().to_le_bytes());
        self.directories.iter().for_each(|directory| part(directory.as_os_str().as_bytes()));
        part(&self.command.len().to_le_bytes());
        self.command.iter().for_each(|word| part(word.as_bytes()));
        // Others come and go, and the number with them: nobody is restarted for that.
        for (name, value) in self.env.iter().filter(|(name, _)| *name != SLOT) {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        if let Some(words) = &self.words {
            part(words.text.as_bytes());
            part(&[u8::from(words.typed)]);
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        // 64 hex digits are always more than twelve.
        SpecHash::from_hex(&hex).unwrap_or_else(|| unreachable!("a SHA-256 in hex has 64 digits"))
    }
}

impl Desired {
    /// What a look must cover for this graph, given what the ledger remembers.
    pub fn wants(
        &self,
        past: BTreeMap<Address, PastProcess>,
        server: Option<(PastProcess, String)>,
    ) -> Wants {
        let place = |object: &Object| PlaceWanted {
            directories: object.recipe.directories.clone(),
            program: object.recipe.program().to_owned(),
            path: object.recipe.env.get("PATH").cloned(),
        };
        let heartbeat = |object: &Object| {
            let file = match (&object.watch, &object.poke) {
                (Some(watch), _) => watch.file.clone(),
                // Newer versions of gt touch this file with every command that an agent runs.
                (None, Some(_)) => format!(".runtime/heartbeats/{}.json", object.recipe.session),
                (None, None) => return None,
            };
            Some((object.address.clone(), HeartbeatWanted { root: self.root.clone(), file }))
        };
        let address = |object: &Object| object.address.clone();
        Wants {
            heartbeats: self.objects.values().filter_map(heartbeat).collect(),
            town: self.town.clone(),
            root: self.root.clone(),
            names: self.objects.values().flat_map(Object::names).map(str::to_owned).collect(),
            places: self.objects.values().map(|object| (object.address.clone(), place(object))).collect(),
            past,
            server,
            openings: BTreeMap::new(),
            endings: BTreeSet::new(),
            last_words: Default::default(),
            free_memory: Some(self.policy.limits.free_memory_mib).filter(|floor| *floor > 0),
            activity: self.objects.values().filter(|object| object.poke.is_some()).map(address).collect(),
        }
    }
}
