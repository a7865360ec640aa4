//! The promises, held against what was seen. Each says what it excuses, and why gtctl could not have done better.

use std::collections::BTreeMap;

use crate::common::Life;

use super::history::{Agent, History, now};
use super::town::{CLEAN_SLATE, Kept};
use super::watch::{Sample, age};

/// How long something that was let through before a fault may still come to pass: a start that tmux was told of, and the agent's
/// own first steps, on a machine with other things to do.
const UNDER_WAY: f64 = 2.5;

/// How long after a wish was written it must be in force at the latest: one resync, and what is under way then.
const IN_FORCE: f64 = 6.0;

/// How long a stop may take, from the wish to the last of its processes.
const STOPPING: f64 = 9.0;

/// A client of tmux that is older than this is stuck: more than twice `tmux-timeout`.
const CLIENT_AGE_MAX: f64 = 4.0;

/// Law 1, 4 and 11: nothing starts that rests, nothing starts while tmux cannot be seen, nothing starts that cannot be remembered,
/// and nothing starts too often.
pub fn starts(history: &mut History, new: Vec<(f64, String, i32)>) {
    for (at, object, pid) in new {
        history.tell(format!("start of {object}, pid {pid}, at {at:.2}"));
        if history.edited.remove(&object) {
            history.resets.push((at, Some(object.clone())));
        }
        history.starts.push((at, object.clone(), pid));
        if super::town::RESTING.contains(&object.as_str()) {
            history.violation(format!("S11: {object} was started, and always rests"));
        }
        if history.resting.get(&object).is_some_and(|rest| rest.covers(at, IN_FORCE)) {
            history.violation(format!("S11: {object} was started while it rests"));
        }
        if history.blind.covers(at, UNDER_WAY) {
            history.violation(format!("S5: {object} was started while tmux could not be seen"));
        }
        if history.forgetful.covers(at, UNDER_WAY) {
            history.violation(format!("S100: {object} was started while its start could not be recorded"));
        }
        too_many(history, &object, at);
    }
}

/// S4: how many starts there may be. Each restart waits at least as long as its strike says; but a start may come to pass later than it
/// was recorded (a stopped server carries it out when it goes on), so that as many as were recorded in `window + LATE` may be seen
/// within `window`.
fn too_many(history: &mut History, object: &str, at: f64) {
    const LATE: f64 = 8.0;
    let lock_losses = |window: f64| {
        history.resets.iter().filter(|(when, who)| who.is_none() && *when >= at - window - LATE).count()
    };
    let count = |window: f64, who: Option<&str>| {
        let counts = |(when, started, _): &&(f64, String, i32)| {
            *when > at - window && *when <= at && who.is_none_or(|who| who == started)
        };
        history.starts.iter().filter(counts).count()
    };
    let losses =
        |window: f64| history.servers_ended.iter().filter(|when| **when >= at - window - LATE).count();
    let slates = |window: f64| {
        let clean = |(when, who): &&(f64, Option<String>)| {
            *when >= at - window - LATE && who.as_deref().is_none_or(|who| who == object)
        };
        1 + history.resets.iter().filter(clean).count()
    };
    let mut wrong = Vec::new();
    for (window, most) in [(0.9, CLEAN_SLATE.within_a_second), (54.0, CLEAN_SLATE.within_a_minute)] {
        let (found, limit) = (count(window, Some(object)), most * slates(window) + losses(window));
        if found > limit {
            wrong.push(format!("S4: {found} starts of {object} within {window} s, at most {limit} are due"));
        }
    }
    let cap = Kept::STARTS_PER_MINUTE * (1 + lock_losses(54.0));
    let found = count(54.0, None);
    if found > cap {
        wrong.push(format!("S4: {found} starts in the town within 54 s, above {cap} a minute"));
    }
    wrong.into_iter().for_each(|what| history.violation(what));
}

/// Law 2, 4 and 6: never two of one object, never two servers, nothing of others ends, and no agent ends without a cause.
pub fn lives(history: &mut History, sample: &Sample) {
    one_of_each(history, sample);
    one_server(history, sample);
    let ended: Vec<(Life, Agent)> = history
        .agents
        .iter()
        .filter(|(life, _)| !sample.agents.contains_key(life) && !life.is_alive())
        .map(|(life, agent)| (*life, agent.clone()))
        .collect();
    for (life, agent) in ended {
        end_of_agent(history, sample, life, &agent);
    }
    let hands: Vec<(Life, super::history::Hand)> =
        history.hand.iter().filter(|(life, _)| !life.is_alive()).map(|(l, h)| (*l, h.clone())).collect();
    for (life, hand) in hands {
        history.hand.remove(&life);
        let asked = |object: &String| {
            history.to_stop.get(object).is_some_and(|spans| spans.touches(now(), STOPPING))
                || history.touched.get(object).is_some_and(|until| *until >= now())
        };
        if !history.ended.remove(&life) && !hand.inside.as_ref().is_some_and(asked) {
            history
                .violation(format!("S1: {} (process {}) was ended, and is not gtctl's", hand.what, life.pid));
        }
    }
}

