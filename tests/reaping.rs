//! The search of the process table, and the look just before a signal, on a simulated machine: what is found, what protects, what has changed since.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gtctl::model::{Address, BootId, ProcessId, Seen, TownId};
use gtctl::observed::orphans::{look, still};
use gtctl::observed::{Orphan, PastProcess, Server, Terminal, Wants};
use gtctl::sim::choose::Choices;
use gtctl::sim::fate::Odds;
use gtctl::sim::machine::{Shared, SimMachine};
use gtctl::sim::processes::{INIT, Program, Temper};
use gtctl::sim::world::World;

const TOWN: &str = "0123456789ab";

/// The pid of whoever looks, where nothing else is said.
const OWN: i32 = 1_000_000;

fn marked(program: &str, town: &str) -> Program {
    let environment = [
        ("GTCTL_TOWN", town),
        ("GTCTL_OBJECT", "sessions/scribe"),
        ("GTCTL_INCARNATION", "0a0a0a0a0a0a"),
        ("SECRET", "hidden"),
    ];
    Program {
        arguments: vec![program.to_owned()],
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        directory: "/".to_owned(),
    }
}

struct Machine {
    shared: Arc<Mutex<Shared>>,
    wants: Wants,
}

impl Machine {
    fn new() -> Self {
        let wants = Wants {
            town: TownId::from_hex(TOWN).unwrap(),
            root: "/town".into(),
            names: Default::default(),
            places: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            past: BTreeMap::new(),
            server: None,
            openings: BTreeMap::new(),
            endings: Default::default(),
            last_words: Default::default(),
            free_memory: None,
            activity: Default::default(),
        };
        Self { shared: Shared::new(World::new(2..=99)), wants }
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.lock().unwrap().world)
    }

    /// Starts something in a terminal of its own.
    fn in_terminal(&self, program: &str, town: &str) -> ProcessId {
        self.change(|world| world.processes.spawn_in_terminal(INIT, marked(program, town), 100).unwrap())
    }

    /// Starts an agent that ignores the hang-up, and closes its terminal.
    fn survivor(&self) -> ProcessId {
        let agent = self.in_terminal("/bin/agent", TOWN);
        self.change(|world| {
            world.processes.set_temper(agent, Temper::Deaf);
            world.processes.hang_up(agent);
        });
        agent
    }

    fn child(&self, of: ProcessId) -> ProcessId {
        self.change(|world| world.processes.spawn(of.pid, marked("/bin/child", TOWN), 200).unwrap())
    }

    fn of(&self, own: i32) -> SimMachine {
        SimMachine::new(Arc::clone(&self.shared), own)
    }

    fn found(&self) -> Vec<Orphan> {
        match look(&self.of(OWN), &self.wants, &Server::Down) {
            Seen::Known(found) => found,
            Seen::Unknown(why) => panic!("{why}"),
        }
    }

    fn only(&self) -> Orphan {
        let found = self.found();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    fn blind(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.fates.choices = Some(Choices::replayed(vec![0; 64]));
        shared.fates.odds = Odds { blind: 1, ..Odds::default() };
    }
}

#[test]
fn an_agent_without_its_terminal_is_found_by_its_marks_alone() {
    let machine = Machine::new();
    let agent = machine.survivor();
    machine.in_terminal("/bin/agent", "ffffffffffff");
    let found = machine.only();
    assert_eq!((found.process, found.leads, found.terminal), (agent, true, Terminal::Lost));
    assert_eq!(found.claim.gtctl_incarnation.as_deref(), Some("0a0a0a0a0a0a"));
    assert!(!format!("{found:?}").contains("hidden"), "no other variable is read");
}

#[test]
fn a_remembered_process_is_found_without_marks_and_only_in_its_boot() {
    let mut machine = Machine::new();
    let agent = machine.change(|world| {
        let program = Program { arguments: vec!["/bin/agent".to_owned()], ..Program::default() };
        world.processes.spawn_leader(INIT, program, 100).unwrap()
    });
    assert_eq!(machine.found(), []);
    let address: Address = "sessions/scribe".parse().unwrap();
    machine.wants.past.insert(address.clone(), PastProcess { process: agent, boot: None });
    assert_eq!(machine.only().remembered, Some(address.clone()));
    let boot = Some(BootId("another".to_owned()));
    machine.wants.past.insert(address, PastProcess { process: agent, boot });
    assert_eq!(machine.found(), []);
}

#[test]
fn law_1_a_search_that_cannot_see_is_unknown_as_a_whole() {
    let machine = Machine::new();
    machine.survivor();
    let orphan = machine.only();
    machine.blind();
    assert!(matches!(look(&machine.of(OWN), &machine.wants, &Server::Down), Seen::Unknown(_)));
    assert!(matches!(still(&machine.of(OWN), &orphan, true), Seen::Unknown(_)));
}

#[test]
fn tmux_and_gtctl_themselves_are_nobodys_orphans() {
    let machine = Machine::new();
    for program in ["/usr/bin/tmux", "/usr/bin/gtctl"] {
        let tool = machine.in_terminal(program, TOWN);
        machine.change(|world| {
            world.processes.set_temper(tool, Temper::Deaf);
            world.processes.hang_up(tool);
        });
    }
    assert_eq!(machine.found(), []);
}

#[test]
fn its_family_is_told_with_it_but_for_whoever_has_a_terminal_or_keeps_one_open() {
    let machine = Machine::new();
    let agent = machine.survivor();
    let child = machine.child(agent);
    let keeper = machine.child(agent);
    let program = marked("/bin/shell", TOWN);
    machine.change(|world| world.processes.spawn_in_terminal(keeper.pid, program, 300).unwrap());
    let orphan = machine.found().into_iter().find(|one| one.process == agent).unwrap();
    assert!(orphan.hosts);
    assert_eq!(still(&machine.of(OWN), &orphan, true), Seen::Known(Some(vec![agent, child])));
    assert_eq!(still(&machine.of(OWN), &orphan, false), Seen::Known(None), "what is no agent is left then");
}

#[test]
fn law_3_what_has_changed_since_the_plan_is_not_told() {
    let machine = Machine::new();
    let agent = machine.survivor();
    let orphan = machine.only();
    let is_still = |orphan: &Orphan, own: i32| {
        let Seen::Known(found) = still(&machine.of(own), orphan, true) else { panic!("it can be seen") };
        found.is_some()
    };
    assert!(is_still(&orphan, OWN));

    let mut other_marks = orphan.clone();
    other_marks.claim.gtctl_incarnation = Some("0b0b0b0b0b0b".to_owned());
    assert!(!is_still(&other_marks, OWN), "its environment is that of another life");
    let mut other_start = orphan.clone();
    other_start.process.start += 1;
    assert!(!is_still(&other_start, OWN), "its pid is somebody else's");
    let own = machine.child(agent);
    assert!(!is_still(&orphan, own.pid), "this very program runs inside it");

    let mut in_terminal = orphan.clone();
    in_terminal.process = machine.in_terminal("/bin/agent", TOWN);
    assert!(!is_still(&in_terminal, OWN), "it has a terminal");
}
