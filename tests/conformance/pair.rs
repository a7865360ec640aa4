//! Both sides, told the same, and compared.

use std::collections::BTreeMap;
use std::fmt;

use gtctl::machine::Reply;
use gtctl::observed::tmux::{Line, SNAPSHOT_FORMAT, classify, parse_snapshot};

use super::sides::{PATIENCE, Real, Sim, poke};
use crate::common::wait;

/// What is compared besides production's own snapshot.
const STRUCTURE: &str = "#{session_id} #{session_name} #{session_attached} #{session_windows} #{session_grouped} #{window_index} \
     #{window_id} #{window_name} #{window_active} #{window_last_flag} #{window_panes} #{window_linked} #{pane_id} #{pane_index} \
     #{pane_active} #{pane_height} #{pane_mode} #{remain-on-exit} #{@x} #{@y} #{KEY} #{line}";

/// Something that is done to both. In texts, `{PID:%3}` is the pid of a pane and `{SERVER}` that of the server.
#[derive(Debug, Clone)]
pub enum Move {
    /// A script; with `true` it founds the server if there is none.
    Script(Vec<String>, bool),
    /// A client with these arguments.
    Client(Vec<String>),
    /// A pane's process is ended by a signal.
    Ends(u32, i32),
    /// Somebody attaches to a session.
    Attach(String),
    /// Everybody leaves.
    Detach,
    /// The socket's file is removed, a script is sent, perhaps to a second server, and the file comes back.
    LoseSocket(Vec<String>, bool),
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(lines, founds) => {
                write!(f, "script{}", if *founds { ", founding" } else { "" })?;
                lines.iter().try_for_each(|line| write!(f, "\n      {line}"))
            }
            Self::Client(arguments) => write!(f, "tmux {arguments:?}"),
            Self::Ends(pane, signal) => write!(f, "the process of %{pane} ends by signal {signal}"),
            Self::Attach(session) => write!(f, "somebody attaches to {session}"),
            Self::Detach => f.write_str("everybody leaves"),
            Self::LoseSocket(lines, founds) => {
                write!(f, "the socket is lost; {founds} {lines:?}; it comes back")
            }
        }
    }
}

/// What both say now.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The panes; none if there is no server.
    pub lines: Vec<Line>,
    /// Whether there is a server.
    pub is_up: bool,
}

/// Both sides.
pub struct Pair {
    sim: Sim,
    real: Real,
    /// Which real process each simulated one is.
    pids: BTreeMap<i32, i32>,
    pub view: View,
    /// Whether the real server has crashed. tmux 3.3a does, with a client in control mode, if one client makes a session's window the current
    /// one and kills the session (docs/tmux.md).
    pub crashed: bool,
}

impl Pair {
    pub fn new() -> Self {
        let real = Real::new();
        let sim = Sim::new(real.socket().display().to_string());
        Self { sim, real, pids: BTreeMap::new(), view: View::default(), crashed: false }
    }

    /// Does it to both; how they differ afterwards, if they do.
    pub fn play(&mut self, step: &Move) -> Result<(), String> {
        match step {
            Move::Script(lines, founds) => {
                let arguments: &[&str] =
                    if *founds { &["start-server", ";", "source-file", "-"] } else { &["source-file", "-"] };
                // Else windows would be renamed after what runs in them, at moments of tmux's own choosing.
                let steady = "set-option -g -w automatic-rename off\n";
                let begin = if *founds && !self.view.is_up { steady } else { "" };
                self.client(arguments, Some(&format!("{begin}{}\n", lines.join("\n"))))?;
            }
            Move::Client(arguments) if !self.view.is_up && arguments[0] == "new-session" => {}
            Move::Client(arguments) => {
                self.client(&arguments.iter().map(String::as_str).collect::<Vec<&str>>(), None)?;
            }
            Move::Ends(pane, signal) => {
                let Some(pid) = self.pid_of(*pane) else { return Ok(()) };
                let (Some(server), Some(real)) = (self.server(), self.pids.get(&pid).copied()) else {
                    return Ok(());
                };
                // A shell with a terminal ignores TERM.
                let signal = if self.sim.is_shell(pid) { 9 } else { *signal };
                self.real.ends(server, real, signal)?;
                self.sim.ends(pid, signal);
            }
            Move::Attach(session) if self.view.is_up => {
                if !self.view.lines.iter().any(|line| line.session.to_string() == *session) {
                    return Ok(());
                }
                self.sim.attach(session);
                self.real.attach(session);
            }
            Move::Attach(_) => {}
            Move::Detach => {
                self.sim.detach_all();
                self.real.detach_all();
            }
            Move::LoseSocket(lines, founds) => return self.lose_socket(lines, *founds),
        }
        if self.crashed { Ok(()) } else { self.compare() }
    }

    fn lose_socket(&mut self, lines: &[String], founds: bool) -> Result<(), String> {
        let (Some(sim), Some(real)) = (self.sim.server(), self.server()) else { return Ok(()) };
        self.sim.remove_socket_file();
        self.real.remove_socket_file();
        let first = std::mem::take(&mut self.view);
        self.play(&Move::Script(lines.to_vec(), founds))?;
        if self.crashed {
            return Ok(());
        }
        if self.view.is_up {
            self.play(&Move::Client(vec!["kill-server".to_owned()]))?;
        }
        self.view = first;
        self.sim.wants_socket(sim);
        self.real.wants_socket(real);
        self.compare()
    }

