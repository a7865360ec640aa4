//! How panes, windows and sessions come and go, and what that does to the processes in them.

use std::collections::BTreeMap;

use crate::model::Exit;
use crate::sim::processes::{Processes, Program};

use super::options::{Options, shown};
use super::server::{Pane, Server, Session, Window};

/// What a pane is to run.
#[derive(Debug, Clone, Default)]
pub(super) struct Launch {
    /// The command: none for a shell, one for something that a shell runs, more for a program with its arguments.
    pub arguments: Vec<String>,
    /// The directory, if it was said.
    pub directory: Option<String>,
    /// Variables of this process alone.
    pub environment: Vec<(String, String)>,
    /// Whether no process is wanted at all.
    pub empty: bool,
}

/// What tmux says when there is no pid left.
const NO_PID: &str = "fork failed: Resource temporarily unavailable";

/// The smallest pane, and so what a split needs: two of them, and the line between.
const SPLIT_HEIGHT_MIN: u32 = 3;

impl Server {
    /// Adds a window to a session, without a pane. At `index`, or else at the first that is free.
    pub fn add_window(&mut self, session: u32, index: Option<i32>) -> Result<(i32, u32), String> {
        let base = self.base_index(session);
        let Some(it) = self.sessions.get(&session) else { return Err("no such session".to_owned()) };
        let height = it.height;
        let index = match index {
            Some(index) if it.windows.contains_key(&index) => return Err(format!("index {index} in use")),
            Some(index) => index,
            None => first_free(&it.windows, base),
        };
        let id = self.new_window_id();
        let window = Window {
            id,
            name: String::new(),
            panes: Vec::new(),
            active: None,
            last: None,
            options: Options::default(),
            height,
            activity: 0,
        };
        self.windows.insert(id, window);
        if let Some(it) = self.sessions.get_mut(&session) {
            if it.windows.is_empty() {
                it.current = index;
            }
            it.windows.insert(index, id);
        }
        Ok((index, id))
    }

    /// Adds a pane to a window and starts its process: beside `beside` if that is given, which makes room for it. `None` of a height means that
    /// it is the only one.
    pub fn add_pane(
        &mut self,
        processes: &mut Processes,
        ticks: u64,
        (session, window): (u32, u32),
        place: Option<(u32, bool)>,
        launch: Launch,
    ) -> Result<u32, String> {
        let height = match place {
            None => self.windows.get(&window).map_or(0, |window| window.height),
            Some((beside, before)) => self.make_room(beside, before)?,
        };
        let id = self.new_pane_id();
        let directory = launch.directory.clone().unwrap_or_else(|| self.directory_of(session));
        let pane = Pane {
            id,
            window,
            process: None,
            open: false,
            exit: None,
            marked: false,
            modes: Vec::new(),
            options: Options::default(),
            arguments: Vec::new(),
            directory,
            height,
        };
        self.panes.insert(id, pane);
        if let Some(window) = self.windows.get_mut(&window) {
            let at = match place {
                None => 0,
                Some((beside, before)) => {
                    let at = window.panes.iter().position(|it| *it == beside).unwrap_or(0);
                    if before { at } else { at + 1 }
                }
            };
            window.panes.insert(at.min(window.panes.len()), id);
        }
        match self.run_in_pane(processes, ticks, session, id, launch) {
            Ok(()) => Ok(id),
            Err(what) => {
                self.remove_pane(processes, id);
                Err(what)
            }
        }
    }

    fn directory_of(&self, session: u32) -> String {
        self.sessions.get(&session).map_or_else(String::new, |session| session.directory.clone())
    }

    /// Takes half of a pane's height for a new one.
    pub fn make_room(&mut self, beside: u32, before: bool) -> Result<u32, String> {
        let pane = self.panes.get_mut(&beside).filter(|pane| pane.height >= SPLIT_HEIGHT_MIN);
        let Some(pane) = pane else { return Err("no space for new pane".to_owned()) };
        let lower = pane.height.div_ceil(2).saturating_sub(1).clamp(1, pane.height - 2);
        let upper = pane.height - 1 - lower;
        let (new, old) = if before { (upper, lower) } else { (lower, upper) };
        pane.height = old;
        Ok(new)
    }

