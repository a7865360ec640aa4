//! Processes of ours that no session shows: agents that outlived their terminals, and what agents left behind.
//!
//! Who they are, their marks tell, and the ledger where it remembers them. An agent without a terminal is a life like any other: nothing is started beside
//! it (law 4). Nobody can reach it any more, so it is ended, in steps that are passes apart: seen for the first time, TERM, KILL, given up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::desired::{Desired, Object, Policy};
use crate::ledger::Ledger;
use crate::model::{Address, Evidence, ProcessId, Reason, Seen, Stamp};
use crate::observed::{Life, Observed, Orphan, Server, Session, Terminal};
use crate::town::files::town_toml::OrphansEnd;

use super::judge;
use super::presence::proves;
use super::state::State;
use super::types::{Action, Decision, Force, Gate, Launch, LaunchInto, Lone, LoneKind, Quarry, Verdict};

/// How long a process gets to end after TERM; gt's own number.
const TERM_LASTS: Duration = Duration::from_secs(60);

/// How long the kernel gets to end a process after KILL.
const KILL_LASTS: Duration = Duration::from_secs(5);

/// What is asked: whose processes, and what else is known of that object.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    /// The object's address.
    pub address: &'a Address,
    /// What the files say of it; `None` for one that no file lists.
    pub object: Option<&'a Object>,
    /// Whether an agent of it lives in a session.
    pub is_alive: bool,
    /// What the files ask for.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is remembered.
    pub ledger: &'a Ledger,
}

/// The processes of one object that no session shows.
#[derive(Debug, Default)]
pub(super) struct Of<'a> {
    /// Agents that outlived their terminals, the oldest first.
    pub survivors: Vec<&'a Orphan>,
    /// What agents of it left behind.
    pub leftovers: Vec<&'a Orphan>,
    /// Agents in another tmux server.
    pub elsewhere: Vec<&'a Orphan>,
}

/// Whether a state has an agent that lives in a session.
pub(super) fn is_alive(state: &State) -> bool {
    matches!(state, State::Running(_) | State::Starting(_) | State::Adoptable(_))
}

/// Sorts the processes of an object.
pub(super) fn of<'a>(whose: Whose<'a>) -> Of<'a> {
    let Some(Seen::Known(all)) = &whose.observed.orphans else { return Of::default() };
    let own: Vec<&Orphan> =
        all.iter().filter(|orphan| whose.has(orphan) && !whose.is_of_a_life_in_sight(orphan)).collect();
    let agents = own.iter().copied().filter(|orphan| !whose.is_known_to_be_another(orphan));
    let mut lost: Vec<&Orphan> =
        agents.clone().filter(|orphan| whose.outlived_its_terminal(orphan)).collect();
    lost.sort_by_key(|orphan| (orphan.process.start, orphan.process.pid));
    // What an agent starts is younger than the agent, and has its mark. Those of the same clock tick cannot be told apart, so both are agents.
    let mut eldest: BTreeMap<Option<&str>, u64> = BTreeMap::new();
    for orphan in &lost {
        eldest.entry(mark(orphan)).or_insert(orphan.process.start);
    }
    let is_eldest = |orphan: &&Orphan| {
        whose.remembers(orphan) || eldest.get(&mark(orphan)) == Some(&orphan.process.start)
    };
    let survivors: Vec<&Orphan> = lost.into_iter().filter(is_eldest).collect();
    let elsewhere: Vec<&Orphan> = agents.filter(|orphan| whose.lives_elsewhere(orphan)).collect();
    let is_left = |orphan: &&Orphan| {
        let has_its_agent = |agent: &&Orphan| agent.process == orphan.process || mark(agent) == mark(orphan);
        let waits_for_its_agent = survivors.iter().chain(&elsewhere).any(has_its_agent);
        !waits_for_its_agent && orphan.terminal != Terminal::Open && orphan.tmux.is_none() && !orphan.hosts
    };
    let leftovers = own.into_iter().filter(is_left).collect();
    Of { survivors, leftovers, elsewhere }
}

/// The life whose mark a process has.
fn mark(orphan: &Orphan) -> Option<&str> {
    orphan.claim.gtctl_incarnation.as_deref()
}

