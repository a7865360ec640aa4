//! Section C of the scenarios: what must come back, and when.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Fake, Life, Mode, SOON, TestTown};
use serde_json::Value;

const SCRIBE: &str = "sessions/scribe";

/// A town with one agent that crashes after a second, and small numbers.
fn crashing(count: usize) -> TestTown {
    TestTown::new()
        .session("scribe", Fake::Crash(1))
        .with("backoff", "factor = 2.0")
        .with("crash-loop", &format!("count = {count}"))
        .with("crash-loop", "window = '1m'")
}

/// Waits until the controller itself holds the agent for this reason. What a plan from outside says would be too early: a start is
/// written to the ledger before it is made.
fn wait_held(town: &TestTown, code: &str) {
    town.wait_until(&format!("it is held: {code}"), Duration::from_secs(30), || {
        let text = std::fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let last = events
            .filter(|event| event.get("object").is_some_and(|object| object == SCRIBE))
            .reduce(|_, later| later);
        let is =
            |event: &Value, path: &str, word: &str| event.pointer(path).is_some_and(|value| value == word);
        last.is_some_and(|event| is(&event, "/kind", "held") && is(&event, "/reason/code", code))
    });
}

/// Waits until the agent is in its crash loop.
fn wait_crash_loop(town: &TestTown) {
    wait_held(town, "crash-loop");
}

#[test]
fn s46_a_killed_agent_is_replaced_once_and_soon() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    let first = town.wait_alive(SCRIBE);
    let old = first.life().expect("it lives");

    old.kill();

    let second = town.wait_replaced(SCRIBE, old, SOON);
    assert_ne!(second.incarnation(), first.incarnation());
    controller.passes(5);
    assert_eq!(town.start_count(SCRIBE), 2);
    assert_eq!(town.sessions().len(), 1);
    let events = town.gtctl(&["events", "--for", SCRIBE]).exits(0);
    events.says_one_of(&["signal 9", "\"signal\":9", "SIGKILL"]);
}

#[test]
fn s47_a_vanished_session_comes_back() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok);
    let _controller = town.controller();
    let first = town.wait_alive(SCRIBE);

    town.tmux(&["kill-session", "-t", &first.id]).exits(0);

    town.wait_until("a second start", SOON, || town.start_count(SCRIBE) == 2);
    town.wait_alive(SCRIBE);
    town.gtctl(&["why", SCRIBE]).says("vanished");
}

#[test]
fn s47_a_vanished_session_stays_down_if_a_stop_is_recorded() {
    let town = TestTown::new().witness("gastown", Fake::Ok).session("other", Fake::Ok);
    let controller = town.controller();
    let [witness, _] = town.wait_all_alive(&["gastown/witness", "sessions/other"], SOON)[..] else {
        unreachable!()
    };
    town.gtctl(&["park", "gastown"]).exits(0);
    town.wait_until("the parked one stops", SOON, || !witness.is_alive());
    controller.passes(5);
    assert_eq!(town.start_count("gastown/witness"), 1);
    assert_eq!(town.plan().reason("gastown/witness"), "parked");
}

#[test]
fn s48_a_shell_that_an_agent_left_behind_is_no_agent() {
    let town = TestTown::new().session("scribe", Fake::Wrap);
    let controller = town.controller();
    town.wait_until("its start", SOON, || town.start_count(SCRIBE) == 1);
    controller.passes(2);
    let agent = Life::of(town.pids(SCRIBE)[0]).expect("the agent lives");

    agent.kill();

    town.wait_until("a second start", SOON, || town.start_count(SCRIBE) == 2);
    let second = Life::of(town.pids(SCRIBE)[1]).expect("the second agent lives");
    controller.passes(5);
    assert!(second.is_alive());
    assert_eq!((town.start_count(SCRIBE), town.sessions().len()), (2, 1));
}

#[test]
fn s48_a_pane_that_somebody_opened_beside_a_bare_shell_is_not_ended_with_it() {
    let town = TestTown::new().session("scribe", Fake::Wrap);
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    town.wait_until("its start", SOON, || town.start_count(SCRIBE) == 1);
    let session = town.sessions()[0].id.clone();
    let argv = Fake::Named("mine").command(town.root());
    let split = ["split-window", "-d", "-P", "-F", "#{pane_pid}", "-t", &session, &argv[0], &argv[1]];
    let mine = Life::of(town.tmux(&split).exits(0).stdout.trim().parse().unwrap()).expect("it lives");

    Life::of(town.pids(SCRIBE)[0]).expect("the agent lives").kill();

    town.wait_until("it is held", SOON, || town.plan().reason(SCRIBE) == "panes-left");
    controller.passes(3);
    assert_eq!((mine.is_alive(), town.start_count(SCRIBE)), (true, 1));

    mine.kill();
    controller.passes(1);
    town.wait_until("a second start", SOON, || town.start_count(SCRIBE) == 2);
}

