//! What the variables of a format stand for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::Exit;

use super::format::{Values, expand};
use super::options::{KNOWN, Kind};
use super::server::{Mode, Pane, Server, Session, Window};
use super::target::Found;

/// When all windows seem to have been made, in seconds since 1970.
const BIRTH: u64 = 1_700_000_000;

/// The version that is simulated.
const VERSION: &str = "3.3a";

/// What a format is expanded for.
pub(super) struct Context<'s> {
    server: &'s Server,
    session: Option<&'s Session>,
    link: Option<i32>,
    window: Option<&'s Window>,
    pane: Option<&'s Pane>,
    /// Which line of a list it is.
    pub line: usize,
    unmodelled: RefCell<BTreeSet<String>>,
}

impl<'s> Context<'s> {
    /// For what a target has led to. What is missing of it is filled in: the session of a client, its current window, the active pane.
    pub fn new(server: &'s Server, found: &Found, client: Option<u32>) -> Self {
        let session = found.session.or(client).and_then(|id| server.sessions.get(&id));
        let link = found.link.or(session.map(|session| session.current));
        let window = match (session, link) {
            (Some(session), Some(link)) => server.window_at(session.id, link),
            _ => None,
        };
        let pane = found.pane.or(window.and_then(|window| window.active));
        let pane = pane.and_then(|id| server.panes.get(&id));
        let window = window.or_else(|| server.windows.get(&pane?.window));
        Self { server, session, link, window, pane, line: 0, unmodelled: RefCell::default() }
    }

    /// Expands a format, and what of it is not modelled.
    pub fn expand(&self, format: &str, out: &mut String) {
        expand(format, self, out);
    }

    /// What was asked for until now and is not modelled.
    pub fn take_unmodelled(self) -> BTreeSet<String> {
        self.unmodelled.into_inner()
    }

    fn option(&self, name: &str) -> Option<&str> {
        let of_pane = || self.pane?.options.get(name);
        // A pane's options inherit from its own window, which is not always the one that is looked at.
        let of_its_window = || self.server.windows.get(&self.pane?.window)?.options.get(name);
        let of_window = || self.window?.options.get(name);
        let of_session = || self.session?.options.get(name);
        let server = self.server;
        let found = server.options.get(name).or_else(of_pane).or_else(of_its_window).or_else(of_window);
        found
            .or_else(|| server.window_options.get(name))
            .or_else(of_session)
            .or_else(|| server.session_options.get(name))
    }

    fn write_known_option(&self, name: &str, out: &mut String) -> bool {
        let Some(known) = KNOWN.iter().find(|known| known.name == name) else { return false };
        let value = self.option(name).unwrap_or(known.default);
        out.push_str(match (known.kind, value) {
            (Kind::Flag, "on") => "1",
            (Kind::Flag, _) => "0",
            (_, value) => value,
        });
        true
    }

    fn write_variable(&self, name: &str, out: &mut String) -> bool {
        let session = self.session.and_then(|session| server_word(self.server, session, name, out));
        let written = session
            .or_else(|| window_word(self.window?, name, out))
            .or_else(|| link_word(self.server, self.session?, self.link?, self.window?, name, out))
            .or_else(|| pane_word(self.server, self.pane?, name, out))
            .or_else(|| {
                match name {
                    "pid" => write_number(out, self.server.process.pid),
                    "version" => out.push_str(VERSION),
                    "socket_path" => out.push_str(&self.server.socket),
                    "line" => write_number(out, self.line),
                    _ => return None,
                }
                Some(true)
            });
        match written {
            Some(written) => written,
            // These are known, but of nothing here.
            None if name.starts_with("session_")
                || name.starts_with("window_")
                || name.starts_with("pane_") =>
            {
                if self.session.is_some() {
                    self.unmodelled(name);
                }
                false
            }
            None => self.write_environment(name, out),
        }
    }

    fn write_environment(&self, name: &str, out: &mut String) -> bool {
        let of_session = self.session.and_then(|session| session.environment.get(name));
        match of_session.or_else(|| self.server.environment.get(name)) {
            Some(Some(value)) => {
                out.push_str(value);
                true
            }
            _ => {
                if !name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
                {
                    self.unmodelled(name);
                }
                false
            }
        }
    }
}

