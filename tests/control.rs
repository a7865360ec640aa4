//! The controller's client of tmux in control mode: a help on which nothing rests. It is asked for here; by itself gtctl uses none with a tmux that could crash
//! for it (docs/tmux.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::proc::{Life, processes_of};
use common::{Fake, TestTown};
use gtctl::machine::{Machine, Socket, ThisMachine, VERSION_MIN, VERSION_OF_SAFE_CONTROL, Version};
use gtctl::model::TownId;
use gtctl::observed::host::Host;
use gtctl::observed::{LastWords, Look, Wants};

const SOON: Duration = Duration::from_secs(20);
const SCRIBE: &str = "sessions/scribe";

/// A town with one agent whose controller is asked to keep a client.
fn town() -> TestTown {
    TestTown::new().session("scribe", Fake::Ok).with("controller", "control-client = 'always'")
}

/// The control clients of a town.
fn clients(town: &TestTown) -> Vec<Life> {
    let is_one = |life: &Life| {
        life.argv().first().is_some_and(|word| word.ends_with("tmux"))
            && life.argv().iter().any(|word| word == "-C")
    };
    processes_of(town.server_root()).into_iter().filter(is_one).collect()
}

/// The sessions that controllers have made for their clients.
fn made_for_clients(town: &TestTown) -> usize {
    let listed = town.tmux(&["list-sessions", "-F", "#{session_name}"]).stdout;
    listed.lines().filter(|name| name.starts_with("gtctl-controller-")).count()
}

fn wait_for_a_client(town: &TestTown) -> Life {
    town.wait_until("a client is attached", SOON, || {
        clients(town).len() == 1
            && town.tmux(&["list-clients", "-F", "#{client_control_mode}"]).stdout == "1\n"
    });
    clients(town)[0]
}

#[test]
fn with_a_client_a_pass_runs_no_program_and_sees_and_does_the_same() {
    let town = town();
    let shim = town.shim();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    town.wait_until("it is asked", SOON, || {
        shim.forget();
        controller.pass_unseen_by_tmux();
        shim.calls().is_empty()
    });
    for _ in 0..5 {
        controller.pass_unseen_by_tmux();
    }
    assert_eq!(shim.calls().len(), 0, "{:#?}", shim.calls());
    let first = town.life(SCRIBE);
    first.kill();
    let second = town.wait_replaced(SCRIBE, first, SOON);
    assert_eq!(shim.calls().len(), 0, "a restart goes through the client as well: {:#?}", shim.calls());
    assert_eq!(town.sessions().len(), 1, "its pane was used again");
    town.gtctl(&["stop", SCRIBE]).exits(0);
    assert!(!second.life().is_some_and(Life::is_alive));
    assert_eq!(
        (made_for_clients(&town), town.plan().unmanaged().len()),
        (1, 0),
        "its session is no agent's, and nobody's"
    );
}

#[test]
fn t03_a_death_that_a_client_is_not_told_of_is_heard_of() {
    let town = town();
    let _controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    // Its pane remains, so no window closes and tmux tells a client in control mode nothing at all.
    let first = town.life(SCRIBE);
    first.kill();
    town.wait_replaced(SCRIBE, first, SOON);
}

#[test]
fn what_others_do_to_sessions_is_heard_of() {
    let town = town();
    let _controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    let before = town.start_count(SCRIBE);
    town.tmux(&["kill-session", "-t", "=scribe"]).exits(0);
    town.wait_until("it is back", SOON, || town.start_count(SCRIBE) > before);
}

#[test]
fn a_client_that_is_lost_is_made_anew_and_passes_go_on_meanwhile() {
    let town = town();
    let shim = town.shim();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    let first = wait_for_a_client(&town);
    shim.forget();
    first.kill();
    controller.passes(2);
    town.wait_until("another one", SOON, || {
        controller.passes(1);
        clients(&town).iter().any(|life| *life != first)
    });
    assert!(!shim.calls().is_empty(), "without one, tmux is run");
    wait_for_a_client(&town);
    assert_eq!(made_for_clients(&town), 1);
}

#[test]
fn t11_a_controller_that_is_killed_leaves_no_client_that_could_keep_the_server() {
    let town = town();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    let server = town.server();
    controller.kill();
    town.wait_until("its client is gone", SOON, || clients(&town).is_empty());
    assert!(town.life(SCRIBE).is_alive());
    town.tmux(&["kill-server"]).exits(0);
    town.wait_until("the server is gone", SOON, || !server.is_alive());
}

#[test]
fn law_6_leaving_takes_its_session_along_and_nothing_else() {
    let town = town();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    let agent = town.life(SCRIBE);
    controller.terminate();
    assert_eq!((clients(&town).len(), made_for_clients(&town), agent.is_alive()), (0, 0, true));
}

#[test]
fn t12_a_server_that_is_stopped_is_unknown_and_its_client_is_given_up() {
    let town = town();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    let client = wait_for_a_client(&town);
    let agent = town.life(SCRIBE);
    let stopped = common::proc::Stopped::stop(town.server());
    controller.passes(1);
    town.wait_until("the client is given up", SOON, || !client.is_alive());
    drop(stopped);
    town.wait_until("it runs, as before", SOON, || town.plan().reason(SCRIBE) == "running");
    assert_eq!((town.life(SCRIBE), town.start_count(SCRIBE)), (agent, 1));
}

