//! The house as a test: data moves one way through the rooms, and the rooms that only think touch nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read the source fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may use. `observed` appears below `desired` for the types of what a look is asked for.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("machine", &["model"]),
    ("town", &["model", "machine"]),
    ("observed", &["model", "machine"]),
    ("desired", &["model", "town", "observed"]),
    ("ledger", &["model", "machine", "town", "desired"]),
    ("plan", &["model", "town", "desired", "observed", "ledger"]),
    ("act", &["model", "machine", "desired", "observed", "plan"]),
    ("report", &["model", "machine", "town", "desired", "observed", "ledger", "plan", "act"]),
    ("controller", &["model", "machine", "town", "desired", "observed", "ledger", "plan", "act", "report"]),
    (
        "sim",
        &["model", "machine", "town", "desired", "observed", "ledger", "plan", "act", "report", "controller"],
    ),
    (
        "cli",
        &[
            "sim",
            "model",
            "machine",
            "town",
            "desired",
            "observed",
            "ledger",
            "plan",
            "act",
            "report",
            "controller",
        ],
    ),
];

/// What some rooms may take from another one, where that is not everything.
const ONLY: &[(&str, &str, &[&str])] = &[
    ("desired", "observed", &["Wants", "PlaceWanted", "HeartbeatWanted", "PastProcess", "beads", "tmux"]),
    ("ledger", "desired", &["Policy"]),
    ("ledger", "town", &["files"]),
    ("ledger", "machine", &["Disk"]),
    ("report", "machine", &["Disk"]),
    ("plan", "town", &["files"]),
];

/// Rooms that only think: values in, values out.
const PURE: &[&str] = &["model", "desired", "ledger", "plan"];

/// Where the outside may be named: the door itself, the loop with its lock, socket and watches, the verbs, and two jobs of `town`: finding it and
/// editing its file. Everything else gets the outside through the door, so that a simulated machine can stand behind it.
const OUTSIDE: &[&str] =
    &["machine/", "controller/", "cli/", "main.rs", "lib.rs", "town/edit/", "town/locate.rs"];

/// What only those name.
const OUTSIDE_NAMES: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::net",
    "std::thread",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "rustix",
    "procfs",
    "sysinfo",
    "getrandom",
];

/// What a room that only thinks never names.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant",
    "tokio",
    ".now()",
    "rustix",
    "procfs",
    "sysinfo",
    "getrandom",
    "TimeZone::system",
];

const LINES_MAX: usize = 450;

/// Files that are longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

struct File {
    /// Its path below `src`.
    path: String,
    /// Its text without comments.
    code: String,
    lines: usize,
}

impl File {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The part that is no test.
    fn without_tests(&self) -> &str {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return "";
        }
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut left: Vec<PathBuf> = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            files.push(File {
                path: path.strip_prefix(&root).unwrap().display().to_string(),
                lines: text.lines().count(),
                code: code.fold(String::new(), |all, line| all + line + "\n"),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the source is there");
    files
}

/// What a text names below `crate::`: the room, and the first thing in it. `use crate::a::{b, c::d}` names two.
fn names(code: &str) -> Vec<(String, String)> {
    let word = |text: &str| -> String {
        text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        if after.starts_with('{') {
            panic!(
                "`use crate::{{…}}` hides which room is used: {}",
                after.lines().next().unwrap_or_default()
            );
        }
        let room = word(after);
        let inner = after[room.len()..].strip_prefix("::").unwrap_or_default();
        match inner.strip_prefix('{') {
            None => found.push((room, word(inner))),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for letter in list.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.push((room.clone(), word(std::mem::take(&mut item).trim())))
                        }
                        _ => {}
                    }
                    if !(letter == ',' && depth == 0) {
                        item.push(letter);
                    }
                }
                let last = word(item.trim());
                if !last.is_empty() {
                    found.push((room, last));
                }
            }
        }
    }
    found
}

#[test]
fn the_reader_of_uses_finds_what_is_used() {
    let pair = |room: &str, item: &str| (room.to_owned(), item.to_owned());
    let found =
        names("use crate::a::{B, c::{D, e},\n F};\nuse crate::g::H; let x: crate::i::j::K; crate::l();");
    let expected =
        [pair("a", "B"), pair("a", "c"), pair("a", "F"), pair("g", "H"), pair("i", "j"), pair("l", "")];
    assert_eq!(found, expected);
}

