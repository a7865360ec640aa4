//! `gtctl plan` and `gtctl reconcile`: the plan is what happens, looking changes nothing, success is seen.

mod common;

use common::{Fake, Mode, SOON, TestTown};

/// Runs `plan` so often; fails the test if a file changed or tmux was asked for more than a look.
fn plan_changes_nothing(town: &TestTown, times: usize) {
    let shim = town.shim();
    let files = town.files();
    let sessions = town.sessions();
    for _ in 0..times {
        town.gtctl(&["plan"]).exits(0);
    }
    town.gtctl(&["reconcile", "--dry-run"]).exits(0);
    assert_eq!(town.files(), files, "a file was written");
    assert_eq!(town.sessions(), sessions, "a session was changed");
    let changing: Vec<_> = shim.calls().into_iter().filter(|call| !call.is_read_only()).collect();
    assert!(changing.is_empty(), "calls that may change something: {changing:#?}");
}

#[test]
fn s45_a_dry_run_of_a_fresh_town_changes_nothing() {
    let town = TestTown::new().rig("gastown", Fake::Ok).session("scribe", Fake::Ok);
    plan_changes_nothing(&town, 25);
    assert_eq!(town.servers(), [], "no server was founded");
    assert!(!town.path("daemon").exists());
}

#[test]
fn s45_a_dry_run_of_a_running_town_changes_nothing() {
    let town = TestTown::new().rig("gastown", Fake::Ok).session("scribe", Fake::Ok).started();
    plan_changes_nothing(&town, 25);
}

#[test]
fn s45_a_dry_run_of_a_town_in_need_changes_nothing() {
    let town = TestTown::new().rig("gastown", Fake::Ok).session("scribe", Fake::Ok).started();
    town.set("rigs.gastown", "state = 'parked'");
    let scribe = town.life("sessions/scribe");
    scribe.kill();
    town.wait_until("it is dead", SOON, || !scribe.is_alive());
    plan_changes_nothing(&town, 25);
    assert_eq!(town.start_count("sessions/scribe"), 1);
}

#[test]
fn s45_a_dry_run_needs_no_lock() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let _controller = town.controller();
    town.wait_alive("sessions/scribe");
    for _ in 0..5 {
        town.gtctl(&["plan"]).exits(0);
    }
}

#[test]
fn the_plan_ends_with_its_summary() {
    let town = TestTown::new().rig("gastown", Fake::Ok).session("scribe", Fake::Ok);
    let ran = town
        .gtctl(&["plan"])
        .exits(0)
        .says("gastown/witness")
        .says("gastown/refinery")
        .says("sessions/scribe");
    assert_eq!(ran.last_line(), "Plan: 3 to start, 0 to restart, 0 to nudge, 0 to kill, 0 held.", "{ran}");

    town.once().exits(0);

    let ran = town.gtctl(&["plan"]).exits(0);
    assert!(ran.stdout.lines().any(|line| line.starts_with("No changes.")), "{ran}");
    assert_eq!(ran.last_line(), "Plan: 0 to start, 0 to restart, 0 to nudge, 0 to kill, 0 held.", "{ran}");
}

#[test]
fn a_second_reconcile_finds_nothing_to_do() {
    let town = TestTown::new().rig("gastown", Fake::Ok).session("scribe", Fake::Ok);
    let ran = town.once().exits(0);
    assert_eq!(
        ran.last_line(),
        "Reconcile complete: 3 started, 0 restarted, 0 nudged, 0 killed, 0 held, 0 failed.",
        "{ran}"
    );
    let sessions = town.sessions();

    let ran = town.once().exits(0);

    assert!(ran.stdout.lines().any(|line| line.starts_with("No changes.")), "{ran}");
    assert_eq!(town.sessions(), sessions);
    assert_eq!(town.start_order().len(), 3);
}

#[test]
fn sessions_carry_name_label_and_remain_on_exit() {
    let town = TestTown::new().rig("gastown", Fake::Ok).started();
    for (object, name) in
        [("gastown/witness", "gt-gastown-witness"), ("gastown/refinery", "gt-gastown-refinery")]
    {
        let Some(session) = town.alive(object) else { panic!("{object} must live") };
        assert_eq!(session.name, name);
        let hex = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(session.marker.split('.').count() == 3 && hex(session.incarnation()), "{session:?}");
        assert!(session.marker.split('.').next().is_some_and(hex), "{session:?}");
        let option = town.tmux(&["show-options", "-p", "-v", "-t", &session.pane, "remain-on-exit"]).exits(0);
        assert_eq!(option.stdout.trim(), "on");
        let environ = session.life().map(common::Life::environ).unwrap_or_default();
        assert_eq!(environ.get("GTCTL_OBJECT").map(String::as_str), Some(object));
        assert_eq!(environ.get("GTCTL_INCARNATION").map(String::as_str), Some(session.incarnation()));
        assert!(environ.contains_key("GTCTL_TOWN"));
    }
}