impl Whose<'_> {
    /// Whether a process is of this object, by what is remembered or else by what it found in its environment.
    fn has(&self, orphan: &Orphan) -> bool {
        match (&orphan.remembered, self.object) {
            (Some(whose), _) => whose == self.address,
            (None, Some(object)) => proves(&orphan.claim, object, self.desired).is_ok(),
            (None, None) => {
                orphan.claim.gtctl_town.as_deref() == Some(self.desired.town.as_str())
                    && orphan.claim.gtctl_object.as_deref() == Some(self.address.to_string().as_str())
            }
        }
    }

    fn remembers(&self, orphan: &Orphan) -> bool {
        orphan.remembered.as_ref() == Some(self.address)
    }

    /// Whether the agent whose mark it has is in a session, be it that its end has not been seen there.
    fn is_of_a_life_in_sight(&self, orphan: &Orphan) -> bool {
        let Some(mark) = mark(orphan) else { return self.is_alive && !self.remembers(orphan) };
        let Seen::Known(Server::Up(server)) = &self.observed.server else { return false };
        let is_its_session = |session: &&Session| {
            session
                .marker()
                .is_some_and(|marker| marker.town == self.desired.town && marker.incarnation.as_str() == mark)
        };
        let mut panes = server.sessions.iter().filter(is_its_session).filter_map(Session::agent_pane);
        panes.any(|pane| !matches!(pane.life, Seen::Known(Life::Gone { .. })))
    }

    /// Whether the life whose mark it has is known to have been another process: then an agent started this one.
    fn is_known_to_be_another(&self, orphan: &Orphan) -> bool {
        if self.remembers(orphan) {
            return false;
        }
        let boot = &self.observed.at.boot;
        let record = self.ledger.objects.get(self.address);
        let record = record.filter(|record| record.since.as_ref().is_some_and(|since| since.boot == *boot));
        let known = record.and_then(|record| record.incarnation.as_ref());
        match mark(orphan) {
            Some(mark) => {
                known.is_some_and(|known| {
                    known.marker.incarnation.as_str() == mark && known.process != orphan.process
                }) || self.ledger.over.iter().any(|over| {
                    over.incarnation.as_str() == mark && over.boot == *boot && over.process != orphan.process
                })
            }
            // gt does not tell its lives apart: what is younger than the agent that is remembered was started by it.
            None => known.is_some_and(|known| known.process.start < orphan.process.start),
        }
    }

    /// Whether it is an agent whose terminal is gone. One that was asked to leave its pane may still be the child of its server.
    fn outlived_its_terminal(&self, orphan: &Orphan) -> bool {
        let lost_it = match orphan.terminal {
            Terminal::Lost => true,
            Terminal::None => self.remembers(orphan),
            Terminal::Open => false,
        };
        let is_in_a_tmux =
            orphan.tmux.as_ref().is_some_and(|above| !above.is_parent || Some(above.server) != self.server());
        lost_it && orphan.leads && !is_in_a_tmux
    }

    /// Whether it is an agent in a pane of another tmux server, which no agent founded.
    fn lives_elsewhere(&self, orphan: &Orphan) -> bool {
        let Some(above) = orphan.tmux.as_ref().filter(|above| above.is_parent && orphan.leads) else {
            return false;
        };
        let is_in_a_pane = match orphan.terminal {
            Terminal::Open => true,
            Terminal::Lost => Some(above.server) != self.server(),
            Terminal::None => false,
        };
        is_in_a_pane && mark(orphan).is_some() && above.founded_by.as_deref() != mark(orphan)
    }

    fn server(&self) -> Option<ProcessId> {
        match &self.observed.server {
            Seen::Known(Server::Up(server)) => Some(server.id),
            Seen::Known(Server::Down | Server::SocketLost { .. }) | Seen::Unknown(_) => None,
        }
    }
}

/// The state of an object of which the process table shows more than tmux does.
pub(super) fn found(state: State, whose: Whose<'_>) -> State {
    match (&whose.observed.orphans, &state) {
        (None, _) => return state,
        // Nobody knows whether an agent lives without a session.
        (
            Some(Seen::Unknown(why)),
            State::Absent
            | State::Vanished
            | State::ServerLost
            | State::PaneGone { .. }
            | State::Adoptable(_),
        ) => {
            return State::Unknown(why.clone());
        }
        (Some(_), _) => {}
    }
    let Of { survivors, elsewhere, .. } = of(Whose { is_alive: is_alive(&state), ..whose });
    match state {
        State::Absent
        | State::Vanished
        | State::ServerLost
        | State::PaneGone { .. }
        | State::Dead { .. }
        | State::BareShell(_) => match (survivors.first(), elsewhere.first()) {
            (Some(survivor), _) => State::Detached { process: survivor.process, fence: None },
            (None, Some(life)) => State::Elsewhere { process: life.process },
            (None, None) => state,
        },
        State::Adoptable(_) if !survivors.is_empty() || !elsewhere.is_empty() => {
            State::Duplicate { count: 1 + survivors.len() + elsewhere.len() }
        }
        other => other,
    }
}

