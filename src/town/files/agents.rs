//! `settings/config.json` and `settings/agents.json` of the town and of each rig: which kind of agent runs what, and kinds of the user's own.
//!
//! What cannot be read is unknown, and holds back whatever would be started by it (law 11): another agent is never put in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;

use super::dolt::Endpoint;
use super::hooks;
use super::json::Reader;
use super::lenient::read;
use super::roles::{ROLES, RoleFile, parse_role, role_file};
use crate::machine::Disk;
use crate::model::{Name, Position, Role, Seen};
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::source::Source;

/// The town's settings; a rig's are at the same path below the rig.
pub const SETTINGS_JSON: &str = super::daemon::SETTINGS_JSON;

/// Kinds of agents that the user made; a rig's are at the same path below the rig.
pub const AGENTS_JSON: &str = "settings/agents.json";

/// The variable in which gt tells an agent's hooks where the agent keeps the name of its conversation.
pub const SESSION_ID_ENV: &str = "GT_SESSION_ID_ENV";

/// The newest version of a rig's settings and of a list of agents that gt itself reads.
const VERSION_MAX: i64 = 1;

/// Something, and where a file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// What.
    pub value: T,
    /// Where.
    pub at: Position,
    /// The bytes of the file.
    pub span: Range<usize>,
}

impl<T> Said<T> {
    /// Points at it.
    pub fn label(&self, text: &str) -> Label {
        Label::at(&self.at.file, self.span.clone(), text)
    }
}

/// What the settings of a town or of a rig say of agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentSettings {
    /// The kind for all: `default_agent` in a town's, `agent` in a rig's.
    pub agent: Option<Said<String>>,
    /// The kind for each role: `role_agents`.
    pub roles: BTreeMap<String, Said<String>>,
    /// The kind for single crew members: `crew_agents` in a town's, `worker_agents` in a rig's.
    pub crew: BTreeMap<String, Said<String>>,
    /// How much each role is to think: `role_effort`.
    pub effort: BTreeMap<String, Said<String>>,
    /// Kinds that are defined here: `agents`.
    pub agents: BTreeMap<String, CustomAgent>,
    /// The one kind that a rig's settings of before `agents` spell out: `runtime`.
    pub runtime: Option<CustomAgent>,
}

/// A kind of agent that gt's files define. What is absent comes from the built-in kind that it is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomAgent {
    /// Where.
    pub at: Position,
    /// The built-in kind that it is like, if it names one.
    pub provider: Option<String>,
    /// The program.
    pub command: Option<String>,
    /// Its arguments; an empty list is none.
    pub args: Option<Vec<String>>,
    /// What stands before the program: `exec_wrapper`.
    pub wrapper: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Names of its processes, for gt.
    pub processes: Vec<String>,
    /// Whether it takes its first words as an argument: `prompt_mode`.
    pub takes_prompt: Option<bool>,
    /// How a line of its prompt begins.
    pub ready_prompt: Option<String>,
    /// How long it takes until it is ready, in milliseconds.
    pub ready_delay_ms: Option<u64>,
}

/// What gt's files of one place, the town or a rig, say of how agents are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// `settings/config.json`
    pub settings: Seen<AgentSettings>,
    /// `settings/agents.json`; `None` if there is none.
    pub kinds: Seen<Option<BTreeMap<String, CustomAgent>>>,
    /// `roles/<role>.toml`, of those that are there, by role.
    pub roles: BTreeMap<&'static str, Seen<RoleFile>>,
    /// The roles whose members share settings of claude; none of the town's own, who have theirs in their directories.
    pub claude_settings: Seen<BTreeSet<Role>>,
    /// Which of its files are there, readable or not, by their paths in the town.
    pub there: Vec<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            settings: Seen::Known(AgentSettings::default()),
            kinds: Seen::Known(None),
            roles: BTreeMap::new(),
            claude_settings: Seen::Known(BTreeSet::new()),
            there: Vec::new(),
        }
    }
}

