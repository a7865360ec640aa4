//! `gtctl start`, `stop`, `restart` and `nudge`: what a person or an agent asks for by hand.

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};

use common::{Fake, SOON, TestTown, agents, proc};

/// The lines that a [`Fake::Prompt`] took, or the bytes that another one was sent.
fn record(town: &TestTown, object: &str, what: &str) -> String {
    let file = agents::log_dir(town.root()).join(format!("{}.{what}", object.replace('/', "_")));
    fs::read_to_string(file).unwrap_or_default()
}

/// Begins all of them before any is waited for.
#[allow(clippy::unwrap_used, reason = "a panic is how a test says no")]
fn spawned(commands: impl Iterator<Item = Command>) -> Vec<Child> {
    commands
        .map(|mut command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect()
}

// --- stop and start

#[test]
fn s47_what_is_stopped_stays_down_until_it_is_started() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok);
    let controller = town.controller();
    let lives = town.wait_all_alive(&["sessions/scribe", "sessions/other"], SOON);

    town.gtctl(&["stop", "sessions/scribe"]).exits(0).says("sessions/scribe: stopped");
    assert!(!lives[0].is_alive());
    controller.passes(3);
    assert_eq!(town.start_count("sessions/scribe"), 1);
    town.gtctl(&["status"]).says("stopped by");
    town.gtctl(&["why", "sessions/scribe"]).says("gtctl start sessions/scribe");
    assert!(lives[1].is_alive(), "nothing else is stopped");

    // A controller that comes later keeps to it.
    controller.kill();
    let controller = town.controller();
    controller.passes(2);
    assert_eq!(town.start_count("sessions/scribe"), 1);

    town.gtctl(&["start", "sessions/scribe"]).exits(0).says("sessions/scribe: runs, process");
    assert!(town.life("sessions/scribe").is_alive());
    town.gtctl(&["start", "sessions/scribe"]).exits(0).says("runs, process");
    assert_eq!(town.start_count("sessions/scribe"), 2);
}

#[test]
fn without_a_controller_the_verbs_do_it_themselves() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok).started();
    let other = town.life("sessions/other");
    town.gtctl(&["stop", "sessions/scribe"]).exits(0).says("stopped");
    assert!(town.alive("sessions/scribe").is_none());
    other.kill();
    // Nothing but what was named is started.
    town.gtctl(&["start", "sessions/scribe"]).exits(0).says("runs, process");
    let first = town.life("sessions/scribe");
    town.gtctl(&["restart", "sessions/scribe"]).exits(0).says("runs, process");
    assert!(!first.is_alive() && town.life("sessions/scribe").is_alive());
    assert_eq!(town.start_count("sessions/other"), 1);
    assert!(town.alive("sessions/other").is_none());
}

#[test]
fn s32_of_many_starts_at_the_same_time_one_starts_it_and_each_has_an_answer() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let _controller = town.controller();
    town.wait_alive("sessions/scribe");
    town.gtctl(&["stop", "sessions/scribe"]).exits(0);
    let starts = spawned((0..20).map(|_| town.gtctl_command(&["start", "sessions/scribe"])));
    for start in starts {
        let ran = start.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success() && said.contains("sessions/scribe: runs, process"), "{ran:?}");
    }
    assert_eq!(town.start_count("sessions/scribe"), 2, "once at first, once after the stop");
    assert_eq!(town.sessions_of("sessions/scribe").len(), 1);
}

#[test]
fn s35_a_stop_of_all_leaves_nothing_and_nothing_comes_back() {
    let town =
        TestTown::new().rig("gastown", Fake::Ok).session("deaf", Fake::Deaf).session("scribe", Fake::Ok);
    let controller = town.controller();
    let objects = ["gastown/witness", "gastown/refinery", "sessions/deaf", "sessions/scribe"];
    let lives = town.wait_all_alive(&objects, SOON);

    town.gtctl(&["stop", "--all"]).exits(8).says("--yes");
    assert!(lives.iter().all(|life| life.is_alive()), "a stop that is refused stops nothing");

    let ran = town.gtctl(&["stop", "--all", "--yes"]).exits(0);
    assert!(objects.iter().all(|object| ran.stdout.contains(&format!("{object}: stopped"))), "{ran}");
    assert!(lives.iter().all(|life| !life.is_alive()), "what ignores a hang-up is gone too");
    controller.passes(5);
    assert_eq!(town.start_order().len(), 4, "nothing was started again");

    town.gtctl(&["start", "--rig", "gastown"]).exits(0);
    assert!(town.alive("gastown/witness").is_some() && town.alive("sessions/scribe").is_none());
}

#[test]
fn s34_a_start_says_what_holds_an_object_back() {
    let town = TestTown::new().rig("gastown", Fake::Ok).with("rigs.gastown", "state = 'parked'");
    let _controller = town.controller();
    town.gtctl(&["start", "gastown/witness"]).exits(5).says("its rig is parked").says("gtctl unpark gastown");
    town.gtctl(&["start", "nobody/witness"]).exits(4).says("there is no nobody/witness");
    town.gtctl(&["stop"]).exits(64);
}