/// What is due with a process that lives on and should not.
enum Turn {
    /// Nothing, for so long.
    Wait(Duration),
    /// It is told; so long is it known.
    Tell(Force, Duration),
    /// It was told all that there is to tell.
    GiveUp,
}

fn turn(
    address: &Address,
    process: ProcessId,
    observed: &Observed,
    ledger: &Ledger,
    policy: &Policy,
) -> Turn {
    let grace = policy.orphans.grace.get();
    // Whoever was away looks anew: it may have been away together with all others.
    let known = ledger.lingering(address, process, &observed.at.boot).filter(|_| observed.away.is_none());
    let Some(known) = known else { return Turn::Wait(grace) };
    let passed = |since: Duration| observed.awake.saturating_sub(since);
    let age = passed(known.since);
    match (known.term, known.kill) {
        (_, Some(kill)) if passed(kill) < KILL_LASTS => Turn::Wait(KILL_LASTS - passed(kill)),
        (_, Some(_)) if known.survived => Turn::GiveUp,
        (_, Some(_)) => Turn::Tell(Force::Kill, age),
        (Some(term), None) if passed(term) < TERM_LASTS => Turn::Wait(TERM_LASTS - passed(term)),
        (Some(_), None) => Turn::Tell(Force::Kill, age),
        (None, None) if age < grace => Turn::Wait(grace - age),
        (None, None) => Turn::Tell(Force::Term, age),
    }
}

/// Ends one of the processes of an object that no session shows, if it is time for that and nothing else is to be done with the object.
pub(super) fn reap(verdict: &mut Verdict, whose: Whose<'_>) {
    if verdict.step_mut().is_some() || whose.ledger.trouble.is_some() {
        return;
    }
    let Of { survivors, leftovers, .. } = of(Whose { is_alive: is_alive(&verdict.state), ..whose });
    let policy = &whose.desired.policy;
    let agents = survivors.into_iter().map(|orphan| (orphan, true));
    let others = leftovers.into_iter().map(|orphan| (orphan, false));
    for (orphan, is_agent) in agents.chain(others).filter(|(_, is_agent)| is_ended(*is_agent, policy)) {
        let pid = orphan.process.pid;
        match turn(whose.address, orphan.process, whose.observed, whose.ledger, policy) {
            Turn::Tell(force, known) => {
                let because =
                    if is_agent { Reason::Orphaned { pid, known } } else { Reason::Leftover { pid, known } };
                verdict.evidence.push(evidence(orphan, is_agent));
                let quarry = Box::new(Quarry { orphan: orphan.clone(), is_agent, force });
                return judge::step(verdict, Action::Reap(quarry), because);
            }
            Turn::GiveUp if is_agent && is_detached(&verdict.state) => {
                verdict.hold(Reason::Unkillable { pid })
            }
            Turn::GiveUp | Turn::Wait(_) => {}
        }
    }
}

fn is_detached(state: &State) -> bool {
    matches!(state, State::Detached { fence: None, .. })
}

/// Whether the files say that such a process is ended.
fn is_ended(is_agent: bool, policy: &Policy) -> bool {
    match policy.orphans.end {
        OrphansEnd::Nothing => false,
        OrphansEnd::Agents => is_agent,
        OrphansEnd::All => true,
    }
}

fn evidence(orphan: &Orphan, is_agent: bool) -> Evidence {
    let Orphan { process, name, .. } = orphan;
    let whose = match (&orphan.remembered, mark(orphan)) {
        (Some(_), _) => "it was seen in its session before".to_owned(),
        (None, Some(mark)) => format!("its environment names the life {mark}"),
        (None, None) => "its environment names this object".to_owned(),
    };
    let what = if is_agent { "leads a session whose terminal is gone" } else { "has no terminal" };
    Evidence::aged(format!("process {process} ({name}) {what}; {whose}"), orphan.lived)
}

