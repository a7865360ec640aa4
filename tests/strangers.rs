//! What only looks like ours: processes of the same name, pids that somebody else has now, and a town that has nothing to do.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};

use common::{Fake, Life, SOON, TestTown, proc};

/// A process that no tmux server has anything to do with; ends with the test.
struct Stranger(Child);

impl Stranger {
    /// Begins a program, in a process session of its own if `detached`.
    fn begin(town: &TestTown, argv: &[String], detached: bool) -> Self {
        let mut command = Command::new(if detached { "setsid" } else { &argv[0] });
        command.args(if detached { argv } else { &argv[1..] }).current_dir(town.path(""));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn life(&self) -> Life {
        Life::of(i32::try_from(self.0.id()).unwrap()).expect("it has just begun")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn s02_processes_that_look_like_agents_are_left_alone() {
    let town =
        TestTown::new().session("one", Fake::Named("claude")).session("two", Fake::Named("claude")).started();
    let argv = Fake::Named("claude").command(town.root());
    // In the town's own directory, with the very program and arguments of its agents: one with a terminal of nobody, two without any.
    let strangers = [false, true, true].map(|detached| Stranger::begin(&town, &argv, detached));
    let lives = strangers.each_ref().map(Stranger::life);
    town.wait_until("they run the agents' program", SOON, || {
        lives.iter().all(|life| proc::comm(life.pid) == "claude")
    });
    let all_live = |after: &str| assert!(lives.iter().all(|life| life.is_alive()), "after {after}");

    let controller = town.controller();
    controller.passes(10);
    all_live("ten passes");
    town.gtctl(&["stop", "--all", "--yes"]).exits(0);
    all_live("a stop of all");
    town.gtctl(&["start", "--all"]).exits(0);
    town.gtctl(&["restart", "sessions/one"]).exits(0);
    all_live("a restart");
    controller.terminate();
    town.remove("sessions.two");
    town.gtctl(&["reconcile", "--prune"]).exits(0);
    assert!(town.alive("sessions/two").is_none());
    all_live("a prune");
}

#[test]
fn s17_a_pid_that_a_stranger_has_now_is_not_signalled() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let (agent, server) = (town.life("sessions/scribe"), town.server());
    let stranger = Stranger::begin(&town, &Fake::Named("claude").command(town.root()), true);
    let life = stranger.life();
    // The agent and its server end, and what is remembered of them is the stranger's pid, with another start time.
    agent.kill();
    server.kill();
    town.wait_until("they are gone", SOON, || !agent.is_alive() && !server.is_alive());
    let file = town.path("daemon/gtctl/ledger.json");
    let mut ledger: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let process = ledger.pointer_mut("/objects/sessions~1scribe/incarnation/process");
    let process = process.expect("the ledger remembers the agent's process");
    assert_eq!(process["pid"], agent.pid);
    process["pid"] = life.pid.into();
    fs::write(&file, serde_json::to_vec(&ledger).unwrap()).unwrap();

    town.gtctl(&["stop", "sessions/scribe"]).exits(0).says("stopped");
    assert!(life.is_alive(), "a stop");
    town.gtctl(&["start", "sessions/scribe"]).exits(0).says("runs, process");
    town.gtctl(&["stop", "--all", "--yes"]).exits(0);
    assert!(life.is_alive(), "a start and another stop");
}

#[test]
fn s113_idle_agents_cost_one_look_a_pass_and_nothing_grows() {
    let names: Vec<String> = (0..50).map(|number| format!("a{number}")).collect();
    let town = TestTown::new().with("controller", "resync = '1s'");
    let shim = town.shim();
    // Some that would tell if anything were typed into them.
    for name in &names {
        town.add_session(name, if name.ends_with('7') { Fake::Echo } else { Fake::Named("agent") });
    }
    let controller = town.controller();
    let objects: Vec<String> = names.iter().map(|name| format!("sessions/{name}")).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    town.wait_all_alive(&objects, SOON * 2);
    town.wait_until("all have settled", SOON, || {
        objects.iter().all(|object| town.plan().reason(object) == "running")
    });
    controller.passes(2);

    let things = |what: &str| fs::read_dir(format!("/proc/{}/{what}", controller.pid())).unwrap().count();
    let fds_before = things("fd");
    let (sessions, log) = (town.sessions(), controller.log());
    let before = controller.pass_count().unwrap();
    shim.forget();
    // Asking how many passes there were would be a call as well, so it is asked before and after alone.
    town.wait_until("it looks eight times", SOON * 3, || shim.calls().len() >= 8);
    let calls = shim.calls();
    let made = controller.pass_count().unwrap() - before;
    assert!(calls.len() as u64 <= made, "{} calls of tmux in {made} passes", calls.len());
    assert!(calls.iter().all(|call| call.is_read_only()), "{calls:#?}");
    assert_eq!(town.sessions(), sessions, "S115: nothing is started, nothing ends");
    let typed = names.iter().map(|name| town.root().join(format!("agents.log/sessions_{name}.bytes")));
    assert!(
        typed.filter_map(|file| fs::metadata(file).ok()).all(|file| file.len() == 0),
        "S115: nothing is typed"
    );
    assert_eq!(controller.log(), log, "nothing is told");
    assert!(things("fd") <= fds_before + 2, "descriptors: {fds_before} before, {} now", things("fd"));
}
