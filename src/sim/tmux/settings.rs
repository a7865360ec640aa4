//! Commands that set and show options and environments.

use super::command::{Command, Value};
use super::options::{KNOWN, Known, Options, Scope, shown};
use super::run::{Done, Run};
use super::server::Environment;
use super::target::{Found, Search, Wanted};

/// Whose options are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Server,
    AllSessions,
    AllWindows,
    Session(u32),
    Window(u32),
    Pane(u32),
}

impl Run<'_> {
    pub(super) fn set_option(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let window = command.name == "set-window-option";
        let wanted = if window { Wanted::Window } else { Wanted::Pane };
        let target = self.target(command, current, Search::maybe(wanted))?;
        let client = self.client_session();
        let name = self.format(command.text(0), &target, client);
        let quiet = |done: Done| if command.has(b'q') { Ok(()) } else { done };
        let known = match self.known(&name) {
            Ok(known) => known,
            Err(what) => return quiet(Err(what)),
        };
        let owner = match self.owner(command, window, known, &target) {
            Ok(owner) => owner,
            Err(what) => return quiet(Err(what)),
        };
        let name = known.map_or(name.as_str(), |known| known.name).to_owned();
        let value = match command.values.get(1) {
            None => None,
            Some(Value::Text(text)) if command.has(b'F') => Some(self.format(text, &target, client)),
            Some(Value::Text(text)) => Some(text.clone().into_owned()),
            Some(Value::Block(_)) => {
                self.unmodelled("an option that is commands");
                return Err("bad value".to_owned());
            }
        };
        let is_set = self.options(owner).is_some_and(|options| options.get(&name).is_some());
        if command.has(b'u') || command.has(b'U') {
            if command.has(b'U')
                && let Owner::Window(window) = owner
            {
                self.unset_in_panes(window, &name);
            }
            if let Some(options) = self.options_mut(owner) {
                options.remove(&name);
            }
            return Ok(());
        }
        if command.has(b'o') && is_set {
            return quiet(Err(format!("already set: {name}")));
        }
        self.change(command, (owner, known), &name, value)
    }

    fn change(
        &mut self,
        command: &Command<'_>,
        (owner, known): (Owner, Option<&'static Known>),
        name: &str,
        value: Option<String>,
    ) -> Done {
        let value = match known {
            Some(known) => known.read(value.as_deref(), self.inherited(owner, known))?,
            None => {
                let value = value.ok_or("empty value")?;
                let before = self.options(owner).and_then(|options| options.get(name));
                match before.filter(|_| command.has(b'a')) {
                    Some(before) => format!("{before}{value}"),
                    None => value,
                }
            }
        };
        if let Some(options) = self.options_mut(owner) {
            options.set(name, value);
        }
        Ok(())
    }

    /// The option of tmux that a name, or its beginning, means; `None` for a user option.
    fn known(&mut self, name: &str) -> Result<Option<&'static Known>, String> {
        if name.starts_with('@') && !name.contains('[') {
            return Ok(None);
        }
        let known = KNOWN.iter().find(|known| known.name == name);
        if known.is_none() {
            self.unmodelled(&format!("the option {name}"));
        }
        known.map(Some).ok_or_else(|| format!("invalid option: {name}"))
    }

    fn owner(
        &self,
        command: &Command<'_>,
        window: bool,
        known: Option<&'static Known>,
        target: &Found,
    ) -> Result<Owner, String> {
        let missing = |what: &str| match command.get(b't') {
            Some(target) => format!("no such {what}: {target}"),
            None => format!("no current {what}"),
        };
        let pane = || target.pane.map(Owner::Pane).ok_or_else(|| missing("pane"));
        let of_window = || {
            if command.has(b'g') {
                return Ok(Owner::AllWindows);
            }
            let window = target.session.zip(target.link);
            let window = window.and_then(|(session, link)| self.server.window_at(session, link));
            window.map(|window| Owner::Window(window.id)).ok_or_else(|| missing("window"))
        };
        let session = || {
            if command.has(b'g') {
                return Ok(Owner::AllSessions);
            }
            target.session.map(Owner::Session).ok_or_else(|| missing("session"))
        };
        match known.map(|known| known.scope) {
            Some(Scope::Server) => Ok(Owner::Server),
            Some(Scope::Session) => session(),
            Some(Scope::WindowOrPane) if command.has(b'p') => pane(),
            Some(Scope::WindowOrPane | Scope::Window) => of_window(),
            None if command.has(b's') => Ok(Owner::Server),
            None if command.has(b'p') => pane(),
            None if window || command.has(b'w') => of_window(),
            None => session(),
        }
    }

    fn options(&self, owner: Owner) -> Option<&Options> {
        match owner {
            Owner::Server => Some(&self.server.options),
            Owner::AllSessions => Some(&self.server.session_options),
            Owner::AllWindows => Some(&self.server.window_options),
            Owner::Session(id) => self.server.sessions.get(&id).map(|session| &session.options),
            Owner::Window(id) => self.server.windows.get(&id).map(|window| &window.options),
            Owner::Pane(id) => self.server.panes.get(&id).map(|pane| &pane.options),
        }
    }

    fn options_mut(&mut self, owner: Owner) -> Option<&mut Options> {
        match owner {
            Owner::Server => Some(&mut self.server.options),
            Owner::AllSessions => Some(&mut self.server.session_options),
            Owner::AllWindows => Some(&mut self.server.window_options),
            Owner::Session(id) => self.server.sessions.get_mut(&id).map(|session| &mut session.options),
            Owner::Window(id) => self.server.windows.get_mut(&id).map(|window| &mut window.options),
            Owner::Pane(id) => self.server.panes.get_mut(&id).map(|pane| &mut pane.options),
        }
    }

    /// The value of an option as it holds for its owner.
    fn inherited(&self, owner: Owner, known: &'static Known) -> &str {
        let name = known.name;
        let value = match owner {
            Owner::Server => self.server.options.get(name),
            Owner::AllSessions => self.server.session_options.get(name),
            Owner::AllWindows => self.server.window_options.get(name),
            Owner::Session(id) => self.server.session_option(id, name),
            Owner::Window(id) => {
                let own = self.server.windows.get(&id).and_then(|window| window.options.get(name));
                own.or_else(|| self.server.window_options.get(name))
            }
            Owner::Pane(id) => {
                self.server.panes.get(&id).and_then(|pane| self.server.pane_option(pane, name))
            }
        };
        value.unwrap_or(known.default)
    }

    fn unset_in_panes(&mut self, window: u32, name: &str) {
        let panes = self.server.windows.get(&window).map(|window| window.panes.clone());
        for pane in panes.unwrap_or_default() {
            if let Some(pane) = self.server.panes.get_mut(&pane) {
                pane.options.remove(name);
            }
        }
    }

    pub(super) fn show_options(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::maybe(Wanted::Pane))?;
        let quiet = |done: Done| if command.has(b'q') { Ok(()) } else { done };
        if command.values.is_empty() {
            let owner = match self.owner(command, false, None, &target) {
                Ok(owner) => owner,
                Err(what) => return quiet(Err(what)),
            };
            if !matches!(owner, Owner::Session(_) | Owner::Pane(_) | Owner::Window(_)) {
                self.unmodelled("all options of a server");
            }
            let all = self.options(owner).into_iter().flat_map(Options::iter);
            // User options come before those of tmux, which has an order of its own for its own.
            let mut own: Vec<(String, String)> =
                all.map(|(name, it)| (name.to_owned(), it.to_owned())).collect();
            own.sort_by_key(|(name, _)| !name.starts_with('@'));
            for (name, value) in own {
                self.print_option(command, &name, &value);
            }
            return Ok(());
        }
        let name = self.format(command.text(0), &target, self.client_session());
        let owner = self.known(&name).and_then(|known| self.owner(command, false, known, &target));
        let owner = match owner {
            Ok(owner) => owner,
            Err(what) => return quiet(Err(what)),
        };
        match self.options(owner).and_then(|options| options.get(&name)).map(str::to_owned) {
            Some(value) => self.print_option(command, &name, &value),
            None if name.starts_with('@') => return quiet(Err(format!("invalid option: {name}"))),
            // Those of all sessions and windows always have a value.
            None if matches!(owner, Owner::Server | Owner::AllSessions | Owner::AllWindows) => {
                if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
                    self.print_option(command, &name, known.default);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn print_option(&mut self, command: &Command<'_>, name: &str, value: &str) {
        match (command.has(b'v'), name.starts_with('@')) {
            (true, _) => self.print(value),
            (false, true) => self.print(&format!("{name} {}", shown(value))),
            (false, false) => self.print(&format!("{name} {value}")),
        }
    }

    pub(super) fn set_environment(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::maybe(Wanted::Session))?;
        let name = command.text(0).to_owned();
        if name.is_empty() {
            return Err("empty variable name".to_owned());
        }
        if name.contains('=') {
            return Err("variable name contains =".to_owned());
        }
        let value = match command.values.get(1) {
            None => None,
            Some(_) if command.has(b'F') => {
                Some(self.format(command.text(1), &target, self.client_session()))
            }
            Some(_) => Some(command.text(1).to_owned()),
        };
        let environment = self.environment(command, &target)?;
        let flag = [b'u', b'r'].into_iter().find(|flag| command.has(*flag));
        match (flag, value) {
            (Some(flag), Some(_)) => {
                return Err(format!("can't specify a value with -{}", char::from(flag)));
            }
            (Some(b'u'), None) => {
                environment.remove(&name);
            }
            (Some(_), None) => {
                environment.insert(name, None);
            }
            (None, None) => return Err("no value specified".to_owned()),
            (None, value) => {
                environment.insert(name, value);
            }
        }
        Ok(())
    }

    fn environment(&mut self, command: &Command<'_>, target: &Found) -> Result<&mut Environment, String> {
        if command.has(b'g') {
            return Ok(&mut self.server.environment);
        }
        let session = target.session.and_then(|id| self.server.sessions.get_mut(&id));
        session.map(|session| &mut session.environment).ok_or_else(|| match command.get(b't') {
            Some(target) => format!("no such session: {target}"),
            None => "no current session".to_owned(),
        })
    }

    pub(super) fn show_environment(&mut self, command: &Command<'_>, current: &Found) -> Done {
        let target = self.target(command, current, Search::maybe(Wanted::Session))?;
        if let Some(text) = command.get(b't')
            && target.session.is_none()
        {
            return Err(format!("no such session: {text}"));
        }
        let environment = self.environment(command, &target)?;
        let line = |(name, value): (&String, &Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => format!("-{name}"),
        };
        let lines: Vec<String> = if command.values.is_empty() {
            environment.iter().map(line).collect()
        } else {
            let name = command.text(0);
            let found = environment.get_key_value(name);
            vec![found.map(line).ok_or_else(|| format!("unknown variable: {name}"))?]
        };
        for line in lines {
            self.print(&line);
        }
        Ok(())
    }
}