#[test]
fn s49_a_dead_pane_is_not_alive_and_is_used_again() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let old = town.life(SCRIBE);
    let id = town.sessions()[0].id.clone();
    old.kill();
    town.wait_until("the pane is dead", SOON, || town.sessions().iter().all(|session| session.dead));
    town.tmux(&["has-session", "-t", &id]).exits(0);
    assert_eq!(town.plan().state(SCRIBE), "dead");
    assert_eq!(town.status_code(), Some(1));

    town.once().exits(0);

    let session = town.alive(SCRIBE).expect("it lives again");
    assert_eq!((session.id, town.sessions().len(), town.start_count(SCRIBE)), (id, 1, 2));
}

#[test]
fn s50_a_lost_server_is_one_event_and_no_crash() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let objects: Vec<String> = names.iter().map(|name| format!("sessions/{name}")).collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    // A crash that counted would make the next restart wait for half an hour.
    let town = names.iter().fold(TestTown::new(), |town, name| town.session(name, Fake::Ok));
    let town = town.with("backoff", "initial = '30m'").with("backoff", "max = '1h'");
    let _controller = town.controller();
    let before = town.wait_settled(&objects);

    town.server().kill();

    town.wait_until("the old ones are gone", SOON, || before.iter().all(|life| !life.is_alive()));
    let after = town.wait_all_alive(&objects, Duration::from_secs(30));
    assert_eq!(town.start_order().len(), 20);
    let events = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
    let events: Vec<Value> = events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let all_ten = |event: &&Value| {
        let text = event["text"].as_str().unwrap_or_default();
        let number = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "10");
        event["kind"] == "server" && text.contains("lost") && number
    };
    assert_eq!(events.iter().filter(all_ten).count(), 1, "one event for all ten\n{events:#?}");
    let plan = town.plan();
    assert!(objects.iter().all(|object| plan.reason(object) != "backoff"), "{plan:#?}");

    after[0].kill();
    town.wait_replaced(objects[0], after[0], SOON);
}

#[test]
fn s52_no_answer_of_a_truly_dead_server_keeps_agents_down() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let shim = town.shim();
    let _controller = town.controller();
    for (number, text) in [
        "no server running on /tmp/tmux-0/x",
        "error connecting to /tmp/tmux-0/x (No such file or directory)",
        "can't find session: gt-session-scribe",
    ]
    .into_iter()
    .enumerate()
    {
        let [old] = town.wait_settled(&[SCRIBE])[..] else { unreachable!() };
        shim.mode(Mode::FailLooksUntilChange(text));
        town.server().kill();
        town.wait_replaced(SCRIBE, old, SOON);
        assert_eq!(town.start_count(SCRIBE), number + 2, "{text}");
    }
}

#[test]
fn s52_a_server_that_lives_is_not_replaced_whatever_tmux_says() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let shim = town.shim();
    let controller = town.controller();
    let first = town.wait_alive(SCRIBE);
    for text in [
        "error connecting to /tmp/tmux-0/x (Permission denied)",
        "error connecting to /tmp/tmux-0/x (Connection refused)",
        "no server running on /tmp/tmux-0/x",
    ] {
        shim.mode(Mode::Fail(1, text));
        controller.passes(3);
        assert_eq!(town.plan().decision(SCRIBE), "held", "{text}");
    }
    shim.mode(Mode::FailLooksUntilChange("error connecting to /tmp/tmux-0/x (Connection refused)"));
    controller.passes(3);
    assert_eq!((town.sessions(), town.start_count(SCRIBE)), (vec![first], 1));
}

#[test]
fn s53_files_that_claim_life_do_not_keep_a_dead_agent_down() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let old = town.life(SCRIBE);
    town.tmux(&["kill-server"]).exits(0);
    town.wait_until("it is dead", SOON, || !old.is_alive());
    let time = "2026-01-24T10:00:00Z";
    town.file("daemon/daemon.pid", "1\n");
    town.file(
        "daemon/state.json",
        &format!(r#"{{"running":true,"pid":1,"started_at":"{time}","last_heartbeat":"{time}"}}"#),
    );
    let controller = town.controller();
    controller.passes(1);
    town.wait_replaced(SCRIBE, old, SOON);
    assert_eq!(town.start_count(SCRIBE), 2);
}

