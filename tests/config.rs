//! Section D of the scenarios: files that are refused, and files that are followed.

mod common;

use std::collections::BTreeMap;

use common::{Fake, Life, Mode, SOON, TestTown};
use gtctl::model::RESERVED_NAMES;

/// The verbs that must not run on wrong files.
const VERBS: [&str; 3] = ["validate", "reconcile", "controller"];

#[test]
fn s69_unknown_keys_are_refused_with_place_and_suggestion_all_at_once() {
    let town = TestTown::new();
    town.town_toml("[rigs.gastown]\nroles.refinary.enabled = true\n\n[sessions.scribe]\ncommand = ['x']\nenabeld = true\n");
    for verb in VERBS {
        let ran = town.gtctl(&[verb]).exits(6);
        let ran =
            ran.says(&town.place_of("town.toml", "refinary")).says(&town.place_of("town.toml", "enabeld"));
        let ran = ran.says("`refinery`").says("`enabled`");
        assert!(!ran.stdout.contains("started"), "{ran}");
    }
    assert_eq!(town.sessions(), []);
}

#[test]
fn s70_disabled_stays_off_on_every_path_and_says_where() {
    let town = TestTown::new()
        .session("off", Fake::Ok)
        .with("sessions.off", "enabled = false")
        .witness("gastown", Fake::Ok)
        .session("on", Fake::Ok);
    town.once().exits(0);
    let controller = town.controller();
    let on = town.life("sessions/on");
    on.kill();
    town.wait_replaced("sessions/on", on, SOON);
    town.gtctl(&["reset-backoff", "--all"]).exits(0);
    town.gtctl(&["park", "gastown"]).exits(0);
    town.gtctl(&["unpark", "gastown"]).exits(0);
    assert_eq!(controller.terminate(), Some(0));
    let controller = town.controller();
    controller.passes(5);
    town.tmux(&["kill-server"]).exits(0);
    town.wait_alive("sessions/on");
    controller.passes(2);

    for object in ["sessions/off", "gastown/refinery"] {
        assert_eq!(town.start_count(object), 0, "{object}");
        assert_eq!(town.plan().reason(object), "disabled");
    }
    let place = town.place_of("town.toml", "enabled = false");
    town.gtctl(&["status", "sessions/off"]).says("disabled").says(&place);
    town.gtctl(&["why", "gastown/refinery"])
        .says("disabled")
        .says(&town.place_of("town.toml", "refinery.enabled"));
}

#[test]
fn s70_a_disabled_patrol_is_off_and_leaves_alone_what_runs() {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok).started();
    let before = town.lives(&["gastown/witness", "gastown/refinery"]);
    let patrols = r#"{"type":"daemon-patrol-config","version":1,"patrols":{"refinery":{"enabled":false}}}"#;
    town.file("mayor/daemon.json", patrols);
    let controller = town.controller();
    controller.passes(3);
    assert_eq!(town.lives(&["gastown/witness", "gastown/refinery"]), before);
    before[1].kill();
    town.wait_until("it is dead", SOON, || !before[1].is_alive());
    controller.passes(3);
    assert_eq!(town.start_count("gastown/refinery"), 1);
    town.gtctl(&["why", "gastown/refinery"]).says("disabled").says("mayor/daemon.json:1");
}

/// What must be the same in each life: arguments, directory, and environment but for the names of this one life.
fn recipe(life: Life) -> (Vec<String>, std::path::PathBuf, BTreeMap<String, String>) {
    let mut environ = life.environ();
    for of_one_life in ["GTCTL_INCARNATION", "TMUX", "TMUX_PANE"] {
        environ.remove(of_one_life);
    }
    (life.argv(), life.directory(), environ)
}

