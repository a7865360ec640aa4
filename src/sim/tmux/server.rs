//! What a tmux server holds: sessions, the windows linked into them, the panes in those, and the options of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Exit, ProcessId};

use super::options::Options;

/// A tmux server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Server {
    /// The path of its socket.
    pub socket: String,
    /// Its process.
    pub process: ProcessId,
    /// Whether it misses that its children end.
    pub loses_notices: bool,
    /// Its sessions.
    pub sessions: BTreeMap<u32, Session>,
    /// The ids of its sessions by their names; tmux lists them in this order.
    pub names: BTreeMap<String, u32>,
    /// Its windows.
    pub windows: BTreeMap<u32, Window>,
    /// Its panes.
    pub panes: BTreeMap<u32, Pane>,
    /// Groups of sessions that share their windows, each in the order in which they joined.
    pub groups: BTreeMap<String, Vec<u32>>,
    /// Attached clients, in the order in which they came.
    pub clients: Vec<Client>,
    /// Options of the server, of all sessions, and of all windows.
    pub options: Options,
    /// See `options`.
    pub session_options: Options,
    /// See `options`.
    pub window_options: Options,
    /// The environment of all sessions.
    pub environment: Environment,
    /// What was asked for and is not modelled.
    pub unmodelled: BTreeSet<String>,
    /// Counts what orders sessions by their last use.
    pub uses: u64,
    next_session: u32,
    next_window: u32,
    next_pane: u32,
    next_client: u32,
}

/// Variables; those without a value are taken out of what is inherited.
pub(super) type Environment = BTreeMap<String, Option<String>>;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Session {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// When it was last used, by the server's count.
    pub used: u64,
    /// Its windows by their index.
    pub windows: BTreeMap<i32, u32>,
    /// The index of its current window.
    pub current: i32,
    /// The indexes of windows that were current before, the latest first.
    pub last: Vec<i32>,
    /// Its options.
    pub options: Options,
    /// Its environment.
    pub environment: Environment,
    /// The directory of new windows.
    pub directory: String,
    /// The height of new windows, in lines.
    pub height: u32,
}

/// A window. It lives for as long as a session links it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Window {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its panes from top to bottom.
    pub panes: Vec<u32>,
    /// The active one.
    pub active: Option<u32>,
    /// The one that was active before.
    pub last: Option<u32>,
    /// Its options.
    pub options: Options,
    /// Its height in lines.
    pub height: u32,
    /// How often it has shown something new. Programs here show nothing but what is typed into them.
    pub activity: u64,
}

/// A pane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pane {
    /// Its id.
    pub id: u32,
    /// Its window.
    pub window: u32,
    /// Its process; none if it was made without one.
    pub process: Option<ProcessId>,
    /// Whether its terminal is open. What tmux calls a dead pane has none.
    pub open: bool,
    /// How its process ended, if the server has been told.
    pub exit: Option<Exit>,
    /// Whether it has been marked as dead for those who look at it.
    pub marked: bool,
    /// Its modes, the one that takes the keys first.
    pub modes: Vec<Mode>,
    /// Its options.
    pub options: Options,
    /// What it runs when it is started again without a command.
    pub arguments: Vec<String>,
    /// Where.
    pub directory: String,
    /// Its height in lines.
    pub height: u32,
}

/// What can take a pane's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mode {
    Copy,
    Clock,
}

/// An attached client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Client {
    /// Its number.
    pub id: u32,
    /// The session that it is attached to.
    pub session: u32,
}

impl Server {
    /// A server without sessions.
    pub fn new(socket: &str, process: ProcessId) -> Self {
        Self {
            socket: socket.to_owned(),
            process,
            loses_notices: false,
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            windows: BTreeMap::new(),
            panes: BTreeMap::new(),
            groups: BTreeMap::new(),
            clients: Vec::new(),
            options: Options::default(),
            session_options: Options::default(),
            window_options: Options::default(),
            environment: BTreeMap::new(),
            unmodelled: BTreeSet::new(),
            uses: 0,
            next_session: 0,
            next_window: 0,
            next_pane: 0,
            next_client: 0,
        }
    }