#[test]
fn t15_a_client_does_not_speak_for_a_socket_whose_file_is_gone() {
    let town = town();
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    wait_for_a_client(&town);
    std::fs::remove_file(town.socket_file()).unwrap();
    controller.passes(1);
    town.wait_until("it says so", SOON, || town.plan().reason(SCRIBE) == "socket-lost");
    assert_eq!(town.start_count(SCRIBE), 1);
    town.heal();
}

#[test]
fn by_itself_gtctl_keeps_no_client_of_a_tmux_that_could_crash_for_it() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    controller.passes(3);
    let version = town.tmux(&["display-message", "-p", "#{version}"]).stdout;
    let is_safe = Version::parse(&version).unwrap() >= VERSION_OF_SAFE_CONTROL;
    assert_eq!(!clients(&town).is_empty(), is_safe, "{version}");
    let never = TestTown::new().session("scribe", Fake::Ok).with("controller", "control-client = 'never'");
    let controller = never.controller();
    never.wait_settled(&[SCRIBE]);
    controller.passes(3);
    assert!(clients(&never).is_empty());
}

/// What a look saw, without what differs from one moment to the next.
fn still(seen: &gtctl::observed::Observed) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.retain(|name, _| name != "lived");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut server = serde_json::to_value(&seen.server).unwrap();
    strip(&mut server);
    server
}

/// A machine that keeps a client of a town's server, and one that does not.
async fn two_ways(town: &TestTown, wants: &Wants) -> (Host<ThisMachine>, Host<ThisMachine>) {
    let socket = Socket::Path(town.socket_file());
    let plain = Host::new(ThisMachine::new(), socket.clone(), Duration::from_secs(5));
    let gtctl = ThisMachine::new().launching_with(env!("CARGO_BIN_EXE_gtctl").into());
    let kept = Host::new(gtctl, socket, Duration::from_secs(5));
    let (changed, _) = tokio::sync::mpsc::unbounded_channel();
    kept.machine.keep_client(&wants.town, VERSION_MIN, changed);
    while clients(town).is_empty() {
        kept.look(wants).await;
    }
    (kept, plain)
}

fn wants(town: &TestTown) -> Wants {
    Wants {
        town: TownId::from_hex(town.sessions_of(SCRIBE)[0].marker.split('.').next().unwrap()).unwrap(),
        root: town.root().to_owned(),
        names: BTreeSet::from(["mine".to_owned()]),
        places: BTreeMap::new(),
        heartbeats: BTreeMap::new(),
        past: BTreeMap::new(),
        server: None,
        openings: BTreeMap::new(),
        endings: BTreeSet::new(),
        last_words: LastWords::OfAll,
        free_memory: None,
        activity: BTreeSet::from([SCRIBE.parse().unwrap()]),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn both_ways_of_asking_tmux_give_the_same_answers() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("dead", Fake::Named("gone")).started();
    town.foreign_session("mine", "other");
    town.life("sessions/dead").kill();
    let server = town.server();
    let wants = wants(&town);
    runtime().block_on(async {
        let (kept, plain) = two_ways(&town, &wants).await;
        let before = still(&plain.look(&wants).await);
        // Until tmux has noticed the death: then both see the same.
        let after = loop {
            let (one, two) = (still(&kept.look(&wants).await), still(&plain.look(&wants).await));
            if one == two {
                break one;
            }
        };
        assert_eq!(before["known"]["up"]["id"], after["known"]["up"]["id"]);
        // What tmux refuses, and what it does not understand, are told in the same words.
        for line in [
            "has-session -t =nosuch: ; display-message -p on",
            "display-message -p 'a\"b' ; kill-session -t =nosuch:",
            "list-panes -a -F '#{pane_id} 100%% %begin 1 2 3'",
        ] {
            let lines = [line.to_owned(), "display-message -p last".to_owned()];
            let (one, two) = (kept.tmux.ask(&lines).await.unwrap(), plain.tmux.ask(&lines).await.unwrap());
            assert_eq!(one, two, "{line}");
        }
        kept.machine.leave_client(&Socket::Path(town.socket_file()), Duration::from_secs(5)).await;
    });
    assert!(clients(&town).is_empty());
    assert!(server.is_alive());
}

#[test]
fn t10_the_blocks_of_one_line_are_one_answer_and_questions_keep_their_order() {
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let wants = wants(&town);
    runtime().block_on(async {
        let (kept, _) = two_ways(&town, &wants).await;
        let ask = async |number: u32| {
            let line = format!("if-shell -F 1 {{ display-message -p a{number} ; display-message -p b{number} }} {{ display-message -p no }}");
            kept.tmux.ask(&[line]).await.unwrap().stdout
        };
        let (one, two, three) = tokio::join!(ask(1), ask(2), ask(3));
        assert_eq!([one, two, three], ["a1\nb1\n", "a2\nb2\n", "a3\nb3\n"]);
        kept.machine.leave_client(&Socket::Path(town.socket_file()), Duration::from_secs(5)).await;
    });
}

/// Looks for a word in all that gtctl could say to tmux; the simulated one knows more commands than gtctl gives.
fn is_never_said(word: &str) {
    let mut files = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            files.extend(inside.filter(|path| !path.ends_with("src/sim")));
            continue;
        }
        read += 1;
        assert!(!std::fs::read_to_string(&path).unwrap().contains(word), "{word} in {}", path.display());
    }
    assert!(read > 100, "{read} files");
}

#[test]
fn t08_nothing_is_shown_to_a_client_by_its_name() {
    is_never_said("display-message -c");
}

#[test]
fn t09_nothing_waits_for_a_channel() {
    is_never_said("\"wait-for");
}

#[test]
fn t13_nothing_rests_on_hooks() {
    is_never_said("set-hook");
}
