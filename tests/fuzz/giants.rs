//! Inputs nearly as large as gtctl takes, each built to grow something: memory, time, the stack. They stay within the same limits as all
//! others. The tests are named by what such an input once did, or would do without a guard that this shows.

use std::fmt::Write;

use super::targets::{self, Verdict};
use super::{engine, limits};

/// A file of a town may have 1 MiB; a little less, so that none is refused for its size alone. Unoptimised, a part of that shows the same
/// within seconds.
const SIZE: usize = if cfg!(debug_assertions) { 150_000 } else { 1_000_000 };

/// Judges a giant as its target judges every input.
#[track_caller]
fn judge(name: &str, input: &str) -> Verdict {
    let _alone = engine::alone();
    assert!(input.len() <= SIZE, "{} bytes would be refused for their number", input.len());
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    engine::judge(target, input.as_bytes())
}

/// As many of these as fit.
fn many(mut one: impl FnMut(usize) -> String) -> String {
    let mut text = String::new();
    for index in 0.. {
        let next = one(index);
        if text.len() + next.len() > SIZE - 1000 {
            break;
        }
        text.push_str(&next);
    }
    text
}

#[test]
fn nesting_as_deep_as_a_file_ends_no_process() {
    let deep = SIZE / 8;
    for (target, open, inside, close) in [
        ("town_toml", "a=[", "1", "]"),
        ("town_toml", "a={a=", "1", "}"),
        ("town_toml", "", "a=1", ""),
        ("rigs", "{\"rigs\":", "1", "}"),
        ("rigs", "[", "", "]"),
        ("daemon", "{\"patrols\":", "{}", "}"),
        ("ledger", "{\"version\":1,\"x\":", "1", "}"),
        ("answer", "[", "", "]"),
        ("request", "{\"verb\":", "1", "}"),
        ("events", "{\"at\":", "1", "}"),
    ] {
        let opened = match open {
            "a=[" => format!("a={}", "[".repeat(deep)),
            "a={a=" => format!("a={}", "{a=".repeat(deep)),
            "" => "a.".repeat(deep),
            other => other.repeat(SIZE / 20),
        };
        assert_eq!(judge(target, &opened), Verdict::Refused, "{target} {open}");
        let times = opened.matches(['[', '{']).count();
        let closed: String = opened
            .chars()
            .take(SIZE / 2)
            .chain(inside.chars())
            .chain(close.repeat(times).chars())
            .take(SIZE)
            .collect();
        assert_eq!(judge(target, &closed), Verdict::Refused, "{target} {open}{inside}{close}");
    }
}

#[test]
fn a_chain_of_sessions_as_long_as_a_file_is_ordered() {
    // Each waits for the next: what walks the edges by recursion overflows the stack, and what walks them in rounds does not end.
    let chain =
        many(|index| format!("[sessions.s{index}]\ncommand=['x']\nafter=['sessions/s{}']\n", index + 1));
    let last = chain.matches("[sessions.").count();
    assert_eq!(
        judge("town_toml", &format!("{chain}[sessions.s{last}]\ncommand=['x']\n")),
        Verdict::Understood
    );
}

#[test]
fn a_circle_of_sessions_as_long_as_a_file_is_told_briefly() {
    let chain =
        many(|index| format!("[sessions.s{index}]\ncommand=['x']\nafter=['sessions/s{}']\n", index + 1));
    let last = chain.matches("[sessions.").count();
    assert_eq!(
        judge("town_toml", &format!("{chain}[sessions.s{last}]\ncommand=['x']\nafter=['sessions/s0']\n")),
        Verdict::Understood
    );
}

