//! Section A of the scenarios: what must never be killed.

mod common;

use std::time::Duration;

use common::{Fake, Life, Mode, SOON, Session, Stopped, TestTown, proc};
use rustix::process::Signal;

const FIVE: [&str; 5] = ["sessions/a", "sessions/b", "sessions/c", "sessions/d", "sessions/e"];

/// A town of five sessions.
fn town_of_five() -> TestTown {
    FIVE.iter()
        .fold(TestTown::new(), |town, object| town.session(object.trim_start_matches("sessions/"), Fake::Ok))
}

#[test]
fn s01_sessions_of_others_are_left_alone_and_listed() {
    let town = TestTown::new().rig("foo", Fake::Ok).with("rigs.foo", "state = 'parked'");
    let mine =
        [town.foreign_session("dotfiles-main", "claude"), town.foreign_session("gt-foo-witness", "claude")];
    let untouched = || {
        let now = town.sessions();
        assert!(mine.iter().all(|session| now.contains(session)), "{mine:#?}\n{now:#?}");
        assert!(mine.iter().all(|session| session.life().is_some()));
    };
    let controller = town.controller();

    controller.passes(15);
    untouched();
    town.remove("rigs.foo");
    controller.passes(15);
    untouched();
    town.add_rig("foo", Fake::Ok);
    town.wait_alive("foo/refinery");
    controller.passes(20);
    untouched();

    let plan = town.plan();
    plan.assert_held("foo/witness", "foreign");
    assert_eq!(plan.state("foo/witness"), "foreign");
    assert_eq!(town.start_count("foo/witness"), 0);
    assert!(plan.unmanaged().contains(&"dotfiles-main"), "{plan:#?}");
    town.gtctl(&["status"]).says("dotfiles-main").says("gt-foo-witness");
}

#[test]
fn s04_a_town_of_the_same_name_on_another_server_is_untouched() {
    let a = TestTown::new().rig("gastown", Fake::Ok).started();
    let b = TestTown::new().rig("gastown", Fake::Ok).started();
    stop_all_of_a_and_keep_b(&a, &b, "gastown", &["gastown/witness", "gastown/refinery"]);
}

#[test]
fn s04_a_town_of_the_same_name_on_the_same_server_is_untouched() {
    let a = TestTown::new().rig("alpha", Fake::Ok).started();
    let b = a.neighbour().rig("gastown", Fake::Ok).session("scribe", Fake::Ok).started();
    // A wants what B has, under the same session name, and must not take it.
    a.add_rig("gastown", Fake::Ok);
    a.plan().assert_held("gastown/witness", "foreign");
    stop_all_of_a_and_keep_b(&a, &b, "alpha", &["gastown/witness", "gastown/refinery", "sessions/scribe"]);
}

/// Parks and then unlists and prunes `rig` in town A, with 20 passes; `kept` of town B must not notice.
fn stop_all_of_a_and_keep_b(a: &TestTown, b: &TestTown, rig: &str, kept: &[&str]) {
    let own = a.lives(&[&format!("{rig}/witness"), &format!("{rig}/refinery")]);
    let others = b.lives(kept);
    let controller = a.controller();

    a.set(&format!("rigs.{rig}"), "state = 'parked'");
    a.wait_until("A's own agents stop", SOON, || own.iter().all(|life| !life.is_alive()));
    controller.passes(20);
    assert_eq!(b.lives(kept), others);

    assert_eq!(controller.terminate(), Some(0));
    a.remove(&format!("rigs.{rig}"));
    let pruned = a.gtctl(&["reconcile", "--prune"]);
    assert_ne!(pruned.code, Some(64), "{pruned}");
    assert_eq!(b.lives(kept), others);
    assert!(kept.iter().all(|object| b.start_count(object) == 1));
}

#[test]
fn s05_a_broken_list_of_rigs_kills_and_starts_nothing() {
    let rigs = ["r1", "r2", "r3", "r4", "r5"];
    let objects: Vec<String> =
        rigs.iter().flat_map(|rig| [format!("{rig}/witness"), format!("{rig}/refinery")]).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let town = TestTown::new().workspace(&rigs, Fake::Ok);
    let controller = town.controller();
    let before = town.wait_all_alive(&objects, SOON);
    let list = town.path("mayor/rigs.json");

    type Fault = fn(&TestTown);
    let faults: [(&str, Fault); 4] = [
        ("empty", |town| town.file("mayor/rigs.json", "")),
        ("truncated", |town| {
            town.file("mayor/rigs.json", "{\"version\":1,\"rigs\":{\n\"r1\":{\"git_url\":\"gi")
        }),
        ("missing", |town| drop(std::fs::remove_file(town.path("mayor/rigs.json")))),
        ("a directory", |town| {
            let _ = std::fs::remove_file(town.path("mayor/rigs.json"));
            town.make_dirs(&["mayor/rigs.json"]);
        }),
    ];
    for (what, fault) in faults {
        fault(&town);
        controller.passes(4);
        assert_eq!(town.lives(&objects), before, "{what}");
        assert_eq!(town.start_order().len(), 10, "{what}");
        town.gtctl(&["status"]).says("rigs.json").says("since");
        let _ = std::fs::remove_dir(&list);
        town.list_rigs(&rigs);
        controller.passes(2);
        assert_eq!(town.lives(&objects), before, "{what}, and whole again");
    }
}

