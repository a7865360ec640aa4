//! The harness itself: that it cannot touch anybody's tmux, that its agents behave, and that it leaves nothing behind.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Fake, Life, Mode, SOON, Session, TestTown, agents, guard, proc, run, wait};

/// Starts a fake agent by hand, as gtctl would.
fn start(town: &TestTown, object: &str, fake: &Fake) -> Session {
    let work = town.path("work").display().to_string();
    let name = object.replace('/', "-");
    let variable = format!("GTCTL_OBJECT={object}");
    let marker = format!("0123456789ab.{object}.ba9876543210");
    let mut args = vec!["new-session", "-d", "-s", &name, "-c", &work, "-e", &variable];
    // tmux hands a lone argument to a shell, and runs several as they stand.
    args.extend(["env", "--"]);
    let argv = fake.command(town.root());
    args.extend(argv.iter().map(String::as_str));
    args.extend([";", "set-option", "@gtctl", &marker, ";", "set-option", "remain-on-exit", "on"]);
    town.tmux(&args).exits(0);
    town.sessions_of(object).into_iter().next().unwrap()
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_no_socket() {
    let town = TestTown::new();
    guard::tmux("", &town.tmux_tmpdir(), town.root());
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_the_default_socket() {
    let town = TestTown::new();
    guard::tmux("default", &town.tmux_tmpdir(), town.root());
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_a_path_for_a_socket() {
    let town = TestTown::new();
    guard::tmux("../default", &town.tmux_tmpdir(), town.root());
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_a_socket_directory_outside() {
    let town = TestTown::new();
    guard::tmux("t1", Path::new("/tmp"), town.root());
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_a_socket_directory_outside_in_disguise() {
    let town = TestTown::new();
    guard::tmux("t1", &town.tmux_tmpdir().join("../.."), town.root());
}

#[test]
#[should_panic(expected = "tmux guard")]
fn the_guard_refuses_a_root_that_is_no_test_directory() {
    guard::tmux("t1", &std::env::temp_dir(), &std::env::temp_dir());
}

#[test]
fn gtctl_gets_the_private_server_and_nothing_of_the_caller() {
    let town = TestTown::new();
    let command = town.gtctl_command(&["plan"]);
    let names: Vec<&str> = command.get_envs().filter_map(|(name, _)| name.to_str()).collect();
    assert!(names.contains(&"TMUX_TMPDIR") && names.contains(&"HOME"));
    assert!(
        !names.iter().any(|name| name.starts_with("GT") || *name == "TMUX" || *name == "TMUX_PANE"),
        "{names:?}"
    );
    let toml = std::fs::read_to_string(town.path("town.toml")).unwrap();
    assert!(toml.contains(&format!("socket = '{}'", town.socket())), "{toml}");
}

#[test]
fn a_town_that_goes_leaves_no_process() {
    let town = TestTown::new();
    let deaf = start(&town, "sessions/deaf", &Fake::Deaf);
    start(&town, "sessions/fork", &Fake::Fork);
    town.wait_until("the fork is recorded", SOON, || {
        !agents::forked_pids(town.root(), "sessions/fork").is_empty()
    });
    let forked = Life::of(agents::forked_pids(town.root(), "sessions/fork")[0]).unwrap();
    let lives = [deaf.life().unwrap(), forked, town.server()];
    assert!(lives.iter().all(|life| life.is_alive()));

    let root = town.root().to_owned();
    drop(town);

    assert!(lives.iter().all(|life| !life.is_alive()), "{lives:?}");
    assert!(proc::processes_of(&root).is_empty());
    assert!(!root.exists());
}

#[test]
fn a_run_that_does_not_end_is_killed_and_shown() {
    let town = TestTown::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo so far; exec sleep 100000"]);
    let ran = run::try_run(&mut command, None, &town.scratch(), Duration::from_millis(200)).unwrap_err();
    assert_eq!((ran.code, ran.stdout.as_str()), (None, "so far\n"));
}

#[test]
fn no_server_means_no_sessions() {
    let town = TestTown::new();
    assert_eq!(town.sessions(), []);
    assert_eq!(town.servers(), []);
}

#[test]
fn agents_record_their_starts_in_order() {
    let town = TestTown::new();
    let ok = start(&town, "gastown/witness", &Fake::Ok);
    town.wait_until("one start", SOON, || town.start_count("gastown/witness") == 1);
    start(&town, "sessions/wrap", &Fake::Wrap);
    town.wait_until("two starts", SOON, || town.start_order().len() == 2);
    assert_eq!(town.pids("gastown/witness"), [ok.pid]);
    assert_eq!(town.start_order(), ["gastown/witness", "sessions/wrap"]);
    assert_eq!(ok.object(), Some("gastown/witness"));
    assert_eq!(ok.incarnation(), "ba9876543210");
    assert_eq!(ok.path, town.path("work"));
}

#[test]
fn agents_end_as_they_should() {
    let town = TestTown::new();
    for (object, fake) in
        [("sessions/zero", Fake::Exit0), ("sessions/three", Fake::Crash(0)), ("sessions/none", Fake::NoExec)]
    {
        start(&town, object, &fake);
        town.wait_until(object, SOON, || town.sessions_of(object).iter().all(|session| session.dead));
    }
    town.heal();
    let healed = start(&town, "sessions/healed", &Fake::Crash(0));
    town.wait_until("its start", SOON, || town.start_count("sessions/healed") == 1);
    assert!(healed.life().is_some());
}

#[test]
fn a_wrapped_agent_leaves_its_shell() {
    let town = TestTown::new();
    let wrap = start(&town, "sessions/wrap", &Fake::Wrap);
    town.wait_until("its start", SOON, || town.start_count("sessions/wrap") == 1);
    let agent = Life::of(town.pids("sessions/wrap")[0]).unwrap();
    assert_ne!(agent.pid, wrap.pid);
    agent.kill();
    town.wait_until("the agent is gone", SOON, || !agent.is_alive());
    assert!(town.alive("sessions/wrap").is_some(), "the shell stays");
}

#[test]
fn programs_run_under_other_names() {
    let town = TestTown::new();
    let version = start(&town, "sessions/v", &Fake::Named("2.1.19"));
    town.wait_until("its name", SOON, || proc::comm(version.pid) == "2.1.19");
    start(&town, "sessions/f", &Fake::Foreground("python3"));
    let named = |life: &Life| proc::comm(life.pid) == "python3";
    town.wait_until("its child's name", SOON, || proc::processes_of(town.root()).iter().any(named));
}

#[test]
fn an_echo_records_each_byte() {
    let town = TestTown::new();
    let echo = start(&town, "sessions/echo", &Fake::Echo);
    let bytes = || std::fs::read(agents::log_dir(town.root()).join("sessions_echo.bytes")).ok();
    town.wait_until("it listens", SOON, || bytes().is_some());
    town.tmux(&["send-keys", "-t", &echo.pane, "-l", "a;b"]).exits(0);
    town.wait_until("the bytes arrive", SOON, || bytes().as_deref() == Some(b"a;b"));
}

#[test]
fn the_shim_counts_fails_lies_and_passes() {
    let town = TestTown::new();
    start(&town, "sessions/ok", &Fake::Ok);
    let shim = town.shim();
    let program = town.root().join("bin/tmux");
    let call = |args: &[&str], stdin: Option<&str>| {
        let mut command = std::process::Command::new(&program);
        town.dress(&mut command);
        command.args(["-L", town.socket()]).args(args);
        run::run(&mut command, stdin, &town.scratch(), SOON)
    };
    let count = || town.sessions().len();

    assert_eq!(call(&["list-panes", "-a", "-F", "#{session_name}"], None).exits(0).stdout, "sessions-ok\n");
    call(&["source-file", "-"], Some("new-session -d -s b 'sleep 100'\n")).exits(0);
    assert_eq!(count(), 2, "standard input goes through");

    shim.mode(Mode::Fail(1, "server busy"));
    assert_eq!(call(&["list-panes", "-a"], None).exits(1).stderr, "server busy\n");

    shim.mode(Mode::LieAboutChanges);
    call(&["source-file", "-"], Some("if-shell -F 1 'kill-session -t =b'\n")).exits(0);
    call(&["new-session", "-d", "-s", "c"], None).exits(0);
    assert_eq!(call(&["list-panes", "-a"], None).exits(0).stdout.lines().count(), 2);
    assert_eq!(count(), 2);

    shim.mode(Mode::LookEmpty);
    assert_eq!(call(&["list-panes", "-a"], None).exits(0).stdout, "");

    shim.mode(Mode::FailLooksUntilChange("can't find session: x"));
    call(&["list-panes", "-a"], None).exits(1).says("can't find session");
    call(&["new-session", "-d", "-s", "c", "sleep 100"], None).exits(0);
    assert_eq!(call(&["list-panes", "-a"], None).exits(0).stdout.lines().count(), 3);

    shim.mode(Mode::Version("tmux next-3.7"));
    assert_eq!(call(&["-V"], None).stdout, "tmux next-3.7\n");

    shim.mode(Mode::Delay(Duration::from_millis(50)));
    call(&["display-message", "-p", "x"], None).exits(0);

    shim.mode(Mode::LoseReply);
    assert_eq!(call(&["new-session", "-d", "-s", "lost", "sleep 100"], None).exits(1).text().trim(), "");
    shim.mode(Mode::HangAfter(Duration::from_millis(50)));
    call(&["new-session", "-d", "-s", "hung", "sleep 100"], None).exits(1);
    shim.mode(Mode::Pass);
    assert_eq!(count(), 5, "both were made");

    shim.mode(Mode::HalfLooks);
    assert_eq!(call(&["list-panes", "-a"], None).exits(0).stdout.lines().count(), 2);

    shim.mode(Mode::CutReplies(5));
    assert_eq!(call(&["list-panes", "-a", "-F", "a long line"], None).exits(0).stdout, "a lon");

    shim.mode(Mode::LateChanges(Duration::from_millis(50)));
    call(&["new-session", "-d", "-s", "late", "sleep 100"], None).exits(1);
    assert_eq!(count(), 6, "it came late");

    let calls = shim.calls();
    let read_only: Vec<bool> = calls.iter().map(common::shim::Call::is_read_only).collect();
    let expected = [
        true, false, true, false, false, true, true, true, false, true, true, true, false, false, true, true,
        false,
    ];
    assert_eq!(read_only, expected, "{calls:#?}");
    assert_eq!(calls[1].stdin.as_deref(), Some("new-session -d -s b 'sleep 100'\n"));
}

#[test]
fn a_stopped_server_goes_on_when_the_stop_is_dropped() {
    let town = TestTown::new();
    start(&town, "sessions/ok", &Fake::Ok);
    let stopped = common::Stopped::stop(town.server());
    let mut look = guard::tmux(town.socket(), &town.tmux_tmpdir(), town.root());
    let hung = run::try_run(look.arg("list-panes"), None, &town.scratch(), Duration::from_millis(200));
    assert!(hung.is_err(), "a stopped server does not answer");
    drop(stopped);
    assert_eq!(town.sessions().len(), 1);
}

#[test]
fn town_toml_is_what_was_asked_for() {
    let town = TestTown::new()
        .rig("gastown", Fake::Ok)
        .session("scribe", Fake::Argv(vec!["a \"b\"\n".to_owned()]))
        .with("rigs.gastown", "state = 'active'");
    town.set("rigs.gastown", "state = 'parked'");
    town.town_toml("[rigs.other]\n");
    let text = std::fs::read_to_string(town.path("town.toml")).unwrap();
    let read: gtctl::town::files::town_toml::TownToml = toml::from_str(&text).unwrap();
    assert_eq!(read.sessions["scribe"].command.as_deref(), Some(&["a \"b\"\n".to_owned()][..]));
    assert_eq!(read.rigs.len(), 2);
    assert!(town.place_of("town.toml", "parked").starts_with("town.toml:"));
    assert!(wait::poll(Duration::ZERO, || Some(())).is_some());
}
