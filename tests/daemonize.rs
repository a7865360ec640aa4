//! The controller in the background: begun, seen, ended, and never mistaken for somebody else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says no, in the functions that it calls as well"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use common::{Fake, GtDaemon, Life, Ran, SOON, Stopped, TestTown, proc, run};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";

/// A town whose controller is soon missed: late is what takes longer than the resync, six waits for tmux and five seconds.
fn town() -> TestTown {
    TestTown::new()
        .session("scribe", Fake::Ok)
        .with("controller", "tmux-timeout = '500ms'")
        .with("controller", "resync = '1s'")
}

fn controller(town: &TestTown, args: &[&str]) -> Ran {
    let mut all = vec!["controller"];
    all.extend(args);
    town.gtctl(&all)
}

/// Starts a controller in the background.
#[track_caller]
fn start(town: &TestTown) -> Life {
    let ran = controller(town, &["start", "-o", "json"]).exits(0);
    let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(value["already"], false, "{ran}");
    let pid = i32::try_from(value["pid"].as_i64().expect("a pid")).unwrap();
    Life::of(pid).unwrap_or_else(|| panic!("it runs\n{ran}"))
}

fn log_path(town: &TestTown) -> PathBuf {
    town.path("daemon/gtctl/controller.log")
}

fn log(town: &TestTown) -> String {
    fs::read_to_string(log_path(town)).unwrap_or_default()
}

/// The controllers of this town that run, by what they were started with.
fn controllers(town: &TestTown) -> Vec<Life> {
    let mut all = proc::processes_of(town.root());
    all.retain(|life| life.argv().windows(2).any(|words| words[0] == "controller" && words[1] == "run"));
    all
}

fn session_of(life: Life) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", life.pid)).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[3].parse().unwrap()
}

#[test]
fn a_controller_in_the_background_keeps_the_town_without_a_terminal() {
    let town = town();

    let started = start(&town);

    let agent = town.wait_alive(SCRIBE);
    assert_eq!(session_of(started), started.pid, "a session of its own");
    let stdio = |fd: u8| fs::read_link(format!("/proc/{}/fd/{fd}", started.pid)).unwrap();
    assert_eq!(stdio(0), PathBuf::from("/dev/null"));
    assert_eq!((stdio(1), stdio(2)), (log_path(&town), log_path(&town)));
    assert_eq!(fs::metadata(log_path(&town)).unwrap().permissions().mode() & 0o777, 0o600);
    town.wait_until("it logs", SOON, || !log(&town).is_empty());
    controller(&town, &["status"]).exits(0).says(&format!("pid {}", started.pid)).says("last pass");

    // Once more is once.
    controller(&town, &["start"]).exits(0).says(&format!("runs already, process {}", started.pid));
    assert_eq!(controllers(&town), [started]);

    controller(&town, &["stop"])
        .exits(0)
        .says(&format!("process {}", started.pid))
        .says("the agents live on");
    assert!(!started.is_alive(), "it says so when it is so");
    assert_eq!(town.alive(SCRIBE), Some(agent));
    controller(&town, &["stop"]).exits(0).says("No controller runs");
    controller(&town, &["status"]).exits(3).says("none");
    controller(&town, &["reload"]).exits(3).says("no controller of gtctl runs");
}

#[test]
fn the_foreground_form_and_its_alias_stay() {
    let town = town();
    let foreground = town.controller_from(town.gtctl_command(&["controller", "run"]));
    controller(&town, &["start"]).exits(0).says(&format!("runs already, process {}", foreground.pid()));
    controller(&town, &["status"]).exits(0).keeps_quiet_about("controller.log");
    controller(&town, &["stop"]).exits(0);
    assert_eq!(foreground.wait(), Some(0));
}

