//! Holds each object's state against what is wanted of it. One table; the arms stand in the order of docs/decisions.md.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::desired::{Desired, Hold, HoldKind, Object};
use crate::ledger::{AskedNudge, Ledger};
use crate::model::{Address, Evidence, IncarnationId, Origin, Reason, Role, Seen, Stamp, Why};
use crate::observed::Observed;

use super::opening::{Opening, opening};
use super::orphans::{self, Whose};
use super::presence::presence;
use super::sight::Sight;
use super::state::{Alive, State};
use super::types::{Action, Decision, Gate, Options, Step, Verdict};
use super::{boot, letters, poke, polecats, start, stuck, usage};

/// What is wanted of an object, after all its holds are joined.
enum Want<'a> {
    /// It should run.
    Run,
    /// It need not run; what runs is left alone.
    Leave(Cow<'a, Hold>),
    /// It should not run.
    Stop(Cow<'a, Hold>),
    /// Nothing about it may be touched.
    Freeze(Cow<'a, Hold>),
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// What the files ask for.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// The sessions of it.
    pub sight: &'a Sight<'a>,
    /// What is remembered.
    pub ledger: &'a Ledger,
    /// The moment.
    pub now: &'a Stamp,
}

/// Verdicts on all objects, those that others need first.
pub fn all(given: Given<'_>, options: Options) -> Vec<Verdict> {
    let Given { desired, observed, sight, ledger, now } = given;
    let mut objects: Vec<&Object> = desired.objects.values().collect();
    // What is wanted of boot follows from how the deacon was judged. Within a wave the order of the addresses stays.
    objects.sort_by_key(|object| (object.address == Address::Boot, object.wave));
    let mut judged = Judged::with_capacity(objects.len());
    let endings = usage::endings(desired, observed, ledger, now);
    let limits = usage::limits(ledger, &endings);
    for object in objects {
        let input = start::Input {
            object,
            desired,
            observed,
            sight,
            ledger,
            degraded: options.degraded,
            now,
            limits: &limits,
            judged: &judged,
        };
        let verdict = one(&input);
        judged.push(&object.address, verdict);
    }
    judged.verdicts
}

/// Verdicts on the objects of earlier waves.
pub struct Judged<'a> {
    verdicts: Vec<Verdict>,
    places: HashMap<&'a Address, usize>,
}

impl<'a> Judged<'a> {
    fn with_capacity(objects: usize) -> Self {
        Self { verdicts: Vec::with_capacity(objects), places: HashMap::with_capacity(objects) }
    }

    /// The verdict on an object.
    pub fn get(&self, address: &Address) -> Option<&Verdict> {
        self.verdicts.get(*self.places.get(address)?)
    }

    fn push(&mut self, address: &'a Address, verdict: Verdict) {
        self.places.insert(address, self.verdicts.len());
        self.verdicts.push(verdict);
    }
}

fn one(input: &start::Input<'_>) -> Verdict {
    let object = input.object;
    let state = presence(object, input.given());
    let hold = strictest(object, input.ledger, input.now);
    let mut verdict = Verdict {
        address: object.address.clone(),
        wanted: hold.as_ref().map(|hold| hold.kind.clone()),
        drifted: drifted(&state, object) && !is_recipe_in_doubt(hold.as_deref()),
        evidence: evidence(&state),
        state,
        decision: Decision::Nothing,
        because: Reason::Running,
        origin: object.origin.clone(),
        note: None,
        silence: None,
        next: None,
    };
    if input.ledger.in_flight.contains(&object.address) {
        verdict.because = Reason::InFlight;
        return verdict;
    }
    // Where the files stopped it, nobody misses what has no terminal any more; where they only start nothing, they leave it.
    let is_reaped = hold
        .as_ref()
        .is_none_or(|hold| matches!(hold.kind, HoldKind::Parked | HoldKind::Docked | HoldKind::Stopped(_)));
    let is_polecat = object.address.role() == Role::Polecat;
    match want(object, hold) {
        Want::Run if object.address == Address::Boot => boot::judge(&mut verdict, input),
        Want::Run if is_polecat => polecats::run(&mut verdict, input),
        Want::Stop(hold) if is_polecat => polecats::stop(&mut verdict, &hold, input),
        Want::Run => run(&mut verdict, input),
        Want::Leave(hold) => leave(&mut verdict, &hold, input),
        Want::Stop(hold) => stop(&mut verdict, &hold, input),
        Want::Freeze(hold) => held_by(&mut verdict, &hold),
    }
    // While the agents may be in another server, nobody is without a session.
    if is_reaped && start::server(input).is_ok() {
        let start::Input { object, desired, observed, ledger, .. } = *input;
        let address = &object.address;
        orphans::reap(
            &mut verdict,
            Whose { address, object: Some(object), is_alive: false, desired, observed, ledger },
        );
    }
    if let Some(rest) = input.ledger.resting.get(&object.address)
        && verdict.step_mut().is_some()
        && !input.now.until(&rest.until).is_zero()
    {
        verdict.hold(Reason::Retry { until: rest.until.clone() });
    }
    if is_polecat {
        letters::add(&mut verdict, input);
    }
    verdict
}

/// Joins the holds of the files and what somebody asked for; the strictest that is still active wins.
fn strictest<'a>(object: &'a Object, ledger: &Ledger, now: &Stamp) -> Option<Cow<'a, Hold>> {
    let of_files = object.holds.iter().find(|hold| hold.is_active(now.wall)).map(Cow::Borrowed);
    let asked = ledger.stopped.get(&object.address).map(|asked| {
        let kind = HoldKind::Stopped(asked.by.clone());
        let note = Some(format!("since {}", asked.at.wall.strftime("%Y-%m-%dT%H:%M:%SZ")));
        Cow::Owned(Hold { note, ..Hold::new(kind, Origin::Request(asked.by.clone())) })
    });
    of_files.into_iter().chain(asked).max_by(|one, other| one.kind.cmp(&other.kind))
}