    /// Starts a process in a pane that has none.
    fn run_in_pane(
        &mut self,
        processes: &mut Processes,
        ticks: u64,
        session: u32,
        id: u32,
        launch: Launch,
    ) -> Result<(), String> {
        let environment = self.environment_of(session, launch.environment);
        let server = self.process.pid;
        let Some(pane) = self.panes.get_mut(&id) else { return Err("no such pane".to_owned()) };
        if !launch.arguments.is_empty() {
            pane.arguments = launch.arguments;
        }
        if let Some(directory) = launch.directory {
            pane.directory = directory;
        }
        if launch.empty {
            return Ok(());
        }
        let arguments = match pane.arguments.as_slice() {
            [] => vec!["-sh".to_owned()],
            [one] => vec!["sh".to_owned(), "-c".to_owned(), one.clone()],
            more => more.to_vec(),
        };
        let program = Program { arguments, environment, directory: pane.directory.clone() };
        let Some(process) = processes.spawn_in_terminal(server, program, ticks) else {
            pane.open = false;
            return Err(NO_PID.to_owned());
        };
        pane.process = Some(process);
        pane.open = true;
        Ok(())
    }

    /// What a process of a session finds in its environment, without what it would find anywhere.
    fn environment_of(&self, session: u32, own: Vec<(String, String)>) -> BTreeMap<String, String> {
        let of_session = self.sessions.get(&session).map(|session| &session.environment);
        let mut all = BTreeMap::new();
        for (name, value) in self.environment.iter().chain(of_session.into_iter().flatten()) {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        all.extend(own);
        all
    }

    /// Starts a pane's process again. Without `kill` only if it is dead.
    pub fn respawn_pane(
        &mut self,
        processes: &mut Processes,
        ticks: u64,
        (session, link, id): (u32, i32, u32),
        launch: Launch,
        kill: bool,
    ) -> Result<(), String> {
        let is_open = self.panes.get(&id).is_some_and(|pane| pane.open);
        if is_open && !kill {
            let name = self.sessions.get(&session).map_or("", |session| session.name.as_str());
            return Err(format!("pane {name}:{link}.{} still active", self.pane_index(id)));
        }
        self.close_terminal(processes, id);
        if let Some(pane) = self.panes.get_mut(&id) {
            pane.modes.clear();
            pane.exit = None;
            pane.marked = false;
        }
        self.run_in_pane(processes, ticks, session, id, launch)
    }

    /// The index of a pane in its window.
    pub fn pane_index(&self, id: u32) -> usize {
        let window = self.panes.get(&id).and_then(|pane| self.windows.get(&pane.window));
        let place = |window: &Window| window.panes.iter().position(|it| *it == id).unwrap_or(0);
        window.map_or(0, |window| self.pane_base_index(window) + place(window))
    }

    /// Closes a pane's terminal: whoever is in its session is hung up.
    fn close_terminal(&mut self, processes: &mut Processes, id: u32) {
        if let Some(pane) = self.panes.get_mut(&id).filter(|pane| pane.open) {
            pane.open = false;
            if let Some(process) = pane.process {
                processes.hang_up(process);
            }
        }
    }

    /// A pane's process has ended, or its terminal was closed from inside.
    pub fn pane_closed(&mut self, processes: &mut Processes, id: u32) {
        self.close_terminal(processes, id);
        let Some(pane) = self.panes.get(&id) else { return };
        let remain = self.pane_option(pane, "remain-on-exit").unwrap_or("off").to_owned();
        if remain != "off" && pane.exit.is_none() {
            return;
        }
        if remain == "on" || (remain == "failed" && pane.exit != Some(Exit::Code(0))) {
            if let Some(pane) = self.panes.get_mut(&id) {
                pane.marked = true;
            }
            return;
        }
        let window = pane.window;
        self.remove_pane(processes, id);
        if self.windows.get(&window).is_some_and(|window| window.panes.is_empty()) {
            self.kill_window(window);
        }
    }

    /// Takes a pane out of its window.
    pub fn remove_pane(&mut self, processes: &mut Processes, id: u32) {
        self.close_terminal(processes, id);
        self.take_pane_out(id, None);
        self.panes.remove(&id);
    }

    /// Takes a pane out of its window, and another one becomes the active one. Its room goes to the pane above it, or else below; or to a
    /// pane that is about to come in before or behind `hole`, if that is the one: how much that gets.
    pub fn take_pane_out(&mut self, id: u32, hole: Option<(u32, bool)>) -> u32 {
        let Some(pane) = self.panes.get(&id) else { return 0 };
        let freed = pane.height + 1;
        let Some(window) = self.windows.get_mut(&pane.window) else { return 0 };
        let Some(at) = window.panes.iter().position(|it| *it == id) else { return 0 };
        let beside = |panes: &[u32], at: usize| {
            let neighbour = if at == 0 { 1 } else { at - 1 };
            panes.get(neighbour).copied()
        };
        if window.active == Some(id) {
            window.active = window.last.take().or_else(|| beside(&window.panes, at));
        } else if window.last == Some(id) {
            window.last = None;
        }
        let hole = hole.and_then(|(pane, before)| {
            let at = window.panes.iter().position(|it| *it == pane)?;
            Some(if before { at } else { at + 1 })
        });
        let neighbour = match hole {
            // Between this pane and the one above it, or the one below if it is the first.
            Some(hole) if hole == at || (at == 0 && hole == 1) => None,
            _ => beside(&window.panes, at),
        };
        let is_for_the_hole = hole.is_some() && neighbour.is_none();
        window.panes.remove(at);
        if let Some(neighbour) = neighbour.and_then(|it| self.panes.get_mut(&it)) {
            neighbour.height += freed;
        }
        if is_for_the_hole { freed } else { 0 }
    }

    /// Makes a pane the active one of its window.
    pub fn activate(&mut self, id: u32) {
        let window = self.panes.get(&id).map(|pane| pane.window);
        let window = window.and_then(|window| self.windows.get_mut(&window));
        if let Some(window) = window.filter(|window| window.active != Some(id)) {
            window.last = window.active.replace(id);
        }
    }

    /// Kills a pane; with the last one its window goes.
    pub fn kill_pane(&mut self, processes: &mut Processes, id: u32) {
        let Some(window) = self.panes.get(&id).map(|pane| pane.window) else { return };
        if self.windows.get(&window).is_some_and(|window| window.panes.len() == 1) {
            self.kill_window(window);
        } else {
            self.remove_pane(processes, id);
        }
    }

    /// Kills a window in all sessions that link it.
    pub fn kill_window(&mut self, window: u32) {
        let sessions: Vec<u32> = self.names.values().copied().collect();
        for session in sessions {
            while let Some(link) = self.link_to(session, window) {
                if self.unlink(session, link) {
                    break;
                }
            }
        }
    }

    /// The first link of a session to a window.
    pub fn link_to(&self, session: u32, window: u32) -> Option<i32> {
        let links = &self.sessions.get(&session)?.windows;
        links.iter().find(|(_, it)| **it == window).map(|(link, _)| *link)
    }

    /// Takes a window out of a session; with the last one the session goes, and then this is true.
    pub fn unlink(&mut self, session: u32, link: i32) -> bool {
        let Some(it) = self.sessions.get_mut(&session) else { return true };
        if it.current == link && !it.select_last() && !it.select_beside(false) {
            it.select_beside(true);
        }
        it.last.retain(|last| *last != link);
        it.windows.remove(&link);
        let is_empty = it.windows.is_empty();
        self.synchronize_from(session);
        if is_empty {
            self.destroy_session(session);
        }
        is_empty
    }

    /// Destroys windows that no session links. tmux does so when everybody has been told of them, which is after the last command of a client:
    /// until then their panes can be found by their ids, and their processes live.
    pub fn sweep_windows(&mut self, processes: &mut Processes) {
        let is_linked = |window: &u32| self.sessions.keys().any(|session| self.has_window(*session, *window));
        let gone: Vec<u32> = self.windows.keys().copied().filter(|window| !is_linked(window)).collect();
        for window in gone {
            let Some(window) = self.windows.remove(&window) else { continue };
            for pane in window.panes {
                self.close_terminal(processes, pane);
                self.panes.remove(&pane);
            }
        }
    }

    /// Destroys a session, and the windows that were only in it. Its clients leave.
    pub fn destroy_session(&mut self, id: u32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.names.remove(&session.name);
        self.clients.retain(|client| client.session != id);
        self.groups.retain(|_, members| {
            members.retain(|member| *member != id);
            !members.is_empty()
        });
    }

    /// Brings the other sessions of a session's group to the windows that it has.
    pub fn synchronize_from(&mut self, from: u32) {
        let Some((_, members)) = self.group_of(from) else { return };
        let members: Vec<u32> = members.iter().copied().filter(|member| *member != from).collect();
        for member in members {
            self.synchronize(from, member);
        }
    }

    /// Brings a session to the windows that another one of its group has.
    pub fn synchronize(&mut self, from: u32, to: u32) {
        let Some(from) = self.sessions.get(&from) else { return };
        let (windows, current) = (from.windows.clone(), from.current);
        let Some(session) = self.sessions.get_mut(&to).filter(|_| !windows.is_empty()) else { return };
        if session.windows.is_empty() {
            session.current = current;
        } else if !windows.contains_key(&session.current)
            && !session.select_last()
            && !session.select_beside(false)
        {
            session.select_beside(true);
        }
        session.windows = windows;
        let Session { windows, last, .. } = session;
        last.retain(|link| windows.contains_key(link));
    }
}

impl Session {
    /// Makes a window the current one; `false` if it already is, or is not there.
    pub fn select(&mut self, link: i32) -> bool {
        if link == self.current || !self.windows.contains_key(&link) {
            return false;
        }
        self.last.retain(|last| *last != link && *last != self.current);
        // One that was lost with a group's windows is not gone back to.
        if self.windows.contains_key(&self.current) {
            self.last.insert(0, self.current);
        }
        self.current = link;
        true
    }

