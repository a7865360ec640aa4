//! In which state is an object? Joins the observation with what the ledger remembers; decides nothing.

use crate::desired::{Desired, Object};
use crate::ledger::Ledger;
use crate::model::{Address, Incarnation, IncarnationId, Marker, ProcessId, Seen, Why};
use crate::observed::processes::is_shell;
use crate::observed::{Claim, Life, Observed, Pane, Server, ServerUp, Session};

use super::judge::Given;
use super::orphans::{self, Whose};
use super::sight::Sight;
use super::state::{Alive, State};
use super::types::Fence;

/// The state of an object.
pub fn presence(object: &Object, given: Given<'_>) -> State {
    let Given { desired, observed, ledger, .. } = given;
    let state = in_tmux(object, given);
    let address = &object.address;
    orphans::found(state, Whose { address, object: Some(object), is_alive: false, desired, observed, ledger })
}

/// The state of an object by what tmux shows, and by the process that is remembered.
fn in_tmux(object: &Object, given: Given<'_>) -> State {
    let Given { desired, observed, sight, ledger, .. } = given;
    match &observed.server {
        Seen::Unknown(why) => State::Unknown(why.clone()),
        Seen::Known(Server::SocketLost { pid }) => State::SocketLost { pid: *pid },
        Seen::Known(Server::Down) => without_session(&object.address, None, observed, ledger),
        Seen::Known(Server::Up(server)) => match with_server(object, desired, server.id, sight) {
            Some(state) => or_survivor(state, &object.address, observed, ledger),
            None => without_session(&object.address, Some(server), observed, ledger),
        },
    }
}

/// A session without its agent does not prove that the agent is gone: the process that the ledger remembers may have ignored the
/// hang-up and live on without it.
fn or_survivor(state: State, address: &Address, observed: &Observed, ledger: &Ledger) -> State {
    let Some(life) = ledger.objects.get(address).and_then(|record| record.incarnation.as_ref()) else {
        return state;
    };
    let is_that_life = match &state {
        State::Dead { fence, .. } => {
            fence.server == life.server && fence.pane == Some((life.pane, life.process.pid))
        }
        State::BareShell(alive)
        | State::Running(alive)
        | State::Starting(alive)
        | State::Adoptable(alive) => alive.fence.process == Some(life.process),
        State::PaneGone { .. } => false,
        _ => return state,
    };
    match observed.past.get(address) {
        _ if is_that_life => state,
        Some(Seen::Known(false)) => state,
        // gt started one of them. What is seen now must not take the place of what is remembered, or nobody would know of that one any more.
        Some(Seen::Known(true)) if orphans::is_alive(&state) => State::Duplicate { count: 2 },
        Some(Seen::Known(true)) => State::Detached { process: life.process, fence: None },
        Some(Seen::Unknown(why)) => State::Unknown(why.clone()),
        None => State::Unknown(Why::new("its remembered process was not looked at")),
    }
}

/// The state if some session is or seems to be the object; `None` if none does.
fn with_server(object: &Object, desired: &Desired, server: ProcessId, sight: &Sight<'_>) -> Option<State> {
    let own = sight.of(&object.address);
    let states = || own.iter().map(|session| of_session(session, server, desired));
    if let [_, _, ..] = own {
        let living = states().filter(State::has_living_process).count();
        if living > 1 {
            return Some(State::Duplicate { count: living });
        }
    }
    // A living one before a dead one, an unknown one before both: what might live must not be doubled.
    let best = states().max_by_key(|state| match state {
        State::Unknown(_) | State::Ending => 3,
        state if state.has_living_process() => 2,
        _ => 1,
    });
    best.or_else(|| of_name(object, desired, server, sight))
}

/// The state of a session that carries the object's marker.
fn of_session(session: &Session, server: ProcessId, desired: &Desired) -> State {
    let Some(pane) = session.agent_pane() else {
        return State::PaneGone { fence: fence(session, server, None, None) };
    };
    match &pane.life {
        Seen::Unknown(why) => State::Unknown(why.clone()),
        Seen::Known(Life::Ending) => State::Ending,
        Seen::Known(Life::Gone { exit }) => {
            State::Dead { fence: fence(session, server, Some(pane), None), exit: *exit }
        }
        Seen::Known(Life::Detached { process }) => State::Detached {
            process: *process,
            fence: Some(fence(session, server, Some(pane), Some(*process))),
        },
        Seen::Known(Life::Running { process, lived, bare_shell }) => {
            let fence = fence(session, server, Some(pane), Some(*process));
            let incarnation = session.marker().map(|marker| Incarnation {
                marker: marker.clone(),
                server,
                session: session.id,
                pane: pane.id,
                process: *process,
            });
            let alive = Alive {
                fence,
                incarnation,
                lived: *lived,
                attached: session.attached > 0,
                spec: session.spec.clone(),
                screen: pane.screen.clone(),
            };
            match bare_shell {
                _ if *lived < desired.policy.controller.settle.get() => State::Starting(alive),
                // Not being able to tell is no reason to call it dead.
                Seen::Known(true) if !is_meant_to_be_a_shell(session, desired) => State::BareShell(alive),
                Seen::Known(_) | Seen::Unknown(_) => State::Running(alive),
            }
        }
    }
}

