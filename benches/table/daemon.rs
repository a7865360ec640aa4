//! The baseline: what `gt daemon` runs at each of its heartbeats, command by command, on the same tmux server and the same sessions.
//!
//! This is the daemon of gt 0.2, in its steady state: everything lives, all polecats have work. Later ones run more commands (about 510 in the
//! place of 420 for 38 sessions). Only programs that are here are run: its calls of `bd` and `gt` are left out, and so is everything that
//! it waits for. So what is measured is less than what the daemon costs.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Session, TestTown, guard};
use crate::meter;

/// Its period: three minutes.
pub const PERIOD: Duration = Duration::from_secs(180);

/// What the table says about it.
pub fn about() -> String {
    let session = |number: i32| Session {
        id: format!("${number}"),
        name: format!("s{number}"),
        pane: format!("%{number}"),
        pid: 1000 + number,
        dead: false,
        marker: String::new(),
        path: PathBuf::new(),
    };
    let town: Vec<Session> = (0..38).map(session).collect();
    format!(
        "The baseline is what gt's daemon runs at each heartbeat, every {} s: the very commands (benches/table/daemon.rs), one after the other
as it does, on the same tmux server and the same sessions, in the same run. Its calls of bd and gt, its sleeps, boot, and the children that
real agents have (each another pgrep and ps) are left out, so it is a lower bound: for 38 sessions it is {} of the daemon's about 420
programs. What it only notices at its next heartbeat takes it half of that period on average.",
        PERIOD.as_secs(),
        heartbeat(&town).len()
    )
}

/// One command, and the step of the heartbeat that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number in the daemon's source.
    pub step: u8,
    /// `tmux`, `pgrep` or `ps`.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
}

fn call(step: u8, program: &'static str, arguments: &[&str]) -> Call {
    Call { step, program, arguments: arguments.iter().map(|&argument| argument.to_owned()).collect() }
}

fn exists(step: u8, session: &str) -> Call {
    call(step, "tmux", &["has-session", "-t", &format!("={session}")])
}

fn command_of(step: u8, session: &str) -> Call {
    call(step, "tmux", &["list-panes", "-t", session, "-F", "#{pane_current_command}"])
}

/// Which session is whose: in a town of 38, one deacon, five rigs with a witness and a refinery each, twenty polecats, and crew; other sizes in proportion.
struct Cast<'sessions> {
    deacon: &'sessions Session,
    patrols: &'sessions [Session],
    polecats: &'sessions [Session],
}

impl<'sessions> Cast<'sessions> {
    fn of(sessions: &'sessions [Session]) -> Self {
        let share = |part: usize| (sessions.len() * part).div_ceil(38);
        let (deacon, rest) = sessions.split_first().expect("a session");
        let (patrols, rest) = rest.split_at((2 * share(5)).min(rest.len()));
        Self { deacon, patrols, polecats: &rest[..share(20).min(rest.len())] }
    }
}

/// What it runs at one heartbeat.
pub fn heartbeat(sessions: &[Session]) -> Vec<Call> {
    let Cast { deacon, patrols, polecats } = Cast::of(sessions);
    // 1: is the deacon there, and does it run an agent? 2: is boot there? (It starts one whenever it is not; that is left out.) 3: a file.
    let mut calls = vec![exists(1, &deacon.name), command_of(1, &deacon.name), exists(2, "gt-boot")];
    // 4 and 5: the same for each witness and each refinery.
    for (step, half) in [(4, 0), (5, 1)] {
        for patrol in patrols.iter().skip(half).step_by(2) {
            calls.extend([exists(step, &patrol.name), command_of(step, &patrol.name)]);
        }
    }
    // 6: pending spawns: 6 bd. 7: requests: 1 gt, 6 bd. 8 is empty.
    // 9 and 10: work that does not get on, and work without an agent: a bd for each rig, and a look at each polecat with work.
    for step in [9, 10] {
        calls.extend(polecats.iter().map(|polecat| command_of(step, &polecat.name)));
    }
    // 11: is each polecat there?
    calls.extend(polecats.iter().map(|polecat| exists(11, &polecat.name)));
    // 12: orphans. Each session's panes; below each pane all processes, one pgrep each; for each without children the whole table; and once more
    // the whole table for those without a terminal.
    calls.push(call(12, "tmux", &["list-sessions", "-F", "#{session_name}"]));
    for session in sessions {
        calls.push(call(12, "tmux", &["list-panes", "-t", &session.name, "-F", "#{pane_pid}"]));
        calls.push(call(12, "pgrep", &["-P", &session.pid.to_string()]));
        calls.push(call(12, "ps", &["-eo", "pid,ppid"]));
    }
    calls.push(call(12, "ps", &["-eo", "pid,tty,comm,etime"]));
    calls
}

