//! What outlives its terminal or its agent, on real tmux: found by its marks alone, not doubled, and ended in time; and whoever has none is left alone.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Fake, Life, RunningController, SOON, TestTown, agents, proc};
use rustix::process::Signal;

const SCRIBE: &str = "sessions/scribe";

/// More than the shortest grace, and a pass.
const REAPED: Duration = Duration::from_secs(15);

/// A town whose agents without terminals are told to end after a second.
fn town(fake: Fake) -> TestTown {
    TestTown::new().session("scribe", fake).with("orphans", "grace = '1s'")
}

/// Starts the scribe by a controller that is killed before it learns what came of that, and waits for the agent.
fn started_and_not_recorded(town: &TestTown) -> Life {
    // A start is not over before the agent has settled, and what comes of it is not known before that.
    town.set("controller", "settle = '30s'");
    let controller = town.spawn_controller(town.gtctl_command(&["controller"]));
    town.wait_until("the agent is started", SOON, || !town.pids(SCRIBE).is_empty());
    controller.signal(Signal::KILL);
    controller.wait();
    let ledger = std::fs::read(town.path("daemon/gtctl/ledger.json")).unwrap();
    let ledger: serde_json::Value = serde_json::from_slice(&ledger).unwrap();
    let begun = ledger.pointer("/objects/sessions~1scribe/incarnation");
    assert_eq!(begun, Some(&serde_json::Value::Null), "it has been recorded: {ledger}");
    town.set("controller", "settle = '100ms'");
    Life::of(town.pids(SCRIBE)[0]).expect("it lives")
}

/// Lets a controller look again and again for so long.
fn passes_for(town: &TestTown, controller: &RunningController<'_>, length: Duration) {
    let begun = Instant::now();
    town.wait_until("time has passed", SOON, || {
        controller.passes(1);
        begun.elapsed() > length
    });
    controller.passes(1);
}

fn lives(town: &TestTown) -> Vec<Life> {
    town.pids(SCRIBE).into_iter().filter_map(Life::of).collect()
}

/// Kills the town's tmux server, and waits until it is gone.
fn kill_server(town: &TestTown) {
    let server = town.server();
    server.kill();
    town.wait_until("the server is gone", SOON, || !server.is_alive());
}

#[test]
fn s68_law_4_an_agent_that_nobody_recorded_is_not_doubled_when_its_server_is_killed() {
    let town = town(Fake::Stubborn).with("orphans", "end = 'nothing'");
    let agent = started_and_not_recorded(&town);
    kill_server(&town);
    assert!(agent.is_alive(), "it ignores the hang-up");

    let controller = town.controller();
    controller.passes(5);

    assert_eq!(lives(&town), [agent], "no second life while the first lives");
    assert_eq!(town.start_count(SCRIBE), 1);
    let plan = town.plan();
    assert_eq!((plan.state(SCRIBE), plan.reason(SCRIBE)), ("detached", "detached"));

    // It is ended as soon as the files say so, and only then it has a successor.
    town.set("orphans", "end = 'agents'");
    town.wait_until("its successor lives", REAPED, || town.start_count(SCRIBE) == 2);
    assert!(!agent.is_alive());
    assert_eq!(lives(&town).len(), 1);
}

#[test]
fn s68_an_agent_that_ignores_all_but_kill_is_killed_a_minute_after_term() {
    let town = town(Fake::Deaf);
    let agent = started_and_not_recorded(&town);
    kill_server(&town);
    let _controller = town.controller();
    town.wait_until("it was sent TERM", REAPED, || {
        town.gtctl(&["events", "-o", "json"]).stdout.contains("sent TERM and has not ended")
    });
    assert!(agent.is_alive());
    town.wait_until("it is killed", Duration::from_secs(90), || !agent.is_alive());
    town.wait_until("its successor lives", SOON, || town.start_count(SCRIBE) == 2);
}

