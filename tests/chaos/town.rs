//! The town that is hurt: twenty fake agents that are wanted, and five that always rest.

use crate::common::{Fake, TestTown};

/// How an object behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// It lives until it is ended.
    Lives,
    /// It lives until it is ended, and leaves a shell.
    LeavesAShell,
    /// It ends by itself with an error, unless the crashing ones have been healed.
    Crashes,
    /// It ends by itself, well, and that was all that was asked of it.
    Finishes,
    /// It lives on without its terminal, where it is left alone.
    Detaches,
    /// It cannot be started.
    CannotStart,
}

/// An object that is wanted to run.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Its address.
    pub object: &'static str,
    /// Its session's name.
    pub session: &'static str,
    nature: Nature,
}

/// What the policy below allows to an object that starts with a clean slate.
pub struct CleanSlate {
    pub within_a_second: usize,
    pub within_a_minute: usize,
}

/// The first restart is at once, the next one a second later; one more may have been late. The fifth restart is a crash loop.
pub const CLEAN_SLATE: CleanSlate = CleanSlate { within_a_second: 3, within_a_minute: 6 };

const fn kept(object: &'static str, session: &'static str, nature: Nature) -> Kept {
    Kept { object, session, nature }
}

/// Two rigs' worth of every kind at least once.
pub const KEPT: [Kept; 20] = [
    kept("r1/witness", "gt-r1-witness", Nature::Lives),
    kept("r1/refinery", "gt-r1-refinery", Nature::Lives),
    kept("r2/witness", "gt-r2-witness", Nature::LeavesAShell),
    kept("r2/refinery", "gt-r2-refinery", Nature::Lives),
    kept("r3/witness", "gt-r3-witness", Nature::Lives),
    kept("r3/refinery", "gt-r3-refinery", Nature::Lives),
    kept("r4/witness", "gt-r4-witness", Nature::Lives),
    kept("r4/refinery", "gt-r4-refinery", Nature::Lives),
    kept("sessions/ok", "ok", Nature::Lives),
    kept("sessions/version", "version", Nature::Lives),
    kept("sessions/wrap", "wrap", Nature::LeavesAShell),
    kept("sessions/zero", "zero", Nature::Finishes),
    kept("sessions/crash", "crash", Nature::Crashes),
    kept("sessions/none", "none", Nature::CannotStart),
    kept("sessions/hang", "hang", Nature::Lives),
    kept("sessions/deaf", "deaf", Nature::Lives),
    kept("sessions/fork", "fork", Nature::Lives),
    kept("sessions/quiet", "quiet", Nature::Lives),
    kept("sessions/loose", "loose", Nature::Detaches),
    kept("sessions/echo", "echo", Nature::Lives),
];

/// What must never be started, whatever happens: parked by `town.toml`, parked by wisp config, and disabled.
pub const RESTING: [&str; 5] =
    ["parked/witness", "parked/refinery", "wisp/witness", "wisp/refinery", "sessions/off"];

/// The rigs whose agents are wanted.
pub const RIGS: [&str; 4] = ["r1", "r2", "r3", "r4"];

/// The wisp file of the rig that always rests.
pub const WISP_OF_THE_RESTING: &str = ".beads-wisp/config/wisp.json";

/// A wisp file that parks its rig.
pub fn parking_wisp(rig: &str) -> String {
    format!(r#"{{"rig":"{rig}","values":{{"status":"parked"}},"blocked":[]}}"#)
}

impl Kept {
    /// The ceilings, as `town.toml` has them.
    pub const STARTS_PER_MINUTE: usize = 120;
    pub const KILLS_PER_PASS: usize = 3;

    /// Of an address.
    pub fn of(object: &str) -> Option<&'static Self> {
        KEPT.iter().find(|kept| kept.object == object)
    }

    /// Whether its end needs no cause.
    pub fn ends_by_itself(self) -> bool {
        matches!(self.nature, Nature::Crashes | Nature::Finishes)
    }

    /// Whether its agent is wrapped by a shell that stays.
    pub fn leaves_a_shell(self) -> bool {
        self.nature == Nature::LeavesAShell
    }

    /// Whether it must live in a town where all is well.
    pub fn must_live(self) -> bool {
        matches!(self.nature, Nature::Lives | Nature::LeavesAShell | Nature::Crashes)
    }
}

/// The town. In a hurry, and with ceilings that a storm of faults can reach.
pub fn build() -> TestTown {
    let all: Vec<&str> = RIGS.into_iter().chain(["parked", "wisp"]).collect();
    let town = TestTown::new().workspace(&all, Fake::Ok);
    for (table, role, fake) in [
        ("rigs.r1", "refinery", Fake::Deaf),
        ("rigs.r2", "witness", Fake::Wrap),
        ("rigs.r2", "refinery", Fake::Fork),
        ("rigs.r3", "witness", Fake::Named("node")),
        ("rigs.r3", "refinery", Fake::Foreground("python3")),
    ] {
        town.set(table, &format!("roles.{role}.command = {}", town.command(&fake)));
    }
    for (name, fake) in [
        ("ok", Fake::Ok),
        ("version", Fake::Named("2.1.19")),
        ("wrap", Fake::Wrap),
        ("zero", Fake::Exit0),
        ("crash", Fake::Crash(0)),
        ("none", Fake::NoExec),
        ("hang", Fake::Hang),
        ("deaf", Fake::Deaf),
        ("fork", Fake::Fork),
        // To whoever keeps its session, a quiet or a slow one is like any other.
        ("quiet", Fake::Ok),
        ("loose", Fake::Detached),
        ("echo", Fake::Echo),
        ("off", Fake::Ok),
    ] {
        town.add_session(name, fake);
    }
    town.file(WISP_OF_THE_RESTING, &parking_wisp("wisp"));
    let per_minute = format!("starts-per-minute = {}", Kept::STARTS_PER_MINUTE);
    let per_pass = format!("kills-per-pass = {}", Kept::KILLS_PER_PASS);
    town.with("sessions.zero", "restart = 'on-failure'")
        .with("sessions.quiet", "after = ['sessions/ok']")
        .with("sessions.off", "enabled = false")
        .with("rigs.parked", "state = 'parked'")
        // Whoever lives without a terminal is left to the test, which must know who ends whom.
        .with("orphans", "end = 'nothing'")
        .with("limits", &per_minute)
        .with("limits", &per_pass)
        .with("backoff", "initial = '1s'")
        .with("backoff", "factor = 2.0")
        .with("backoff", "max = '4s'")
        .with("crash-loop", "count = 5")
        .with("crash-loop", "window = '1m'")
        .with("crash-loop", "probe-after = '1m'")
        // All of them may have died together, and then they are started one at a time.
        .with("mass-death", "gap = '200ms'")
        .with("controller", "resync = '3s'")
        .with("controller", "tmux-timeout = '1s'")
}
