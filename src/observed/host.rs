//! The eye: tmux, processes and directories of a machine, joined into one look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::tmux::quote::word;
use super::tmux::{
    Line, Refusal, Reply, SNAPSHOT_FORMAT, Socket, Tmux, Version, classify, parse_environments,
    parse_snapshot,
};
use super::{
    LastWords, Life, Look, Observed, Orphan, Pane, PastProcess, Server, ServerUp, Session, Wants, activity,
    heartbeats, orphans, places, processes, screen, usage_limit,
};
use crate::machine::Machine;
use crate::model::{
    IncarnationId, Label, Marker, PaneId, ProcessId, Ready, Seen, SessionId, SpecHash, Stamp, Why,
};

/// A machine, seen and acted on through tmux and its processes.
#[derive(Debug, Clone)]
pub struct Host<M> {
    /// The machine.
    pub machine: M,
    /// The tmux to talk to.
    pub tmux: Tmux<M>,
    /// Where its socket file is.
    pub socket_path: PathBuf,
}

impl<M: Machine> Host<M> {
    /// A machine with the tmux server of a town.
    pub fn new(machine: M, socket: Socket, timeout: Duration) -> Self {
        let tmux = Tmux::new(machine.clone(), socket, timeout);
        Self { socket_path: tmux.socket_path(), tmux, machine }
    }
}

/// When a pane dies, tmux scrolls its screen by the line that says so: what was said last may stand in the history.
const LAST_WORDS: &str = " -S -50";

/// Whether a session is there for the client of a controller, of whichever town: nobody's agent is in it.
fn is_of_a_controller(label: &str) -> bool {
    label.ends_with(".controller") && label.parse::<Marker>().is_err()
}

/// How long a server that is ending or being founded is given before it is asked once more.
const IN_BETWEEN: Duration = Duration::from_millis(20);

impl<M: Machine> Look for Host<M> {
    fn now(&self) -> Stamp {
        self.machine.now()
    }

    fn search(&self, wants: &Wants, server: &Server) -> Seen<Vec<Orphan>> {
        orphans::look(&self.machine, wants, server)
    }

    async fn look(&self, wants: &Wants) -> Observed {
        let server = match self.server(wants).await {
            Ok(server) => Seen::Known(server),
            Err(why) => Seen::Unknown(why),
        };
        let at = self.now();
        let living = living(&server);
        let is_still_alive = |past: &PastProcess| self.is_still_alive(past, &living);
        Observed {
            // Read after the other clock, so that a machine that never slept was awake all the time, to the nanosecond.
            awake: self.machine.awake().min(at.since_boot),
            at,
            away: None,
            // Programs are not asked by a look; whoever looks adds what they said.
            work: BTreeMap::new(),
            gt: None,
            heartbeats: wants
                .heartbeats
                .iter()
                .map(|(who, wanted)| (who.clone(), heartbeats::look(&self.machine, wanted)))
                .collect(),
            socket: self.socket_path.display().to_string(),
            server,
            places: places::look(&self.machine, &wants.places),
            past: wants.past.iter().map(|(who, past)| (who.clone(), is_still_alive(past))).collect(),
            past_server: wants.server.as_ref().map(|(past, _)| is_still_alive(past)),
            low_memory: wants.free_memory.map(|floor| match self.machine.memory_available() {
                Seen::Known(available) => Seen::Known((available < floor).then_some(available)),
                Seen::Unknown(why) => Seen::Unknown(why),
            }),
            orphans: None,
        }
    }
}

/// The processes of panes that a look has seen alive: reading of each once more whether it lives would double what a look costs.
fn living(server: &Seen<Server>) -> BTreeSet<ProcessId> {
    let Seen::Known(Server::Up(up)) = server else { return BTreeSet::new() };
    let panes = up.sessions.iter().flat_map(|session| &session.panes);
    let process = |pane: &Pane| match pane.life {
        Seen::Known(Life::Running { process, .. } | Life::Detached { process }) => Some(process),
        Seen::Known(Life::Gone { .. } | Life::Ending) | Seen::Unknown(_) => None,
    };
    panes.filter_map(process).collect()
}

