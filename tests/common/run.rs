//! Running a program to its end, always with a deadline.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::wait::poll;

/// How long one run of gtctl may take.
pub const RUN_DEADLINE: Duration = Duration::from_secs(60);

/// What a program said, and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n{self}");
        self
    }

    /// Fails the test if the exit code is zero.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "must fail by itself\n{self}");
        self
    }

    /// Fails the test unless standard output or error holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.text().contains(text), "must say {text:?}\n{self}");
        self
    }

    /// Fails the test unless standard output or error holds one of `texts`, whatever the case of letters.
    #[track_caller]
    pub fn says_one_of(self, texts: &[&str]) -> Self {
        let said = self.text().to_lowercase();
        assert!(
            texts.iter().any(|text| said.contains(&text.to_lowercase())),
            "must say one of {texts:?}\n{self}"
        );
        self
    }

    /// Fails the test if standard output or error holds `text`.
    #[track_caller]
    pub fn keeps_quiet_about(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "must not say {text:?}\n{self}");
        self
    }

    /// The last line of standard output that is not empty.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
    }

    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\nexit: {:?}", self.line, self.code)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// Runs `command` to its end; kills it and fails the test after `deadline`.
///
/// The output goes to files in `scratch`, not pipes: a pipe stays open for as long as any child of the program holds it, and
/// tmux servers are such children.
pub fn run(command: &mut Command, stdin: Option<&str>, scratch: &Path, deadline: Duration) -> Ran {
    match try_run(command, stdin, scratch, deadline) {
        Ok(ran) => ran,
        Err(ran) => panic!("no end within {deadline:?}\n{ran}"),
    }
}

/// The same, with what it said until then as an error where the deadline passed.
pub fn try_run(
    command: &mut Command,
    stdin: Option<&str>,
    scratch: &Path,
    deadline: Duration,
) -> Result<Ran, Ran> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = |what: &str| scratch.join(format!("{number}.{what}"));
    let line = shown(command);

    let input = match stdin {
        None => Stdio::null(),
        Some(text) => {
            fs::write(file("in"), text).unwrap();
            File::open(file("in")).unwrap().into()
        }
    };
    command
        .stdin(input)
        .stdout(File::create(file("out")).unwrap())
        .stderr(File::create(file("err")).unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
    let end = poll(deadline, || child.try_wait().expect("wait for a child"));
    if end.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let read = |what: &str| String::from_utf8_lossy(&fs::read(file(what)).unwrap_or_default()).into_owned();
    let ran =
        Ran { line, code: end.and_then(|status| status.code()), stdout: read("out"), stderr: read("err") };
    for what in ["in", "out", "err"] {
        let _ = fs::remove_file(file(what));
    }
    if end.is_some() { Ok(ran) } else { Err(ran) }
}

/// A command line for messages.
fn shown(command: &Command) -> String {
    let mut line =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
