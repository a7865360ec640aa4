//! Words for people: what each reason, step and outcome is called. Nothing here is parsed by anybody; scripts have the codes.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::events::{Event, Kind};
use crate::act::{Order, Outcome};
use crate::ledger::FileSeen;
use crate::model::{Address, Exit, Origin, Period, Reason, Stamp};
use crate::plan::{Action, Decision, Force, Gate, LaunchInto, Refusal, Step, Verdict};
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::files::town_toml::TOWN_TOML;

/// A length of time, rounded so that it does not pretend to matter more than it does.
pub fn length(length: Duration) -> String {
    let rounded =
        if length >= Duration::from_secs(1) { Duration::from_secs(length.as_secs()) } else { length };
    Period::from(rounded).to_string()
}

/// A moment of today by its time, another one with its date, in the local zone.
pub fn moment(moment: &Stamp, now: &Stamp) -> String {
    let zone = TimeZone::system();
    let (then, today) = (moment.wall.to_zoned(zone.clone()), now.wall.to_zoned(zone));
    let format = if then.date() == today.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    then.strftime(format).to_string()
}

/// A reason in words.
pub fn reason(reason: &Reason, now: &Stamp) -> String {
    match reason {
        Reason::Absent => "it is not there".to_owned(),
        Reason::Vanished => "session vanished, no stop recorded".to_owned(),
        Reason::Exited { exit } => format!("it ended: {}", ended(*exit)),
        Reason::ShellLeft => "its agent ended and left a bare shell".to_owned(),
        Reason::PaneGone => "the pane it ran in is gone".to_owned(),
        Reason::ServerLost => "its tmux server is gone".to_owned(),
        Reason::Probe => "crash loop: time for one more try".to_owned(),
        Reason::DeaconUnwell { why } => format!("the deacon looks unwell: {why}"),
        Reason::Overdue { lived } => format!("it has lived for {} and should have ended", length(*lived)),
        Reason::DeaconWell => "the deacon needs nobody to look after it".to_owned(),
        Reason::Cooldown { until } => {
            format!("the deacon looks unwell; it is looked after again at {}", moment(until, now))
        }
        Reason::Degraded => "GT_DEGRADED is set: the deacon is checked without it".to_owned(),
        Reason::Parked => "its rig is parked".to_owned(),
        Reason::Docked => "its rig is docked".to_owned(),
        Reason::Stopped { by } => format!("stopped by {by}"),
        Reason::Pruned => "no file lists it any more".to_owned(),
        Reason::Stuck { silent } => format!("it has been silent for {} and did not answer", length(*silent)),
        Reason::Stale { silent } => format!("it has been silent for {}", length(*silent)),
        Reason::Quiet { quiet } => format!("it has been quiet for {}", length(*quiet)),
        Reason::Asked { by } => format!("asked for by {by}"),
        Reason::StartedByGt => "its environment proves that it was started for this town".to_owned(),
        Reason::Running => "as it should be".to_owned(),
        Reason::NudgeWaiting { why, until } => {
            format!("as it should be; a nudge waits until {} at most: {why}", moment(until, now))
        }
        Reason::WaitingForInput { what } => {
            format!("it waits for input at its start: its screen says `{what}`; attach to it and answer")
        }
        Reason::Starting { lived } => format!("started {} ago, not settled yet", length(*lived)),
        Reason::InFlight => "an action on it is under way".to_owned(),
        Reason::Disabled => "it is disabled".to_owned(),
        Reason::NoRestart => "restarts of its rig are off".to_owned(),
        Reason::Frozen => "frozen: nothing is touched".to_owned(),
        Reason::LayerUnreadable { why } => format!("a file that could hold it cannot be read: {why}"),
        Reason::Unknown { why } => format!("cannot tell: {why}"),
        Reason::Foreign { session, why } => {
            format!("session {session} is taken by something that is not ours: {why}")
        }
        Reason::Duplicate { count } => {
            format!("{count} living sessions carry its marker; stop all but one by hand")
        }
        Reason::Detached { pid } => format!("its terminal is closed, but process {pid} lives on"),
        Reason::Orphaned { pid, known } => {
            format!("process {pid} has lived on without its terminal for {}", length(*known))
        }
        Reason::Leftover { pid, known } => {
            format!("its agent is gone, and process {pid} that it started lives on for {}", length(*known))
        }
        Reason::Unkillable { pid } => {
            format!("process {pid} has no terminal and survived KILL; nothing is started beside it")
        }
        Reason::Elsewhere { pid } => {
            format!(
                "it lives in another tmux server, as process {pid}; end it there, or set town.socket to that one"
            )
        }
        Reason::PanesLeft { count } => {
            format!("its agent is gone, but {count} other panes of its session live; close them to let it go")
        }
        Reason::Attached => "somebody is attached to its session".to_owned(),
        Reason::Finished { exit } => {
            format!("finished ({}), and its restart policy leaves it at that", ended(*exit))
        }
        Reason::Retry { until } => format!("until {}, the last attempt came to nothing", moment(until, now)),
        Reason::Backoff { until, attempt, of } => {
            format!("until {}, backoff: attempt {attempt}/{of} failed", moment(until, now))
        }
        Reason::CrashLoop { count, window, probe_at } => {
            format!("until {}, crash loop: {count} restarts in {}", moment(probe_at, now), length(*window))
        }
        Reason::DirectoryMissing { directory } => format!("cannot start: directory missing: {directory}"),
        Reason::ProgramMissing { program, path } => {
            format!("cannot start: command not found: {program} (PATH={path})")
        }
        Reason::SessionLimit { limit } => {
            format!("the town has {limit} sessions, which is its limit (limits.sessions)")
        }
        Reason::UsageLimit { account, by, until } => {
            format!("until {}, usage limit of {account}, as {by} said", moment(until, now))
        }
        Reason::LowMemory { available, floor } => {
            format!(
                "the machine has {available} MiB of memory available, and {floor} are to be (limits.free-memory-mib)"
            )
        }
        Reason::WaitingFor { needs } => format!("waiting for {}, which is not alive", list(needs)),
        Reason::MassStop { refusal, count, limit } => {
            format!(
                "mass stop refused: {count} stops planned, {limit} allowed; `gtctl approve {refusal}` lifts it once"
            )
        }
        Reason::SocketLost { pid: Some(pid) } => {
            format!(
                "socket lost: tmux server {pid} lives, its socket file is gone; `kill -USR1 {pid}` brings it back"
            )
        }
        Reason::SocketLost { pid: None } => {
            "socket lost: a tmux server lives, its socket file is gone; send it USR1 to bring it back"
                .to_owned()
        }
        Reason::ServerChanged { recorded } => {
            format!(
                "its tmux server was at {recorded} and lives there still; stop what runs there, or set town.socket back"
            )
        }
        Reason::NoWork => "no work is on its hook".to_owned(),
        Reason::WorkClosed { bead } => format!("its work is done: {bead}, which is on its hook, is closed"),
        Reason::WorkDone { state } => format!("its agent has ended for good: its bead says {state}"),
        Reason::WorkUnknown { why } => format!("whether it has work to do is not known: {why}"),
        Reason::Spawning { until } => {
            format!("until {}, somebody is starting it: its bead says so", moment(until, now))
        }
        Reason::NeverSeen => "it was never seen running: starting it is gt's".to_owned(),
        Reason::NoProgress { bead, quiet } => {
            format!("it lives, and its work {bead} has not got on for {}", length(*quiet))
        }
        Reason::Draining { until } => {
            format!("until {}, its rig is docked and it may finish", moment(until, now))
        }
        Reason::MemoryNotDurable { why } => format!("what cannot be remembered is not started: {why}"),
    }
}

