//! Commands about sessions and windows.

use super::command::Command;
use super::life::{Launch, window_name};
use super::options::Options;
use super::run::{Done, Run};
use super::server::{Environment, Server, Session};
use super::target::{Found, Search, Wanted, find};

/// What a client's terminal would bring into a session; a client without one takes them out.
const OF_A_TERMINAL: [&str; 8] = [
    "DISPLAY",
    "KRB5CCNAME",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "SSH_CONNECTION",
    "WINDOWID",
    "XAUTHORITY",
];

/// The size of a session that says nothing of it, in lines.
const HEIGHT: u32 = 24;

/// The most that tmux takes for a width or a height.
const SIZE_MAX: u32 = 65_535;

/// What tmux says to a client that wants to attach and has no terminal, as none has that gtctl runs.
const NO_TERMINAL: &str = "open terminal failed: not a terminal";

impl Run<'_> {
    pub(super) fn new_session(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let target = self.target(command, current, Search::maybe(Wanted::Session))?;
        if command.has(b't') && (!command.values.is_empty() || command.has(b'n')) {
            return Err("command or window name given with target".to_owned());
        }
        let name = match command.get(b's') {
            None => None,
            Some(name) => {
                let name = self.format(name, &Found::NONE, None);
                Some(session_name(&name).ok_or_else(|| format!("invalid session: {name}"))?)
            }
        };
        if let Some(name) = &name
            && self.server.names.contains_key(name)
        {
            return Err(format!("duplicate session: {name}"));
        }
        let group = command.get(b't').map(|name| self.group_to_join(name, target.session));
        let group = group.transpose()?;
        if !command.has(b'd') {
            return Err(NO_TERMINAL.to_owned());
        }
        let _ = size(command, b'x', "width")?;
        let height = size(command, b'y', "height")?.unwrap_or(HEIGHT);
        let launch = Launch { environment: Vec::new(), ..self.launch(command, target.session) };
        let mut environment: Environment =
            OF_A_TERMINAL.iter().map(|name| ((*name).to_owned(), None)).collect();
        environment.extend(variables(command).map(|(name, value)| (name, Some(value))));
        let directory = launch.directory.clone().unwrap_or_default();
        let id = self.server.create_session(name, group.as_ref(), environment, (directory, height));
        if let Err(what) = self.first_window(command, id, launch) {
            self.server.destroy_session(id);
            return Err(format!("create window failed: {what}"));
        }
        if let Some((group, with)) = group {
            self.join_group(id, group, with);
        }
        if command.has(b'P')
            && let Some(session) = self.server.sessions.get(&id)
        {
            let made = Found::session(self.server, session);
            let line = self.format(command.get(b'F').unwrap_or("#{session_name}:"), &made, None);
            self.print(&line);
        }
        Ok(())
    }

    /// The group that a session is to join, and with whom it is founded if there is none yet.
    fn group_to_join(&self, name: &str, with: Option<u32>) -> Result<(String, Option<u32>), String> {
        if let Some(with) = with {
            if let Some((group, _)) = self.server.group_of(with) {
                return Ok((group.clone(), None));
            }
            let name = self.server.sessions.get(&with).map(|session| session.name.clone());
            return Ok((name.unwrap_or_default(), Some(with)));
        }
        if self.server.groups.contains_key(name) {
            return Ok((name.to_owned(), None));
        }
        session_name(name).map(|name| (name, None)).ok_or_else(|| format!("invalid session group: {name}"))
    }

    fn first_window(&mut self, command: &Command<'_>, session: u32, launch: Launch) -> Done {
        let (_, window) = self.server.add_window(session, None)?;
        self.fill_window(command, (session, window), launch)
    }

    /// Gives a new window its pane and its name.
    fn fill_window(&mut self, command: &Command<'_>, place: (u32, u32), launch: Launch) -> Done {
        let name = match command.get(b'n') {
            Some(name) => {
                let session = Found { session: Some(place.0), ..Found::NONE };
                self.format(name, &session, None)
            }
            None => window_name(&launch.arguments),
        };
        self.spawned = true;
        let pane = self.server.add_pane(self.processes, self.ticks, place, None, launch)?;
        if let Some(window) = self.server.windows.get_mut(&place.1) {
            window.active = Some(pane);
            window.name = name;
        }
        Ok(())
    }

    fn join_group(&mut self, id: u32, group: String, with: Option<u32>) {
        let members = self.server.groups.entry(group).or_default();
        members.extend(with);
        members.push(id);
        let from = members.iter().copied().find(|member| *member != id);
        if let Some(from) = from {
            self.server.synchronize(from, id);
        }
        if let Some(session) = self.server.sessions.get_mut(&id)
            && let Some(first) = session.windows.keys().next().copied()
        {
            session.select(first);
        }
    }

    /// What a command that starts something wants to start.
    pub(super) fn launch(&mut self, command: &Command<'_>, session: Option<u32>) -> Launch {
        let place = Found { session, ..Found::NONE };
        let directory = command.get(b'c').map(|directory| self.format(directory, &place, None));
        Launch {
            arguments: command.texts(),
            directory,
            environment: variables(command).collect(),
            empty: false,
        }
    }

    pub(super) fn new_window(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let search = Search { index: true, ..Search::of(Wanted::Window) };
        let target = self.target(command, current, search)?;
        let Some(session) = target.session else { return Err("no current target".to_owned()) };
        let launch = self.launch(command, Some(session));
        let index = (target.index >= 0).then_some(target.index);
        let added = self.server.add_window(session, index);
        let (link, window) = added.map_err(|what| format!("create window failed: {what}"))?;
        if let Err(what) = self.fill_window(command, (session, window), launch) {
            if let Some(it) = self.server.sessions.get_mut(&session) {
                it.windows.remove(&link);
            }
            return Err(format!("create window failed: {what}"));
        }
        if !command.has(b'd')
            && let Some(it) = self.server.sessions.get_mut(&session)
        {
            it.select(link);
        }
        self.server.synchronize_from(session);
        let made = Found::window(self.server, session, link);
        if !command.has(b'd') {
            *current = made;
        }
        self.print_made(command, &made);
        Ok(())
    }

    /// Prints what a command made, if it was asked to.
    pub(super) fn print_made(&mut self, command: &Command<'_>, made: &Found) {
        if command.has(b'P') {
            let usual = "#{session_name}:#{window_index}.#{pane_index}";
            let line = self.format(command.get(b'F').unwrap_or(usual), made, None);
            self.print(&line);
        }
    }

    pub(super) fn kill_session(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Session))?;
        if command.has(b'C') {
            return Ok(());
        }
        let is_meant = |id: &u32| (Some(*id) == target.session) != command.has(b'a');
        let sessions: Vec<u32> = self.server.names.values().copied().filter(is_meant).collect();
        for session in sessions {
            self.server.destroy_session(session);
        }
        Ok(())
    }

    pub(super) fn kill_window(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Window))?;
        if let Some(window) = linked_window(self.server, &target) {
            self.server.kill_window(window);
        }
        Ok(())
    }

    pub(super) fn unlink_window(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Window))?;
        let (Some(session), Some(link), Some(window)) =
            (target.session, target.link, linked_window(self.server, &target))
        else {
            return Ok(());
        };
        if !command.has(b'k') && !self.server.is_shared(session, window) {
            return Err("window only linked to one session".to_owned());
        }
        self.server.unlink(session, link);
        Ok(())
    }

    pub(super) fn link_window(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let source = find(self.server, current, command.get(b's'), Search::of(Wanted::Window))?;
        let search = Search { index: true, ..Search::of(Wanted::Window) };
        let target = find(self.server, current, command.get(b't'), search)?;
        let (Some(from), Some(link), Some(window), Some(to)) =
            (source.session, source.link, linked_window(self.server, &source), target.session)
        else {
            return Ok(());
        };
        self.link(window, (from, to), target.index, (command.has(b'k'), !command.has(b'd')))?;
        if command.name == "move-window" {
            self.server.unlink(from, link);
        }
        Ok(())
    }

    /// Links a window into a session, at an index or the first that is free.
    pub(super) fn link(
        &mut self,
        window: u32,
        (from, to): (u32, u32),
        index: i32,
        (kill, select): (bool, bool),
    ) -> Done {
        let group = |session| self.server.group_of(session).map(|(name, _)| name);
        if from != to && group(from).is_some() && group(from) == group(to) {
            return Err("sessions are grouped".to_owned());
        }
        let base = self.server.base_index(to);
        let Some(session) = self.server.sessions.get_mut(&to) else { return Ok(()) };
        let mut select = select;
        let there = session.windows.get(&index).copied();
        if there == Some(window) {
            return Err(format!("same index: {index}"));
        }
        let mut is_current_gone = false;
        if there.is_some() {
            if !kill {
                return Err(format!("index in use: {index}"));
            }
            session.last.retain(|last| *last != index);
            session.windows.remove(&index);
            is_current_gone = session.current == index;
            select |= is_current_gone;
        }
        let index = if index < 0 { super::life::first_free(&session.windows, base) } else { index };
        session.windows.insert(index, window);
        if select && !is_current_gone {
            session.select(index);
        }
        self.server.synchronize_from(to);
        Ok(())
    }

    pub(super) fn select_window(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let wanted = if command.name == "select-window" { Wanted::Window } else { Wanted::Session };
        let target = self.target(command, current, Search::of(wanted))?;
        let Some(session) = target.session.and_then(|id| self.server.sessions.get_mut(&id)) else {
            return Ok(());
        };
        if command.name == "next-window" || command.has(b'n') {
            session.select_beside(true).then_some(()).ok_or("no next window")?;
        } else if command.name == "previous-window" || command.has(b'p') {
            session.select_beside(false).then_some(()).ok_or("no previous window")?;
        } else if command.name == "last-window" || command.has(b'l') {
            session.select_last().then_some(()).ok_or("no last window")?;
        } else if command.has(b'T') && target.link == Some(session.current) {
            session.select_last().then_some(()).ok_or("no last window")?;
            if current.session != target.session {
                return Ok(());
            }
        } else if !target.link.is_some_and(|link| session.select(link)) {
            return Ok(());
        }
        if let Some(session) = target.session.and_then(|id| self.server.sessions.get(&id)) {
            *current = Found::session(self.server, session);
        }
        Ok(())
    }

    pub(super) fn rename_session(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Session))?;
        let text = self.format(command.text(0), &target, self.client_session());
        let name = session_name(&text).ok_or_else(|| format!("invalid session: {text}"))?;
        let Some(session) = target.session.and_then(|id| self.server.sessions.get_mut(&id)) else {
            return Ok(());
        };
        if session.name == name {
            return Ok(());
        }
        if self.server.names.contains_key(&name) {
            return Err(format!("duplicate session: {name}"));
        }
        self.server.names.remove(&session.name);
        self.server.names.insert(name.clone(), session.id);
        session.name = name;
        Ok(())
    }

    pub(super) fn rename_window(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Window))?;
        let name = self.format(command.text(0), &target, self.client_session());
        if let Some(window) = linked_window(self.server, &target)
            && let Some(window) = self.server.windows.get_mut(&window)
        {
            window.name = name;
        }
        Ok(())
    }

    pub(super) fn attach_session(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        if self.server.sessions.is_empty() {
            return Err("no sessions".to_owned());
        }
        let search = match command.get(b't') {
            Some(target) if target.contains([':', '.']) => Search::of(Wanted::Pane),
            _ => Search { unattached: true, ..Search::of(Wanted::Session) },
        };
        let target = self.target(command, current, search)?;
        // The window is selected before it turns out that there is no terminal.
        if let Some(pane) = target.pane {
            self.server.activate(pane);
        }
        if let (Some(session), Some(link)) = (target.session, target.link) {
            if let Some(session) = self.server.sessions.get_mut(&session) {
                session.select(link);
            }
            *current = target;
        }
        Err(NO_TERMINAL.to_owned())
    }
}

