//! Runs the commands of one client, one after the other.
//!
//! tmux keeps them in a queue and puts the commands of `if-shell` and `source-file` right behind the one that brought them; running those first
//! is the same.

use crate::machine::Reply;
use crate::sim::processes::Processes;

use super::command::{Command, Grouping, Unfit, Value, commands};
use super::lex::{self, Statement};
use super::server::Server;
use super::table::Verb;
use super::target::{Found, Search, Wanted, find};
use super::values::Context;

/// A client at work.
pub(super) struct Run<'r> {
    /// The server that it talks to.
    pub server: &'r mut Server,
    /// The processes of the machine.
    pub processes: &'r mut Processes,
    /// The time, for processes that are started.
    pub ticks: u64,
    input: Option<&'r str>,
    out: String,
    errors: String,
    failed: bool,
    /// Whether the server was told to end.
    ends: bool,
    /// Whether a process was started. Then tmux, as built by Debian, looks for children that have ended (docs/tmux.md).
    pub spawned: bool,
}

/// Ended with a complaint; the commands behind it in its line do not run.
pub(super) type Done = Result<(), String>;

impl<'r> Run<'r> {
    /// A client that reads `input`.
    pub fn new(
        server: &'r mut Server,
        processes: &'r mut Processes,
        ticks: u64,
        input: Option<&'r str>,
    ) -> Self {
        Self {
            server,
            processes,
            ticks,
            input,
            out: String::new(),
            errors: String::new(),
            failed: false,
            ends: false,
            spawned: false,
        }
    }

    /// Runs the arguments of a client to the end; its answer, and whether the server was told to end.
    pub fn all(mut self, statements: Vec<Statement<'_>>) -> (Reply, bool) {
        match commands(statements, Grouping::ByLine) {
            Ok(commands) => self.list(&commands, &mut Found::NONE.clone()),
            Err(unfit) => {
                self.note(&unfit);
                self.complain(&unfit.what);
            }
        }
        self.server.sweep_windows(self.processes);
        if self.spawned || !self.server.loses_notices {
            self.server.collect(self.processes);
        }
        let code = Some(i32::from(self.failed));
        (Reply { code, stdout: self.out, stderr: self.errors }, self.ends)
    }

    fn note(&mut self, unfit: &Unfit) {
        self.server.unmodelled.extend(unfit.unmodelled.clone());
    }

    fn complain(&mut self, what: &str) {
        self.errors.push_str(what);
        self.errors.push('\n');
        self.failed = true;
    }

    /// Something that the model does not know was asked for.
    pub fn unmodelled(&mut self, what: &str) {
        self.server.unmodelled.insert(what.to_owned());
    }