/// Whether the object's own command is a bare shell: then a shell in its pane is no remnant.
fn is_meant_to_be_a_shell(session: &Session, desired: &Desired) -> bool {
    let object = session.marker().and_then(|marker| desired.objects.get(&marker.address));
    object.is_none_or(|object| match object.recipe.command.as_slice() {
        [program, flags @ ..] => {
            let takes_no_script =
                |flag: &String| flag.starts_with('-') && (flag.starts_with("--") || !flag.contains('c'));
            is_shell(program) && flags.iter().all(takes_no_script)
        }
        [] => true,
    })
}

/// Nothing carries the object's marker. Does anything have its name?
fn of_name(object: &Object, desired: &Desired, server: ProcessId, sight: &Sight<'_>) -> Option<State> {
    // Whose sessions those are that lost their labels, or have a name of gt's other naming, and do not tell: perhaps this one's.
    let untold = sight.unlabelled(object).filter_map(|session| session.claim.as_ref()?.as_ref().why()).next();
    if let Some(why) = untold {
        return Some(State::Unknown(why));
    }
    let claimed = if sight.has_claims() { object.address.to_string() } else { String::new() };
    let candidates = sight.unlabelled(object).chain(sight.claimed(&claimed).iter().copied());
    let proven = candidates.filter(|session| is_it_without_label(session, object, desired));
    let session = proven.min_by_key(|session| session.id).or_else(|| sight.named(&object.recipe.session))?;
    let foreign = |why: &str| Some(State::Foreign { session: session.name.clone(), why: Why::new(why) });
    if let Some(marker) = session.marker() {
        return if marker.town == desired.town {
            foreign(&format!("it is the session of {}", marker.address))
        } else {
            foreign("it belongs to another town")
        };
    }
    if !session.label.is_empty() {
        return foreign("its @gtctl option is no marker of gtctl");
    }
    match &session.claim {
        None => foreign("it carries no marker"),
        Some(Seen::Unknown(why)) => Some(State::Unknown(why.clone())),
        Some(Seen::Known(claim)) => match proves(claim, object, desired) {
            Err(why) => foreign(&why),
            Ok(()) => Some(adoptable(object, desired, session, claim, server)),
        },
    }
}

/// Whether a session without a label, whatever its name, was started by gtctl as this object, or by gt and labelled by gtctl: its pane still is.
fn is_it_without_label(session: &Session, object: &Object, desired: &Desired) -> bool {
    let Some(Seen::Known(claim)) = session.claim.as_ref().filter(|_| session.label.is_empty()) else {
        return false;
    };
    let by_gtctl = claim.gtctl_town.as_deref() == Some(desired.town.as_str())
        && claim.gtctl_object.as_deref() == Some(object.address.to_string().as_str());
    // Sessions keep the names that they were born with: one of before an upgrade is proven by what gt wrote into it.
    let has_old_name = object.other_name.as_ref() == Some(&session.name);
    by_gtctl || ((session.lost_its_label() || has_old_name) && proves(claim, object, desired).is_ok())
}

/// Whether a session's environment proves that it is this object of this town: gtctl's own variables, or all of gt's.
pub(super) fn proves(claim: &Claim, object: &Object, desired: &Desired) -> Result<(), String> {
    let address = object.address.to_string();
    if let (Some(town), Some(whom)) = (&claim.gtctl_town, &claim.gtctl_object) {
        return if town == desired.town.as_str() && *whom == address {
            Ok(())
        } else {
            Err("its environment is that of another object or town".to_owned())
        };
    }
    let root = claim.root.as_deref().ok_or("nothing in its environment names a town")?;
    if std::path::Path::new(root) != desired.root {
        return Err(format!("its GT_ROOT is {root}"));
    }
    let role = claim.role.as_deref().ok_or("its environment names this town, but no role")?;
    // Newer versions of gt call boot by what it looks after.
    let is_boot = object.address == Address::Boot && role == "deacon/boot";
    let is_role = role == address || role == object.address.role().as_str() || is_boot;
    let is_rig = claim.rig.as_deref() == object.address.rig().map(|rig| rig.as_str());
    let is_worker = claim.worker.as_deref() == object.address.worker().map(|name| name.as_str());
    if is_role && is_rig && is_worker {
        Ok(())
    } else {
        Err(format!("its environment says that it is {role}"))
    }
}

