//! The town that is measured: so many sessions with agents that cost nothing, and no waits of policy.

use std::fmt::Write;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::common::TestTown;
use crate::common::town::array;
use crate::hello::Hello;
use crate::meter::Usage;

/// How long anything may take before the measurement has failed.
pub const AT_MOST: Duration = Duration::from_secs(300);

/// What is switched off is what makes a restart wait on purpose: backoff after the first, mass deaths that go one at a time, ceilings.
const POLICY: &str = "[limits]
sessions = 10000
starts-per-minute = 10000
starts-in-flight = 100
kills-per-pass = 10000

[crash-loop]
count = 100

[mass-death]
count = 10000

";

/// A town with its agents' voices.
pub struct BenchTown {
    /// What tests have as well; it ends its server and all its processes with itself.
    pub town: TestTown,
    /// What the agents say.
    pub hello: Hello,
    /// How many sessions it has.
    pub size: usize,
}

impl BenchTown {
    /// A town of so many sessions, `s0` and on. Nothing runs yet.
    pub fn new(size: usize) -> Self {
        let town = Self::empty();
        let text = (0..size).fold(POLICY.to_owned(), |text, number| text + &town.table(&name(number)));
        town.town.town_toml(&text);
        Self { size, ..town }
    }

    /// A town without sessions, and with gtctl's own numbers for how long things may take.
    pub fn empty() -> Self {
        let town = TestTown::new().with("controller", "tmux-timeout = '5s'");
        // What these tables say, the text behind them says.
        for table in ["limits", "backoff"] {
            town.remove(table);
        }
        town.town_toml(POLICY);
        let hello = Hello::listen(town.root());
        crate::cleaning::register(town.root());
        Self { town, hello, size: 0 }
    }

    /// The table of one session in `town.toml`.
    fn table(&self, name: &str) -> String {
        let command = array(&self.hello.command(name));
        format!("[sessions.{name}]\ndirectory = 'work'\ncommand = {command}\n\n")
    }

    /// Writes `town.toml` once more, with these sessions beside the first ones.
    pub fn write_with(&self, more: &[String]) {
        let mut text = POLICY.to_owned();
        for name in self.names().iter().chain(more) {
            write!(text, "{}", self.table(name)).expect("a string takes it");
        }
        self.town.town_toml(&text);
    }

    /// The names of its sessions.
    pub fn names(&self) -> Vec<String> {
        (0..self.size).map(name).collect()
    }

    /// Waits until this process has all but stopped working, without asking it anything: an answer would cost it more than a pass.
    pub fn quiet(&self, pid: i32) {
        let end = Instant::now() + AT_MOST;
        let mut before = Usage::of(pid);
        loop {
            std::thread::sleep(SETTLING);
            let now = Usage::of(pid);
            if now.since(&before).cpu < REST {
                return;
            }
            assert!(Instant::now() < end, "process {pid} does not come to rest");
            before = now;
        }
    }

    /// Waits until gtctl itself says that everything is as wanted, and a moment longer.
    pub fn settled(&self) {
        self.town.wait_until("all is as wanted", AT_MOST, || self.town.status_code() == Some(0));
        std::thread::sleep(SETTLING);
    }

    /// Kills the agent of this name, and waits until its successor speaks; how long that took.
    pub fn kill(&self, name: &str) -> Option<Duration> {
        let before = self.hello.life(name);
        let begun = Instant::now();
        crate::common::proc::send(before.pid, rustix::process::Signal::KILL);
        Some(self.hello.successor(name, Some(before.pid), AT_MOST)?.at - begun)
    }

    /// Has the controller make so many passes, one after the other, each with all files read anew; how long each took.
    ///
    /// It answers a request to look before it looks, and the next one when it has looked: the time between two answers is that of a pass.
    pub fn passes(&self, count: usize) -> Vec<Duration> {
        let answers: Vec<Instant> = (0..count)
            .map(|_| {
                let answer = self.ask(r#"{"verb":"look"}"#);
                assert!(answer.contains("done"), "{answer}");
                Instant::now()
            })
            .collect();
        // The last one is under way. What is asked of the loop now is answered when it is over, and leads to none.
        self.ask(r#"{"verb":"status"}"#);
        answers.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn ask(&self, request: &str) -> String {
        let socket = self.town.path("daemon/gtctl/controller.sock");
        let mut stream = UnixStream::connect(&socket).expect("the controller listens");
        stream.set_read_timeout(Some(AT_MOST)).expect("a timeout");
        writeln!(stream, "{request}").expect("the controller takes it");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the controller answers");
        line
    }
}

/// Until the notes on the last start are made: the settling time of these towns is 100 ms.
pub const SETTLING: Duration = Duration::from_millis(300);

/// Less CPU than this within [`SETTLING`] is rest.
const REST: Duration = Duration::from_millis(2);

fn name(number: usize) -> String {
    format!("s{number}")
}
