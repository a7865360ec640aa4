//! The process table of a simulated machine: pids that are reused, zombies, orphans, and programs that do not end when they are told to.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::machine::Signal;
use crate::model::{Exit, ProcessId};

/// The parent of everything that has lost its own.
pub const INIT: i32 = 1;

const HUP: i32 = 1;
const KILL: i32 = 9;
const TERM: i32 = 15;

/// The processes of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Processes {
    first: i32,
    last: i32,
    next: i32,
    table: BTreeMap<i32, Process>,
    /// The last start time given with each pid: no pair of both is ever given twice in one boot.
    starts: BTreeMap<i32, u64>,
    begun: Vec<ProcessId>,
    ended: Vec<ProcessId>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Process {
    /// Which.
    pub id: ProcessId,
    /// Its parent.
    pub parent: i32,
    /// The process that leads its session, and so the session whose terminal it has.
    pub leader: ProcessId,
    /// Whether its session has a terminal that is open.
    pub terminal: bool,
    /// Whether a terminal is its input, be that open or not.
    pub input: bool,
    /// What it runs.
    pub program: Program,
    /// What it does when it is told to end.
    pub temper: Temper,
    /// Whether it is stopped.
    pub stopped: bool,
    /// The signal that waits until it goes on.
    pub pending: Option<i32>,
    /// How it ended, if it has: then it waits for its parent to collect it.
    pub ended: Option<Exit>,
}

/// What a process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// Its environment, as far as it was set on purpose.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub directory: String,
}

/// What a process does when it is told to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Temper {
    /// It ends.
    #[default]
    Ordinary,
    /// It ignores the hang-up and TERM.
    Deaf,
    /// It sits in the kernel: not even KILL ends it.
    Unkillable,
    /// It ends at a hang-up or TERM, but before that it starts a child in a session of its own, which lives on.
    Detaching,
}

impl Process {
    /// A variable of its environment.
    pub fn environment(&self, name: &str) -> Option<&str> {
        self.program.environment.get(name).map(String::as_str)
    }

    /// Whether it has not ended.
    pub fn lives(&self) -> bool {
        self.ended.is_none()
    }
}

impl Processes {
    /// No processes; pids are given from this range, upwards and then from its beginning again.
    pub fn new(pids: RangeInclusive<i32>) -> Self {
        let (first, last) = (*pids.start(), *pids.end());
        Self {
            first,
            last,
            next: first,
            table: BTreeMap::new(),
            starts: BTreeMap::new(),
            begun: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// The table of the same machine after it was started again.
    pub fn emptied(&self) -> Self {
        Self::new(self.first..=self.last)
    }

    /// Starts a process in the session of its parent, at `ticks` since boot; `None` if all pids are taken. A start time that the pid
    /// has had before becomes the next one.
    pub fn spawn(&mut self, parent: i32, program: Program, ticks: u64) -> Option<ProcessId> {
        let leader = self.table.get(&parent).map(|parent| parent.leader);
        self.start(parent, leader, program, ticks)
    }

    /// Starts a process that leads a session of its own without a terminal, as `setsid` does.
    pub fn spawn_leader(&mut self, parent: i32, program: Program, ticks: u64) -> Option<ProcessId> {
        self.start(parent, None, program, ticks)
    }

    /// Starts a process that leads a session of its own in a terminal of its own, as tmux does for each pane.
    pub fn spawn_in_terminal(&mut self, parent: i32, program: Program, ticks: u64) -> Option<ProcessId> {
        let id = self.start(parent, None, program, ticks)?;
        if let Some(process) = self.get_mut(id) {
            (process.terminal, process.input) = (true, true);
        }
        Some(id)
    }

    fn start(
        &mut self,
        parent: i32,
        leader: Option<ProcessId>,
        program: Program,
        ticks: u64,
    ) -> Option<ProcessId> {
        let pid = self.free_pid()?;
        let above = self.table.get(&parent);
        let terminal = leader.is_some() && above.is_some_and(|above| above.terminal);
        let input = above.is_some_and(|above| above.input);
        let start = self.starts.get(&pid).map_or(ticks, |last| ticks.max(last + 1));
        let id = ProcessId { pid, start };
        let process = Process {
            id,
            parent: if self.is_running(parent) { parent } else { INIT },
            leader: leader.unwrap_or(id),
            terminal,
            input,
            program,
            temper: Temper::Ordinary,
            stopped: false,
            pending: None,
            ended: None,
        };
        self.starts.insert(pid, start);
        self.table.insert(pid, process);
        self.next = pid + 1;
        self.begun.push(id);
        Some(id)
    }

    fn free_pid(&self) -> Option<i32> {
        let after = self.next.clamp(self.first, self.last.saturating_add(1));
        let mut pids = (after..=self.last).chain(self.first..after);
        pids.find(|pid| !self.table.contains_key(pid))
    }

    fn is_running(&self, pid: i32) -> bool {
        self.table.get(&pid).is_some_and(Process::lives)
    }

    /// The process with this pid, be it a zombie.
    pub fn get(&self, pid: i32) -> Option<&Process> {
        self.table.get(&pid)
    }

    fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.table.get_mut(&id.pid).filter(|process| process.id == id)
    }

    /// All processes by their pids, zombies too.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.table.values()
    }