#[test]
fn s06_a_mass_stop_is_refused_until_it_is_approved() {
    // Given 22 agents, 18 of them on 9 rigs.
    let rigs: Vec<String> = (1..=9).map(|number| format!("r{number}")).collect();
    let town = ["a", "b", "c", "d"].iter().fold(TestTown::new(), |town, name| town.session(name, Fake::Ok));
    let town = rigs.iter().fold(town, |town, rig| town.rig(rig, Fake::Ok));
    let mut objects: Vec<String> =
        rigs.iter().flat_map(|rig| [format!("{rig}/witness"), format!("{rig}/refinery")]).collect();
    let stays = ["sessions/a", "sessions/b", "sessions/c", "sessions/d"];
    objects.extend(stays.map(str::to_owned));
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let controller = town.controller();
    let before = town.wait_all_alive(&objects, Duration::from_secs(30));

    // When all rigs are parked by a single change of the file.
    let tables: Vec<String> = rigs.iter().map(|rig| format!("rigs.{rig}")).collect();
    town.set_in_each(&tables.iter().map(String::as_str).collect::<Vec<_>>(), "state = 'parked'");
    controller.passes(3);

    // Then none is stopped, and it is said how to approve.
    assert_eq!(town.lives(&objects), before);
    assert!(town.plan().is_refused());
    town.gtctl(&["plan"]).says("gtctl approve");
    town.gtctl(&["status"]).says("gtctl approve");

    // And approval stops these, and nothing else.
    town.gtctl(&["approve"]).exits(0);
    town.wait_until("the 18 are gone", Duration::from_secs(30), || {
        before[..18].iter().all(|life| !life.is_alive())
    });
    assert_eq!(town.lives(&stays), before[18..]);
}

#[test]
fn s06_reconcile_refuses_a_mass_stop_with_exit_code_8() {
    let town = TestTown::new().rig("a", Fake::Ok).rig("b", Fake::Ok).rig("c", Fake::Ok).started();
    let sessions = town.sessions();
    town.set_in_each(&["rigs.a", "rigs.b", "rigs.c"], "state = 'parked'");
    town.once().exits(8).says("gtctl approve");
    assert_eq!(town.sessions(), sessions);
}

#[test]
fn s07_life_does_not_depend_on_the_name_of_the_program() {
    let town = TestTown::new()
        .session("version", Fake::Named("2.1.19"))
        .session("wrap", Fake::Wrap)
        .session("node", Fake::Named("node"))
        .session("opencode", Fake::Named("opencode"))
        .session("python", Fake::Foreground("python3"));
    let controller = town.controller();
    let objects =
        ["sessions/version", "sessions/wrap", "sessions/node", "sessions/opencode", "sessions/python"];
    town.wait_all_alive(&objects, SOON);
    town.wait_until("python3 runs", SOON, || {
        proc::processes_of(town.root()).iter().any(|life| proc::comm(life.pid) == "python3")
    });
    let before: Vec<Session> = objects.iter().filter_map(|object| town.alive(object)).collect();

    controller.passes(50);

    let after: Vec<Session> = objects.iter().filter_map(|object| town.alive(object)).collect();
    assert_eq!(pinned(&after), pinned(&before));
    assert_eq!(town.sessions().len(), objects.len());
    assert_eq!((town.start_count("sessions/wrap"), town.start_count("sessions/python")), (1, 1));
    assert_eq!(town.status_code(), Some(0));
}

/// What must not change.
fn pinned(sessions: &[Session]) -> Vec<(&str, Option<Life>)> {
    sessions.iter().map(|session| (session.id.as_str(), session.life())).collect()
}

