//! What both ways promise.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gtctl::machine::Signal;
use gtctl::machine::ending::Ending;
use gtctl::machine::processes::Observe;
use gtctl::model::{ProcessId, Seen};

use super::fellow::{Fellow, SOON, Stranger, found, since_boot, wait_until};

/// Long enough for a wrong answer to come.
const A_WHILE: Duration = Duration::from_millis(300);

pub async fn a_zombie_is_told_from_the_living_and_from_what_is_gone(eye: impl Observe, _: impl Ending) {
    let mut one = Fellow::sleeping();
    let alive = found(eye, one.pid()).unwrap();
    assert!(!alive.zombie);
    assert_eq!(alive.parent, i32::try_from(std::process::id()).unwrap());
    assert_eq!(eye.is_alive(alive.id), Seen::Known(true));
    one.end();
    wait_until("it has ended", || found(eye, one.pid()).is_some_and(|found| found.zombie));
    assert_eq!(eye.is_alive(alive.id), Seen::Known(false));
    one.collect();
    assert_eq!(eye.find(one.pid()), Seen::Known(None));
    assert_eq!(eye.is_alive(alive.id), Seen::Known(false));
    assert_eq!(eye.children(one.pid()), Seen::Known(vec![]));
    assert_eq!(eye.executable(one.pid()), Seen::Known(None));
    assert_eq!(eye.arguments(one.pid()), Seen::Known(None));
    assert_eq!(eye.environment(one.pid(), &["PATH"]), Seen::Known(None));
    assert_eq!(eye.input_is_terminal(one.pid()), Seen::Known(None));
    for never in [0, -1, i32::MIN, i32::MAX] {
        assert_eq!(eye.find(never), Seen::Known(None), "{never}");
    }
}

pub async fn who_a_process_is_stays_the_same_for_as_long_as_it_lives(eye: impl Observe, _: impl Ending) {
    let before = since_boot();
    let one = Fellow::sleeping();
    let after = since_boot();
    let id = one.id(eye);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1200) {
        assert_eq!(found(eye, one.pid()).unwrap().id, id);
        std::thread::sleep(Duration::from_millis(10));
    }
    // Start times are told in units of a second at most, and the rest is cut off.
    let started = eye.started(id);
    assert!(
        started + Duration::from_secs(1) > before && started <= after,
        "{started:?} in {before:?}–{after:?}"
    );
}

pub async fn s17_a_reused_pid_is_another_process_and_is_not_signalled(eye: impl Observe, ear: impl Ending) {
    let mut one = Fellow::sleeping();
    let id = one.id(eye);
    for start in [id.start.wrapping_sub(1), id.start + 1, 0] {
        let stale = ProcessId { start, ..id };
        assert_eq!(eye.is_alive(stale), Seen::Known(false));
        assert_eq!(ear.ended(&[stale], SOON).await, vec![], "the one that was meant has ended long ago");
        assert_eq!(ear.signal(stale, Signal::Kill), Ok(()));
    }
    // Whoever is killed may live on for a moment: looking at once would show nothing.
    assert_eq!(ear.ended(&[id], A_WHILE).await, vec![id]);
    one.end();
    assert_eq!(ear.ended(&[id], SOON).await, vec![]);
}