/// S3, law 4: at any moment at most one process lives that gtctl started as the agent of an object. gtctl starts a second one only after
/// `/proc` has shown it the end of the first, so there is no moment at which `/proc` shows both. A look is not one moment; but whoever
/// lived when the look began to name them, and still lives after all were named, lived at the same time.
///
/// Excused is what no controller could know of: an agent whose server has gone (so that no session carries its label), that ignored the
/// hang-up, and that was in nobody's memory, because whoever had started it ended, or lost the reply, before it looked again. It is
/// counted, and ended.
fn one_of_each(history: &mut History, sample: &Sample) {
    let mut by_object: BTreeMap<&str, Vec<(Life, &Agent)>> = BTreeMap::new();
    for (life, agent) in &sample.agents {
        by_object.entry(&agent.object).or_default().push((*life, agent));
    }
    for (object, mut lives) in by_object {
        lives.retain(|(life, _)| life.is_alive());
        if lives.len() < 2 {
            continue;
        }
        let is_unknowable = |(life, agent): &&(Life, &Agent)| {
            agent.server.is_none_or(|server| !server.is_alive())
                && !history.remembered.contains(&(object.to_owned(), life.pid))
        };
        let unknowable: Vec<Life> = lives.iter().filter(is_unknowable).map(|(life, _)| *life).collect();
        let together: Vec<i32> = lives.iter().map(|(life, _)| life.pid).collect();
        if lives.len() - unknowable.len() > 1 {
            history.violation(format!("S3: {object} lives {} times: {together:?}", together.len()));
        }
        for life in unknowable {
            history.tell(format!("{object} lives as {together:?}, and nobody could know of {}", life.pid));
            history.unknowable += 1;
            history.ended.insert(life);
            life.kill();
        }
    }
}

/// S37: no second server while the first one lives. And a server ends only if it was ended, or had nothing left to do.
fn one_server(history: &mut History, sample: &Sample) {
    let together: Vec<i32> =
        sample.servers.iter().filter(|life| life.is_alive()).map(|life| life.pid).collect();
    if together.len() > 1 {
        history.violation(format!("S37: {} tmux servers live: {together:?}", together.len()));
    }
    let gone: Vec<Life> = history.servers.iter().copied().filter(|life| !life.is_alive()).collect();
    for life in gone {
        history.tell(format!("seen: tmux server {} has ended", life.pid));
        history.servers_ended.push(now());
        let had_work = history.agents.values().any(|agent| agent.server == Some(life));
        if !history.ended.contains(&life) && had_work {
            history.violation(format!("tmux server {} ended, and nobody had ended it", life.pid));
        }
    }
    let new: Vec<i32> =
        sample.servers.iter().filter(|life| !history.servers.contains(life)).map(|life| life.pid).collect();
    for pid in new {
        history.tell(format!("seen: tmux server {pid} lives"));
        if history.blind.covers(now(), UNDER_WAY) {
            history.violation(format!("S5: tmux server {pid} was founded while tmux could not be seen"));
        }
    }
}

/// S6: each end of an agent has a cause that is not gtctl, or a file that asks for it.
fn end_of_agent(history: &mut History, sample: &Sample, life: Life, agent: &Agent) {
    let object = &agent.object;
    history.tell(format!("seen: {object} as {} has ended", life.pid));
    let now = now();
    let by_hand =
        history.ended.remove(&life) || history.touched.get(object).is_some_and(|until| *until >= now);
    let with_server = match agent.server {
        // Its terminals close before it is a zombie.
        Some(server) => !server.is_alive() || history.ended.contains(&server),
        None => history.servers_ended.iter().any(|at| now - at < 5.0),
    };
    let kept = Kept::of(object);
    let by_itself = kept.is_some_and(|kept| kept.ends_by_itself());
    // A shell that its agent has left is no agent; gtctl replaces it.
    let is_shell = kept.is_some_and(|kept| kept.leaves_a_shell()) && !agent.busy;
    if by_hand || with_server || by_itself || is_shell {
        return;
    }
    if !history.to_stop.get(object).is_some_and(|spans| spans.touches(now, STOPPING)) {
        return history
            .violation(format!("S6: {object} (process {}) was ended, and nothing asks for it", life.pid));
    }
    history.stops += 1;
    if history.blind.covers(now, STOPPING) {
        history.violation(format!("S5: {object} was stopped while tmux could not be seen"));
    }
    let left = sample.agents.values().filter(|agent| history.mass_stop.contains(&agent.object)).count();
    if history.mass_stop.contains(object) && left + 1 > Kept::KILLS_PER_PASS {
        let count = left + 1;
        history.violation(format!("S6: {object} was stopped, as one of {count} at once without approval"));
    }
}

/// Law 12: no client of tmux is left to hang.
pub fn clients(history: &mut History, sample: &Sample) {
    let paused = now() - history.controller_paused < CLIENT_AGE_MAX + UNDER_WAY;
    for (client, parent) in &sample.clients {
        let age = age(*client);
        if history.controllers.contains(parent) && !paused && age > CLIENT_AGE_MAX {
            history.violation(format!(
                "S9: tmux client {} of controller {parent} hangs, {age:.1} s old",
                client.pid
            ));
        }
    }
}
