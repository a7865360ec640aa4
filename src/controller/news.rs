//! What is told, and only once: a change is told, a state is not (law 12).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use crate::machine::Disk;
use crate::model::{Address, Reason, Seen, Stamp};
use crate::observed::Server;
use crate::plan::{Decision, Plan, State, Verdict};
use crate::report::events::{Event, EventLog, Kind};
use crate::report::words;

use super::reconciler::Pass;

/// What was last told of an object that runs.
const RUNNING: &str = "running";

/// Clocks that run apart by less are only being set right.
const JUMP: Duration = Duration::from_secs(5);

/// What was last told of a server that was lost.
const LOST: &str = "lost";

/// Tells what is new.
#[derive(Debug, Clone)]
pub struct News {
    log: EventLog,
    objects: BTreeMap<Address, String>,
    refusal: Option<String>,
    server: String,
    /// The moment of the last look, and the time awake then.
    clocks: Option<(Stamp, Duration)>,
}

impl News {
    /// News for this event log; nothing has been told yet.
    pub fn new(log: EventLog) -> Self {
        Self { log, objects: BTreeMap::new(), refusal: None, server: String::new(), clocks: None }
    }

    /// Takes up where the log ends: what an earlier process told of a state that still lasts is not told again.
    pub fn take_up(&mut self, disk: &dyn Disk) {
        for event in self.log.tail(disk) {
            let (Some(object), Kind::Held, Some(reason)) = (event.object, event.kind, event.reason) else {
                continue;
            };
            self.objects.insert(object, reason.code().to_owned());
        }
    }

    /// Appends to the event log, and to the program's own log.
    pub fn tell(&self, disk: &dyn Disk, events: &[Event]) {
        for event in events {
            tracing::info!("{}", words::event_line(event));
        }
        if let Err(error) = self.log.append(disk, events) {
            tracing::warn!(%error, "the event log cannot be written");
        }
    }

    /// Tells what a pass shows that the one before did not.
    pub fn of_pass(&mut self, disk: &dyn Disk, pass: &Pass) {
        let now = &pass.observed.at;
        let mut events: Vec<Event> = self.of_server(pass).into_iter().collect();
        let tmux_answers = matches!(&pass.observed.server, Seen::Known(Server::Up(_) | Server::Down));
        // One event tells of the server what would else be told of every object in it.
        let told = |verdict: &&Verdict| tmux_answers || !verdict.because.is_unknown();
        for verdict in pass.plan.verdicts.iter().filter(told) {
            events.extend(self.of_verdict(verdict, now));
        }
        events.extend(self.of_refusal(&pass.plan, now));
        self.tell(disk, &events);
    }

    /// Tells once of a clock that jumped, a machine that slept, and a controller that was stopped.
    pub fn of_clocks(&mut self, disk: &dyn Disk, at: &Stamp, awake: Duration, away: Option<Duration>) {
        let before = self.clocks.replace((at.clone(), awake));
        let Some((before, awake_before)) = before.filter(|(before, _)| before.boot == at.boot) else {
            return;
        };
        let passed = at.since(&before);
        let asleep = passed.saturating_sub(awake.saturating_sub(awake_before));
        let on_the_wall = at.wall.duration_since(before.wall);
        let jump = on_the_wall - SignedDuration::try_from(passed).unwrap_or(on_the_wall);
        let mut texts = Vec::new();
        if jump.unsigned_abs() > JUMP {
            texts.push(format!(
                "clock jump of {} s; waits and silences are measured on another clock",
                jump.as_secs()
            ));
        }
        if asleep > JUMP {
            texts.push(format!("the machine slept for {}", words::length(asleep)));
        }
        if let Some(away) = away {
            let away = words::length(away);
            texts.push(format!(
                "no look for {away}: this process was stopped; nobody's silence is counted from before"
            ));
        }
        let events: Vec<Event> =
            texts.into_iter().map(|text| Event::of_town(at.wall, Kind::Clock, text)).collect();
        self.tell(disk, &events);
    }

    /// Forgets what was told of an object that is acted on: whatever it becomes is news.
    pub fn acted_on(&mut self, address: &Address) {
        self.objects.remove(address);
    }

    /// Its start was told, so that it runs is no news.
    pub fn started(&mut self, address: &Address) {
        self.objects.insert(address.clone(), RUNNING.to_owned());
    }

    /// One event when the server is lost, not one for each agent; one when it cannot be seen, one when it can again.
    fn of_server(&mut self, pass: &Pass) -> Option<Event> {
        let is_lost = |verdict: &Verdict| verdict.state == State::ServerLost;
        // Some of its processes end later than others.
        let is_losing = |verdict: &Verdict| matches!(verdict.state, State::Detached { fence: None, .. });
        let any = pass.plan.verdicts.iter().any(is_lost);
        let lost =
            pass.plan.verdicts.iter().filter(|verdict| any && (is_lost(verdict) || is_losing(verdict)));
        let lost: Vec<Address> = lost.map(|verdict| verdict.address.clone()).collect();
        let state = match &pass.observed.server {
            Seen::Known(Server::Up(_) | Server::Down) if lost.is_empty() => String::new(),
            Seen::Known(Server::Up(_) | Server::Down) => LOST.to_owned(),
            Seen::Known(Server::SocketLost { pid }) => {
                words::reason(&Reason::SocketLost { pid: *pid }, &pass.observed.at)
            }
            Seen::Unknown(why) => format!("tmux cannot be seen, so nothing is done: {why}"),
        };
        let before = std::mem::replace(&mut self.server, state.clone());
        if before == state {
            return None;
        }
        let text = match (state.as_str(), before.as_str()) {
            ("", LOST) => return None,
            ("", _) => "tmux can be seen again".to_owned(),
            (LOST, _) => format!("server lost, {} agents: {}", lost.len(), words::list(&lost)),
            (text, _) => text.to_owned(),
        };
        Some(Event::of_town(pass.observed.at.wall, Kind::Server, text))
    }

    /// An event if an object is held that was not, or for another reason, or runs after it was held.
    fn of_verdict(&mut self, verdict: &Verdict, now: &Stamp) -> Option<Event> {
        let state = match &verdict.decision {
            Decision::Step(_) => return None,
            Decision::Held if verdict.is_off_by_default() => return None,
            Decision::Held => verdict.because.code(),
            Decision::Nothing if matches!(verdict.because, Reason::InFlight | Reason::Starting { .. }) => {
                return None;
            }
            Decision::Nothing => RUNNING,
        };
        let before = self.objects.insert(verdict.address.clone(), state.to_owned());
        match (before.as_deref(), state) {
            (Some(before), state) if before == state => None,
            (None, RUNNING) => None,
            (_, RUNNING) => Some(words::event_of_verdict(verdict, Kind::Running, now)),
            _ => Some(words::event_of_verdict(verdict, Kind::Held, now)),
        }
    }

    fn of_refusal(&mut self, plan: &Plan, now: &Stamp) -> Option<Event> {
        let id = plan.refusal.as_ref().map(|refusal| refusal.id.clone());
        let before = std::mem::replace(&mut self.refusal, id.clone());
        let refusal = plan.refusal.as_ref().filter(|_| before != id)?;
        Some(Event::of_town(now.wall, Kind::Refusal, words::refusal(refusal)))
    }
}
