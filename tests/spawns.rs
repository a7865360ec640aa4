//! Letters that tell of agents which were started: a controller, agents in real sessions, and a `gt` that holds an inbox.

// A panic is how a test says no, in the functions that it calls as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::{Fake, SOON, TestTown, agents};

const MAX: &str = "gastown/crew/max";

/// A `gt` whose inbox is a file with one letter a line.
const GT: &str = r#"#!/bin/sh
d="${0%/*}"
echo "$*" >> "$d/gt.calls"
case "$1 $2" in
"mail inbox")
    printf '['
    [ -s "$d/gt.inbox" ] && paste -s -d, "$d/gt.inbox"
    printf ']\n'
    ;;
"mail delete")
    [ -e "$d/gt.keeps" ] && exit 1
    grep -v "\"id\":\"$3\"" "$d/gt.inbox" > "$d/gt.new"
    mv "$d/gt.new" "$d/gt.inbox"
    ;;
*) exit 2 ;;
esac
"#;

/// A workspace with one rig, a worker in it that runs `fake`, and that program on PATH.
fn town(fake: Fake) -> TestTown {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok).with("mail", "every = '1s'");
    town.make_dirs(&["gastown/crew/max"]);
    let command = town.command(&fake);
    let town = town
        .with("agents.worker", &format!("command = {command}"))
        .with("agents.worker", "ready-prompt = '› '")
        .with("rigs.gastown.crew.max", "agent = 'worker'");
    let program = town.root().join("bin/gt");
    fs::write(&program, GT).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    town
}

fn letter(town: &TestTown, id: &str, who: &str, ago: Duration) {
    let file = town.root().join("bin/gt.inbox");
    let mut inbox = fs::read_to_string(&file).unwrap_or_default();
    let letter = serde_json::json!({
        "id": id, "from": "mayor/", "to": "deacon/", "subject": format!("POLECAT_STARTED {who}"),
        "body": "Session: gt-gastown-max\nIssue: ga-1", "timestamp": (jiff::Timestamp::now() - ago).to_string(),
        "read": false, "priority": "normal", "type": "notification",
    });
    inbox.push_str(&format!("{letter}\n"));
    let new = town.root().join("bin/gt.inbox.new");
    fs::write(&new, inbox).unwrap();
    fs::rename(new, file).unwrap();
}

fn inbox(town: &TestTown) -> String {
    fs::read_to_string(town.root().join("bin/gt.inbox")).unwrap_or_default()
}

fn calls(town: &TestTown, begin: &str) -> usize {
    let text = fs::read_to_string(town.root().join("bin/gt.calls")).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(begin)).count()
}

/// Waits until the inbox was read so many times more.
fn read_again(town: &TestTown, times: usize) {
    let before = calls(town, "mail inbox");
    town.wait_until("the inbox was read", SOON, || calls(town, "mail inbox") >= before + times);
}

fn log(town: &TestTown, end: &str) -> String {
    let file = agents::log_dir(town.root()).join(format!("gastown_crew_max.{end}"));
    fs::read_to_string(file).unwrap_or_default()
}

fn told(town: &TestTown, text: &str) -> usize {
    town.gtctl(&["events"]).stdout.lines().filter(|line| line.contains(text)).count()
}

/// Starts the worker as something that gtctl has not waited for: its start is over as far as the controller knows.
fn grown(town: &TestTown) {
    let life = town.wait_settled(&[MAX])[0];
    town.wait_until("it is old enough", SOON, || life.age().is_some_and(|age| age > Duration::from_secs(2)));
}

#[test]
fn who_was_started_is_told_to_begin_once_when_it_is_ready_and_then_the_letter_goes() {
    // Its prompt shows after three seconds; what is typed before is recorded as early.
    let town = town(Fake::Late(30));
    let _controller = town.controller();
    town.wait_alive(MAX);
    town.wait_settled(&[MAX]);
    letter(&town, "hq-s1", "gastown/max", Duration::ZERO);
    town.wait_until("the letter is taken", SOON, || told(&town, "nudge, asked for by letter hq-s1") == 1);
    assert!(inbox(&town).contains("hq-s1"), "until the word is typed it stays");
    town.wait_until("it is told", SOON, || log(&town, "lines") == "Begin.\n");
    assert_eq!(log(&town, "early"), "");
    town.wait_until("the letter goes", SOON, || inbox(&town).is_empty());
    read_again(&town, 3);
    assert_eq!(log(&town, "lines"), "Begin.\n");
}

