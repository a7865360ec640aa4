//! Agents that live and do nothing any more: heartbeats, questions, and what is no reason to end anybody.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Fake, Life, SOON, Stopped, TestTown, agents};

const SCRIBE: &str = "sessions/scribe";
const BEAT: &str = "scribe.beat";

/// A session that says that it is well in a file which the test writes; asked after two seconds, replaced after four.
fn town(fake: Fake) -> TestTown {
    TestTown::new()
        .session("scribe", fake)
        .with("sessions.scribe", "heartbeat = 'scribe.beat'")
        .with("sessions.scribe", "stale-after = '2s'")
        .with("sessions.scribe", "stuck-after = '4s'")
        .with("sessions.scribe", "grace = '0s'")
        .with("controller", "resync = '1s'")
}

/// Writes a heartbeat of so many seconds ago.
fn beat(town: &TestTown, file: &str, ago: u64) {
    let written = jiff::Timestamp::now() - Duration::from_secs(ago);
    town.file(file, &format!("{{\"timestamp\":\"{written}\",\"cycle\":1}}"));
}

fn typed(town: &TestTown) -> String {
    let file = agents::log_dir(town.root()).join("sessions_scribe.bytes");
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn s11_a_heartbeat_that_an_earlier_life_left_is_not_held_against_the_next_one() {
    let town = town(Fake::Ok)
        .with("sessions.scribe", "stale-after = '1h'")
        .with("sessions.scribe", "stuck-after = '2h'");
    beat(&town, BEAT, 5 * 3600);
    let controller = town.controller();
    let life = town.wait_settled(&[SCRIBE])[0];
    controller.passes(5);
    assert!(life.is_alive());
    assert_eq!((town.start_count(SCRIBE), town.plan().reason(SCRIBE)), (1, "running"));

    life.kill();
    let next = town.wait_replaced(SCRIBE, life, SOON).life().unwrap();
    controller.passes(5);
    assert!(next.is_alive());
    assert_eq!(town.start_count(SCRIBE), 2);
}

#[test]
fn s12_silence_ends_nobody_unless_a_file_says_so() {
    let silent = TestTown::new()
        .session("quiet", Fake::Echo)
        .session("told", Fake::Echo)
        .with("sessions.told", "heartbeat = 'told.beat'")
        .with("sessions.told", "stale-after = '1s'")
        .with("sessions.told", "grace = '0s'")
        .with("controller", "resync = '1s'");
    beat(&silent, "told.beat", 60);
    let controller = silent.controller();
    let objects = ["sessions/quiet", "sessions/told"];
    let lives = silent.wait_settled(&objects);
    silent.wait_until("one is stalled", SOON, || silent.plan().state("sessions/told") == "stalled");
    controller.passes(50);
    assert!(lives.iter().all(|life| life.is_alive()));
    assert!(objects.iter().all(|object| silent.start_count(object) == 1));
    assert_eq!(silent.plan().reason("sessions/quiet"), "running");
    silent.gtctl(&["why", "sessions/told"]).says("told.beat").says("silent");
}

#[test]
fn s13_who_is_stuck_is_asked_and_then_replaced_and_the_log_says_by_what() {
    let town = town(Fake::Echo);
    beat(&town, BEAT, 0);
    let controller = town.controller();
    let life = town.wait_settled(&[SCRIBE])[0];
    town.wait_until("it is asked", SOON, || typed(&town).contains("HEALTH_CHECK"));
    assert!(life.is_alive(), "it is asked before it is ended");
    // An answer begins the time anew.
    beat(&town, BEAT, 0);
    controller.passes(1);
    assert_eq!(town.plan().state(SCRIBE), "running");
    assert!(life.is_alive());

    let next = town.wait_replaced(SCRIBE, life, SOON);
    assert_eq!(typed(&town).matches("HEALTH_CHECK").count(), 2, "asked once for each silence");
    town.gtctl(&["why", SCRIBE]).says("kill (stuck)").says("scribe.beat says").says("restart (stuck)");
    let status = town.status();
    assert!(next.life().unwrap().is_alive(), "{status:#}");
}

#[test]
fn s15_somebody_who_is_attached_defers_the_end() {
    let town = town(Fake::Echo);
    beat(&town, BEAT, 0);
    let controller = town.controller();
    let life = town.wait_settled(&[SCRIBE])[0];
    let mut client = attach(&town);
    town.wait_until("it is held", SOON, || town.plan().reason(SCRIBE) == "attached");
    controller.passes(10);
    assert!(life.is_alive());
    client.kill().unwrap();
    client.wait().unwrap();
    controller.passes(1);
    town.wait_replaced(SCRIBE, life, SOON);
}

/// A client that is attached to the only session, with a terminal of its own.
fn attach(town: &TestTown) -> Child {
    let session = town.alive(SCRIBE).unwrap().id;
    let socket = town.socket_file();
    let attach = format!("tmux -S '{}' attach-session -t '{session}'", socket.display());
    let mut command = Command::new("script");
    command.args(["-qfc", &attach, "/dev/null"]).env_remove("TMUX").env("TERM", "xterm");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_attached = || town.tmux(&["list-clients"]).stdout.contains("attached");
    town.wait_until("the client is attached", SOON, is_attached);
    child
}

#[test]
fn s23_a_controller_and_agents_that_were_stopped_lose_nobody() {
    let town = town(Fake::Ok)
        .with("sessions.scribe", "stale-after = '3s'")
        .with("sessions.scribe", "stuck-after = '6s'");
    beat(&town, BEAT, 0);
    let controller = town.controller();
    let life = town.wait_settled(&[SCRIBE])[0];
    let (own, agent) = (Stopped::stop(controller.life().unwrap()), Stopped::stop(life));
    let stopped_at = std::time::Instant::now();
    // Longer than a controller may be late: ten seconds more than its resync.
    town.wait_until("a long time has passed", SOON * 10, || stopped_at.elapsed() > Duration::from_secs(13));
    drop((own, agent));
    controller.passes(1);
    assert!(life.is_alive());
    town.gtctl(&["events"]).says("no look for");
    beat(&town, BEAT, 0);
    controller.passes(2);
    assert!(life.is_alive());
    assert_eq!(town.start_count(SCRIBE), 1);
}

#[test]
fn s65_what_is_frozen_is_stalled_and_never_well() {
    let town = town(Fake::Ok).with("sessions.scribe", "stuck-after = '1h'");
    beat(&town, BEAT, 0);
    let _controller = town.controller();
    let life = town.wait_settled(&[SCRIBE])[0];
    let _frozen = Stopped::stop(life);
    town.wait_until("it is stalled", SOON, || town.plan().state(SCRIBE) == "stalled");
    assert_eq!(town.status_code(), Some(1));
    town.gtctl(&["status"]).says("stalled").says("silent for");
    assert!(life.is_alive());
}

#[test]
fn law_1_a_heartbeat_that_is_torn_or_of_the_future_ends_nobody() {
    for text in ["{\"timest", "", "{\"timestamp\":\"2999-01-01T00:00:00Z\"}"] {
        let town = town(Fake::Ok);
        town.file(BEAT, text);
        let controller = town.controller();
        let life = town.wait_settled(&[SCRIBE])[0];
        town.wait_until("its silence would have been too long", SOON, || {
            Life::of(life.pid).is_none() || jiff::Timestamp::now().as_second() > 0 && lived(life) > 6
        });
        controller.passes(2);
        assert!(life.is_alive(), "{text}");
        town.gtctl(&["why", SCRIBE]).says("cannot be told");
    }
}

/// How many seconds a process has lived.
fn lived(life: Life) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", life.pid)).unwrap_or_default();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
    (uptime - start as f64 / 100.0) as u64
}