#[test]
fn s54_restarts_wait_longer_and_longer_and_then_end() {
    let town = crashing(3).with("backoff", "initial = '2s'");
    let controller = town.controller();
    let mut gaps = Vec::new();
    for starts in 1..=4 {
        let since = Instant::now();
        town.wait_until(&format!("start {starts}"), SOON, || town.start_count(SCRIBE) == starts);
        gaps.push(since.elapsed());
    }
    // The agent lives a second each time; the waits are none, two and four seconds.
    assert!(gaps[1] < gaps[2] && gaps[2] < gaps[3], "{gaps:?}");

    wait_crash_loop(&town);

    assert_eq!(town.plan().decision(SCRIBE), "held");
    assert_eq!(town.status_code(), Some(1));
    controller.passes(5);
    assert_eq!(town.start_count(SCRIBE), 4, "attempts have ended");
}

#[test]
fn s54_a_crash_loop_probes_by_itself() {
    let town = crashing(1).with("crash-loop", "probe-after = '1m'");
    let _controller = town.controller();
    wait_crash_loop(&town);
    let starts = town.start_count(SCRIBE);
    town.heal();

    let a_bit_more = Duration::from_secs(80);
    town.wait_until("a probe by itself", a_bit_more, || town.start_count(SCRIBE) == starts + 1);

    town.wait_alive(SCRIBE);
    town.wait_until("it just runs", SOON, || town.plan().reason(SCRIBE) == "running");
    assert_eq!((town.start_count(SCRIBE), town.status_code()), (starts + 1, Some(0)));
}

#[test]
fn s55_the_command_in_the_message_ends_a_crash_loop_at_once() {
    let town = crashing(1);
    let controller = town.controller();
    wait_crash_loop(&town);
    let starts = town.start_count(SCRIBE);
    town.heal();
    town.gtctl(&["why", SCRIBE]).says("gtctl reset-backoff sessions/scribe");

    town.gtctl(&["reset-backoff", SCRIBE]).exits(0);

    let two_seconds = Duration::from_secs(2);
    town.wait_until("it starts within two seconds", two_seconds, || town.start_count(SCRIBE) == starts + 1);
    town.wait_alive(SCRIBE);
    assert!(controller.try_wait().is_none(), "the controller is still the same");
}

#[test]
fn s57_counts_outlive_the_controller() {
    let town = crashing(5).with("backoff", "initial = '10m'").with("backoff", "max = '1h'");
    let controller = town.controller();
    wait_held(&town, "backoff");
    let attempt = |town: &TestTown| -> (Value, Value) {
        let plan = town.plan();
        let reason = &plan.verdict(SCRIBE)["reason"];
        (reason["attempt"].clone(), reason["of"].clone())
    };
    let (before, starts) = (attempt(&town), town.start_count(SCRIBE));
    assert!(before.0.is_u64(), "{before:?}");

    controller.kill();
    let controller = town.controller();
    controller.passes(3);

    assert_eq!(attempt(&town), before);
    assert_eq!(town.start_count(SCRIBE), starts);
}

#[test]
fn s58_a_normal_end_is_no_crash() {
    let town = TestTown::new()
        .session("scribe", Fake::Exit0)
        .with("crash-loop", "count = 2")
        .with("crash-loop", "window = '1m'")
        .with("backoff", "factor = 1.0");
    let _controller = town.controller();
    town.wait_until("more starts than a crash loop has", Duration::from_secs(20), || {
        town.start_count(SCRIBE) >= 4
    });
}

#[test]
fn s58_what_ended_well_is_finished_if_only_failures_are_restarted() {
    let town =
        TestTown::new().session("scribe", Fake::Exit0).with("sessions.scribe", "restart = 'on-failure'");
    let controller = town.controller();
    town.wait_until("it is finished", SOON, || town.plan().reason(SCRIBE) == "finished");
    controller.passes(5);
    assert_eq!(town.start_count(SCRIBE), 1);
}

#[test]
fn s58_never_means_never() {
    let town = TestTown::new().session("scribe", Fake::Crash(1)).with("sessions.scribe", "restart = 'never'");
    let controller = town.controller();
    town.wait_until("it is finished", SOON, || town.plan().reason(SCRIBE) == "finished");
    controller.passes(5);
    assert_eq!(town.start_count(SCRIBE), 1);
}