    /// Writes a line of the answer.
    pub fn print(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Runs commands, with `current` as the place that they lead to and start from.
    fn list(&mut self, commands: &[Command<'_>], current: &mut Found) {
        let mut failed = None;
        for command in commands {
            if failed == Some(command.group) {
                continue;
            }
            if let Err(what) = self.command(command, current) {
                self.complain(&what);
                failed = Some(command.group);
            }
        }
    }

    fn command(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        match command.verb {
            Verb::AttachSession => self.attach_session(command, current),
            Verb::BreakPane => self.break_pane(command, current),
            Verb::CapturePane => self.capture_pane(command, current),
            Verb::ClockMode | Verb::CopyMode => self.enter_mode(command, current),
            Verb::DisplayMessage => self.display_message(command, current),
            Verb::HasSession => self.target(command, current, Search::of(Wanted::Session)).map(|_| ()),
            Verb::IfShell => self.if_shell(command, current),
            Verb::JoinPane => self.join_pane(command, current),
            Verb::KillPane => self.kill_pane(command, current),
            Verb::KillServer => {
                self.ends = true;
                Ok(())
            }
            Verb::KillSession => self.kill_session(command, current),
            Verb::KillWindow => self.kill_window(command, current),
            Verb::LinkWindow | Verb::MoveWindow => self.link_window(command, current),
            Verb::ListPanes => self.list_panes(command, current),
            Verb::ListSessions => self.list_sessions(command),
            Verb::ListWindows => self.list_windows(command, current),
            Verb::NewSession => self.new_session(command, current),
            Verb::NewWindow => self.new_window(command, current),
            Verb::RenameSession => self.rename_session(command, current),
            Verb::RenameWindow => self.rename_window(command, current),
            Verb::RespawnPane => self.respawn_pane(command, current),
            Verb::SelectPane => self.select_pane(command, current),
            Verb::SelectWindow => self.select_window(command, current),
            Verb::SendKeys => self.send_keys(command, current),
            Verb::SetEnvironment => self.set_environment(command, current),
            Verb::SetOption | Verb::SetWindowOption => self.set_option(command, current),
            Verb::ShowEnvironment => self.show_environment(command, current),
            Verb::ShowOptions => self.show_options(command, current),
            Verb::SourceFile => self.source_file(command, current),
            Verb::SplitWindow => self.split_window(command, current),
            Verb::StartServer => Ok(()),
            Verb::UnlinkWindow => self.unlink_window(command, current),
        }
    }

    /// What `-t` of a command names.
    pub fn target(&self, command: &Command<'_>, current: &Found, search: Search) -> Result<Found, String> {
        find(self.server, current, command.get(b't'), search)
    }

    /// The session that a client without one of its own is taken to be in, where somebody is attached.
    pub fn client_session(&self) -> Option<u32> {
        if self.server.clients.is_empty() {
            return None;
        }
        let best = self.server.best_session(|_| true).map(|session| session.id);
        self.server.best_client(best).map(|client| client.session)
    }

    /// Expands a format for a place.
    pub fn format(&mut self, format: &str, found: &Found, client: Option<u32>) -> String {
        let mut out = String::new();
        let context = Context::new(self.server, found, client);
        context.expand(format, &mut out);
        let unmodelled = context.take_unmodelled();
        self.server.unmodelled.extend(unmodelled);
        out
    }

    /// Expands a format for each of `places`, and prints those that pass the filter.
    pub fn print_each(&mut self, format: &str, filter: Option<&str>, places: &[(Found, usize)]) {
        let mut out = std::mem::take(&mut self.out);
        let mut unmodelled = Vec::new();
        for (found, line) in places {
            let mut context = Context::new(self.server, found, None);
            context.line = *line;
            let start = out.len();
            let passes = filter.is_none_or(|filter| {
                context.expand(filter, &mut out);
                let passes = out.get(start..).is_some_and(super::format::is_true);
                out.truncate(start);
                passes
            });
            if passes {
                context.expand(format, &mut out);
                out.push('\n');
            }
            unmodelled.extend(context.take_unmodelled());
        }
        self.out = out;
        self.server.unmodelled.extend(unmodelled);
    }

    fn if_shell(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let found = self.target(command, current, Search::maybe(Wanted::Pane))?;
        let condition = self.format(command.text(0), &found, self.client_session());
        if !command.has(b'F') {
            self.unmodelled("if-shell without -F");
            return Err("failed to run command".to_owned());
        }
        let number = if condition.is_empty() || condition.starts_with('0') { 2 } else { 1 };
        match command.values.get(number) {
            None => Ok(()),
            Some(Value::Block(commands)) => {
                self.list(commands, current);
                Ok(())
            }
            Some(Value::Text(text)) => {
                let statements = self.read(text).map_err(|unfit| unfit.what)?;
                let commands = commands(statements, Grouping::One).map_err(|unfit| {
                    self.note(&unfit);
                    unfit.what
                })?;
                self.list(&commands, current);
                Ok(())
            }
        }
    }

    fn read<'t>(&mut self, text: &'t str) -> Result<Vec<Statement<'t>>, Unfit> {
        let environment = &self.server.environment;
        let read = lex::script(text, &|name| environment.get(name).cloned().flatten());
        read.map_err(|mistake| {
            let unmodelled = mistake.unmodelled.map(str::to_owned);
            let unfit = Unfit { line: mistake.line, what: mistake.what.into_owned(), unmodelled };
            self.note(&unfit);
            unfit
        })
    }

    /// A script with a mistake is not run at all, and the complaint goes to standard output.
    fn source_file(&mut self, command: &Command<'_>, current: &Found) -> Done {
        if command.text(0) != "-" || command.values.len() > 1 {
            self.unmodelled("source-file of a file");
            return Err("No such file or directory".to_owned());
        }
        let text = self.input.take().unwrap_or_default();
        let read = self.read(text).and_then(|statements| commands(statements, Grouping::ByLine));
        match read {
            Ok(commands) => self.list(&commands, &mut current.clone()),
            Err(unfit) => {
                self.note(&unfit);
                self.print(&format!("-:{}: {}", unfit.line, unfit.what));
                self.failed = true;
            }
        }
        Ok(())
    }
}
