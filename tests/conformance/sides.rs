//! The two tmuxes, each with its processes, behind the same few verbs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gtctl::machine::Reply;
use gtctl::model::Exit;
use gtctl::sim::processes::Processes;
use gtctl::sim::tmux::SimTmux;
use rustix::process::Signal;

use crate::common::proc::{Life, processes_of, send};
use crate::common::{guard, wait};

/// The name of the real server's socket.
const SOCKET: &str = "conformance";

/// How long a real tmux may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The simulated side.
pub struct Sim {
    pub processes: Processes,
    pub tmux: SimTmux,
    socket: String,
    clients: Vec<u32>,
}

impl Sim {
    /// Nothing runs; its socket has the path of the real one.
    pub fn new(socket: String) -> Self {
        Self {
            processes: Processes::new(1000..=4_000_000),
            tmux: SimTmux::new(),
            socket,
            clients: Vec::new(),
        }
    }

    pub fn client(&mut self, arguments: &[&str], input: Option<&str>) -> Reply {
        let reply = self.tmux.client(&mut self.processes, 1, &self.socket, arguments, input);
        let unmodelled = self.tmux.take_unmodelled();
        assert!(unmodelled.is_empty(), "not modelled: {unmodelled:?} in {arguments:?} {input:?}");
        self.let_short_programs_end();
        reply
    }

    /// `exit 3` ends with 3; nothing at all, which a pane without a process is started again with, ends with 0.
    fn let_short_programs_end(&mut self) {
        let exit = |arguments: &[String]| match arguments {
            [shell, flag, command] if shell == "sh" && flag == "-c" && command.is_empty() => Some(0),
            [shell, flag, command] if shell == "sh" && flag == "-c" => {
                command.strip_prefix("exit ").and_then(|code| code.parse().ok())
            }
            _ => None,
        };
        let short: Vec<(i32, i32)> = self
            .processes
            .iter()
            .filter(|process| process.lives())
            .filter_map(|process| Some((process.id.pid, exit(&process.program.arguments)?)))
            .collect();
        for (pid, code) in short {
            self.processes.end(pid, Exit::Code(code));
        }
        self.tmux.noticed(&mut self.processes);
    }

    pub fn ends(&mut self, pid: i32, signal: i32) {
        self.processes.end(pid, Exit::Signal(signal));
        self.tmux.noticed(&mut self.processes);
    }

    /// Whether a process is a shell that reads from its terminal.
    pub fn is_shell(&self, pid: i32) -> bool {
        self.processes.get(pid).is_some_and(|process| process.program.arguments == ["-sh"])
    }

    /// The pid of the server that answers.
    pub fn server(&self) -> Option<i32> {
        self.tmux.server_at(&self.processes, &self.socket).map(|id| id.pid)
    }

    pub fn attach(&mut self, session: &str) {
        self.clients.extend(self.tmux.attach(&self.processes, &self.socket, session));
    }

    /// Whether somebody has attached and not been told to leave.
    pub fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    pub fn detach_all(&mut self) {
        for client in self.clients.drain(..) {
            self.tmux.detach(&self.processes, &self.socket, client);
        }
    }

    pub fn remove_socket_file(&mut self) {
        if let Some(id) = self.tmux.server_at(&self.processes, &self.socket) {
            self.tmux.remove_socket_file(id);
        }
    }

    pub fn wants_socket(&mut self, pid: i32) {
        if let Some(id) = self.processes.get(pid).map(|process| process.id) {
            self.tmux.socket_wanted(&self.processes, id);
        }
    }
}

/// The real side: a server of its own in a directory of its own.
pub struct Real {
    root: tempfile::TempDir,
    clients: Vec<Child>,
}

impl Real {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("gtctl-").tempdir().unwrap();
        for name in ["tmux", "home"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root, clients: Vec::new() }
    }

    pub fn socket(&self) -> PathBuf {
        let directory = format!("tmux-{}", rustix::process::getuid().as_raw());
        self.root.path().canonicalize().unwrap().join("tmux").join(directory).join(SOCKET)
    }

    fn command(&self) -> Command {
        let mut command = guard::tmux(SOCKET, &self.root.path().join("tmux"), self.root.path());
        command.arg("-u").current_dir(self.root.path());
        command
    }

    pub fn client(&self, arguments: &[&str], input: Option<&str>) -> Reply {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            // A client that ends early closes the pipe.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        }
        let pid = i32::try_from(child.id()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(PATIENCE) else {
            send(pid, Signal::KILL);
            panic!("tmux does not answer: {arguments:?} {input:?}");
        };
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Reply { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Kills a pane's process, and waits until the server has collected it: until then it may not have noticed.
    pub fn ends(&self, server: i32, pid: i32, signal: i32) -> Result<(), String> {
        send(pid, Signal::from_named_raw(signal).unwrap());
        let gone = wait::poll(PATIENCE, || {
            poke(server);
            (!fs::exists(format!("/proc/{pid}")).unwrap()).then_some(())
        });
        let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        gone.ok_or_else(|| format!("the server does not collect a process: {}", state()))
    }

    /// A client in control mode; it counts as attached.
    pub fn attach(&mut self, session: &str) {
        let mut command = self.command();
        command.args(["-C", "attach-session", "-t", session]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("%end") && !line.starts_with("%error") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "a control client says that it is there");
        }
        // What it says later is read and forgotten, so that it never waits for a reader.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        self.clients.push(child);
    }

    pub fn detach_all(&mut self) {
        for mut child in self.clients.drain(..) {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    pub fn remove_socket_file(&self) {
        fs::remove_file(self.socket()).unwrap();
    }

    pub fn wants_socket(&self, server: i32) {
        send(server, Signal::USR1);
        assert!(wait::poll(PATIENCE, || self.socket().exists().then_some(())).is_some(), "a new socket");
        // The file is there before anybody listens.
        let listens = || (self.client(&["list-sessions", "-F", ""], None).code == Some(0)).then_some(());
        assert!(wait::poll(PATIENCE, listens).is_some(), "the server listens at its new socket");
    }

    /// Waits until a server has ended; whether it has.
    pub fn ended(&self, server: i32) -> bool {
        wait::poll(PATIENCE / 10, || Life::of(server).is_none().then_some(())).is_some()
    }
}

/// Tells a server that a child of its has ended.
pub fn poke(server: i32) {
    send(server, Signal::CHILD);
}

impl Drop for Real {
    fn drop(&mut self) {
        self.detach_all();
        for life in processes_of(self.root.path()) {
            life.kill();
        }
    }
}
