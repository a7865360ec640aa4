//! The town's tmux server as it is, seen without gtctl.

use std::path::PathBuf;
use std::time::Duration;

use super::proc::{self, Life};
use super::run::{Ran, run};
use super::{TestTown, guard};

/// How long the real tmux may take.
const TMUX_DEADLINE: Duration = Duration::from_secs(10);

const FORMAT: &str =
    "#{session_id}\t#{session_name}\t#{pane_id}\t#{pane_pid}\t#{pane_dead}\t#{@gtctl}\t#{session_path}";

/// One pane of one session; the agents here have one each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `$3`
    pub id: String,
    /// Its name.
    pub name: String,
    /// `%3`
    pub pane: String,
    /// The pid of the pane's process.
    pub pid: i32,
    /// Whether tmux takes the pane for dead.
    pub dead: bool,
    /// The session's `@gtctl` option; empty if it has none.
    pub marker: String,
    /// The session's directory. Not `pane_current_path`, which is empty until the pane's process has settled in.
    pub path: PathBuf,
}

impl Session {
    /// The address in its marker.
    pub fn object(&self) -> Option<&str> {
        self.marker.split('.').nth(1)
    }

    /// The incarnation in its marker.
    pub fn incarnation(&self) -> &str {
        self.marker.split('.').nth(2).unwrap_or_default()
    }

    /// The life of its pane's process, if it has one.
    pub fn life(&self) -> Option<Life> {
        Life::of(self.pid).filter(|_| !self.dead)
    }
}

impl TestTown {
    /// Calls the real tmux on the town's server; every call of a test goes through here and so through the guard.
    pub fn tmux(&self, args: &[&str]) -> Ran {
        let mut command = guard::tmux(self.socket(), &self.tmux_tmpdir(), self.server_root());
        run(command.args(args), None, &self.scratch(), TMUX_DEADLINE)
    }

    /// A session that somebody else started: without gtctl's label, running `sleep` under the name of `program`.
    pub fn foreign_session(&self, name: &str, program: &'static str) -> Session {
        let argv = super::Fake::Named(program).command(self.root());
        let home = self.root().join("home").display().to_string();
        let mut args = vec!["new-session", "-d", "-s", name, "-x", "80", "-y", "24", "-c", &home];
        args.extend(argv.iter().map(String::as_str));
        self.tmux(&args).exits(0);
        self.sessions()
            .into_iter()
            .find(|session| session.name == name)
            .expect("the session that was just made")
    }

    /// Every pane on the server but the one of a controller's client; none if there is no server.
    pub fn sessions(&self) -> Vec<Session> {
        let ran = self.tmux(&["list-panes", "-a", "-F", FORMAT]);
        if ran.code != Some(0) {
            let gone =
                ["no server running", "error connecting", "server exited", "lost server", "no current"];
            assert!(gone.iter().any(|text| ran.stderr.contains(text)), "{ran}");
            return Vec::new();
        }
        let is_of_a_client = |session: &Session| session.marker.ends_with(".controller");
        ran.stdout.lines().map(read_session).filter(|session| !is_of_a_client(session)).collect()
    }

    /// The sessions of this town's object, by their label.
    pub fn sessions_of(&self, object: &str) -> Vec<Session> {
        let ours =
            |session: &Session| session.object() == Some(object) && session.path.starts_with(self.root());
        self.sessions().into_iter().filter(ours).collect()
    }

    /// The one living session of an object; `None` if there is none. Fails the test if there are two (law 4).
    #[track_caller]
    pub fn alive(&self, object: &str) -> Option<Session> {
        let mut living: Vec<Session> = self.sessions_of(object);
        living.retain(|session| session.life().is_some());
        assert!(living.len() <= 1, "{object} lives more than once: {living:#?}");
        living.pop()
    }

    /// The life of an object; fails the test if it has none.
    #[track_caller]
    pub fn life(&self, object: &str) -> Life {
        self.lives(&[object])[0]
    }

    /// The lives of these objects; fails the test if one has none.
    #[track_caller]
    pub fn lives(&self, objects: &[&str]) -> Vec<Life> {
        let life = |object: &&str| {
            let session =
                self.alive(object).unwrap_or_else(|| panic!("{object} is not alive\n{}", self.diagnosis()));
            session.life().unwrap_or_else(|| panic!("{object} died meanwhile"))
        };
        objects.iter().map(life).collect()
    }

    /// The processes that are tmux servers of this town.
    pub fn servers(&self) -> Vec<Life> {
        let mut all = proc::processes_of(self.server_root());
        all.retain(|life| proc::comm(life.pid).starts_with("tmux: server"));
        all
    }

    /// The one server of this town.
    #[track_caller]
    pub fn server(&self) -> Life {
        let servers = self.servers();
        assert_eq!(servers.len(), 1, "one tmux server: {servers:?}");
        servers[0]
    }

    /// The server's socket file.
    pub fn socket_file(&self) -> PathBuf {
        self.tmux_tmpdir().join(format!("tmux-{}", rustix::process::getuid().as_raw())).join(self.socket())
    }
}

fn read_session(line: &str) -> Session {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, name, pane, pid, dead, marker, path] = fields[..] else { panic!("list-panes said {line:?}") };
    Session {
        id: id.to_owned(),
        name: name.to_owned(),
        pane: pane.to_owned(),
        pid: pid.parse().expect("a pid"),
        dead: dead == "1",
        marker: marker.to_owned(),
        path: PathBuf::from(path),
    }
}
