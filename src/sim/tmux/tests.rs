//! What gtctl relies on in tmux, shown on the simulated one. That the real one does the same is what the test `conformance` shows.

use crate::machine::{Reply, Signal};
use crate::model::{Exit, ProcessId};
use crate::observed::tmux::{Line, Refusal, SNAPSHOT_FORMAT, classify, parse_snapshot};
use crate::sim::processes::{Processes, Temper};

use super::SimTmux;

const SOCKET: &str = "/tmp/tmux-0/sim";

struct World {
    processes: Processes,
    tmux: SimTmux,
}

impl World {
    fn new() -> Self {
        Self { processes: Processes::new(100..=199), tmux: SimTmux::new() }
    }

    fn ask(&mut self, arguments: &[&str]) -> Reply {
        self.tmux.client(&mut self.processes, 1, SOCKET, arguments, None)
    }

    fn script(&mut self, text: &str) -> Reply {
        self.tmux.client(&mut self.processes, 1, SOCKET, &["source-file", "-"], Some(text))
    }

    #[track_caller]
    fn does(&mut self, arguments: &[&str]) -> String {
        let reply = self.ask(arguments);
        assert_eq!((reply.code, reply.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(self.tmux.take_unmodelled().is_empty());
        reply.stdout
    }

    #[track_caller]
    fn look(&mut self) -> Vec<Line> {
        let begin = "gtctl-begin #{pid} #{version}";
        let all = ["list-panes", "-a", "-F", SNAPSHOT_FORMAT];
        let arguments = [&["display-message", "-p", begin, ";"], &all[..]].concat();
        let reply = self.ask(&[&arguments[..], &[";", "display-message", "-p", "gtctl-end"]].concat());
        assert!(self.tmux.take_unmodelled().is_empty());
        parse_snapshot(&reply.stdout, classify(&reply.stderr) == Refusal::NoSessions).unwrap().lines
    }

    fn server(&self) -> ProcessId {
        self.tmux.server_at(&self.processes, SOCKET).unwrap()
    }

    fn process(&mut self, pane: usize) -> ProcessId {
        let pid = self.look()[pane].pid;
        self.processes.get(pid).unwrap().id
    }

    fn ends(&mut self, pane: usize, exit: Exit) {
        let pid = self.look()[pane].pid;
        self.processes.end(pid, exit);
        self.tmux.noticed(&mut self.processes);
    }
}

#[test]
fn nobody_is_told_apart_from_nobody_any_more() {
    let mut world = World::new();
    assert_eq!(classify(&world.ask(&["list-sessions"]).stderr), Refusal::NoSocket);
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["kill-session", "-t", "$0"]);
    assert_eq!(classify(&world.ask(&["list-sessions"]).stderr), Refusal::NobodyListens);
    assert_eq!(world.processes.iter().count(), 0, "the server and its pane are gone");
}

#[test]
fn a_session_is_made_labelled_and_seen() {
    let mut world = World::new();
    let made = world.tmux.client(
        &mut world.processes,
        1,
        SOCKET,
        &["start-server", ";", "source-file", "-"],
        Some(
            "new-session -d -P -F 'gtctl-made #{session_id} #{pane_id} #{pane_pid} #{pid}' -s 'a' -x 200 -y 50 -c '/w' \
             -e 'GT_ROLE=x' -- /usr/bin/env -u B 'prog' 'it'\\''s' ; set-option -t '=a:' @gtctl 't.o.i' ; \
             set-option -p -t '=a:' @gtctl_agent 'i' ; set-option -p -t '=a:' remain-on-exit on ; display-message -p passed\n",
        ),
    );
    assert_eq!(
        made,
        Reply { code: Some(0), stdout: "gtctl-made $0 %0 101 100\npassed\n".into(), stderr: String::new() }
    );
    let lines = world.look();
    assert_eq!((lines[0].label.as_str(), lines[0].agent.as_str(), lines[0].dead), ("t.o.i", "i", false));
    let process = world.processes.get(lines[0].pid).unwrap();
    assert_eq!(process.program.arguments, ["/usr/bin/env", "-u", "B", "prog", "it's"]);
    assert_eq!((process.environment("GT_ROLE"), process.program.directory.as_str()), (Some("x"), "/w"));
    let again = world.ask(&["new-session", "-d", "-s", "a"]);
    assert_eq!((again.code, classify(&again.stderr)), (Some(1), Refusal::Duplicate));
}

#[test]
fn law_3_a_guard_whose_target_is_gone_tests_another_pane_or_nothing() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["split-window", "-t", "%0", "sleep", "9"]);
    let test = "if-shell -F -t '$0:@0.%9' '#{==:#{pane_id},%1}' { display-message -p other } { display-message -p held }";
    assert_eq!(world.script(test).stdout, "other\n");
    let test = "if-shell -F -t '$9:' '#{==:#{session_id},$0}' { display-message -p other } { display-message -p held }";
    assert_eq!(world.script(test).stdout, "held\n");
    world.tmux.attach(&world.processes, SOCKET, "a").unwrap();
    assert_eq!(world.script(test).stdout, "other\n", "with a client attached, its session");
}

#[test]
fn a_line_ends_where_it_fails_and_the_next_one_runs() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    let reply = world.script(
        "display-message -p 1 ; kill-session -t nobody ; display-message -p 2\nif-shell -F 1 { kill-pane -t '%9' ; \
         display-message -p 3 } { } ; display-message -p 4\n",
    );
    assert_eq!(
        (reply.code, reply.stdout.as_str(), reply.stderr.as_str()),
        (Some(1), "1\n4\n", "can't find session: nobody\ncan't find pane: %9\n")
    );
    let reply = world.script("display-message -p 1\nno-such-command\n");
    let expected = ("-:2: unknown command: no-such-command\n", "");
    assert_eq!((reply.stdout.as_str(), reply.stderr.as_str()), expected, "nothing of it is run");
}

