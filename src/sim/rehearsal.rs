//! A user's own town, played twice: once without faults, and then again and again with one kind of fault, from the point where everything runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::check::Violation;
use super::choose::{Choices, shrink};
use super::copied::CopiedTown;
use super::faults::Fault;
use super::machine::SimMachine;
use super::run::Failure;
use super::scene::Scene;
use super::stage::Stage;
use super::world::World;
use crate::desired::HoldKind;
use crate::model::{Address, Reason, Stamp};
use crate::plan::{State, Verdict};
use crate::report::{events, words};

/// One run in so many begins with nothing running, so that the fault falls into the town's start.
const COLD: u32 = 8;

/// At most so many faults a run.
const STRIKES_MAX: u32 = 3;

/// Before each fault, at most so many steps: it may fall into the repair of the one before, or long after.
const STEPS_BETWEEN: u32 = 24;

/// How long a fault lasts that somebody else must end.
const LASTS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(60), Duration::from_secs(900)];

/// So many steps are made at most while it lasts.
const STEPS_WHILE: usize = 2_000;

/// A town without faults.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// What came up, in this order, each with the time since the controller started.
    pub up: Vec<(Address, Duration)>,
    /// What did not, and no file says that it should not.
    pub lost: Vec<Verdict>,
    /// What a file holds back.
    pub held: Vec<Verdict>,
    /// The moment of these verdicts.
    pub now: Stamp,
    /// When the last thing had been done, since the controller started.
    pub time: Duration,
    /// Starts.
    pub starts: u64,
    /// Lives ended.
    pub stops: u64,
    cold: World,
    warm: World,
    scene: Scene,
}

/// One run with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// How often it struck.
    pub strikes: u64,
    /// Starts beyond those of a run without faults.
    pub starts: u64,
    /// Stops beyond those of a run without faults.
    pub stops: u64,
    /// From the last fault, or from its end if somebody else had to end it, to the last thing that was done.
    pub time: Duration,
}

/// Plays a town without faults.
pub fn rehearse(mut town: CopiedTown) -> Result<Rehearsal, Box<Failure>> {
    // Nobody knows yet what comes up, so nothing is demanded.
    town.lost = Arc::new(town.objects().into_iter().collect());
    let mut cold = World::new(PIDS);
    town.found(&mut cold);
    let begun = cold.clock.since_boot();
    let mut stage = Stage::on(cold.clone(), Scene::from(town.clone()), Choices::replayed(Vec::new()), false);
    stage.start_controller();
    if let Err(violation) = stage.come_to_rest() {
        let story = story(&stage, &[], 0);
        return Err(Box::new(Failure { violation, tape: Vec::new(), story }));
    }
    let (mut lost, mut held) = (Vec::new(), Vec::new());
    let mut now = stage.shared().world.clock.now();
    if let Some(pass) = stage.keepers.first().and_then(|keeper| keeper.last.as_ref()) {
        now = pass.observed.at.clone();
        for verdict in pass.plan.verdicts.iter().filter(|verdict| !verdict.is_off_by_default()) {
            match &verdict.state {
                State::Running(_) | State::Starting(_) => {}
                _ if verdict.because.is_wish() => held.push(verdict.clone()),
                // There when it is needed.
                _ if verdict.because == Reason::DeaconWell => {}
                _ => lost.push(with_the_cause(verdict, &town)),
            }
        }
    }
    town.crowded = lost.iter().any(|verdict| matches!(verdict.because, Reason::SessionLimit { .. }));
    let known: BTreeSet<Address> = lost.iter().map(|verdict| verdict.address.clone()).collect();
    town.lost = Arc::new(town.never_up(known));
    let world = stage.shared().world.clone();
    let mut up: Vec<(Address, Duration)> =
        world.lives().map(|(address, _, made)| (address.clone(), made.at.saturating_sub(begun))).collect();
    up.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    let counts = stage.checker.counts.values();
    let (starts, stops) =
        counts.fold((0, 0), |(starts, stops), one| (starts + one.starts, stops + one.stops));
    let time = stage.last_act.saturating_sub(begun);
    Ok(Rehearsal { up, lost, held, now, time, starts, stops, cold, warm: world, scene: Scene::from(town) })
}

