//! gt's own daemon, as far as gtctl meets it: a process of that name that holds the town's lock.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::{Life, SOON, TestTown};

/// A process that holds the town's lock and calls itself `gt daemon run`; ended with the value.
pub struct GtDaemon(Child);

impl GtDaemon {
    /// Takes the lock of this town.
    pub fn start(town: &TestTown) -> Self {
        fs::create_dir_all(town.path("daemon")).unwrap();
        // A shell by another name, which runs a script by the name of `daemon`.
        std::os::unix::fs::symlink("/bin/sh", town.root().join("bin/gt")).unwrap();
        fs::write(town.root().join("daemon"), "while :; do sleep 1000; done\n").unwrap();
        let mut command = Command::new("flock");
        command.arg("--no-fork").arg(town.path("daemon/daemon.lock"));
        command.arg(town.root().join("bin/gt")).args(["daemon", "run"]).current_dir(town.root());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("flock");
        let daemon = Self(child);
        town.wait_until("gt daemon has the lock", SOON, || {
            daemon.life().argv().first().is_some_and(|program| program.ends_with("/gt"))
        });
        daemon
    }

    /// Its process.
    pub fn life(&self) -> Life {
        Life::of(self.0.id().cast_signed()).expect("it lives")
    }
}

impl Drop for GtDaemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
