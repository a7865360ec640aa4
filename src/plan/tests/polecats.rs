//! Polecats: their work decides, and what beads said before they ended is void.

use std::path::PathBuf;
use std::time::Duration;

use super::builders::{Given, NOW, address, at, files, of_files};
use super::employed::{NUX, says_of_itself, work};
use crate::desired::HoldKind;
use crate::ledger::Cause;
use crate::ledger::{Death, Deaths, LetterKind, MassDeath, Progress, Start};
use crate::model::{Exit, Name, Seen, Why};
use crate::observed::Work;
use crate::observed::beads::AgentState;
use crate::plan::{Action, DRAIN, Decision};
use crate::town::files::Polecats;

/// A town with one rig and these polecats.
fn town(toml: &str, polecats: &[&str]) -> Given {
    let mut files =
        files(&format!("[rigs.a]\nroles.witness.enabled = false\nroles.refinery.enabled = false\n{toml}"));
    let names = polecats.iter().map(|name| Name::parse(name).unwrap()).collect();
    files.polecats.insert(Name::parse("a").unwrap(), Polecats { names, unread: None });
    of_files(&files)
}

fn nux(toml: &str) -> Given {
    town(toml, &["nux"])
}

/// It was there, is dead for a minute, and beads were asked since.
fn crashed(toml: &str) -> Given {
    nux(toml).dead(NUX, Some(Exit::Code(1))).gone(NUX, 60).works(NUX, work(10))
}

#[test]
fn work_on_the_hook_and_nobody_there_is_a_crash() {
    assert_eq!(crashed("").says(NUX), "restart: exited");
}

#[test]
fn all_else_is_left_alone() {
    let gone = |work: Work| crashed("").works(NUX, work).says(NUX);
    assert_eq!(gone(Work { hook: None, ..work(10) }), "held: no-work");
    let mut closed = work(10);
    closed.hook.as_mut().unwrap().closed = true;
    assert_eq!(gone(closed), "held: work-closed");
    for state in [AgentState::Done, AgentState::Nuked] {
        assert_eq!(gone(says_of_itself(state, 1000)), "held: work-done");
    }
    for state in [AgentState::Idle, AgentState::Stuck, AgentState::Other("odd".to_owned())] {
        assert_eq!(gone(says_of_itself(state, 1000)), "restart: exited");
    }
}

#[test]
fn who_is_being_started_is_left_for_five_minutes_by_the_clock_of_its_bead() {
    let gone = |ago: u64| crashed("").works(NUX, says_of_itself(AgentState::Spawning, ago)).says(NUX);
    assert_eq!((gone(299).as_str(), gone(301).as_str()), ("held: spawning", "restart: exited"));
    let given = crashed("").works(NUX, says_of_itself(AgentState::Spawning, 100));
    assert_eq!(given.plan().wake, Some(at(NOW + 200)));
    // A moment far ahead is a wrong clock, and holds nobody for ever.
    let mut ahead = says_of_itself(AgentState::Spawning, 0);
    ahead.agent.as_mut().unwrap().updated = Some(at(NOW + 86400).wall);
    assert_eq!(crashed("").works(NUX, ahead).says(NUX), "restart: exited");
    let mut untold = says_of_itself(AgentState::Spawning, 0);
    untold.agent.as_mut().unwrap().updated = None;
    assert_eq!(crashed("").works(NUX, untold).says(NUX), "held: spawning");
}

#[test]
fn law_8_an_answer_older_than_the_death_is_void() {
    assert_eq!(crashed("").gone(NUX, 5).says(NUX), "held: work-unknown");
    assert_eq!(crashed("").gone(NUX, 10).says(NUX), "restart: exited");
    let mut unnoticed = crashed("");
    unnoticed.polecat(NUX).ended = None;
    assert_eq!(unnoticed.says(NUX), "held: work-unknown");
}

#[test]
fn law_1_no_answer_starts_nobody() {
    let mut unknown = crashed("");
    unknown.observed.work.insert(address(NUX), Seen::Unknown(Why::new("no database")));
    assert_eq!(unknown.says(NUX), "held: work-unknown");
    unknown.observed.work.clear();
    assert_eq!(unknown.says(NUX), "held: work-unknown");
}