#[test]
fn what_does_not_exist_is_not_answered_with_all_that_does() {
    // One line of help once named every object of the town, for every mistake: gigabytes for a megabyte of file.
    let file = many(|index| format!("[sessions.s{index}]\ncommand=['x']\nafter=['sessions/t{index}']\n"));
    assert_eq!(judge("town_toml", &file), Verdict::Understood);
    let file = many(|index| {
        format!("[sessions.s{index}]\nagent='abcdefgh{index}'\n[agents.zyxwvut{index}]\ncommand=['x']\n")
    });
    assert_eq!(judge("town_toml", &file), Verdict::Understood);
}

#[test]
fn two_long_words_are_not_compared_letter_by_letter() {
    let file = format!(
        "[sessions.s]\nagent='{}'\n[agents.{}]\ncommand=['x']\n",
        "a".repeat(SIZE / 2 - 100),
        "b".repeat(200)
    );
    assert_eq!(judge("town_toml", &file), Verdict::Understood);
    let file = format!("[town]\nnaming='{}'\n", "r".repeat(SIZE - 100));
    assert_eq!(judge("town_toml", &file), Verdict::Refused);
}

#[test]
fn a_file_of_a_single_line_has_its_places_found_quickly() {
    let file = format!("rigs={{{}}}", many(|index| format!("r{index}={{}},")).trim_end_matches(','));
    assert_eq!(judge("town_toml", &file), Verdict::Understood);
    let file =
        format!("{{\"rigs\":{{{}}}}}", many(|index| format!("\"r{index}\":{{}},")).trim_end_matches(','));
    assert_eq!(judge("rigs", &file), Verdict::Understood);
}

#[test]
fn a_mistake_in_every_line_is_told_without_a_walk_over_the_file_for_each() {
    assert_eq!(judge("town_toml", &many(|index| format!("a{index}=1\n"))), Verdict::Refused);
    let same = many(|index| format!("[rigs.r{index}]\nprefix='x'\n"));
    assert_eq!(judge("town_toml", &format!("[town]\nnaming='prefix'\n{same}")), Verdict::Understood);
    let file = format!("[sessions.a]\ncommand=['x']\nafter=[{}]\n", many(|_| "'x',".to_owned()));
    assert_eq!(judge("town_toml", &file), Verdict::Understood);
    let file = format!("{{\"patrols\":{{\"witness\":{{\"rigs\":[{}1]}}}}}}", many(|_| "1,".to_owned()));
    assert_eq!(judge("daemon", &file), Verdict::Refused);
}

#[test]
fn a_long_key_is_not_repeated_for_each_mistake_below_it() {
    let long = "k".repeat(SIZE / 2);
    for below in ["enabled=3", "command=[]", "x=1", "env={1=''}"] {
        let file = format!("[rigs.{long}.crew]\n{}", many(|index| format!("m{index}={{{below}}}\n")));
        let end = file.floor_char_boundary(SIZE);
        let file = file.get(..end).and_then(|file| file.rsplit_once('\n')).unwrap().0;
        assert_eq!(judge("town_toml", file), Verdict::Refused, "{below}");
    }
    let mut file = format!("{{\"rigs\":{{\"{long}\":{{\"beads\":{{\"prefix\":\"x\"}}}}");
    for index in 0..SIZE / 100 {
        write!(file, ",\"r{index}\":{{\"beads\":{{\"prefix\":\"x\"}}}}").unwrap();
    }
    assert_eq!(judge("rigs", &format!("{file}}}}}")), Verdict::Refused);
}

#[test]
fn what_a_role_says_is_not_copied_without_end() {
    // A role's environment is copied to each object of the role, a reason to each hold.
    let crew = many(|index| format!("m{index}={{}}\n"));
    let half: String = crew.split_inclusive('\n').take(SIZE / 50).collect();
    let long = "v".repeat(SIZE / 2);
    let list: String = many(|_| "'mayor',".to_owned()).chars().take(SIZE / 2 / 8 * 8).collect();
    let wrong: String = many(|_| "'m',".to_owned()).chars().take(SIZE / 2 / 4 * 4).collect();
    for role in [
        format!("env={{A='{long}'}}"),
        format!("command=['x','{long}']"),
        format!("after=[{list}]"),
        format!("after=[{wrong}]"),
        format!("agent='{long}'"),
        format!("directory='{long}'"),
    ] {
        assert_eq!(
            judge("town_toml", &format!("[roles.crew]\n{role}\n[rigs.a.crew]\n{half}")),
            Verdict::Understood,
            "{}",
            &role[..8]
        );
    }
    let parked = format!("[rigs.a]\nstate='parked'\nreason='{long}'\n[rigs.a.crew]\n{half}");
    assert_eq!(judge("town_toml", &parked), Verdict::Understood);
}

