//! Commands that list, and the one that tells.

use super::command::Command;
use super::run::{Done, Run};
use super::server::{Server, Session};
use super::target::{Found, Search, Wanted};

impl Run<'_> {
    pub(super) fn list_panes(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Window))?;
        let mut places = Vec::new();
        if command.has(b'a') {
            for session in self.server.sessions_by_name() {
                panes_of_session(self.server, session, &mut places);
            }
        } else if command.has(b's') {
            if let Some(session) = target.session.and_then(|id| self.server.sessions.get(&id)) {
                panes_of_session(self.server, session, &mut places);
            }
        } else if let (Some(session), Some(link)) = (target.session, target.link) {
            panes_of_window(self.server, session, link, &mut places);
        }
        let Some(format) = command.get(b'F') else {
            self.unmodelled("list-panes without -F");
            return Ok(());
        };
        self.print_each(format, command.get(b'f'), &places);
        Ok(())
    }

    pub(super) fn list_sessions(&mut self, command: &Command<'_>) -> Done {
        let sessions = self.server.sessions_by_name().enumerate();
        let places: Vec<(Found, usize)> =
            sessions.map(|(line, session)| (Found::session(self.server, session), line)).collect();
        let Some(format) = command.get(b'F') else {
            self.unmodelled("list-sessions without -F");
            return Ok(());
        };
        self.print_each(format, command.get(b'f'), &places);
        Ok(())
    }

    pub(super) fn list_windows(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::of(Wanted::Session))?;
        let is_meant = |session: &&Session| command.has(b'a') || Some(session.id) == target.session;
        let mut places = Vec::new();
        for session in self.server.sessions_by_name().filter(is_meant) {
            let links = session.windows.keys().enumerate();
            places.extend(links.map(|(line, link)| (Found::window(self.server, session.id, *link), line)));
        }
        let Some(format) = command.get(b'F') else {
            self.unmodelled("list-windows without -F");
            return Ok(());
        };
        self.print_each(format, command.get(b'f'), &places);
        Ok(())
    }

    pub(super) fn display_message(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::maybe(Wanted::Pane))?;
        if command.has(b'F') && !command.values.is_empty() {
            return Err("only one of -F or argument must be given".to_owned());
        }
        let text = if command.values.is_empty() { command.get(b'F') } else { Some(command.text(0)) };
        let Some(text) = text else {
            self.unmodelled("display-message without a text");
            return Ok(());
        };
        if text.contains('%') {
            self.unmodelled("a time in a message");
        }
        let of_client = self.client_session().filter(|session| target.session == Some(*session));
        let line = self.format(text, &target, of_client);
        if command.has(b'p') {
            self.print(&line);
        }
        Ok(())
    }
}

fn panes_of_session(server: &Server, session: &Session, places: &mut Vec<(Found, usize)>) {
    for link in session.windows.keys() {
        panes_of_window(server, session.id, *link, places);
    }
}

fn panes_of_window(server: &Server, session: u32, link: i32, places: &mut Vec<(Found, usize)>) {
    let Some(window) = server.window_at(session, link) else { return };
    let place = Found { session: Some(session), link: Some(link), index: link, ..Found::NONE };
    let panes = window.panes.iter().enumerate();
    places.extend(
        panes.map(|(line, pane)| (Found { window: Some(window.id), pane: Some(*pane), ..place }, line)),
    );
}