#[test]
fn a_start_ends_a_wait() {
    let town = TestTown::new()
        .session("scribe", Fake::Crash(0))
        .with("backoff", "initial = '1h'")
        .with("backoff", "max = '2h'");
    let _controller = town.controller();
    town.wait_until("it waits", SOON, || town.plan().reason("sessions/scribe") == "backoff");
    town.heal();
    town.gtctl(&["start", "sessions/scribe"]).exits(0).says("runs, process");
}

#[test]
fn s100_what_cannot_be_remembered_is_refused_and_not_done() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let life = town.life("sessions/scribe");
    town.file("daemon/gtctl/ledger.json", "{{{");
    town.gtctl(&["stop", "sessions/scribe"]).exits(1).says("cannot be remembered");
    let controller = town.controller();
    town.gtctl(&["stop", "sessions/scribe"]).exits(1).says("cannot be remembered");
    controller.passes(2);
    assert!(life.is_alive(), "nobody was told that it is stopped, and it is not");
    town.gtctl(&["doctor"]).fails().says("ledger.json is damaged");
}

#[test]
fn law_9_a_stop_is_over_when_all_processes_are_gone() {
    let script = "(trap '' HUP TERM; while :; do sleep 1; done) & while :; do sleep 5; done";
    let town = TestTown::new()
        .session("family", Fake::Argv(["sh", "-c", script].map(str::to_owned).to_vec()))
        .with("controller", "stop-timeout = '500ms'");
    let _controller = town.controller();
    let life = town.wait_settled(&["sessions/family"])[0];
    let child = || {
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", life.pid)).unwrap_or_default();
        let pids: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        pids.into_iter().filter_map(common::Life::of).collect::<Vec<_>>()
    };
    town.wait_until("it has children", SOON, || !child().is_empty());
    let children = child();
    town.gtctl(&["stop", "sessions/family"]).exits(0).says("stopped");
    assert!(!life.is_alive() && children.iter().all(|child| !child.is_alive()), "{children:?}");
}

// --- restart

#[test]
fn a_restart_replaces_the_life_and_costs_no_wait() {
    let town = TestTown::new()
        .session("scribe", Fake::Ok)
        .with("backoff", "initial = '1h'")
        .with("backoff", "max = '2h'");
    let _controller = town.controller();
    for round in 1..=3 {
        let old = town.wait_alive("sessions/scribe").life().unwrap();
        town.gtctl(&["restart", "sessions/scribe"]).exits(0).says("runs, process");
        assert!(!old.is_alive());
        assert_eq!(town.start_count("sessions/scribe"), round + 1);
    }
    assert!(town.life("sessions/scribe").is_alive());
}

#[test]
fn a_restart_of_what_does_not_run_starts_it() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let _controller = town.controller();
    town.wait_alive("sessions/scribe");
    town.gtctl(&["stop", "sessions/scribe"]).exits(0);
    town.gtctl(&["restart", "sessions/scribe"]).exits(0).says("runs, process");
    assert_eq!(town.start_count("sessions/scribe"), 2);
}

// --- nudge

#[test]
fn s103_a_nudge_reaches_the_agents_pane_alone_wherever_people_look() {
    let town = TestTown::new().session("scribe", Fake::Echo).session("other", Fake::Echo).started();
    let session = town.alive("sessions/scribe").unwrap();
    // Somebody splits the agent's window and leaves their own pane in front.
    let cat = format!("cat >'{}'", town.path("scribbled").display());
    town.tmux(&["split-window", "-t", &format!("{}:", session.id), &cat]).exits(0);
    let text = "check your hook; -x $(touch P) ü";
    // The agent's screen shows nothing of what is typed.
    town.gtctl(&["nudge", "sessions/scribe", text]).exits(2).says("unconfirmed");
    let typed = || record(&town, "sessions/scribe", "bytes");
    town.wait_until("it arrives with one Enter", SOON, || typed() == format!("{text}\r"));
    assert_eq!(record(&town, "sessions/other", "bytes"), "");
    assert!(!town.path("P").exists());
    assert_eq!(fs::read_to_string(town.path("scribbled")).unwrap(), "", "nothing for the pane in front");
}

