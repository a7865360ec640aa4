//! What tmux does that nobody expects, and what gtctl makes of it. Each test carries the number of its trap; `tests/scenarios.md` lists them all.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::time::Duration;

use common::{Fake, Life, Mode, SOON, TestTown, proc};

const SCRIBE: &str = "sessions/scribe";

/// An agent of a single process, which closes its terminal with its end: that is when notices are lost.
const ALONE: Fake = Fake::Named("alone");

/// What the event log says of how agents ended.
fn killed_ones(town: &TestTown) -> usize {
    let log = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
    log.lines().filter(|line| line.contains("\"signal\":9")).count()
}

/// The children of a process that have ended and were not collected.
fn zombies_of(parent: Life) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let is_one = |stat: &str| {
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(parent.pid.to_string().as_str())
    };
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| is_one(stat))
        .count()
}

#[test]
fn t01_a_lost_death_notice_keeps_nobody_down_and_hides_nothing_and_leaves_no_zombie() {
    let names = ["a", "b", "c", "d"];
    let objects = names.map(|name| format!("sessions/{name}"));
    let objects = objects.each_ref().map(String::as_str);
    let town = names.iter().fold(TestTown::new(), |town, name| town.session(name, ALONE));
    let controller = town.controller();
    for round in 1..=2 {
        town.wait_settled(&objects);
        // One after the other: each death would heal what was lost with the one before.
        for (number, object) in objects.iter().enumerate() {
            let (old, told) = (town.life(object), killed_ones(&town));
            old.kill();
            town.wait_replaced(object, old, SOON);
            assert!(killed_ones(&town) > told, "round {round}, {number}: how it ended is told");
        }
    }
    controller.passes(1);
    assert_eq!(town.sessions().len(), 4);
    town.wait_until("the server has collected them all", SOON, || zombies_of(town.server()) == 0);
}

#[test]
fn t02_dead_without_a_status_is_dead_and_how_it_ended_is_found_out() {
    let town = TestTown::new().session("scribe", ALONE).with("crash-loop", "count = 100").started();
    let (mut without_status, mut rounds) = (0, 0);
    // tmux 3.3a loses every second or fourth; later ones lose none.
    while without_status < 3 && rounds < 30 {
        rounds += 1;
        let (old, told) = (town.life(SCRIBE), killed_ones(&town));
        old.kill();
        town.wait_until("tmux takes the pane for dead", SOON, || town.sessions()[0].dead);
        let says = ["list-panes", "-a", "-F", "#{pane_dead_status}#{pane_dead_signal}"];
        without_status += usize::from(town.tmux(&says).exits(0).stdout.trim().is_empty());
        // Whoever only looks pokes nobody, and sees a death all the same.
        assert_eq!(town.plan().state(SCRIBE), "dead", "round {rounds}");

        town.gtctl(&["reset-backoff", SCRIBE]).exits(0);
        town.once().exits(0);

        assert_ne!(town.life(SCRIBE), old);
        assert!(killed_ones(&town) > told, "round {rounds}, {without_status} without a status: it is told");
    }
    assert_eq!(town.sessions().len(), 1);
}

#[test]
fn t04_a_session_whose_name_only_begins_alike_is_somebody_elses() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok).started();
    let own = town.sessions_of(SCRIBE).remove(0);
    let foreign = town.foreign_session(&format!("{}-long", own.name), "cat");
    let typed = || town.tmux(&["capture-pane", "-p", "-t", &foreign.pane]).exits(0).stdout.trim().to_owned();
    let lose_it = || {
        let own = town.sessions_of(SCRIBE).remove(0);
        town.tmux(&["kill-session", "-t", &own.id]).exits(0);
        // That is the trap: now the shorter name finds the longer one.
        town.tmux(&["has-session", "-t", &own.name]).exits(0);
    };

    lose_it();
    assert!(["absent", "vanished"].contains(&town.plan().state(SCRIBE)), "it is not the other one");
    town.gtctl(&["nudge", SCRIBE, "are you there?"]).fails();
    assert_eq!(typed(), "");
    town.once().exits(0);
    assert_eq!((town.sessions_of(SCRIBE).len(), town.start_count(SCRIBE)), (1, 2));

    lose_it();
    town.gtctl(&["stop", SCRIBE]).exits(0);
    assert!(foreign.life().is_some_and(Life::is_alive));
    assert!(town.sessions().contains(&foreign), "neither ended nor labelled");
    assert_eq!(typed(), "");
}

