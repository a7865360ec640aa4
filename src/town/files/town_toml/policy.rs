//! The tables of `town.toml` that are policy: waits, crash loops, ceilings, the controller's own pace, and what runs beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Period;

/// `[backoff]`: the first restart is immediate, the second waits `initial`, each further one `factor` times longer.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackoffTable {
    /// The first wait.
    pub initial: Period,
    /// How much longer each wait is than the one before.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub factor: f64,
    /// The longest wait.
    pub max: Period,
    /// Each wait varies by up to this part of itself, so that objects do not restart in step.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub jitter: f64,
}

impl Default for BackoffTable {
    /// gt's own numbers.
    fn default() -> Self {
        Self { initial: Period::seconds(30), factor: 2.0, max: Period::seconds(600), jitter: 0.2 }
    }
}

/// `[crash-loop]`: `count` restarts within `window` end in a crash loop, which tries again every `probe-after`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CrashLoopTable {
    /// So many restarts …
    #[schemars(range(min = 1, max = 100))]
    pub count: usize,
    /// … within this time are a crash loop.
    pub window: Period,
    /// Healthy for so long, and earlier restarts are forgotten.
    pub stable: Period,
    /// How often a crash loop tries once again by itself.
    pub probe_after: Period,
}

impl Default for CrashLoopTable {
    fn default() -> Self {
        Self {
            count: 5,
            window: Period::seconds(900),
            stable: Period::seconds(1800),
            probe_after: Period::seconds(3600),
        }
    }
}

/// `[usage-limit]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UsageLimitTable {
    /// How long all agents of a kind wait after one of them has ended because its account has used up what it may, if it did not say when that goes on.
    /// Always the same: nobody's fault grows.
    pub retry: Period,
}

impl Default for UsageLimitTable {
    fn default() -> Self {
        Self { retry: Period::seconds(900) }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitsTable {
    /// The most sessions of this town at one time.
    #[schemars(range(min = 1, max = 10_000))]
    pub sessions: usize,
    /// The most starts in any minute.
    #[schemars(range(min = 1, max = 10_000))]
    pub starts_per_minute: usize,
    /// The most starts under way at one time.
    #[schemars(range(min = 1, max = 1000))]
    pub starts_in_flight: usize,
    /// The most sessions with a living agent that one pass stops without approval; also never more than 30 % of what
    /// runs, or two where that is less.
    #[schemars(range(min = 1, max = 10_000))]
    pub kills_per_pass: usize,
    /// No start while the machine has less memory available than so many MiB (`MemAvailable` of `/proc/meminfo`); 0: that is not looked at.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub free_memory_mib: u64,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            sessions: 64,
            starts_per_minute: 12,
            starts_in_flight: 3,
            kills_per_pass: 3,
            free_memory_mib: 0,
        }
    }
}

/// `[orphans]`: processes of this town that outlived their terminals or their agents.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OrphansTable {
    /// Which of them are ended.
    pub end: OrphansEnd,
    /// For how long one must be known before it is told to end; 60 seconds after TERM comes KILL.
    pub grace: Period,
}

impl Default for OrphansTable {
    fn default() -> Self {
        Self { end: OrphansEnd::Agents, grace: Period::seconds(60) }
    }
}

/// Which orphaned processes are ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrphansEnd {
    /// Agents that lost their terminals: nobody can reach them any more, and nothing is started beside them.
    #[default]
    Agents,
    /// These, and what agents that are gone have left behind.
    All,
    /// None: they are reported.
    Nothing,
}

/// Whether the controller speaks to tmux through one client in control mode that stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ControlClient {
    /// With a tmux that bears it: before 3.8, a client in control mode can make the whole server crash when a session with several windows ends.
    #[default]
    Auto,
    /// With any tmux.
    Always,
    /// With none.
    Never,
}

/// `[controller]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControllerTable {
    /// How often to look when nothing gave notice.
    pub resync: Period,
    /// How long files must rest before they are read again.
    pub debounce: Period,
    /// A start counts as done when the agent has lived so long.
    pub settle: Period,
    /// A stop waits so long after each of hang-up and TERM before it sends the next, stronger signal.
    pub stop_timeout: Period,
    /// How long tmux may take to answer before it counts as unknown.
    pub tmux_timeout: Period,
    /// Whether the controller speaks to the tmux server in tmux's own protocol, where the server is seen to answer that as it answers `tmux`.
    pub direct: bool,
    /// Whether the controller speaks to tmux through one client in control mode that stays.
    pub control_client: ControlClient,
}

impl Default for ControllerTable {
    fn default() -> Self {
        Self {
            resync: Period::seconds(180),
            debounce: Period::millis(100),
            settle: Period::seconds(1),
            stop_timeout: Period::seconds(5),
            tmux_timeout: Period::seconds(5),
            direct: true,
            control_client: ControlClient::Auto,
        }
    }
}