#[test]
fn law_5_many_starts_at_once_are_one_controller_and_all_say_so() {
    let town = town();
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let spawn = || {
            let mut command = town.gtctl_command(&["controller", "start"]);
            let scratch = town.scratch();
            scope.spawn(move || run::run(&mut command, None, &scratch, run::RUN_DEADLINE))
        };
        let all: Vec<_> = (0..4).map(|_| spawn()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for one in ran {
        one.exits(0).says("process");
    }
    town.wait_until("one controller is left", SOON, || controllers(&town).len() == 1);
    town.wait_alive(SCRIBE);
    assert_eq!(town.start_count(SCRIBE), 1);
}

#[test]
fn law_3_files_that_name_a_stranger_never_make_stop_signal_it() {
    // Given all that a killed controller leaves, with the pid of somebody else in it, as after a reboot.
    let town = town();
    let killed = start(&town);
    let agent = town.wait_alive(SCRIBE);
    killed.kill();
    town.wait_until("it is gone", SOON, || !killed.is_alive());
    let stranger = town.foreign_session("stranger", "sleep").life().expect("it lives");
    town.file("daemon/daemon.pid", &stranger.pid.to_string());
    let left = fs::read_to_string(town.path("daemon/gtctl/controller.json")).unwrap();
    let mut written: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(written["process"]["pid"], killed.pid);
    written["process"]["pid"] = stranger.pid.into();
    town.file("daemon/gtctl/controller.json", &written.to_string());
    assert!(
        town.path("daemon/gtctl/controller.sock").exists(),
        "a socket without a listener is left as well"
    );

    controller(&town, &["status"]).exits(3);
    controller(&town, &["stop", "--kill"]).exits(0).says("No controller runs");
    assert!(stranger.is_alive());

    let second = start(&town);
    controller(&town, &["stop"]).exits(0);
    assert!(!second.is_alive() && stranger.is_alive());
    assert_eq!(town.alive(SCRIBE), Some(agent));
}

#[test]
fn law_3_whoever_else_holds_the_lock_is_named_and_left_alone() {
    let town = town();
    let daemon = GtDaemon::start(&town);
    let life = daemon.life();
    let name = format!("gt daemon, process {}", life.pid);
    // Even if its pid is in our own record, with another start time.
    town.file(
        "daemon/gtctl/controller.json",
        &format!(
            r#"{{"process":{{"pid":{},"start":1}},"boot":"{}","version":"0.1.0","started":"2026-11-21T00:00:00Z"}}"#,
            life.pid,
            fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim()
        ),
    );

    controller(&town, &["start"]).exits(75).says(&name).says("gt daemon stop");
    controller(&town, &["stop", "--kill"]).exits(75).says(&name);
    controller(&town, &["status"]).exits(3).says(&name);

    assert!(life.is_alive());
    assert!(controllers(&town).is_empty());
    assert_eq!(town.start_count(SCRIBE), 0);
}

#[test]
fn a_start_that_fails_says_why() {
    // What can be seen before is said at once ...
    let town = town();
    town.set("sessions.scribe", "comand = []");
    controller(&town, &["start"]).exits(6).says("did you mean");
    assert!(!log_path(&town).exists(), "nothing was started");

    // ... and what only the controller meets is read from its log.
    let town = self::town();
    fs::create_dir_all(town.path("daemon/gtctl/controller.json")).unwrap();
    town.file("daemon/gtctl/controller.log", "an old line\n");
    let ran = controller(&town, &["start"])
        .exits(1)
        .says("ended during its start")
        .says("the controller cannot run");
    ran.keeps_quiet_about("an old line").says("controller.log");
    assert!(controllers(&town).is_empty());
}

#[test]
fn reload_says_what_has_changed_and_what_stays_in_force() {
    // The controller must not notice the change before it is asked.
    let town = town().with("controller", "resync = '1h'").with("controller", "debounce = '5s'");
    start(&town);
    town.wait_alive(SCRIBE);
    controller(&town, &["reload"]).exits(0).says("nothing has changed");

    town.add_session("helper", Fake::Ok);
    town.set("limits", "sessions = 7");
    controller(&town, &["reload"])
        .exits(0)
        .says("+ sessions/helper: new")
        .says("settings: [limits]")
        .keeps_quiet_about(SCRIBE);
    town.wait_alive("sessions/helper");

    town.set("sessions.helper", "env = { TOKEN = 'a-secret' }");
    town.set("sessions.helper", "restart = 'never'");
    controller(&town, &["reload"])
        .exits(0)
        .says("~ sessions/helper: what it is started from")
        .says("its restart policy")
        .keeps_quiet_about("a-secret");

    town.set("limits", "sessions = 0");
    controller(&town, &["reload"]).exits(6).says("stays in force").says("town.toml");
    let status = controller(&town, &["status"]).exits(0);
    status.says("using the version before");
    assert!(town.alive("sessions/helper").is_some());

    town.set("limits", "sessions = 7");
    let text = fs::read_to_string(town.path("town.toml")).unwrap();
    let end = text.find("[sessions.helper]").expect("it is in the file");
    fs::write(town.path("town.toml"), &text[..end]).unwrap();
    controller(&town, &["reload"]).exits(0).says("- sessions/helper: no file lists it any more");
    assert!(town.alive("sessions/helper").is_some());
}

#[test]
fn s63_a_loop_that_is_stuck_is_told_as_late() {
    // Given an event log that is a pipe: writing to it never ends.
    let town = town();
    let events = town.path("daemon/gtctl/events.jsonl");
    let started = start(&town);
    let agent = town.wait_settled(&[SCRIBE]);
    town.gtctl(&["status"]).exits(0).keeps_quiet_about("late");
    fs::remove_file(&events).unwrap();
    mknodat(CWD, &events, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();

    // When the controller has something to tell.
    town.set("limits", "sessions = 0");

    // Then the loop stands still, and everybody hears of it.
    let is_late = || town.status()["controller"]["late"] == true;
    town.wait_until("it is late", Duration::from_secs(30), is_late);
    town.gtctl(&["status"]).exits(1).says("last completed pass").says("(late)").says(town.socket());
    controller(&town, &["status"]).exits(1).says("(late)");
    let status = town.status();
    assert!(status["controller"]["last-pass-ago-ms"].as_u64().unwrap() > 5_000, "{status:#}");
    assert_eq!(status["controller"]["answers"], true, "its socket does");

    // What it costs can still be asked, and it does not come round for that.
    let passes = |value: &Value| value["passes"].as_u64().unwrap();
    let cost: Value = serde_json::from_str(&town.gtctl(&["cost", "-o", "json"]).exits(0).stdout).unwrap();
    assert!(cost["memory-bytes"].as_u64().unwrap() > 0, "{cost:#}");
    assert_eq!(passes(&cost), passes(&status["controller"]));

    // It does not hear TERM either, and can be replaced all the same: no agent notices.
    controller(&town, &["stop", "--timeout", "500ms"]).exits(1).says("has not ended");
    controller(&town, &["stop", "--timeout", "500ms", "--kill"]).exits(0).says("was killed");
    assert!(!started.is_alive());
    fs::remove_file(&events).unwrap();
    town.set("limits", "sessions = 9");
    start(&town);
    town.gtctl(&["status"]).exits(0);
    assert_eq!(town.lives(&[SCRIBE]), agent);
}

#[test]
fn s63_a_controller_that_is_stopped_is_not_taken_for_a_good_one() {
    let town = town();
    let started = start(&town);
    town.wait_settled(&[SCRIBE]);
    let stopped = Stopped::stop(started);

    controller(&town, &["status"]).exits(1).says(&format!("pid {}", started.pid)).says("does not answer");
    town.gtctl(&["status"]).exits(1).says("does not answer");
    controller(&town, &["start"]).exits(1).says("is stuck").says("stop --kill");

    drop(stopped);
    controller(&town, &["status"]).exits(0);
}

#[test]
fn s63_a_supervisor_hears_of_a_controller_for_as_long_as_it_comes_round() {
    // Given a supervisor that listens as systemd does, for a controller that is soon missed.
    let town = town();
    let path = town.root().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let heard = || {
        let mut text = [0; 256];
        let length = supervisor.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).trim().to_owned())
    };
    let mut command = town.gtctl_command(&["controller"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let controller = town.controller_from(command);

    assert_eq!(heard().as_deref(), Some("READY=1"));
    assert_eq!(heard().as_deref(), Some("WATCHDOG=1"));
    let agent = town.wait_alive(SCRIBE).life().expect("it lives");
    assert!(!agent.environ().contains_key("NOTIFY_SOCKET"), "agents are not asked");

    // When its loop is stuck, then it falls silent.
    let events = town.path("daemon/gtctl/events.jsonl");
    fs::remove_file(&events).unwrap();
    mknodat(CWD, &events, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    town.set("limits", "sessions = 0");
    town.wait_until("it falls silent", Duration::from_secs(60), || heard().is_none());

    // When it comes round again, it says so, and it says when it leaves.
    let reader = fs::File::open(&events).unwrap();
    town.wait_until("it speaks again", SOON, || heard().is_some());
    controller.signal(Signal::TERM);
    town.wait_until("it takes its leave", SOON, || heard().is_some_and(|text| text == "STOPPING=1"));
    drop(reader);
    assert_eq!(controller.wait(), Some(0));
}

#[test]
fn the_log_stays_within_bounds_and_goes_on() {
    let town = town();
    let started = start(&town);
    town.wait_settled(&[SCRIBE]);
    // When the log is full ...
    let full = fs::OpenOptions::new().write(true).open(log_path(&town)).unwrap();
    full.set_len(9 * 1024 * 1024).unwrap();
    let said = |town: &TestTown| {
        let life = town.life(SCRIBE);
        life.kill();
        town.wait_replaced(SCRIBE, life, SOON);
    };
    said(&town);
    // ... it is put aside, and standard error, where a panic would write, is the new one.
    town.wait_until("the log is a new one", SOON, || log(&town).contains("scribe"));
    let aside = town.path("daemon/gtctl/controller.log.1");
    assert!(fs::metadata(&aside).unwrap().len() >= 9 * 1024 * 1024);
    assert!(fs::metadata(log_path(&town)).unwrap().len() < 1024 * 1024);
    let stdio = |fd: u8| fs::read_link(format!("/proc/{}/fd/{fd}", started.pid)).unwrap();
    assert_eq!((stdio(1), stdio(2)), (log_path(&town), log_path(&town)));
    assert_eq!(fs::metadata(log_path(&town)).unwrap().permissions().mode() & 0o777, 0o600);
    // A log that somebody removes is made anew.
    fs::remove_file(log_path(&town)).unwrap();
    said(&town);
    town.wait_until("it is there again", SOON, || log(&town).contains("scribe"));
}