#[test]
fn s08_a_tmux_that_fails_makes_agents_unknown_and_not_dead() {
    let town = town_of_five();
    let shim = town.shim();
    let controller = town.controller();
    let before = town.wait_all_alive(&FIVE, SOON);

    for error in [
        "server busy",
        "fork failed: Resource temporarily unavailable",
        "error connecting to /tmp/tmux-0/x (Permission denied)",
        "lost server",
    ] {
        shim.mode(Mode::Fail(1, error));
        controller.passes(3);
        let plan = town.plan();
        assert!(FIVE.iter().all(|object| plan.state(object) == "unknown"), "{error}: {plan:#?}");
        assert!(plan.0.to_string().contains(error), "{error}: {plan:#?}");
        assert_eq!(town.status_code(), Some(2), "{error}");
        assert_eq!(town.lives(&FIVE), before, "{error}");
    }

    shim.mode(Mode::Pass);
    controller.passes(2);
    assert_eq!(town.lives(&FIVE), before);
    assert_eq!(town.start_order().len(), FIVE.len());
    assert_eq!(town.status_code(), Some(0));
}

#[test]
fn s09_a_tmux_that_hangs_makes_agents_unknown_and_leaves_no_client() {
    let town = town_of_five().with("controller", "tmux-timeout = '1s'");
    let controller = town.controller();
    let before = town.wait_all_alive(&FIVE, SOON);
    let server = town.server();

    let stopped = Stopped::stop(server);
    controller.passes(2);
    assert!(before.iter().all(|life| life.is_alive()));
    assert_eq!(town.status_code(), Some(2));
    let clients =
        || proc::processes_of(town.root()).iter().filter(|one| proc::comm(one.pid) == "tmux: client").count();
    town.wait_until("no client is stuck", SOON, || clients() == 0);

    drop(stopped);
    controller.passes(2);
    assert_eq!(town.status_code(), Some(0));
    assert_eq!(town.lives(&FIVE), before);
    assert_eq!((town.server(), town.start_order().len()), (server, FIVE.len()));
}

#[test]
fn s10_without_a_tmux_the_controller_refuses_to_run() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let before = town.lives(&["sessions/scribe"]);
    town.set_path(&town.root().join("home").display().to_string());

    let ran = town.gtctl(&["controller"]).fails();

    assert!(ran.stderr.contains("tmux") && ran.stderr.contains("PATH"), "{ran}");
    town.once().fails();
    assert_eq!(town.status_code(), Some(2));
    assert_eq!(town.lives(&["sessions/scribe"]), before);
}

#[test]
fn s14_a_slow_start_is_waited_for() {
    // No heartbeat, no output: all that a slow agent shows is that it lives.
    let town = TestTown::new().witness("gastown", Fake::Ok);
    let controller = town.controller();
    let first = town.wait_alive("gastown/witness");
    controller.passes(10);
    assert_eq!(town.sessions(), [first]);
    assert_eq!(town.start_count("gastown/witness"), 1);
}

#[test]
fn s22_a_rig_whose_wishes_cannot_be_read_is_not_touched_and_others_are_served() {
    for broken in ["", "{\"rig\":\"a\",\"values\":", "[]"] {
        let town = TestTown::new().workspace(&["a", "b"], Fake::Ok).started();
        let before = town.lives(&["a/witness", "a/refinery", "b/witness", "b/refinery"]);
        town.file(".beads-wisp/config/a.json", broken);
        for life in [before[1], before[3]] {
            life.kill();
            town.wait_until("it is dead", SOON, || !life.is_alive());
        }

        town.once().exits(5);

        assert_eq!((town.start_count("a/refinery"), town.start_count("b/refinery")), (1, 2), "{broken:?}");
        assert_eq!(town.lives(&["a/witness", "b/witness"]), [before[0], before[2]], "{broken:?}");
        town.plan().assert_held("a/refinery", "layer-unreadable");
        assert_eq!(town.status_code(), Some(2), "{broken:?}");
    }
}

#[test]
fn s24_agents_outlive_the_controller_however_it_ends() {
    let town = town_of_five().started();
    let before = town.lives(&FIVE);
    for (signal, code) in [(Signal::TERM, Some(0)), (Signal::INT, Some(0)), (Signal::KILL, None)] {
        let controller = town.controller();
        controller.signal(signal);
        assert_eq!(controller.wait(), code, "{signal:?}\n{}", controller.log());
        assert_eq!(town.lives(&FIVE), before, "{signal:?}");
    }
    let controller = town.controller();
    controller.signal(Signal::HUP);
    controller.signal(Signal::TERM);
    controller.wait();
    let _next = town.controller();
    assert_eq!(town.lives(&FIVE), before, "SIGHUP, and the next controller");
    assert_eq!(town.start_order().len(), FIVE.len());
}
