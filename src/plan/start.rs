//! The gates that a start must pass, one after the other. The first that is shut gives the reason.

use crate::desired::{Desired, Object};
use crate::ledger::{Attempt, Cause, Ledger, Limited, May, Record, may_start};
use crate::model::{Address, Evidence, Marker, Reason, Seen, Stamp, Why};
use crate::observed::Observed;
use crate::town::files::town_toml::RestartPolicy;

use super::judge::{Given, Judged};
use super::sight::Sight;
use super::state::State;
use super::types::{Action, Decision, Gate, Launch, LaunchInto, Step, Verdict};
use super::{judge, usage};

/// Everything that a verdict may depend on.
pub struct Input<'a> {
    /// The object.
    pub object: &'a Object,
    /// The graph.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// The sessions of it.
    pub sight: &'a Sight<'a>,
    /// What is remembered.
    pub ledger: &'a Ledger,
    /// Whether no agent is started that looks after the deacon.
    pub degraded: bool,
    /// The moment.
    pub now: &'a Stamp,
    /// Accounts that have used up what they may.
    pub limits: &'a [(&'a Address, &'a Limited)],
    /// Verdicts on the objects of earlier waves.
    pub judged: &'a Judged<'a>,
}

impl<'a> Input<'a> {
    /// What the whole plan is made from.
    pub fn given(&self) -> Given<'a> {
        let Self { desired, observed, sight, ledger, now, .. } = *self;
        Given { desired, observed, sight, ledger, now }
    }
}

/// Lets a start pass, or holds it.
pub fn gates(verdict: &mut Verdict, input: &Input<'_>, because: Reason) {
    let record = input.ledger.record(&input.object.address);
    match through(verdict, input, &record, &because) {
        Err(reason) => {
            verdict.evidence.extend(record.starts.last().map(|start| {
                Evidence::aged(
                    format!("last started, restart {} since it was stable", record.restarts()),
                    input.now.since(&start.at),
                )
            }));
            verdict.hold(reason);
        }
        Ok((launch, gate)) => {
            let has_run = match because {
                Reason::Absent => false,
                Reason::DeaconUnwell { .. } => verdict.state != State::Absent,
                _ => true,
            };
            verdict.because = if launch.cause == Cause::Probe { Reason::Probe } else { because };
            let action = if has_run { Action::Restart(launch) } else { Action::Start(launch) };
            verdict.decision = Decision::Step(Step { action, gate });
        }
    }
}

/// Why it could not be started at once if it ended now, for this reason; nobody is ended whose successor would have to wait.
pub(super) fn shut(verdict: &Verdict, input: &Input<'_>, because: &Reason) -> Option<Reason> {
    let record = input.ledger.record(&input.object.address);
    through(verdict, input, &record, because).err()
}

fn through(
    verdict: &Verdict,
    input: &Input<'_>,
    record: &Record,
    because: &Reason,
) -> Result<(Launch, Gate), Reason> {
    server(input)?;
    policy(input.object, record, because)?;
    usage(input)?;
    let by_limit = ended_by_limit(verdict, input.ledger);
    let attempt = if by_limit { Attempt::Ordinary } else { backoff(input, record, because)? };
    memory(input.ledger)?;
    let place = input
        .observed
        .places
        .get(&input.object.address)
        .ok_or(Reason::Unknown { why: Why::new("its directory was not looked at") })?;
    let directory = judge::seen(&place.directory)?.clone().ok_or_else(|| missing_directory(input.object))?;
    let program = judge::seen(&place.program)?.clone().ok_or_else(|| Reason::ProgramMissing {
        program: input.object.recipe.program().to_owned(),
        path: place.path.clone(),
    })?;
    let gate = order(input)?;
    let into = match &verdict.state {
        State::Dead { fence, .. } => LaunchInto::DeadPane(fence.clone()),
        State::PaneGone { fence } => LaunchInto::NewWindow(fence.clone()),
        State::BareShell(alive) => LaunchInto::Replacing(alive.fence.clone()),
        _ => LaunchInto::NewSession,
    };
    let cause = match (attempt, because) {
        (Attempt::Probe, _) => Cause::Probe,
        (Attempt::Ordinary, _) if by_limit => Cause::UsageLimit,
        (Attempt::Ordinary, Reason::Absent) => Cause::First,
        // It ends by itself, and is started for another reason than that it ended.
        (Attempt::Ordinary, Reason::DeaconUnwell { .. }) => Cause::CleanExit,
        (Attempt::Ordinary, Reason::Stuck { .. }) => Cause::Stuck,
        (Attempt::Ordinary, Reason::ServerLost) if !lost_again(input, record) => Cause::ServerLost,
        (Attempt::Ordinary, Reason::Exited { exit: Some(exit) }) if exit.is_clean() => Cause::CleanExit,
        (Attempt::Ordinary, _) => Cause::Crash,
    };
    Ok((Launch { into, cause, directory, program }, gate))
}

fn missing_directory(object: &Object) -> Reason {
    let all: Vec<String> =
        object.recipe.directories.iter().map(|directory| directory.display().to_string()).collect();
    Reason::DirectoryMissing { directory: all.join(" or ") }
}

