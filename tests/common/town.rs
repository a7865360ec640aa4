//! A town in a temporary directory, with a tmux server of its own; both end with the test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::run::{RUN_DEADLINE, Ran, run, try_run};
use super::wait::{SOON, poll};
use super::{Fake, Shim, agents, guard, proc};

/// A town. Builders (`session`, `rig`, `with`, …) take it and give it back; all else borrows it.
pub struct TestTown {
    // Dropped last, and with it the directory.
    dir: tempfile::TempDir,
    root: PathBuf,
    socket: String,
    /// Whose server it is: this town's root, or that of the town it shares a server with.
    server_root: PathBuf,
    /// The tables of `town.toml` in order, by header, and free text after them.
    tables: RefCell<Vec<(String, Vec<String>)>>,
    text: RefCell<String>,
    path: RefCell<String>,
}

impl TestTown {
    /// A directory with nothing but a `town.toml` that names the private server and is in a hurry.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let socket = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::on(socket, None)
    }

    /// Another town on the server of this one.
    pub fn neighbour(&self) -> Self {
        Self::on(self.socket.clone(), Some(self.root.clone()))
    }

    fn on(socket: String, server_root: Option<PathBuf>) -> Self {
        let dir = tempfile::Builder::new().prefix("gtctl-").tempdir().expect("a temporary directory");
        let root = dir.path().canonicalize().unwrap();
        for part in ["town/work", "tmux", "home", "bin", "agents", "agents.log", "scratch"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
        std::os::unix::fs::symlink(guard::program(), root.join("bin/tmux")).unwrap();
        let town = Self {
            path: RefCell::new(format!("{}:/usr/bin:/bin", root.join("bin").display())),
            server_root: server_root.unwrap_or_else(|| root.clone()),
            tables: RefCell::default(),
            text: RefCell::default(),
            dir,
            root,
            socket,
        };
        let socket = format!("socket = '{}'", town.socket);
        town.with("town", &socket)
            .with("controller", "settle = '100ms'")
            .with("controller", "stop-timeout = '1s'")
            .with("controller", "tmux-timeout = '2s'")
            .with("limits", "starts-per-minute = 1000")
            .with("limits", "starts-in-flight = 8")
            .with("backoff", "initial = '1s'")
            .with("backoff", "jitter = 0.0")
    }

    // --- given

    /// Sets `line` (`key = value`) in a table of `town.toml`.
    pub fn with(self, table: &str, line: &str) -> Self {
        self.set(table, line);
        self
    }

    /// A session `sessions/<name>` that runs `fake` in the town's `work` directory.
    pub fn session(self, name: &str, fake: Fake) -> Self {
        self.add_session(name, fake);
        self
    }

    /// A rig whose witness and refinery run `fake`.
    pub fn rig(self, name: &str, fake: Fake) -> Self {
        self.add_rig(name, fake);
        self
    }

    /// A rig that has a witness and nothing else.
    pub fn witness(self, name: &str, fake: Fake) -> Self {
        self.rig(name, fake).with(&format!("rigs.{name}"), "roles.refinery.enabled = false")
    }

    /// A Gas Town workspace: `mayor/` with these rigs in `rigs.json`; every agent runs `fake`; the deacon is off.
    pub fn workspace(self, rigs: &[&str], fake: Fake) -> Self {
        self.file(
            "mayor/town.json",
            r#"{"type":"town","version":2,"name":"t","created_at":"2026-01-24T10:00:00Z"}"#,
        );
        self.list_rigs(rigs);
        self.make_dirs(&["deacon"]);
        let command = self.command(&fake);
        self.with("agents.fake", &format!("command = {command}"))
            .with("defaults", "agent = 'fake'")
            .with("roles.deacon", "enabled = false")
    }

    /// The command of a fake agent, as it stands in `town.toml`.
    pub fn command(&self, fake: &Fake) -> String {
        array(&fake.command(&self.root))
    }

    /// Puts a counting `tmux` before the real one; a controller runs it for all that it asks.
    pub fn shim(&self) -> Shim {
        self.set("controller", "direct = false");
        Shim::install(&self.root)
    }

    // --- files

    /// Sets `line` (`key = value`) in a table of `town.toml`; a line with the same key is replaced.
    pub fn set(&self, table: &str, line: &str) {
        self.put(table, line);
        self.write_town_toml();
    }

    fn put(&self, table: &str, line: &str) {
        let key = line.split('=').next().unwrap_or_default().trim().to_owned();
        let mut tables = self.tables.borrow_mut();
        let known = tables.iter().position(|(header, _)| header == table);
        let at = known.unwrap_or_else(|| {
            tables.push((table.to_owned(), Vec::new()));
            tables.len() - 1
        });
        let lines = &mut tables[at].1;
        lines.retain(|old| old.split('=').next().unwrap_or_default().trim() != key);
        lines.push(line.to_owned());
    }

    /// Sets the same line in several tables with a single change of the file.
    pub fn set_in_each(&self, tables: &[&str], line: &str) {
        tables.iter().for_each(|table| self.put(table, line));
        self.write_town_toml();
    }

    /// Takes a table out of `town.toml`.
    pub fn remove(&self, table: &str) {
        self.tables.borrow_mut().retain(|(header, _)| header != table);
        self.write_town_toml();
    }

    /// Replaces the free text that stands in `town.toml` after the tables.
    pub fn town_toml(&self, text: &str) {
        text.clone_into(&mut self.text.borrow_mut());
        self.write_town_toml();
    }

    /// Writes `town.toml` anew, which undoes what a verb or a test put there.
    pub fn write_town_toml(&self) {
        let mut all = String::new();
        for (header, lines) in self.tables.borrow().iter() {
            all.push_str(&format!("[{header}]\n{}\n\n", lines.join("\n")));
        }
        all.push_str(&self.text.borrow());
        self.file("town.toml", &all);
    }

    /// See [`session`](Self::session); for a town that already works.
    pub fn add_session(&self, name: &str, fake: Fake) {
        let table = format!("sessions.{name}");
        self.set(&table, "directory = 'work'");
        self.set(&table, &format!("command = {}", self.command(&fake)));
    }

    /// See [`rig`](Self::rig); for a town that already works.
    pub fn add_rig(&self, name: &str, fake: Fake) {
        self.make_rig_dirs(name);
        let command = self.command(&fake);
        let table = format!("rigs.{name}");
        self.set(&table, &format!("roles.refinery.command = {command}"));
        self.set(&table, &format!("roles.witness.command = {command}"));
    }

    /// Writes `mayor/rigs.json`.
    pub fn list_rigs(&self, rigs: &[&str]) {
        let entry = |rig: &&str| {
            self.make_rig_dirs(rig);
            format!(
                r#""{rig}":{{"git_url":"git@x:{rig}.git","added_at":"2026-01-24T10:00:00Z","beads":{{"repo":"","prefix":"{rig}"}}}}"#
            )
        };
        let entries: Vec<String> = rigs.iter().map(entry).collect();
        self.file(
            "mayor/rigs.json",
            &format!("{{\"version\":1,\"rigs\":{{\n{}\n}}}}\n", entries.join(",\n")),
        );
    }

    /// Writes a file of the town in one step, with the directories above it.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.scratch().join("file.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &path).unwrap();
    }

    /// Makes directories of the town.
    pub fn make_dirs(&self, dirs: &[&str]) {
        for dir in dirs {
            fs::create_dir_all(self.path(dir)).unwrap();
        }
    }

    fn make_rig_dirs(&self, rig: &str) {
        self.make_dirs(&[
            &format!("{rig}/witness"),
            &format!("{rig}/refinery/rig"),
            &format!("{rig}/mayor/rig"),
        ]);
    }

    /// A file of the town.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join("town").join(path)
    }

    /// `town.toml:7`, where the first line that holds `needle` is the seventh.
    #[track_caller]
    pub fn place_of(&self, file: &str, needle: &str) -> String {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let line = text.lines().position(|line| line.contains(needle));
        format!("{file}:{}", line.unwrap_or_else(|| panic!("no {needle:?} in {file}")) + 1)
    }

    /// Every file and directory of the town, with what changes when somebody writes it.
    pub fn files(&self) -> BTreeMap<PathBuf, (u64, i64, i64, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut todo = vec![self.path("")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                // A temporary file may have been renamed meanwhile; its new name is found as well, or in the next look.
                let Ok(meta) = entry.metadata() else { continue };
                if meta.is_dir() {
                    todo.push(entry.path());
                }
                let content =
                    if meta.is_file() { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
                found.insert(
                    entry.path(),
                    (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.mode(), content),
                );
            }
        }
        found
    }

    // --- when

    /// gtctl with these arguments on this town, not yet run: no variable of the caller's, the town's own tmux directory.
    pub fn gtctl_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gtctl"));
        self.dress(&mut command);
        command.arg("--town").arg(self.path("")).args(args);
        command
    }

    /// Gives a command the environment and directory that gtctl runs in.
    pub fn dress(&self, command: &mut Command) {
        command.env_clear().current_dir(&self.root);
        command.env("PATH", &*self.path.borrow()).env("TMUX_TMPDIR", self.tmux_tmpdir());
        command.env("HOME", self.root.join("home")).env("XDG_CONFIG_HOME", self.root.join("home/.config"));
        command.env("SHELL", "/bin/sh").env("LANG", "C.UTF-8").env("TERM", "xterm").env("USER", "tester");
        if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", profile);
        }
    }

    /// Runs gtctl to its end.
    pub fn gtctl(&self, args: &[&str]) -> Ran {
        run(&mut self.gtctl_command(args), None, &self.scratch(), RUN_DEADLINE)
    }

    /// `gtctl reconcile`.
    pub fn once(&self) -> Ran {
        self.gtctl(&["reconcile"])
    }

    /// Reconciles once, as a given: everything wanted must run afterwards.
    #[track_caller]
    pub fn started(self) -> Self {
        self.once().exits(0);
        self
    }

    /// The PATH that gtctl gets from now on.
    pub fn set_path(&self, path: &str) {
        path.clone_into(&mut self.path.borrow_mut());
    }

    /// [`Fake::Crash`] agents that start from now on live.
    pub fn heal(&self) {
        fs::write(agents::log_dir(&self.root).join("heal"), "").unwrap();
    }

    // --- places

    /// The test's directory, with the town in `town`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the test that the tmux server belongs to.
    pub fn server_root(&self) -> &Path {
        &self.server_root
    }

    /// The tmux server's socket name.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// `TMUX_TMPDIR`.
    pub fn tmux_tmpdir(&self) -> PathBuf {
        self.server_root.join("tmux")
    }

    /// For files of the harness.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }
}

impl Drop for TestTown {
    /// Ends the server, then every process that stems from this directory. Nothing else on the machine can be meant.
    fn drop(&mut self) {
        let brief = Duration::from_secs(2);
        if self.server_root == self.root && self.socket_file().exists() {
            let mut end = guard::tmux(&self.socket, &self.tmux_tmpdir(), &self.root);
            let _ = try_run(end.arg("kill-server"), None, &self.scratch(), brief);
        }
        let gone = poll(SOON, || {
            let left = proc::processes_of(&self.root);
            left.iter().for_each(|life| life.kill());
            left.is_empty().then_some(())
        });
        if gone.is_none() {
            eprintln!("left behind: {:?}", proc::processes_of(&self.root));
        }
    }
}

/// A TOML array of strings.
pub fn array(words: &[String]) -> String {
    let quoted: Vec<String> =
        words.iter().map(|word| toml::Value::String(word.clone()).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}