#[test]
fn s66_a_rig_that_is_added_starts_under_its_own_name_alone() {
    let town = TestTown::new().workspace(&["old"], Fake::Ok);
    let controller = town.controller();
    let before = town.wait_all_alive(&["old/witness", "old/refinery"], SOON);

    town.list_rigs(&["old", "new"]);
    controller.passes(2);

    town.wait_all_alive(&["new/witness", "new/refinery"], SOON);
    let mut names: Vec<String> = town.sessions().into_iter().map(|session| session.name).collect();
    names.sort();
    assert_eq!(names, ["gt-new-refinery", "gt-new-witness", "gt-old-refinery", "gt-old-witness"]);
    assert_eq!(town.lives(&["old/witness", "old/refinery"]), before);
}

#[test]
fn s66_a_session_that_is_added_starts_without_being_asked() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let _controller = town.controller();
    town.wait_alive(SCRIBE);
    town.add_session("second", Fake::Ok);
    town.wait_alive("sessions/second");
    assert_eq!(town.start_order(), [SCRIBE, "sessions/second"]);
    assert!(fs::exists(town.path("daemon/daemon.pid")).unwrap_or_default());
}

/// Says these last words and ends, until there is a file `healed`.
fn limited(words: &str) -> Fake {
    let script = format!("[ -e healed ] || {{ echo \"{words}\"; exit 1; }}; exec sleep 1000");
    Fake::Argv(["/bin/sh", "-c", &script].map(str::to_owned).to_vec())
}

const BOTH: [&str; 2] = ["gastown/witness", "gastown/refinery"];

#[test]
fn s59_a_used_up_account_is_waited_for_and_is_no_crash() {
    let town = TestTown::new()
        .workspace(&["gastown"], limited("You've hit your usage limit. Try again in 3 seconds."));
    let town = town.with("crash-loop", "count = 2").with("roles.mayor", "enabled = false");
    let _controller = town.controller();
    let tries = |object: &str| {
        let events = fs::read_to_string(town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
        let is_try = |event: &Value| {
            let action = event["action"].as_str().unwrap_or_default();
            event["object"] == object && event["kind"] == "step" && (action == "start" || action == "restart")
        };
        events.lines().filter(|line| serde_json::from_str(line).is_ok_and(|event| is_try(&event))).count()
    };
    // Twice a crash loop's count, and still it is tried.
    town.wait_until("it is tried again and again", Duration::from_secs(40), || tries(BOTH[0]) >= 5);
    assert_eq!(town.plan().reason(BOTH[0]), "usage-limit");

    for directory in ["gastown/witness", "gastown/refinery/rig", "gastown/witness/rig", "gastown/refinery"] {
        let _ = fs::write(town.path(directory).join("healed"), "");
    }

    town.wait_until("both live", Duration::from_secs(20), || {
        BOTH.iter().all(|one| town.alive(one).is_some())
    });
}

#[test]
fn s59_all_agents_of_an_account_wait_for_it_and_a_person_can_end_that() {
    let town = TestTown::new().workspace(&["gastown"], limited("Claude usage limit reached."));
    let town = town.with("roles.mayor", "enabled = false").with("roles.refinery", "after = ['witness']");
    let town = town.session("scribe", Fake::Ok).with("usage-limit", "retry = '1h'");
    let controller = town.controller();
    town.wait_until("both are held", SOON, || {
        BOTH.iter().all(|one| town.plan().reason(one) == "usage-limit")
    });
    town.wait_until("another account's agent lives", SOON, || town.alive(SCRIBE).is_some());
    let why = town.gtctl(&["why", "gastown/refinery"]);
    why.says("usage limit of fake, as gastown/witness said").says("`gtctl reset-backoff gastown/witness`");
    drop(controller);
    let _controller = town.controller();
    town.wait_until("the next one knows", SOON, || town.plan().reason(BOTH[1]) == "usage-limit");

    for directory in ["gastown/witness", "gastown/refinery/rig", "gastown/witness/rig", "gastown/refinery"] {
        let _ = fs::write(town.path(directory).join("healed"), "");
    }
    town.gtctl(&["reset-backoff", "gastown/witness"]).exits(0);

    town.wait_until("both live", SOON, || BOTH.iter().all(|one| town.alive(one).is_some()));
}