/// Enough pids that none is used twice within a run.
const PIDS: std::ops::RangeInclusive<i32> = 100..=4_000_000;

/// What the copy of an unreadable file cannot say as well as the file itself.
fn with_the_cause(verdict: &Verdict, town: &CopiedTown) -> Verdict {
    let mut verdict = verdict.clone();
    let object = town.desired().objects.get(&verdict.address);
    let holds = object.into_iter().flat_map(|object| &object.holds);
    for hold in holds {
        if let (HoldKind::Unreadable(why), Reason::LayerUnreadable { .. }) = (&hold.kind, &verdict.because) {
            verdict.because = Reason::LayerUnreadable { why: why.clone() };
        }
    }
    verdict
}

/// Plays the town with one kind of fault, from a seed.
pub fn trial(rehearsal: &Rehearsal, fault: &Fault, seed: u64) -> Result<Trial, Box<Failure>> {
    play(rehearsal, fault, Choices::seeded(seed), false)
}

/// The shortest and tamest way that was found to the same end as that of a failed run, with its story.
pub fn retold(rehearsal: &Rehearsal, fault: &Fault, failure: &Failure) -> Box<Failure> {
    let law = failure.violation.law;
    let fails = |tape: &[u32]| {
        let run = play(rehearsal, fault, Choices::replayed(tape.to_vec()), false);
        run.is_err_and(|failure| failure.violation.law == law)
    };
    let tape = shrink(failure.tape.clone(), fails);
    let told = play(rehearsal, fault, Choices::replayed(tape), true).err();
    told.unwrap_or_else(|| Box::new(failure.clone()))
}

fn play(
    rehearsal: &Rehearsal,
    fault: &Fault,
    mut choices: Choices,
    tell: bool,
) -> Result<Trial, Box<Failure>> {
    let is_cold = choices.one_in(COLD);
    let world = if is_cold { &rehearsal.cold } else { &rehearsal.warm };
    let mut stage = Stage::on(world.clone(), rehearsal.scene.clone(), choices, false);
    let before = if tell { events_of(&stage).len() } else { 0 };
    let mut strikes = Vec::new();
    let done = act(&mut stage, rehearsal, fault, is_cold, tell, &mut strikes);
    done.map(|(strikes, time)| {
        let counts = stage.checker.counts.values();
        let (starts, stops) =
            counts.fold((0, 0), |(starts, stops), one| (starts + one.starts, stops + one.stops));
        let (own_starts, own_stops) = if is_cold { (rehearsal.starts, rehearsal.stops) } else { (0, 0) };
        Trial {
            strikes,
            starts: starts.saturating_sub(own_starts),
            stops: stops.saturating_sub(own_stops),
            time,
        }
    })
    .map_err(|violation| {
        let tape = stage.shared().fates.choices.as_ref().map(|choices| choices.tape().to_vec());
        let story = if tell { story(&stage, &strikes, before) } else { Vec::new() };
        Box::new(Failure { violation, tape: tape.unwrap_or_default(), story })
    })
}

