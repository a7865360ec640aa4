//! The tables of `town.toml` that are policy: waits, crash loops, ceilings, the controller's own pace.

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
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self { sessions: 64, starts_per_minute: 12, starts_in_flight: 3, kills_per_pass: 3 }
    }
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
}

impl Default for ControllerTable {
    fn default() -> Self {
        Self {
            resync: Period::seconds(180),
            debounce: Period::millis(100),
            settle: Period::seconds(1),
            stop_timeout: Period::seconds(5),
            tmux_timeout: Period::seconds(5),
        }
    }
}
