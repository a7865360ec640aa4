//! The files of a town.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gtctl::desired::desire;
use gtctl::model::{Name, Seen};
use gtctl::town::files::daemon::{DAEMON_JSON, SETTINGS_JSON, parse_daemon, read_disabled_patrols};
use gtctl::town::files::rigs::{RIGS_JSON, parse_rigs};
use gtctl::town::files::stops::read_stops;
use gtctl::town::files::town_toml::{RigState, TOWN_TOML, parse_town_toml};
use gtctl::town::files::wisp::{read_wisp, wisp_file};
use gtctl::town::{DaemonFile, RigsFile, Starts, Stops, Town, TownFiles, TownRoot, read_all, set_rig_state};

use super::Verdict;
use super::rules::{self, source, text};
use super::world::{ROOT, World};

pub const TOWN_WORDS: &[&str] = &[
    "[town]\n",
    "naming = \"rig\"\n",
    "naming = \"prefix\"\n",
    "socket = \"default\"\n",
    "socket = \"/tmp/s\"\n",
    "[defaults]\n",
    "agent = \"codex\"\n",
    "agent = \"claude\"\n",
    "[agents.claude]\n",
    "[agents.mine]\n",
    "command = [\"x\", \"-y\"]\n",
    "command = []\n",
    "env = { A = \"b\" }\n",
    "prompt = \"typed\"\n",
    "prompt = \"go to {rig} at {now}\"\n",
    "ready-prompt = \"> \"\n",
    "ready-delay = \"1s\"\n",
    "[roles.deacon]\n",
    "[roles.mayor]\n",
    "[roles.witness]\n",
    "[roles.refinery]\n",
    "[roles.crew]\n",
    "enabled = true\n",
    "enabled = false\n",
    "directory = \"{rig}/x\"\n",
    "after = [\"deacon\"]\n",
    "after = [\"mayor\", \"witness\"]\n",
    "after = [\"sessions/scribe\"]\n",
    "[rigs.gastown]\n",
    "[rigs.beads]\n",
    "[rigs]\n",
    "state = \"active\"\n",
    "state = \"parked\"\n",
    "state = \"docked\"\n",
    "reason = \"why\"\n",
    "until = 2026-12-01T09:00:00Z\n",
    "until = \"2026-12-01T09:00:00+02:00\"\n",
    "auto-restart = false\n",
    "prefix = \"gt\"\n",
    "roles.refinery = { enabled = false }\n",
    "crew.max = {}\n",
    "crew.max = { enabled = true, agent = \"codex\" }\n",
    "rigs.gastown = {}\n",
    "rigs.gastown.state = \"docked\"\n",
    "rigs = { gastown = {} }\n",
    "[rigs.gastown.crew.max]\n",
    "[rigs.gastown.roles.witness]\n",
    "[sessions.scribe]\n",
    "[sessions.gt-boot]\n",
    "[[sessions]]\n",
    "restart = \"never\"\n",
    "restart = \"on-failure\"\n",
    "[backoff]\n",
    "initial = \"30s\"\n",
    "max = \"10m\"\n",
    "factor = 2.0\n",
    "jitter = 0.2\n",
    "[crash-loop]\n",
    "count = 5\n",
    "window = \"15m\"\n",
    "stable = \"30m\"\n",
    "probe-after = \"1h\"\n",
    "[limits]\n",
    "sessions = 64\n",
    "starts-per-minute = 12\n",
    "starts-in-flight = 3\n",
    "kills-per-pass = 3\n",
    "[controller]\n",
    "resync = \"3m\"\n",
    "debounce = \"100ms\"\n",
    "settle = \"1s\"\n",
    "stop-timeout = \"5s\"\n",
    "tmux-timeout = \"5s\"\n",
    "# a comment\n",
    "parked gastown\n",
    "docked beads why\n",
    "active gastown\n",
    "mayor",
    "deacon",
    "boot",
    "witness",
    "refinery",
    "polecats",
    "crew",
    "sessions",
    "gastown",
    "beads",
    "hq",
    "\"1h 30m\"",
    "1979-05-27",
    "07:32:00",
    "0xff",
    "=== mayor/rigs.json\n",
    "=== mayor/daemon.json\n",
    "=== settings/config.json\n",
    "=== settings/agents.json\n",
    "=== gastown/settings/config.json\n",
    "=== roles/witness.toml\n",
    "{\"default_agent\":\"codex\",\"role_agents\":{\"witness\":\"mine\"}}\n",
    "=== ESTOP\n",
    "=== ESTOP.gastown\n",
    "=== .beads-wisp/config/gastown.json\n",
    "=== town.toml\n",
    "{\"rigs\":{\"gastown\":{}}}\n",
    "{\"patrols\":{\"witness\":{}}}\n",
    "{\"values\":{\"status\":\"parked\"}}\n",
];