#[test]
fn before_a_restart_that_had_to_wait_beads_are_asked_again() {
    let given = crashed("").gone(NUX, 5000);
    assert_eq!(given.clone().works(NUX, work(119)).says(NUX), "restart: exited");
    assert_eq!(given.clone().works(NUX, work(121)).says(NUX), "held: work-unknown");
    // While it waits, nobody asks.
    let mut waits = given.works(NUX, work(121));
    waits.ledger.objects.entry(address(NUX)).or_default().not_before = Some(at(NOW + 60));
    assert_eq!(waits.says(NUX), "held: backoff");
}

#[test]
fn nobody_is_started_who_was_never_seen() {
    let mut given = nux("").gone(NUX, 60).works(NUX, work(10));
    assert_eq!(given.says(NUX), "start: absent");
    given.polecat(NUX).seen = false;
    assert_eq!(given.says(NUX), "held: never-seen");
    // For a while it is looked for, and for no longer.
    assert_eq!(given.plan().wake, Some(at(NOW + 15)));
    assert_eq!(given.clone().works(NUX, Work { hook: None, ..work(10) }).says(NUX), "held: no-work");
    given.observed.work.clear();
    assert_eq!(given.says(NUX), "held: never-seen");
    given.polecat(NUX).ended = Some(at(NOW - 301));
    assert_eq!(given.plan().wake, None);
}

#[test]
fn a_living_polecat_is_left_alone_whatever_its_work_says() {
    for work in [Work { hook: None, ..work(10) }, says_of_itself(AgentState::Done, 10)] {
        assert_eq!(nux("").running(NUX).works(NUX, work).says(NUX), "nothing: running");
    }
}

#[test]
fn parked_leaves_polecats_and_starts_none() {
    assert_eq!(crashed("").hold(NUX, HoldKind::Parked).says(NUX), "held: parked");
    assert_eq!(nux("").running(NUX).hold(NUX, HoldKind::Parked).says(NUX), "nothing: parked");
    assert_eq!(crashed("[roles.polecat]\nenabled = false").says(NUX), "held: disabled");
    assert_eq!(crashed("").hold(NUX, HoldKind::Frozen).says(NUX), "held: frozen");
}

#[test]
fn a_restart_that_somebody_asked_for_needs_no_work() {
    let mut given = nux("").gone(NUX, 60).works(NUX, Work { hook: None, ..work(10) });
    assert_eq!(given.says(NUX), "held: no-work");
    given.polecat(NUX).asked = true;
    assert_eq!(given.says(NUX), "start: absent");
}

#[test]
fn nothing_starts_after_a_polecat_for_polecats_come_and_go() {
    let mut files = files("[rigs.a]\n[sessions.scribe]\ncommand = ['x']\nafter = ['a/polecats/nux']");
    let names = [Name::parse("nux").unwrap()].into();
    files.polecats.insert(Name::parse("a").unwrap(), Polecats { names, unread: None });
    let wrong = crate::desired::desire(&files).unwrap_err();
    assert_eq!(wrong[0].title, "sessions/scribe is to start after a/polecats/nux, which comes and goes");
}

#[test]
fn two_polecats_of_one_session_name_are_not_touched() {
    let mut files = files("[rigs.a]\n[rigs.a-b]\n");
    for (rig, polecat) in [("a", "b-c"), ("a-b", "c")] {
        let names = [Name::parse(polecat).unwrap()].into();
        files.polecats.insert(Name::parse(rig).unwrap(), Polecats { names, unread: None });
    }
    let given = of_files(&files);
    for of in ["a/polecats/b-c", "a-b/polecats/c"] {
        assert_eq!(given.says(of), "held: layer-unreadable");
    }
}

// --- docked

