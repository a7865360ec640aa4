//! What it costs to look at processes, for both ways to do so; prints a table. Microseconds of one call, the median of some rounds.
//!
//! `GTCTL_PROCESSES` is the number of processes that are begun to be looked at.

// A panic is how a measurement says that it measured nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::hint::black_box;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use gtctl::machine::ending::{Ending, Pidfds, Polling};
    use gtctl::machine::processes::{Linux, Observe, Portable};
    use gtctl::model::{ProcessId, Seen};

    const ROUNDS: usize = 15;
    const MARKS: &[&str] =
        &["GTCTL_TOWN", "GTCTL_OBJECT", "GTCTL_INCARNATION", "GT_ROOT", "GT_ROLE", "GT_RIG"];

    /// Processes that end with this.
    struct Begun(Vec<Child>);

    impl Drop for Begun {
        fn drop(&mut self) {
            for child in &mut self.0 {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    /// The median of what a call took, in microseconds.
    fn cost(calls: usize, mut call: impl FnMut(usize)) -> f64 {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                (0..calls).for_each(&mut call);
                begun.elapsed().as_secs_f64() * 1e6 / calls as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }

    fn known<T>(seen: Seen<T>) -> T {
        match seen {
            Seen::Known(value) => value,
            Seen::Unknown(why) => panic!("{why}"),
        }
    }

    fn looks(eye: impl Observe, pids: &[i32]) -> Vec<(&'static str, f64)> {
        let some = &pids[..pids.len().min(200)];
        let all = known(eye.all());
        let own: Vec<i32> = all.iter().filter(|one| one.own).map(|one| one.id.pid).collect();
        vec![
            ("find", cost(some.len(), |n| _ = black_box(known(eye.find(some[n]))))),
            ("executable", cost(some.len(), |n| _ = black_box(known(eye.executable(some[n]))))),
            ("arguments", cost(some.len(), |n| _ = black_box(known(eye.arguments(some[n]))))),
            ("environment", cost(some.len(), |n| _ = black_box(known(eye.environment(some[n], MARKS))))),
            ("children", cost(20, |n| _ = black_box(known(eye.children(some[n % some.len()]))))),
            ("all", cost(1, |_| _ = black_box(known(eye.all())))),
            (
                "all, and the environments of one's own",
                cost(1, |_| {
                    let _ = known(eye.all());
                    own.iter().for_each(|pid| _ = black_box(eye.environment(*pid, MARKS)));
                }),
            ),
        ]
    }

    /// How much processor time it takes to wait for these, in permille of a core, when nothing happens.
    fn waiting(ear: impl Ending, ids: &[ProcessId]) -> f64 {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let time = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let tasks: Vec<_> =
            ids.iter().copied().map(|id| runtime.spawn(async move { ear.end_of(id).await })).collect();
        // Until nothing has changed for long.
        std::thread::sleep(Duration::from_secs(12));
        let (before, begun) = (time(), Instant::now());
        std::thread::sleep(Duration::from_secs(20));
        let after = time();
        let spent = (after.tv_sec - before.tv_sec) as f64 + (after.tv_nsec - before.tv_nsec) as f64 / 1e9;
        let permille = spent / begun.elapsed().as_secs_f64() * 1000.0;
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        permille
    }

    pub fn main() {
        let count = std::env::var("GTCTL_PROCESSES").map_or(1000, |text| text.parse().unwrap());
        let begun = Begun((0..count).map(|_| Command::new("sleep").arg("1000").spawn().unwrap()).collect());
        std::thread::sleep(Duration::from_millis(500));
        let pids: Vec<i32> = begun.0.iter().map(|child| child.id().try_into().unwrap()).collect();
        println!("{} processes, of which {count} are looked at", known(Linux.all()).len());
        println!("{:40} {:>10} {:>10}", "µs a call", "Linux", "portable");
        for ((what, linux), (_, portable)) in looks(Linux, &pids).into_iter().zip(looks(Portable, &pids)) {
            println!("{what:40} {linux:>10.1} {portable:>10.1}");
        }
        let ids =
            |eye: &dyn Fn(i32) -> ProcessId| pids.iter().take(100).map(|pid| eye(*pid)).collect::<Vec<_>>();
        let linux = waiting(Pidfds, &ids(&|pid| known(Linux.find(pid)).unwrap().id));
        let portable = waiting(Polling, &ids(&|pid| known(Portable.find(pid)).unwrap().id));
        println!("{:40} {linux:>10.2} {portable:>10.2}", "‰ of a core, waiting for 100 in vain");
    }
}