impl Values for Context<'_> {
    fn write(&self, name: &str, out: &mut String) -> bool {
        if name.starts_with('@') {
            return match self.option(name) {
                Some(value) => {
                    out.push_str(value);
                    true
                }
                None => false,
            };
        }
        // A format that is a condition is first taken for a name.
        if name.contains('#') || name.is_empty() {
            return false;
        }
        (name.contains('-') && self.write_known_option(name, out)) || self.write_variable(name, out)
    }

    fn unmodelled(&self, what: &str) {
        self.unmodelled.borrow_mut().insert(format!("#{{{what}}}"));
    }
}

fn write_number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a text cannot fail.
    let _ = write!(out, "{number}");
}

fn flag(out: &mut String, holds: bool) {
    out.push(if holds { '1' } else { '0' });
}

/// `Some(false)` where the variable is known and has no value.
fn server_word(server: &Server, session: &Session, name: &str, out: &mut String) -> Option<bool> {
    match name {
        "session_id" => {
            out.push('$');
            write_number(out, session.id);
        }
        "session_name" => out.push_str(&session.name),
        "session_attached" => write_number(out, server.attached(session.id)),
        "session_windows" => write_number(out, session.windows.len()),
        "session_path" => out.push_str(&session.directory),
        "session_grouped" => flag(out, server.group_of(session.id).is_some()),
        "session_group" => match server.group_of(session.id) {
            Some((name, _)) => out.push_str(name),
            None => return Some(false),
        },
        "session_group_size" => match server.group_of(session.id) {
            Some((_, members)) => write_number(out, members.len()),
            None => return Some(false),
        },
        "session_group_attached" => match server.group_of(session.id) {
            Some((_, members)) => {
                write_number(out, members.iter().map(|member| server.attached(*member)).sum::<usize>());
            }
            None => return Some(false),
        },
        _ => return None,
    }
    Some(true)
}

fn window_word(window: &Window, name: &str, out: &mut String) -> Option<bool> {
    match name {
        "window_id" => {
            out.push('@');
            write_number(out, window.id);
        }
        "window_name" => out.push_str(&window.name),
        // Not the real moment: whoever asks wants to know whether it is another one than before.
        "window_activity" => write_number(out, BIRTH + window.activity),
        "window_panes" => write_number(out, window.panes.len()),
        _ => return None,
    }
    Some(true)
}

fn link_word(
    server: &Server,
    session: &Session,
    link: i32,
    window: &Window,
    name: &str,
    out: &mut String,
) -> Option<bool> {
    match name {
        "window_index" => write_number(out, link),
        "window_active" => flag(out, session.current == link),
        "window_linked" => flag(out, server.is_shared(session.id, window.id)),
        "window_last_flag" => flag(out, session.last.first() == Some(&link)),
        _ => return None,
    }
    Some(true)
}

fn pane_word(server: &Server, pane: &Pane, name: &str, out: &mut String) -> Option<bool> {
    match name {
        "pane_id" => {
            out.push('%');
            write_number(out, pane.id);
        }
        "pane_index" => write_number(out, server.pane_index(pane.id)),
        "pane_pid" => write_number(out, pane.process.map_or(0, |process| process.pid)),
        "pane_active" => {
            let active = server.windows.get(&pane.window).and_then(|window| window.active);
            flag(out, active == Some(pane.id));
        }
        "pane_dead" => flag(out, !pane.open),
        "pane_dead_status" => match pane.exit {
            Some(Exit::Code(code)) => write_number(out, code),
            Some(Exit::Signal(_)) | None => return Some(false),
        },
        "pane_dead_signal" => match pane.exit {
            Some(Exit::Signal(signal)) => write_number(out, signal),
            Some(Exit::Code(_)) | None => return Some(false),
        },
        "pane_in_mode" => write_number(out, pane.modes.len()),
        "pane_mode" => match pane.modes.first() {
            Some(Mode::Copy) => out.push_str("copy-mode"),
            Some(Mode::Clock) => out.push_str("clock-mode"),
            None => return Some(false),
        },
        "pane_height" => write_number(out, pane.height),
        "pane_start_path" => out.push_str(&pane.directory),
        _ => return None,
    }
    Some(true)
}