    /// Goes back to the window that was current before.
    pub fn select_last(&mut self) -> bool {
        self.last.first().copied().is_some_and(|link| self.select(link))
    }

    /// Goes to the next window, or to the one before; around the end, if it must.
    pub fn select_beside(&mut self, next: bool) -> bool {
        let mut links = self.windows.keys().copied();
        let beside = if next {
            links.clone().find(|link| *link > self.current).or_else(|| links.next())
        } else {
            links.clone().rfind(|link| *link < self.current).or_else(|| links.next_back())
        };
        beside.is_some_and(|link| self.select(link))
    }
}

/// The first free index, counted from `base`.
pub(super) fn first_free(windows: &BTreeMap<i32, u32>, base: i32) -> i32 {
    (base..i32::MAX).find(|index| !windows.contains_key(index)).unwrap_or(base)
}

/// What tmux calls a window at first: the command's name.
pub(super) fn window_name(arguments: &[String]) -> String {
    let all = arguments.iter().map(|argument| shown(argument)).collect::<Vec<String>>().join(" ");
    let text = if all.is_empty() { "/bin/sh" } else { &all };
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.split('"').next().unwrap_or_default();
    let text = text.strip_prefix("exec ").unwrap_or(text).trim_start_matches([' ', '-']);
    let text = text.split(' ').next().unwrap_or_default();
    let name = if text.starts_with('/') { text.rsplit('/').next().unwrap_or(text) } else { text };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_called_after_their_commands() {
        let name = |arguments: &[&str]| {
            window_name(&arguments.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>())
        };
        assert_eq!(name(&[]), "sh");
        assert_eq!(name(&["sleep 1000"]), "sleep");
        assert_eq!(name(&["/usr/bin/env", "-u", "X", "a b"]), "env");
        assert_eq!(name(&["exec sleep 5"]), "sleep");
    }
}