#[test]
fn it_is_never_told_twice_although_the_letter_cannot_be_deleted() {
    let town = town(Fake::Late(1));
    fs::write(town.root().join("bin/gt.keeps"), "").unwrap();
    let controller = town.controller();
    grown(&town);
    letter(&town, "hq-s1", "gastown/crew/max", Duration::ZERO);
    town.wait_until("it is told", SOON, || log(&town, "lines") == "Begin.\n");
    town.wait_until("it was tried", SOON, || calls(&town, "mail delete hq-s1") >= 2);
    assert_eq!(controller.terminate(), Some(0));
    let _next = town.controller();
    read_again(&town, 3);
    assert_eq!(log(&town, "lines"), "Begin.\n");
}

#[test]
fn who_does_not_come_up_is_waited_for_five_minutes_and_then_that_is_told() {
    let town = town(Fake::Late(1));
    let _controller = town.controller();
    grown(&town);
    letter(&town, "hq-soon", "gastown/nux", Duration::from_secs(293));
    letter(&town, "hq-old", "gastown/max", Duration::from_secs(400));
    town.wait_until("the old one goes", SOON, || !inbox(&town).contains("hq-old"));
    assert!(inbox(&town).contains("hq-soon"), "that one may come up");
    town.wait_until("its time is over", SOON * 2, || inbox(&town).is_empty());
    assert_eq!(told(&town, "letter hq-soon: gastown/nux is not told to begin: no such agent was seen"), 1);
    assert_eq!((told(&town, "letter hq-old"), log(&town, "lines").as_str()), (1, ""));
}

#[test]
fn law_8_the_successor_of_who_was_started_is_not_told_to_begin() {
    let town = town(Fake::Late(1));
    let _controller = town.controller();
    grown(&town);
    letter(&town, "hq-s1", "gastown/max", Duration::from_secs(60));
    town.wait_until("the letter goes", SOON, || inbox(&town).is_empty() && told(&town, "letter hq-s1") == 1);
    assert_eq!(told(&town, "from before its present life"), 1);
    read_again(&town, 2);
    assert_eq!(log(&town, "lines"), "");
}

#[test]
fn who_was_started_by_gt_is_waited_for_as_well() {
    let fake = Fake::Late(60);
    let town = town(fake.clone());
    let root = town.path("").canonicalize().unwrap().display().to_string();
    let (root, directory) = (
        format!("GT_ROOT={}", root.trim_end_matches('/')),
        town.path("gastown/crew/max").display().to_string(),
    );
    let mut args = vec!["new-session", "-d", "-s", "gt-gastown-crew-max", "-c", &directory];
    args.extend([
        "-e",
        "GT_ROLE=crew",
        "-e",
        "GT_RIG=gastown",
        "-e",
        "GT_CREW=max",
        "-e",
        &root,
        "env",
        "--",
    ]);
    let argv = fake.command(town.root());
    args.extend(argv.iter().map(String::as_str));
    town.tmux(&args).exits(0);
    let _controller = town.controller();
    town.wait_until("it is adopted", SOON, || town.plan().decision(MAX) == "nothing");
    letter(&town, "hq-s1", "gastown/max", Duration::ZERO);
    let of_gt = |end: &str| {
        let file = agents::log_dir(town.root()).join(format!("unmanaged.{end}"));
        fs::read_to_string(file).unwrap_or_default()
    };
    town.wait_until("the letter is taken", SOON, || told(&town, "nudge, asked for by letter hq-s1") == 1);
    assert_eq!(of_gt("lines"), "", "its prompt does not show yet");
    town.wait_until("it is told", SOON, || of_gt("lines") == "Begin.\n");
    assert_eq!(of_gt("early"), "");
    town.wait_until("the letter goes", SOON, || inbox(&town).is_empty());
}