pub async fn children_are_those_of_all_threads_and_nobody_elses(eye: impl Observe, _: impl Ending) {
    let own = i32::try_from(std::process::id()).unwrap();
    let (tell, told) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let child = Fellow::running(Command::new("sh").args(["-c", "sleep 1000 & wait"]));
        tell.send(child).unwrap();
        // The kernel has children in the lists of the threads that began them.
        let _ = ends.recv();
    });
    let child = told.recv().unwrap();
    let children = |pid| match eye.children(pid) {
        Seen::Known(children) => children,
        Seen::Unknown(why) => panic!("{why}"),
    };
    let mut grandchildren = Vec::new();
    wait_until("the child has a child", || {
        grandchildren = children(child.pid());
        !grandchildren.is_empty()
    });
    assert_eq!(grandchildren.len(), 1);
    assert_eq!(found(eye, grandchildren[0]).unwrap().parent, child.pid());
    let ours = children(own);
    assert!(ours.contains(&child.pid()));
    assert!(!ours.contains(&grandchildren[0]));
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    for thread in threads.map(|entry| entry.file_name().into_string().unwrap().parse::<i32>().unwrap()) {
        assert!(!ours.contains(&thread), "a thread is no child");
    }
    assert!(children(grandchildren[0]).is_empty());
    Stranger(grandchildren[0]).end();
    end.send(()).unwrap();
    thread.join().unwrap();
}

pub async fn program_and_arguments_are_those_of_the_last_exec(eye: impl Observe, _: impl Ending) {
    let one = Fellow::running(Command::new("sh").args(["-c", "exec env sleep 1000", "x"]));
    let is_asleep = || matches!(eye.arguments(one.pid()), Seen::Known(Some(all)) if all == ["sleep", "1000"]);
    wait_until("it runs what it is to run", is_asleep);
    let Seen::Known(Some(program)) = eye.executable(one.pid()) else { panic!("it is shown") };
    assert_eq!(program, which::which("sleep").unwrap().canonicalize().unwrap());
    let other = Fellow::running(Command::new("sleep").arg0("a name").args(["1000", "0.5"]));
    let is_named =
        || matches!(eye.arguments(other.pid()), Seen::Known(Some(all)) if all == ["a name", "1000", "0.5"]);
    wait_until("it has the name that it was given", is_named);
}

pub async fn an_argument_that_is_no_text_is_unknown(eye: impl Observe, _: impl Ending) {
    let one = Fellow::running(Command::new("sleep").arg0(OsStr::from_bytes(b"a\xff")).arg("1000"));
    wait_until("it is unknown", || matches!(eye.arguments(one.pid()), Seen::Unknown(_)));
    // What can be told is told.
    assert!(matches!(eye.find(one.pid()), Seen::Known(Some(_))));
}

pub async fn law_13_of_an_environment_only_what_is_asked_for_is_told(eye: impl Observe, _: impl Ending) {
    let one = Fellow::running(Command::new("sleep").arg("1000").env_clear().envs([
        ("MARK", "here=it is"),
        ("EMPTY", ""),
        ("SECRET", "hidden"),
        ("MARKED", "no"),
    ]));
    let asked = ["MARK", "EMPTY", "ABSENT"];
    let all =
        BTreeMap::from([("MARK".to_owned(), "here=it is".to_owned()), ("EMPTY".to_owned(), String::new())]);
    // Between fork and exec it has the environment of this test.
    wait_until("it is told", || eye.environment(one.pid(), &asked) == Seen::Known(Some(all.clone())));
    assert_eq!(eye.environment(one.pid(), &[]), Seen::Known(Some(BTreeMap::new())));
}

pub async fn the_table_has_all_that_live_and_none_that_have_ended(eye: impl Observe, _: impl Ending) {
    let own = i32::try_from(std::process::id()).unwrap();
    let mut ended = Fellow::sleeping();
    ended.end();
    wait_until("it has ended", || found(eye, ended.pid()).is_some_and(|found| found.zombie));
    let (plain, leader) =
        (Fellow::sleeping(), Fellow::running(Command::new("setsid").args(["sleep", "1000"])));
    wait_until(
        "it has called setsid",
        || matches!(eye.arguments(leader.pid()), Seen::Known(Some(all)) if all == ["sleep", "1000"]),
    );
    let Seen::Known(all) = eye.all() else { panic!("the table can be read") };
    let of = |pid: i32| all.iter().filter(|one| one.id.pid == pid).collect::<Vec<_>>();
    for (one, leads) in [(&plain, false), (&leader, true)] {
        let [listed] = of(one.pid())[..] else { panic!("it is there once") };
        assert_eq!((listed.id, listed.parent), (one.id(eye), own));
        assert_eq!((listed.own, listed.leads, listed.name.as_str()), (true, leads, "sleep"));
    }
    assert_eq!(of(ended.pid()).len(), 0);
    assert_eq!((of(own).len(), of(1).len()), (1, 1));
}