/// The files name another socket than the one that the agents were last seen at, and that server lives: starting here would double them.
pub(super) fn server(input: &Input<'_>) -> Result<(), Reason> {
    let Some(recorded) = &input.ledger.server else { return Ok(()) };
    if recorded.socket == input.observed.socket {
        return Ok(());
    }
    match &input.observed.past_server {
        Some(Seen::Known(false)) | None => Ok(()),
        Some(Seen::Known(true)) => Err(Reason::ServerChanged { recorded: recorded.socket.clone() }),
        Some(Seen::Unknown(why)) => Err(Reason::Unknown { why: why.clone() }),
    }
}

fn policy(object: &Object, record: &Record, because: &Reason) -> Result<(), Reason> {
    let spec = &object.spec;
    // What has ended was another thing: a changed spec is a new task.
    if record.spec.as_ref().is_some_and(|started| started != spec) {
        return Ok(());
    }
    if record.finished.as_ref() == Some(spec) && object.restart != RestartPolicy::Always {
        let exit = if let Reason::Exited { exit } = because { *exit } else { None };
        return Err(Reason::Finished { exit });
    }
    let exit = match because {
        Reason::Exited { exit } => *exit,
        Reason::ShellLeft | Reason::PaneGone | Reason::Vanished => None,
        // It never ran, or ended through no fault of its own.
        _ => return Ok(()),
    };
    match object.restart {
        RestartPolicy::Always => Ok(()),
        RestartPolicy::Never => Err(Reason::Finished { exit }),
        RestartPolicy::OnFailure => match exit {
            Some(exit) if exit.is_clean() => Err(Reason::Finished { exit: Some(exit) }),
            Some(_) => Ok(()),
            None if matches!(because, Reason::Exited { .. }) => Err(Reason::Unknown {
                why: Why::new(
                    "it ended and tmux does not know how; whether that was a failure cannot be told",
                ),
            }),
            None => Ok(()),
        },
    }
}

fn usage(input: &Input<'_>) -> Result<(), Reason> {
    match usage::holds(input.object, input.limits, input.now) {
        None => Ok(()),
        Some((by, limit)) => Err(Reason::UsageLimit {
            account: limit.account.clone(),
            by: Box::new(by.clone()),
            until: limit.until.clone(),
        }),
    }
}

/// Whether what is dead there ended because its account had used up what it may.
fn ended_by_limit(verdict: &Verdict, ledger: &Ledger) -> bool {
    let State::Dead { fence, .. } = &verdict.state else { return false };
    let marker = fence.label().parse::<Marker>();
    marker.is_ok_and(|marker| ledger.ended_by_limit(&verdict.address, &marker.incarnation))
}

fn backoff(input: &Input<'_>, record: &Record, because: &Reason) -> Result<Attempt, Reason> {
    let policy = &input.desired.policy;
    match may_start(record, &input.object.spec, policy, input.now) {
        May::Now(attempt) => Ok(attempt),
        // The server took it along; it need not wait for what it did before.
        May::After { .. } if *because == Reason::ServerLost && !lost_again(input, record) => {
            Ok(Attempt::Ordinary)
        }
        May::After { until, restarts } => {
            Err(Reason::Backoff { until, attempt: restarts, of: policy.crash_loop.count })
        }
        May::CrashLoop { restarts, probe_at } => {
            Err(Reason::CrashLoop { count: restarts, window: policy.crash_loop.window.get(), probe_at })
        }
    }
}

/// Whether its server was lost a short while ago already. An agent that takes the server along each time it starts is a crash, whoever dies.
fn lost_again(input: &Input<'_>, record: &Record) -> bool {
    let window = input.desired.policy.crash_loop.window.get();
    record.server_lost.as_ref().is_some_and(|before| input.now.since(before) < window)
}

fn memory(ledger: &Ledger) -> Result<(), Reason> {
    match &ledger.trouble {
        None => Ok(()),
        Some(why) => Err(Reason::MemoryNotDurable { why: why.clone() }),
    }
}

/// What it needs must be alive first. What is not wanted to run is not waited for: an order is not a requirement.
fn order(input: &Input<'_>) -> Result<Gate, Reason> {
    let mut coming = Vec::new();
    let mut missing = Vec::new();
    for need in &input.object.after {
        let wanted = input
            .desired
            .objects
            .get(need)
            .is_some_and(|object| judge::is_wanted(object, input.ledger, input.now));
        let Some(verdict) = input.judged.get(need).filter(|_| wanted) else { continue };
        match (&verdict.state, &verdict.decision) {
            _ if verdict.because == Reason::InFlight => coming.push(need.clone()),
            _ if matches!(verdict.because, Reason::WaitingForInput { .. }) => missing.push(need.clone()),
            (State::Running(_), _) => {}
            _ if matches!(verdict.because, Reason::Finished { .. }) => {}
            (State::Starting(_), _) | (_, Decision::Step(_)) => coming.push(need.clone()),
            _ => missing.push(need.clone()),
        }
    }
    if !missing.is_empty() {
        Err(Reason::WaitingFor { needs: missing })
    } else if coming.is_empty() {
        Ok(Gate::Ready)
    } else {
        Ok(Gate::After(coming))
    }
}