pub const JSON_WORDS: &[&str] = &[
    "\"version\"",
    "\"rigs\"",
    "\"RIGS\"",
    "\"git_url\"",
    "\"push_url\"",
    "\"upstream_url\"",
    "\"local_repo\"",
    "\"added_at\"",
    "\"beads\"",
    "\"repo\"",
    "\"prefix\"",
    "\"gt-\"",
    "\"gt\"",
    "\"gastown\"",
    "\"type\"",
    "\"patrols\"",
    "\"deacon\"",
    "\"witness\"",
    "\"refinery\"",
    "\"enabled\"",
    "\"interval\"",
    "\"heartbeat\"",
    "\"disabled_patrols\"",
    "\"rig\"",
    "\"values\"",
    "\"blocked\"",
    "\"status\"",
    "\"parked\"",
    "\"docked\"",
    "\"auto_restart\"",
    "true",
    "false",
    "null",
    "1",
    "2",
    "{}",
    "[]",
    "[\"witness\"]",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\"\"",
    "// no\n",
    "/* no */",
    "'x'",
    ",\"rigs\":{}",
    ",\"rigs\":null",
    ",\"enabled\":false",
    "{\"enabled\":true}",
    "{\"beads\":{\"prefix\":\"gt\"}}",
    "\\u0061",
    "\\/",
    "1e2",
    "1.0",
];

pub const STOP_WORDS: &[&str] =
    &["manual", "auto", "\t", "2026-01-24T10:00:00Z", "disk full", "\n", "\r\n", "\t\t"];

/// A town that is these files and nothing else.
fn town_of(
    town: Option<Town>,
    rigs: Option<RigsFile>,
    daemon: Option<DaemonFile>,
    workspace: bool,
) -> TownFiles {
    TownFiles {
        root: TownRoot::imagined(ROOT),
        workspace,
        boot: false,
        town,
        rigs,
        daemon,
        disabled_patrols: gtctl::town::DisabledPatrols::default(),
        wisps: BTreeMap::new(),
        polecats: BTreeMap::new(),
        stops: Stops { town: Seen::Known(None), rigs: BTreeMap::new(), shutdown: Seen::Known(false) },
        starts: Starts::default(),
        warnings: Vec::new(),
    }
}

/// The graph of a town, if it has one, keeps the rules; if not, the mistakes do.
fn graph_of(files: &TownFiles, texts: &[(&str, &str)]) -> bool {
    match desire(files) {
        Ok(desired) => {
            rules::of_graph(&desired, texts);
            let again = desire(files).unwrap();
            assert_eq!(again.objects, desired.objects, "the same files give the same graph");
            true
        }
        Err(found) => {
            rules::of_diagnostics(&found, texts);
            false
        }
    }
}

/// A longer file is not printed and read back.
const PRINTED_MAX: usize = 16 * 1024;

pub fn town_toml(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let texts = [(TOWN_TOML, text.as_str())];
    let town = match parse_town_toml(source(TOWN_TOML, &text)) {
        Ok(town) => town,
        Err(found) => {
            rules::of_diagnostics(&found, &texts);
            return Verdict::Refused;
        }
    };
    // What is printed is many times as large: every default is in it.
    if text.len() <= PRINTED_MAX {
        let printed = toml::to_string(&town.toml).unwrap();
        let again = parse_town_toml(source(TOWN_TOML, &printed))
            .unwrap_or_else(|found| panic!("{printed}\n{found:?}"));
        assert_eq!(again.toml, town.toml, "what is printed reads back");
    }
    for rig in town.toml.rigs.keys() {
        let at = town.positions.key_position(&["rigs", rig]).expect("every table has a place");
        rules::of_position(at, &text);
    }
    let mut files = town_of(Some(town), None, None, false);
    graph_of(&files, &texts);
    files.workspace = true;
    graph_of(&files, &texts);
    Verdict::Understood
}