/// What it runs to start one agent. Between these it sleeps for eight seconds and more, which is left out.
pub fn start(name: &str, directory: &str, command: &str) -> Vec<Call> {
    let mut calls =
        vec![exists(1, name), call(1, "tmux", &["new-session", "-d", "-s", name, "-c", directory, command])];
    let tmux = |arguments: &[&str]| call(1, "tmux", arguments);
    for variable in ["GT_ROLE", "GT_ROOT", "GT_RIG", "BD_ACTOR", "GIT_AUTHOR_NAME"] {
        calls.push(tmux(&["set-environment", "-t", name, variable, "gastown/witness"]));
    }
    for (option, value) in [
        ("status-style", "bg=#1e3a5f,fg=#e0e0e0"),
        ("status-left-length", "25"),
        ("status-left", "witness "),
        ("status-right-length", "80"),
        ("status-interval", "5"),
        ("status-right", "%H:%M"),
        ("mouse", "on"),
    ] {
        calls.push(tmux(&["set-option", "-t", name, option, value]));
    }
    // It binds keys as well, of the whole server: four calls.
    for key in ["a", "n", "p", "g"] {
        calls.push(tmux(&["bind-key", "-T", "prefix", key, "display-message", "-"]));
    }
    calls.push(command_of(1, name));
    calls.push(tmux(&["capture-pane", "-p", "-t", name, "-S", "-30"]));
    // Two nudges.
    for _ in 0..2 {
        calls.push(tmux(&["send-keys", "-t", name, "-l", "Begin patrol."]));
        calls.push(tmux(&["send-keys", "-t", name, "Escape"]));
        calls.push(tmux(&["send-keys", "-t", name, "Enter"]));
    }
    calls
}

/// What it took to run them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// How many were run.
    pub forks: usize,
    /// From the first to the end of the last.
    pub wall: Duration,
    /// The CPU time of these programs.
    pub programs: Duration,
    /// The CPU time of the tmux server meanwhile.
    pub server: Duration,
}

impl Cost {
    /// All CPU time.
    pub fn cpu(&self) -> Duration {
        self.programs + self.server
    }

    /// So many times as much: of a heartbeat of which only a part was run.
    pub fn times(self, factor: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a few thousand"
        )]
        let forks = (self.forks as f64 * factor).round() as usize;
        Self {
            forks,
            wall: self.wall.mul_f64(factor),
            programs: self.programs.mul_f64(factor),
            server: self.server.mul_f64(factor),
        }
    }
}

/// Runs these commands one after the other, as the daemon does, on the server of this town.
pub fn run(town: &TestTown, calls: &[Call]) -> Cost {
    let server = town.server().pid;
    let (programs, before) = (meter::of_programs(), meter::Usage::of(server));
    let begun = Instant::now();
    for call in calls {
        // What they answer does not matter to what they cost; a pgrep that finds no child fails, as it does there.
        let answer = command(town, call).stdin(Stdio::null()).output();
        answer.unwrap_or_else(|error| panic!("{}: {error}", call.program));
    }
    Cost {
        forks: calls.len(),
        wall: begun.elapsed(),
        programs: meter::of_programs() - programs,
        server: meter::Usage::of(server).since(&before).cpu,
    }
}

/// Runs a heartbeat on at most `sample` of these sessions, and says what it would take on all of them; every session costs the same, as long as all are
/// on the server.
pub fn run_heartbeat(town: &TestTown, sessions: &[Session], sample: usize) -> Cost {
    let part = &sessions[..sample.min(sessions.len())];
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let factor = sessions.len() as f64 / part.len() as f64;
    let mut cost = run(town, &heartbeat(part)).times(factor);
    cost.forks = heartbeat(sessions).len();
    cost
}

fn command(town: &TestTown, call: &Call) -> Command {
    let mut command = match call.program {
        "tmux" => guard::tmux(town.socket(), &town.tmux_tmpdir(), town.server_root()),
        program => Command::new(program),
    };
    command.args(&call.arguments);
    command
}
