//! Where the two ways differ, and both are right to: each row of the table in `docs/portability.md`.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use gtctl::machine::Signal;
use gtctl::machine::ending::{Ending, Pidfds, Polling};
use gtctl::machine::processes::{Linux, Observe, Portable};
use gtctl::model::Seen;

use super::fellow::{Fellow, SOON, found, wait_until};

fn is_unknown<T>(seen: &Seen<T>) -> bool {
    matches!(seen, Seen::Unknown(_))
}

#[test]
fn the_portable_start_is_that_of_linux_without_its_fraction() {
    let one = Fellow::sleeping();
    let ticks = rustix::param::clock_ticks_per_second();
    assert_eq!(one.id(Portable).start, one.id(Linux).start / ticks);
}

#[tokio::test]
async fn law_3_only_a_process_that_a_descriptor_names_is_signalled() {
    let one = Fellow::sleeping();
    for signal in [Signal::Term, Signal::Kill, Signal::Child] {
        let refused = Polling.signal(one.id(Portable), signal);
        assert!(refused.is_err_and(|why| why.0.contains("hitting another one")));
    }
    let id = one.id(Linux);
    assert_eq!(Pidfds.ended(&[id], Duration::from_millis(200)).await, vec![id], "it lives on");
    assert_eq!(Pidfds.signal(id, Signal::Term), Ok(()));
    assert_eq!(Pidfds.ended(&[id], SOON).await, vec![]);
}

#[test]
fn only_linux_tells_of_terminals() {
    let one = Fellow::sleeping();
    assert_eq!(Linux.input_is_terminal(one.pid()), Seen::Known(false).map(Some));
    assert!(is_unknown(&Portable.input_is_terminal(one.pid())));
    let terminal_of = |all: Seen<Vec<gtctl::machine::Listed>>| match all {
        Seen::Known(all) => all.into_iter().find(|listed| listed.id.pid == one.pid()).unwrap(),
        Seen::Unknown(why) => panic!("{why}"),
    };
    assert!(!is_unknown(&terminal_of(Linux.all()).terminal));
    let portable = terminal_of(Portable.all());
    assert!(is_unknown(&portable.terminal));
    assert!(portable.may_have_a_terminal(), "who may have one is treated as if it had");
}

#[test]
fn only_linux_tells_of_sockets_open_files_locks_and_control_groups() {
    let one = Fellow::sleeping();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _bound = UnixListener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Linux.socket_is_bound(&path), Seen::Known(true));
    // It knows of no socket but tmux's, and of those only that there is none where no tmux runs.
    assert_ne!(Portable.socket_is_bound(&path), Seen::Known(true));
    assert_eq!(Linux.bound_in(dir.path()), Seen::Known([path.clone()].into()));
    assert!(is_unknown(&Portable.bound_in(dir.path())));
    let file = dir.path().join("file");
    let open = std::fs::File::create(&file).unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    assert_eq!(Linux.having_open(&file), Seen::Known(vec![found(Linux, own).unwrap().id]));
    assert!(is_unknown(&Portable.having_open(&file)));
    let inode = std::os::unix::fs::MetadataExt::ino(&open.metadata().unwrap());
    assert_eq!(Linux.lock_holder(inode), Seen::Known(None));
    fs4::FileExt::try_lock(&open).unwrap();
    assert_eq!(Linux.lock_holder(inode), Seen::Known(Some(own)));
    assert!(is_unknown(&Portable.lock_holder(inode)));
    assert!(!is_unknown(&Linux.control_group(one.pid())));
    assert!(is_unknown(&Portable.control_group(one.pid())));
}

#[test]
fn only_linux_tells_what_children_have_used() {
    let own = i32::try_from(std::process::id()).unwrap();
    let used = || match Linux.cpu_of_children(own) {
        Seen::Known(Some(length)) => length,
        other => panic!("{other:?}"),
    };
    let before = used();
    let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    assert!(std::process::Command::new("sh").args(["-c", busy]).status().unwrap().success());
    // Some hundreds of milliseconds of work, told in ticks of ten.
    let worked = used() - before;
    assert!(worked >= Duration::from_millis(20), "{worked:?}");
    assert_eq!(Linux.cpu_of_children(i32::MAX), Seen::Known(None));
    assert!(is_unknown(&Portable.cpu_of_children(own)));
}

#[test]
fn law_1_an_environment_and_arguments_that_are_not_there_may_be_hidden() {
    let mut without = std::process::Command::new("sleep");
    let one = Fellow::running(without.arg("1000").env_clear());
    wait_until("it runs", || Linux.environment(one.pid(), &["PATH"]) == Seen::Known(Some([].into())));
    assert!(is_unknown(&Portable.environment(one.pid(), &["PATH"])));
    // The thread that hands out kernel threads has no arguments.
    if found(Linux, 2).is_some() {
        assert_eq!(Linux.arguments(2), Seen::Known(Some(vec![])));
        assert!(is_unknown(&Portable.arguments(2)));
    }
}

#[test]
fn of_what_has_ended_the_portable_one_tells_nothing_more() {
    let mut one = Fellow::sleeping();
    one.end();
    wait_until("it has ended", || found(Linux, one.pid()).is_some_and(|found| found.zombie));
    assert_eq!(Linux.arguments(one.pid()), Seen::Known(Some(vec![])));
    assert_eq!(Portable.arguments(one.pid()), Seen::Known(None));
    assert_eq!(Portable.executable(one.pid()), Seen::Known(None));
    assert_eq!(Portable.environment(one.pid(), &["PATH"]), Seen::Known(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_without_descriptors_costs_a_thread_and_nobody_who_waits_costs_none() {
    let is_asking = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        threads
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
            .filter(|name| name.trim() == "ends")
            .count()
    };
    let one = Fellow::sleeping();
    let id = one.id(Portable);
    let waiting: Vec<_> = (0..50).map(|_| tokio::spawn(async move { Polling.end_of(id).await })).collect();
    wait_until("somebody asks", || is_asking() == 1);
    for one in waiting {
        one.abort();
    }
    wait_until("nobody asks any more", || is_asking() == 0);
}
