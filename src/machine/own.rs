//! What this very process has used of the machine: CPU, memory, and programs that it has run.
//!
//! These are figures of the process, not of a value in it: the kernel keeps them so, and the count of programs does likewise.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::process::{Child, Command};

use super::processes::{HERE, Observe};
use crate::model::Seen;

/// How many programs have been started.
static PROGRAMS: AtomicU64 = AtomicU64::new(0);

/// Starts a program, and counts it. Everything that gtctl runs besides itself begins here.
pub(super) fn start(command: &mut Command) -> io::Result<Child> {
    let child = command.spawn()?;
    PROGRAMS.fetch_add(1, Ordering::Relaxed);
    Ok(child)
}

/// How many programs this process has run. One that could not be started is none; what a program runs by itself is its own.
pub(super) fn programs_run() -> u64 {
    PROGRAMS.load(Ordering::Relaxed)
}

/// The CPU time of all threads, user and system, on a clock of nanoseconds.
pub(super) fn cpu_used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The CPU time of the programs that it has run, as far as they have ended.
pub(super) fn cpu_of_programs() -> Seen<Duration> {
    of_this_process(HERE.cpu_of_children(pid()))
}

/// The memory that it has in use, in bytes.
pub(super) fn memory_used() -> Seen<u64> {
    of_this_process(HERE.memory(pid()))
}

/// The pid of this process.
pub(super) fn pid() -> i32 {
    rustix::process::getpid().as_raw_pid()
}

/// Who asks is there.
fn of_this_process<T>(told: Seen<Option<T>>) -> Seen<T> {
    match told {
        Seen::Known(Some(value)) => Seen::Known(value),
        Seen::Known(None) => Seen::unknown("the system does not show this process"),
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_used();
        let begun = std::time::Instant::now();
        let mut number = 1_u64;
        while begun.elapsed() < Duration::from_millis(50) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        // The machine may have had other work meanwhile.
        assert!(cpu_used() > before, "{number}");
    }

    #[tokio::test]
    async fn what_cannot_be_started_is_not_counted() {
        // Other tests of this process start programs as well, so a count that stays is not seen here; one that never grows would be.
        let before = programs_run();
        assert!(start(&mut Command::new("/nowhere/at/all")).is_err());
        let mut child = start(Command::new("true").kill_on_drop(true)).unwrap();
        assert!(programs_run() > before);
        child.wait().await.unwrap();
    }
}
