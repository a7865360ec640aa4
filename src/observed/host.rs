//! The real eye: tmux, `/proc` and the file system of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::tmux::{
    Line, Refusal, Reply, SNAPSHOT_FORMAT, Tmux, classify, parse_environments, parse_snapshot,
};
use super::{Claim, Life, Look, Observed, Pane, Server, ServerUp, Session, Wants, places, processes};
use crate::model::{BootId, ProcessId, Seen, SessionId, SpecHash, Stamp, Why};

/// This machine.
#[derive(Debug, Clone)]
pub struct Host {
    /// The tmux to talk to.
    pub tmux: Tmux,
    /// Where its socket file is.
    pub socket_path: PathBuf,
    /// This boot.
    pub boot: BootId,
}

impl Host {
    /// The machine that gtctl runs on, with the tmux of the town.
    pub fn new(tmux: Tmux) -> Self {
        let tmpdir = std::env::var_os("TMUX_TMPDIR").map(PathBuf::from);
        let socket_path = tmux.socket().path(tmpdir.as_deref());
        Self { tmux, socket_path, boot: boot() }
    }
}

/// How long a server that is ending or being founded is given before it is asked once more.
const IN_BETWEEN: Duration = Duration::from_millis(20);

/// The boot's id; on a system without one, none differs from another.
fn boot() -> BootId {
    BootId(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned())
}

/// Time since boot, also while asleep; the clock that process start times are told in.
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Look for Host {
    fn now(&self) -> Stamp {
        Stamp { boot: self.boot.clone(), since_boot: since_boot(), wall: jiff::Timestamp::now() }
    }

    async fn look(&self, wants: &Wants) -> Observed {
        let server = match self.server(wants).await {
            Ok(server) => Seen::Known(server),
            Err(why) => Seen::Unknown(why),
        };
        let path = std::env::var_os("PATH");
        Observed {
            at: self.now(),
            socket: self.socket_path.display().to_string(),
            server,
            places: wants
                .places
                .iter()
                .map(|(who, wanted)| (who.clone(), places::look(wanted, path.as_ref())))
                .collect(),
            past: wants
                .past
                .iter()
                .map(|(who, process)| (who.clone(), processes::is_alive(*process)))
                .collect(),
            past_server: wants.server.as_ref().map(|(process, _)| processes::is_alive(*process)),
        }
    }
}

impl Host {
    async fn server(&self, wants: &Wants) -> Result<Server, Why> {
        let begin = "gtctl-begin #{pid} #{version}";
        let arguments = [
            "display-message",
            "-p",
            begin,
            ";",
            "list-panes",
            "-a",
            "-F",
            SNAPSHOT_FORMAT,
            ";",
            "display-message",
            "-p",
            "gtctl-end",
        ];
        let ask = async || self.tmux.run(&arguments).await.map_err(|error| Why::of(&error));
        let mut reply = ask().await?;
        if reply.code != Some(0) && self.is_in_between(&reply) {
            tokio::time::sleep(IN_BETWEEN).await;
            reply = ask().await?;
        }
        let no_sessions = match reply.code {
            Some(0) => false,
            _ => match classify(&reply.stderr) {
                Refusal::NobodyListens if self.is_in_between(&reply) => {
                    return Err(Why::new("a tmux server has bound the socket and does not listen yet"));
                }
                Refusal::NobodyListens | Refusal::NoSocket | Refusal::NotFound => {
                    return self.without_answer(wants);
                }
                Refusal::NoSessions => true,
                Refusal::Duplicate | Refusal::StillActive | Refusal::Exiting => {
                    return Err(Why::new(format!("tmux said: {}", reply.stderr.trim())));
                }
                Refusal::Other(text) => return Err(Why::new(format!("tmux said: {text}"))),
            },
        };
        let snapshot = parse_snapshot(&reply.stdout, no_sessions)
            .map_err(|malformed| Why::new(malformed.to_string()))?;
        let id = match processes::find(snapshot.pid) {
            Seen::Known(Some(found)) => found.id,
            Seen::Known(None) => return Err(Why::new("the tmux server ended while it was being asked")),
            Seen::Unknown(why) => return Err(why),
        };
        let mut sessions = group(snapshot.lines, id, wants, since_boot());
        self.ask_for_claims(&mut sessions, wants).await;
        Ok(Server::Up(ServerUp { id, version: snapshot.version, sessions }))
    }

