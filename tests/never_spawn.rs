//! Section B of the scenarios: what must never be started.

mod common;

use std::fs;

use common::{Fake, Mode, RunningController, SOON, TestTown, proc};
use rustix::process::Signal;

#[test]
fn s29_a_liveness_rule_that_sees_nothing_cannot_flood_the_town() {
    let cap = 12;
    let town = TestTown::new()
        .session("scribe", Fake::Ok)
        .with("limits", &format!("starts-per-minute = {cap}"))
        .with("crash-loop", "count = 5");
    let shim = town.shim();
    let controller = town.controller();
    let first = town.wait_alive("sessions/scribe");

    for mode in [Mode::LookEmpty, Mode::Nonsense] {
        shim.mode(mode.clone());
        for _ in 0..10 {
            controller.passes(5);
            assert!(town.alive("sessions/scribe").is_some(), "{mode:?}: exactly one lives");
        }
    }

    assert!(town.start_count("sessions/scribe") <= cap, "{} starts", town.start_count("sessions/scribe"));
    assert_eq!(town.sessions().len(), 1);
    shim.mode(Mode::Pass);
    controller.passes(2);
    assert_eq!(town.alive("sessions/scribe"), Some(first), "it was never replaced, since it never died");
}

#[test]
fn s31_of_two_controllers_at_the_same_instant_one_runs() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    for attempt in 0..10 {
        let pair = [
            town.spawn_controller(town.gtctl_command(&["controller"])),
            town.spawn_controller(town.gtctl_command(&["controller"])),
        ];
        town.wait_until("one of them ends", SOON, || pair.iter().any(|one| one.try_wait().is_some()));
        let (winner, loser) =
            if pair[0].try_wait().is_none() { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
        assert_eq!(loser.wait(), Some(75), "attempt {attempt}\n{}", loser.log());
        let names_holder = loser.log().contains(&winner.pid().to_string());
        assert!(names_holder, "attempt {attempt}: must name {}\n{}", winner.pid(), loser.log());
        town.wait_alive("sessions/scribe");
        town.wait_until("the winner answers", SOON, || winner.pass_count().is_some());
        assert_eq!(winner.terminate(), Some(0));
    }
    assert_eq!(town.start_count("sessions/scribe"), 1);
}

#[test]
fn s31_a_controller_and_many_reconciles_start_it_once() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let mut crowd: Vec<RunningController<'_>> = Vec::new();
    for verb in ["reconcile", "controller", "reconcile", "reconcile"] {
        crowd.push(town.spawn_controller(town.gtctl_command(&[verb])));
    }
    town.wait_alive("sessions/scribe");
    for (number, one) in crowd.iter().enumerate().filter(|(number, _)| *number != 1) {
        let code = one.wait();
        assert!(matches!(code, Some(0 | 75)), "reconcile {number}: {code:?}\n{}", one.log());
    }
    let other = town.gtctl(&["reconcile"]);
    assert!(matches!(other.code, Some(0 | 75)), "{other}");
    assert_eq!((town.start_count("sessions/scribe"), town.sessions().len()), (1, 1));
}