#[test]
fn s71_each_way_to_start_an_agent_is_the_same() {
    let town = TestTown::new()
        .session("scribe", Fake::Ok)
        .with("sessions.scribe", "env = { MODEL = 'opus', EMPTY = '' }")
        .session("other", Fake::Ok)
        .started();
    let by_hand = nth_start(&town, 1);
    let expected = recipe(by_hand);
    assert_eq!(expected.2.get("MODEL").map(String::as_str), Some("opus"));
    assert_eq!(expected.2.get("EMPTY").map(String::as_str), Some(""));

    // Its process ends: it is started in its pane.
    let _controller = town.controller();
    by_hand.kill();
    assert_eq!(recipe(nth_start(&town, 2)), expected);

    // The session was made for another spec: nothing of that is left.
    town.set("sessions.scribe", "env = { MODEL = 'sonnet', ANOTHER = '1' }");
    town.gtctl(&["controller", "reload"]).exits(0);
    nth_start(&town, 2).kill();
    let third = recipe(nth_start(&town, 3));
    let says = |name: &str| third.2.get(name).map(String::as_str);
    assert_eq!((says("MODEL"), says("ANOTHER"), says("EMPTY")), (Some("sonnet"), Some("1"), None));
    town.set("sessions.scribe", "env = { MODEL = 'opus', EMPTY = '' }");
    town.gtctl(&["controller", "reload"]).exits(0);
    nth_start(&town, 3).kill();
    assert_eq!(recipe(nth_start(&town, 4)), expected);

    // Its session is gone: it gets a new one.
    let session = town.wait_alive("sessions/scribe");
    town.tmux(&["kill-session", "-t", &session.id]).exits(0);
    assert_eq!(recipe(nth_start(&town, 5)), expected);
}

#[test]
fn s71_so_is_each_way_to_start_a_role_with_its_environment_and_words() {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok);
    town.set("agents.claude", &format!("command = {}", town.command(&Fake::Ok)));
    town.set("defaults", "agent = 'claude'");
    town.file("roles/witness.toml", "[env]\nFROM = 'gt'\n");
    town.once().exits(0);
    let witness = || {
        let mut recipe = recipe(town.life("gastown/witness"));
        // The names and the moment of this one life.
        recipe.2.remove("GT_RUN");
        let words = recipe.0.last_mut().expect("it has arguments");
        let parts: Vec<&str> = words.split(" • ").collect();
        *words = [parts[0], parts[2]].join(" • ");
        recipe
    };
    let expected = witness();
    assert!(expected.0.last().is_some_and(|words| words.starts_with("[GAS TOWN] witness")));
    assert_eq!(expected.2.get("FROM").map(String::as_str), Some("gt"));
    let _controller = town.controller();
    for replace in [true, false] {
        let (old, session) =
            (town.life("gastown/witness"), town.alive("gastown/witness").expect("it lives").id);
        if replace {
            town.tmux(&["kill-session", "-t", &session]).exits(0);
        } else {
            old.kill();
        }
        town.wait_replaced("gastown/witness", old, SOON);
        assert_eq!(witness(), expected, "its session was killed: {replace}");
    }
    let old = town.life("gastown/witness");
    town.gtctl(&["restart", "gastown/witness"]).exits(0);
    assert!(!old.is_alive());
    assert_eq!(witness(), expected);
}

/// The life of the scribe's agent after so many starts; it has recorded itself, so it is past its exec.
fn nth_start(town: &TestTown, number: usize) -> Life {
    town.wait_until(&format!("start {number}"), SOON, || town.start_count("sessions/scribe") == number);
    let newest =
        || town.alive("sessions/scribe").filter(|one| town.pids("sessions/scribe").last() == Some(&one.pid));
    town.wait_until("it lives", SOON, || newest().is_some());
    town.life("sessions/scribe")
}

#[test]
fn s72_a_town_that_asks_for_nothing_gets_nothing() {
    let town = TestTown::new();
    let ran = town.gtctl(&["plan"]).exits(0);
    assert_eq!(ran.last_line(), "Plan: 0 to start, 0 to restart, 0 to nudge, 0 to kill, 0 held.", "{ran}");
    town.once().exits(0);
    assert_eq!(town.servers(), []);
}

#[test]
fn s72_validate_lists_what_would_run_and_who_asked_for_it() {
    let town = TestTown::new().workspace(&["gastown"], Fake::Ok).session("scribe", Fake::Ok);
    let ran = town.gtctl(&["validate"]).exits(0);
    let ran = ran.says("gastown/witness").says("gastown/refinery").says("mayor/rigs.json:");
    ran.says("sessions/scribe").says(&town.place_of("town.toml", "[sessions.scribe]"));
    assert!(town.plan().find("mayor").is_none_or(|mayor| mayor["decision"] != "start"), "the mayor is off");
}

