//! The sessions of a look, found by what objects are asked about: made once a plan. Were each object held against each session, a thousand of both would
//! take a second.

use std::collections::HashMap;

use crate::desired::{Desired, Object};
use crate::model::{Address, Seen, SessionId};
use crate::observed::{Life, Observed, Pane, Server, Session};

use super::types::Fence;

/// The sessions of the server that answered; none if none did. Lists keep the order of the look.
#[derive(Debug, Default)]
pub struct Sight<'a> {
    /// Sessions that carry the label of an object of this town.
    of: HashMap<&'a Address, Vec<&'a Session>>,
    by_name: HashMap<&'a str, &'a Session>,
    by_id: HashMap<SessionId, &'a Session>,
    /// Sessions without a label in which gtctl started something.
    lost: Vec<&'a Session>,
    /// Sessions without a label whose environment names an object of a gtctl.
    claimed: HashMap<&'a str, Vec<&'a Session>>,
    living: usize,
    ours: usize,
}

impl<'a> Sight<'a> {
    /// Sorts the sessions of a look.
    pub fn new(desired: &Desired, observed: &'a Observed) -> Self {
        let Seen::Known(Server::Up(up)) = &observed.server else { return Self::default() };
        let count = up.sessions.len();
        let mut sight = Self {
            of: HashMap::with_capacity(count),
            by_name: HashMap::with_capacity(count),
            by_id: HashMap::with_capacity(count),
            ..Self::default()
        };
        for session in &up.sessions {
            sight.by_name.insert(&session.name, session);
            sight.by_id.insert(session.id, session);
            if session.lost_its_label() {
                sight.lost.push(session);
            }
            if let Some(Seen::Known(claim)) = session.claim.as_ref().filter(|_| session.label.is_empty())
                && let Some(object) = &claim.gtctl_object
            {
                sight.claimed.entry(object).or_default().push(session);
            }
            let Some(marker) = session.marker().filter(|marker| marker.town == desired.town) else {
                continue;
            };
            sight.of.entry(&marker.address).or_default().push(session);
            sight.ours += 1;
            let life = session.agent_pane().map(|pane| &pane.life);
            sight.living += usize::from(matches!(life, Some(Seen::Known(Life::Running { .. }))));
        }
        sight
    }

    /// The sessions that carry an object's label.
    pub fn of(&self, address: &Address) -> &[&'a Session] {
        self.of.get(address).map(Vec::as_slice).unwrap_or_default()
    }

    /// The session with this name.
    pub fn named(&self, name: &str) -> Option<&'a Session> {
        self.by_name.get(name).copied()
    }

    /// Sessions without a label that may be this object's all the same, whatever their names: they lost it, or have a name of gt's other naming.
    pub fn unlabelled(&self, object: &Object) -> impl Iterator<Item = &'a Session> {
        let other = object.other_name.as_deref().and_then(|name| self.named(name));
        let other = other.filter(|session| session.label.is_empty() && !session.lost_its_label());
        self.lost.iter().copied().chain(other)
    }

    /// Sessions without a label whose environment names an object of a gtctl by this address.
    pub fn claimed(&self, address: &str) -> &[&'a Session] {
        self.claimed.get(address).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether there is any session that [`claimed`](Self::claimed) may find.
    pub fn has_claims(&self) -> bool {
        !self.claimed.is_empty()
    }

    /// How many sessions of this town's objects there are.
    pub fn ours(&self) -> usize {
        self.ours
    }

    /// In how many of them the agent lives.
    pub fn living(&self) -> usize {
        self.living
    }

    /// How many other panes of a session live. A person may have opened them; the agent that is gone did not keep them.
    pub fn other_panes_alive(&self, fence: &Fence) -> usize {
        let panes = self.by_id.get(&fence.session).into_iter().flat_map(|session| &session.panes);
        let others = panes.filter(|pane| Some(pane.id) != fence.pane.map(|(id, _)| id));
        others.filter(|pane| !matches!(pane.life, Seen::Known(Life::Gone { .. }))).count()
    }

    /// The agent's pane.
    pub fn pane(&self, fence: &Fence) -> Option<&'a Pane> {
        let (id, _) = fence.pane?;
        self.by_id.get(&fence.session)?.panes.iter().find(|pane| pane.id == id)
    }

    /// Whether the agent's pane is in a mode.
    pub fn is_in_mode(&self, fence: &Fence) -> bool {
        self.pane(fence).is_some_and(|pane| pane.in_mode)
    }
}
