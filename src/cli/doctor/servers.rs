//! What the tmux servers tell: whether the town is in one of them, and whether its sessions have the names that gtctl knows.

use std::path::Path;

use super::facts::{Facts, ServerAt};
use super::judge::{
    Finding,
    Level::{Note, Ok as Fine, Unknown, Wrong},
};
use crate::model::Seen;
use crate::observed::{Server, ServerUp, Session};
use crate::town::files::town_toml::Naming;

/// The server that the files name.
pub fn configured(facts: &Facts) -> Option<&ServerAt> {
    let Seen::Known(servers) = &facts.servers else { return None };
    servers.iter().find(|server| server.configured)
}

/// The same if it answers.
pub fn up(server: &ServerAt) -> Option<&ServerUp> {
    match &server.server {
        Seen::Known(Server::Up(up)) => Some(up),
        Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => None,
    }
}

/// Whether a session is of this town: by its marker, or by what gtctl or gt set in its environment at birth.
fn is_ours(session: &Session, facts: &Facts) -> bool {
    let claims = || match &session.claim {
        Some(Seen::Known(claim)) => match &claim.gtctl_town {
            Some(town) => town == facts.town.as_str(),
            None => claim.root.as_deref().map(Path::new) == Some(&facts.root),
        },
        Some(Seen::Unknown(_)) | None => false,
    };
    session.marker().map_or_else(claims, |marker| marker.town == facts.town)
}

/// Whether all sessions of this town are where they belong.
pub fn servers(facts: &Facts) -> Vec<Finding> {
    let check = "servers";
    let servers = match &facts.servers {
        Seen::Known(servers) => servers,
        Seen::Unknown(why) => return vec![Finding::new(check, Unknown, why)],
    };
    let mut found: Vec<Finding> =
        servers.iter().filter_map(|server| of_server(check, server, facts)).collect();
    if found.is_empty() {
        found.push(Finding::new(
            check,
            Unknown,
            "without right files it is not known which tmux server is meant",
        ));
    }
    found
}

/// The names of the sessions of this town at a server.
fn ours<'a>(server: &'a ServerUp, facts: &Facts) -> Vec<&'a str> {
    let ours = server.sessions.iter().filter(|session| is_ours(session, facts));
    ours.map(|session| session.name.as_str()).collect()
}

/// Whether sessions of this town are on a server beside this one, or the files name another one.
fn is_split(at: &ServerAt, facts: &Facts) -> bool {
    let Seen::Known(servers) = &facts.servers else { return false };
    let is_other = |other: &ServerAt| other.socket != at.socket;
    let has_some = |other: &ServerAt| up(other).is_some_and(|up| !ours(up, facts).is_empty());
    servers.iter().filter(|other| is_other(other)).any(|other| other.configured || has_some(other))
}

fn of_server(check: &'static str, at: &ServerAt, facts: &Facts) -> Option<Finding> {
    let socket = at.socket.display();
    match &at.server {
        Seen::Known(Server::Down) if at.configured => Some(Finding::new(
            check,
            Fine,
            format!("no tmux server at {socket}, where the sessions of this town belong"),
        )),
        Seen::Known(Server::Down) => None,
        Seen::Known(Server::SocketLost { pid }) => {
            let who = pid
                .map_or_else(|| "a tmux server".to_owned(), |pid| format!("the tmux server, process {pid},"));
            let hint = pid.map(|pid| format!("`kill -USR1 {pid}` makes it listen again"));
            let finding = Finding::new(check, Wrong, format!("{who} lives, and its socket {socket} is gone"));
            Some(Finding { hint, ..finding })
        }
        Seen::Unknown(why) => {
            let what = if at.configured {
                "the sessions of this town belong there"
            } else {
                "it may have sessions of this town"
            };
            Some(Finding::new(
                check,
                Unknown,
                format!("the tmux server at {socket} cannot be seen, and {what}: {why}"),
            ))
        }
        Seen::Known(Server::Up(up)) => {
            let ours = ours(up, facts);
            if at.configured {
                return Some(Finding::new(
                    check,
                    Fine,
                    format!("server {} at {socket}, {} sessions of this town", up.id, ours.len()),
                ));
            }
            if ours.is_empty() {
                return None;
            }
            if !is_split(at, facts) {
                let text = format!(
                    "server {} at {socket} has {} sessions of this town; without right files it is not known whether it is meant",
                    up.id,
                    ours.len()
                );
                return Some(Finding::new(check, Unknown, text));
            }
            let text = format!(
                "a split town: sessions of it are on another tmux server, {} at {socket}: {}",
                up.id,
                ours.join(", ")
            );
            Some(Finding::new(check, Wrong, text).hint(format!(
                "gtctl keeps those of [town] socket only; end them there (`tmux -S {socket} attach`), or set socket = \"{socket}\""
            )))
        }
    }
}

/// Sessions that an earlier naming made, and that gtctl therefore does not know as its objects (S40).
pub fn names(facts: &Facts) -> Vec<Finding> {
    let check = "names";
    let Some(names) = &facts.names else {
        return vec![Finding::new(check, Unknown, "without right files no session names are known")];
    };
    let naming = match names.naming {
        Naming::Rig => "rig",
        Naming::Prefix => "prefix",
    };
    let Seen::Known(servers) = &facts.servers else {
        return vec![Finding::new(check, Unknown, "the tmux servers cannot be seen")];
    };
    let mut found = Vec::new();
    for at in servers {
        let sessions = up(at).map(|up| up.sessions.as_slice()).unwrap_or_default();
        for session in sessions.iter().filter(|session| session.label.is_empty()) {
            // Most names are the same under both; those are what they should be.
            let Some(address) =
                names.others.get(&session.name).filter(|_| !names.now.contains(&session.name))
            else {
                continue;
            };
            let what = format!(
                "session {} at {} has the name that {address} has with naming = \"{naming}\"",
                session.name,
                at.socket.display()
            );
            found.push(match (is_ours(session, facts), &session.claim) {
                (true, _) => Finding::new(
                    check,
                    Wrong,
                    format!("{what}, and is of this town: gtctl would start {address} a second time"),
                )
                .hint(format!("set naming = \"{naming}\" in [town], or end or rename that session")),
                (false, Some(Seen::Unknown(why))) => {
                    Finding::new(check, Unknown, format!("{what}; whose it is cannot be told: {why}"))
                }
                (false, _) => {
                    Finding::new(check, Note, format!("{what}; nothing in it proves that it is of this town"))
                }
            });
        }
    }
    if found.is_empty() {
        found.push(Finding::new(check, Fine, "no session has a name of another naming"));
    }
    found
}