    /// The real server's pid.
    fn server(&self) -> Option<i32> {
        self.pids.get(&self.sim.server()?).copied()
    }

    /// The simulated pid of a pane that has a terminal.
    fn pid_of(&self, pane: u32) -> Option<i32> {
        let line = self.view.lines.iter().find(|line| line.pane.0 == pane && !line.dead)?;
        Some(line.pid)
    }

    fn client(&mut self, arguments: &[&str], input: Option<&str>) -> Result<(), String> {
        let server = self.server();
        let own = input.map(|input| self.filled(input, |pid| pid));
        let other = input.map(|input| self.filled(input, |pid| self.pids.get(&pid).copied().unwrap_or(0)));
        let sim = self.sim.client(arguments, own.as_deref());
        let real = self.real.client(arguments, other.as_deref());
        if self.sim.has_clients()
            && real.stderr == "server exited unexpectedly\n"
            && server.is_some_and(|server| self.real.ended(server))
        {
            self.crashed = true;
            return Ok(());
        }
        // The real one ends a moment after its last client.
        if let Some(server) = server
            && self.sim.server().is_none_or(|sim| self.pids.get(&sim) != Some(&server))
            && !self.real.ended(server)
        {
            return Err(format!(
                "only the simulated server has ended\n    simulated: {sim:?}\n    real: {real:?}"
            ));
        }
        self.same(&sim, &real).map_err(|how| format!("the answers differ: {how}"))
    }

    /// A text with its pids filled in, each translated.
    fn filled(&self, text: &str, translate: impl Fn(i32) -> i32) -> String {
        let server = self.sim.server().map_or(0, &translate);
        let mut text = text.replace("{SERVER}", &server.to_string());
        for line in &self.view.lines {
            text = text.replace(&format!("{{PID:{}}}", line.pane), &translate(line.pid).to_string());
        }
        text
    }

    /// Whether two answers are the same but for pids, and pids always mean the same process.
    fn same(&mut self, sim: &Reply, real: &Reply) -> Result<(), String> {
        let differ = |what: &str| Err(format!("{what}\n    simulated: {sim:?}\n    real:      {real:?}"));
        if sim.code != real.code {
            return differ("exit status");
        }
        if classify(&sim.stderr) != classify(&real.stderr) || sim.stderr != real.stderr {
            return differ("standard error");
        }
        if sim.stdout.lines().count() != real.stdout.lines().count() {
            return differ("number of lines");
        }
        for (one, other) in sim.stdout.lines().zip(real.stdout.lines()) {
            let ((one, own), (other, others)) = (without_pids(one), without_pids(other));
            if one != other {
                return differ(&format!("lines\n      {one}\n      {other}\n   "));
            }
            for (own, other) in own.into_iter().zip(others) {
                if *self.pids.entry(own).or_insert(other) != other {
                    return differ(&format!("process {own} is {other}, and was {}", self.pids[&own]));
                }
            }
        }
        Ok(())
    }

    /// Compares everything that can be seen. The real one is given time to see what has ended.
    fn compare(&mut self) -> Result<(), String> {
        let begin = "gtctl-begin #{pid} #{version}";
        let arguments = [
            &["display-message", "-p", begin, ";", "list-panes", "-a", "-F", SNAPSHOT_FORMAT][..],
            &[";", "list-panes", "-a", "-F", STRUCTURE, ";", "display-message", "-p", "gtctl-end"],
        ]
        .concat();
        let sim = self.sim.client(&arguments, None);
        let mut how = Err(String::new());
        let waited = wait::poll(PATIENCE / 10, || {
            let real = self.real.client(&arguments, None);
            how = self.same(&sim, &real);
            if how.is_err()
                && let Some(server) = self.server()
            {
                poke(server);
            }
            how.is_ok().then_some(())
        });
        if waited.is_none() {
            return how.map_err(|how| format!("the snapshots differ: {how}"));
        }
        let ours: Vec<&str> = sim.stdout.lines().collect();
        let panes = ours.len().saturating_sub(2) / 2;
        let mut snapshot: Vec<&str> = ours.iter().take(1 + panes).copied().collect();
        snapshot.push("gtctl-end");
        let parsed = parse_snapshot(&snapshot.join("\n"), false);
        self.view = View {
            is_up: sim.code == Some(0),
            lines: parsed.map_or_else(|_| Vec::new(), |snapshot| snapshot.lines),
        };
        Ok(())
    }
}

/// A line with its pids taken out, and those.
fn without_pids(line: &str) -> (String, Vec<i32>) {
    let mut fields: Vec<&str> = line.split(' ').collect();
    let places: &[usize] = match fields[0] {
        "gtctl-begin" => &[1],
        "gtctl-made" => &[3, 4],
        session if session.starts_with('$') && fields.len() > 5 && fields[3].starts_with('%') => &[4],
        _ => &[],
    };
    let pids = places.iter().map(|place| fields[*place].parse().unwrap()).collect();
    for place in places {
        fields[*place] = "PID";
    }
    (fields.join(" "), pids)
}
