//! The controllers: hurt, and kept running as a service manager would.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{Life, RunningController, TestTown};

use super::generator::{Fault, Kind};
use super::history::now;
use super::nemesis::{Nemesis, Undo};
use super::watch::{Shared, open};

/// How long a controller that has ended is left so.
const RESTART_AFTER: Duration = Duration::from_millis(300);

/// How long a cause may take to end a controller: a resync, and a start that reads the files a moment too early.
const LATE: f64 = 6.0;

struct One<'town> {
    process: RunningController<'town>,
    /// Whether it is to end, or has too few descriptors to live.
    may_end: bool,
}

/// All controllers that have been started and have not ended.
pub struct Controllers<'town> {
    town: &'town TestTown,
    shared: Shared,
    all: Vec<One<'town>>,
    /// Whether none is to run.
    down: bool,
    next: Instant,
    /// How many were started.
    pub started: usize,
}

impl<'town> Controllers<'town> {
    pub fn new(town: &'town TestTown, shared: Shared) -> Self {
        Self { town, shared, all: Vec::new(), down: false, next: Instant::now(), started: 0 }
    }

    /// Notes which have ended, and starts one if there is none.
    pub fn tend(&mut self) {
        let (town, shared) = (self.town, self.shared.clone());
        self.all.retain(|one| match one.process.try_wait() {
            None => true,
            Some(code) => {
                ended(&shared, one, code, town);
                false
            }
        });
        if self.all.is_empty() && !self.down && Instant::now() >= self.next {
            self.spawn(None);
        }
    }

    /// The one that runs, if only one does.
    pub fn only(&self) -> Option<&RunningController<'town>> {
        match self.all.as_slice() {
            [one] => Some(&one.process),
            _ => None,
        }
    }

    /// Starts one, with so many descriptors if that is said.
    fn spawn(&mut self, descriptors: Option<usize>) {
        let mut command = self.town.gtctl_command(&["controller"]);
        if let Some(descriptors) = descriptors {
            let mut starved = std::process::Command::new("/bin/sh");
            self.town.dress(&mut starved);
            starved.arg("-c").arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""));
            starved.arg(command.get_program()).args(command.get_args());
            command = starved;
        }
        let process = self.town.spawn_controller(command);
        self.started += 1;
        self.next = Instant::now() + RESTART_AFTER;
        let pid = process.pid();
        let mut history = open(&self.shared);
        history.tell(format!("controller {pid} started, descriptors: {descriptors:?}"));
        history.controllers.insert(pid);
        self.all.push(One { process, may_end: descriptors.is_some() });
    }

    fn end_all(&mut self, signal: Signal) {
        for one in &mut self.all {
            one.may_end = true;
            one.process.signal(signal);
        }
        self.next = Instant::now() + RESTART_AFTER;
    }
}

/// A controller ends by a signal, or because another one has the lock, or says what is wrong.
fn ended(shared: &Shared, one: &One<'_>, code: Option<i32>, town: &TestTown) {
    let mut history = open(shared);
    history.controllers.remove(&one.process.pid());
    history.tell(format!("controller {} ended: {code:?}", one.process.pid()));
    let now = now();
    let right = match code {
        Some(101) => false,
        _ if one.may_end => true,
        Some(75) => true,
        Some(6) => history.broken.touches(now, LATE),
        Some(0) => history.unlocked.touches(now, LATE),
        Some(1) => history.forgetful.touches(now, LATE),
        _ => false,
    };
    if !right {
        let log = one.process.log();
        let tail: Vec<&str> = log.lines().rev().take(15).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        let town = town.root().display();
        history.violation(format!("a controller of {town} ended by itself: {code:?}\n{}", tail.join("\n")));
    }
}

impl Nemesis<'_> {
    /// Starts a controller anew, as a person would who cannot talk to it.
    pub fn restart_controller(&mut self) {
        self.controllers.end_all(Signal::TERM);
    }

    pub(super) fn hurt_controller(&mut self, fault: Fault) -> Option<()> {
        if fault.kind == Kind::RemoveLock {
            return self.remove_lock(fault);
        }
        let first = self.controllers.all.first()?.process.life()?;
        self.tell(fault, format!("controller {}, for {:?}", first.pid, fault.lasts));
        match fault.kind {
            Kind::KillController | Kind::TerminateController => {
                let signal = if fault.kind == Kind::KillController { Signal::KILL } else { Signal::TERM };
                self.controllers.end_all(signal);
                self.continue_controllers();
                // Every second time the next one comes at once.
                if fault.shade.is_multiple_of(2) {
                    self.controllers.down = true;
                    self.later(fault, Undo::Controller);
                } else {
                    self.controllers.next = Instant::now();
                }
            }
            Kind::StopController => {
                first.signal(Signal::STOP);
                self.history(|history| history.controller_paused = f64::INFINITY);
                self.later(fault, Undo::ContinueController(first));
            }
            Kind::SecondController => self.controllers.spawn(None),
            Kind::SwapControllers => {
                self.controllers.end_all(Signal::KILL);
                self.continue_controllers();
                self.controllers.spawn(None);
                self.controllers.spawn(None);
            }
            Kind::StarveController => {
                self.controllers.end_all(Signal::KILL);
                self.continue_controllers();
                self.controllers.spawn(Some(16 + fault.shade % 48));
                self.later(fault, Undo::Feed);
            }
            _ => return None,
        }
        Some(())
    }

    /// Those that were stopped go on, or end.
    fn continue_controllers(&mut self) {
        let stopped = |undo: &Undo| match undo {
            Undo::ContinueController(life) => Some(*life),
            _ => None,
        };
        let lives: Vec<Life> = self.undo.iter().filter_map(|(_, undo)| stopped(undo)).collect();
        self.undo.retain(|(_, undo)| stopped(undo).is_none());
        for life in lives {
            self.undo_controller(Undo::ContinueController(life));
        }
    }

    fn remove_lock(&mut self, fault: Fault) -> Option<()> {
        self.history(|history| {
            history.unlocked.begin("lock", now());
            // Two may count starts apart until one of them notices.
            history.resets.push((now(), None));
        });
        let removed = std::fs::remove_file(self.town.path("daemon/daemon.lock"));
        self.history(|history| history.unlocked.end("lock", now()));
        removed.ok()?;
        self.tell(fault, "daemon.lock");
        Some(())
    }

    pub(super) fn undo_controller(&mut self, undo: Undo) {
        match undo {
            Undo::ContinueController(life) => {
                self.history(|history| {
                    history.controller_paused = now();
                    history.something_goes_on();
                });
                life.signal(Signal::CONT);
            }
            Undo::Controller => {
                self.controllers.down = false;
                self.controllers.next = Instant::now();
            }
            Undo::Feed => {
                for one in self.controllers.all.iter_mut().filter(|one| one.may_end) {
                    one.process.signal(Signal::KILL);
                }
            }
            _ => {}
        }
    }
}
