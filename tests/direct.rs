//! Speaking to tmux's server without `tmux`: the same answers, no program, and nothing that rests on it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Fake, SOON, TestTown};
use gtctl::machine::{Machine, Reply, Script, Socket, ThisMachine, TmuxError, VERSION_MIN};

const SCRIBE: &str = "sessions/scribe";
const LIMIT: Duration = Duration::from_secs(20);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a question about the server itself looks like.
fn question() -> Script {
    Script::reading(&["display-message -p 'gtctl-begin #{pid} #{version}' ; list-panes -a".to_owned()])
}

/// The programs that a process has run are counted for all its threads.
fn counting() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the server of a town both ways, until it is asked directly alone.
async fn prove(machine: &ThisMachine, town: &TestTown) {
    let socket = Socket::Path(town.socket_file());
    machine.met(&socket, town.server().pid, VERSION_MIN, LIMIT);
    for _ in 0..10 {
        let before = machine.programs_run();
        machine.tmux(&socket, &question(), LIMIT).await.unwrap();
        if machine.programs_run() == before {
            return;
        }
    }
    panic!("it is not asked directly");
}

/// A machine that speaks to this town's server directly.
async fn direct(town: &TestTown) -> (ThisMachine, Socket) {
    let machine = ThisMachine::new();
    machine.speak_directly(true);
    prove(&machine, town).await;
    (machine, Socket::Path(town.socket_file()))
}

#[test]
fn both_ways_of_speaking_to_tmux_give_the_same_answers() {
    let _counting = counting();
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let pane = town.alive(SCRIBE).unwrap().pane;
    let long = format!("display-message -p '{}'", "x".repeat(40_000));
    let unicode =
        "display-message -p '⚙ é \u{a0}' ; set-option -t scribe @text 'ü' ; show-options -v -t scribe @text";
    let guarded = format!(
        "if-shell -F -t '{pane}' '#{{==:#{{pane_id}},{pane}}}' {{ display-message -p yes ; display-message -p 'a\"b;c' }} {{ display-message -p no }}"
    );
    let lines: Vec<Vec<String>> = vec![
        vec!["list-panes -a -F '#{session_name} #{pane_id} #{pane_pid} #{pane_width}'".to_owned()],
        vec![unicode.to_owned()],
        vec![guarded],
        vec![long],
        // More than one message holds, in and out.
        (0..3000).map(|number| format!("display-message -p 'line {number} #{{session_name}}'")).collect(),
        // What tmux refuses, and what it does not understand; the next line runs all the same.
        vec![
            "has-session -t =nosuch: ; display-message -p on".to_owned(),
            "display-message -p last".to_owned(),
        ],
        vec!["kill-pane -t %9999".to_owned()],
        vec!["no-such-command".to_owned(), "display-message -p after".to_owned()],
        vec!["display-message -p 'unfinished".to_owned()],
        vec![format!("capture-pane -p -t '{pane}'")],
        vec![],
    ];
    runtime().block_on(async {
        let (machine, socket) = direct(&town).await;
        let plain = ThisMachine::new();
        let before = machine.programs_run();
        let mut answers: Vec<Reply> = Vec::new();
        for lines in &lines {
            for script in [Script::reading(lines), Script::acting(lines), Script::founding(lines)] {
                answers.push(machine.tmux(&socket, &script, LIMIT).await.unwrap());
            }
        }
        assert_eq!(machine.programs_run(), before, "no program was run");
        let mut answers = answers.into_iter();
        for lines in &lines {
            for script in [Script::reading(lines), Script::acting(lines), Script::founding(lines)] {
                assert_eq!(
                    answers.next().unwrap(),
                    plain.tmux(&socket, &script, LIMIT).await.unwrap(),
                    "{lines:.2?}"
                );
            }
        }
    });
}

