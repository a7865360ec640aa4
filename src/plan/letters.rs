//! Letters to the witness of a rig about its polecats: what it is told, and that it is told once.
//!
//! Subjects and bodies are those that gt's own daemon writes, for the prompts of witnesses know them.

use std::path::PathBuf;
use std::time::Duration;

use crate::ledger::{LetterKind, Progress, Told};
use crate::model::{Address, Evidence, IncarnationId, Period, Reason, Seen, Stamp};
use crate::observed::Observed;
use crate::observed::beads::AgentState;
use crate::observed::work::{Hook, Work};

use super::polecats::{self, Wish};
use super::start::Input;
use super::state::State;
use super::types::{Action, Decision, Gate, Step, Verdict};

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Whom it is for, as gt has it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// What it is about.
    pub kind: LetterKind,
    /// The work.
    pub bead: String,
    /// The life; `None` if none was ever seen.
    pub life: Option<IncarnationId>,
}

/// Something that the witness should know.
struct Condition<'a> {
    kind: LetterKind,
    work: &'a Work,
    hook: &'a Hook,
    life: Option<&'a IncarnationId>,
    /// In words, for the letter.
    what: String,
    /// For how long.
    lasts: Duration,
}

/// Makes the verdict on a polecat a letter, if there is something to tell and nothing else to do.
pub(super) fn add(verdict: &mut Verdict, input: &Input<'_>) {
    let found = match &verdict.decision {
        Decision::Held if polecats::is_over(&verdict.state) => of_dead(verdict, input),
        Decision::Nothing if verdict.because == Reason::Running => of_living(verdict, input),
        Decision::Nothing | Decision::Held | Decision::Step(_) => None,
    };
    let Some(condition) = found else { return };
    if condition.kind == LetterKind::Stalled {
        verdict.evidence.push(Evidence::aged(
            format!("neither {} nor its own bead has changed", condition.hook.bead),
            condition.lasts,
        ));
    }
    match &input.observed.gt {
        Some(Seen::Known(program)) => send(verdict, &condition, program.clone(), input),
        Some(Seen::Unknown(why)) => {
            let what = format!("its witness is not told, because whether gt is there is unknown: {why}");
            verdict.evidence.push(Evidence::now(what));
        }
        None => verdict.evidence.push(Evidence::now("its witness is not told, because gt is not there")),
    }
}

fn send(verdict: &mut Verdict, condition: &Condition<'_>, program: PathBuf, input: &Input<'_>) {
    let known = input.ledger.polecats.get(&verdict.address);
    let told = known.and_then(|known| {
        let is_it = |told: &&Told| told.is_about(condition.kind, &condition.hook.bead, condition.life);
        known.letters.iter().find(is_it)
    });
    if let Some(told) = told {
        verdict.evidence.push(Evidence::aged("its witness was told", input.now.since(&told.at)));
        match &told.again {
            None => return,
            Some(again) if !input.now.until(again).is_zero() => {
                verdict.next = earlier(verdict.next.take(), again.clone(), input);
                return;
            }
            Some(_) => {}
        }
    }
    // What cannot be remembered as sent would be sent again and again.
    if input.ledger.trouble.is_some() {
        return;
    }
    let Some(letter) = letter(verdict, condition) else { return };
    if condition.kind == LetterKind::Stalled {
        verdict.because = Reason::NoProgress { bead: condition.hook.bead.clone(), quiet: condition.lasts };
    }
    verdict.decision = Decision::Step(Step { action: Action::Notify { letter, program }, gate: Gate::Ready });
}

fn earlier(one: Option<Stamp>, other: Stamp, input: &Input<'_>) -> Option<Stamp> {
    one.into_iter().chain([other]).min_by_key(|at| input.now.until(at))
}

/// It lives, and its work does not get on.
fn of_living<'a>(verdict: &Verdict, input: &Input<'a>) -> Option<Condition<'a>> {
    let policy = &input.desired.policy.polecats;
    let State::Running(alive) = &verdict.state else { return None };
    if !policy.gupp_mail || input.observed.away.is_some() {
        return None;
    }
    let progress = progress(verdict, input.observed)?;
    let (work, hook) = open_work(&verdict.address, input.observed)?;
    let age = input.now.since(&work.at);
    let quiet = input.ledger.quiet_for(&verdict.address, &progress, input.observed.awake, age);
    let quiet = quiet.min(alive.lived);
    let known = input.ledger.polecats.get(&verdict.address)?.progress.as_ref()?;
    (quiet >= policy.gupp_after.get()).then(|| Condition {
        kind: LetterKind::Stalled,
        work,
        hook,
        life: Some(&known.life),
        what: words(quiet),
        lasts: quiet,
    })
}