/// What the strictest hold means depends on the role: "not wanted" is not "must not exist".
fn want<'a>(object: &Object, hold: Option<Cow<'a, Hold>>) -> Want<'a> {
    let Some(hold) = hold else { return Want::Run };
    match (&hold.kind, object.address.role()) {
        (HoldKind::Frozen | HoldKind::Unreadable(_), _) => Want::Freeze(hold),
        (HoldKind::Stopped(_), _) => Want::Stop(hold),
        (HoldKind::Disabled | HoldKind::NoRestart, _) => Want::Leave(hold),
        (HoldKind::Parked | HoldKind::Docked, Role::Witness | Role::Refinery) => Want::Stop(hold),
        (HoldKind::Docked, Role::Polecat) => Want::Stop(hold),
        (HoldKind::Parked, Role::Polecat) => Want::Leave(hold),
        (
            HoldKind::Parked | HoldKind::Docked,
            Role::Crew | Role::Mayor | Role::Deacon | Role::Boot | Role::Session,
        ) => Want::Leave(hold),
    }
}

/// Whether an object is wanted to run at all.
pub(super) fn is_wanted(object: &Object, ledger: &Ledger, now: &Stamp) -> bool {
    strictest(object, ledger, now).is_none()
}

/// It should run.
pub(super) fn run(verdict: &mut Verdict, input: &start::Input<'_>) {
    match verdict.state.clone() {
        State::Running(alive) => keep(verdict, &alive, input),
        State::Starting(alive) => verdict.because = Reason::Starting { lived: alive.lived },
        State::Adoptable(alive) => step(verdict, Action::Adopt(alive.fence), Reason::StartedByGt),
        State::Absent | State::Vanished => {
            let because = match (ended_for(verdict, input), &verdict.state) {
                (Some(stuck), _) => stuck,
                (None, State::Vanished) => Reason::Vanished,
                (None, _) => Reason::Absent,
            };
            start::gates(verdict, input, because);
        }
        State::ServerLost => start::gates(verdict, input, Reason::ServerLost),
        State::Dead { exit, .. } => start::gates(verdict, input, Reason::Exited { exit }),
        State::PaneGone { .. } => start::gates(verdict, input, Reason::PaneGone),
        // Its process lives, in a tmux server at another socket than the files name now.
        State::Detached { fence: None, .. } if start::server(input).is_err() => {
            if let Err(reason) = start::server(input) {
                verdict.hold(reason);
            }
        }
        State::BareShell(alive) if alive.attached => verdict.hold(Reason::Attached),
        State::BareShell(alive) if input.sight.other_panes_alive(&alive.fence) > 0 => {
            verdict.hold(Reason::PanesLeft { count: input.sight.other_panes_alive(&alive.fence) });
        }
        State::BareShell(_) => start::gates(verdict, input, Reason::ShellLeft),
        other => undecided(verdict, other),
    }
}