#[test]
fn s90_the_plan_is_what_reconcile_then_does() {
    // Given one of each: to start, to restart, to kill, held, and nothing to do.
    let town =
        TestTown::new().witness("resting", Fake::Ok).witness("well", Fake::Ok).session("dead", Fake::Ok);
    let town = town.started();
    town.set("rigs.resting", "state = 'parked'");
    town.add_session("new", Fake::Ok);
    town.add_session("lost", Fake::Ok);
    town.set("sessions.lost", "directory = 'nowhere'");
    let before = town.lives(&["resting/witness", "well/witness", "sessions/dead"]);
    before[2].kill();
    town.wait_until("it is dead", SOON, || {
        town.sessions_of("sessions/dead").iter().all(|session| session.dead)
    });

    // When it is planned, and done.
    let plan = town.plan();
    let ran = town.once().exits(5);

    // Then the plan says one of each …
    assert_eq!(plan.decision("sessions/new"), "start");
    assert_eq!((plan.decision("sessions/dead"), plan.state("sessions/dead")), ("restart", "dead"));
    assert_eq!((plan.decision("resting/witness"), plan.reason("resting/witness")), ("kill", "parked"));
    assert_eq!((plan.decision("well/witness"), plan.reason("well/witness")), ("nothing", "running"));
    plan.assert_held("sessions/lost", "directory-missing");
    for (what, count) in [("start", 1), ("restart", 1), ("nudge", 0), ("kill", 1)] {
        assert_eq!(plan.count(what), count, "{what} in {plan:#?}");
    }

    // … and each has happened.
    let done = "Reconcile complete: 1 started, 1 restarted, 0 nudged, 1 killed, ";
    assert!(ran.last_line().starts_with(done) && ran.last_line().ends_with(" held, 0 failed."), "{ran}");
    assert_eq!(town.start_count("sessions/new"), 1);
    assert_eq!(town.start_count("sessions/dead"), 2);
    assert!(town.alive("sessions/new").is_some() && town.alive("sessions/dead").is_some());
    assert!(!before[0].is_alive(), "the witness of the parked rig is gone");
    assert!(before[1].is_alive() && town.start_count("well/witness") == 1);
    assert_eq!(town.start_count("sessions/lost"), 0);
}

#[test]
fn starts_run_in_waves_along_after() {
    // `after` runs against the order of names, so that no other order passes by chance.
    let town = TestTown::new()
        .session("a", Fake::Ok)
        .session("b", Fake::Ok)
        .session("c", Fake::Ok)
        .with("sessions.a", "after = ['sessions/b']")
        .with("sessions.b", "after = ['sessions/c']");
    town.once().exits(0);
    assert_eq!(town.start_order(), ["sessions/c", "sessions/b", "sessions/a"]);
}

#[test]
fn a_wave_waits_until_what_it_needs_is_alive() {
    let town = TestTown::new()
        .session("base", Fake::NoExec)
        .session("upper", Fake::Ok)
        .session("other", Fake::Ok)
        .with("sessions.upper", "after = ['sessions/base']");

    town.once().fails().says("sessions/base");

    assert_eq!(town.start_order(), ["sessions/other"]);
    town.plan().assert_held("sessions/upper", "waiting-for");
}

#[test]
fn s88_a_missing_program_is_named() {
    let town = TestTown::new().session("scribe", Fake::NoExec);
    town.once().fails().says("no-such-program");
    assert_eq!(town.start_count("sessions/scribe"), 0);
}

#[test]
fn a_hold_that_no_file_asks_for_is_exit_code_5_and_one_that_a_file_asks_for_is_0() {
    let town = TestTown::new().session("scribe", Fake::Ok).with("sessions.scribe", "directory = 'nowhere'");
    town.once().exits(5).says("directory missing").says("nowhere");

    let town = TestTown::new().rig("gastown", Fake::Ok).with("rigs.gastown", "state = 'parked'");
    town.once().exits(0);
    assert_eq!(town.start_order().len(), 0);
}

#[test]
fn s89_a_tmux_that_claims_to_have_started_is_not_believed() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let shim = town.shim();
    for mode in [Mode::LieAboutChanges, Mode::Lie] {
        shim.mode(mode.clone());
        let ran = town.once().fails();
        assert!(!ran.stdout.contains("1 started"), "{mode:?}\n{ran}");
        assert_eq!(town.sessions(), []);
    }
    shim.mode(Mode::Pass);
    town.wait_until("the truth helps", SOON, || town.once().code == Some(0));
    assert_eq!(town.start_count("sessions/scribe"), 1);
}

