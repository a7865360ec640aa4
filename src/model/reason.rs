//! Why something is done or not done (law 10): a stable code, and the facts that go with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Address, Exit, Stamp, Why};

/// The reason of a decision. Its [`code`](Reason::code) never changes; docs/reasons.md lists all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Reason {
    // --- why something is started
    /// It should run and never has, as far as the ledger knows.
    Absent,
    /// Its session is gone, and nobody recorded a stop.
    Vanished,
    /// Its process ended in its pane.
    Exited {
        /// How, if tmux knows.
        exit: Option<Exit>,
    },
    /// Its agent ended and left only the shell that had wrapped it.
    ShellLeft,
    /// Its session lives, the pane it ran in does not.
    PaneGone,
    /// The tmux server that it ran in is gone.
    ServerLost,
    /// It is in a crash loop, and the time for one more try has come.
    Probe,
    /// The deacon looks unwell: boot is to look after it.
    DeaconUnwell {
        /// How that shows.
        why: Why,
    },

    // --- why something is stopped
    /// Its rig is parked.
    Parked,
    /// Its rig is docked.
    Docked,
    /// Somebody stopped it, and it stays down until somebody starts it.
    Stopped {
        /// Who.
        by: String,
    },
    /// No file lists it any more, and `--prune` was given.
    Pruned,
    /// It lives, has not said for long that it is well, and did not when it was asked: it is ended, and started again.
    Stuck {
        /// For how long it has been silent.
        #[serde(rename = "silent-seconds", with = "super::seconds")]
        silent: Duration,
    },

    /// It should have ended by itself long ago.
    Overdue {
        /// How long it has lived.
        #[serde(rename = "lived-seconds", with = "super::seconds")]
        lived: Duration,
    },
    /// It lost its terminal a while ago and lives on, where nobody can reach it: it is ended.
    Orphaned {
        /// The process.
        pid: i32,
        /// For how long that is known.
        #[serde(rename = "known-seconds", with = "super::seconds")]
        known: Duration,
    },
    /// Its agent started it and left it behind, and `[orphans] end = "all"` says to end it.
    Leftover {
        /// The process.
        pid: i32,
        /// For how long that is known.
        #[serde(rename = "known-seconds", with = "super::seconds")]
        known: Duration,
    },

    // --- why something is typed or labelled
    /// Somebody asked for it.
    Asked {
        /// Who or what.
        by: String,
    },
    /// It lives, and has not said for a while that it is well: it is asked once, and then waited for.
    Stale {
        /// For how long it has been silent.
        #[serde(rename = "silent-seconds", with = "super::seconds")]
        silent: Duration,
    },
    /// It lives, is well, and has been quiet for a while: it is poked.
    Quiet {
        /// For how long.
        #[serde(rename = "quiet-seconds", with = "super::seconds")]
        quiet: Duration,
    },
    /// gt started it, and its environment proves that it is of this town.
    StartedByGt,

    // --- why nothing is done
    /// It runs as it should.
    Running,
    /// The deacon needs nobody to look after it.
    DeaconWell,
    /// The deacon looks unwell, and was looked after a short while ago.
    Cooldown {
        /// When it is again.
        until: Stamp,
    },
    /// Nobody is started to look after the deacon: `GT_DEGRADED=true`.
    Degraded,
    /// It runs as it should, and something is to be typed into it when that is possible.
    NudgeWaiting {
        /// What it waits for.
        why: Why,
        /// When it is given up.
        until: Stamp,
    },
    /// It asks something at its start, and only a person can answer.
    WaitingForInput {
        /// The words on its screen that show it.
        what: String,
    },
    /// It was started a moment ago and must live for a while to count.
    Starting {
        /// How long it has lived.
        #[serde(rename = "lived-seconds", with = "super::seconds")]
        lived: Duration,
    },
    /// An action on it is under way.
    InFlight,
    /// `enabled = false`, or its patrol is off.
    Disabled,
    /// `auto-restart = false`, or wisp config says so.
    NoRestart,
    /// Everything is to be left as it is: `ESTOP`, or `gt down` at work.
    Frozen,
    /// A file that could hold it back cannot be read.
    LayerUnreadable {
        /// What the reader said.
        why: Why,
    },
    /// It cannot be told whether it runs.
    Unknown {
        /// What the probe said.
        why: Why,
    },
    /// Something else has its session name.
    Foreign {
        /// That name.
        session: String,
        /// Why it does not count as ours.
        why: Why,
    },
    /// More than one living session carries its marker.
    Duplicate {
        /// How many.
        count: usize,
    },
    /// Its terminal is closed, its process lives.
    Detached {
        /// The process.
        pid: i32,
    },
    /// It lost its terminal and survived KILL: it sits in the kernel.
    Unkillable {
        /// The process.
        pid: i32,
    },
    /// It lives in another tmux server than the one at the town's socket.
    Elsewhere {
        /// The process.
        pid: i32,
    },
    /// Somebody is attached to its session.
    Attached,
    /// Its agent is gone, and other panes of its session live: they are not ours to end.
    PanesLeft {
        /// How many.
        count: usize,
    },
    /// It ended, and its restart policy leaves it at that.
    Finished {
        /// How, if tmux knows.
        exit: Option<Exit>,
    },
    /// The last attempt to do something to it came to nothing.
    Retry {
        /// When the next one is made.
        until: Stamp,
    },
    /// It restarted a short while ago.
    Backoff {
        /// When it may start.
        until: Stamp,
        /// How many restarts are remembered …
        attempt: usize,
        /// … and how many are a crash loop.
        of: usize,
    },
    /// It restarted too often.
    CrashLoop {
        /// So many restarts …
        count: usize,
        /// … within this time.
        #[serde(rename = "window-seconds", with = "super::seconds")]
        window: Duration,
        /// When it tries once more by itself.
        probe_at: Stamp,
    },
    /// Its working directory does not exist.
    DirectoryMissing {
        /// The directory.
        directory: String,
    },
    /// Its program is nowhere on PATH.
    ProgramMissing {
        /// The program.
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// The town has as many sessions as it may.
    SessionLimit {
        /// The ceiling.
        limit: usize,
    },
    /// Its account has used up what it may.
    UsageLimit {
        /// The account.
        account: String,
        /// Whose last words said so.
        by: Box<Address>,
        /// Until when.
        until: Stamp,
    },
    /// The machine has less memory available than it must have before anything is started.
    LowMemory {
        /// What is available, in MiB.
        available: u64,
        /// What must be, in MiB.
        floor: u64,
    },
    /// What it needs first is not alive, and is not about to be.
    WaitingFor {
        /// What it needs.
        needs: Vec<Address>,
    },
    /// The pass would have stopped more than it may.
    MassStop {
        /// Names the refusal for `gtctl approve`.
        refusal: String,
        /// How many it would have stopped.
        count: usize,
        /// How many it may stop.
        limit: usize,
    },
    /// The tmux server lives, its socket file does not.
    SocketLost {
        /// The server, if it is known.
        pid: Option<i32>,
    },
    /// The files name another tmux server than the one that this town's agents run in.
    ServerChanged {
        /// The recorded one.
        recorded: String,
    },
    // --- polecats
    /// Nothing is on its hook, so it is not started again.
    NoWork,
    /// What is on its hook is done.
    WorkClosed {
        /// The bead.
        bead: String,
    },
    /// Its agent has said that it ended for good.
    WorkDone {
        /// The word: `done` or `nuked`.
        state: String,
    },
    /// Whether it has work cannot be told, or has not been asked since it ended.
    WorkUnknown {
        /// What its beads said.
        why: Why,
    },
    /// Somebody has begun to start it.
    Spawning {
        /// Until when that is believed.
        until: Stamp,
    },
    /// Nobody has seen it run: whoever makes a polecat starts it for the first time.
    NeverSeen,
    /// It lives and has work, and neither has changed anything for long.
    NoProgress {
        /// The work.
        bead: String,
        /// For how long.
        #[serde(rename = "quiet-seconds", with = "super::seconds")]
        quiet: Duration,
    },
    /// Its rig is docked, and it gets time to finish.
    Draining {
        /// Until when.
        until: Stamp,
    },

    /// gtctl's memory cannot be written, and what cannot be recorded is not started.
    MemoryNotDurable {
        /// What the disk said.
        why: Why,
    },
}

