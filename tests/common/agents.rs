//! Fake agents: each is one way in which a real one behaves.
//!
//! All but the renamed programs record their start: the pid in `agents.log/<object>.pids` (`/` as `_`), the object in
//! `agents.log/order`, and when, who and which pid in `agents.log/starts`, so that starts can be counted and put in order without
//! asking gtctl.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A way to behave.
#[derive(Debug, Clone)]
pub enum Fake {
    /// Lives.
    Ok,
    /// Lives, as a program of this name (a copy of `sleep`); records no start.
    Named(&'static str),
    /// Lives behind `bash -c`, which leaves a shell when the agent ends.
    Wrap,
    /// Lives, with a program of this name in the foreground.
    Foreground(&'static str),
    /// Ends with status 0 after half a second.
    Exit0,
    /// Ends with status 3 after so many seconds, until [`heal`](super::TestTown::heal).
    Crash(u32),
    /// Lives, and ignores HUP and TERM.
    Deaf,
    /// Lives, and ignores HUP.
    Stubborn,
    /// Lives, ignores HUP, and has a child that leads a session of its own with the terminal for its input and ignores HUP and TERM; its pid is in
    /// `<object>.forked`.
    Parent,
    /// Lives, and leaves a child in a session of its own; its pid is in `<object>.forked`.
    Fork,
    /// Lives, and its only child is stopped. (The agent itself cannot be: tmux continues a pane's process that stops.)
    Hang,
    /// Closes its terminal a moment after its start, and lives on without it.
    Detached,
    /// A program that does not exist.
    NoExec,
    /// Records every byte that is typed, in `<object>.bytes`.
    Echo,
    /// Shows a prompt, takes lines as they are sent, and records each in `<object>.lines`.
    Prompt,
    /// Shows what is typed, and takes no Enter.
    Sulky,
    /// As [`Fake::Prompt`] with the prompt of codex, which it shows after so many tenths of a second; what is typed before is in
    /// `<object>.early`.
    Late(u32),
    /// Asks whether its directory is to be trusted, takes one line for an answer, in `<object>.answers`, and then is as [`Fake::Late`].
    Asks,
    /// Prints the value of this variable, lives a second and ends with status 1.
    Tell(&'static str),
    /// Any other arguments; records no start.
    Argv(Vec<String>),
}

/// Finds its records; `sh` alone, so that a start costs no extra fork.
const RECORD: &str = r#"name=${GTCTL_OBJECT:-unmanaged}
echo "$name" >>"$log/order"
while case $name in */*) true ;; *) false ;; esac; do name=${name%%/*}_${name#*/}; done
echo $$ >>"$log/$name.pids"
read -r uptime _ </proc/uptime
echo "$uptime ${GTCTL_OBJECT:-unmanaged} $$" >>"$log/starts"
live() { while :; do "$sleep" 5 & wait $!; done; }
"#;

/// Takes lines at the prompt of codex.
const CODEX: &str = r#"while printf '› ' && IFS= read -r line; do echo "$line" >>"$log/$name.lines"; done"#;

impl Fake {
    /// The program and its arguments; writes the script first, below `root`.
    pub fn command(&self, root: &Path) -> Vec<String> {
        match self {
            Self::Ok => vec![script(root, "ok.sh", "live")],
            Self::Named(name) => vec![renamed(root, name), "100000".to_owned()],
            Self::Wrap => {
                let ok = script(root, "ok.sh", "live");
                vec!["bash".to_owned(), "-c".to_owned(), format!("'{ok}'; exec bash")]
            }
            Self::Foreground(name) => {
                let program = renamed(root, name);
                vec![script(
                    root,
                    &format!("foreground-{name}.sh"),
                    &format!("while :; do '{program}' 100000; done"),
                )]
            }
            Self::Exit0 => vec![script(root, "exit0.sh", "\"$sleep\" 0.5; exit 0")],
            Self::Crash(seconds) => {
                let body = format!("[ -e \"$log/heal\" ] && live\n\"$sleep\" {seconds}; exit 3");
                vec![script(root, &format!("crash-{seconds}.sh"), &body)]
            }
            Self::Deaf => vec![script(root, "deaf.sh", "trap '' HUP TERM; live")],
            Self::Stubborn => vec![script(root, "stubborn.sh", "trap '' HUP; live")],
            Self::Parent => {
                // Its own parent ends at once, so that it is nobody's child.
                let child = "trap '' HUP TERM; echo $$ >>\"$0\"; while :; do sleep 5; done";
                let body =
                    format!("trap '' HUP; (setsid sh -c '{child}' \"$log/$name.forked\" </dev/tty &); live");
                vec![script(root, "parent.sh", &body)]
            }
            Self::Fork => {
                let body = "setsid \"$sleep\" 100000 >/dev/null 2>&1 & echo $! >>\"$log/$name.forked\"; live";
                vec![script(root, "fork.sh", body)]
            }
            Self::Hang => vec![script(root, "hang.sh", "sh -c 'kill -STOP $$' & wait $!; live")],
            Self::Detached => {
                let body = "trap '' HUP; \"$sleep\" 0.3; exec </dev/null >/dev/null 2>&1; live";
                vec![script(root, "detached.sh", body)]
            }
            Self::NoExec => vec![root.join("agents/no-such-program").display().to_string()],
            Self::Echo => vec![script(root, "echo.sh", "stty raw -echo; exec cat >>\"$log/$name.bytes\"")],
            Self::Prompt => {
                let body =
                    "while printf '> ' && IFS= read -r line; do echo \"$line\" >>\"$log/$name.lines\"; done";
                vec![script(root, "prompt.sh", body)]
            }
            Self::Sulky => vec![script(
                root,
                "sulky.sh",
                "stty -icanon -icrnl -echoctl; exec cat >>\"$log/$name.bytes\"",
            )],
            Self::Late(tenths) => {
                let seconds = f64::from(*tenths) / 10.0;
                let body = format!(
                    "echo loading; stty raw -echo; timeout {seconds} cat >>\"$log/$name.early\"; stty sane; {CODEX}"
                );
                vec![script(root, &format!("late-{tenths}.sh"), &body)]
            }
            Self::Asks => {
                let body = format!(
                    "printf 'Do you trust the contents of this directory?\\n\\n› 1. Yes\\n  2. No, exit\\n'
IFS= read -r answer; echo \"$answer\" >>\"$log/$name.answers\"; printf '\\033[2J\\033[H'; {CODEX}"
                );
                vec![script(root, "asks.sh", &body)]
            }
            Self::Tell(variable) => {
                let body = format!("echo \"the value is ${variable}\"; \"$sleep\" 1; exit 1");
                vec![script(root, &format!("tell-{variable}.sh"), &body)]
            }
            Self::Argv(argv) => argv.clone(),
        }
    }
}

/// Where agents keep their records.
pub fn log_dir(root: &Path) -> PathBuf {
    root.join("agents.log")
}

/// The pids that an object's agents recorded, in order of their starts.
pub fn recorded_pids(root: &Path, object: &str) -> Vec<i32> {
    numbers(&log_dir(root).join(format!("{}.pids", object.replace('/', "_"))))
}

/// The pids that a [`Fake::Fork`] left behind.
pub fn forked_pids(root: &Path, object: &str) -> Vec<i32> {
    numbers(&log_dir(root).join(format!("{}.forked", object.replace('/', "_"))))
}

/// Every start in order, by object.
pub fn start_order(root: &Path) -> Vec<String> {
    lines(&log_dir(root).join("order"))
}

fn numbers(path: &Path) -> Vec<i32> {
    lines(path).iter().filter_map(|line| line.parse().ok()).collect()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Writes an executable script, once, and returns its path.
fn script(root: &Path, file: &str, body: &str) -> String {
    let path = root.join("agents").join(file);
    let log = log_dir(root);
    let sleep = sleep_program();
    let text = format!("#!/bin/sh\nlog='{}' sleep='{}'\n{RECORD}{body}\n", log.display(), sleep.display());
    install(&path, text.as_bytes());
    path.display().to_string()
}

/// Copies `sleep` under another name, once, and returns the path.
fn renamed(root: &Path, name: &str) -> String {
    let path = root.join("agents/named").join(name);
    install(&path, &fs::read(sleep_program()).expect("read sleep"));
    path.display().to_string()
}

fn sleep_program() -> PathBuf {
    which::which("sleep").expect("the integration tests need sleep on PATH")
}

/// Writes an executable file in one step: another thread may be forking, and a file open for writing cannot be run.
pub fn install(path: &Path, bytes: &[u8]) {
    if path.exists() {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, path).unwrap();
}