/// What gt's files say of how agents are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starts {
    /// The town's.
    pub town: Layer,
    /// Those of each rig that has any.
    pub rigs: BTreeMap<Name, Layer>,
    /// Where the account that all use keeps its configuration, if the files name one.
    pub account: Seen<Option<PathBuf>>,
    /// Where the database of beads listens, by each file that says it, or cannot be read; the first counts.
    pub database: Vec<(&'static str, Seen<Endpoint>)>,
}

impl Default for Starts {
    fn default() -> Self {
        Self {
            town: Layer::default(),
            rigs: BTreeMap::new(),
            account: Seen::Known(None),
            database: Vec::new(),
        }
    }
}

/// Where a file of the town is that rigs have as well.
pub fn path_of(rig: Option<&Name>, file: &str) -> String {
    rig.map_or_else(|| file.to_owned(), |rig| format!("{rig}/{file}"))
}

/// Reads the layer of the town, or of a rig; and what is to be told of it.
pub fn read_layer(disk: &dyn Disk, root: &Path, rig: Option<&Name>) -> (Layer, Vec<Diagnostic>) {
    let mut warnings = Vec::new();
    let settings =
        read(disk, root, &path_of(rig, SETTINGS_JSON), &mut warnings, |source| parse_settings(source, rig));
    let mut there = Vec::new();
    if settings != Seen::Known(None) {
        there.push(path_of(rig, SETTINGS_JSON));
    }
    let settings = settings.map(|found| {
        let (settings, more) = found.unwrap_or_default();
        warnings.extend(more);
        settings
    });
    let kinds = read(disk, root, &path_of(rig, AGENTS_JSON), &mut warnings, parse_kinds);
    if kinds != Seen::Known(None) {
        there.push(path_of(rig, AGENTS_JSON));
    }
    let mut roles = BTreeMap::new();
    for role in ROLES {
        let path = path_of(rig, &role_file(role));
        let file = match read(disk, root, &path, &mut warnings, parse_role) {
            Seen::Known(None) => continue,
            Seen::Known(Some((file, more))) => {
                warnings.extend(more);
                Seen::Known(file)
            }
            Seen::Unknown(why) => Seen::Unknown(why),
        };
        there.push(path);
        roles.insert(*role, file);
    }
    let claude_settings =
        rig.map_or(Seen::Known(BTreeSet::new()), |rig| hooks::read_claude_settings(disk, root, rig));
    (Layer { settings, kinds, roles, claude_settings, there }, warnings)
}

/// Checks settings, a rig's or the town's; beside them what has no effect.
pub fn parse_settings(
    source: &Source,
    rig: Option<&Name>,
) -> Result<(AgentSettings, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let (mut settings, mut warnings, mut runtime) = (AgentSettings::default(), Vec::new(), None);
    if let Some(file) = reader.parse() {
        let (agent, crew) =
            if rig.is_some() { ("agent", "worker_agents") } else { ("default_agent", "crew_agents") };
        if rig.is_some() {
            version(&mut reader, &file);
            if let Some(block) = reader.object(&file, "runtime") {
                let label = reader.label(block, "");
                let help = "define it under `agents`, and name it as `agent`";
                warnings.push(
                    Diagnostic::warning("`runtime` is what gt had before `agents`", label).with_help(help),
                );
                let at = reader.position(block);
                runtime = Some(kind(&mut reader, block, at));
            }
        }
        settings = AgentSettings {
            agent: said(&mut reader, &file, agent),
            roles: all_said(&mut reader, &file, "role_agents"),
            crew: all_said(&mut reader, &file, crew),
            effort: all_said(&mut reader, &file, "role_effort"),
            agents: kinds(&mut reader, &file),
            runtime,
        };
    }
    reader.finish((settings, warnings))
}

/// Checks a list of kinds of agents.
pub fn parse_kinds(source: &Source) -> Result<BTreeMap<String, CustomAgent>, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let mut found = BTreeMap::new();
    if let Some(file) = reader.parse() {
        version(&mut reader, &file);
        found = kinds(&mut reader, &file);
    }
    reader.finish(found)
}

fn version<'a>(reader: &mut Reader<'a>, file: &Object<'a>) {
    if let Some((version, value)) = reader.integer(file, "version")
        && version > VERSION_MAX
    {
        let title = format!("version {version} is newer than this gtctl, which knows version {VERSION_MAX}");
        let label = reader.label(value, "");
        reader.mistakes.push(Diagnostic::error(title, label));
    }
}