#[test]
fn t06_what_follows_a_command_that_failed_does_not_happen_to_somebody_else() {
    let town = TestTown::new()
        .session("other", Fake::Ok)
        .session("scribe", Fake::Ok)
        .with("controller", "tmux-timeout = '10s'");
    let (shim, home) = (town.shim(), town.foreign_session("keeper", "keeper"));
    shim.mode(Mode::Delay(Duration::from_secs(1)));
    let controller = town.spawn_controller(town.gtctl_command(&["reconcile"]));
    let begins = |name: &str| {
        let is_it = |text: &str| text.contains("new-session") && text.contains(&format!("-s '{name}'"));
        shim.calls().iter().any(|call| call.stdin.as_deref().is_some_and(is_it))
    };
    town.wait_until("the starts are on their way", SOON, || begins("scribe") && begins("other"));

    // Somebody is faster: the first command of the line will fail, and those after it are about that name.
    let foreign = town.foreign_session("scribe", "faster");

    assert!(controller.wait().is_some_and(|code| code != 0), "{}", controller.log());
    let log = controller.log();
    assert!(log.contains("has been taken in the meantime"), "{log}");
    let now = town.sessions().into_iter().find(|session| session.id == foreign.id).expect("it is there");
    assert_eq!((&now, now.life()), (&foreign, foreign.life()), "it is what it was, and has no label");
    let target = format!("{}:", foreign.id);
    let options = town.tmux(&["show-options", "-p", "-t", &target]).exits(0).stdout
        + &town.tmux(&["show-options", "-t", &target]).exits(0).stdout;
    assert!(!options.contains("gtctl") && !options.contains("remain-on-exit"), "{options}");
    // The failure of one start is no other's.
    assert_eq!((town.start_count("sessions/other"), town.start_count(SCRIBE)), (1, 0));
    assert!(home.life().is_some_and(Life::is_alive));
}

#[test]
fn t07_a_command_of_a_hundred_kilobytes_starts_as_it_stands() {
    let town = TestTown::new();
    let mut argv = Fake::Ok.command(town.root());
    argv.extend((0..1000).map(|number| format!("{number:0100}")));
    // One argument alone may have 128 KiB in Linux.
    argv.push("x".repeat(100_000));
    let town = town.session("scribe", Fake::Argv(argv.clone())).started();
    let first = town.life(SCRIBE);
    town.wait_until("it runs", SOON, || town.start_count(SCRIBE) == 1);
    assert!(first.argv()[1..] == argv, "{} of {} arguments", first.argv().len() - 1, argv.len());

    // And when it is started again in its pane.
    first.kill();
    town.wait_until("it is seen dead", SOON, || town.plan().state(SCRIBE) == "dead");
    town.once().exits(0);
    town.wait_until("it runs again", SOON, || town.start_count(SCRIBE) == 2);
    assert!(town.life(SCRIBE).argv()[1..] == argv);
}

#[test]
fn t14_whoever_is_started_while_the_old_server_is_ending_comes_up_and_has_not_crashed() {
    for _ in 0..4 {
        // A start that counted as failed would be tried again in half an hour.
        let town = TestTown::new()
            .session("scribe", Fake::Ok)
            .session("other", Fake::Ok)
            .with("backoff", "initial = '30m'")
            .with("backoff", "max = '1h'");
        let controller = town.controller();
        let before = town.wait_settled(&[SCRIBE, "sessions/other"]);

        town.tmux(&["kill-server"]).exits(0);

        town.wait_replaced(SCRIBE, before[0], SOON);
        town.wait_replaced("sessions/other", before[1], SOON);
        controller.passes(2);
        assert_eq!(town.servers().len(), 1);
        assert_eq!((town.start_count(SCRIBE), town.start_count("sessions/other")), (2, 2));
    }
}

#[test]
fn t16_a_secret_is_in_the_environment_of_its_own_session_and_nowhere_else_in_tmux() {
    let secret = "sk-do-not-tell-4711";
    let town = TestTown::new()
        .session("scribe", Fake::Ok)
        .with("sessions.scribe", &format!("env = {{ API_KEY = '{secret}' }}"))
        .session("other", Fake::Ok)
        .started();
    assert_eq!(town.life(SCRIBE).environ().get("API_KEY").map(String::as_str), Some(secret));
    let other = format!("{}:", town.sessions_of("sessions/other")[0].id);
    let own = format!("{}:", town.sessions_of(SCRIBE)[0].id);
    for look in [
        &["show-environment", "-g"][..],
        &["show-environment", "-t", &other],
        &["show-options", "-g"],
        &["show-options", "-s"],
        &["show-options", "-t", &own],
        &["show-options", "-p", "-t", &own],
        &["show-messages", "-J"],
        &["show-buffer"],
        &[
            "list-panes",
            "-a",
            "-F",
            "#{pane_start_command} #{pane_title} #{@gtctl} #{@gtctl_spec} #{@gtctl_agent}",
        ],
    ] {
        town.tmux(look).keeps_quiet_about(secret);
    }
    let told =
        proc::processes_of(town.root()).into_iter().filter(|life| life.argv().join(" ").contains(secret));
    assert_eq!(told.count(), 0, "in an argv");
}

#[test]
fn t17_an_agent_that_tmux_takes_for_dead_is_not_doubled() {
    let town = TestTown::new().session("scribe", Fake::Detached).with("orphans", "end = 'nothing'");
    let controller = town.controller();
    let agent = town.wait_alive(SCRIBE).life().expect("it lives");
    town.wait_until("tmux takes it for dead", SOON, || town.sessions()[0].dead);
    assert!(agent.is_alive(), "and it lives on");

    controller.passes(5);

    town.plan().assert_held(SCRIBE, "detached");
    assert!(agent.is_alive());
    assert_eq!((town.start_count(SCRIBE), town.sessions().len()), (1, 1));

    // When it has ended indeed, there is a next one.
    agent.kill();
    town.wait_until("a second start", SOON, || town.start_count(SCRIBE) == 2);
}
