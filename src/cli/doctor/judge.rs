//! What the facts mean. Pure: the same facts give the same findings.

use std::fmt::Display;

use serde::Serialize;

use super::facts::{Facts, Leftover, Permission, Units};
use super::orphans;
use super::servers::{configured, names, servers, up};
use crate::cli::controller::{Controller, last_pass};
use crate::model::{Seen, excerpt, printable};
use crate::observed::tmux::{VERSION_MIN, Version};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All is well.
    Ok,
    /// Good to know.
    Note,
    /// It cannot be told.
    Unknown,
    /// Something has to be done.
    Wrong,
}

impl Level {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// Without a hint.
    pub fn new(check: &'static str, level: Level, text: impl Display) -> Self {
        Self { check, level, text: printable(&text.to_string()).into(), hint: None }
    }

    /// The same with what to do about it.
    pub fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

use Level::{Note, Ok as Fine, Unknown, Wrong};

/// Every check, in the order in which they are told.
pub fn all(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![tmux(facts), files(facts), memory(facts), controller(&facts.controller)];
    all.extend(leftovers(&facts.leftovers));
    all.extend(servers(facts));
    all.extend(orphans::judge(&facts.orphans));
    all.extend(names(facts));
    all.extend(stale(facts));
    all.push(unit_of_server(&facts.units, configured(facts).is_some()));
    all.extend(permissions(&facts.permissions, facts.user));
    all
}

fn tmux(facts: &Facts) -> Finding {
    let check = "tmux";
    let needed = || format!("gtctl needs tmux {VERSION_MIN} or later on PATH");
    let text = match &facts.installed {
        Seen::Known(None) => return Finding::new(check, Wrong, "there is no tmux on PATH").hint(needed()),
        Seen::Unknown(why) => return Finding::new(check, Unknown, why),
        Seen::Known(Some(text)) => text,
    };
    let runs = configured(facts).and_then(up).map(|server| server.version.as_str());
    match (Version::parse(text), runs) {
        (None, _) => Finding::new(check, Unknown, format!("`{text}` tells no version")).hint(needed()),
        (Some(version), _) if version < VERSION_MIN => {
            Finding::new(check, Wrong, format!("{text} is too old")).hint(needed())
        }
        (Some(_), Some(runs)) if !text.ends_with(&format!(" {runs}")) => {
            Finding::new(check, Note, format!("{text} is installed, and the server still runs {runs}")).hint(
                "a newer client may not be able to talk to an older server; it lasts until that server ends",
            )
        }
        (Some(_), _) => Finding::new(check, Fine, text),
    }
}

fn files(facts: &Facts) -> Finding {
    match &facts.files {
        Ok(()) => Finding::new("files", Fine, "the files of the town are right"),
        Err(first) => Finding::new("files", Wrong, first).hint("`gtctl validate` shows all that is wrong"),
    }
}

fn memory(facts: &Facts) -> Finding {
    match &facts.memory {
        Ok(()) => Finding::new("memory", Fine, "what gtctl remembers can be read"),
        Err(why) => Finding::new("memory", Wrong, why)
            .hint("until it can be read nothing is started, and nothing that is asked for is taken"),
    }
}

fn controller(controller: &Controller) -> Finding {
    let check = "controller";
    let installed = env!("CARGO_PKG_VERSION");
    match controller {
        Controller::Running(status) if status.late => Finding::new(
            check,
            Wrong,
            format!("process {} is stuck: last completed pass {}", status.pid, last_pass(status)),
        )
        .hint("`gtctl controller stop --kill`, then `gtctl controller start`; no agent notices"),
        Controller::Running(status) if status.version != installed => Finding::new(
            check,
            Note,
            format!("process {} runs version {}, installed is {installed}", status.pid, status.version),
        )
        .hint("`gtctl controller stop`, then `gtctl controller start`; no agent notices"),
        Controller::Running(status) => Finding::new(
            check,
            Fine,
            format!("process {} keeps the town, last pass {}", status.pid, last_pass(status)),
        ),
        Controller::Silent(running) if running.is_young() => {
            Finding::new(check, Note, format!("process {} is starting", running.process))
        }
        Controller::Silent(running) => Finding::new(
            check,
            Wrong,
            format!("process {} does not answer: it is stopped or stuck", running.process),
        )
        .hint("`gtctl controller stop --kill`, then `gtctl controller start`; no agent notices"),
        Controller::Other(other) if other.is_gt_daemon() => {
            Finding::new(check, Wrong, format!("{} keeps the town, and gtctl cannot", other.named()))
                .hint("of the two, one at a time: `gt daemon stop`, then `gtctl controller start`")
        }
        Controller::Other(other) => {
            Finding::new(check, Note, format!("{} acts on the town at the moment", other.named()))
        }
        Controller::None => {
            Finding::new(check, Note, "nobody keeps the town").hint("`gtctl controller start` does")
        }
        Controller::Unknown(why) => Finding::new(check, Unknown, why),
    }
}

/// So many characters of a command line are shown.
const LINE_SHOWN: usize = 200;

fn leftovers(found: &Seen<Vec<Leftover>>) -> Vec<Finding> {
    let check = "leftovers";
    let one = |Leftover { process, arguments }: &Leftover| {
        let what = if arguments.is_empty() {
            String::new()
        } else {
            format!(" ({})", excerpt(&arguments.join(" "), LINE_SHOWN))
        };
        Finding::new(check, Wrong, format!("process {process}{what} has daemon/daemon.lock open and does not hold the lock"))
            .hint(format!("if it is a controller that somebody took the lock file from, `kill {process}` ends it; no agent notices"))
    };
    match found {
        Seen::Unknown(why) => vec![Finding::new(check, Unknown, why)],
        Seen::Known(found) if found.is_empty() => {
            vec![Finding::new(check, Fine, "no other controller of this town is left over")]
        }
        Seen::Known(found) => found.iter().map(one).collect(),
    }
}

/// What a controller leaves that was killed: harmless to gtctl, which goes by the lock.
fn stale(facts: &Facts) -> Vec<Finding> {
    let check = "stale files";
    let mut found = Vec::new();
    let holder = facts.controller.pid();
    let is_known = !matches!(facts.controller, Controller::Unknown(_));
    let named = facts.pid_file.as_ref().map(|text| text.lines().next().unwrap_or_default().trim().to_owned());
    if let Some(named) = named.filter(|named| is_known && named.parse().ok() != holder) {
        found.push(
            Finding::new(
                check,
                Note,
                format!("daemon/daemon.pid names process {named}, which does not hold the lock"),
            )
            .hint("gtctl goes by the lock; the next controller replaces the file"),
        );
    }
    if matches!(facts.controller, Controller::None) && !facts.controller_files.is_empty() {
        found.push(
            Finding::new(
                check,
                Note,
                format!("{} left by a controller that was killed", facts.controller_files.join(", ")),
            )
            .hint("the next controller replaces them"),
        );
    }
    if found.is_empty() {
        found.push(Finding::new(check, Fine, "no pid file or socket is left over"));
    }
    found
}

/// The service that a control group is, and whether it is one of the user's own.
pub fn unit(group: &str) -> Option<(&str, bool)> {
    let (above, last) = group.rsplit_once('/')?;
    let of_the_user = above.split('/').any(|part| part.starts_with("user@"));
    // The user's manager is no service that anybody restarts for gtctl.
    (last.ends_with(".service") && !last.starts_with("user@")).then_some((last, of_the_user))
}

/// Whether a stop of the service that the controller is in would take the tmux server with it, and so every agent (S25).
fn unit_of_server(units: &Units, is_server_known: bool) -> Finding {
    let check = "service";
    let group = match &units.server {
        None if !is_server_known => {
            return Finding::new(check, Unknown, "it is not known which tmux server is meant");
        }
        None => return Finding::new(check, Fine, "no tmux server runs that a service could take with it"),
        Some(Seen::Unknown(why)) => return Finding::new(check, Unknown, why),
        Some(Seen::Known(group)) => group.as_deref().unwrap_or_default(),
    };
    let Some((unit, of_the_user)) = unit(group) else {
        return Finding::new(check, Fine, "the tmux server is in no service's control group");
    };
    let is_ours = matches!(&units.controller, Some(Seen::Known(Some(own))) if own == group);
    let hint = format!(
        "set KillMode=process in the unit ({}); docs/running.md says why",
        if of_the_user { format!("systemctl --user edit {unit}") } else { format!("systemctl edit {unit}") }
    );
    match &units.kill_mode {
        Some(Seen::Known(mode)) if matches!(mode.as_str(), "process" | "none") => {
            Finding::new(check, Fine, format!("the tmux server is in {unit}, whose KillMode={mode} leaves it alone"))
        }
        Some(Seen::Known(mode)) if is_ours => Finding::new(
            check,
            Wrong,
            format!("the tmux server is in the controller's own {unit}, whose KillMode={mode} ends it with all agents when it is restarted"),
        )
        .hint(hint),
        Some(Seen::Known(mode)) => {
            Finding::new(check, Note, format!("the tmux server is in {unit}, whose KillMode={mode} ends it with all agents when it is stopped"))
                .hint(hint)
        }
        Some(Seen::Unknown(why)) => {
            Finding::new(check, Unknown, format!("the tmux server is in {unit}, and its KillMode cannot be told: {why}")).hint(hint)
        }
        None => Finding::new(check, Unknown, format!("the tmux server is in {unit}, and its KillMode was not asked for")).hint(hint),
    }
}

fn permissions(all: &[Permission], user: u32) -> Vec<Finding> {
    let check = "permissions";
    const OTHERS: u32 = 0o077;
    const WRITABLE_FOR_ALL: u32 = 0o002;
    let wrong = |one: &Permission| {
        let Permission { name, private, mode, owner } = one;
        if *owner != user && *owner != 0 {
            let text = format!("{name} belongs to user {owner}, and gtctl runs as {user}");
            return Some(
                Finding::new(check, Wrong, text)
                    .hint(format!("`chown {user} {name}`, or run gtctl as its owner")),
            );
        }
        if *private && mode & OTHERS != 0 {
            let text =
                format!("{name} is open to others (mode {mode:03o}); what it tells is for its user alone");
            return Some(Finding::new(check, Wrong, text).hint(format!("`chmod go= {name}`")));
        }
        if mode & WRITABLE_FOR_ALL != 0 {
            let text = format!("everybody may write {name} (mode {mode:03o}), and so decide what runs here");
            return Some(Finding::new(check, Wrong, text).hint(format!("`chmod o-w {name}`")));
        }
        None
    };
    let found: Vec<Finding> = all.iter().filter_map(wrong).collect();
    if found.is_empty() {
        vec![Finding::new(check, Fine, "nobody else can read or write what is gtctl's")]
    } else {
        found
    }
}