/// A text that is not empty; an empty one says nothing to gt.
fn said<'a>(reader: &mut Reader<'a>, object: &Object<'a>, name: &str) -> Option<Said<String>> {
    let (text, value) = reader.string(object, name)?;
    let at = reader.position(value);
    (!text.is_empty()).then(|| Said { value: text.to_owned(), at, span: value.start()..value.end() })
}

fn all_said<'a>(reader: &mut Reader<'a>, file: &Object<'a>, name: &str) -> BTreeMap<String, Said<String>> {
    let mut all = BTreeMap::new();
    let object = reader.object(file, name);
    for property in object.map(|object| reader.entries(object)).unwrap_or_default() {
        let text = match &property.value {
            Value::StringLit(text) => text.value.to_string(),
            Value::NullKeyword(_) => continue,
            other => {
                reader.wrong_type::<()>(other, &format!("an entry of {name}"), "a string");
                continue;
            }
        };
        if !text.is_empty() {
            let at = reader.position(&property.value);
            let span = property.value.start()..property.value.end();
            all.insert(property.name.as_str().to_owned(), Said { value: text, at, span });
        }
    }
    all
}

fn kinds<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> BTreeMap<String, CustomAgent> {
    let mut found = BTreeMap::new();
    let object = reader.object(file, "agents");
    for property in object.map(|object| reader.entries(object)).unwrap_or_default() {
        let object = match &property.value {
            Value::Object(object) => object,
            Value::NullKeyword(_) => continue,
            other => {
                reader.wrong_type::<()>(other, "an entry of agents", "an object");
                continue;
            }
        };
        let at = reader.position(&property.name);
        let kind = kind(reader, object, at);
        found.insert(property.name.as_str().to_owned(), kind);
    }
    found
}

fn kind<'a>(reader: &mut Reader<'a>, object: &Object<'a>, at: Position) -> CustomAgent {
    let text = |reader: &mut Reader<'a>, name: &str| said(reader, object, name).map(|said| said.value);
    let words = |reader: &mut Reader<'a>, object: &Object<'a>, name: &str| -> Option<Vec<String>> {
        let words: Vec<String> = reader.strings(object, name)?.into_iter().map(|(word, _)| word).collect();
        no_nul(reader, object, name, &words);
        Some(words)
    };
    let tmux = reader.object(object, "tmux");
    let processes = words(reader, object, "process_names")
        .or_else(|| words(reader, tmux?, "process_names"))
        .unwrap_or_default();
    let command = text(reader, "command");
    let mut env = environment(reader, object);
    let session = reader.object(object, "session");
    let session_id = text(reader, "session_id_env").or_else(|| {
        session.and_then(|session| said(reader, session, "session_id_env")).map(|said| said.value)
    });
    if let Some(name) = session_id {
        env.entry(SESSION_ID_ENV.to_owned()).or_insert(name);
    }
    no_nul(reader, object, "command", command.as_slice());
    CustomAgent {
        at,
        provider: text(reader, "provider"),
        command,
        args: words(reader, object, "args"),
        wrapper: words(reader, object, "exec_wrapper").unwrap_or_default(),
        env,
        processes,
        takes_prompt: text(reader, "prompt_mode").map(|mode| mode != "none"),
        ready_prompt: tmux.and_then(|tmux| said(reader, tmux, "ready_prompt_prefix")).map(|said| said.value),
        ready_delay_ms: tmux
            .and_then(|tmux| reader.integer(tmux, "ready_delay_ms"))
            .and_then(|(delay, _)| u64::try_from(delay).ok())
            .filter(|delay| *delay > 0),
    }
}

