//! What the laws look at: the raw observation and the raw steps, not what `presence` made of them.

use super::builders::Given;
use crate::desired::{HoldKind, Object};
use crate::model::{Address, Seen};
use crate::observed::{Life, Server, Session};
use crate::plan::{Action, Fence, Gate, LaunchInto, Plan, Verdict};

/// All sessions of the server.
pub fn sessions(given: &Given) -> &[Session] {
    match &given.observed.server {
        Seen::Known(Server::Up(up)) => &up.sessions,
        _ => &[],
    }
}

/// Whether a session carries a marker of this town.
pub fn is_ours(given: &Given, session: &Session) -> bool {
    session.marker().is_some_and(|marker| marker.town == given.desired.town)
}

/// The sessions that carry the marker of an object.
pub fn sessions_of<'a>(given: &'a Given, of: &'a Address) -> impl Iterator<Item = &'a Session> {
    sessions(given).iter().filter(move |session| {
        is_ours(given, session) && session.marker().is_some_and(|marker| marker.address == *of)
    })
}

/// What became of a session's agent.
pub fn life(session: &Session) -> Option<&Seen<Life>> {
    session.agent_pane().map(|pane| &pane.life)
}

/// Whether a session's agent lives.
pub fn is_living(session: &Session) -> bool {
    matches!(life(session), Some(Seen::Known(Life::Running { .. } | Life::Detached { .. })))
}

/// Whether an active hold, on any layer, says to touch nothing.
pub fn is_frozen(object: &Object, given: &Given) -> bool {
    object.holds.iter().any(|hold| {
        hold.is_active(given.observed.at.wall)
            && matches!(hold.kind, HoldKind::Frozen | HoldKind::Unreadable(_))
    })
}

/// What a step aims at, if anything is there already.
pub fn fence(action: &Action) -> Option<&Fence> {
    match action {
        Action::Kill(fence) | Action::Adopt(fence) | Action::Nudge { fence, .. } => Some(fence),
        Action::Reap(_) => None,
        Action::Notify { .. } => None,
        Action::Start(launch) | Action::Restart(launch) => match &launch.into {
            LaunchInto::NewSession => None,
            LaunchInto::DeadPane(fence) | LaunchInto::NewWindow(fence) | LaunchInto::Replacing(fence) => {
                Some(fence)
            }
        },
    }
}

pub fn target<'a>(given: &'a Given, action: &Action) -> Option<&'a Session> {
    let fence = fence(action)?;
    sessions(given).iter().find(|session| session.id == fence.session())
}

/// Whether a step ends a process that lives.
pub fn ends_a_life(given: &Given, action: &Action) -> bool {
    let kills = match action {
        Action::Reap(_) => return true,
        Action::Kill(_) => true,
        Action::Start(launch) | Action::Restart(launch) => matches!(launch.into, LaunchInto::Replacing(_)),
        Action::Nudge { .. } | Action::Adopt(_) | Action::Notify { .. } => false,
    };
    let aimed = fence(action).and_then(Fence::pane).map(|(id, _)| id);
    let is_aimed = |session: &Session| {
        let lives =
            |life: &Seen<Life>| matches!(life, Seen::Known(Life::Running { .. } | Life::Detached { .. }));
        session.panes.iter().any(|pane| Some(pane.id) == aimed && lives(&pane.life))
    };
    kills && target(given, action).is_some_and(is_aimed)
}

/// The steps that start something.
pub fn launches(plan: &Plan) -> impl Iterator<Item = (&Verdict, &LaunchInto, &Gate)> {
    plan.steps().filter_map(|(verdict, step)| Some((verdict, &step.action.launch()?.into, &step.gate)))
}

/// How many lives a plan may end.
pub fn stop_limit(given: &Given) -> usize {
    let running = sessions(given)
        .iter()
        .filter(|session| is_ours(given, session))
        .filter(|session| matches!(life(session), Some(Seen::Known(Life::Running { .. }))))
        .count();
    given.desired.policy.limits.kills_per_pass.min(2.max(running * 3 / 10))
}

/// Lifts every refusal that the plan still makes.
pub fn approved(mut given: Given) -> Given {
    while let Some(refusal) = given.plan().refusal {
        let before = given.ledger.approvals.len();
        given.ledger.approvals.extend(refusal.lives);
        assert!(given.ledger.approvals.len() > before, "an approved refusal is lifted");
    }
    given
}