#[test]
fn respawn_is_a_compare_and_swap() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["set-option", "-p", "-t", "%0", "remain-on-exit", "on"]);
    let reply = world.ask(&["respawn-pane", "-t", "%0"]);
    assert_eq!(reply.stderr, "respawn pane failed: pane a:0.0 still active\n");
    world.ends(0, Exit::Code(3));
    assert_eq!((world.look()[0].dead, world.look()[0].exit), (true, Some(Exit::Code(3))));
    world.does(&["respawn-pane", "-t", "%0"]);
    let line = world.look().remove(0);
    assert!(!line.dead && line.exit.is_none());
    assert_eq!(world.processes.get(line.pid).unwrap().program.arguments, ["sleep", "9"]);
}

#[test]
fn a_lost_notice_leaves_the_pane_undecided_until_the_server_is_poked() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["set-option", "-g", "-w", "remain-on-exit", "on"]);
    let server = world.server();
    world.tmux.set_loses_notices(server, true);
    let process = world.process(0);
    world.ends(0, Exit::Signal(9));
    assert_eq!((world.look()[0].dead, world.look()[0].exit), (true, None));
    assert!(world.processes.get(process.pid).is_some_and(|zombie| !zombie.lives()));
    world.tmux.poked(&mut world.processes, server);
    assert_eq!(world.look()[0].exit, Some(Exit::Signal(9)));
    assert_eq!(world.processes.get(process.pid), None);
}

#[test]
fn a_hang_up_is_no_stop() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["new-session", "-d", "-s", "b", "sleep", "9"]);
    let (deaf, ordinary) = (world.process(0), world.process(1));
    world.processes.set_temper(deaf, Temper::Deaf);
    world.does(&["kill-session", "-t", "$0", ";", "kill-session", "-t", "$1"]);
    assert!(world.processes.is_alive(deaf) && !world.processes.is_alive(ordinary));
    assert_eq!(world.processes.get(deaf.pid).unwrap().parent, 1);
}

#[test]
fn a_server_without_its_socket_lives_on_beside_a_second_one() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    let first = world.server();
    world.tmux.remove_socket_file(first);
    assert_eq!(classify(&world.ask(&["list-sessions"]).stderr), Refusal::NoSocket);
    assert!(world.tmux.is_bound(&world.processes, SOCKET));
    assert_eq!(world.does(&["new-session", "-d", "-P", "-F", "#{session_id}"]), "$0\n");
    assert_eq!(world.tmux.servers().count(), 2);
    world.tmux.socket_wanted(&world.processes, first);
    assert_eq!(world.does(&["list-sessions", "-F", "#{session_name}"]), "a\n");
}

#[test]
fn a_server_that_is_told_to_end_hangs_up_its_panes() {
    for kill in [false, true] {
        let mut world = World::new();
        world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
        let (server, pane) = (world.server(), world.process(0));
        if kill {
            world.tmux.kill_server(&mut world.processes, server);
        } else {
            world.processes.signal(server, Signal::Term);
            world.tmux.noticed(&mut world.processes);
        }
        assert!(!world.processes.is_alive(pane) && world.tmux.servers().count() == 0);
        assert_eq!(classify(&world.ask(&["list-sessions"]).stderr), Refusal::NobodyListens);
    }
}

#[test]
fn a_stopped_server_answers_nothing() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    let server = world.server();
    world.processes.set_stopped(server, true);
    assert_eq!(world.ask(&["kill-session", "-t", "a"]).code, None);
    world.processes.set_stopped(server, false);
    assert_eq!(world.look().len(), 1);
}

#[test]
fn what_is_not_modelled_is_never_guessed_at() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    assert_eq!(world.ask(&["paste-buffer", "-p"]).stderr, "unknown command: paste-buffer\n");
    world.ask(&["display-message", "-p", "#{pane_current_command}"]);
    let unmodelled: Vec<String> = world.tmux.take_unmodelled().into_iter().collect();
    assert_eq!(unmodelled, ["#{pane_current_command}", "paste-buffer"]);
}

#[test]
fn what_is_killed_is_hung_up_after_the_last_command_of_its_client() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["new-session", "-d", "-s", "b", "sleep", "9"]);
    let process = world.process(0);
    let reply = world.script(
        "kill-session -t '$0' ; display-message -p -t '%0' '#{pane_id} #{pane_dead} #{session_id}' ; list-panes -a -F '#{pane_id}'",
    );
    assert_eq!(reply.stdout, "%0 0 \n%1\n", "its pane is still found by its id, and in no session");
    assert!(!world.processes.is_alive(process));
}

#[test]
fn sessions_of_a_group_share_their_windows_and_their_guests() {
    let mut world = World::new();
    world.does(&["new-session", "-d", "-s", "a", "sleep", "9"]);
    world.does(&["new-session", "-d", "-t", "a", "-s", "b"]);
    world.does(&["new-window", "-t", "b:", "sleep", "9"]);
    world.tmux.attach(&world.processes, SOCKET, "a").unwrap();
    let seen: Vec<(u32, u32)> = world.look().iter().map(|line| (line.session.0, line.attached)).collect();
    assert_eq!(seen, [(0, 1), (0, 1), (1, 1), (1, 1)]);
    world.does(&["kill-session", "-t", "$1"]);
    assert_eq!(world.look().len(), 2);
}
