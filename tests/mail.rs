//! Requests by mail: a controller, agents in real sessions, and a `gt` that holds an inbox and says what the test wants.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::{Fake, Life, SOON, TestTown};
use rustix::process::Signal;

const WITNESS: &str = "gastown/witness";

/// A `gt` whose inbox is a file with one letter a line. It writes down how it was called.
const GT: &str = r#"#!/bin/sh
d="${0%/*}"
echo "$* in $PWD" >> "$d/gt.calls"
[ -e "$d/gt.hangs" ] && exec sleep 1000
case "$1 $2" in
"mail inbox")
    [ -e "$d/gt.fails" ] && { echo "Error: no database" >&2; exit 1; }
    printf '['
    [ -s "$d/gt.inbox" ] && paste -s -d, "$d/gt.inbox"
    printf ']\n'
    ;;
"mail delete")
    [ -e "$d/gt.keeps" ] && { echo "Error: cannot delete" >&2; exit 1; }
    grep -v "\"id\":\"$3\"" "$d/gt.inbox" > "$d/gt.new"
    mv "$d/gt.new" "$d/gt.inbox"
    ;;
*) exit 2 ;;
esac
"#;

/// A workspace with one rig, and that program on PATH.
fn town() -> TestTown {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok).with("mail", "every = '1s'");
    let program = town.root().join("bin/gt");
    fs::write(&program, GT).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    town
}

/// Makes the program behave otherwise.
fn gt(town: &TestTown, behaviour: &str) {
    fs::write(town.root().join("bin").join(format!("gt.{behaviour}")), "").unwrap();
}

fn calls(town: &TestTown, begin: &str) -> usize {
    let text = fs::read_to_string(town.root().join("bin/gt.calls")).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(begin)).count()
}

/// A letter lies in the inbox, written so long ago.
fn letter(town: &TestTown, id: &str, from: &str, body: &str, ago: Duration) {
    let file = town.root().join("bin/gt.inbox");
    let mut inbox = fs::read_to_string(&file).unwrap_or_default();
    let written = jiff::Timestamp::now() - ago;
    let letter = serde_json::json!({
        "id": id, "from": from, "to": "deacon/", "subject": "LIFECYCLE: now", "body": body,
        "timestamp": written.to_string(), "read": false, "priority": "normal", "type": "notification",
    });
    inbox.push_str(&format!("{letter}\n"));
    let new = town.root().join("bin/gt.inbox.new");
    fs::write(&new, inbox).unwrap();
    fs::rename(new, file).unwrap();
}

fn inbox_is_empty(town: &TestTown) -> bool {
    fs::read_to_string(town.root().join("bin/gt.inbox")).unwrap_or_default().trim().is_empty()
}

/// The life of an agent that is old enough for its letters to be its own.
fn grown(town: &TestTown, object: &str) -> Life {
    let life = town.wait_settled(&[object])[0];
    let old = Duration::from_secs(2);
    town.wait_until("it is two seconds old", SOON, || life.age().is_some_and(|age| age > old));
    life
}

fn told(town: &TestTown, text: &str) -> usize {
    town.gtctl(&["events"]).stdout.lines().filter(|line| line.contains(text)).count()
}

/// Waits until the inbox was read so many times more.
fn read_again(town: &TestTown, times: usize) {
    let before = calls(town, "mail inbox");
    town.wait_until("the inbox was read", SOON, || calls(town, "mail inbox") >= before + times);
}