/// All processes of ours that no session shows, by objects.
pub(super) fn all(
    verdicts: &[Verdict],
    desired: &Desired,
    observed: &Observed,
    ledger: &Ledger,
) -> Vec<Lone> {
    let mut lone = Vec::new();
    if !matches!(&observed.orphans, Some(Seen::Known(found)) if !found.is_empty()) {
        return lone;
    }
    let by_address: HashMap<&Address, &Verdict> =
        verdicts.iter().map(|verdict| (&verdict.address, verdict)).collect();
    let unlisted = unlisted(desired, observed);
    for address in desired.objects.keys().chain(&unlisted) {
        let object = desired.objects.get(address);
        let is_alive = by_address.get(address).is_some_and(|verdict| is_alive(&verdict.state));
        let Of { survivors, leftovers, elsewhere } =
            of(Whose { address, object, is_alive, desired, observed, ledger });
        let mut tell = |orphans: Vec<&Orphan>, kind: LoneKind| {
            for orphan in orphans {
                let is_ended = match kind {
                    LoneKind::Survivor => is_ended(true, &desired.policy),
                    LoneKind::Leftover => is_ended(false, &desired.policy),
                    LoneKind::Elsewhere => false,
                };
                lone.push(Lone {
                    address: address.clone(),
                    process: orphan.process,
                    name: orphan.name.clone(),
                    lived: orphan.lived,
                    kind,
                    is_ended,
                });
            }
        };
        tell(survivors, LoneKind::Survivor);
        tell(leftovers, LoneKind::Leftover);
        tell(elsewhere, LoneKind::Elsewhere);
    }
    lone
}

/// Objects of this town that no file lists, by the marks of processes.
pub(super) fn unlisted(desired: &Desired, observed: &Observed) -> BTreeSet<Address> {
    let Some(Seen::Known(orphans)) = &observed.orphans else { return BTreeSet::new() };
    let address = |orphan: &Orphan| -> Option<Address> {
        if let Some(address) = &orphan.remembered {
            return Some(address.clone());
        }
        let is_ours = orphan.claim.gtctl_town.as_deref() == Some(desired.town.as_str());
        orphan.claim.gtctl_object.as_deref().filter(|_| is_ours)?.parse().ok()
    };
    orphans.iter().filter_map(address).filter(|address| !desired.objects.contains_key(address)).collect()
}

/// The next moment at which something is due with a process that lingers.
pub(super) fn next(
    lone: &[Lone],
    desired: &Desired,
    observed: &Observed,
    ledger: &Ledger,
    now: &Stamp,
) -> Option<Stamp> {
    let rest = |one: &Lone| match turn(&one.address, one.process, observed, ledger, &desired.policy) {
        Turn::Wait(rest) => Some(rest),
        Turn::Tell(..) | Turn::GiveUp => None,
    };
    lone.iter().filter(|one| one.is_ended).filter_map(rest).min().map(|rest| now.plus(rest))
}

/// Whether the process table must be searched before anything follows from a plan: a start is due that could double what lives out of sight, an adoption
/// that could take its place, or somebody was seen without a terminal before.
pub(super) fn must_search(
    verdicts: &[Verdict],
    desired: &Desired,
    observed: &Observed,
    ledger: &Ledger,
) -> bool {
    if observed.orphans.is_some() || !matches!(observed.server, Seen::Known(Server::Up(_) | Server::Down)) {
        return false;
    }
    // What is followed in its own place is not doubled, if it was the last to begin: a later one may live in another server than this one.
    let doubles = |address: &Address, launch: &Launch| match &launch.into {
        LaunchInto::NewSession | LaunchInto::NewWindow(_) => true,
        LaunchInto::DeadPane(fence) | LaunchInto::Replacing(fence) => {
            desired.policy.orphans.end == OrphansEnd::All || !ledger.began_last(address, fence.label())
        }
    };
    let is_due = |verdict: &Verdict| match &verdict.decision {
        Decision::Step(step) if step.gate == Gate::Ready => match &step.action {
            Action::Start(launch) | Action::Restart(launch) => doubles(&verdict.address, launch),
            // A life that gtctl began and never saw may go on beside it.
            Action::Adopt(_) => true,
            Action::Kill(_) | Action::Nudge { .. } | Action::Reap(_) | Action::Notify { .. } => false,
        },
        Decision::Step(_) | Decision::Nothing | Decision::Held => false,
    };
    !ledger.lingering.is_empty()
        || verdicts.iter().any(|verdict| is_due(verdict) || is_detached(&verdict.state))
}
