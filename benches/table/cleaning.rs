//! What a measurement leaves behind when it is interrupted: nothing. A town ends its processes when it is dropped, also in a panic, but a signal
//! drops nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::common::proc;

static ROOTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The directory of a town, from which everything stems that it runs.
pub fn register(root: &Path) {
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner).push(root.to_owned());
}

/// From now on INT and TERM end the towns, and then this program.
pub fn at_signals() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let kind = tokio::signal::unix::SignalKind::terminate();
            let mut term = tokio::signal::unix::signal(kind).expect("a signal");
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
        });
        let roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
        for root in roots.iter().filter(|root| root.exists()) {
            // Each of them may just be starting another one.
            for _ in 0..3 {
                proc::processes_of(root).into_iter().for_each(proc::Life::kill);
            }
            let _ = std::fs::remove_dir_all(root);
        }
        std::process::exit(130);
    });
}
