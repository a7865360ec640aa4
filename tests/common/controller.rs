//! A controller at work.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::TestTown;
use super::proc::{self, Life};
use super::wait::{SOON, poll};

/// How long one pass may take; a pass that waits for a tmux that does not answer takes some deadlines of tmux.
const PASS_DEADLINE: Duration = Duration::from_secs(30);

/// A spawned `gtctl controller`; killed when it goes out of scope.
pub struct RunningController<'town> {
    town: &'town TestTown,
    child: RefCell<Child>,
    log: PathBuf,
}

impl TestTown {
    /// Starts a controller, and waits for its first pass.
    #[track_caller]
    pub fn controller(&self) -> RunningController<'_> {
        self.controller_from(self.gtctl_command(&["controller"]))
    }

    /// The same from a command of the test's own.
    #[track_caller]
    pub fn controller_from(&self, command: Command) -> RunningController<'_> {
        let controller = self.spawn_controller(command);
        let first_pass = poll(SOON, || {
            let ended = controller.try_wait();
            assert!(ended.is_none(), "the controller ended: {ended:?}\n{}", controller.log());
            controller.pass_count().filter(|count| *count > 0)
        });
        assert!(first_pass.is_some(), "no pass of the controller within {SOON:?}\n{}", self.diagnosis());
        controller
    }

    /// Starts a controller and does not wait.
    pub fn spawn_controller(&self, mut command: Command) -> RunningController<'_> {
        let free = (0..)
            .map(|number| self.root().join(format!("controller-{number}.log")))
            .find(|log| !log.exists());
        let log = free.expect("a free number");
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = RefCell::new(command.spawn().expect("spawn gtctl"));
        RunningController { town: self, child, log }
    }
}

impl RunningController<'_> {
    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.borrow().id().cast_signed()
    }

    /// Its process.
    pub fn life(&self) -> Option<Life> {
        Life::of(self.pid())
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if self.try_wait().is_none() {
            proc::send(self.pid(), signal);
        }
    }

    /// Its end, if it has ended: an exit code, or `None` inside for a signal.
    pub fn try_wait(&self) -> Option<Option<i32>> {
        self.child.borrow_mut().try_wait().expect("wait for the controller").map(|status| status.code())
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&self) -> Option<i32> {
        let end = poll(SOON, || self.try_wait());
        end.unwrap_or_else(|| panic!("the controller does not end\n{}", self.log()))
    }

    /// SIGTERM, and its exit code.
    #[track_caller]
    pub fn terminate(&self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// How many passes it has made; `None` if it cannot be asked.
    pub fn pass_count(&self) -> Option<u64> {
        let ran = self.town.gtctl(&["status", "-o", "json"]);
        let status: serde_json::Value = serde_json::from_str(&ran.stdout).ok()?;
        status["controller"]["passes"].as_u64()
    }

    /// Makes it look once, and sees that without running tmux.
    #[track_caller]
    pub fn pass_unseen_by_tmux(&self) {
        let count = || {
            let ran = self.town.gtctl(&["controller", "status", "-o", "json"]);
            let status: serde_json::Value = serde_json::from_str(&ran.stdout).expect("its status is JSON");
            status["controller"]["passes"].as_u64().expect("it counts its passes")
        };
        let before = count();
        self.signal(Signal::HUP);
        self.town.wait_until("a pass is made", PASS_DEADLINE, || count() > before);
    }

    /// Makes it look so many times, each time when the last is done.
    #[track_caller]
    pub fn passes(&self, count: usize) {
        for number in 1..=count {
            let before = self.pass_count();
            self.signal(Signal::USR1);
            let what = format!("pass {number} of {count} is made");
            self.town.wait_until(&what, PASS_DEADLINE, || self.pass_count() > before);
        }
    }
}

impl Drop for RunningController<'_> {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}