/// A mark in a story: what happened after so many events, and when.
type Mark = (usize, Timestamp, &'static str);

/// Strikes, and waits until all is well; how often it struck and how long it took.
fn act(
    stage: &mut Stage,
    rehearsal: &Rehearsal,
    fault: &Fault,
    is_cold: bool,
    tell: bool,
    marks: &mut Vec<Mark>,
) -> Result<(u64, Duration), Violation> {
    let mut mark = |stage: &Stage, text| {
        if tell {
            marks.push((events_of(stage).len(), stage.shared().world.clock.now().wall, text));
        }
    };
    let clock = stage.shared().world.clock.clone();
    mark(stage, "the controller starts");
    stage.start_controller();
    if !is_cold {
        // It finds everything running.
        while !stage.keepers.iter().all(super::keeper::Keeper::rests) {
            stage.step()?;
        }
    }
    let count = 1 + stage.shared().fates.below(STRIKES_MAX);
    let mut struck = 0;
    for _ in 0..count {
        let steps = stage.shared().fates.below(STEPS_BETWEEN);
        for _ in 0..steps {
            stage.step()?;
        }
        mark(stage, fault.text);
        if !fault.strike(stage)? {
            continue;
        }
        struck += 1;
        if fault.lasts {
            let which = stage.shared().fates.below(u32::try_from(LASTS.len()).unwrap_or(1)) as usize;
            let length = LASTS.get(which).copied().unwrap_or_default();
            let begun = stage.shared().world.clock.since_boot();
            for _ in 0..STEPS_WHILE {
                if stage.shared().world.clock.since_boot().saturating_sub(begun) >= length {
                    break;
                }
                stage.step()?;
            }
            mark(stage, "that ends");
            fault.end(stage);
        }
    }
    let over = stage.shared().world.clock.since_boot();
    mark(stage, "nothing goes wrong any more");
    stage.come_to_rest()?;
    // What the town's own start takes is no cost of the fault, unless it has to be made anew.
    let own = if is_cold && stage.shared().world.clock.boot() == clock.boot() {
        clock.since_boot() + rehearsal.time
    } else {
        over
    };
    Ok((struck, stage.last_act.saturating_sub(over.max(own))))
}

/// What gtctl has written into its log.
fn events_of(stage: &Stage) -> Vec<events::Event> {
    let machine = SimMachine::new(stage.world(), 0);
    events::read(&machine, &stage.plot.root().gtctl_dir()).unwrap_or_default()
}

/// What happened, as `gtctl events` would tell it, and what stands at the end.
fn story(stage: &Stage, marks: &[Mark], before: usize) -> Vec<String> {
    let all = events_of(stage);
    let begun = marks.first().map(|mark| mark.1).or_else(|| all.first().map(|event| event.at));
    let at = |moment: Timestamp| {
        let since = begun.map(|begun| moment.duration_since(begun)).unwrap_or_default();
        format!("{:>9.1}s", since.as_secs_f64())
    };
    let mut lines = Vec::new();
    let mut marks = marks.iter().peekable();
    for (index, event) in all.iter().enumerate().skip(before) {
        while let Some((_, moment, text)) = marks.next_if(|(count, ..)| *count <= index) {
            lines.push(format!("{}  * {text}", at(*moment)));
        }
        lines.push(format!("{}  {}", at(event.at), words::event_line(event)));
    }
    lines.extend(marks.map(|(_, moment, text)| format!("{}  * {text}", at(*moment))));
    let pass = stage.keepers.first().and_then(|keeper| keeper.last.as_ref());
    for verdict in pass.iter().flat_map(|pass| &pass.plan.verdicts).filter(|verdict| !verdict.is_as_wanted())
    {
        let now =
            pass.map(|pass| pass.observed.at.clone()).unwrap_or_else(|| stage.shared().world.clock.now());
        let reason = words::reason(&verdict.because, &now);
        lines.push(format!("  in the end  {} is {}: {reason}", verdict.address, verdict.word()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::desire;
    use crate::machine::ThisMachine;
    use crate::sim::faults::{FAULTS, named};
    use crate::town::TownRoot;
    use crate::town::files::read_all;

    /// A town that is on disk only while it is read.
    fn rehearsed(town_toml: &str) -> Rehearsal {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("town.toml"), town_toml).unwrap();
        let root = TownRoot::at(directory.path()).unwrap();
        let files = read_all(&ThisMachine::new(), &root).unwrap();
        let desired = desire(&files).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        rehearse(CopiedTown::read(&ThisMachine::new(), &files, &desired, now, false)).unwrap()
    }

    const TWO: &str =
        "[sessions.a]\ncommand = ['/bin/sh', '-c', 'a']\n[sessions.b]\ncommand = ['/nowhere/b']\n";

    #[test]
    fn the_real_town_is_not_needed_any_more_once_it_has_been_read() {
        let rehearsal = rehearsed(TWO);
        assert_eq!(rehearsal.up.len(), 1);
        assert_eq!(rehearsal.lost.len(), 1);
        for fault in FAULTS {
            let trial = trial(&rehearsal, fault, 1).unwrap();
            assert_eq!(trial, super::trial(&rehearsal, fault, 1).unwrap(), "{}", fault.name);
        }
    }

    #[test]
    fn a_promise_that_is_broken_is_told_with_a_short_story() {
        let mut rehearsal = rehearsed(TWO);
        // What can never come up is demanded all the same.
        if let Scene::Copied(town) = &mut rehearsal.scene {
            town.lost = Arc::default();
        }
        let fault = named("agent-dies").unwrap();
        let failure = trial(&rehearsal, fault, 1).unwrap_err();
        assert!(failure.violation.law.starts_with("L1"), "{failure}");
        let told = retold(&rehearsal, fault, &failure);
        assert!(
            told.tape.len() <= failure.tape.len() && told.tape.iter().all(|number| *number == 0),
            "{told}"
        );
        let story = told.story.join("\n");
        assert!(story.contains("  * an agent ends, in any way"), "{story}");
        assert!(story.contains("sessions/a: restart (exited)"), "{story}");
        assert!(
            story.contains("in the end  sessions/b is absent: cannot start: command not found"),
            "{story}"
        );
        let expected = "sessions/a: start (absent)";
        assert!(!story.contains(expected), "what was before this run is no part of its story: {story}");
    }

    #[test]
    fn of_more_sessions_than_the_town_may_have_it_is_open_which_ones_run() {
        let mut text = "[limits]\nsessions = 2\n".to_owned();
        for name in ["a", "b", "c"] {
            text.push_str(&format!("[sessions.{name}]\ncommand = ['/bin/sh', '-c', 'a']\n"));
        }
        let rehearsal = rehearsed(&text);
        assert_eq!((rehearsal.up.len(), rehearsal.lost.len()), (2, 1));
        assert!(matches!(rehearsal.lost[0].because, Reason::SessionLimit { limit: 2 }));
        for seed in 0..50 {
            trial(&rehearsal, named("session-killed-by-hand").unwrap(), seed).unwrap();
        }
    }

    #[test]
    fn what_is_held_until_a_moment_starts_when_that_has_come() {
        let rehearsal = rehearsed(
            "[rigs.r]\nstate = 'parked'\nuntil = 2027-01-15T12:00:00Z\nroles.witness = { command = ['/bin/sh', '-c', 'a'], directory = '.' }\n\
             roles.refinery = { command = ['/bin/sh', '-c', 'a'], directory = '.' }\n[sessions.a]\ncommand = ['/bin/sh', '-c', 'a']\n",
        );
        assert_eq!((rehearsal.up.len(), rehearsal.held.len()), (1, 2));
        let clock_set = named("clock-set").unwrap();
        let starts: u64 = (0..50).map(|seed| trial(&rehearsal, clock_set, seed).unwrap().starts).sum();
        // A clock kills nobody; many of them are set a year ahead, and each of those lets two agents start.
        assert!(starts >= 50, "a year later the rig is active: {starts} starts");
    }

    #[test]
    fn no_two_faults_have_one_name_and_each_says_what_happens() {
        let names: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), FAULTS.len());
        for fault in FAULTS {
            assert!(
                fault.name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'),
                "{}",
                fault.name
            );
            assert!(!fault.text.is_empty());
        }
    }
}