#[test]
fn a_restart_by_mail_happens_once_although_the_letter_cannot_be_deleted() {
    let town = town();
    gt(&town, "keeps");
    let controller = town.controller();
    let before = grown(&town, WITNESS);
    letter(&town, "hq-m1", WITNESS, r#"{"action":"cycle"}"#, Duration::ZERO);
    let after = town.wait_replaced(WITNESS, before, SOON).life().unwrap();
    town.wait_until("it was tried again", SOON, || calls(&town, "mail delete hq-m1") >= 3);
    assert_eq!(told(&town, "restart, asked for by letter hq-m1 of gastown/witness"), 1);
    assert_eq!(told(&town, "letter hq-m1 was taken and cannot be deleted"), 1);
    assert_eq!(controller.terminate(), Some(0));

    // Nor by the next controller, which is the one that gets rid of it.
    let next = town.controller();
    read_again(&town, 2);
    fs::remove_file(town.root().join("bin/gt.keeps")).unwrap();
    town.wait_until("it is deleted", SOON, || inbox_is_empty(&town));
    read_again(&town, 2);
    assert!(after.is_alive());
    assert_eq!(town.start_count(WITNESS), 2);
    // It was known, and not only too old for the new life.
    assert_eq!(
        (told(&town, "restart, asked for by letter hq-m1"), told(&town, "letter hq-m1 asks for")),
        (1, 0)
    );
    assert_eq!(next.terminate(), Some(0));
}

#[test]
fn a_shutdown_by_mail_stays_down_in_the_next_controller_until_it_is_started() {
    let town = town();
    let controller = town.controller();
    grown(&town, WITNESS);
    letter(&town, "hq-m1", "gastown-witness", "shutdown", Duration::ZERO);
    town.wait_until("it is gone", SOON, || town.alive(WITNESS).is_none());
    town.wait_until("the letter is deleted", SOON, || inbox_is_empty(&town));
    assert_eq!(controller.terminate(), Some(0));

    let next = town.controller();
    next.passes(2);
    assert_eq!(town.start_count(WITNESS), 1);
    town.gtctl(&["why", WITNESS]).says("letter hq-m1 of gastown/witness");
    town.gtctl(&["start", WITNESS]).exits(0);
    town.wait_alive(WITNESS);
    assert_eq!(next.terminate(), Some(0));
}

#[test]
fn law_8_letters_that_are_not_of_this_life_do_nothing_and_are_told_once() {
    let town = town();
    let _controller = town.controller();
    let life = grown(&town, WITNESS);
    letter(&town, "hq-before", WITNESS, "cycle", Duration::from_secs(3600));
    letter(&town, "hq-old", WITNESS, "shutdown", Duration::from_secs(7 * 3600));
    letter(&town, "hq-nobody", "overseer", "cycle", Duration::ZERO);
    letter(&town, "hq-vague", WITNESS, "please do something", Duration::ZERO);
    read_again(&town, 4);
    for (id, why) in [
        ("hq-before", "before its sender's present life"),
        ("hq-old", "older than 6 hours"),
        ("hq-nobody", "none of this town's objects"),
        ("hq-vague", "says neither"),
    ] {
        let lines: Vec<String> = town
            .gtctl(&["events"])
            .stdout
            .lines()
            .filter(|line| line.contains(id))
            .map(str::to_owned)
            .collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{id}: {lines:?}");
    }
    assert!(life.is_alive());
    assert_eq!((town.start_count(WITNESS), calls(&town, "mail delete")), (1, 0));
}

#[test]
fn a_signal_has_the_mail_read_at_once() {
    let town = town().with("mail", "every = '1h'");
    let controller = town.controller();
    let before = grown(&town, WITNESS);
    town.wait_until("it was read once", SOON, || calls(&town, "mail inbox") == 1);
    letter(&town, "hq-m1", WITNESS, "restart", Duration::ZERO);
    controller.passes(1);
    town.wait_replaced(WITNESS, before, SOON);
    town.wait_until("the letter is deleted", SOON, || inbox_is_empty(&town));
    assert_eq!(calls(&town, "mail inbox"), 2);
    let expected = format!("mail inbox --identity deacon/ --json in {}", town.path("").display());
    assert_eq!(calls(&town, expected.trim_end_matches('/')), 2);
}

#[test]
fn a_gt_that_hangs_delays_no_pass_and_is_no_empty_inbox() {
    let town = town().with("mail", "timeout = '5m'");
    gt(&town, "hangs");
    let controller = town.controller();
    let before = town.wait_settled(&[WITNESS])[0];
    town.wait_until("it was asked", SOON, || calls(&town, "mail inbox") == 1);
    before.kill();
    town.wait_replaced(WITNESS, before, SOON);
    controller.passes(2);
    assert_eq!(calls(&town, "mail"), 1, "one program at a time");

    // With a deadline it is told, once, and read again later.
    town.set("mail", "timeout = '100ms'");
    assert_eq!(controller.terminate(), Some(0));
    let next = town.controller();
    town.wait_until("it is told", SOON, || told(&town, "the deacon's mail cannot be read") == 1);
    read_again(&town, 2);
    assert_eq!(told(&town, "the deacon's mail cannot be read"), 1);
    fs::remove_file(town.root().join("bin/gt.hangs")).unwrap();
    town.wait_until("it answers", SOON, || told(&town, "the deacon's mail can be read again") == 1);
    assert_eq!(next.terminate(), Some(0));
    town.wait_until("the program has ended with the controller", SOON, || {
        common::proc::processes_of(town.root()).iter().all(|life| !life.argv().contains(&"1000".to_owned()))
    });
}

#[test]
fn a_letter_that_cannot_be_remembered_is_neither_followed_nor_deleted_until_it_can_be() {
    let town = town().with("controller", "resync = '1s'");
    let _controller = town.controller();
    let before = grown(&town, WITNESS);
    // Nobody can write a file where a directory is.
    let ledger = town.path("daemon/gtctl/ledger.json");
    fs::rename(&ledger, town.scratch().join("ledger.json")).unwrap();
    fs::create_dir(&ledger).unwrap();
    letter(&town, "hq-m1", WITNESS, "cycle", Duration::ZERO);
    read_again(&town, 3);
    assert!(before.is_alive() && !inbox_is_empty(&town));
    assert_eq!((calls(&town, "mail delete"), told(&town, "hq-m1")), (0, 0));

    fs::remove_dir(&ledger).unwrap();
    town.wait_replaced(WITNESS, before, SOON);
    town.wait_until("the letter is deleted", SOON, || inbox_is_empty(&town));
    let text = fs::read_to_string(&ledger).unwrap();
    assert!(text.contains("hq-m1"), "{text}");
}

#[test]
fn a_frozen_town_reads_no_mail_and_follows_it_when_it_is_free() {
    let town = town();
    let controller = town.controller();
    let before = grown(&town, WITNESS);
    town.file("ESTOP", "manual\t2026-01-24T10:00:00Z\ttest");
    town.wait_until("it is frozen", SOON, || town.plan().reason(WITNESS) == "frozen");
    controller.passes(1);
    let read = calls(&town, "mail inbox");
    letter(&town, "hq-m1", WITNESS, "cycle", Duration::ZERO);
    controller.passes(2);
    assert_eq!((calls(&town, "mail inbox") - read, calls(&town, "mail delete")), (0, 0));
    assert!(before.is_alive());
    fs::remove_file(town.path("ESTOP")).unwrap();
    town.wait_replaced(WITNESS, before, SOON);
}

#[test]
fn law_4_letters_lift_no_ceiling() {
    let town = town().with("limits", "kills-per-pass = 1").with("mail", "every = '1h'");
    let controller = town.controller();
    let both = [WITNESS, "gastown/refinery"];
    let before: Vec<Life> = both.iter().map(|one| grown(&town, one)).collect();
    for (id, object) in ["hq-m1", "hq-m2"].iter().zip(both) {
        letter(&town, id, object, "cycle", Duration::ZERO);
    }
    controller.signal(Signal::USR1);
    town.wait_until("it is refused", SOON, || town.plan().is_refused());
    assert!(before.iter().all(|life| life.is_alive()));
    town.gtctl(&["approve"]).exits(0);
    for (object, life) in both.iter().zip(before) {
        town.wait_replaced(object, life, SOON);
    }
}

#[test]
fn mail_that_is_switched_off_or_that_nobody_can_read_is_left_alone() {
    let off = town().with("mail", "enabled = false");
    let controller = off.controller();
    controller.passes(2);
    assert_eq!(calls(&off, "mail"), 0);

    // Another program than `gt` is asked if the file says so, and one that is nowhere is told of once.
    let other = town().with("mail", "program = 'bin/post'");
    other.make_dirs(&["bin"]);
    let controller = other.controller();
    controller.passes(2);
    assert_eq!((calls(&other, "mail"), told(&other, "the deacon's mail is not read: `bin/post`")), (0, 1));
    std::os::unix::fs::symlink(other.root().join("bin/gt"), other.path("bin/post")).unwrap();
    controller.passes(1);
    other.wait_until("it is asked", SOON, || other.path("bin/gt.calls").exists());

    // Outside of a Gas Town nobody has mail, unless the file says so; verbs read none.
    let plain = TestTown::new().session("scribe", Fake::Ok);
    fs::copy(off.root().join("bin/gt"), plain.root().join("bin/gt")).unwrap();
    let controller = plain.controller();
    controller.passes(2);
    plain.gtctl(&["plan"]).exits(0);
    assert_eq!(calls(&plain, "mail"), 0);
    plain.set("mail", "enabled = true");
    plain.wait_until("it is asked", SOON, || calls(&plain, "mail inbox") > 0);
    assert_eq!(controller.terminate(), Some(0));
    let read = calls(&plain, "mail");
    plain.once().exits(0);
    plain.gtctl(&["restart", "sessions/scribe"]).exits(0);
    assert_eq!(calls(&plain, "mail"), read);
}