#[test]
fn s73_broken_files_at_the_start_are_refused_with_their_place() {
    for text in [
        "[town\n",
        "sessions = 3\n",
        "[sessions.x]\ncommand = 'words'\n",
        "[rigs.gastown]\nreason = \"trunc",
        "a b\n",
    ] {
        let town = TestTown::new().session("scribe", Fake::Ok).started();
        let sessions = town.sessions();
        town.town_toml(text);
        for verb in VERBS {
            town.gtctl(&[verb]).exits(6).says("town.toml:");
        }
        assert_eq!(town.sessions(), sessions, "{text:?}");
    }
    for text in ["", "{", "[]", "{\"rigs\": 3}", "{\"version\":1,\"rigs\":{\"gastown\":{\"git_url\":\"gi"] {
        let town = TestTown::new().workspace(&["gastown"], Fake::Ok).started();
        let sessions = town.sessions();
        town.file("mayor/rigs.json", text);
        for verb in VERBS {
            town.gtctl(&[verb]).exits(6).says("mayor/rigs.json");
        }
        assert_eq!(town.sessions(), sessions, "{text:?}");
    }
}

#[test]
fn s74_a_broken_file_at_work_leaves_the_last_good_one_in_force() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let controller = town.controller();
    let old = town.wait_alive("sessions/scribe").life().expect("it lives");

    for broken in ["[sessions.second\n", "[sessions.second]\ncommand = 3\n"] {
        town.town_toml(broken);
        controller.passes(3);
        town.gtctl(&["status"]).says("town.toml:").says("since");
    }
    old.kill();
    let second = town.wait_replaced("sessions/scribe", old, SOON);
    assert!(controller.try_wait().is_none());

    town.town_toml("");
    town.add_session("second", Fake::Ok);
    town.wait_alive("sessions/second");
    assert_eq!(town.alive("sessions/scribe"), Some(second));
    town.gtctl(&["status"]).exits(0).keeps_quiet_about("since");
}

#[test]
fn s74_an_emptied_file_stops_nothing() {
    let town = TestTown::new().session("scribe", Fake::Ok).witness("gastown", Fake::Ok);
    let controller = town.controller();
    let before = town.wait_all_alive(&["sessions/scribe", "gastown/witness"], SOON);
    town.file("town.toml", "");
    controller.passes(5);
    assert!(before.iter().all(|life| life.is_alive()));
    assert_eq!(town.start_order().len(), 2);
}

#[test]
fn s75_numbers_out_of_range_are_refused_with_what_is_allowed() {
    for (table, line) in [
        ("controller", "resync = '0s'"),
        ("controller", "resync = '-1s'"),
        ("controller", "resync = '5'"),
        ("controller", "resync = 5"),
        ("controller", "resync = '1000000000h'"),
        ("controller", "settle = '1ms'"),
        ("backoff", "initial = '0s'"),
        ("backoff", "factor = 0.5"),
        ("backoff", "factor = nan"),
        ("backoff", "jitter = 2.0"),
        ("crash-loop", "count = 0"),
        ("crash-loop", "window = '1s'"),
        ("limits", "sessions = 0"),
        ("limits", "sessions = -1"),
        ("limits", "starts-per-minute = 0"),
        ("limits", "kills-per-pass = 0"),
    ] {
        let town = TestTown::new().with(table, line);
        let key = line.split(' ').next().unwrap_or_default();
        let ran = town.gtctl(&["validate"]).exits(6).says(&town.place_of("town.toml", line)).says(key);
        let allowed = [
            "between",
            "at least",
            "at most",
            "less than",
            "greater than",
            "minimum",
            "maximum",
            "units",
            "must be a",
            "\"30s\"",
        ];
        let _ = ran.says_one_of(&allowed);
        town.once().exits(6);
    }
    let town = TestTown::new().with("backoff", "initial = '1h'").with("backoff", "max = '1m'");
    town.gtctl(&["validate"]).exits(6).says("backoff.max").says("backoff.initial");
}

#[test]
fn s76_names_that_could_mean_something_else_are_refused() {
    let long = "x".repeat(300);
    let names = [
        "a b",
        "a/b",
        "/x",
        "..",
        "a.b",
        "a:b",
        "-x",
        "=x",
        "%1",
        "$1",
        "@1",
        "",
        &long,
        "a\nb",
        "$(touch P)",
        "`touch P`",
        "ü",
    ];
    for name in names {
        let key = toml::Value::String(name.to_owned()).to_string();
        let key = if key.contains('\n') { "\"a\\nb\"".to_owned() } else { key };
        let town = TestTown::new();
        for table in [
            format!("[sessions.{key}]\ncommand = ['sleep', '1']\n"),
            format!("[rigs.{key}]\n"),
            format!("[rigs.gastown.crew.{key}]\nenabled = true\n"),
            format!("[rigs.gastown]\nprefix = {key}\n"),
        ] {
            town.town_toml(&table);
            // A key of that length is refused before anybody asks what it names.
            let is_long_key = name == long && !table.contains("prefix");
            let why = if is_long_key { "is longer than 256 bytes" } else { "A-Z a-z 0-9" };
            town.gtctl(&["validate"]).exits(6).says("town.toml:").says(why);
            town.once().exits(6);
        }
        let json = serde_json::Value::String(name.to_owned());
        town.town_toml("");
        town.file("mayor/rigs.json", &format!("{{\"version\":1,\"rigs\":{{{json}:{{}}}}}}"));
        town.once().fails().says("rigs.json");
        for directory in [town.root(), &town.path(""), &town.root().join("home")] {
            assert!(!directory.join("P").exists(), "{name:?} ran as a command");
        }
        assert_eq!(town.servers(), []);
    }
}

