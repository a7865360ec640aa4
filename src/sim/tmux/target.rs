//! Targets: what `-t` names, step by step as tmux finds it. Where a command may go on without its target, it goes on with as much of it as was
//! found until then; that is how a test can end up at another pane than the one that it names.

use super::server::{Server, Session};

/// What a target is for, if it is one word only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Session,
    Window,
    Pane,
}

/// How a target is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Search {
    /// What for.
    pub wanted: Wanted,
    /// Whether the command can do without it.
    pub can_fail: bool,
    /// Whether an index that has no window yet will do.
    pub index: bool,
    /// Whether sessions that nobody is attached to are better.
    pub unattached: bool,
}

impl Search {
    /// A target that must be there.
    pub const fn of(wanted: Wanted) -> Self {
        Self { wanted, can_fail: false, index: false, unattached: false }
    }

    /// A target that may be missing.
    pub const fn maybe(wanted: Wanted) -> Self {
        Self { wanted, can_fail: true, index: false, unattached: false }
    }
}

/// As much of a target as was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The session.
    pub session: Option<u32>,
    /// The index of the window in it.
    pub link: Option<i32>,
    /// The index that was asked for, whether there is a window or not; -1 is none.
    pub index: i32,
    /// The window.
    pub window: Option<u32>,
    /// The pane.
    pub pane: Option<u32>,
}

impl Found {
    /// Nothing.
    pub const NONE: Self = Self { session: None, link: None, index: -1, window: None, pane: None };

    /// A session's current window and its active pane.
    pub fn session(server: &Server, session: &Session) -> Self {
        let window = session.windows.get(&session.current).copied();
        let pane = server.active_at(session.id, session.current);
        Self { session: Some(session.id), link: Some(session.current), index: -1, window, pane }
    }

    /// The window at an index of a session, and its active pane.
    pub fn window(server: &Server, session: u32, index: i32) -> Self {
        let window = server.window_at(session, index);
        Self {
            session: Some(session),
            link: Some(index),
            index,
            window: window.map(|window| window.id),
            pane: window.and_then(|window| window.active),
        }
    }

    /// Whether all of it is there and belongs together.
    pub fn is_valid(&self, server: &Server) -> bool {
        let (Some(session), Some(link), Some(window), Some(pane)) =
            (self.session, self.link, self.window, self.pane)
        else {
            return false;
        };
        server.window_at(session, link).is_some_and(|it| it.id == window && it.panes.contains(&pane))
    }
}

/// Which part was not found.
enum Missing {
    Session,
    Window,
    Pane,
}

/// Finds a target. `current` is where the commands before this one have led; what tmux says if it must be there and is not.
pub(super) fn find(
    server: &Server,
    current: &Found,
    target: Option<&str>,
    search: Search,
) -> Result<Found, String> {
    let mut finder = Finder { server, current: *current, found: Found::NONE, exact: (false, false), search };
    match finder.find(target.unwrap_or_default()) {
        Ok(()) => Ok(finder.found),
        Err(_) if search.can_fail => Ok(finder.found),
        Err(what) => Err(what),
    }
}

pub(super) struct Finder<'s> {
    pub server: &'s Server,
    pub current: Found,
    pub found: Found,
    /// Whether the session and the window must have exactly this name.
    pub exact: (bool, bool),
    pub search: Search,
}

impl<'s> Finder<'s> {
    fn find(&mut self, target: &str) -> Result<(), String> {
        if !self.current.is_valid(self.server) {
            let best = self.best_of(|_| true).ok_or("no current target")?;
            self.current = Found { index: best.current, ..Found::session(self.server, best) };
        }
        match target {
            "" => {
                self.found = self.current;
                if self.search.index {
                    self.found.index = -1;
                }
                return Ok(());
            }
            "=" | "{mouse}" => return Err("no mouse target".to_owned()),
            "~" | "{marked}" => return Err("no marked target".to_owned()),
            _ => {}
        }
        let (session, window, pane, window_only, pane_only) = self.parts(target);
        if pane.is_some() && self.search.index {
            return Err("can't specify pane here".to_owned());
        }
        if session.is_none() && window.is_none() && pane.is_none() {
            self.found = self.current;
            if self.search.index {
                self.found.index = -1;
            }
            return Ok(());
        }
        let step = match session {
            Some(session) => self.in_session(session, window, pane),
            None => self.anywhere(window, pane, window_only, pane_only),
        };
        step.map_err(|missing| match missing {
            Missing::Session => format!("can't find session: {}", session.unwrap_or_default()),
            Missing::Window => format!("can't find window: {}", window.unwrap_or_default()),
            Missing::Pane => format!("can't find pane: {}", pane.unwrap_or_default()),
        })
    }