#[test]
fn the_polecats_of_a_docked_rig_are_told_then_waited_for_then_stopped() {
    let given = nux("").running(NUX).hold(NUX, HoldKind::Docked);
    assert_eq!(given.says(NUX), "nudge: draining");
    let plan = given.plan();
    let (_, step) = plan.steps().next().unwrap();
    assert!(matches!(&step.action, Action::Nudge { text, .. } if text == DRAIN));

    let life = plan.of(&address(NUX)).unwrap().state.alive().unwrap().incarnation.clone().unwrap();
    let drained = |since: u64, asked: bool| {
        let mut given = given.clone();
        let life = life.marker.incarnation.clone();
        given.polecat(NUX).drain = Some(crate::ledger::Drain { life, at: at(NOW - since), asked });
        given
    };
    assert_eq!(drained(299, true).says(NUX), "held: draining");
    assert_eq!(drained(299, true).plan().wake, Some(at(NOW + 1)));
    assert_eq!(drained(300, true).says(NUX), "kill: docked");
    // Who could not be told is told later, and the time runs all the same.
    assert_eq!(drained(100, false).says(NUX), "nudge: draining");
    assert_eq!(drained(300, false).says(NUX), "kill: docked");
    let attached = drained(100, false).edit(|session| session.attached = 1);
    assert_eq!(attached.says(NUX), "held: draining");
}

#[test]
fn the_time_to_finish_is_a_key_and_none_stops_at_once() {
    let docked = |toml: &str| nux(toml).running(NUX).hold(NUX, HoldKind::Docked).says(NUX);
    assert_eq!(docked("[polecats]\ndrain = '0s'"), "kill: docked");
    assert_eq!(docked("[polecats]\ndrain = '1s'"), "nudge: draining");
}

// --- letters

fn letter(given: &Given) -> Option<(LetterKind, String, String)> {
    let plan = given.plan();
    let verdict = plan.of(&address(NUX)).unwrap();
    let Decision::Step(step) = &verdict.decision else { return None };
    let Action::Notify { letter, .. } = &step.action else { return None };
    assert_eq!(letter.to, "a/witness");
    Some((letter.kind, letter.subject.clone(), letter.body.clone()))
}

/// As if the letter had been sent.
fn sent(mut given: Given) -> Given {
    let plan = given.plan();
    let (_, step) = plan.steps().next().unwrap();
    let Action::Notify { letter, .. } = &step.action else { panic!("no letter: {plan:?}") };
    let about = (letter.kind, letter.bead.as_str(), letter.life.as_ref());
    given.ledger.begin_letter(&address(NUX), about, &at(NOW));
    given
}

#[test]
fn work_of_the_dead_that_nobody_starts_is_told_once() {
    let given = crashed("").gone(NUX, 100).hold(NUX, HoldKind::Parked).with_gt();
    let (kind, subject, body) = letter(&given).unwrap();
    assert_eq!(
        (kind, subject.as_str()),
        (LetterKind::Orphaned, "ORPHANED_WORK: a-a-polecat-nux has hooked work but is dead")
    );
    assert!(body.contains("hook_bead: a-1") && body.contains("(parked)"), "{body}");
    assert_eq!(sent(given.clone()).says(NUX), "held: parked");
    // Not before a minute has passed, in which gt may put another one in its place.
    let young = given.clone().gone(NUX, 50);
    assert_eq!((letter(&young), young.plan().wake), (None, Some(at(NOW + 10))));
    // Nor without gt, nor if it is switched off, nor if the letter could not be remembered.
    assert_eq!(letter(&crashed("").gone(NUX, 100).hold(NUX, HoldKind::Parked)), None);
    let off = |key: &str| {
        crashed(&format!("[polecats]\n{key}")).gone(NUX, 100).hold(NUX, HoldKind::Parked).with_gt()
    };
    assert_eq!(letter(&off("orphan-mail = false")), None);
    assert_eq!(letter(&off("orphaned-after = '2m'")), None);
    let mut forgetful = given;
    forgetful.ledger.trouble = Some(Why::new("disk full"));
    assert_eq!(letter(&forgetful), None);
}

#[test]
fn work_that_is_done_or_frozen_is_nobodys() {
    for given in [
        crashed("").works(NUX, says_of_itself(AgentState::Done, 10)).hold(NUX, HoldKind::Parked),
        crashed("").hold(NUX, HoldKind::Frozen),
        crashed(""),
    ] {
        assert_eq!(letter(&given.gone(NUX, 10).with_gt()), None);
    }
}