/// The first line says the edit: the state, the rig, and a reason; the rest is the file.
pub fn edit(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let Some((order, before)) = text.split_once('\n') else { return Verdict::Refused };
    let mut words = order.splitn(3, ' ');
    let state = match words.next() {
        Some("parked") => RigState::Parked,
        Some("docked") => RigState::Docked,
        _ => RigState::Active,
    };
    let Some(Ok(rig)) = words.next().map(Name::parse) else { return Verdict::Refused };
    let reason = words.next();
    let until = reason
        .map(|reason| jiff::Timestamp::from_second(i64::try_from(reason.len()).unwrap() * 86_400).unwrap());
    let after = match set_rig_state(before, &rig, state, reason, until) {
        Ok(after) => after,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Verdict::Refused;
        }
    };
    let of = |text: &str| {
        toml::from_str::<toml::Table>(text)
            .unwrap_or_else(|error| panic!("no TOML any more: {text:?}\n{error}"))
    };
    let (mut data, mut was) = (of(&after), of(before));
    let own = take_own(&mut data, &rig);
    take_own(&mut was, &rig);
    assert_eq!(data, was, "only the rig's own three keys change: {before:?} became {after:?}");
    let said = |key: &str| own.get(key).and_then(toml::Value::as_str);
    match state {
        RigState::Active => assert!(own.is_empty(), "an active rig has none of the three keys: {after:?}"),
        RigState::Parked => assert_eq!(said("state"), Some("parked")),
        RigState::Docked => assert_eq!(said("state"), Some("docked")),
    }
    if state != RigState::Active {
        assert_eq!(said("reason"), reason);
    }
    lines_stay(before, &after, &rig);
    let again = set_rig_state(&after, &rig, state, reason, until)
        .unwrap_or_else(|error| panic!("{after:?} cannot be edited again: {error}"));
    assert_eq!(again, after, "the same edit twice is one");
    Verdict::Understood
}

/// Takes the three keys of a rig out of a file's data; a rig without anything is the same as none.
fn take_own(data: &mut toml::Table, rig: &Name) -> toml::Table {
    let mut own = toml::Table::new();
    let Some(toml::Value::Table(rigs)) = data.get_mut("rigs") else { return own };
    if let Some(toml::Value::Table(table)) = rigs.get_mut(rig.as_str()) {
        for key in ["state", "reason", "until"] {
            own.extend(table.remove(key).map(|value| (key.to_owned(), value)));
        }
        if table.is_empty() {
            rigs.remove(rig.as_str());
        }
    }
    if rigs.is_empty() {
        data.remove("rigs");
    }
    own
}

/// Every line that has nothing to do with the edit is still there, byte for byte, in the same order; comments too.
fn lines_stay(before: &str, after: &str, rig: &Name) {
    // The value of a removed key may be long: a text of several lines, or an array. Such files are left to the check of the data.
    if before.contains("\"\"\"") || before.contains("'''") {
        return;
    }
    let concerned = |line: &str| {
        line.contains(rig.as_str())
            || ["state", "reason", "until", "rigs", "\\"].iter().any(|word| line.contains(word))
    };
    let mut left = after.split('\n');
    for line in before.split('\n').filter(|line| !concerned(line) && !line.trim().is_empty()) {
        let line = line.trim_end_matches('\r');
        assert!(
            left.any(|one| one.trim_end_matches('\r') == line),
            "{line:?} of {before:?} is gone from {after:?}"
        );
    }
    let comments = |text: &str| text.matches('#').count();
    assert!(
        comments(after) >= before.lines().filter(|line| line.trim_start().starts_with('#')).count(),
        "comments stay: {after:?}"
    );
}

/// Whether it is JSON to a second parser; what is not must be refused.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

pub fn rigs(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let texts = [(RIGS_JSON, text.as_str())];
    match parse_rigs(source(RIGS_JSON, &text)) {
        Ok(file) => {
            assert!(is_json(&text), "what is no JSON names no rigs");
            let prefixes: Vec<&Name> = file.rigs.values().filter_map(|rig| rig.prefix.as_ref()).collect();
            assert_eq!(
                prefixes.iter().collect::<BTreeSet<_>>().len(),
                prefixes.len(),
                "a prefix belongs to one rig"
            );
            for rig in file.rigs.values() {
                rules::of_position(&rig.position, &text);
                rig.prefix_position.iter().for_each(|at| rules::of_position(at, &text));
            }
            graph_of(&town_of(None, Some(file), None, true), &texts);
            Verdict::Understood
        }
        Err(found) => {
            rules::of_diagnostics(&found, &texts);
            Verdict::Refused
        }
    }
}