/// How the work of a living polecat gets on, by the last answer; `None` if it has none, or waits for something.
pub fn progress(verdict: &Verdict, observed: &Observed) -> Option<Progress> {
    let State::Running(alive) = &verdict.state else { return None };
    let (work, hook) = open_work(&verdict.address, observed)?;
    let changed = work.agent.as_ref().and_then(|agent| agent.updated).into_iter().chain(hook.updated).max();
    Some(Progress {
        life: alive.incarnation.as_ref()?.marker.incarnation.clone(),
        bead: hook.bead.clone(),
        changed,
        boot: observed.at.boot.clone(),
        since: observed.awake,
    })
}

fn open_work<'a>(address: &Address, observed: &'a Observed) -> Option<(&'a Work, &'a Hook)> {
    let Some(Seen::Known(work)) = observed.work.get(address) else { return None };
    let hook = work.hook.as_ref().filter(|hook| !hook.closed)?;
    let state = work.agent.as_ref().and_then(|agent| agent.state.as_ref());
    // Who waits for a gate gets on when it opens.
    let rests = matches!(state, Some(AgentState::Done | AgentState::Nuked | AgentState::AwaitingGate));
    (!rests).then_some((work, hook))
}

/// It is dead, has work, and is not about to be started.
fn of_dead<'a>(verdict: &mut Verdict, input: &Input<'a>) -> Option<Condition<'a>> {
    let policy = &input.desired.policy.polecats;
    let Wish::Work(work, hook) = polecats::wish(input) else { return None };
    let known = input.ledger.polecats.get(&verdict.address)?;
    let record = input.ledger.objects.get(&verdict.address);
    let life = record.and_then(|record| record.incarnation.as_ref()).map(|life| &life.marker.incarnation);
    let lasts = input.now.since(known.ended.as_ref()?);
    let condition = |kind, what| Condition { kind, work, hook, life, what, lasts };
    match (&verdict.because, &known.failed) {
        (Reason::CrashLoop { count, window, .. }, _) => policy.crash_mail.then(|| {
            condition(LetterKind::Crashed, format!("crash loop, {count} restarts in {}", words(*window)))
        }),
        (Reason::Backoff { .. }, Some(why)) => {
            policy.crash_mail.then(|| condition(LetterKind::Crashed, why.to_string()))
        }
        (because, _) if policy.orphan_mail && is_left_dead(because) => {
            let left = policy.orphaned_after.get().saturating_sub(lasts);
            if !left.is_zero() {
                verdict.next = earlier(verdict.next.take(), input.now.plus(left), input);
                return None;
            }
            Some(condition(LetterKind::Orphaned, because.code().to_owned()))
        }
        _ => None,
    }
}

/// Whether nobody is about to start it again, as long as nothing else changes.
fn is_left_dead(because: &Reason) -> bool {
    matches!(
        because,
        Reason::Parked
            | Reason::Docked
            | Reason::NoRestart
            | Reason::Disabled
            | Reason::Stopped { .. }
            | Reason::NeverSeen
            | Reason::DirectoryMissing { .. }
            | Reason::ProgramMissing { .. }
            | Reason::SessionLimit { .. }
            | Reason::PanesLeft { .. }
    )
}

fn words(length: Duration) -> String {
    // Whole seconds are all that people read.
    Period::seconds(length.as_secs()).to_string()
}

/// The letter, if its rig has a witness to write to.
fn letter(verdict: &Verdict, condition: &Condition<'_>) -> Option<Letter> {
    let Condition { kind, work, hook, life, what, .. } = condition;
    let (rig, name) = (verdict.address.rig()?, verdict.address.worker()?);
    let polecat = format!("{rig}/{name}");
    let agent = work.agent.as_ref().map_or(polecat.as_str(), |agent| agent.bead.as_str());
    let bead = &hook.bead;
    let (subject, body) = match kind {
        LetterKind::Crashed => (
            format!("CRASHED_POLECAT: {polecat} restart failed"),
            format!(
                "Polecat {polecat} has ended with work on its hook, and does not stay up when it is started again.\n\n\
                 hook_bead: {bead}\nrestart_error: {what}\n\nManual intervention may be required."
            ),
        ),
        LetterKind::Orphaned => (
            format!("ORPHANED_WORK: {agent} has hooked work but is dead"),
            format!(
                "Agent {agent} is dead but has work on its hook, and it is not started again ({what}).\n\n\
                 hook_bead: {bead}\n\nAction needed: either restart the agent or reassign the work."
            ),
        ),
        LetterKind::Stalled => (
            format!("GUPP_VIOLATION: {agent} stuck for {what}"),
            format!(
                "Agent {agent} has work on hook but isn't progressing.\n\n\
                 hook_bead: {bead}\nstuck_duration: {what}\n\n\
                 Action needed: check whether it is stuck, nudge it, or reassign the work."
            ),
        ),
    };
    let to = format!("{rig}/witness");
    Some(Letter { to, subject, body, kind: *kind, bead: bead.clone(), life: life.cloned() })
}