    /// Whether this very process lives.
    pub fn is_alive(&self, id: ProcessId) -> bool {
        self.get(id.pid).is_some_and(|process| process.id == id && process.lives())
    }

    /// The children of a process, also those that have ended and are not collected.
    pub fn children(&self, pid: i32) -> impl Iterator<Item = i32> {
        self.table.values().filter(move |process| process.parent == pid).map(|process| process.id.pid)
    }

    /// Gives a process its temper.
    pub fn set_temper(&mut self, id: ProcessId, temper: Temper) {
        if let Some(process) = self.get_mut(id) {
            process.temper = temper;
        }
    }

    /// A process becomes another program, as `exec` does.
    pub fn exec(&mut self, id: ProcessId, arguments: Vec<String>) {
        if let Some(process) = self.get_mut(id) {
            process.program.arguments = arguments;
        }
    }

    /// Stops a process, or lets it go on. What it was told in between takes effect then.
    pub fn set_stopped(&mut self, id: ProcessId, stopped: bool) {
        let Some(process) = self.get_mut(id).filter(|process| process.lives()) else { return };
        process.stopped = stopped;
        if !stopped && let Some(number) = process.pending.take() {
            self.deliver(id.pid, number);
        }
    }

    /// Whether a process is stopped.
    pub fn is_stopped(&self, id: ProcessId) -> bool {
        self.get(id.pid).is_some_and(|process| process.id == id && process.stopped)
    }

    /// A process ends. Its children get another parent, its session is hung up if it led one, and it waits for its own parent to
    /// collect it.
    pub fn end(&mut self, pid: i32, exit: Exit) {
        let Some(process) = self.table.get_mut(&pid).filter(|process| process.lives()) else { return };
        process.ended = Some(exit);
        process.stopped = false;
        process.pending = None;
        let id = process.id;
        let led = process.leader == id;
        self.ended.push(id);
        for child in self.table.values_mut().filter(|child| child.parent == pid) {
            child.parent = INIT;
        }
        self.table.retain(|_, process| process.parent != INIT || process.lives());
        if led {
            self.hang_up(id);
        }
    }

    /// A parent collects its children that have ended.
    pub fn collect(&mut self, parent: i32) -> Vec<(ProcessId, Exit)> {
        let ended: Vec<(ProcessId, Exit)> = self
            .table
            .values()
            .filter(|process| process.parent == parent)
            .filter_map(|process| Some((process.id, process.ended?)))
            .collect();
        for (id, _) in &ended {
            self.table.remove(&id.pid);
        }
        ended
    }

    /// The terminal of a session closes: everybody in it is told, and who was stopped goes on.
    pub fn hang_up(&mut self, leader: ProcessId) {
        let in_it = self.table.values().filter(|process| process.leader == leader && process.lives());
        let members: Vec<ProcessId> = in_it.map(|process| process.id).collect();
        for id in &members {
            if let Some(process) = self.get_mut(*id) {
                process.terminal = false;
            }
        }
        for id in members {
            if self.is_alive(id) {
                self.set_stopped(id, false);
                self.deliver(id.pid, HUP);
            }
        }
    }

    /// Whether anybody lives who has the terminal of this session open.
    pub fn terminal_is_held(&self, leader: ProcessId) -> bool {
        self.table.values().any(|process| process.leader == leader && process.lives())
    }

    /// A signal reaches this very process, or nobody.
    pub fn signal(&mut self, id: ProcessId, signal: Signal) {
        let number = match signal {
            Signal::Term => TERM,
            Signal::Kill => KILL,
            // Only tmux servers make anything of it (`SimTmux::poked`).
            Signal::Child => return,
        };
        let Some(process) = self.get_mut(id).filter(|process| process.lives()) else { return };
        if process.stopped && number != KILL {
            process.pending = Some(number);
        } else {
            self.deliver(id.pid, number);
        }
    }

    fn deliver(&mut self, pid: i32, number: i32) {
        let Some(process) = self.table.get(&pid).filter(|process| process.lives()) else { return };
        match (process.temper, number) {
            (Temper::Ordinary, _) | (Temper::Deaf | Temper::Detaching, KILL) => {
                self.end(pid, Exit::Signal(number));
            }
            (Temper::Deaf, _) | (Temper::Unkillable, _) => {}
            (Temper::Detaching, _) => {
                let (program, start) = (process.program.clone(), process.id.start);
                let _ = self.spawn_leader(pid, program, start);
                self.end(pid, Exit::Signal(number));
            }
        }
    }

