//! The kinds of agents: those that gtctl knows without being told, with the arguments that gt gives them, and the user's own, of gt's files
//! and of `town.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{Address, Period, Ready, Seen};
use crate::town::files::TownFiles;
use crate::town::files::agents::{AGENTS_JSON, CustomAgent, SESSION_ID_ENV, SETTINGS_JSON};
use crate::town::files::town_toml::{PromptMode, TownToml};

use super::choice::layers;
use super::holds::Hold;

/// A built-in kind.
pub struct Kind {
    /// The name in `agent = "…"`.
    pub name: &'static str,
    /// Program and arguments.
    pub command: &'static [&'static str],
    /// Environment variables.
    pub env: &'static [(&'static str, &'static str)],
    /// The names of its processes, for gt.
    pub processes: &'static [&'static str],
    /// How it takes its first words.
    pub prompt: PromptMode,
    /// How a line of it begins when it is ready.
    pub ready_prompt: Option<&'static str>,
    /// How long it takes to be ready.
    pub ready_delay: Period,
    /// Whether gt's hooks tell it what gt knows, at each of its starts.
    pub hooks: bool,
}

/// How long a kind takes to be ready where nobody has measured it.
const READY_DELAY: Period = Period::seconds(10);

impl Kind {
    const fn new(
        name: &'static str,
        command: &'static [&'static str],
        processes: &'static [&'static str],
    ) -> Self {
        let prompt = PromptMode::Argument;
        Self {
            name,
            command,
            env: &[],
            processes,
            prompt,
            ready_prompt: None,
            ready_delay: READY_DELAY,
            hooks: true,
        }
    }

    const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    const fn ready(self, ready_prompt: Option<&'static str>, seconds: u64) -> Self {
        Self { ready_prompt, ready_delay: Period::seconds(seconds), ..self }
    }

    /// What takes no prompt as an argument, or would take it for something else.
    const fn typed(self) -> Self {
        Self { prompt: PromptMode::Typed, ..self }
    }

    const fn without_hooks(self) -> Self {
        Self { hooks: false, ..self }
    }
}

/// All built-in kinds, by name.
pub const BUILT_IN: &[Kind] = &[
    Kind::new("amp", &["amp", "--dangerously-allow-all", "--no-ide"], &["amp"]).without_hooks(),
    Kind::new("auggie", &["auggie", "--allow-indexing"], &["auggie"]).without_hooks(),
    Kind::new("claude", &["claude", "--dangerously-skip-permissions"], &["node", "claude"])
        .env(&[(SESSION_ID_ENV, "CLAUDE_SESSION_ID")])
        .ready(Some("❯ "), 10),
    Kind::new("codex", &["codex", "--dangerously-bypass-approvals-and-sandbox"], &["codex"])
        .ready(Some("› "), 3)
        .typed(),
    Kind::new("copilot", &["copilot", "--yolo"], &["copilot"]).ready(None, 5).typed(),
    Kind::new("cursor", &["cursor-agent", "-f"], &["cursor-agent", "agent"]).ready(None, 5),
    Kind::new("gemini", &["gemini", "--approval-mode", "yolo"], &["gemini"])
        .env(&[(SESSION_ID_ENV, "GEMINI_SESSION_ID")])
        .ready(None, 5),
    Kind::new("omp", &["omp", "--hook", ".omp/hooks/gastown-hook.ts"], &["omp", "node", "bun"]),
    Kind::new("opencode", &["opencode"], &["opencode", "node", "bun"])
        .env(&[("OPENCODE_PERMISSION", r#"{"*":"allow"}"#)])
        .ready(None, 8)
        .typed(),
    Kind::new("pi", &["pi", "-e", ".pi/extensions/gastown-hooks.js"], &["pi", "node", "bun"]).ready(None, 8),
    Kind::new("vibe", &["vibe", "--agent", "auto-approve"], &["vibe"]).ready(Some("❯ "), 5),
];

/// The programs of all built-in kinds. Whoever has such a name looks like an agent, and need not be one.
pub fn agent_programs() -> Vec<&'static str> {
    BUILT_IN.iter().filter_map(|kind| kind.command.first().copied()).collect()
}

/// A kind of agent, with all that a start needs of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// The names of its processes; empty if no kind tells them.
    pub processes: Vec<String>,
    /// How it takes its first words.
    pub prompt: Option<PromptMode>,
    /// How to see that it is ready, if anything is known of that.
    pub ready: Option<Ready>,
    /// Whether gt's hooks tell it what gt knows.
    pub hooks: bool,
    /// Whether it takes claude's arguments.
    pub is_claude: bool,
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
    let mut agent = base.unwrap_or_default();
    let command = command.ok_or(NoAgent::Unknown)?;
    if agent.command.first() != command.first() {
        agent.processes = Vec::new();
        agent.is_claude = is_claude(&command);
    }
    agent.command = command;
    agent.prompt = yours.prompt.or(agent.prompt);
    if yours.ready_prompt.is_some() || yours.ready_delay.is_some() || yours.prompt.is_some() {
        agent.ready = Some(ready(agent.ready.take(), yours.ready_prompt.as_ref(), yours.ready_delay));
    }
    agent.env.extend(yours.env.clone());
    Ok(agent)
}

/// The built-in kind that runs where nobody chose one.
pub fn default() -> Agent {
    built_in(super::choice::DEFAULT).map(of_kind).unwrap_or_else(|| unreachable!("the default is built in"))
}

/// The kind of this name that gt's files define.
fn of_gt<'a>(files: &'a TownFiles, address: &Address, name: &str) -> Result<Option<&'a CustomAgent>, Hold> {
    for (layer, file) in layers(&files.starts, address, SETTINGS_JSON) {
        match &layer.settings {
            Seen::Known(settings) => {
                if let Some(custom) = settings.agents.get(name) {
                    return Ok(Some(custom));
                }
            }
            Seen::Unknown(why) => return Err(Hold::unread(why, file)),
        }
    }
    for (layer, file) in layers(&files.starts, address, AGENTS_JSON) {
        match &layer.kinds {
            Seen::Known(kinds) => {
                if let Some(custom) = kinds.as_ref().and_then(|kinds| kinds.get(name)) {
                    return Ok(Some(custom));
                }
            }
            Seen::Unknown(why) => return Err(Hold::unread(why, file)),
        }
    }
    Ok(None)
}