/// It has been started again and again.
fn looping(toml: &str) -> Given {
    let mut given = crashed(toml).with_gt();
    let spec = given.desired.objects[&address(NUX)].spec.clone();
    let record = given.ledger.objects.entry(address(NUX)).or_default();
    record.spec = Some(spec);
    record.starts = (0..6).map(|number| Start { at: at(NOW - 60 + number), cause: Cause::Crash }).collect();
    record.crash_loop = Some(at(NOW - 55));
    given
}

#[test]
fn a_crash_loop_and_a_restart_that_fails_are_told_once_for_all_their_lives() {
    let (kind, subject, body) = letter(&looping("")).unwrap();
    assert_eq!((kind, subject.as_str()), (LetterKind::Crashed, "CRASHED_POLECAT: a/nux restart failed"));
    assert!(body.contains("restart_error: crash loop, 5 restarts in 15m"), "{body}");
    assert_eq!(sent(looping("")).says(NUX), "held: crash-loop");
    assert_eq!(letter(&looping("[polecats]\ncrash-mail = false")), None);

    let mut failed = looping("");
    let record = failed.ledger.objects.get_mut(&address(NUX)).unwrap();
    (record.crash_loop, record.not_before) = (None, Some(at(NOW + 30)));
    assert_eq!(letter(&failed), None, "it only waits");
    failed.polecat(NUX).failed = Some(Why::new("it did not stay up"));
    assert!(letter(&failed).unwrap().2.contains("restart_error: it did not stay up"));
}

#[test]
fn a_letter_that_failed_is_sent_again_when_its_time_comes() {
    let mut given = sent(looping(""));
    assert!(given.ledger.letter_failed(&address(NUX), LetterKind::Crashed, &at(NOW)));
    assert_eq!((letter(&given), given.plan().wake), (None, Some(at(NOW + 30))));
    given.observed.at = at(NOW + 30);
    assert!(letter(&given).is_some());
}

/// It lives, and its work has been the same for so long.
fn quiet(toml: &str, seconds: u64) -> Given {
    let mut given = nux(toml).running(NUX).works(NUX, work(0)).with_gt();
    let plan = given.plan();
    let life = plan.of(&address(NUX)).unwrap().state.alive().unwrap().incarnation.clone().unwrap();
    let progress = Progress {
        life: life.marker.incarnation,
        bead: "a-1".to_owned(),
        changed: Some(at(NOW - 4000).wall),
        boot: given.observed.at.boot.clone(),
        since: given.observed.awake - Duration::from_secs(seconds),
    };
    given.polecat(NUX).progress = Some(progress);
    given
}

#[test]
fn work_that_does_not_get_on_is_told_once_for_each_life() {
    let toml = "[polecats]\ngupp-after = '5m'";
    let (kind, subject, _) = letter(&quiet(toml, 300)).unwrap();
    assert_eq!(
        (kind, subject.as_str()),
        (LetterKind::Stalled, "GUPP_VIOLATION: a-a-polecat-nux stuck for 5m")
    );
    assert_eq!(quiet(toml, 300).says(NUX), "notify: no-progress");
    assert_eq!(sent(quiet(toml, 300)).says(NUX), "nothing: running");
    assert_eq!(letter(&quiet(toml, 299)), None);
    assert_eq!(letter(&quiet("[polecats]\ngupp-after = '5m'\ngupp-mail = false", 300)), None);
    // The agent has lived for ten minutes, so nothing of it can be quiet for longer.
    assert_eq!(letter(&quiet("", 4000)), None);
}

#[test]
fn law_1_whether_gt_is_there_may_be_unknown_and_why_says_that_and_not_that_it_is_gone() {
    let toml = "[polecats]\ngupp-after = '5m'";
    let evidence = |gt: Option<Seen<PathBuf>>| {
        let mut given = quiet(toml, 300);
        given.observed.gt = gt;
        assert_eq!(letter(&given), None);
        let plan = given.plan();
        let verdict = plan.verdicts.iter().find(|one| one.address == address(NUX)).unwrap();
        verdict.evidence.last().unwrap().what.clone()
    };
    assert!(
        evidence(Some(Seen::unknown("no access"))).ends_with("whether gt is there is unknown: no access")
    );
    assert!(evidence(None).ends_with("because gt is not there"));
}