/// `[beads]`: `bd` or `br`, asked for the labels of each rig's bead, which can park or dock it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BeadsTable {
    /// Whether to ask at all. Rigs without a `.beads` directory are never asked about.
    pub enabled: bool,
    /// The program: a name to find on PATH, or a path, relative to the town. Without it, `bd` or `br`, the first that is installed.
    pub program: Option<String>,
    /// How long one answer may take before it counts as unknown.
    pub timeout: Period,
    /// How often each rig is asked about.
    pub every: Period,
}

impl Default for BeadsTable {
    /// gt's daemon asks at each of its heartbeats, every three minutes.
    fn default() -> Self {
        Self { enabled: true, program: None, timeout: Period::seconds(10), every: Period::seconds(300) }
    }
}

/// `[feed]`: makes `.feed.jsonl`, which people read, of `.events.jsonl`, which gt writes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeedTable {
    /// Whether the controller does that.
    pub enabled: bool,
    /// A `done` of the same actor within this time is told once.
    pub repeat_window: Period,
    /// Slings of one actor within this time …
    pub sling_window: Period,
    /// … are told together from this many on.
    #[schemars(range(min = 2, max = 1000))]
    pub sling_count: usize,
    /// When `.feed.jsonl` has grown to so many megabytes, its older half goes.
    #[schemars(range(min = 1, max = 1000))]
    pub megabytes: u64,
}

impl Default for FeedTable {
    /// gt's own numbers.
    fn default() -> Self {
        Self {
            enabled: true,
            repeat_window: Period::seconds(10),
            sling_window: Period::seconds(30),
            sling_count: 3,
            megabytes: 10,
        }
    }
}

/// `[convoys]`: `gt convoy check` for open convoys when work has been done.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConvoysTable {
    /// Whether the controller does that.
    pub enabled: bool,
    /// How long after work was done, so that its bead is closed by then, and one check serves what comes together.
    pub delay: Period,
    /// How long one check may take.
    pub timeout: Period,
}

impl Default for ConvoysTable {
    fn default() -> Self {
        Self { enabled: true, delay: Period::seconds(5), timeout: Period::seconds(60) }
    }
}

/// `[mail]`: requests that agents send to the deacon: cycle, restart, shutdown.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MailTable {
    /// Whether the controller reads the deacon's mail. Without it: in a Gas Town workspace, and nowhere else.
    pub enabled: Option<bool>,
    /// The program: a name to find on PATH, or a path, relative to the town. If it is not there, no mail is read.
    pub program: String,
    /// How long one answer may take before it counts as unknown.
    pub timeout: Period,
    /// How often the mail is read; besides, at once on SIGUSR1.
    pub every: Period,
}

impl Default for MailTable {
    /// gt's daemon reads it at each of its heartbeats.
    fn default() -> Self {
        Self {
            enabled: None,
            program: "gt".to_owned(),
            timeout: Period::seconds(30),
            every: Period::seconds(180),
        }
    }
}

/// `[boot]`: the agent that looks after the deacon when the deacon looks unwell.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BootTable {
    /// How long after its last start it is not started again. While the deacon stays unwell, `[backoff]` lengthens that.
    pub cooldown: Period,
    /// It ends by itself; one that has lived for so long is stopped.
    pub max: Period,
}

impl Default for BootTable {
    /// The cooldown is gt's.
    fn default() -> Self {
        Self { cooldown: Period::seconds(120), max: Period::seconds(600) }
    }
}

/// `[polecats]`: which letters the witness of a rig gets about its polecats, and how they are drained. Each letter is sent once for each life
/// and each piece of work.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolecatsTable {
    /// Whether the witness is told of a polecat that cannot be restarted or crashes again and again: `CRASHED_POLECAT`.
    pub crash_mail: bool,
    /// Whether the witness is told of work on the hook of a dead polecat that is not to be restarted: `ORPHANED_WORK`.
    pub orphan_mail: bool,
    /// How long such a polecat must have been dead.
    pub orphaned_after: Period,
    /// Whether the witness is told of work that does not get on although its polecat lives: `GUPP_VIOLATION`.
    pub gupp_mail: bool,
    /// For how long neither the work nor the agent's own bead must have changed.
    pub gupp_after: Period,
    /// How long the polecats of a docked rig get to finish, after they were told.
    pub drain: Period,
}

impl Default for PolecatsTable {
    /// gt's own half hour.
    fn default() -> Self {
        Self {
            crash_mail: true,
            orphan_mail: true,
            orphaned_after: Period::seconds(60),
            gupp_mail: true,
            gupp_after: Period::seconds(1800),
            drain: Period::seconds(300),
        }
    }
}

/// `[mass-death]`: `count` agents that die within `window` are one event, after which restarts go one at a time.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MassDeathTable {
    /// So many agents …
    #[schemars(range(min = 2, max = 10_000))]
    pub count: usize,
    /// … that die within this time have one cause.
    pub window: Period,
    /// How long after a restart the next one is made, while that lasts; none waits for `0s`.
    pub gap: Period,
    /// It is over when none has died for so long.
    pub calm: Period,
}

impl Default for MassDeathTable {
    /// gt's own count and window.
    fn default() -> Self {
        Self { count: 3, window: Period::seconds(30), gap: Period::seconds(2), calm: Period::seconds(60) }
    }
}
