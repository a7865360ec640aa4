//! The commands of tmux 3.3a: their names, flags and number of arguments. Names may be shortened, so the commands that are not modelled are
//! here as well.

/// A command that is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    AttachSession,
    BreakPane,
    CapturePane,
    ClockMode,
    CopyMode,
    DisplayMessage,
    HasSession,
    IfShell,
    JoinPane,
    KillPane,
    KillServer,
    KillSession,
    KillWindow,
    LinkWindow,
    ListPanes,
    ListSessions,
    ListWindows,
    MoveWindow,
    NewSession,
    NewWindow,
    RenameSession,
    RenameWindow,
    RespawnPane,
    SelectPane,
    SelectWindow,
    SendKeys,
    SetEnvironment,
    SetOption,
    SetWindowOption,
    ShowEnvironment,
    ShowOptions,
    SourceFile,
    SplitWindow,
    StartServer,
    UnlinkWindow,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its other name; empty if it has none.
    pub alias: &'static str,
    /// What it is, if it is modelled.
    pub verb: Option<Verb>,
    /// Its flags as tmux writes them: `:` behind those that take a value.
    pub flags: &'static str,
    /// Flags of those that are not modelled.
    pub not_modelled: &'static str,
    /// How many arguments it takes at least.
    pub least: usize,
    /// And at most.
    pub most: usize,
}

const MANY: usize = usize::MAX;

const fn verb(
    name: &'static str,
    alias: &'static str,
    verb: Verb,
    (flags, not_modelled): (&'static str, &'static str),
    (least, most): (usize, usize),
) -> Entry {
    Entry { name, alias, verb: Some(verb), flags, not_modelled, least, most }
}

const fn other(name: &'static str, alias: &'static str) -> Entry {
    Entry { name, alias, verb: None, flags: "", not_modelled: "", least: 0, most: MANY }
}

