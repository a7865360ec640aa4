//! Processes that a test has begun. Each is ended with the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gtctl::machine::processes::{Found, Observe};
use gtctl::model::{ProcessId, Seen};

/// How long anything here may take.
pub const SOON: Duration = Duration::from_secs(20);

/// A child of the test.
pub struct Fellow(pub Child);

impl Fellow {
    /// One that does nothing for long.
    pub fn sleeping() -> Self {
        Self::running(Command::new("sleep").arg("1000"))
    }

    pub fn running(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// Ends it and leaves it uncollected.
    pub fn end(&mut self) {
        self.0.kill().unwrap();
    }

    pub fn collect(&mut self) {
        self.0.wait().unwrap();
    }

    pub fn id(&self, eye: impl Observe) -> ProcessId {
        found(eye, self.pid()).expect("it lives").id
    }
}

impl Drop for Fellow {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that is no child of the test: its parent has ended.
pub struct Stranger(pub i32);

impl Stranger {
    pub fn sleeping() -> Self {
        let mut parent = Command::new("sh")
            .args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        parent.wait().unwrap();
        Self(line.trim().parse().unwrap())
    }

    pub fn end(&self) {
        let pid = rustix::process::Pid::from_raw(self.0).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// The process with this pid; a look that fails is a failure here, where nothing hides.
pub fn found(eye: impl Observe, pid: i32) -> Option<Found> {
    match eye.find(pid) {
        Seen::Known(found) => found,
        Seen::Unknown(why) => panic!("{why}"),
    }
}

/// Looks until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Time since boot.
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