#[test]
fn data_moves_one_way_through_the_rooms() {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| file.path.contains('/')) {
        let room = file.room();
        let Some(allowed) = may_use.get(room) else {
            wrong.push(format!("{}: `{room}` is a room that this test does not know", file.path));
            continue;
        };
        for (used, item) in names(file.without_tests()) {
            if used == room {
                continue;
            }
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} must not use {used}::{item}", file.path));
            }
            let only = ONLY.iter().find(|(from, to, _)| *from == room && *to == used);
            if let Some((_, _, items)) = only
                && !items.contains(&item.as_str())
            {
                wrong.push(format!("{}: of {used}, {room} uses only {items:?}, not {item}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn law_7_the_rooms_that_think_touch_nothing() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| PURE.contains(&file.room())) {
        for effect in EFFECTS.iter().filter(|effect| file.without_tests().contains(*effect)) {
            wrong.push(format!("{} names {effect}", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_outside_comes_in_through_one_door() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| !OUTSIDE.iter().any(|place| file.path.starts_with(place))) {
        for name in OUTSIDE_NAMES.iter().filter(|name| file.without_tests().contains(*name)) {
            wrong.push(format!("{} names {name}", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The word after each `-t` of a text.
fn targets(code: &str) -> Vec<&str> {
    let is_end = |letter: char| letter.is_whitespace() || letter == '"';
    code.match_indices("-t ")
        .filter(|(at, _)| !code[..*at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '-'))
        .map(|(at, _)| code[at + 3..].split(is_end).next().unwrap_or_default())
        .collect()
}

#[test]
fn law_3_no_command_aims_at_a_bare_name_or_kills_a_living_pane() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files().iter().filter(|file| matches!(file.room(), "act" | "observed")) {
        for line in file.code.lines().filter(|line| line.contains("respawn-pane")) {
            if line.contains("-k") {
                wrong.push(format!("{}: respawn-pane -k: {}", file.path, line.trim()));
            }
        }
        // Each is built from an id: `{pane}`, `'{id}:'`, `'$3'`.
        for target in targets(file.without_tests()) {
            seen += 1;
            let target = target.trim_matches('\'');
            if !target.starts_with(['{', '$', '%']) || target.contains("name") {
                wrong.push(format!("{}: -t {target}", file.path));
            }
        }
        if file.without_tests().contains("\"-t\"") {
            wrong.push(format!("{}: a target apart from its command cannot be checked here", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 5, "the commands are where this test looks");
}

#[test]
fn s18_no_process_group_is_signalled_but_that_of_an_uncollected_child() {
    let groups = ["kill_process_group", "killpg", "kill_current_process_group", "kill(-", "process_group("];
    let mut wrong = Vec::new();
    // It kills a program that gtctl itself has run for an answer, in a group of its own, before its leader is collected: nobody else can have that number.
    let is_of_a_child = |path: &str| path == "machine/program.rs";
    for file in files().iter().filter(|file| !is_of_a_child(&file.path)) {
        for name in groups.iter().filter(|name| file.without_tests().contains(**name)) {
            wrong.push(format!("{} names {name}", file.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let by_pidfd = files().iter().any(|file| file.code.contains("pidfd_send_signal"));
    assert!(by_pidfd, "signals are sent where this test looks");
}

#[test]
fn every_program_that_a_controller_runs_is_counted() {
    let begins = |file: &&File| file.room() != "cli" && file.without_tests().contains(".spawn()");
    let makers: Vec<String> = files().iter().filter(begins).map(|file| file.path.clone()).collect();
    assert_eq!(makers, ["machine/own.rs"], "what is begun elsewhere is missing in `gtctl cost`");
}

#[test]
fn law_3_only_presence_makes_fences() {
    let makers: Vec<String> = files()
        .iter()
        .filter(|file| file.without_tests().contains("Fence {") && file.path != "plan/types.rs")
        .filter(|file| {
            file.without_tests().lines().any(|line| {
                line.trim_end().ends_with(" Fence {") && !line.contains("->") && !line.contains("impl")
            }) || file.without_tests().lines().any(|line| line.trim() == "Fence {")
        })
        .map(|file| file.path.clone())
        .collect();
    assert_eq!(makers, ["plan/presence.rs"]);
}

#[test]
fn law_3_only_the_search_for_orphans_makes_quarries() {
    let makes = |file: &&File| {
        let made =
            |line: &str| line.contains("Quarry {") && !line.contains("struct") && !line.contains("impl");
        file.without_tests().lines().any(made)
    };
    let makers: Vec<String> = files().iter().filter(makes).map(|file| file.path.clone()).collect();
    assert_eq!(makers, ["plan/orphans.rs"]);
}

#[test]
fn a_file_has_one_subject_and_a_length_to_match() {
    let is_excepted = |path: &str| LONGER.iter().any(|(longer, _)| *longer == path);
    let files = files();
    let long: Vec<String> = files
        .iter()
        .filter(|file| file.lines > LINES_MAX && !is_excepted(&file.path))
        .map(|file| format!("{} has {} lines", file.path, file.lines))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
    for (path, _) in LONGER {
        let file = files.iter().find(|file| file.path == *path);
        assert!(file.is_some_and(|file| file.lines > LINES_MAX), "{path} needs no exception any more");
    }
}
