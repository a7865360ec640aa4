//! What hangs on the hook of each polecat of a rig, and how its agent stands, by the rig's beads.
//!
//! Two lists answer for all polecats of a rig: the issues that are hooked, with whose they are, and the beads of agents. What these do not show is
//! asked for by name: an agent's bead in a table that lists pass over, a bead on a hook that has another status by now. A question that fails
//! makes the work of those unknown whom it was asked for, and nobody's else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::beads::{AgentBead, AgentState, Beads, Database, Issue, Question, Status, hooked};
use crate::machine::Machine;
use crate::model::{Name, Seen, Stamp, Why};

/// What beads say of one polecat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Work {
    /// When they were asked: what has happened since may have changed it.
    pub at: Stamp,
    /// What is on its hook.
    pub hook: Option<Hook>,
    /// What its agent's bead says, if it has one.
    pub agent: Option<AgentSaid>,
}

/// A piece of work on a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hook {
    /// The bead.
    pub bead: String,
    /// Whether it is done: gt leaves the hook as it is.
    pub closed: bool,
    /// When the bead was last changed, if that is told.
    pub updated: Option<Timestamp>,
}

/// What an agent's bead says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AgentSaid {
    /// The bead.
    pub bead: String,
    /// How the agent stands, by its own word.
    pub state: Option<AgentState>,
    /// When the bead was last changed, if that is told.
    pub updated: Option<Timestamp>,
}

/// Polecats of one rig that are to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rig {
    /// The rig.
    pub name: Name,
    /// The prefix of its beads.
    pub prefix: String,
    /// Its polecats.
    pub polecats: BTreeSet<Name>,
    /// Its beads.
    pub database: Database,
    /// Whom to ask.
    pub program: PathBuf,
    /// How long one answer may take.
    pub limit: Duration,
}

/// What was found of each polecat, or why nothing was.
pub type Answer = Seen<BTreeMap<Name, Seen<Work>>>;

impl Rig {
    /// The ids that the bead of a polecat's agent may have. gt 0.6 and later leave the rig out where it is the prefix.
    fn agent_beads(&self, polecat: &Name) -> Vec<String> {
        let (prefix, rig) = (&self.prefix, &self.name);
        let full = format!("{prefix}-{rig}-polecat-{polecat}");
        if *prefix == rig.as_str() { vec![format!("{prefix}-polecat-{polecat}"), full] } else { vec![full] }
    }

    /// Asks.
    pub async fn ask<M: Machine>(&self, machine: M, at: &Stamp) -> Answer {
        let beads = Beads { machine, program: self.program.clone(), limit: self.limit };
        let list = async |filter: &str| beads.list(&self.database, &[filter]).await;
        let (on_hooks, agents) = match (list("--status=hooked").await, list("--label=gt:agent").await) {
            (Seen::Known(on_hooks), Seen::Known(agents)) => (on_hooks, agents),
            (Seen::Unknown(why), _) | (_, Seen::Unknown(why)) => return Seen::Unknown(why),
        };
        let mut works = BTreeMap::new();
        let mut hung = None;
        for polecat in &self.polecats {
            let work = self.one(&beads, polecat, &on_hooks, &agents, &mut hung).await;
            works.insert(polecat.clone(), work.map(|(hook, agent)| Work { at: at.clone(), hook, agent }));
        }
        Seen::Known(works)
    }

    async fn one<M: Machine>(
        &self,
        beads: &Beads<M>,
        polecat: &Name,
        on_hooks: &[Issue],
        agents: &[Issue],
        hung: &mut Option<Why>,
    ) -> Seen<(Option<Hook>, Option<AgentSaid>)> {
        // A database that fails once is not asked for each of the others: every question may take its time.
        let mut show = async |bead: &str| {
            if let Some(why) = hung.as_ref() {
                return Seen::Unknown(why.clone());
            }
            let question = Question { bead: bead.to_owned(), database: self.database.clone() };
            let shown = beads.show(&question).await;
            *hung = shown.as_ref().why();
            shown
        };
        let ids = self.agent_beads(polecat);
        let mut agent = agents.iter().find(|issue| ids.contains(&issue.id)).cloned();
        for id in &ids {
            if agent.is_none() {
                match show(id).await {
                    Seen::Known(found) => agent = found,
                    Seen::Unknown(why) => return Seen::Unknown(why),
                }
            }
        }
        let agent = agent.as_ref().and_then(AgentBead::of);
        let assignee = format!("{}/polecats/{polecat}", self.name);
        // Of several the one that was changed last is worked on.
        let own = hooked(on_hooks, &assignee).max_by_key(|issue| issue.updated).cloned();
        let hook = match (own, agent.as_ref().and_then(|agent| agent.hook.as_deref())) {
            (Some(issue), _) => Some(issue),
            (None, None) => None,
            (None, Some(bead)) if !is_bead(bead) => return Seen::unknown("what is on its hook is no bead"),
            (None, Some(bead)) => match on_hooks.iter().find(|issue| issue.id == bead) {
                Some(issue) => Some(issue.clone()),
                None => match show(bead).await {
                    Seen::Known(Some(issue)) => Some(issue),
                    Seen::Known(None) => {
                        return Seen::unknown(format!("there is no bead {bead}, which is on its hook"));
                    }
                    Seen::Unknown(why) => return Seen::Unknown(why),
                },
            },
        };
        if hook.as_ref().is_some_and(|issue| !is_bead(&issue.id)) {
            return Seen::unknown("what is on its hook is no bead");
        }
        let hook = hook.map(|issue| Hook {
            closed: issue.status == Status::Closed,
            bead: issue.id,
            updated: issue.updated,
        });
        let said =
            |agent: AgentBead| AgentSaid { bead: agent.id, state: agent.state, updated: agent.updated };
        Seen::Known((hook, agent.map(said)))
    }
}

/// bd's ids are a prefix, a dash and some letters; a longer text is none.
const BEAD_LENGTH_MAX: usize = 128;

/// Whether a text can stand where `bd` expects a bead, and is no option there. Agents write what is on a hook.
fn is_bead(text: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=BEAD_LENGTH_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rig(name: &str, prefix: &str) -> Rig {
        Rig {
            name: Name::parse(name).unwrap(),
            prefix: prefix.to_owned(),
            polecats: BTreeSet::new(),
            database: Database { directory: PathBuf::new(), beads: PathBuf::new() },
            program: PathBuf::new(),
            limit: Duration::ZERO,
        }
    }

    #[test]
    fn the_bead_of_an_agent_leaves_the_rig_out_where_it_is_the_prefix() {
        let nux = Name::parse("nux").unwrap();
        assert_eq!(rig("gastown", "gt").agent_beads(&nux), ["gt-gastown-polecat-nux"]);
        assert_eq!(rig("ff", "ff").agent_beads(&nux), ["ff-polecat-nux", "ff-ff-polecat-nux"]);
    }

    #[test]
    fn law_13_what_is_on_a_hook_becomes_an_argument_only_if_it_can_be_a_bead() {
        for good in ["gt-abc", "gt-abc.1", "hq_1"] {
            assert!(is_bead(good), "{good}");
        }
        for bad in ["", "-x", "--help", "a b", "a\nb", "a;b", "$(x)", &"a".repeat(129)] {
            assert!(!is_bead(bad), "{bad}");
        }
    }
}