pub async fn the_end_of_a_process_that_is_no_child_is_heard(eye: impl Observe, ear: impl Ending) {
    let stranger = Stranger::sleeping();
    let id = found(eye, stranger.0).unwrap().id;
    let waiting = tokio::spawn(async move { ear.ended(&[id], SOON).await });
    tokio::time::sleep(A_WHILE).await;
    assert!(!waiting.is_finished(), "it lives");
    stranger.end();
    assert_eq!(waiting.await.unwrap(), vec![]);
}

pub async fn the_end_of_one_that_nobody_collects_is_heard(eye: impl Observe, ear: impl Ending) {
    let mut one = Fellow::sleeping();
    let id = one.id(eye);
    let waiting = tokio::spawn(async move { ear.ended(&[id], SOON).await });
    tokio::time::sleep(A_WHILE).await;
    one.end();
    assert_eq!(waiting.await.unwrap(), vec![]);
    assert!(found(eye, one.pid()).is_some_and(|found| found.zombie), "it was not collected");
}

pub async fn what_lives_past_the_limit_is_left_over(eye: impl Observe, ear: impl Ending) {
    let (mut one, other) = (Fellow::sleeping(), Fellow::sleeping());
    let (id, lives_on) = (one.id(eye), other.id(eye));
    one.end();
    let begun = Instant::now();
    assert_eq!(ear.ended(&[id, lives_on], A_WHILE).await, vec![lives_on]);
    assert!(begun.elapsed() >= A_WHILE);
    // Also if the one that lives on is asked for first, and if nothing is waited for.
    assert_eq!(ear.ended(&[lives_on, id], A_WHILE).await, vec![lives_on]);
    assert_eq!(ear.ended(&[lives_on, id], Duration::ZERO).await, vec![lives_on]);
    assert_eq!(ear.ended(&[], Duration::ZERO).await, vec![]);
}

pub async fn all_who_wait_for_the_same_end_hear_of_it(eye: impl Observe, ear: impl Ending) {
    let mut one = Fellow::sleeping();
    let id = one.id(eye);
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(async move { ear.ended(&[id], SOON).await })).collect();
    // One of them changes its mind.
    waiting[2].abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    one.end();
    one.collect();
    for (number, one) in waiting.into_iter().enumerate() {
        match one.await {
            Ok(left) => assert_eq!(left, vec![]),
            Err(error) => assert!(error.is_cancelled() && number == 2),
        }
    }
}

pub async fn many_ends_are_all_heard(eye: impl Observe, ear: impl Ending) {
    let mut all: Vec<Fellow> = (0..150).map(|_| Fellow::sleeping()).collect();
    let ids: Vec<ProcessId> = all.iter().map(|one| one.id(eye)).collect();
    let waiting: Vec<_> = ids.iter().map(|id| (*id, *id)).collect();
    let waiting: Vec<_> = waiting
        .into_iter()
        .map(|(id, _)| tokio::spawn(async move { ear.ended(&[id], SOON).await }))
        .collect();
    for one in all.iter_mut().step_by(2) {
        one.end();
        one.collect();
    }
    for (number, one) in waiting.into_iter().enumerate() {
        if number % 2 == 0 {
            assert_eq!(one.await.unwrap(), vec![], "number {number}");
        } else {
            assert!(!one.is_finished(), "number {number} lives");
            one.abort();
        }
    }
    let left: Vec<ProcessId> = ids.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(ear.ended(&ids, Duration::ZERO).await, left);
}