    /// What has begun and what has ended since this was last asked.
    pub fn changes(&mut self) -> (Vec<ProcessId>, Vec<ProcessId>) {
        (std::mem::take(&mut self.begun), std::mem::take(&mut self.ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(processes: &mut Processes, parent: i32) -> ProcessId {
        processes.spawn(parent, Program::default(), 7).unwrap()
    }

    #[test]
    fn s17_a_pid_is_reused_and_its_signal_hits_nobody_else() {
        let mut processes = Processes::new(2..=3);
        let (first, second) = (spawn(&mut processes, INIT), spawn(&mut processes, INIT));
        assert_eq!(processes.spawn(INIT, Program::default(), 7), None, "the table is full");
        processes.signal(first, Signal::Kill);
        let again = spawn(&mut processes, INIT);
        assert_eq!((again.pid, again.start), (first.pid, first.start + 1));
        processes.signal(first, Signal::Kill);
        assert!(processes.is_alive(again) && processes.is_alive(second));
    }

    #[test]
    fn pids_are_handed_out_upwards_and_the_range_is_used_up_before_one_comes_again() {
        let mut processes = Processes::new(10..=17);
        let all: Vec<i32> = (0..8).map(|_| spawn(&mut processes, INIT).pid).collect();
        assert_eq!(all, (10..=17).collect::<Vec<i32>>());
        for pid in [11, 15] {
            processes.end(pid, Exit::Code(0));
        }
        assert_eq!([spawn(&mut processes, INIT).pid, spawn(&mut processes, INIT).pid], [11, 15]);
    }

    #[test]
    fn what_ended_waits_for_its_parent_and_orphans_do_not() {
        let mut processes = Processes::new(2..=9);
        let parent = spawn(&mut processes, INIT);
        let child = spawn(&mut processes, parent.pid);
        processes.end(child.pid, Exit::Code(3));
        assert!(processes.get(child.pid).is_some() && !processes.is_alive(child));
        assert_eq!(processes.collect(parent.pid), [(child, Exit::Code(3))]);
        let orphan = processes.spawn_leader(parent.pid, Program::default(), 7).unwrap();
        processes.end(parent.pid, Exit::Code(0));
        assert_eq!(processes.get(parent.pid), None, "the first process collects at once");
        assert_eq!(processes.get(orphan.pid).unwrap().parent, INIT);
    }

    #[test]
    fn each_temper_ends_at_what_it_says() {
        for (temper, hang_up, term, kill) in [
            (Temper::Ordinary, true, true, true),
            (Temper::Deaf, false, false, true),
            (Temper::Unkillable, false, false, false),
            (Temper::Detaching, true, true, true),
        ] {
            let ends = |tell: fn(&mut Processes, ProcessId)| {
                let mut processes = Processes::new(2..=9);
                let id = spawn(&mut processes, INIT);
                processes.set_temper(id, temper);
                tell(&mut processes, id);
                !processes.is_alive(id)
            };
            assert_eq!(ends(|all, id| all.hang_up(id)), hang_up, "{temper:?}");
            assert_eq!(ends(|all, id| all.signal(id, Signal::Term)), term, "{temper:?}");
            assert_eq!(ends(|all, id| all.signal(id, Signal::Kill)), kill, "{temper:?}");
        }
    }

    #[test]
    fn a_hang_up_reaches_the_terminals_session_and_nobody_who_left_it() {
        let mut processes = Processes::new(2..=9);
        let leader = processes.spawn_leader(INIT, Program::default(), 1).unwrap();
        let below = spawn(&mut processes, leader.pid);
        let apart = processes.spawn_leader(leader.pid, Program::default(), 1).unwrap();
        processes.hang_up(leader);
        assert!(!processes.is_alive(leader) && !processes.is_alive(below) && processes.is_alive(apart));
        assert_eq!(processes.get(apart.pid).unwrap().parent, INIT);
    }

    #[test]
    fn what_detaches_leaves_a_child_behind() {
        let mut processes = Processes::new(2..=9);
        let id = spawn(&mut processes, INIT);
        processes.set_temper(id, Temper::Detaching);
        processes.hang_up(id);
        let left: Vec<&Process> = processes.iter().collect();
        assert!(left.len() == 1 && left[0].id != id && left[0].parent == INIT && left[0].lives());
    }

    #[test]
    fn who_is_stopped_ends_when_it_goes_on_unless_it_is_killed() {
        let mut processes = Processes::new(2..=9);
        let (first, second) = (spawn(&mut processes, INIT), spawn(&mut processes, INIT));
        for id in [first, second] {
            processes.set_stopped(id, true);
            processes.signal(id, Signal::Term);
            assert!(processes.is_alive(id) && processes.is_stopped(id));
        }
        processes.set_stopped(first, false);
        assert!(!processes.is_alive(first));
        processes.signal(second, Signal::Kill);
        assert!(!processes.is_alive(second));
    }
}