#[test]
fn s68_an_agent_whose_stop_was_cut_short_is_ended_with_its_family() {
    let town = town(Fake::Stubborn).session("other", Fake::Ok).with("controller", "stop-timeout = '1m'");
    let controller = town.controller();
    let agent = town.wait_settled(&[SCRIBE])[0];
    let children = || -> Vec<Life> {
        let all = proc::processes_of(town.root());
        all.into_iter().filter(|life| parent_of(*life) == Some(agent.pid)).collect()
    };
    town.wait_until("it has a child", SOON, || !children().is_empty());

    // The session is killed, and then the controller, before it could send any signal.
    let mut stop = town.gtctl_command(&["stop", SCRIBE, "--yes"]);
    stop.stdout(Stdio::null()).stderr(Stdio::null());
    let mut stop = stop.spawn().unwrap();
    town.wait_until("its session is killed", SOON, || town.sessions_of(SCRIBE).is_empty());
    controller.kill();
    let _ = stop.kill();
    stop.wait().unwrap();
    assert!(agent.is_alive(), "it ignores the hang-up");
    let before = children();

    let controller = town.controller();
    town.wait_until("it is ended", REAPED, || !agent.is_alive());
    town.wait_until("its children too", SOON, || before.iter().all(|child| !child.is_alive()));
    controller.passes(2);
    assert_eq!(town.start_count(SCRIBE), 1, "it was stopped");
    assert!(town.life("sessions/other").is_alive());
}

fn parent_of(life: Life) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", life.pid)).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn s68_what_an_agent_leaves_behind_is_reported_and_ended_only_if_that_is_asked_for() {
    let town = town(Fake::Parent);
    let controller = town.controller();
    let agent = town.wait_settled(&[SCRIBE])[0];
    town.wait_until("its child runs", SOON, || !agents::forked_pids(town.root(), SCRIBE).is_empty());
    let child = Life::of(agents::forked_pids(town.root(), SCRIBE)[0]).unwrap();
    assert_ne!(parent_of(child), Some(agent.pid));
    // A life that is over before it was made another one in its own pane, and then its server ends: nobody remembers it as the last one.
    agent.kill();
    town.wait_until("it is followed", SOON, || town.start_count(SCRIBE) == 2);
    let second = town.wait_settled(&[SCRIBE])[0];
    kill_server(&town);
    second.kill();
    town.wait_until("it is back", REAPED, || town.start_count(SCRIBE) == 3);
    assert!(child.is_alive(), "it looks like an agent without a terminal, and is none");
    town.gtctl(&["doctor"]).says(&child.pid.to_string()).says("left behind");

    passes_for(&town, &controller, Duration::from_secs(2));
    controller.passes(2);
    assert!(child.is_alive());

    town.set("orphans", "end = 'all'");
    let third = town.wait_settled(&[SCRIBE])[0];
    third.kill();
    town.wait_until("it is told to end", REAPED, || {
        town.gtctl(&["events", "-o", "json"]).stdout.contains("\"leftover\"")
    });
    child.kill();
}

/// A process that is none of gtctl's business; ends with the test.
struct Stranger(Child);