/// The variables of `env`.
pub(super) fn environment<'a>(reader: &mut Reader<'a>, object: &Object<'a>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let object = reader.object(object, "env");
    for property in object.map(|object| reader.entries(object)).unwrap_or_default() {
        let name = property.name.as_str();
        let label = |reader: &Reader<'a>| reader.label(&property.name, "");
        if let Some(title) = bad_variable(name) {
            let label = label(reader);
            reader.mistakes.push(Diagnostic::error(title, label));
        }
        match &property.value {
            Value::StringLit(text) if text.value.contains('\0') => {
                let label = label(reader);
                reader.mistakes.push(Diagnostic::error("a variable holds a NUL byte", label));
            }
            Value::StringLit(text) => {
                env.insert(name.to_owned(), text.value.to_string());
            }
            Value::NullKeyword(_) => {}
            other => {
                reader.wrong_type::<()>(other, "a variable of env", "a string");
            }
        }
    }
    env
}

/// The kernel ends every argument at a NUL byte.
fn no_nul<'a>(reader: &mut Reader<'a>, object: &Object<'a>, name: &str, words: &[String]) {
    if words.iter().any(|word| word.contains('\0'))
        && let Some(value) = reader.field(object, name)
    {
        let label = reader.label(value, "");
        reader.mistakes.push(Diagnostic::error(format!("`{name}` holds a NUL byte"), label));
    }
}

/// What is wrong with the name of a variable, if anything is.
pub(super) fn bad_variable(name: &str) -> Option<String> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Some(format!("`{}` cannot name an environment variable", name.escape_debug()))
    } else if name.starts_with("GTCTL_") {
        Some(format!("`{name}` is gtctl's own: it marks what gtctl started"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<AgentSettings, Vec<String>> {
        let source = Source { file: SETTINGS_JSON.to_owned(), text: text.to_owned() };
        let titles = |found: Vec<Diagnostic>| found.into_iter().map(|one| one.title).collect();
        parse_settings(&source, None).map(|(settings, _)| settings).map_err(titles)
    }

    #[test]
    fn who_runs_what_is_read_with_its_place() {
        let text = "{\"default_agent\":\"codex\",\n\"role_agents\":{\"witness\":\"gemini\",\"crew\":\"\",\"mayor\":null}}";
        let found = settings(text).unwrap();
        let default = found.agent.unwrap();
        assert_eq!((default.value.as_str(), default.at.line, default.at.column), ("codex", 1, 18));
        assert_eq!(found.roles.keys().collect::<Vec<_>>(), ["witness"], "what is empty says nothing");
        assert_eq!(settings("{}"), Ok(AgentSettings::default()));
    }

    #[test]
    fn a_kind_of_ones_own_is_read_as_gt_reads_it() {
        let text = r#"{"agents":{"mine":{"command":"mine","args":["-y"],"env":{"A":"b"},"prompt_mode":"none",
            "tmux":{"process_names":["node"],"ready_prompt_prefix":"> ","ready_delay_ms":500},"acp":{}}}}"#;
        let mine = settings(text).unwrap().agents["mine"].clone();
        assert_eq!((mine.command.as_deref(), mine.args), (Some("mine"), Some(vec!["-y".to_owned()])));
        assert_eq!((mine.takes_prompt, mine.ready_delay_ms), (Some(false), Some(500)));
        assert_eq!(mine.processes, ["node"]);
    }

    #[test]
    fn wrong_types_fail_the_file_with_every_place() {
        let text = r#"{"default_agent":1,"role_agents":[],"agents":{"a":{"args":[1],"env":{"B C":"x","GTCTL_TOWN":"y"}},"b":2}}"#;
        let found = settings(text).unwrap_err();
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn a_torn_file_is_unknown_and_an_absent_one_is_none() {
        let town = tempfile::tempdir().unwrap();
        let read = || read_layer(&crate::machine::ThisMachine::new(), town.path(), None);
        assert_eq!(read(), (Layer::default(), Vec::new()));
        std::fs::create_dir(town.path().join("settings")).unwrap();
        std::fs::write(town.path().join(AGENTS_JSON), "{\"agents\":{").unwrap();
        std::fs::write(town.path().join(SETTINGS_JSON), "").unwrap();
        let (layer, warnings) = read();
        assert_eq!(layer.there, [SETTINGS_JSON, AGENTS_JSON]);
        assert!(matches!((layer.settings, layer.kinds), (Seen::Unknown(_), Seen::Unknown(_))));
        assert_eq!(warnings.len(), 2);
    }
}