/// The built-in kind of this name.
fn built_in(name: &str) -> Option<&'static Kind> {
    BUILT_IN.iter().find(|kind| kind.name == name)
}

/// The built-in kind whose program this is.
pub fn of_program(program: &str) -> Option<&'static Kind> {
    let file = Path::new(program).file_name()?.to_str()?;
    BUILT_IN.iter().find(|kind| kind.command.first() == Some(&file))
}

fn of_kind(kind: &Kind) -> Agent {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Agent {
        command: kind.command.iter().map(|word| (*word).to_owned()).collect(),
        env: kind.env.iter().map(owned).collect(),
        processes: kind.processes.iter().map(|name| (*name).to_owned()).collect(),
        prompt: Some(kind.prompt),
        ready: Some(Ready { prompt: kind.ready_prompt.map(str::to_owned), delay: kind.ready_delay }),
        hooks: kind.hooks,
        is_claude: kind.name == super::choice::DEFAULT,
    }
}

/// Whether this is claude's own program.
fn is_claude(command: &[String]) -> bool {
    let kind = command.first().and_then(|program| of_program(program));
    kind.is_some_and(|kind| kind.name == super::choice::DEFAULT)
}

/// What gt's files leave out comes from the built-in kind that theirs is like; `None` if nothing says what to run.
pub fn of_custom(name: &str, custom: &CustomAgent) -> Option<Agent> {
    let like = custom.provider.as_deref().and_then(built_in);
    let like = like.or_else(|| custom.command.as_deref().and_then(of_program)).or_else(|| built_in(name));
    let base = like.map(of_kind).unwrap_or_default();
    let program = custom.command.clone().or_else(|| base.command.first().cloned())?;
    let arguments = custom.args.clone().unwrap_or_else(|| base.command.iter().skip(1).cloned().collect());
    let command: Vec<String> = custom.wrapper.iter().chain([&program]).cloned().chain(arguments).collect();
    // As gt: who says whose provider it is knows it best.
    let is_claude = match &custom.provider {
        Some(provider) => provider == super::choice::DEFAULT,
        None => is_claude(std::slice::from_ref(&program)),
    };
    let mut env = base.env;
    env.extend(custom.env.clone());
    // The names are those of a program: another program has its own.
    let same = base.command.first() == Some(&program);
    let processes = match custom.processes.as_slice() {
        [] if same => base.processes,
        [] => Vec::new(),
        names => names.to_vec(),
    };
    let prompt = match custom.takes_prompt {
        Some(true) => Some(PromptMode::Argument),
        Some(false) => Some(PromptMode::Typed),
        // As gt: an argument, unless it is like one that takes none.
        None => base.prompt.or(Some(PromptMode::Argument)),
    };
    let delay = custom.ready_delay_ms.map(Period::millis);
    let ready = Some(ready(base.ready, custom.ready_prompt.as_ref(), delay));
    Some(Agent { command, env, processes, prompt, ready, hooks: base.hooks, is_claude })
}

/// How to see that it is ready: what is said of that, on what was said before. A prompt that is said to be none leaves the delay.
fn ready(base: Option<Ready>, prompt: Option<&String>, delay: Option<Period>) -> Ready {
    let base = base.unwrap_or(Ready { prompt: None, delay: READY_DELAY });
    let prompt = match prompt {
        Some(prompt) => Some(prompt.clone()).filter(|prompt| !prompt.is_empty()),
        None => base.prompt,
    };
    Ready { prompt, delay: delay.unwrap_or(base.delay) }
}

/// What is known of a program that a file spells out: what the built-in kind with this program is like.
pub fn of_command(command: &[String]) -> Agent {
    let like = command.first().and_then(|program| of_program(program));
    Agent { command: command.to_vec(), env: BTreeMap::new(), ..like.map(of_kind).unwrap_or_default() }
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