    /// The next session id.
    pub fn new_session_id(&mut self) -> u32 {
        next(&mut self.next_session)
    }

    /// The next window id.
    pub fn new_window_id(&mut self) -> u32 {
        next(&mut self.next_window)
    }

    /// The next pane id.
    pub fn new_pane_id(&mut self) -> u32 {
        next(&mut self.next_pane)
    }

    /// The next number of a client.
    pub fn new_client_id(&mut self) -> u32 {
        next(&mut self.next_client)
    }

    /// A session was used.
    pub fn use_session(&mut self, id: u32) {
        self.uses += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.used = self.uses;
        }
    }

    /// Sessions in the order of their names.
    pub fn sessions_by_name(&self) -> impl Iterator<Item = &Session> {
        self.names.values().filter_map(|id| self.sessions.get(id))
    }

    /// How many clients are attached to a session.
    pub fn attached(&self, session: u32) -> usize {
        self.clients.iter().filter(|client| client.session == session).count()
    }

    /// The group of a session.
    pub fn group_of(&self, session: u32) -> Option<(&String, &Vec<u32>)> {
        self.groups.iter().find(|(_, members)| members.contains(&session))
    }

    /// The session that was used last, among those that `is_one`.
    pub fn best_session(&self, is_one: impl Fn(&Session) -> bool) -> Option<&Session> {
        let mut best: Option<&Session> = None;
        for session in self.sessions_by_name().filter(|session| is_one(session)) {
            if best.is_none_or(|best| session.used > best.used) {
                best = Some(session);
            }
        }
        best
    }

    /// The client that a command is meant for if it does not say so: of the session that was used last, or else of any.
    pub fn best_client(&self, session: Option<u32>) -> Option<&Client> {
        let session = session.filter(|session| self.attached(*session) > 0);
        self.clients.iter().rev().find(|client| session.is_none_or(|session| client.session == session))
    }

    /// The window at an index of a session.
    pub fn window_at(&self, session: u32, index: i32) -> Option<&Window> {
        self.windows.get(self.sessions.get(&session)?.windows.get(&index)?)
    }

    /// The active pane of the window at an index of a session.
    pub fn active_at(&self, session: u32, index: i32) -> Option<u32> {
        self.window_at(session, index)?.active
    }

    /// Whether a session has a window.
    pub fn has_window(&self, session: u32, window: u32) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.windows.values().any(|it| *it == window))
    }

    /// The value of an option as it holds for a pane: its own, its window's, or that of all windows.
    pub fn pane_option<'s>(&'s self, pane: &'s Pane, name: &str) -> Option<&'s str> {
        let own = pane.options.get(name);
        let of_window = || self.windows.get(&pane.window)?.options.get(name);
        own.or_else(of_window).or_else(|| self.window_options.get(name))
    }

    /// The value of an option as it holds for a session: its own, or that of all sessions.
    pub fn session_option(&self, session: u32, name: &str) -> Option<&str> {
        let own = self.sessions.get(&session).and_then(|session| session.options.get(name));
        own.or_else(|| self.session_options.get(name))
    }

    /// The number at which a session's windows begin.
    pub fn base_index(&self, session: u32) -> i32 {
        self.session_option(session, "base-index").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The number at which a window's panes begin.
    pub fn pane_base_index(&self, window: &Window) -> usize {
        let value = window.options.get("pane-base-index");
        let value = value.or_else(|| self.window_options.get("pane-base-index"));
        value.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether the server ends when it has no sessions left.
    pub fn exits_when_empty(&self) -> bool {
        self.options.get("exit-empty") != Some("off")
    }
}

fn next(counter: &mut u32) -> u32 {
    let id = *counter;
    *counter += 1;
    id
}