fn adoptable(
    object: &Object,
    desired: &Desired,
    session: &Session,
    claim: &Claim,
    server: ProcessId,
) -> State {
    // Where gtctl has started or found an agent before: of a session that lost its label, the panes still tell. Else where gt started it, if it said
    // so; else where it must have: the oldest pane.
    let labelled = session.panes.iter().rev().find(|pane| !pane.agent.is_empty());
    let pane = match claim.pane.as_deref() {
        _ if labelled.is_some() => labelled,
        None => session.panes.first(),
        Some(id) => match session.panes.iter().find(|pane| pane.id.to_string() == id) {
            Some(pane) => Some(pane),
            // The panes that are there are somebody else's.
            None => {
                let why = Why::new(format!("the pane {id} that gt started it in is gone"));
                return State::Foreign { session: session.name.clone(), why };
            }
        },
    };
    let Some(pane) = pane else {
        return State::Unknown(Why::new("its session has no pane"));
    };
    match &pane.life {
        Seen::Unknown(why) => State::Unknown(why.clone()),
        Seen::Known(Life::Ending) => State::Ending,
        Seen::Known(Life::Running { process, lived, .. }) => {
            let fence = fence(session, server, Some(pane), Some(*process));
            // The label that it will get is drawn when it is labelled; until then it is known by its process.
            let marker = Marker {
                town: desired.town.clone(),
                address: object.address.clone(),
                incarnation: IncarnationId::of_process(*process),
            };
            let incarnation =
                Incarnation { server, session: session.id, pane: pane.id, process: *process, marker };
            State::Adoptable(Alive {
                fence,
                incarnation: Some(incarnation),
                lived: *lived,
                attached: session.attached > 0,
                spec: None,
                screen: None,
            })
        }
        // It is proven to be ours as much as a living one, so its dead pane is used again, and its survivor is no stranger.
        Seen::Known(Life::Gone { exit }) => {
            State::Dead { fence: fence(session, server, Some(pane), None), exit: *exit }
        }
        Seen::Known(Life::Detached { process }) => State::Detached {
            process: *process,
            fence: Some(fence(session, server, Some(pane), Some(*process))),
        },
    }
}

/// No session is the object. What does the ledger say became of it?
fn without_session(
    address: &Address,
    server: Option<&ServerUp>,
    observed: &Observed,
    ledger: &Ledger,
) -> State {
    let Some(record) = ledger.objects.get(address) else { return State::Absent };
    let Some(incarnation) = &record.incarnation else {
        // It was started, and gone before it was ever seen.
        return if record.starts.is_empty() { State::Absent } else { State::Vanished };
    };
    match observed.past.get(address) {
        None => State::Unknown(Why::new("its remembered process was not looked at")),
        Some(Seen::Unknown(why)) => State::Unknown(why.clone()),
        Some(Seen::Known(true)) => State::Detached { process: incarnation.process, fence: None },
        Some(Seen::Known(false)) if server.map(|server| server.id) == Some(incarnation.server) => {
            State::Vanished
        }
        Some(Seen::Known(false)) => State::ServerLost,
    }
}

fn fence(session: &Session, server: ProcessId, pane: Option<&Pane>, process: Option<ProcessId>) -> Fence {
    Fence {
        server,
        session: session.id,
        name: session.name.clone(),
        label: session.label.clone(),
        window: pane.map(|pane| pane.window),
        pane: pane.map(|pane| (pane.id, pane.pid)),
        process,
    }
}

/// The fence of a session of ours that no object claims, for `--prune`.
pub(super) fn fence_of_unlisted(session: &Session, server: ProcessId) -> Fence {
    let pane = session.agent_pane();
    let process = pane.and_then(|pane| match &pane.life {
        Seen::Known(Life::Running { process, .. } | Life::Detached { process }) => Some(*process),
        Seen::Known(Life::Gone { .. } | Life::Ending) | Seen::Unknown(_) => None,
    });
    fence(session, server, pane, process)
}

/// The state of a session of ours that no object claims.
pub(super) fn state_of_unlisted(session: &Session, server: ProcessId, desired: &Desired) -> State {
    of_session(session, server, desired)
}