impl Reason {
    /// The stable code, in kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Vanished => "vanished",
            Self::Exited { .. } => "exited",
            Self::ShellLeft => "shell-left",
            Self::PaneGone => "pane-gone",
            Self::ServerLost => "server-lost",
            Self::Probe => "probe",
            Self::DeaconUnwell { .. } => "deacon-unwell",
            Self::Parked => "parked",
            Self::Docked => "docked",
            Self::Stopped { .. } => "stopped",
            Self::Pruned => "pruned",
            Self::Stuck { .. } => "stuck",
            Self::Overdue { .. } => "overdue",
            Self::Stale { .. } => "stale",
            Self::Asked { .. } => "asked",
            Self::Quiet { .. } => "quiet",
            Self::StartedByGt => "started-by-gt",
            Self::Running => "running",
            Self::DeaconWell => "deacon-well",
            Self::Cooldown { .. } => "cooldown",
            Self::Degraded => "degraded",
            Self::NudgeWaiting { .. } => "nudge-waiting",
            Self::WaitingForInput { .. } => "waiting-for-input",
            Self::Starting { .. } => "starting",
            Self::InFlight => "in-flight",
            Self::Disabled => "disabled",
            Self::NoRestart => "no-restart",
            Self::Frozen => "frozen",
            Self::LayerUnreadable { .. } => "layer-unreadable",
            Self::Unknown { .. } => "unknown",
            Self::Foreign { .. } => "foreign",
            Self::Duplicate { .. } => "duplicate",
            Self::Detached { .. } => "detached",
            Self::Orphaned { .. } => "orphaned",
            Self::Leftover { .. } => "leftover",
            Self::Unkillable { .. } => "unkillable",
            Self::Elsewhere { .. } => "elsewhere",
            Self::Attached => "attached",
            Self::PanesLeft { .. } => "panes-left",
            Self::Finished { .. } => "finished",
            Self::Retry { .. } => "retry",
            Self::Backoff { .. } => "backoff",
            Self::CrashLoop { .. } => "crash-loop",
            Self::DirectoryMissing { .. } => "directory-missing",
            Self::ProgramMissing { .. } => "program-missing",
            Self::SessionLimit { .. } => "session-limit",
            Self::UsageLimit { .. } => "usage-limit",
            Self::LowMemory { .. } => "low-memory",
            Self::WaitingFor { .. } => "waiting-for",
            Self::MassStop { .. } => "mass-stop",
            Self::SocketLost { .. } => "socket-lost",
            Self::ServerChanged { .. } => "server-changed",
            Self::NoWork => "no-work",
            Self::WorkClosed { .. } => "work-closed",
            Self::WorkDone { .. } => "work-done",
            Self::WorkUnknown { .. } => "work-unknown",
            Self::Spawning { .. } => "spawning",
            Self::NeverSeen => "never-seen",
            Self::NoProgress { .. } => "no-progress",
            Self::Draining { .. } => "draining",
            Self::MemoryNotDurable { .. } => "memory-not-durable",
        }
    }

    /// Whether a file says that it should be so. Then nothing is wrong, and nothing is waited for.
    pub fn is_wish(&self) -> bool {
        matches!(
            self,
            Self::Parked
                | Self::Docked
                | Self::Stopped { .. }
                | Self::NoRestart
                | Self::Disabled
                | Self::Frozen
                | Self::Finished { .. }
                | Self::NeverSeen
        ) || self.is_without_work()
    }

    /// Whether it is a polecat at rest: nothing is left for it to do.
    pub fn is_without_work(&self) -> bool {
        matches!(self, Self::NoWork | Self::WorkClosed { .. } | Self::WorkDone { .. })
    }

    /// Whether it means that nobody could tell.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. }
                | Self::LayerUnreadable { .. }
                | Self::SocketLost { .. }
                | Self::WorkUnknown { .. }
        )
    }
}

/// One fact that a decision rests on, and its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evidence {
    /// The fact, in words.
    pub what: String,
    /// How old it is at the moment of the decision; `None` if it was looked at just now.
    #[serde(rename = "age-seconds", default, with = "super::seconds::option")]
    pub age: Option<Duration>,
}

impl Evidence {
    /// Something seen in this very look.
    pub fn now(what: impl Into<String>) -> Self {
        Self { what: what.into(), age: None }
    }

    /// Something remembered.
    pub fn aged(what: impl Into<String>, age: Duration) -> Self {
        Self { what: what.into(), age: Some(age) }
    }
}
