//! All tmux servers of a machine, their socket files, and what befalls them.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Reply;
use crate::model::{Exit, ProcessId};
use crate::sim::processes::{INIT, Processes, Program};

use super::command::{Grouping, commands};
use super::lex;
use super::run::Run;
use super::server::{Client, Server};
use super::table::Verb;

/// The tmux servers of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SimTmux {
    servers: BTreeMap<ProcessId, Server>,
    /// Socket files, and who made each. A file stays when its server ends.
    files: BTreeMap<String, ProcessId>,
    unmodelled: BTreeSet<String>,
}

/// A pane that has a process, as the world knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneSeen<'s> {
    /// Its process, dead or alive.
    pub process: ProcessId,
    /// The `@gtctl` option of a session that it is in; empty if it has none.
    pub label: &'s str,
    /// The server's process.
    pub server: ProcessId,
}

impl SimTmux {
    /// No servers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a client of the server at a socket: `arguments` are those behind `-L NAME`, `input` is what it reads. `ticks` is the time, for what is
    /// started.
    ///
    /// A client of a stopped server never answers: the code is `None`, and nothing has happened.
    pub fn client(
        &mut self,
        processes: &mut Processes,
        ticks: u64,
        socket: &str,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Reply {
        self.bury(processes);
        let statements = lex::arguments(arguments);
        let server = match self.connect(processes, socket) {
            Ok(server) => server,
            Err(_) if self.founds(statements.clone()) => {
                match self.found(processes, ticks, socket, arguments) {
                    Some(server) => server,
                    None => return failed(""),
                }
            }
            Err(what) => return failed(&what),
        };
        if processes.is_stopped(server) {
            return Reply { code: None, stdout: String::new(), stderr: String::new() };
        }
        let Some(it) = self.servers.get_mut(&server) else { return failed("server exited unexpectedly\n") };
        let (reply, ends) = Run::new(it, processes, ticks, input).all(statements);
        self.unmodelled.append(&mut it.unmodelled);
        if ends || (it.sessions.is_empty() && it.exits_when_empty()) {
            processes.end(server.pid, Exit::Code(0));
        }
        self.bury(processes);
        reply
    }

    /// Who answers at a socket; what a client says if nobody does.
    fn connect(&self, processes: &Processes, socket: &str) -> Result<ProcessId, String> {
        match self.files.get(socket) {
            None => Err(format!("error connecting to {socket} (No such file or directory)\n")),
            Some(server) if processes.is_alive(*server) => Ok(*server),
            Some(_) => Err(format!("no server running on {socket}\n")),
        }
    }

    /// Whether one of the commands starts a server where there is none.
    fn founds(&mut self, statements: Vec<lex::Statement<'_>>) -> bool {
        let starts = [Verb::AttachSession, Verb::NewSession, Verb::StartServer];
        match commands(statements, Grouping::One) {
            Ok(commands) => commands.iter().any(|command| starts.contains(&command.verb)),
            Err(unfit) => {
                self.unmodelled.extend(unfit.unmodelled);
                false
            }
        }
    }

    fn found(
        &mut self,
        processes: &mut Processes,
        ticks: u64,
        socket: &str,
        arguments: &[&str],
    ) -> Option<ProcessId> {
        // The first client's arguments stay the server's.
        let arguments = std::iter::once("tmux").chain(arguments.iter().copied()).map(str::to_owned);
        let program = Program { arguments: arguments.collect(), ..Program::default() };
        let id = processes.spawn_leader(INIT, program, ticks)?;
        self.files.insert(socket.to_owned(), id);
        self.servers.insert(id, Server::new(socket, id));
        Some(id)
    }

    /// Takes leave of servers whose process has ended: their terminals close, and whoever was in them is hung up.
    fn bury(&mut self, processes: &mut Processes) {
        let is_dead = |id: &ProcessId| !processes.is_alive(*id);
        let dead: Vec<ProcessId> = self.servers.keys().copied().filter(is_dead).collect();
        for server in dead.into_iter().filter_map(|id| self.servers.remove(&id)) {
            for pane in server.panes.values().filter(|pane| pane.open) {
                if let Some(process) = pane.process {
                    processes.hang_up(process);
                }
            }
        }
    }

    /// The servers take note of everything that has happened to their panes' processes; and the machine of servers that have ended.
    pub fn noticed(&mut self, processes: &mut Processes) {
        self.bury(processes);
        for (id, server) in &mut self.servers {
            if processes.is_stopped(*id) {
                continue;
            }
            server.see_closed_terminals(processes);
            if !server.loses_notices {
                server.collect(processes);
            }
            if server.sessions.is_empty() && server.exits_when_empty() {
                processes.end(id.pid, Exit::Code(0));
            }
        }
        self.bury(processes);
    }

    /// A server is told by SIGCHLD to look after its children. Anybody else does not care.
    pub fn poked(&mut self, processes: &mut Processes, id: ProcessId) {
        if let Some(server) = self.servers.get_mut(&id).filter(|_| !processes.is_stopped(id)) {
            server.see_closed_terminals(processes);
            server.collect(processes);
        }
        self.noticed(processes);
    }

    /// A program closes its terminal and lives on, if the hang-up does not end it.
    pub fn terminal_closed(&mut self, processes: &mut Processes, process: ProcessId) {
        for server in self.servers.values_mut() {
            let pane = server.panes.values().find(|pane| pane.process == Some(process) && pane.open);
            if let Some(pane) = pane.map(|pane| pane.id) {
                server.pane_closed(processes, pane);
                server.sweep_windows(processes);
            }
        }
        self.noticed(processes);
    }

    /// A server is told by SIGUSR1 to make its socket anew. A file that another server made there is replaced.
    pub fn socket_wanted(&mut self, processes: &Processes, id: ProcessId) {
        if let Some(server) = self.servers.get(&id).filter(|_| !processes.is_stopped(id)) {
            self.files.insert(server.socket.clone(), id);
        }
    }

    /// A server is killed.
    pub fn kill_server(&mut self, processes: &mut Processes, id: ProcessId) {
        const KILL: i32 = 9;
        if self.servers.contains_key(&id) {
            processes.end(id.pid, Exit::Signal(KILL));
        }
        self.bury(processes);
    }

    /// The socket file of a server is removed; the server lives on. Nothing happens if the file is another server's.
    pub fn remove_socket_file(&mut self, id: ProcessId) {
        if let Some(server) = self.servers.get(&id)
            && self.files.get(&server.socket) == Some(&id)
        {
            self.files.remove(&server.socket);
        }
    }

    /// Somebody attaches to a session, named as a target, of the server at a socket: the number of the new client.
    pub fn attach(&mut self, processes: &Processes, socket: &str, session: &str) -> Option<u32> {
        let id = self.connect(processes, socket).ok()?;
        let server = self.servers.get_mut(&id)?;
        let search = super::target::Search::of(super::target::Wanted::Session);
        let found = super::target::find(server, &super::target::Found::NONE, Some(session), search).ok()?;
        let session = found.session?;
        let client = server.new_client_id();
        server.clients.push(Client { id: client, session });
        server.use_session(session);
        Some(client)
    }

    /// A client leaves.
    pub fn detach(&mut self, processes: &Processes, socket: &str, client: u32) {
        let server = self.connect(processes, socket).ok().and_then(|id| self.servers.get_mut(&id));
        if let Some(server) = server {
            server.clients.retain(|it| it.id != client);
        }
    }

    /// Somebody attaches to a session, or everybody leaves it who is there.
    pub fn toggle_attached(&mut self, processes: &Processes, socket: &str, session: &str) {
        let server = self.connect(processes, socket).ok().and_then(|id| self.servers.get(&id));
        let id = session.strip_prefix('$').and_then(|id| id.parse().ok());
        let clients = server.map_or_else(Vec::new, |server| {
            let here = server.clients.iter().filter(|client| Some(client.session) == id);
            here.map(|client| client.id).collect()
        });
        if clients.is_empty() {
            let _ = self.attach(processes, socket, session);
        }
        for client in clients {
            self.detach(processes, socket, client);
        }
    }

    /// Whether a server misses that its children end, as tmux before 3.6 does now and then.
    pub fn loses_notices(&self, id: ProcessId) -> bool {
        self.servers.get(&id).is_some_and(|server| server.loses_notices)
    }

    /// Lets a server miss that its children end, or not.
    pub fn set_loses_notices(&mut self, id: ProcessId, loses: bool) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.loses_notices = loses;
        }
    }

    /// All servers that live, by their processes.
    pub fn servers(&self) -> impl Iterator<Item = ProcessId> {
        self.servers.keys().copied()
    }

    /// Whether a process is a tmux server.
    pub fn is_server(&self, id: ProcessId) -> bool {
        self.servers.contains_key(&id)
    }

    /// The server that answers at a socket.
    pub fn server_at(&self, processes: &Processes, socket: &str) -> Option<ProcessId> {
        self.connect(processes, socket).ok()
    }

    /// Whether a server can be reached at the socket that it was bound to.
    pub fn answers(&self, processes: &Processes, id: ProcessId) -> bool {
        self.servers.get(&id).is_some_and(|server| self.server_at(processes, &server.socket) == Some(id))
    }

    /// Whether some server has a socket bound to this path, also if its file is gone.
    pub fn is_bound(&self, processes: &Processes, socket: &str) -> bool {
        let mut servers = self.servers.values().filter(|server| server.socket == socket);
        servers.any(|server| processes.is_alive(server.process))
    }

    /// All panes with a process, of all servers.
    pub fn panes(&self) -> impl Iterator<Item = PaneSeen<'_>> {
        self.servers.values().flat_map(|server| {
            server.panes.values().filter_map(|pane| {
                let in_it = |session: &&super::server::Session| server.has_window(session.id, pane.window);
                let session = server.sessions.values().find(in_it);
                let label = session.and_then(|session| session.options.get("@gtctl")).unwrap_or_default();
                Some(PaneSeen { process: pane.process?, label, server: server.process })
            })
        })
    }

    /// The sessions of the server at a socket, as targets.
    pub fn sessions_at(&self, processes: &Processes, socket: &str) -> Vec<String> {
        let server = self.server_at(processes, socket).and_then(|id| self.servers.get(&id));
        server.map_or_else(Vec::new, |server| server.sessions.keys().map(|id| format!("${id}")).collect())
    }

    /// The panes of the server at a socket, as targets.
    pub fn panes_at(&self, processes: &Processes, socket: &str) -> Vec<String> {
        let server = self.server_at(processes, socket).and_then(|id| self.servers.get(&id));
        server.map_or_else(Vec::new, |server| server.panes.keys().map(|id| format!("%{id}")).collect())
    }

    /// Whether there is a socket's file at this path, whoever made it.
    pub fn has_socket_file(&self, socket: &str) -> bool {
        self.files.contains_key(socket)
    }

    /// Puts right what lasts: servers go on, know of their children, have their files, no pane is in a mode, and nobody is attached. Where two
    /// servers share a path, a person ends the younger one.
    pub fn heal(&mut self, processes: &mut Processes) {
        self.bury(processes);
        let mut servers: Vec<ProcessId> = self.servers.keys().copied().collect();
        servers.sort_by_key(|id| (id.start, id.pid));
        let mut kept: BTreeMap<String, ProcessId> = BTreeMap::new();
        for id in servers {
            processes.set_stopped(id, false);
            let Some(server) = self.servers.get_mut(&id) else { continue };
            if kept.contains_key(&server.socket) {
                processes.end(id.pid, Exit::Code(0));
                continue;
            }
            kept.insert(server.socket.clone(), id);
            server.loses_notices = false;
            server.clients.clear();
            server.panes.values_mut().for_each(|pane| pane.modes.clear());
            server.see_closed_terminals(processes);
            server.collect(processes);
        }
        self.files.extend(kept);
        self.noticed(processes);
    }

    /// What was asked for since this was last asked and is not modelled. A test that finds anything here has proved nothing.
    pub fn take_unmodelled(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.unmodelled)
    }
}

impl Server {
    /// Sees which terminals nobody holds any more.
    fn see_closed_terminals(&mut self, processes: &mut Processes) {
        let is_closed =
            |process: Option<ProcessId>| process.is_some_and(|it| !processes.terminal_is_held(it));
        let closed = self.panes.values().filter(|pane| pane.open && is_closed(pane.process));
        let closed: Vec<u32> = closed.map(|pane| pane.id).collect();
        for pane in closed {
            self.pane_closed(processes, pane);
        }
        self.sweep_windows(processes);
    }

    /// Collects the children that have ended, and tells their panes.
    pub(super) fn collect(&mut self, processes: &mut Processes) {
        for (process, exit) in processes.collect(self.process.pid) {
            let pane = self.panes.values_mut().find(|pane| pane.process == Some(process));
            if let Some(pane) = pane {
                pane.exit = Some(exit);
                let id = pane.id;
                self.pane_closed(processes, id);
            }
        }
        self.sweep_windows(processes);
    }
}

fn failed(what: &str) -> Reply {
    Reply { code: Some(1), stdout: String::new(), stderr: what.to_owned() }
}
