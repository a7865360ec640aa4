//! Commands about panes.

use super::command::Command;
use super::life::window_name;
use super::options::Options;
use super::run::{Done, Run};
use super::server::{Mode, Window};
use super::sessions::linked_window;
use super::target::{Found, Search, Wanted, find};

impl Run<'_> {
    pub(super) fn split_window(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let (Some(session), Some(link), Some(window), Some(beside)) =
            (target.session, target.link, linked_window(self.server, &target), target.pane)
        else {
            return Ok(());
        };
        let mut launch = self.launch(command, Some(session));
        launch.empty = command.values.len() == 1 && command.text(0).is_empty();
        self.spawned |= !launch.empty;
        let place = Some((beside, command.has(b'b')));
        let made = self.server.add_pane(self.processes, self.ticks, (session, window), place, launch);
        let pane = made.map_err(|what| {
            if what.starts_with("no space") { what } else { format!("create pane failed: {what}") }
        })?;
        let made = Found { pane: Some(pane), index: link, ..target };
        if !command.has(b'd') {
            self.server.activate(pane);
            *current = made;
        }
        self.print_made(command, &made);
        Ok(())
    }

    /// The agents of a simulated world are ready from the first moment, and show the prompts of all kinds.
    pub(super) fn capture_pane(&mut self, command: &Command<'_>, current: &Found) -> Done {
        self.target(command, current, Search::of(Wanted::Pane))?;
        if !command.has(b'p') {
            self.unmodelled("capture-pane into a buffer");
            return Ok(());
        }
        ["❯", "›", ">"].into_iter().for_each(|prompt| self.print(prompt));
        Ok(())
    }

    pub(super) fn respawn_pane(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let (Some(session), Some(link), Some(pane)) = (target.session, target.link, target.pane) else {
            return Ok(());
        };
        let launch = self.launch(command, Some(session));
        let place = (session, link, pane);
        let kill = command.has(b'k');
        let done = self.server.respawn_pane(self.processes, self.ticks, place, launch, kill);
        done.map_err(|what| format!("respawn pane failed: {what}"))?;
        self.spawned = true;
        Ok(())
    }

    pub(super) fn kill_pane(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let Some(pane) = target.pane else { return Ok(()) };
        if !command.has(b'a') {
            self.server.kill_pane(self.processes, pane);
            return Ok(());
        }
        let window = linked_window(self.server, &target).and_then(|it| self.server.windows.get(&it));
        let others = window.map_or_else(Vec::new, |window| window.panes.clone());
        for other in others.into_iter().filter(|other| *other != pane) {
            self.server.remove_pane(self.processes, other);
        }
        Ok(())
    }

    pub(super) fn select_pane(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        if let Some(pane) = target.pane {
            self.server.activate(pane);
        }
        Ok(())
    }

    pub(super) fn break_pane(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let source = find(self.server, current, command.get(b's'), Search::of(Wanted::Pane))?;
        let search = Search { index: true, ..Search::of(Wanted::Window) };
        let target = self.target(command, current, search)?;
        let (Some(from), Some(link), Some(pane), Some(to)) =
            (source.session, source.link, source.pane, target.session)
        else {
            return Ok(());
        };
        let Some(window) = linked_window(self.server, &source) else { return Ok(()) };
        if self.server.windows.get(&window).is_some_and(|window| window.panes.len() == 1) {
            self.link(window, (from, to), target.index, (false, !command.has(b'd')))?;
            if let Some(name) = command.get(b'n')
                && let Some(window) = self.server.windows.get_mut(&window)
            {
                window.name = name.to_owned();
            }
            self.server.unlink(from, link);
            return Ok(());
        }
        let index = (target.index >= 0).then_some(target.index);
        let taken = index.filter(|index| self.server.window_at(to, *index).is_some());
        if let Some(index) = taken {
            return Err(format!("index in use: {index}"));
        }
        let link = self.move_to_window_of_its_own(command, pane, to, index)?;
        let made = Found { pane: Some(pane), ..Found::window(self.server, to, link) };
        if !command.has(b'd') {
            if let Some(session) = self.server.sessions.get_mut(&to) {
                session.select(link);
            }
            if let Some(session) = self.server.sessions.get(&to) {
                *current = Found::session(self.server, session);
            }
        }
        self.print_made(command, &made);
        Ok(())
    }

    fn move_to_window_of_its_own(
        &mut self,
        command: &Command<'_>,
        pane: u32,
        to: u32,
        index: Option<i32>,
    ) -> Result<i32, String> {
        let height = self.server.panes.get(&pane).and_then(|pane| self.server.windows.get(&pane.window));
        let height = height.map_or(0, |window| window.height);
        self.server.take_pane_out(pane, None);
        let id = self.server.new_window_id();
        let arguments = self.server.panes.get(&pane).map(|pane| pane.arguments.clone());
        let name = command.get(b'n').map(str::to_owned);
        let name = name.unwrap_or_else(|| window_name(&arguments.unwrap_or_default()));
        let window = Window {
            id,
            name,
            panes: vec![pane],
            active: Some(pane),
            last: None,
            options: Options::default(),
            height,
            activity: 0,
        };
        self.server.windows.insert(id, window);
        if let Some(pane) = self.server.panes.get_mut(&pane) {
            pane.window = id;
            pane.height = height;
        }
        let base = self.server.base_index(to);
        let Some(session) = self.server.sessions.get_mut(&to) else { return Ok(0) };
        let link = index.unwrap_or_else(|| super::life::first_free(&session.windows, base));
        session.windows.insert(link, id);
        self.server.synchronize_from(to);
        Ok(link)
    }

    pub(super) fn join_pane(&mut self, command: &Command<'_>, current: &mut Found) -> Done {
        let source = find(self.server, current, command.get(b's'), Search::of(Wanted::Pane))?;
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let (Some(pane), Some(beside), Some(session), Some(link)) =
            (source.pane, target.pane, target.session, target.link)
        else {
            return Ok(());
        };
        if pane == beside {
            return Err("source and target panes must be different".to_owned());
        }
        let before = command.has(b'b');
        let room = self.server.make_room(beside, before);
        let room = room.map_err(|_| "create pane failed: pane too small".to_owned())?;
        let from = self.server.panes.get(&pane).map(|pane| pane.window);
        self.join(pane, beside, (room, before));
        if !command.has(b'd') {
            self.server.activate(pane);
            if let Some(session) = self.server.sessions.get_mut(&session) {
                session.select(link);
            }
            if let Some(session) = self.server.sessions.get(&session) {
                *current = Found::session(self.server, session);
            }
        }
        if let Some(from) = from
            && self.server.windows.get(&from).is_some_and(|window| window.panes.is_empty())
        {
            self.server.kill_window(from);
        }
        Ok(())
    }

    fn join(&mut self, pane: u32, beside: u32, (room, before): (u32, bool)) {
        let room = room + self.server.take_pane_out(pane, Some((beside, before)));
        let Some(window) = self.server.panes.get(&beside).map(|beside| beside.window) else { return };
        if let Some(pane) = self.server.panes.get_mut(&pane) {
            pane.window = window;
            pane.height = room;
        }
        if let Some(window) = self.server.windows.get_mut(&window)
            && let Some(at) = window.panes.iter().position(|it| *it == beside)
        {
            window.panes.insert(if before { at } else { at + 1 }, pane);
        }
    }

    pub(super) fn enter_mode(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let Some(pane) = target.pane.and_then(|pane| self.server.panes.get_mut(&pane)) else {
            return Ok(());
        };
        if command.has(b'q') {
            pane.modes.clear();
            return Ok(());
        }
        let mode = if command.name == "clock-mode" { Mode::Clock } else { Mode::Copy };
        pane.modes.retain(|it| *it != mode);
        pane.modes.insert(0, mode);
        Ok(())
    }

    /// Keys go to the program, of which nothing is seen here, or to the mode that the pane is in.
    pub(super) fn send_keys(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Pane))?;
        let Some(pane) = target.pane.and_then(|pane| self.server.panes.get_mut(&pane)) else {
            return Ok(());
        };
        let mode = pane.modes.first().copied();
        if command.has(b'X') {
            match (mode, command.text(0)) {
                (Some(Mode::Copy), "cancel") => {
                    pane.modes.remove(0);
                }
                (Some(Mode::Copy), _) => self.unmodelled("a command of copy mode"),
                _ => return Err("not in a mode".to_owned()),
            }
            return Ok(());
        }
        let keys = command.texts();
        match mode {
            None => {
                let window = pane.window;
                if let Some(window) = self.server.windows.get_mut(&window) {
                    window.activity += 1;
                }
            }
            Some(Mode::Copy) if !command.has(b'l') && keys == ["q"] => {
                pane.modes.remove(0);
            }
            Some(_) => self.unmodelled("keys in a mode"),
        }
        Ok(())
    }
}