#[test]
fn s106_a_nudge_that_was_taken_is_told_from_one_that_was_not() {
    let town = TestTown::new()
        .session("takes", Fake::Prompt)
        .session("sulks", Fake::Sulky)
        .with("sessions.gone", "command = ['true']")
        .with("sessions.gone", "restart = 'never'");
    town.once();
    let long = "word ".repeat(600);
    town.gtctl(&["nudge", "sessions/takes", "check", "your", "hook"]).exits(0).says("submitted");
    town.gtctl(&["nudge", "sessions/takes", &long]).exits(0).says("submitted");
    let lines = record(&town, "sessions/takes", "lines");
    assert_eq!(lines, format!("check your hook\n{}\n", long.trim()));

    town.gtctl(&["nudge", "sessions/sulks", "check your hook"]).exits(2).says("three times Enter");
    town.gtctl(&["nudge", "sessions/gone", "hello"]).exits(1).says("nothing is typed");
    town.gtctl(&["nudge", "sessions/takes", "\u{1b}"]).exits(64).says("nothing to type");
}

#[test]
fn s106_a_nudge_of_a_busy_pane_waits_with_the_controller_and_is_typed_once() {
    let town = TestTown::new().session("scribe", Fake::Prompt).started();
    let pane = town.alive("sessions/scribe").unwrap().pane;
    town.tmux(&["copy-mode", "-t", &pane]).exits(0);
    town.gtctl(&["nudge", "sessions/scribe", "hello"]).exits(1).says("no controller runs");
    town.gtctl(&["nudge", "--now", "sessions/scribe", "hello"]).exits(1).says("refused");

    let controller = town.controller();
    town.gtctl(&["nudge", "sessions/scribe", "hello"]).exits(9).says("queued for 30m");
    controller.passes(3);
    assert_eq!(record(&town, "sessions/scribe", "lines"), "");
    town.gtctl(&["status"]).says("a nudge waits");
    town.tmux(&["send-keys", "-t", &pane, "-X", "cancel"]).exits(0);
    town.wait_until("it is typed", SOON, || record(&town, "sessions/scribe", "lines") == "hello\n");
    controller.passes(3);
    assert_eq!(record(&town, "sessions/scribe", "lines"), "hello\n");
}

#[test]
fn s105_text_arrives_as_it_stands_or_is_refused() {
    let town = TestTown::new().session("scribe", Fake::Echo).started();
    let typed = || record(&town, "sessions/scribe", "bytes");
    let mut all = String::new();
    let texts = [
        ("two\nlines", "two lines"),
        ("C-c Enter; kill-server;", "C-c Enter; kill-server;"),
        ("--now -x", "--now -x"),
        ("esc \u{1b}[2J seq\u{3}", "esc [2J seq"),
        ("ü€🦀 '\"\\$HOME #{pane_id} %1", "ü€🦀 '\"\\$HOME #{pane_id} %1"),
    ];
    for (text, arrives) in texts {
        town.gtctl(&["nudge", "sessions/scribe", "--", text]).exits(2);
        all = format!("{all}{arrives}\r");
        town.wait_until("it arrives with one Enter", SOON, || typed() == all);
    }
    town.gtctl(&["nudge", "sessions/scribe", &"x".repeat(10_000)]).exits(64).says("4000 bytes");
    assert_eq!(typed(), all);
}

#[test]
fn s108_a_full_queue_of_nudges_refuses_and_says_so() {
    let town = TestTown::new().session("scribe", Fake::Prompt).started();
    let pane = town.alive("sessions/scribe").unwrap().pane;
    town.tmux(&["copy-mode", "-t", &pane]).exits(0);
    let _controller = town.controller();
    for number in 0..50 {
        town.gtctl(&["nudge", "sessions/scribe", &format!("line {number}")]).exits(9);
    }
    town.gtctl(&["nudge", "sessions/scribe", "one too many"]).exits(1).says("50 nudges wait");
    town.gtctl(&["why", "sessions/scribe"]).says("one too many").says("refused");
}

#[test]
fn nudges_at_the_same_time_do_not_mix() {
    let town = TestTown::new().session("scribe", Fake::Prompt).started();
    let texts: Vec<String> = (0..4).map(|number| format!("{number}").repeat(700)).collect();
    let nudges = spawned(texts.iter().map(|text| town.gtctl_command(&["nudge", "sessions/scribe", text])));
    for nudge in nudges {
        let ran = nudge.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    let lines = record(&town, "sessions/scribe", "lines");
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, texts);
}

#[test]
fn gts_lock_of_a_session_keeps_nudges_out() {
    let town = TestTown::new().workspace(&["gastown"], Fake::Prompt).started();
    let session = town.alive("gastown/witness").unwrap().name;
    let lock = town.path(&format!(".runtime/nudge_queue/{session}/.lock"));
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = fs::File::create(&lock).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut waits = town.gtctl_command(&["nudge", "gastown/witness", "hello"]).spawn().unwrap();
    let pid = i32::try_from(waits.id()).unwrap();
    let has_it_open = || {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|path| path == lock)
    };
    town.wait_until("it tries the lock", SOON, has_it_open);
    assert!(proc::process_alive(pid));
    assert_eq!(record(&town, "gastown/witness", "lines"), "");
    drop(file);
    assert!(waits.wait().unwrap().success());
    assert_eq!(record(&town, "gastown/witness", "lines"), "hello\n");
}