/// Why gtctl itself ended it, if it did and it is to run on.
fn ended_for(verdict: &mut Verdict, input: &start::Input<'_>) -> Option<Reason> {
    let silent = input.ledger.objects.get(&input.object.address)?.stuck?;
    verdict.evidence = vec![Evidence::now("its last life was ended for that")];
    Some(Reason::Stuck { silent })
}

/// It runs as it should; at most somebody wants another life of it, or something typed into this one.
pub(super) fn keep(verdict: &mut Verdict, alive: &Alive, input: &start::Input<'_>) {
    verdict.because = Reason::Running;
    let Some(incarnation) = alive.incarnation.as_ref().map(|alive| &alive.marker.incarnation) else { return };
    if let Some(asked) = input.ledger.restarts.get(&verdict.address)
        && asked.incarnation == *incarnation
    {
        return step(verdict, Action::Kill(alive.fence.clone()), Reason::Asked { by: asked.by.clone() });
    }
    // Nobody is silent whose start is not over, and nothing is typed into it.
    let is_over = opening(&verdict.address, alive, input.ledger, input.now) == Opening::Over;
    if is_over && stuck::judge(verdict, alive, incarnation, input) {
        return;
    }
    say(verdict, alive, incarnation, input);
    if is_over {
        poke::judge(verdict, alive, incarnation, input);
    }
}

/// Types into it what somebody asked for, if that is possible now.
fn say(verdict: &mut Verdict, alive: &Alive, incarnation: &IncarnationId, input: &start::Input<'_>) {
    let is_due = |nudge: &&AskedNudge| {
        nudge.address == verdict.address
            && nudge.incarnation == *incarnation
            && !nudge.begun
            && !input.now.until(&nudge.until).is_zero()
    };
    let opening = opening(&verdict.address, alive, input.ledger, input.now);
    if let Opening::Asks(what) = opening {
        return verdict.hold(Reason::WaitingForInput { what });
    }
    let Some(nudge) = input.ledger.nudges.iter().find(is_due) else { return };
    let not_ready = if let Opening::Waits(why) = opening { Some(why) } else { None };
    match not_ready.or_else(|| busy(alive, input.sight).map(Why::new)) {
        Some(why) => {
            verdict.because = Reason::NudgeWaiting { why, until: nudge.until.clone() };
        }
        None => {
            let action = Action::Nudge { fence: alive.fence.clone(), text: nudge.text.clone() };
            step(verdict, action, Reason::Asked { by: nudge.by.clone() });
        }
    }
}