    /// Whether a server is just ending, or just being founded: it binds its socket before it listens. A moment later the answer is another.
    fn is_in_between(&self, reply: &Reply) -> bool {
        match classify(&reply.stderr) {
            Refusal::Exiting => true,
            Refusal::NobodyListens => processes::socket_is_bound(&self.socket_path) == Seen::Known(true),
            _ => false,
        }
    }

    /// Nobody answers at the socket. That is absence only if no server is known to live: a server whose socket file was removed
    /// lives on with all its agents, and a second one at the same path would double them.
    fn without_answer(&self, wants: &Wants) -> Result<Server, Why> {
        if let Some((server, socket)) = &wants.server
            && std::path::Path::new(socket) == self.socket_path
        {
            match processes::is_alive(*server) {
                Seen::Known(true) => return Ok(Server::SocketLost { pid: Some(server.pid) }),
                Seen::Known(false) => {}
                Seen::Unknown(why) => return Err(why),
            }
        }
        match processes::socket_is_bound(&self.socket_path) {
            Seen::Known(true) => Ok(Server::SocketLost { pid: None }),
            Seen::Known(false) => Ok(Server::Down),
            Seen::Unknown(why) => Err(why),
        }
    }

    /// Asks sessions without a label, but with a name that one of ours would have, for gt's environment.
    async fn ask_for_claims(&self, sessions: &mut [Session], wants: &Wants) {
        let candidates: Vec<SessionId> = sessions
            .iter()
            .filter(|s| s.label.is_empty() && wants.names.contains(&s.name))
            .map(|s| s.id)
            .collect();
        if candidates.is_empty() {
            return;
        }
        let script: Vec<String> = candidates
            .iter()
            .map(|id| {
                format!("display-message -p 'gtctl-env {id}' ; show-environment -t '{id}:' ; display-message -p 'gtctl-env-end'")
            })
            .collect();
        let answers: Result<BTreeMap<SessionId, Claim>, Why> = match self.tmux.ask(&script).await {
            Ok(Reply { stdout, .. }) => Ok(parse_environments(&stdout)),
            Err(error) => Err(Why::of(&error)),
        };
        for session in sessions.iter_mut().filter(|session| candidates.contains(&session.id)) {
            session.claim = Some(match &answers {
                Err(why) => Seen::Unknown(why.clone()),
                Ok(claims) => match claims.get(&session.id) {
                    Some(claim) => Seen::Known(claim.clone()),
                    None => Seen::unknown("tmux did not tell its environment"),
                },
            });
        }
    }
}

/// Puts panes into their sessions and looks at the processes of those that matter: labelled for this town, or candidates for it.
fn group(lines: Vec<Line>, server: ProcessId, wants: &Wants, since_boot: Duration) -> Vec<Session> {
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    for line in lines {
        let matters = line.label.parse::<crate::model::Marker>().map_or_else(
            |_| line.label.is_empty() && wants.names.contains(&line.name),
            |marker| marker.town == wants.town,
        );
        let life = if matters {
            life(&line, server, since_boot)
        } else {
            Seen::unknown("not of this town, so not looked at")
        };
        let session = sessions.entry(line.session).or_insert_with(|| Session {
            id: line.session,
            name: line.name,
            attached: line.attached,
            label: line.label,
            spec: SpecHash::from_hex(&line.spec),
            panes: Vec::new(),
            claim: None,
        });
        session.panes.push(Pane {
            window: line.window,
            id: line.pane,
            pid: line.pid,
            agent: line.agent,
            in_mode: line.in_mode,
            life,
        });
    }
    let mut sessions: Vec<Session> = sessions.into_values().collect();
    for session in &mut sessions {
        session.panes.sort_by_key(|pane| pane.id);
    }
    sessions
}

/// Joins the two witnesses, tmux and the kernel.
fn life(line: &Line, server: ProcessId, since_boot: Duration) -> Seen<Life> {
    // A pane can be without any process: `split-window ''`.
    let process = match if line.pid > 0 { processes::find(line.pid) } else { Seen::Known(None) } {
        Seen::Unknown(why) => return Seen::Unknown(why),
        // A pane's process is a child of the server for as long as it lives; another parent means that the pid was reused.
        Seen::Known(found) => found.filter(|found| !found.zombie && found.parent == server.pid),
    };
    Seen::Known(match (line.dead, process) {
        (false, Some(found)) => Life::Running {
            process: found.id,
            lived: processes::lived(found.id, since_boot),
            bare_shell: processes::is_bare_shell(line.pid),
        },
        (true, Some(found)) => Life::Detached { process: found.id },
        (true, None) => Life::Gone { exit: line.exit },
        (false, None) => Life::Ending,
    })
}