impl<M: Machine> Host<M> {
    async fn server(&self, wants: &Wants) -> Result<Server, Why> {
        let line = [
            "display-message -p 'gtctl-begin #{pid} #{version}'".to_owned(),
            format!("list-panes -a -F {}", word(SNAPSHOT_FORMAT)),
            "display-message -p gtctl-end".to_owned(),
        ];
        // One line: if there are no sessions, its end does not run.
        let line = [line.join(" ; ")];
        let ask = async || self.tmux.look(&line).await.map_err(|error| Why::of(&error));
        let mut reply = ask().await?;
        if reply.code != Some(0) && self.is_in_between(&reply) {
            self.machine.sleep(IN_BETWEEN).await;
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
        if let Some(version) = Version::parse(&snapshot.version) {
            self.tmux.met(snapshot.pid, version);
        }
        let id = match self.machine.find(snapshot.pid) {
            Seen::Known(Some(found)) => found.id,
            Seen::Known(None) => return Err(Why::new("the tmux server ended while it was being asked")),
            Seen::Unknown(why) => return Err(why),
        };
        let mut sessions = self.group(snapshot.lines, id, wants);
        self.ask_for_claims(&mut sessions, id, wants).await;
        self.ask_for_screens(&mut sessions, id, wants).await;
        self.ask_for_last_words(&mut sessions, id, wants).await;
        activity::ask(self, &mut sessions, id, wants).await;
        Ok(Server::Up(ServerUp { id, version: snapshot.version, sessions }))
    }

    /// Whether a remembered process lives: none does that belongs to another boot. `living`: processes that this look has seen already.
    fn is_still_alive(&self, past: &PastProcess, living: &BTreeSet<ProcessId>) -> Seen<bool> {
        match &past.boot {
            Some(boot) if *boot != self.machine.now().boot => Seen::Known(false),
            Some(_) | None if living.contains(&past.process) => Seen::Known(true),
            Some(_) | None => processes::is_alive(&self.machine, past.process),
        }
    }

    /// Whether a server is just ending, or just being founded: it binds its socket before it listens. A moment later the answer is another.
    fn is_in_between(&self, reply: &Reply) -> bool {
        match classify(&reply.stderr) {
            Refusal::Exiting => true,
            Refusal::NobodyListens => self.machine.socket_is_bound(&self.socket_path) == Seen::Known(true),
            _ => false,
        }
    }

    /// Nobody answers at the socket. That is absence only if no server is known to live: a server whose socket file was removed
    /// lives on with all its agents, and a second one at the same path would double them.
    fn without_answer(&self, wants: &Wants) -> Result<Server, Why> {
        if let Some((server, socket)) = &wants.server
            && std::path::Path::new(socket) == self.socket_path
        {
            match self.is_still_alive(server, &BTreeSet::new()) {
                Seen::Known(true) => return Ok(Server::SocketLost { pid: Some(server.process.pid) }),
                Seen::Known(false) => {}
                Seen::Unknown(why) => return Err(why),
            }
        }
        match self.machine.socket_is_bound(&self.socket_path) {
            Seen::Known(true) => Ok(Server::SocketLost { pid: None }),
            Seen::Known(false) => Ok(Server::Down),
            Seen::Unknown(why) => Err(why),
        }
    }

    /// Asks the server of this look, and no other: one that has taken its place since counts its sessions and panes from the beginning, so
    /// its `$0` is another session.
    pub(super) async fn ask_same(&self, server: ProcessId, mut script: Vec<String>) -> Result<String, Why> {
        script.insert(0, "display-message -p 'gtctl-server #{pid}'".to_owned());
        let reply = self.tmux.ask(&script).await.map_err(|error| Why::of(&error))?;
        match reply.stdout.split_once('\n') {
            Some((first, rest)) if first == format!("gtctl-server {server}") => Ok(rest.to_owned()),
            Some(_) | None => Err(Why::new("another tmux server answered than the one that was looked at")),
        }
    }

    /// Asks sessions without a label that may be ours all the same for their environment.
    async fn ask_for_claims(&self, sessions: &mut [Session], server: ProcessId, wants: &Wants) {
        let candidates: Vec<SessionId> =
            sessions.iter().filter(|session| session.may_be_ours(wants)).map(|s| s.id).collect();
        if candidates.is_empty() {
            return;
        }
        let script: Vec<String> = candidates
            .iter()
            .map(|id| {
                format!("display-message -p 'gtctl-env {id}' ; show-environment -t '{id}:' ; display-message -p 'gtctl-env-end'")
            })
            .collect();
        let answers = self.ask_same(server, script).await.map(|text| parse_environments(&text));
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

    /// Asks for the screens of agents whose start is not over.
    async fn ask_for_screens(&self, sessions: &mut [Session], server: ProcessId, wants: &Wants) {
        let is_running = |pane: &Pane| matches!(pane.life, Seen::Known(Life::Running { .. }));
        let mut panes: Vec<(&mut Pane, &Ready)> = sessions
            .iter_mut()
            .flat_map(|session| &mut session.panes)
            .filter(|pane| is_running(pane))
            .filter_map(|pane| {
                let ready = wants.openings.get(&IncarnationId::from_hex(&pane.agent)?)?;
                Some((pane, ready))
            })
            .collect();
        if panes.is_empty() {
            return;
        }
        let ids: Vec<PaneId> = panes.iter().map(|(pane, _)| pane.id).collect();
        let screens = self.screens(server, &ids, "", |index, rows| {
            screen::read(rows, panes.get(index).and_then(|(_, ready)| ready.prompt.as_deref()))
        });
        let screens = screens.await;
        for ((pane, _), screen) in panes.iter_mut().zip(screens) {
            pane.screen = Some(screen);
        }
    }

    /// Asks for what is left on the screens of our agents that have ended since the last look.
    async fn ask_for_last_words(&self, sessions: &mut [Session], server: ProcessId, wants: &Wants) {
        let has_ended = |pane: &Pane| match pane.life {
            Seen::Known(Life::Gone { exit }) => exit.is_some() || wants.last_words == LastWords::OfAll,
            _ => false,
        };
        let is_news = |session: &Session| {
            let marker = session.marker().filter(|marker| marker.town == wants.town)?;
            (!wants.endings.contains(&marker.incarnation)).then(|| marker.incarnation.clone())
        };
        let mut panes: Vec<&mut Pane> = sessions
            .iter_mut()
            .filter_map(|session| Some((is_news(session)?, session)))
            .flat_map(|(life, session)| {
                session.panes.iter_mut().filter(move |pane| pane.agent == life.as_str() && has_ended(pane))
            })
            .collect();
        if panes.is_empty() {
            return;
        }
        let now = self.machine.now().wall.to_zoned(self.machine.time_zone());
        let ids: Vec<PaneId> = panes.iter().map(|pane| pane.id).collect();
        let said = self.screens(server, &ids, LAST_WORDS, |_, rows| usage_limit(rows, &now)).await;
        for (pane, said) in panes.iter_mut().zip(said) {
            pane.ending = Some(said);
        }
    }

    /// What the screens of these panes come to, in their order; `more`: further arguments of `capture-pane`.
    async fn screens<T>(
        &self,
        server: ProcessId,
        panes: &[PaneId],
        more: &str,
        read: impl Fn(usize, &[&str]) -> T,
    ) -> Vec<Seen<T>> {
        // What nobody on a screen can know.
        let mark = format!("{:016x}", self.machine.draw());
        let script = panes.iter().enumerate().map(|(index, pane)| {
            format!("display-message -p 'gtctl-screen {mark} {index}' ; capture-pane -p{more} -t '{pane}' ; display-message -p 'gtctl-screen-end {mark}'")
        });
        let reply = self.ask_same(server, script.collect()).await;
        let screens = reply.as_ref().map(|text| screen::parse(text, &mark));
        let of_pane = |index: usize| match &screens {
            Err(why) => Seen::Unknown((*why).clone()),
            Ok(screens) => match screens.get(&index) {
                Some(rows) => Seen::Known(read(index, rows)),
                None => Seen::unknown("tmux did not show its screen"),
            },
        };
        (0..panes.len()).map(of_pane).collect()
    }

    /// Puts panes into their sessions and looks at the processes of those that matter: labelled for this town, or candidates for it.
    fn group(&self, lines: Vec<Line>, server: ProcessId, wants: &Wants) -> Vec<Session> {
        let since_boot = self.machine.now().since_boot;
        let open: BTreeSet<i32> = lines.iter().filter(|line| !line.dead).map(|line| line.pid).collect();
        let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
        for line in lines.into_iter().filter(|line| !is_of_a_controller(&line.label)) {
            let label = Label::from(line.label.as_str());
            let matters = match label.marker() {
                Some(marker) => marker.town == wants.town,
                None => label.is_empty() && (!line.agent.is_empty() || wants.names.contains(&line.name)),
            };
            let life = if matters {
                self.life(&line, server, since_boot, &open)
            } else {
                Seen::unknown("not of this town, so not looked at")
            };
            let session = sessions.entry(line.session).or_insert_with(|| Session {
                id: line.session,
                name: line.name,
                attached: line.attached,
                label,
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
                screen: None,
                ending: None,
                activity: None,
                life,
            });
        }
        let mut sessions: Vec<Session> = sessions.into_values().collect();
        for session in &mut sessions {
            session.panes.sort_by_key(|pane| pane.id);
        }
        sessions
    }

    /// Joins the two witnesses, tmux and the kernel. `open`: the pids of all panes that are not dead.
    fn life(&self, line: &Line, server: ProcessId, since_boot: Duration, open: &BTreeSet<i32>) -> Seen<Life> {
        // A pane can be without any process: `split-window ''`. And the pid of a dead one may be that of a later pane's process by now.
        let has_process = line.pid > 0 && !(line.dead && open.contains(&line.pid));
        let process = match if has_process { self.machine.find(line.pid) } else { Seen::Known(None) } {
            Seen::Unknown(why) => return Seen::Unknown(why),
            // A pane's process is a child of the server for as long as it lives; another parent means that the pid was reused.
            Seen::Known(found) => found.filter(|found| !found.zombie && found.parent == server.pid),
        };
        Seen::Known(match (line.dead, process) {
            (false, Some(found)) => Life::Running {
                process: found.id,
                lived: processes::lived(&self.machine, found.id, since_boot),
                bare_shell: processes::is_bare_shell(&self.machine, line.pid),
            },
            (true, Some(found)) => Life::Detached { process: found.id },
            (true, None) => Life::Gone { exit: line.exit },
            (false, None) => Life::Ending,
        })
    }
}