#[test]
fn law_8_the_answer_may_be_old_and_quiet_counts_up_to_it() {
    let toml = "[polecats]\ngupp-after = '5m'";
    assert_eq!(letter(&quiet(toml, 350).works(NUX, work(100))), None);
    let mut changed = work(0);
    changed.hook.as_mut().unwrap().updated = Some(at(NOW - 1).wall);
    assert_eq!(letter(&quiet(toml, 350).works(NUX, changed)), None);
    let waits = says_of_itself(AgentState::AwaitingGate, 4000);
    assert_eq!(letter(&quiet(toml, 350).works(NUX, waits)), None);
    let mut away = quiet(toml, 350);
    away.observed.away = Some(Duration::from_secs(600));
    assert_eq!(letter(&away), None);
}

// --- mass death

const THREE: [&str; 3] = ["sessions/a", "sessions/b", "sessions/c"];

fn all_dead(toml: &str) -> Given {
    let table = |name: &str| format!("[sessions.{name}]\ncommand = ['{name}']\n");
    let given = super::builders::town(&format!("{}{}{}{toml}", table("a"), table("b"), table("c")));
    let mut given = THREE.iter().fold(given, |given, of| given.dead(of, Some(Exit::Signal(9))));
    let death = |of: &&str| Death { address: address(of), at: at(NOW) };
    let died: Vec<Death> = THREE.iter().map(death).collect();
    let mass = &mut given.ledger.mass_death;
    let names = Deaths::default().note(&died, mass, &given.desired.policy, &at(NOW));
    assert_eq!(names.is_some(), given.ledger.mass_death.is_some());
    given
}

fn said(given: &Given) -> Vec<String> {
    THREE.iter().map(|of| given.says(of)).collect()
}

#[test]
fn those_that_died_together_are_started_one_at_a_time() {
    let mut given = all_dead("");
    assert_eq!(
        said(&given),
        ["restart: exited", "restart one by one at 100002: exited", "restart one by one at 100002: exited"]
    );
    assert_eq!(given.plan().wake, Some(at(NOW + 2)));
    // One was started just now: nobody else is.
    given.ledger.starts = vec![at(NOW - 1)];
    assert!(
        said(&given).iter().all(|one| one == "restart one by one at 100001: exited"),
        "{:?}",
        said(&given)
    );
    given.ledger.in_flight.insert(address(THREE[0]));
    assert_eq!(said(&given)[0], "nothing: in-flight");
    assert!(said(&given)[1..].iter().all(|one| one == "restart one by one at 100002: exited"));
}

#[test]
fn that_ends_when_none_has_died_for_a_while_and_each_number_is_a_key() {
    let ready = ["restart: exited"; 3];
    assert_eq!(said(&all_dead("[mass-death]\ncount = 4")), ready);
    assert_eq!(said(&all_dead("[mass-death]\ngap = '0s'")), ready);
    let mut given = all_dead("");
    given.ledger.mass_death = Some(MassDeath { last: at(NOW - 59) });
    assert_ne!(said(&given), ready);
    given.ledger.mass_death = Some(MassDeath { last: at(NOW - 60) });
    assert_eq!(said(&given), ready);
    let mut given = all_dead("[mass-death]\ncalm = '10s'");
    given.ledger.mass_death = Some(MassDeath { last: at(NOW - 10) });
    assert_eq!(said(&given), ready);
}

#[test]
fn s50_agents_that_went_with_their_server_did_not_die_together() {
    let mut given = all_dead("");
    for of in THREE {
        given = given.past(of, super::builders::OLD_SERVER, Some(Seen::Known(false)));
    }
    given = given.server(Seen::Known(crate::observed::Server::Down));
    assert!(said(&given).iter().all(|one| one == "restart: server-lost"), "{:?}", said(&given));
}