/// Reads everything of processes that end within a millisecond. Nobody is ever shown alive again, nor as somebody else.
pub async fn one_that_ends_while_it_is_looked_at_is_never_taken_for_another(
    eye: impl Observe,
    ear: impl Ending,
) {
    let mut was_seen_alive = 0;
    for _ in 0..60 {
        let mut one = Fellow::running(&mut Command::new("true"));
        let pid = one.pid();
        // It is not collected before the end of this round, so its pid is nobody else's.
        let first = found(eye, pid).expect("it is there until it is collected");
        was_seen_alive += usize::from(!first.zombie);
        let mut has_ended = first.zombie;
        let begun = Instant::now();
        while !has_ended {
            assert!(begun.elapsed() < SOON);
            if let Seen::Known(Some(arguments)) = eye.arguments(pid) {
                let is_it = |name: &str| arguments.first().is_none_or(|first| first == name);
                assert!(is_it("true") || arguments == std::env::args().collect::<Vec<_>>(), "{arguments:?}");
            }
            assert!(!matches!(eye.executable(pid), Seen::Known(Some(path)) if !path.is_absolute()));
            assert!(!matches!(eye.children(pid), Seen::Known(children) if !children.is_empty()));
            let _ = eye.environment(pid, &["PATH"]);
            let now = found(eye, pid).expect("it is there until it is collected");
            assert_eq!((now.id, now.parent), (first.id, first.parent));
            has_ended = now.zombie;
        }
        assert!(found(eye, pid).unwrap().zombie, "who has ended does not live again");
        assert_eq!(ear.ended(&[first.id], Duration::ZERO).await, vec![]);
        let Seen::Known(all) = eye.all() else { panic!("the table can be read") };
        assert!(all.iter().all(|listed| listed.id.pid != pid), "who has ended is not listed");
        one.collect();
        assert_eq!(eye.is_alive(first.id), Seen::Known(false));
    }
    assert!(was_seen_alive > 0, "some of them lived when they were first looked at");
}

pub async fn what_has_ended_is_signalled_in_vain_and_that_is_no_error(eye: impl Observe, ear: impl Ending) {
    let mut one = Fellow::sleeping();
    let id = one.id(eye);
    one.end();
    wait_until("it has ended", || found(eye, one.pid()).is_some_and(|found| found.zombie));
    assert_eq!(ear.signal(id, Signal::Term), Ok(()));
    one.collect();
    assert_eq!(ear.signal(id, Signal::Kill), Ok(()));
    // Nobody is signalled by accident: not one's own group, not everybody, not the first process.
    for pid in [0, -1, 1] {
        let never = ProcessId { pid, start: 1 };
        assert_eq!(ear.signal(never, Signal::Term), Ok(()), "{pid}");
    }
}

pub async fn there_is_memory(eye: impl Observe, _: impl Ending) {
    let Seen::Known(mebibytes) = eye.memory_available() else { panic!("it is known") };
    assert!((1..1 << 24).contains(&mebibytes), "{mebibytes} MiB");
}

pub async fn what_a_process_takes_of_the_memory_is_known(eye: impl Observe, _: impl Ending) {
    const MORE: usize = 64 << 20;
    let own = i32::try_from(std::process::id()).unwrap();
    let memory = || match eye.memory(own) {
        Seen::Known(Some(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let before = memory();
    let held = vec![1_u8; MORE];
    let with = memory();
    // Other tests of this process take and give as well, but far less.
    let (least, most) = (MORE as u64 / 2, MORE as u64 * 2);
    assert!((before + least..before + most).contains(&with), "{before} and then {with}");
    drop(held);
    let mut one = Fellow::sleeping();
    assert!(matches!(eye.memory(one.pid()), Seen::Known(Some(bytes)) if bytes > 0));
    one.end();
    one.collect();
    assert_eq!(eye.memory(one.pid()), Seen::Known(None));
}