impl Stranger {
    fn begin(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn life(&self) -> Life {
        Life::of(i32::try_from(self.0.id()).unwrap()).expect("it has just begun")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn s02_whoever_has_no_mark_or_another_one_or_a_terminal_is_left_alone() {
    let town = town(Fake::Ok).with("orphans", "end = 'all'");
    let controller = town.controller();
    let agent = town.wait_settled(&[SCRIBE])[0];
    let server = town.server();
    let marks = agent.environ();
    let argv = Fake::Named("claude").command(town.root());
    let begin = |marked: bool, change: &dyn Fn(&mut Command)| {
        let mut command = Command::new("setsid");
        for (name, value) in marks.iter().filter(|(name, _)| marked && name.starts_with("GTCTL_")) {
            command.env(name, value);
        }
        change(&mut command);
        Stranger::begin(command)
    };
    let like_an_agent = |command: &mut Command| _ = command.args(&argv);
    let strangers = [
        begin(false, &like_an_agent),
        begin(true, &|command| like_an_agent(command.env("GTCTL_TOWN", "ffffffffffff"))),
        begin(true, &|command| like_an_agent(command.env_remove("GTCTL_TOWN"))),
        begin(true, &|command| like_an_agent(command.env("GTCTL_OBJECT", "sessions/nobody"))),
    ];
    // The one that all this is about: everything of the agent's, and no terminal.
    let left_behind = begin(true, &like_an_agent);
    // One that keeps a terminal open for somebody, as an editor or `ssh` does, with whoever is in that; both have the very marks of the agent.
    let in_terminal = town.path("in-terminal");
    let keeper = begin(true, &|command| {
        let inner = format!("echo $$ >'{}'; exec '{}' 100000", in_terminal.display(), argv[0]);
        command.args(["script", "-q", "-c", &inner, "/dev/null"]);
    });
    // One of another user; only a superuser can make one.
    let of_nobody = rustix::process::geteuid().is_root().then(|| {
        begin(true, &|command| {
            command.args(["setpriv", "--reuid", "65534", "--clear-groups", "sleep", "100000"]);
        })
    });
    // One with the very marks of the agent, in a terminal of another tmux server; whoever started that had them, too.
    let tmux = |args: &[&str]| {
        let mut command = Command::new("tmux");
        command.args(["-S", &town.path("their-tmux").display().to_string(), "-f", "/dev/null"]).args(args);
        command.envs(marks.iter().filter(|(name, _)| name.starts_with("GTCTL_")));
        assert!(command.env_remove("TMUX").status().unwrap().success());
    };
    let pid_file = town.path("their-pid");
    let line = format!("echo $$ >'{}'; exec '{}' 100000", pid_file.display(), argv[0]);
    tmux(&["new-session", "-d", "sh", "-c", &line]);
    let written = |file| std::fs::read_to_string(file).ok()?.trim().parse().ok().and_then(Life::of);
    town.wait_until("it runs in another tmux", SOON, || written(&pid_file).is_some());
    town.wait_until("the other one runs too", SOON, || written(&in_terminal).is_some());
    let mut protected: Vec<Life> = strangers.iter().map(Stranger::life).collect();
    protected.extend([keeper.life(), written(&pid_file).unwrap(), written(&in_terminal).unwrap()]);
    protected.extend(of_nobody.iter().map(Stranger::life));

    // Its server and its agent end: everything is searched, and what it left behind would be ended.
    server.kill();
    town.wait_until("the server is gone", SOON, || !server.is_alive());
    agent.kill();
    town.wait_until("it is back", REAPED, || town.start_count(SCRIBE) == 2);
    town.wait_until("what it left behind is ended", REAPED, || {
        Life::of(left_behind.0.id().cast_signed()).is_none()
    });
    passes_for(&town, &controller, Duration::from_secs(2));
    let dead: Vec<&Life> = protected.iter().filter(|life| !life.is_alive()).collect();
    assert!(dead.is_empty(), "{dead:?}");
    tmux(&["kill-server"]);
}

#[test]
fn law_7_a_dry_run_shows_it_and_signals_nobody() {
    let town = town(Fake::Stubborn);
    let agent = started_and_not_recorded(&town);
    kill_server(&town);
    // Seen for the first time, it is only remembered.
    town.once().says("detached");
    assert!(agent.is_alive());
    let seen = Instant::now();
    town.wait_until("its grace has passed", SOON, || seen.elapsed() > Duration::from_millis(1200));

    let plan = town.plan();
    assert_eq!((plan.decision(SCRIBE), plan.reason(SCRIBE)), ("reap", "orphaned"));
    assert!(agent.is_alive(), "a dry run");

    town.once().says("is gone");
    assert!(!agent.is_alive());
    assert_eq!(town.start_count(SCRIBE), 1, "what follows is another plan");
    town.once();
    assert_eq!(town.start_count(SCRIBE), 2);
}

#[test]
fn what_no_file_lists_is_reported_and_ended_by_prune() {
    let town = town(Fake::Stubborn).session("other", Fake::Ok);
    let agent = started_and_not_recorded(&town);
    town.wait_alive("sessions/other");
    let session = town.sessions_of(SCRIBE).remove(0);
    town.tmux(&["kill-session", "-t", &format!("{}:", session.id)]);
    town.remove("sessions.scribe");
    town.once();
    assert!(agent.is_alive());
    town.gtctl(&["status"]).says(&format!("process {}", agent.pid));
    town.gtctl(&["reconcile", "--prune"]);
    assert!(agent.is_alive(), "never at first sight");
    let seen = Instant::now();
    town.wait_until("its grace has passed", SOON, || seen.elapsed() > Duration::from_millis(1200));
    town.gtctl(&["reconcile", "--prune"]);
    assert!(!agent.is_alive());
}
