//! Agents that are well and quiet: poked where a file asks for it, and nowhere else.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::{Fake, SOON, TestTown, agents};

const WITNESS: &str = "a/witness";
const POKE: &str = "HEARTBEAT: check your workers";

/// A witness that is poked when it has been quiet for two seconds.
fn town(fake: Fake) -> TestTown {
    TestTown::new()
        .witness("a", fake)
        .with("roles.witness", "poke = true")
        .with("roles.witness", "poke-after = '2s'")
        .with("controller", "resync = '1s'")
}

fn log(town: &TestTown, end: &str) -> String {
    let file = agents::log_dir(town.root()).join(format!("a_witness.{end}"));
    std::fs::read_to_string(file).unwrap_or_default()
}

fn lines(town: &TestTown) -> usize {
    log(town, "lines").lines().filter(|line| *line == POKE).count()
}

fn passes_of(town: &TestTown, seconds: u64) {
    let begun = Instant::now();
    town.wait_until("the time has passed", SOON * 10, || begun.elapsed() > Duration::from_secs(seconds));
}

#[test]
fn s115_an_idle_night_types_nothing_where_no_file_asks_for_it() {
    let town = town(Fake::Echo).with("roles.witness", "poke = false");
    let controller = town.controller();
    town.wait_settled(&[WITNESS]);
    passes_of(&town, 5);
    controller.passes(10);
    assert_eq!(log(&town, "bytes"), "");
    assert_eq!(town.start_count(WITNESS), 1);
}

#[test]
fn s115_who_is_quiet_is_poked_and_each_time_later() {
    let town = town(Fake::Prompt);
    let _controller = town.controller();
    let begun = Instant::now();
    town.wait_settled(&[WITNESS]);
    town.wait_until("it is poked", SOON, || lines(&town) == 1);
    assert!(begun.elapsed() >= Duration::from_secs(2), "not before it has been quiet for so long");
    town.gtctl(&["why", WITNESS]).says("nudge (quiet)");
    town.wait_until("it is poked again", SOON, || lines(&town) == 2);
    town.wait_until("and again", SOON, || lines(&town) == 3);
    // 2 s, then 3 s, then 4.5 s.
    assert!(begun.elapsed() >= Duration::from_millis(9_500), "{:?}", begun.elapsed());
    assert_eq!(log(&town, "lines").lines().count(), 3, "nothing else was typed");
}

#[test]
fn a_poke_that_was_not_taken_is_not_repeated_and_nothing_is_added_to_it() {
    let town = town(Fake::Sulky);
    let controller = town.controller();
    let life = town.wait_settled(&[WITNESS])[0];
    town.wait_until("it is poked", SOON, || {
        town.gtctl(&["events"]).stdout.contains("after three times Enter")
    });
    passes_of(&town, 6);
    controller.passes(5);
    assert_eq!(log(&town, "bytes").matches(POKE).count(), 1);
    town.gtctl(&["why", WITNESS]).says("nothing shows that it took that");

    // The next controller knows of it as well.
    assert_eq!(controller.terminate(), Some(0));
    let next = town.controller();
    passes_of(&town, 4);
    next.passes(3);
    assert_eq!(log(&town, "bytes").matches(POKE).count(), 1);

    // It shows something, so it did something; but the text stands where it stood, and is not made longer.
    let terminal = std::fs::read_link(format!("/proc/{}/fd/0", life.pid)).unwrap();
    std::fs::write(&terminal, "\x1b[s\x1b[1;1Hworking\x1b[u").unwrap();
    town.wait_until("it is left alone", SOON, || {
        town.gtctl(&["events"]).stdout.contains("it stands at its prompt already")
    });
    assert_eq!(log(&town, "bytes").matches(POKE).count(), 1);
}

#[test]
fn who_works_is_not_poked_and_its_own_file_says_more_than_its_terminal() {
    // Its terminal is quiet all the time; its file is not.
    let town = town(Fake::Echo);
    let file = ".runtime/heartbeats/gt-a-witness.json";
    let beat = || town.file(file, &format!("{{\"timestamp\":\"{}\"}}", jiff::Timestamp::now()));
    beat();
    let _controller = town.controller();
    town.wait_settled(&[WITNESS]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        beat();
        passes_of(&town, 1);
    }
    assert_eq!(log(&town, "bytes"), "");
    town.wait_until("then it rests", SOON, || log(&town, "bytes").contains(POKE));
}