pub fn daemon(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let texts = [(DAEMON_JSON, text.as_str())];
    match parse_daemon(&source(DAEMON_JSON, &text)) {
        Ok(file) => {
            assert!(is_json(&text), "what is no JSON switches nothing");
            for name in ["deacon", "Witness", "refinery", ""] {
                let patrol = file.patrol(name);
                patrol.position.iter().for_each(|at| rules::of_position(at, &text));
                assert!(
                    patrol.rigs.as_ref().is_none_or(|rigs| !rigs.is_empty()),
                    "an empty filter means all rigs"
                );
            }
            let rigs = parse_rigs(source(RIGS_JSON, "{\"rigs\":{\"gastown\":{}}}")).ok();
            assert!(graph_of(&town_of(None, rigs, Some(file), true), &texts), "a switch breaks no graph");
            Verdict::Understood
        }
        Err(found) => {
            rules::of_diagnostics(&found, &texts);
            Verdict::Refused
        }
    }
}

pub fn settings(bytes: &[u8]) -> Verdict {
    let world = World::default().with(SETTINGS_JSON, bytes);
    let (found, warnings) = read_disabled_patrols(&world, Path::new(ROOT));
    assert!(found.there);
    assert_eq!(found.unread.is_some(), !warnings.is_empty(), "what could not be read is said");
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(
            is_json(text) || found.unread.is_some(),
            "what is no JSON is not known to switch nothing off"
        );
        found.patrols.iter().for_each(|patrol| rules::of_position(&patrol.position, text));
        if !warnings.is_empty() {
            rules::of_diagnostics(&warnings, &[(SETTINGS_JSON, text)]);
        }
    } else {
        assert!(found.unread.is_some());
    }
    assert!(found.unread.is_none() || found.patrols.is_empty());
    Verdict::of(found.unread.is_none())
}

pub fn wisp(bytes: &[u8]) -> Verdict {
    let rig = Name::parse("gastown").unwrap();
    let world = World::default().with(&wisp_file(&rig), bytes);
    match read_wisp(&world, Path::new(ROOT), &rig) {
        Seen::Known(None) => panic!("a file that is there is not absent"),
        Seen::Known(Some(wisp)) => {
            let text = std::str::from_utf8(bytes).expect("what is no text is unknown");
            assert!(is_json(text), "what is no JSON is unknown");
            let places = [&wisp.status_position, &wisp.auto_restart_position];
            places.into_iter().flatten().for_each(|at| rules::of_position(at, text));
            Verdict::Understood
        }
        Seen::Unknown(why) => {
            assert!(why.0.contains("gastown.json"), "{why} names the file");
            assert!(!why.0.contains(char::is_control), "{why:?} is one line");
            Verdict::Refused
        }
    }
}

pub fn stop(bytes: &[u8]) -> Verdict {
    let rig = Name::parse("gastown").unwrap();
    let world = World::default().with("ESTOP", bytes).with("ESTOP.gastown", bytes).with("town.toml", b"#");
    let stops = read_stops(&world, Path::new(ROOT), &BTreeSet::from([rig.clone()]));
    for stop in [&stops.town, &stops.rigs[&rig]] {
        let Seen::Known(Some(stop)) = stop else {
            panic!("a stop is that its file exists, whatever is in it: {stop:?}")
        };
        for said in [&stop.trigger, &stop.reason].into_iter().flatten() {
            assert!(!said.contains(['\n', '\r']) && !said.trim().is_empty(), "{said:?} is for people");
        }
    }
    Verdict::Understood
}

/// A whole town: files one after the other, each below a line `=== path`.
pub fn graph(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for part in text.split("=== ").skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(name.trim(), body.to_owned());
    }
    let mut world = World::default();
    for (name, body) in &files {
        world = world.with(name, body.as_bytes());
    }
    let texts: Vec<(&str, &str)> = files.iter().map(|(name, body)| (*name, body.as_str())).collect();
    let root = TownRoot::imagined(ROOT);
    match read_all(&world, &root) {
        Ok(read) => {
            if !read.warnings.is_empty() {
                rules::of_diagnostics(&read.warnings, &texts);
            }
            // Many paths are the same file.
            let path = |name: &str| Path::new(ROOT).join(name);
            let is_there = |name: &str| files.keys().any(|file| path(file) == path(name));
            assert_eq!(read.town.is_some(), is_there(TOWN_TOML), "what is there is not absent");
            assert_eq!(read.rigs.is_some(), is_there(RIGS_JSON));
            assert_eq!(read.daemon.is_some(), is_there(DAEMON_JSON));
            assert_eq!(read.stops.town != Seen::Known(None), is_there("ESTOP"));
            Verdict::of(graph_of(&read, &texts))
        }
        Err(found) => {
            rules::of_diagnostics(&found, &texts);
            Verdict::Refused
        }
    }
}