#[test]
fn what_is_started_directly_has_the_environment_that_tmux_would_give_it() {
    let _counting = counting();
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let environment = |name: &str| {
        let target = format!("={name}:");
        town.tmux(&["new-session", "-d", "-s", name, "cat"]).exits(0);
        town.tmux(&["set-option", "-t", &target, "remain-on-exit", "on"]).exits(0);
        target
    };
    runtime().block_on(async {
        let (machine, socket) = direct(&town).await;
        let plain = ThisMachine::new();
        let mut told = Vec::new();
        for (name, machine) in [("one", &machine), ("two", &plain)] {
            let target = environment(name);
            let window = Script::acting(&[format!(
                "new-window -t '{target}' -c / -e MINE=1 -- sh -c 'env | sort; echo told-all; exec cat'"
            )]);
            machine.tmux(&socket, &window, LIMIT).await.unwrap();
            let shown = || town.tmux(&["capture-pane", "-p", "-S", "-200", "-J", "-t", &target]).stdout;
            town.wait_until("it has told", SOON, || shown().contains("told-all"));
            let lines = |text: String| {
                let of_one_pane = |line: &&str| !line.starts_with("TMUX") && !line.trim().is_empty();
                text.lines().filter(of_one_pane).map(str::to_owned).collect::<Vec<_>>()
            };
            told.push(lines(shown()));
        }
        assert_eq!(told[0], told[1]);
        for variable in ["PATH=", "MINE=1"] {
            assert!(told[0].iter().any(|line| line.starts_with(variable)), "{variable} in {told:?}");
        }
    });
}

#[test]
fn a_server_that_was_replaced_proves_itself_anew_and_one_that_is_gone_is_told_of_by_tmux() {
    let _counting = counting();
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    let first = town.server();
    runtime().block_on(async {
        let (machine, socket) = direct(&town).await;
        town.tmux(&["kill-server"]).exits(0);
        town.wait_until("it is gone", SOON, || !first.is_alive());
        let plain = ThisMachine::new();
        let gone = machine.tmux(&socket, &question(), LIMIT).await.unwrap();
        assert_eq!(gone, plain.tmux(&socket, &question(), LIMIT).await.unwrap());
        assert_eq!(gone.code, Some(1), "{gone:?}");
        town.once();
        let before = machine.programs_run();
        let answer = machine.tmux(&socket, &question(), LIMIT).await.unwrap();
        assert!(answer.stdout.contains(&town.server().pid.to_string()), "{answer:?}");
        assert_ne!(machine.programs_run(), before, "tmux was run for the other one");
        prove(&machine, &town).await;
    });
}

#[test]
fn a_controller_runs_no_program_to_look_nor_to_start_an_agent_again() {
    let town = TestTown::new().session("scribe", Fake::Ok).session("other", Fake::Ok);
    let shim = town.shim();
    town.set("controller", "direct = true");
    let controller = town.controller();
    town.wait_settled(&[SCRIBE]);
    town.wait_until("it is asked directly", SOON, || {
        shim.forget();
        controller.pass_unseen_by_tmux();
        shim.calls().is_empty()
    });
    for _ in 0..5 {
        controller.pass_unseen_by_tmux();
    }
    let first = town.life(SCRIBE);
    first.kill();
    let second = town.wait_replaced(SCRIBE, first, SOON);
    assert_eq!(shim.calls().len(), 0, "{:#?}", shim.calls());
    // What the verb itself looks at, it looks at with tmux.
    town.gtctl(&["stop", SCRIBE]).exits(0);
    assert!(!second.life().is_some_and(|life| life.is_alive()));
    // An edit switches it off, and on again.
    town.set("controller", "direct = false");
    town.gtctl(&["controller", "reload"]).exits(0);
    controller.pass_unseen_by_tmux();
    assert!(!shim.calls().is_empty(), "tmux is run");
    town.set("controller", "direct = true");
    town.gtctl(&["controller", "reload"]).exits(0);
    town.wait_until("it is asked directly again", SOON, || {
        shim.forget();
        controller.pass_unseen_by_tmux();
        shim.calls().is_empty()
    });
}

#[test]
fn law_3_what_may_have_been_done_is_not_done_twice() {
    let _counting = counting();
    let town = TestTown::new().session("scribe", Fake::Ok).started();
    runtime().block_on(async {
        let (machine, socket) = direct(&town).await;
        // The server ends while it carries the script out: nobody knows how far it came, and tmux is not run for it again.
        let before = machine.programs_run();
        let act = Script::acting(&["display-message -p done ; kill-server".to_owned()]);
        let answer = machine.tmux(&socket, &act, LIMIT).await;
        assert!(
            matches!(answer, Err(TmuxError::Lost)) || answer.is_ok_and(|answer| answer.stdout == "done\n")
        );
        assert_eq!(machine.programs_run(), before);
    });
}