#[test]
fn s89_an_agent_that_ends_while_it_settles_was_not_started() {
    let town = TestTown::new().session("scribe", Fake::Crash(0)).with("controller", "settle = '2s'");
    let ran = town.once().fails();
    assert!(!ran.stdout.contains("1 started"), "{ran}");
    ran.says("1 failed");
}

#[test]
fn s89_a_tmux_that_claims_to_have_stopped_is_not_believed() {
    let town = TestTown::new().witness("gastown", Fake::Ok).started();
    let before = town.lives(&["gastown/witness"]);
    town.set("rigs.gastown", "state = 'parked'");
    let shim = town.shim();
    shim.mode(Mode::LieAboutChanges);

    let ran = town.once();

    // A stop that tmux only pretends may still succeed by signals; then it is true.
    if before[0].is_alive() {
        let ran = ran.fails();
        assert!(!ran.stdout.contains("1 killed"), "{ran}");
    } else {
        ran.exits(0).says("1 killed");
    }
}

#[test]
fn s89_nonsense_is_unknown_and_starts_nothing() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok).started();
    let before = town.lives(&["sessions/scribe", "sessions/other"]);
    let shim = town.shim();
    shim.mode(Mode::Nonsense);
    town.once().fails();
    assert_eq!(town.plan().state("sessions/scribe"), "unknown");
    shim.mode(Mode::Pass);
    assert_eq!(town.lives(&["sessions/scribe", "sessions/other"]), before);
    assert_eq!(town.start_order().len(), 2);
}

#[test]
fn s68_an_agent_that_ignores_the_hang_up_is_stopped_all_the_same() {
    let town = TestTown::new().rig("gastown", Fake::Deaf);
    let fork = town.command(&Fake::Fork);
    let town = town.with("rigs.gastown", &format!("roles.refinery.command = {fork}")).started();
    let before = town.lives(&["gastown/witness", "gastown/refinery"]);
    town.set("rigs.gastown", "state = 'parked'");

    let ran = town.once();

    assert!(before.iter().all(|life| !life.is_alive()), "both are gone\n{ran}");
    // A child in a session of its own ends with its parent, or is named as left over.
    let forked = common::agents::forked_pids(town.root(), "gastown/refinery");
    let left: Vec<_> = forked.iter().filter(|pid| common::proc::process_alive(**pid)).collect();
    if left.is_empty() {
        ran.exits(0);
    } else {
        left.iter().fold(ran.fails(), |ran, pid| ran.says(&pid.to_string()));
    }
}

#[test]
fn reconcile_wants_the_lock_and_names_its_holder() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    let ran = town.once().exits(75);
    assert!(ran.stderr.contains(&controller.pid().to_string()), "{ran}");
}

#[test]
fn s67_status_says_how_far_the_starts_are_and_when_the_next_may_be() {
    let town = TestTown::new().session("a", Fake::Ok).session("b", Fake::Ok).session("c", Fake::Ok);
    let town = town.with("limits", "starts-per-minute = 2");
    let _controller = town.controller();
    town.wait_until("two of three live", SOON, || {
        town.start_order().len() == 2 && town.sessions().len() == 2
    });

    town.gtctl(&["status"]).says("starts      2/3 started, next in ").says("(limits.starts-per-minute)");
    let starts = &town.status()["starts"];
    let seconds = starts["next-in-seconds"].as_u64().unwrap_or_else(|| panic!("{starts}"));
    assert!((1..=60).contains(&seconds), "{starts}");
    assert_eq!(town.start_order().len(), 2);
}

#[test]
fn s41_without_memory_or_room_a_start_waits_with_its_reason_and_is_not_tried() {
    let town = TestTown::new().session("a", Fake::Ok).session("b", Fake::Ok);
    let town = town.with("limits", "sessions = 1").with("limits", "free-memory-mib = 99999999");
    let _controller = town.controller();
    town.wait_until("both wait", SOON, || {
        let plan = town.plan();
        (plan.reason("sessions/a"), plan.reason("sessions/b")) == ("low-memory", "session-limit")
    });
    assert_eq!(town.start_order(), Vec::<String>::new());

    town.set("limits", "free-memory-mib = 1");

    town.wait_until("there is room for one", SOON, || town.plan().state("sessions/a") == "running");
    assert_eq!(town.start_order().len(), 1);
    let told = std::fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap();
    let held =
        |code: &str| told.lines().filter(|line| line.contains(&format!("\"code\":\"{code}\""))).count();
    assert_eq!((held("low-memory"), held("session-limit")), (1, 1), "{told}");
}
