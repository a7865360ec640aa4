//! The steps of finding a target. Each leaves what it has found, also if it fails.

use super::pattern;
use super::server::{Session, Window};
use super::target::{Finder, Found};

/// Found, or not.
type Step = Result<(), ()>;

impl<'s> Finder<'s> {
    pub(super) fn take_active_pane(&mut self) {
        // With only an index there is no window, and no pane.
        if let (Some(session), Some(link)) = (self.found.session, self.found.link) {
            self.found.pane = self.server.active_at(session, link);
        }
    }

    pub(super) fn best_of(&self, is_one: impl Fn(&Session) -> bool) -> Option<&'s Session> {
        let is_free = |session: &Session| self.server.attached(session.id) == 0;
        if self.search.unattached
            && let Some(free) = self.server.best_session(|session| is_free(session) && is_one(session))
        {
            return Some(free);
        }
        self.server.best_session(is_one)
    }

    pub(super) fn session_named(&self, name: &str) -> Option<&'s Session> {
        if let Some(id) = name.strip_prefix('$') {
            return self.server.sessions.get(&id.parse().ok()?);
        }
        let by_name = |name: &str| self.server.sessions.get(self.server.names.get(name)?);
        if let Some(session) = by_name(name) {
            return Some(session);
        }
        if self.exact.0 {
            return None;
        }
        let one_of = |fits: &dyn Fn(&str) -> bool| -> Result<Option<&'s Session>, ()> {
            let mut all = self.server.sessions_by_name().filter(|session| fits(&session.name));
            let first = all.next();
            if all.next().is_some() { Err(()) } else { Ok(first) }
        };
        match one_of(&|it| it.starts_with(name)) {
            Err(()) => None,
            Ok(Some(session)) => Some(session),
            Ok(None) => one_of(&|it| pattern::fits(name, it)).unwrap_or(None),
        }
    }

    /// The link to a window in a session: the current one if it is that window, or else the first.
    fn best_link(&mut self, session: &Session, window: u32) -> Step {
        let is_it = |(_, it): &(&i32, &u32)| **it == window;
        let current = session.windows.get_key_value(&session.current).filter(is_it);
        let (link, _) = current.or_else(|| session.windows.iter().find(is_it)).ok_or(())?;
        self.found.link = Some(*link);
        self.found.index = *link;
        Ok(())
    }

    fn best_session_with(&mut self, window: u32) -> Step {
        let server = self.server;
        let session = self.best_of(|session| server.has_window(session.id, window)).ok_or(())?;
        self.found.session = Some(session.id);
        self.best_link(session, window)
    }

    pub(super) fn window_anywhere(&mut self, window: &str, only: bool) -> Step {
        if let Some(id) = window.strip_prefix('@') {
            self.found.window = self.window_by_id(id);
            return self.best_session_with(self.found.window.ok_or(())?);
        }
        self.found.session = self.current.session;
        let session = self.current.session.and_then(|id| self.server.sessions.get(&id)).ok_or(())?;
        if self.window_in(session, window).is_ok() {
            return Ok(());
        }
        if only {
            return Err(());
        }
        let named = self.session_named(window);
        self.found.session = named.map(|session| session.id);
        let session = named.ok_or(())?;
        self.found.link = Some(session.current);
        self.found.window = session.windows.get(&session.current).copied();
        if !self.search.index {
            self.found.index = session.current;
        }
        Ok(())
    }

    fn window_by_id(&self, id: &str) -> Option<u32> {
        id.parse().ok().filter(|id| self.server.windows.contains_key(id))
    }

    fn take_link(&mut self, session: &Session, link: i32) {
        self.found.link = Some(link);
        self.found.index = link;
        self.found.window = session.windows.get(&link).copied();
    }

    pub(super) fn window_in(&mut self, session: &'s Session, window: &str) -> Step {
        // An index that has no window is one in front of or behind the current one.
        self.found.link = Some(session.current);
        self.found.window = session.windows.get(&session.current).copied();
        if let Some(id) = window.strip_prefix('@') {
            self.found.window = self.window_by_id(id);
            let window = self.found.window.filter(|it| self.server.has_window(session.id, *it)).ok_or(())?;
            return self.best_link(session, window);
        }
        let exact = self.exact.1;
        if !exact && let Some(step) = self.special_window(session, window) {
            return step;
        }
        if !window.starts_with(['+', '-'])
            && let Some(index) = index(window)
        {
            if session.windows.contains_key(&index) {
                self.take_link(session, index);
                return Ok(());
            }
            self.found.link = None;
            if self.search.index {
                self.found.index = index;
                return Ok(());
            }
        }
        let named = |it: &Window, fits: &dyn Fn(&str) -> bool| fits(&it.name);
        let fits: [&dyn Fn(&str) -> bool; 3] =
            [&|it| it == window, &|it| it.starts_with(window), &|it| pattern::fits(window, it)];
        for fits in fits.iter().take(if exact { 1 } else { 3 }) {
            self.found.link = None;
            let links = session
                .windows
                .iter()
                .filter(|(_, id)| self.server.windows.get(id).is_some_and(|window| named(window, fits)));
            let links: Vec<i32> = links.map(|(link, _)| *link).collect();
            match links.as_slice() {
                [] => {}
                [link] => {
                    self.take_link(session, *link);
                    return Ok(());
                }
                [first, ..] => {
                    self.found.link = Some(*first);
                    return Err(());
                }
            }
        }
        Err(())
    }

    /// Offsets and signs: `+2`, `-`, `!`, `^`, `$`. `None` if it is none of them.
    fn special_window(&mut self, session: &Session, window: &str) -> Option<Step> {
        let link = match window {
            "!" => session.last.first().copied(),
            "^" => session.windows.keys().next().copied(),
            "$" => session.windows.keys().next_back().copied(),
            _ => {
                let forward = window.starts_with('+');
                let steps = window.strip_prefix(['+', '-'])?;
                let steps = if steps.is_empty() { 1 } else { index(steps).filter(|it| *it > 0).unwrap_or(0) };
                if self.search.index {
                    let to = if forward {
                        session.current.checked_add(steps)
                    } else {
                        session.current.checked_sub(steps)
                    };
                    return Some(to.filter(|to| *to >= 0).map(|to| self.found.index = to).ok_or(()));
                }
                let links: Vec<i32> = session.windows.keys().copied().collect();
                let here = links.iter().position(|link| *link == session.current)?;
                let steps = usize::try_from(steps).unwrap_or(0) % links.len().max(1);
                let to = if forward { here + steps } else { here + links.len() - steps };
                links.get(to % links.len().max(1)).copied()
            }
        };
        if link.is_none() {
            self.found.link = None;
        }
        Some(link.map(|link| self.take_link(session, link)).ok_or(()))
    }

    fn pane_by_id(&self, id: &str) -> Option<(u32, u32)> {
        let pane = self.server.panes.get(&id.parse().ok()?)?;
        Some((pane.id, pane.window))
    }

    pub(super) fn pane_anywhere(&mut self, pane: &str, only: bool) -> Step {
        if let Some(id) = pane.strip_prefix('%') {
            let (pane, window) = self.pane_by_id(id).ok_or(())?;
            self.found.pane = Some(pane);
            self.found.window = Some(window);
            return self.best_session_with(window);
        }
        self.found = Found { pane: None, ..self.current };
        if self.pane_in_window(pane).is_ok() {
            return Ok(());
        }
        if only {
            return Err(());
        }
        self.window_anywhere(pane, false)?;
        self.take_active_pane();
        Ok(())
    }

    pub(super) fn pane_in_session(&mut self, session: &'s Session, pane: &str) -> Step {
        if let Some(id) = pane.strip_prefix('%') {
            let (pane, window) = self.pane_by_id(id).ok_or(())?;
            self.found.pane = Some(pane);
            self.found.window = Some(window);
            return self.best_link(session, window);
        }
        self.take_link(session, session.current);
        self.pane_in_window(pane)
    }

    pub(super) fn pane_in_window(&mut self, pane: &str) -> Step {
        self.found.pane = None;
        let window = self.found.window.and_then(|window| self.server.windows.get(&window)).ok_or(())?;
        if let Some(id) = pane.strip_prefix('%') {
            let (pane, of) = self.pane_by_id(id).ok_or(())?;
            self.found.pane = Some(pane);
            return if of == window.id { Ok(()) } else { Err(()) };
        }
        let first = self.server.pane_base_index(window);
        let here = window.panes.iter().position(|it| Some(*it) == self.current.pane);
        let count = window.panes.len();
        let place = match pane {
            "!" => {
                self.found.pane = window.last;
                return window.last.map(|_| ()).ok_or(());
            }
            "top" | "top-left" | "top-right" => Some(0),
            "bottom" | "bottom-left" | "bottom-right" => count.checked_sub(1),
            _ => match pane.strip_prefix(['+', '-']) {
                Some(steps) => here.map(|here| {
                    let steps = if steps.is_empty() { 1 } else { index(steps).unwrap_or(0) };
                    let steps = usize::try_from(steps).unwrap_or(0) % count.max(1);
                    (if pane.starts_with('+') { here + steps } else { here + count - steps }) % count.max(1)
                }),
                None => index(pane).and_then(|index| usize::try_from(index).ok()?.checked_sub(first)),
            },
        };
        self.found.pane = place.and_then(|place| window.panes.get(place)).copied();
        self.found.pane.map(|_| ()).ok_or(())
    }
}

/// A number as tmux reads one.
fn index(text: &str) -> Option<i32> {
    text.parse().ok().filter(|index| *index >= 0)
}