    /// Takes a target apart into session, window and pane; and whether window and pane can be nothing else.
    fn parts<'t>(
        &mut self,
        target: &'t str,
    ) -> (Option<&'t str>, Option<&'t str>, Option<&'t str>, bool, bool) {
        let (session, rest) = match target.split_once(':') {
            Some((session, rest)) => (Some(session), rest),
            None => (None, target),
        };
        let (window, pane) = match rest.split_once('.') {
            Some((window, pane)) => (window, Some(pane)),
            None => (rest, None),
        };
        let (window_only, pane_only) = (session.is_some(), pane.is_some());
        let (session, window, pane) = match (session, pane) {
            (None, None) => match (target.chars().next(), self.search.wanted) {
                (Some('$'), _) | (Some(_), Wanted::Session) if !target.starts_with(['@', '%']) => {
                    (Some(target), None, None)
                }
                (Some('@'), _) => (None, Some(target), None),
                (Some('%'), _) => (None, None, Some(target)),
                (_, Wanted::Window) => (None, Some(target), None),
                _ => (None, None, Some(target)),
            },
            _ => (session, Some(window), pane),
        };
        let strip = |text: Option<&'t str>, exact: &mut bool| {
            text.map(|text| text.strip_prefix('=').inspect(|_| *exact = true).unwrap_or(text))
        };
        let session = strip(session, &mut self.exact.0);
        let window = strip(window, &mut self.exact.1);
        let some = |text: Option<&'t str>| text.filter(|text| !text.is_empty());
        (some(session), some(window).map(window_word), some(pane).map(pane_word), window_only, pane_only)
    }

    fn in_session(&mut self, session: &str, window: Option<&str>, pane: Option<&str>) -> Result<(), Missing> {
        let session = self.session_named(session).ok_or(Missing::Session)?;
        self.found.session = Some(session.id);
        match (window, pane) {
            (None, None) => self.found = Found::session(self.server, session),
            (Some(window), None) => {
                self.window_in(session, window).map_err(|()| Missing::Window)?;
                self.take_active_pane();
            }
            (None, Some(pane)) => self.pane_in_session(session, pane).map_err(|()| Missing::Pane)?,
            (Some(window), Some(pane)) => {
                self.window_in(session, window).map_err(|()| Missing::Window)?;
                self.pane_in_window(pane).map_err(|()| Missing::Pane)?;
            }
        }
        Ok(())
    }

    fn anywhere(
        &mut self,
        window: Option<&str>,
        pane: Option<&str>,
        window_only: bool,
        pane_only: bool,
    ) -> Result<(), Missing> {
        if let Some(window) = window {
            self.window_anywhere(window, window_only).map_err(|()| Missing::Window)?;
            match pane {
                Some(pane) => self.pane_in_window(pane).map_err(|()| Missing::Pane)?,
                None => self.take_active_pane(),
            }
        } else if let Some(pane) = pane {
            self.pane_anywhere(pane, pane_only).map_err(|()| Missing::Pane)?;
        }
        Ok(())
    }
}

/// The long spellings of windows.
fn window_word(word: &str) -> &str {
    match word {
        "{start}" => "^",
        "{last}" => "!",
        "{end}" => "$",
        "{next}" => "+",
        "{previous}" => "-",
        other => other,
    }
}

/// The long spellings of panes.
fn pane_word(word: &str) -> &str {
    match word {
        "{last}" => "!",
        "{next}" => "+",
        "{previous}" => "-",
        "{top}" => "top",
        "{bottom}" => "bottom",
        other => other,
    }
}