#[test]
fn files_do_not_multiply_each_other() {
    // Each object of a town asks the patrols, the stops and the wisps; these may be as long as they like.
    let rigs: String = many(|index| format!("\"r{index}\":{{}},")).chars().take(SIZE / 5).collect();
    let rigs = rigs.rsplit_once(',').unwrap().0;
    let list: String = many(|index| format!("\"x{index}\",")).chars().take(SIZE / 5).collect();
    let list = list.rsplit_once(',').unwrap().0;
    let long = "why ".repeat(SIZE / 20);
    let town = format!(
        "=== mayor/rigs.json\n{{\"rigs\":{{{rigs}}}}}\n=== mayor/daemon.json\n{{\"patrols\":{{\"witness\":{{\"enabled\":true,\"rigs\":[{list}]}}}}}}\n\
         === settings/config.json\n{{\"disabled_patrols\":[{list}]}}\n=== ESTOP\nmanual\t2026-01-24T10:00:00Z\t{long}\n"
    );
    assert_eq!(judge("graph", &town), Verdict::Understood);
    let strangers: String = many(|index| format!("[rigs.s{index}]\n")).chars().take(SIZE / 2).collect();
    let strangers = strangers.rsplit_once('\n').unwrap().0;
    let town = format!("=== mayor/rigs.json\n{{\"rigs\":{{{rigs}}}}}\n=== town.toml\n{strangers}\n");
    assert_eq!(judge("graph", &town), Verdict::Understood);
}

#[test]
fn long_answers_and_logs_are_read_in_their_own_size() {
    let pane = "$1 0 @1 %1 2467 0 = = 0 = = = =my own session\n";
    let panes = pane.repeat((SIZE - 100) / pane.len());
    assert_eq!(judge("snapshot", &format!("gtctl-begin 2422 3.3a\n{panes}gtctl-end\n")), Verdict::Understood);
    assert_eq!(judge("look", &format!("0\ngtctl-begin 2422 3.3a\n{panes}gtctl-end\n")), Verdict::Understood);
    let told = many(|index| format!("gtctl-env ${index}\nGT_ROOT=/t\ngtctl-env-end\n"));
    assert_eq!(judge("environments", &told), Verdict::Understood);
    let event = "{\"at\":\"2026-01-24T10:00:00Z\",\"kind\":\"step\",\"text\":\"x\"}\n";
    assert_eq!(judge("events", &event.repeat(SIZE / event.len())), Verdict::Understood);
    assert_eq!(judge("request", &format!("{{\"verb\":\"{}\"}}", "x".repeat(SIZE - 100))), Verdict::Refused);
}

#[test]
fn an_edit_of_a_large_file_is_an_edit() {
    let file = many(|index| format!("[rigs.r{index}] # {index}\nreason = \"x\"\n"));
    assert_eq!(judge("edit", &format!("parked r5 because\n{file}")), Verdict::Understood);
}

#[test]
fn a_long_line_is_shown_in_part() {
    for middle in ["ü", "\t", "x", "\\u0000", "界"] {
        let file = format!("a = \"{}\"\nb = 1\n", middle.repeat((SIZE - 100) / middle.len()));
        assert_eq!(judge("town_toml", &file), Verdict::Refused);
    }
    limits::within(0, || ());
}