#[test]
fn s76_names_that_differ_in_case_alone_are_refused() {
    let town = TestTown::new().session("a", Fake::Ok).session("A", Fake::Ok);
    town.once().exits(6).says("sessions/a").says("sessions/A");
    assert_eq!(town.servers(), []);
}

#[test]
fn s77_reserved_words_name_no_rig_and_no_prefix() {
    for word in RESERVED_NAMES {
        let town = TestTown::new();
        town.town_toml(&format!("[rigs.{word}]\n"));
        town.gtctl(&["validate"]).exits(6).says(word).says("town.toml:");
        town.town_toml(&format!("[rigs.gastown]\nprefix = '{word}'\n"));
        town.gtctl(&["validate"]).exits(6).says(word).says("town.toml:");
    }
}

#[test]
fn s78_two_objects_of_one_session_name_are_refused_with_both_names() {
    let town = TestTown::new();
    town.make_dirs(&["a/crew/x-witness", "a-crew-x/witness"]);
    town.town_toml("[rigs.a.crew.x-witness]\nenabled = true\n\n[rigs.a-crew-x]\n");
    town.gtctl(&["validate"]).exits(6).says("a/crew/x-witness").says("a-crew-x/witness");

    let town = TestTown::new().with("town", "naming = 'prefix'");
    town.town_toml("[rigs.one]\nprefix = 'gt'\n\n[rigs.two]\nprefix = 'gt'\n");
    for verb in VERBS {
        town.gtctl(&[verb]).exits(6).says("one").says("two").says("gt");
    }
}

#[test]
fn s80_effective_values_name_their_origin() {
    let town = TestTown::new().session("scribe", Fake::Ok).with("crash-loop", "count = 7");
    let ran = town.gtctl(&["validate", "--effective"]).exits(0);
    let line = |key: &str| ran.stdout.lines().find(|line| line.contains(key)).unwrap_or_default();
    let place = town.place_of("town.toml", "count = 7");
    assert!(line("crash-loop.count").contains('7') && line("crash-loop.count").contains(&place), "{ran}");
    assert!(
        line("crash-loop.window").contains("15m") && line("crash-loop.window").contains("default"),
        "{ran}"
    );
    assert!(line("town.socket").contains(town.socket()), "{ran}");
}

#[test]
fn s80_a_server_that_gt_names_otherwise_is_an_error_and_not_a_second_server() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let mut command = town.gtctl_command(&["reconcile"]);
    command.env("GT_TMUX_SOCKET", "elsewhere");
    let ran = common::run::run(&mut command, None, &town.scratch(), SOON);
    ran.exits(6).says("elsewhere").says(town.socket());
    assert_eq!(town.servers(), []);
}

#[test]
fn s81_a_tmux_that_is_too_old_is_refused_at_the_start() {
    for (version, fits) in
        [("tmux 3.3a", true), ("tmux next-3.7", true), ("tmux 2.6", false), ("tmux 1.8", false)]
    {
        let town = TestTown::new().session("scribe", Fake::Ok);
        town.shim().mode(Mode::Version(version));
        let ran = town.once();
        if fits {
            ran.exits(0);
        } else {
            ran.fails().says(version.trim_start_matches("tmux "));
            town.gtctl(&["controller"]).fails().says("tmux");
        }
        assert_eq!(town.start_count("sessions/scribe"), usize::from(fits), "{version}");
    }
}

#[test]
fn s81_a_version_that_cannot_be_read_is_said_at_the_start() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    town.shim().mode(Mode::Version("tmux ???"));
    town.once().says("tmux ???");
}

#[test]
fn s81_a_missing_tmux_is_said_at_the_start() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    town.set_path("/nonexistent");
    town.once().fails().says("tmux").says("PATH");
}