/// All commands, in tmux's own order.
pub(super) static TABLE: &[Entry] = &[
    verb("attach-session", "attach", Verb::AttachSession, ("c:dEf:rt:x", ""), (0, 0)),
    other("bind-key", "bind"),
    verb("break-pane", "breakp", Verb::BreakPane, ("abdPF:n:s:t:", "ab"), (0, 0)),
    verb("capture-pane", "capturep", Verb::CapturePane, ("ab:CeE:JNpPqS:Tt:", "abCeEJNPqST"), (0, 0)),
    other("choose-buffer", ""),
    other("choose-client", ""),
    other("choose-tree", ""),
    other("clear-history", "clearhist"),
    other("clear-prompt-history", "clearphist"),
    verb("clock-mode", "", Verb::ClockMode, ("t:", ""), (0, 0)),
    other("command-prompt", ""),
    other("confirm-before", "confirm"),
    verb("copy-mode", "", Verb::CopyMode, ("eHMs:t:uq", "Ms"), (0, 0)),
    other("customize-mode", ""),
    other("delete-buffer", "deleteb"),
    other("detach-client", "detach"),
    other("display-menu", "menu"),
    verb("display-message", "display", Verb::DisplayMessage, ("ac:d:INpt:F:v", "acIv"), (0, 1)),
    other("display-popup", "popup"),
    other("display-panes", "displayp"),
    other("find-window", "findw"),
    verb("has-session", "has", Verb::HasSession, ("t:", ""), (0, 0)),
    verb("if-shell", "if", Verb::IfShell, ("bFt:", "b"), (2, 3)),
    verb("join-pane", "joinp", Verb::JoinPane, ("bdfhvp:l:s:t:", "fhpl"), (0, 0)),
    verb("kill-pane", "killp", Verb::KillPane, ("at:", ""), (0, 0)),
    verb("kill-server", "", Verb::KillServer, ("", ""), (0, 0)),
    verb("kill-session", "", Verb::KillSession, ("aCt:", ""), (0, 0)),
    verb("kill-window", "killw", Verb::KillWindow, ("at:", "a"), (0, 0)),
    other("last-pane", "lastp"),
    verb("last-window", "last", Verb::SelectWindow, ("t:", ""), (0, 0)),
    verb("link-window", "linkw", Verb::LinkWindow, ("abdks:t:", "ab"), (0, 0)),
    other("list-buffers", "lsb"),
    other("list-clients", "lsc"),
    other("list-commands", "lscm"),
    other("list-keys", "lsk"),
    verb("list-panes", "lsp", Verb::ListPanes, ("asF:f:t:", ""), (0, 0)),
    verb("list-sessions", "ls", Verb::ListSessions, ("F:f:", ""), (0, 0)),
    verb("list-windows", "lsw", Verb::ListWindows, ("F:f:at:", ""), (0, 0)),
    other("load-buffer", "loadb"),
    other("lock-client", "lockc"),
    other("lock-server", "lock"),
    other("lock-session", "locks"),
    verb("move-pane", "movep", Verb::JoinPane, ("bdfhvp:l:s:t:", "fhpl"), (0, 0)),
    verb("move-window", "movew", Verb::MoveWindow, ("abdkrs:t:", "abr"), (0, 0)),
    verb("new-session", "new", Verb::NewSession, ("Ac:dDe:EF:f:n:Ps:t:x:Xy:", "ADfX"), (0, MANY)),
    verb("new-window", "neww", Verb::NewWindow, ("abc:de:F:kn:PSt:", "abkS"), (0, MANY)),
    other("next-layout", "nextl"),
    verb("next-window", "next", Verb::SelectWindow, ("at:", "a"), (0, 0)),
    other("paste-buffer", "pasteb"),
    other("pipe-pane", "pipep"),
    other("previous-layout", "prevl"),
    verb("previous-window", "prev", Verb::SelectWindow, ("at:", "a"), (0, 0)),
    other("refresh-client", "refresh"),
    verb("rename-session", "rename", Verb::RenameSession, ("t:", ""), (1, 1)),
    verb("rename-window", "renamew", Verb::RenameWindow, ("t:", ""), (1, 1)),
    other("resize-pane", "resizep"),
    other("resize-window", "resizew"),
    verb("respawn-pane", "respawnp", Verb::RespawnPane, ("c:e:kt:", ""), (0, MANY)),
    other("respawn-window", "respawnw"),
    other("rotate-window", "rotatew"),
    other("run-shell", "run"),
    other("save-buffer", "saveb"),
    other("select-layout", "selectl"),
    verb("select-pane", "selectp", Verb::SelectPane, ("DdegLlMmP:RT:t:UZ", "DdegLlMmPRTUZ"), (0, 0)),
    verb("select-window", "selectw", Verb::SelectWindow, ("lnpTt:", ""), (0, 0)),
    verb("send-keys", "send", Verb::SendKeys, ("FHlMN:Rt:X", "FHMNR"), (0, MANY)),
    other("send-prefix", ""),
    other("server-access", ""),
    other("set-buffer", "setb"),
    verb("set-environment", "setenv", Verb::SetEnvironment, ("Fhgrt:u", "h"), (1, 2)),
    other("set-hook", ""),
    verb("set-option", "set", Verb::SetOption, ("aFgopqst:uUw", ""), (1, 2)),
    verb("set-window-option", "setw", Verb::SetWindowOption, ("aFgoqt:u", ""), (1, 2)),
    other("show-buffer", "showb"),
    verb("show-environment", "showenv", Verb::ShowEnvironment, ("hgst:", "hs"), (0, 1)),
    other("show-hooks", ""),
    other("show-messages", "showmsgs"),
    verb("show-options", "show", Verb::ShowOptions, ("AgHpqst:vw", "AH"), (0, 1)),
    other("show-prompt-history", "showphist"),
    other("show-window-options", "showw"),
    verb("source-file", "source", Verb::SourceFile, ("Fnqv", "Fnqv"), (1, MANY)),
    verb("split-window", "splitw", Verb::SplitWindow, ("bc:de:fF:hIl:p:Pt:vZ", "fhIlpZ"), (0, MANY)),
    verb("start-server", "start", Verb::StartServer, ("", ""), (0, 0)),
    other("suspend-client", "suspendc"),
    other("swap-pane", "swapp"),
    other("swap-window", "swapw"),
    other("switch-client", "switchc"),
    other("unbind-key", "unbind"),
    verb("unlink-window", "unlinkw", Verb::UnlinkWindow, ("kt:", ""), (0, 0)),
    other("wait-for", "wait"),
];

/// Finds a command by its name, its alias, or the beginning of its name; what tmux says if there is none, or more than one.
pub(super) fn find(name: &str) -> Result<&'static Entry, String> {
    let mut found = None;
    let mut ambiguous = false;
    for entry in TABLE {
        if !entry.alias.is_empty() && entry.alias == name {
            return Ok(entry);
        }
        if !entry.name.starts_with(name) {
            continue;
        }
        ambiguous |= found.is_some();
        found = Some(entry);
        if entry.name == name {
            break;
        }
    }
    match found {
        None => Err(format!("unknown command: {name}")),
        Some(entry) if !ambiguous => Ok(entry),
        Some(_) => {
            let all: Vec<&str> =
                TABLE.iter().map(|entry| entry.name).filter(|it| it.starts_with(name)).collect();
            Err(format!("ambiguous command: {name}, could be: {}", all.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_shortened_as_long_as_they_are_clear() {
        assert_eq!(find("kill-ses").unwrap().name, "kill-session");
        assert_eq!(find("new").unwrap().name, "new-session");
        assert_eq!(find("list-panes").unwrap().verb, Some(Verb::ListPanes));
        assert_eq!(find("frobnicate").unwrap_err(), "unknown command: frobnicate");
        assert_eq!(
            find("kill-se").unwrap_err(),
            "ambiguous command: kill-se, could be: kill-server, kill-session"
        );
    }

    #[test]
    fn every_flag_that_is_not_modelled_is_one_of_tmux() {
        for entry in TABLE {
            assert!(entry.not_modelled.chars().all(|flag| entry.flags.contains(flag)), "{}", entry.name);
        }
    }
}