fn ended(exit: Option<Exit>) -> String {
    exit.map_or_else(|| "how is not known".to_owned(), |exit| exit.to_string())
}

/// Addresses in a row.
pub fn list(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Who asked, if anybody did, and what they said of it.
pub fn origin(verdict: &Verdict) -> String {
    let note = verdict.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    match &verdict.origin {
        Origin::Default => format!("built-in default{note}"),
        Origin::Request(by) => format!("{by}{note}"),
        other => format!("{other}{note}"),
    }
}

/// The command that would undo what holds an object back, if there is one.
pub fn hint(verdict: &Verdict) -> Option<String> {
    let in_town_toml = matches!(&verdict.origin, Origin::At(position) if position.file == TOWN_TOML);
    let rig = verdict.address.rig();
    match (&verdict.because, rig) {
        (Reason::Backoff { .. } | Reason::CrashLoop { .. }, _) => {
            Some(format!("`gtctl reset-backoff {}` starts it at once", verdict.address))
        }
        (Reason::UsageLimit { by, .. }, _) => Some(format!("`gtctl reset-backoff {by}` ends that at once")),
        (Reason::Stopped { .. }, _) => Some(format!("`gtctl start {}` ends that", verdict.address)),
        (Reason::Parked, Some(rig)) if in_town_toml => Some(format!("`gtctl unpark {rig}` ends that")),
        (Reason::Docked, Some(rig)) if in_town_toml => Some(format!("`gtctl undock {rig}` ends that")),
        // gt's own `unpark` leaves the label where it is.
        (Reason::Parked, Some(_)) if let Origin::Bead(bead) = &verdict.origin => {
            Some(format!("taking the label `status:parked` from {bead} ends that"))
        }
        (Reason::Parked, Some(rig)) => Some(format!("`gt rig unpark {rig}` ends that")),
        (Reason::Docked, Some(rig)) => Some(format!("`gt rig undock {rig}` ends that")),
        _ => None,
    }
}

/// What a step waits for, if it waits.
pub fn gate(gate: &Gate, now: &Stamp) -> Option<String> {
    match gate {
        Gate::Ready => None,
        Gate::After(needs) => Some(format!("after {}", list(needs))),
        Gate::Turn => Some("when a start under way is done (limits.starts-in-flight)".to_owned()),
        Gate::MassDeath(until) => {
            Some(format!("at {}: many died together (mass-death.gap)", moment(until, now)))
        }
        Gate::NotBefore(until) => Some(format!("at {} (limits.starts-per-minute)", moment(until, now))),
    }
}

/// How a step is made, where that is not obvious.
pub fn how(action: &Action) -> Option<String> {
    if let Action::Notify { letter, .. } = action {
        return Some(format!("{} gets `{}`", letter.to, letter.subject));
    }
    if let Action::Reap(quarry) = action {
        let how = match quarry.force() {
            Force::Term => "with TERM",
            Force::Kill => "with KILL, for TERM did not end it",
        };
        return Some(how.to_owned());
    }
    let how = match action.launch().map(|launch| &launch.into) {
        Some(LaunchInto::DeadPane(_)) => Some("in its dead pane"),
        Some(LaunchInto::NewWindow(_)) => Some("in a new window of its session"),
        Some(LaunchInto::Replacing(_)) => Some("in a new session, after the old one is stopped"),
        Some(LaunchInto::NewSession) | None => None,
    };
    how.map(str::to_owned)
}

/// A refusal in words.
pub fn refusal(refusal: &Refusal) -> String {
    format!(
        "held: mass stop refused: {} would be stopped at once, and no more than {} may be; if that is meant, `gtctl approve {}` lifts it once",
        list(&refusal.stops),
        refusal.limit,
        refusal.id
    )
}

/// The first error, as one line.
pub fn first_line(diagnostics: &[Diagnostic]) -> String {
    diagnostics.first().map_or_else(String::new, |diagnostic| {
        let file = diagnostic.labels.first().map(|label| format!("{}: ", label.file)).unwrap_or_default();
        format!("{file}{}", diagnostic.title)
    })
}

/// A file that was there is gone.
pub fn missing_file(file: &str, seen: &FileSeen) -> Diagnostic {
    let zone = TimeZone::system();
    let since = seen.since.wall.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string();
    let title = format!("{file} is gone; it was there since {since}, and a missing file is no instruction");
    let label = Label { file: file.to_owned(), span: None, text: String::new() };
    Diagnostic::error(title, label)
        .with_help(format!("restore it; if it was removed on purpose, run `gtctl approve --missing {file}`"))
}

/// The event of a verdict that is news.
pub fn event_of_verdict(verdict: &Verdict, kind: Kind, now: &Stamp) -> Event {
    let text = match (&verdict.decision, kind) {
        (Decision::Held, _) => {
            format!("held ({}): {}", verdict.because.code(), reason(&verdict.because, now))
        }
        _ => format!("{}: {}", verdict.word(), reason(&verdict.because, now)),
    };
    Event {
        object: Some(verdict.address.clone()),
        reason: Some(verdict.because.clone()),
        evidence: verdict.evidence.clone(),
        origin: Some(verdict.origin.clone()),
        incarnation: verdict
            .state
            .alive()
            .and_then(|alive| Some(alive.incarnation.as_ref()?.marker.incarnation.to_string())),
        ..Event::of_town(now.wall, kind, text)
    }
}

/// The event of a step about to be carried out.
pub fn event_of_step(verdict: &Verdict, step: &Step, order: &Order, now: &Stamp) -> Event {
    let how = how(&step.action).map(|how| format!(", {how}")).unwrap_or_default();
    let text = format!(
        "{} ({}): {}{how}",
        step.action.word(),
        verdict.because.code(),
        reason(&verdict.because, now)
    );
    Event {
        object: Some(verdict.address.clone()),
        action: Some(step.action.word().to_owned()),
        reason: Some(verdict.because.clone()),
        evidence: verdict.evidence.clone(),
        origin: Some(verdict.origin.clone()),
        incarnation: Some(order.incarnation.to_string()),
        ..Event::of_town(now.wall, Kind::Step, text)
    }
}

/// The event of what came of a step.
pub fn event_of_outcome(order: &Order, outcome: &Outcome, now: &Stamp) -> Event {
    let process = match outcome {
        Outcome::Done(Some(incarnation)) => {
            format!(", process {} in session {}", incarnation.process, incarnation.session)
        }
        _ => String::new(),
    };
    Event {
        object: Some(order.address.clone()),
        action: Some(order.action.word().to_owned()),
        incarnation: Some(order.incarnation.to_string()),
        ..Event::of_town(now.wall, Kind::Outcome, format!("{} {outcome}{process}", order.action.word()))
    }
}

/// An event as one line for logs: no time, the log has its own.
pub fn event_line(event: &Event) -> String {
    match &event.object {
        Some(object) => format!("{object}: {}", event.text),
        None => event.text.clone(),
    }
}