#[test]
fn s33_what_rests_is_not_started_whoever_looks_and_however_often() {
    // Given each way to let a rig rest, and one rig that works.
    let town = TestTown::new()
        .workspace(&["parked", "docked", "wisp", "wispdocked", "norestart", "off", "works"], Fake::Ok)
        .with("rigs.parked", "state = 'parked'")
        .with("rigs.docked", "state = 'docked'")
        .with("rigs.norestart", "auto-restart = false")
        .with("rigs.off", "roles.witness.enabled = false")
        .with("rigs.off", "roles.refinery.enabled = false");
    for (rig, status) in [("wisp", "parked"), ("wispdocked", "docked")] {
        let path = format!(".beads-wisp/config/{rig}.json");
        town.file(&path, &format!(r#"{{"rig":"{rig}","values":{{"status":"{status}"}},"blocked":[]}}"#));
    }
    let only_works = |when: &str| {
        let started = town.start_order();
        assert!(started.iter().all(|object| object.starts_with("works/")), "{when}: {started:?}");
    };
    let working = ["works/witness", "works/refinery"];

    // When the controller passes many times, …
    let controller = town.controller();
    let before = town.wait_all_alive(&working, SOON);
    controller.passes(25);
    only_works("after 25 passes");

    // … is restarted, …
    assert_eq!(controller.terminate(), Some(0));
    let controller = town.controller();
    controller.passes(5);
    only_works("after a restart of the controller");

    // … and the machine "reboots".
    town.tmux(&["kill-server"]).exits(0);
    town.wait_until("the works are back", SOON, || working.iter().all(|object| town.alive(object).is_some()));
    assert_ne!(town.lives(&working), before);
    controller.passes(20);

    // Then nothing of the resting rigs was started, ever, and each says why.
    only_works("after a new tmux server");
    let plan = town.plan();
    for (rig, code) in [
        ("parked", "parked"),
        ("docked", "docked"),
        ("wisp", "parked"),
        ("wispdocked", "docked"),
        ("norestart", "no-restart"),
        ("off", "disabled"),
    ] {
        assert_eq!(plan.reason(&format!("{rig}/witness")), code, "{rig}");
        assert_eq!(plan.reason(&format!("{rig}/refinery")), code, "{rig}");
    }
}

#[test]
fn s33_frozen_towns_start_nothing_and_stop_nothing() {
    let town = TestTown::new().workspace(&["a", "b"], Fake::Ok).started();
    let before = town.lives(&["a/witness", "b/witness"]);
    before[0].kill();
    town.wait_until("it is dead", SOON, || !before[0].is_alive());
    town.set("rigs.b", "state = 'parked'");
    town.file("ESTOP", "");

    let controller = town.controller();
    controller.passes(5);

    assert_eq!(town.start_count("a/witness"), 1);
    assert!(before[1].is_alive(), "parking waits too");
    assert_eq!(town.plan().reason("a/witness"), "frozen");

    fs::remove_file(town.path("ESTOP")).expect("remove ESTOP");
    town.wait_alive("a/witness");
    town.wait_until("the parked one stops", SOON, || !before[1].is_alive());
}

#[test]
fn s34_a_parked_rig_says_who_parked_it_and_how_to_undo_it() {
    let town = TestTown::new().rig("gastown", Fake::Ok).started();
    town.gtctl(&["park", "gastown", "--reason", "the week of the fair"]).exits(0).says("parked");
    let place = town.place_of("town.toml", "parked");
    let why = town.gtctl(&["why", "gastown/witness"]);
    why.says("parked").says(&place).says("the week of the fair").says("gtctl unpark gastown");
}

#[test]
fn s37_a_lost_socket_is_not_a_lost_server() {
    let town = TestTown::new().session("a", Fake::Ok).session("b", Fake::Ok).session("c", Fake::Ok);
    let objects = ["sessions/a", "sessions/b", "sessions/c"];
    let controller = town.controller();
    let before = town.wait_all_alive(&objects, SOON);
    let server = town.server();

    fs::remove_file(town.socket_file()).expect("remove the socket");
    controller.passes(5);

    // No second server, no second agent; and either gtctl got the socket back, or it says that it is lost.
    assert_eq!(town.server(), server);
    assert_eq!(town.start_order().len(), 3);
    assert!(before.iter().all(|life| life.is_alive()));
    if !town.socket_file().exists() {
        assert_eq!(town.plan().reason("sessions/a"), "socket-lost");
        assert_eq!(town.status_code(), Some(2));
        proc::send(server.pid, Signal::USR1);
        town.wait_until("the socket is back", SOON, || town.socket_file().exists());
    }
    controller.passes(2);
    assert_eq!(town.lives(&objects), before);
    assert_eq!((town.start_order().len(), town.status_code()), (3, Some(0)));
}

#[test]
fn s37_reconcile_without_a_controller_founds_no_second_server_either() {
    let town = TestTown::new().session("a", Fake::Ok).started();
    let (server, before) = (town.server(), town.lives(&["sessions/a"]));
    fs::remove_file(town.socket_file()).expect("remove the socket");

    town.once();

    assert_eq!((town.server(), town.start_order().len()), (server, 1));
    assert!(before[0].is_alive());
}

#[test]
fn s37_a_socket_that_is_lost_in_the_middle_of_a_restart_leads_to_no_second_server() {
    let wrap = "sessions/wrap";
    let town = TestTown::new().session("wrap", Fake::Wrap).session("other", Fake::Ok);
    let shim = town.shim();
    let controller = town.controller();
    town.wait_settled(&[wrap, "sessions/other"]);
    town.wait_until("its start", SOON, || town.start_count(wrap) == 1);
    let (server, other) = (town.server(), town.life("sessions/other"));
    shim.mode(Mode::RemoveAfterKill(town.socket_file()));

    // When its agent ends, the shell that is left is stopped, and then the socket is gone.
    proc::send(town.pids(wrap)[0], Signal::KILL);

    town.wait_until("the restart comes to something", SOON, || {
        let events = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
        events.lines().any(|event| event.contains("outcome") && event.contains("restart"))
    });
    assert_eq!((town.server(), town.start_count(wrap)), (server, 1));
    assert!(!town.socket_file().exists() && other.is_alive());

    proc::send(server.pid, Signal::USR1);
    town.wait_until("the socket is back", SOON, || town.socket_file().exists());
    controller.passes(1);
    town.wait_until("it is back too", SOON, || town.start_count(wrap) == 2);
    assert_eq!((town.server(), town.life("sessions/other")), (server, other));
}

#[test]
fn s42_a_missing_directory_is_waited_for_and_not_replaced_by_another() {
    let town = TestTown::new().session("scribe", Fake::Ok).with("sessions.scribe", "directory = 'later/on'");
    let controller = town.controller();

    controller.passes(5);

    assert_eq!(town.start_count("sessions/scribe"), 0);
    assert_eq!(town.sessions(), []);
    let plan = town.plan();
    plan.assert_held("sessions/scribe", "directory-missing");
    assert!(plan.verdict("sessions/scribe")["reason"].to_string().contains("later/on"), "{plan:#?}");
    town.gtctl(&["why", "sessions/scribe"]).says("later/on");

    town.make_dirs(&["later/on"]);
    controller.passes(1);
    town.wait_until("it starts", SOON, || town.start_count("sessions/scribe") == 1);
    assert_eq!(town.life("sessions/scribe").directory(), town.path("later/on"));
    controller.passes(2);
    assert_eq!(town.plan().reason("sessions/scribe"), "running", "it did not count as crashes");
}

#[test]
fn s44_unknown_roles_and_agents_are_named_and_not_started() {
    for (text, name) in [
        ("[roles.wizard]\nenabled = true\n", "wizard"),
        ("[roles.witness]\nagent = 'gpt9'\n[rigs.gastown]\n", "gpt9"),
        ("[rigs.gastown.roles.sorcerer]\nenabled = true\n", "sorcerer"),
        ("[sessions.scribe]\nagent = 'gpt9'\n", "gpt9"),
    ] {
        let town = TestTown::new();
        town.make_dirs(&["gastown/witness", "gastown/refinery/rig"]);
        town.town_toml(text);
        for verb in ["validate", "reconcile", "controller"] {
            town.gtctl(&[verb]).exits(6).says(name).says("town.toml:");
        }
        assert_eq!(town.sessions(), []);
    }
}

#[test]
fn law_5_a_controller_whose_lock_file_was_removed_leaves_before_a_second_one_acts_beside_it() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    let agent = town.wait_settled(&["sessions/scribe"]);
    std::fs::remove_file(town.path("daemon/daemon.lock")).unwrap();

    let second = town.controller();
    let status = town.gtctl(&["controller", "status"]).exits(0);
    controller.signal(Signal::USR1);

    assert_eq!(controller.wait(), Some(75), "a supervisor begins another one, if nobody else keeps the town");
    assert!(agent.iter().all(|life| life.is_alive()));
    // What it leaves behind is the other one's.
    second.passes(1);
    assert!(status.stdout.contains(&second.pid().to_string()), "{status}");
    town.gtctl(&["controller", "status"]).exits(0).says(&second.pid().to_string());
    assert!(town.path("daemon/daemon.pid").exists());
    assert_eq!(second.terminate(), Some(0));
}