impl Server {
    fn create_session(
        &mut self,
        name: Option<String>,
        group: Option<&(String, Option<u32>)>,
        environment: Environment,
        (directory, height): (String, u32),
    ) -> u32 {
        let mut id = self.new_session_id();
        let name = name.unwrap_or_else(|| {
            loop {
                let name = match group {
                    Some((group, _)) => format!("{group}-{id}"),
                    None => id.to_string(),
                };
                if !self.names.contains_key(&name) {
                    break name;
                }
                id = self.new_session_id();
            }
        });
        self.names.insert(name.clone(), id);
        let session = Session {
            id,
            name,
            used: 0,
            windows: std::collections::BTreeMap::new(),
            current: 0,
            last: Vec::new(),
            options: Options::default(),
            environment,
            directory,
            height,
        };
        self.sessions.insert(id, session);
        self.use_session(id);
        id
    }

    /// Whether a window is linked elsewhere than in this session and its group.
    pub(super) fn is_shared(&self, session: u32, window: u32) -> bool {
        let links: usize = self
            .sessions
            .values()
            .map(|session| session.windows.values().filter(|it| **it == window).count())
            .sum();
        links != self.group_of(session).map_or(1, |(_, members)| members.len())
    }
}

/// The window of a target, by its link.
pub(super) fn linked_window(server: &Server, found: &Found) -> Option<u32> {
    server.window_at(found.session?, found.link?).map(|window| window.id)
}

/// The name that tmux makes of a name; `None` if it is empty.
fn session_name(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.replace([':', '.'], "_"))
}

/// The variables that `-e` sets.
fn variables(command: &Command<'_>) -> impl Iterator<Item = (String, String)> {
    let pairs = command.all(b'e').filter_map(|text| text.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// A width or a height.
fn size(command: &Command<'_>, flag: u8, what: &str) -> Result<Option<u32>, String> {
    match command.get(flag) {
        None | Some("-") => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Err(_) => Err(format!("{what} is invalid")),
            Ok(number) if number < 1 => Err(format!("{what} is too small")),
            Ok(number) => match u32::try_from(number).ok().filter(|number| *number <= SIZE_MAX) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{what} is too large")),
            },
        },
    }
}