/// Why nothing can be typed into an agent at the moment.
pub(super) fn busy(alive: &Alive, sight: &Sight<'_>) -> Option<&'static str> {
    if alive.attached {
        return Some("somebody is attached to its session");
    }
    sight.is_in_mode(&alive.fence).then_some("its pane is in a mode, somebody may be reading")
}

/// It need not run. What runs is left alone, what does not is not started.
fn leave(verdict: &mut Verdict, hold: &Hold, input: &start::Input<'_>) {
    match verdict.state.clone() {
        State::Running(alive) => {
            held_by(verdict, hold);
            verdict.decision = Decision::Nothing;
            // It runs on, so it can be spoken to.
            if let Some(incarnation) = alive.incarnation.as_ref().map(|alive| &alive.marker.incarnation) {
                say(verdict, &alive, incarnation, input);
            }
        }
        State::Starting(_) | State::Adoptable(_) => {
            held_by(verdict, hold);
            verdict.decision = Decision::Nothing;
        }
        // Nothing would be done whatever the state, so the state need not be known.
        _ => held_by(verdict, hold),
    }
}

/// It should not run.
pub(super) fn stop(verdict: &mut Verdict, hold: &Hold, input: &start::Input<'_>) {
    if let State::Dead { fence, .. } | State::PaneGone { fence } | State::BareShell(Alive { fence, .. }) =
        &verdict.state
    {
        let count = input.sight.other_panes_alive(fence);
        if count > 0 {
            return verdict.hold(Reason::PanesLeft { count });
        }
    }
    let fence = match verdict.state.clone() {
        State::Running(alive) | State::Starting(alive) | State::BareShell(alive) => alive.fence,
        State::Dead { fence, .. }
        | State::PaneGone { fence }
        | State::Detached { fence: Some(fence), .. } => fence,
        // First it must carry our label: the fence of a stop is the label.
        State::Adoptable(alive) => {
            return step(verdict, Action::Adopt(alive.fence), Reason::StartedByGt);
        }
        State::Absent | State::Vanished | State::ServerLost | State::Foreign { .. } => {
            return held_by(verdict, hold);
        }
        other => return undecided(verdict, other),
    };
    held_by(verdict, hold);
    verdict.decision = Decision::Step(Step { action: Action::Kill(fence), gate: Gate::Ready });
}

/// States in which nothing can be decided, whatever is wanted.
pub(super) fn undecided(verdict: &mut Verdict, state: State) {
    let because = match state {
        State::Unknown(why) => Reason::Unknown { why },
        State::Ending => Reason::Unknown {
            why: crate::model::Why::new("its process has just ended, tmux has not noticed yet"),
        },
        State::SocketLost { pid } => Reason::SocketLost { pid },
        State::Foreign { session, why } => Reason::Foreign { session, why },
        State::Duplicate { count } => Reason::Duplicate { count },
        State::Detached { process, .. } => Reason::Detached { pid: process.pid },
        State::Elsewhere { process } => Reason::Elsewhere { pid: process.pid },
        State::Absent
        | State::Vanished
        | State::ServerLost
        | State::Starting(_)
        | State::Running(_)
        | State::BareShell(_)
        | State::Dead { .. }
        | State::PaneGone { .. }
        | State::Adoptable(_) => Reason::Running,
    };
    verdict.hold(because);
}

pub(super) fn step(verdict: &mut Verdict, action: Action, because: Reason) {
    verdict.because = because;
    verdict.decision = Decision::Step(Step { action, gate: Gate::Ready });
}

pub(super) fn held_by(verdict: &mut Verdict, hold: &Hold) {
    verdict.hold(hold.reason());
    verdict.origin = hold.origin.clone();
    verdict.note = hold.note.clone();
    if let Some(until) = hold.until {
        verdict.evidence.push(Evidence::now(format!("until {until}")));
    }
}

/// Whether a file that decides about it cannot be read: then its recipe may be another one.
fn is_recipe_in_doubt(hold: Option<&Hold>) -> bool {
    hold.is_some_and(|hold| matches!(hold.kind, HoldKind::Unreadable(_)))
}

fn drifted(state: &State, object: &Object) -> bool {
    let spec = match state {
        State::Running(alive) | State::Starting(alive) => alive.spec.as_ref(),
        _ => None,
    };
    spec.is_some_and(|spec| *spec != object.spec)
}

fn evidence(state: &State) -> Vec<Evidence> {
    let one = |what: String| vec![Evidence::now(what)];
    match state {
        State::Absent => one("no session carries its marker or has its name".to_owned()),
        State::Vanished => one("its session is gone, its process too, and no stop was recorded".to_owned()),
        State::ServerLost => one("the tmux server that it ran in is gone, its process too".to_owned()),
        State::Starting(alive) | State::Running(alive) | State::Adoptable(alive) => {
            let pid = alive.fence.process().map_or(0, |process| process.pid);
            vec![Evidence::aged(
                format!("process {pid} in session {} ({})", alive.fence.name(), alive.fence.session()),
                alive.lived,
            )]
        }
        State::BareShell(alive) => {
            let pid = alive.fence.process().map_or(0, |process| process.pid);
            one(format!("process {pid} is a shell without script and children"))
        }
        State::Dead { fence, exit } => {
            let pid = fence.pane().map_or(0, |(_, pid)| pid);
            let how = exit.map_or_else(|| "tmux does not know how".to_owned(), |exit| exit.to_string());
            one(format!("its pane is dead and process {pid} is gone: {how}"))
        }
        State::PaneGone { fence } => {
            one(format!("session {} has no pane that it was started in", fence.name()))
        }
        State::Detached { process, .. } => one(format!("process {process} lives without its terminal")),
        State::Elsewhere { process } => {
            one(format!("process {process} has its mark, and lives in a tmux server that is not the town's"))
        }
        State::Ending
        | State::Unknown(_)
        | State::SocketLost { .. }
        | State::Foreign { .. }
        | State::Duplicate { .. } => Vec::new(),
    }
}

/// Whether a place could be seen, for the gates of a start.
pub(super) fn seen<T>(place: &Seen<T>) -> Result<&T, Reason> {
    match place {
        Seen::Known(value) => Ok(value),
        Seen::Unknown(why) => Err(Reason::Unknown { why: why.clone() }),
    }
}

/// Who asked, for objects that no file mentions.
pub(super) fn nobody() -> Origin {
    Origin::Default
}
