//! How agents are started: which kind, from which files, in which environment, with which first words.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says no"
)]

mod common;

use std::fs;

use common::{Fake, SOON, TestTown, agents};
use serde_json::{Value, json};

/// A Gas Town whose agents nothing but gt's own files choose.
fn gas_town(rigs: &[&str]) -> TestTown {
    let town = TestTown::new().workspace(rigs, Fake::Ok);
    town.remove("defaults");
    town
}

/// What `validate` says of an object.
#[track_caller]
fn object(town: &TestTown, address: &str) -> Value {
    let ran = town.gtctl(&["validate", "-o", "json"]).exits(0);
    let all: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = all["objects"].as_array().unwrap().iter().find(|one| one["address"] == address).cloned();
    found.unwrap_or_else(|| panic!("no {address} in {all:#}"))
}

/// The kind of agent of an object, and the file that chose it.
#[track_caller]
fn chosen(town: &TestTown, address: &str) -> (String, String) {
    let agent = object(town, address)["agent"].clone();
    let file = agent["origin"]["at"]["file"].as_str().unwrap_or("nobody").to_owned();
    (agent["name"].as_str().unwrap_or_default().to_owned(), file)
}

fn pair(name: &str, file: &str) -> (String, String) {
    (name.to_owned(), file.to_owned())
}

// --- which agent

#[test]
fn the_kind_of_agent_is_chosen_in_gts_order_and_town_toml_comes_first() {
    let town = gas_town(&["a"]);
    town.town_toml("[rigs.a.crew.max]\n");
    let of_town = |settings: Value| town.file("settings/config.json", &settings.to_string());
    let of_rig = |settings: Value| town.file("a/settings/config.json", &settings.to_string());
    assert_eq!(chosen(&town, "a/witness"), pair("claude", "nobody"));

    of_town(json!({"default_agent": "gemini"}));
    assert_eq!(chosen(&town, "a/witness"), pair("gemini", "settings/config.json"));
    of_rig(json!({"type": "rig-settings", "version": 1, "agent": "codex"}));
    assert_eq!(chosen(&town, "a/witness"), pair("codex", "a/settings/config.json"));
    of_town(json!({"default_agent": "gemini", "role_agents": {"witness": "amp"}}));
    assert_eq!(chosen(&town, "a/witness"), pair("amp", "settings/config.json"));
    assert_eq!(chosen(&town, "a/refinery"), pair("codex", "a/settings/config.json"));
    of_rig(json!({"agent": "codex", "role_agents": {"witness": "auggie", "crew": "cursor"}}));
    assert_eq!(chosen(&town, "a/witness"), pair("auggie", "a/settings/config.json"));

    assert_eq!(chosen(&town, "a/crew/max"), pair("cursor", "a/settings/config.json"));
    of_town(json!({"crew_agents": {"max": "amp"}}));
    assert_eq!(chosen(&town, "a/crew/max"), pair("amp", "settings/config.json"));
    of_rig(json!({"role_agents": {"crew": "cursor"}, "worker_agents": {"max": "copilot"}}));
    assert_eq!(chosen(&town, "a/crew/max"), pair("copilot", "a/settings/config.json"));

    // Before there were `agents`, a rig spelled its one out.
    let block = json!({"provider": "gemini", "command": "gem", "args": ["-q"]});
    of_town(json!({"default_agent": "amp", "role_agents": {"refinery": "amp"}}));
    of_rig(json!({"agent": "codex", "runtime": block}));
    assert_eq!(chosen(&town, "a/crew/max"), pair("gemini", "a/settings/config.json"));
    assert_eq!(object(&town, "a/crew/max")["command"], json!(["gem", "-q"]));
    assert_eq!(chosen(&town, "a/refinery"), pair("amp", "settings/config.json"));
    town.gtctl(&["validate"]).exits(0).says("`runtime` is what gt had before `agents`");

    town.set("defaults", "agent = 'vibe'");
    assert_eq!(chosen(&town, "a/crew/max"), pair("vibe", "town.toml"));
    town.set("roles.crew", "agent = 'pi'");
    assert_eq!(chosen(&town, "a/crew/max"), pair("pi", "town.toml"));
    let place = town.place_of("town.toml", "agent = 'pi'");
    town.gtctl(&["validate"]).exits(0).says(&format!("agent pi by {place}"));
    let all = town.gtctl(&["validate", "--effective"]).exits(0);
    let line = all.stdout.lines().find(|line| line.starts_with("a/crew/max: agent"));
    assert!(line.is_some_and(|line| line.contains("pi") && line.contains(&place)), "{all}");
}

#[test]
fn a_kind_that_gts_files_define_runs_under_its_name() {
    let town = gas_town(&["a", "b"]);
    let fake = Fake::Ok.command(town.root());
    let mine = json!({"command": fake[0], "args": ["-x", "two words"], "env": {"MINE": "1"}});
    let settings = json!({"default_agent": "mine"});
    town.file("settings/config.json", &settings.to_string());
    town.file("settings/agents.json", &json!({"version": 1, "agents": {"mine": mine}}).to_string());
    // The rig's own of the same name is nearer.
    let other = json!({"mine": {"command": fake[0], "args": []}});
    town.file("b/settings/config.json", &json!({"agents": other}).to_string());
    town.once().exits(0);
    let life = town.life("a/witness");
    assert!(life.argv().windows(2).any(|two| two == ["-x", "two words"]), "{:?}", life.argv());
    assert_eq!(life.environ().get("MINE").map(String::as_str), Some("1"));
    assert!(!town.life("b/witness").argv().contains(&"-x".to_owned()));
}

#[test]
fn what_gts_files_leave_open_is_held_and_never_replaced_by_another_agent() {
    let town = gas_town(&["a", "b"]);
    town.file("a/settings/config.json", &json!({"agent": "no-such-kind"}).to_string());
    town.file("b/settings/config.json", &json!({"agent": "fake"}).to_string());
    town.once();
    assert_eq!(town.start_count("b/witness"), 1);
    assert_eq!(town.start_count("a/witness"), 0);
    town.plan().assert_held("a/witness", "layer-unreadable");
    town.gtctl(&["why", "a/witness"]).says("no-such-kind").says("a/settings/config.json:1");

    // A kind that gtctl knows and the machine has not.
    town.file("a/settings/config.json", &json!({"agent": "vibe"}).to_string());
    town.plan().assert_held("a/witness", "program-missing");
    town.gtctl(&["why", "a/witness"]).says("vibe");
}

#[test]
fn settings_that_are_torn_hold_back_their_rig_alone_and_end_nothing() {
    let town = gas_town(&["a", "b"]);
    for rig in ["a", "b"] {
        town.file(&format!("{rig}/settings/config.json"), &json!({"agent": "fake"}).to_string());
    }
    let controller = town.controller();
    let lives = town.wait_all_alive(&["a/witness", "b/witness"], SOON);
    town.file("a/settings/config.json", "{\"agent\":\"fa");
    controller.passes(2);
    town.wait_until("it is noticed", SOON, || town.plan().reason("a/witness") == "layer-unreadable");
    assert!(lives.iter().all(|life| life.is_alive()));
    assert_eq!(town.plan().verdict("a/witness")["drifted"], false, "what cannot be read is no other recipe");
    lives.iter().for_each(|life| life.kill());
    town.wait_replaced("b/witness", lives[1], SOON);
    controller.passes(2);
    assert_eq!(town.start_count("a/witness"), 1);
    town.gtctl(&["validate"]).exits(0).says("a/settings/config.json");

    // A file that is gone is no instruction to run the default.
    town.file("a/settings/config.json", &json!({"agent": "fake"}).to_string());
    town.wait_alive("a/witness");
    fs::remove_file(town.path("a/settings/config.json")).unwrap();
    controller.passes(2);
    town.gtctl(&["validate"]).exits(6).says("a/settings/config.json is gone");
    assert_eq!(town.start_count("a/witness"), 2);
}

// --- role files

#[test]
fn role_files_are_merged_field_by_field_and_town_toml_comes_first() {
    let town = gas_town(&["a", "b"]);
    let fake = Fake::Ok.command(town.root());
    let of_town = format!(
        "[session]\nwork_dir = '{{town}}/place/{{rig}}'\nstart_command = 'exec FROM=start \"{}\" --rig {{rig}} \"two words\"'\n\
         [env]\nWHO = '{{rig}}/{{role}}'\nWHERE = 'town'\n",
        fake[0]
    );
    town.file("roles/witness.toml", &of_town);
    town.file("b/roles/witness.toml", "[env]\nWHERE = 'rig b'\n");
    town.make_dirs(&["place/a", "place/b", "elsewhere"]);
    town.set("rigs.a", "roles.refinery.enabled = false");
    town.set("rigs.b", "roles.refinery.enabled = false");
    town.once().exits(0);
    let (a, b) = (town.life("a/witness"), town.life("b/witness"));
    for (life, rig, place) in [(a, "a", "town"), (b, "b", "rig b")] {
        assert!(life.argv().ends_with(&["--rig".to_owned(), rig.to_owned(), "two words".to_owned()]));
        assert_eq!(life.directory(), town.path(&format!("place/{rig}")));
        let env = life.environ();
        let says = |name: &str| env.get(name).map(String::as_str);
        assert_eq!(says("WHO"), Some(format!("{rig}/witness").as_str()));
        assert_eq!((says("WHERE"), says("FROM")), (Some(place), Some("start")));
    }
    assert_eq!(chosen(&town, "a/witness"), pair("claude", "roles/witness.toml"));

    town.set("roles.witness", "directory = 'elsewhere'");
    let says = object(&town, "a/witness");
    assert_eq!(says["directories"], json!([town.path("elsewhere")]));
    // Another agent is not replaced by a command for claude.
    town.set("roles.witness", "agent = 'fake'");
    assert_eq!(object(&town, "a/witness")["command"], json!(fake));
    town.gtctl(&["validate"])
        .exits(0)
        .says("`session.start_command` has no effect")
        .says("roles/witness.toml:3");
}

#[test]
fn what_is_wrong_in_a_role_file_is_told_with_its_place_and_holds_its_role_back() {
    let town = gas_town(&["a"]);
    town.set("defaults", "agent = 'fake'");
    town.file(
        "roles/refinery.toml",
        "nugde = 'x'\n[session]\npattern = 'other-{rig}'\nneeds_pre_sync = true\n",
    );
    let ran = town.gtctl(&["validate"]).exits(0).says("`nugde` has no effect").says("roles/refinery.toml:1");
    ran.says("did you mean `nudge`").says("`other-a`").says("`gt-a-refinery`").says("roles/refinery.toml:3");

    town.file("a/roles/witness.toml", "[session]\nstart_command = 'cd x && claude'\n");
    town.once();
    assert_eq!((town.start_count("a/witness"), town.start_count("a/refinery")), (0, 1));
    town.plan().assert_held("a/witness", "layer-unreadable");
    town.gtctl(&["why", "a/witness"]).says("needs a shell for `&`").says("a/roles/witness.toml:2");
}

#[test]
fn a_role_file_that_changes_is_noticed() {
    let town = gas_town(&["a"]);
    town.set("defaults", "agent = 'fake'");
    town.make_dirs(&["a/roles"]);
    let _controller = town.controller();
    let old = town.wait_alive("a/witness").life().unwrap();
    assert_eq!(town.plan().verdict("a/witness")["drifted"], false);
    town.file("a/roles/witness.toml", "[env]\nNEW = '1'\n");
    // Nobody asks the controller anything; the second death is later than any notice of the file.
    old.kill();
    town.wait_replaced("a/witness", old, SOON);
    let second = town.life("a/witness");
    second.kill();
    town.wait_replaced("a/witness", second, SOON);
    assert_eq!(town.life("a/witness").environ().get("NEW").map(String::as_str), Some("1"));
}

// --- environment

/// What gt 1.0 gives each role, with `{root}` for the town.
const ENVIRONMENT: &[(&str, &[(&str, &str)])] = &[
    (
        "mayor",
        &[
            ("GT_ROLE", "mayor"),
            ("GT_SESSION", "hq-mayor"),
            ("BD_ACTOR", "mayor"),
            ("GIT_AUTHOR_NAME", "mayor"),
        ],
    ),
    (
        "deacon",
        &[
            ("GT_ROLE", "deacon"),
            ("GT_SESSION", "hq-deacon"),
            ("BD_ACTOR", "deacon"),
            ("GIT_AUTHOR_NAME", "deacon"),
        ],
    ),
    (
        "a/witness",
        &[
            ("GT_ROLE", "a/witness"),
            ("GT_RIG", "a"),
            ("GT_SESSION", "a-witness"),
            ("BD_ACTOR", "a/witness"),
            ("GIT_AUTHOR_NAME", "a/witness"),
        ],
    ),
    (
        "a/refinery",
        &[("GT_ROLE", "a/refinery"), ("GT_RIG", "a"), ("GT_REFINERY", "1"), ("BD_ACTOR", "a/refinery")],
    ),
    (
        "a/crew/max",
        &[
            ("GT_ROLE", "a/crew/max"),
            ("GT_RIG", "a"),
            ("GT_CREW", "max"),
            ("BD_ACTOR", "a/crew/max"),
            ("GIT_AUTHOR_NAME", "max"),
            ("BEADS_AGENT_NAME", "a/max"),
        ],
    ),
];

/// What each of them has beside that.
const OF_ALL: &[(&str, &str)] = &[
    ("GT_ROOT", "{root}"),
    ("GIT_CEILING_DIRECTORIES", "{root}"),
    ("GT_AGENT", "fake"),
    ("GT_PROCESS_NAMES", "ok.sh"),
    ("CLAUDECODE", ""),
    ("NODE_OPTIONS", ""),
    ("CLAUDE_CODE_EFFORT_LEVEL", "high"),
    ("BD_BACKUP_ENABLED", "false"),
    ("BEADS_DOLT_AUTO_START", "0"),
    ("GT_DOLT_PORT", "3310"),
    ("BEADS_DOLT_PORT", "3310"),
    ("BEADS_DOLT_SERVER_PORT", "3310"),
];

/// A town with one of each role.
fn every_role() -> TestTown {
    let town = gas_town(&["a"]);
    town.set("defaults", "agent = 'fake'");
    town.set("town", "naming = 'prefix'");
    town.set("roles.mayor", "enabled = true");
    town.set("roles.deacon", "enabled = true");
    town.set("rigs.a.crew.max", "enabled = true");
    town.make_dirs(&["a/crew/max"]);
    town.file("mayor/daemon.json", &json!({"env": {"GT_DOLT_PORT": "3310"}}).to_string());
    town
}

#[test]
fn each_role_has_gts_environment_at_its_first_start_and_at_each_other_one() {
    let town = every_role();
    town.once().exits(0);
    let root = town.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let check = |object: &str, own: &[(&str, &str)]| {
        let env = town.life(object).environ();
        for (name, value) in own.iter().chain(OF_ALL) {
            let value = value.replace("{root}", &root);
            assert_eq!(env.get(*name), Some(&value), "{name} of {object}");
        }
        for name in ["GT_RIG", "GT_CREW", "GT_POLECAT", "GT_REFINERY", "BEADS_AGENT_NAME"] {
            let is_own = own.iter().any(|(own, _)| *own == name);
            assert_eq!(env.contains_key(name), is_own, "{name} of {object}");
        }
        let incarnation = town.alive(object).unwrap().incarnation().to_owned();
        assert_eq!(env.get("GT_RUN"), Some(&incarnation), "gt's name of this one life");
    };
    ENVIRONMENT.iter().for_each(|(object, own)| check(object, own));
    let _controller = town.controller();
    for (object, own) in ENVIRONMENT {
        let old = town.life(object);
        old.kill();
        town.wait_replaced(object, old, SOON);
        check(object, own);
    }
}

#[test]
fn gt_finds_in_the_session_which_pane_to_type_into() {
    let town = every_role();
    town.once().exits(0);
    let told = |object: &str| {
        let session = town.alive(object).unwrap();
        let ran = town.tmux(&["show-environment", "-t", &format!("{}:", session.id), "GT_PANE_ID"]);
        (ran.stdout.trim().to_owned(), format!("GT_PANE_ID={}", session.pane))
    };
    for object in ["mayor", "deacon", "a/crew/max"] {
        let (told, pane) = told(object);
        assert_eq!(told, pane, "{object}");
    }
    assert_eq!(told("a/witness").0, "", "gt does not tell it of a witness");
    // The pane is gone, and the agent is started in another one.
    let session = town.alive("mayor").unwrap();
    town.tmux(&["new-window", "-t", &format!("{}:", session.id), "cat"]).exits(0);
    town.tmux(&["kill-pane", "-t", &session.pane]).exits(0);
    town.once().exits(0);
    let target = format!("{}:", session.id);
    let panes = town.tmux(&["list-panes", "-s", "-t", &target, "-F", "#{@gtctl_agent} #{pane_id}"]).stdout;
    let agents: Vec<&str> = panes.lines().filter(|line| !line.starts_with(' ')).collect();
    let [agent] = agents.as_slice() else { panic!("{panes}") };
    let pane = agent.split_once(' ').unwrap().1;
    assert_ne!(pane, session.pane);
    let told = town.tmux(&["show-environment", "-t", &target, "GT_PANE_ID"]).stdout;
    assert_eq!(told.trim(), format!("GT_PANE_ID={pane}"));
}

#[test]
fn files_change_what_is_a_default_and_not_who_an_agent_is() {
    let town = every_role();
    let settings = json!({"role_effort": {"witness": "low", "crew": "medium"}});
    town.file("settings/config.json", &settings.to_string());
    town.file("a/settings/config.json", &json!({"role_effort": {"crew": "max"}}).to_string());
    town.file("roles/mayor.toml", "[env]\nGT_ROLE = 'overseer'\nNODE_OPTIONS = '--x'\n");
    town.set("roles.deacon", "env = { CLAUDE_CODE_EFFORT_LEVEL = 'min', BD_ACTOR = 'somebody' }");
    town.once().exits(0);
    let says = |object: &str, name: &str| town.life(object).environ().get(name).cloned().unwrap_or_default();
    for (object, effort) in
        [("a/witness", "low"), ("a/refinery", "high"), ("a/crew/max", "max"), ("deacon", "min")]
    {
        assert_eq!(says(object, "CLAUDE_CODE_EFFORT_LEVEL"), effort, "{object}");
    }
    assert_eq!(
        (says("mayor", "GT_ROLE"), says("mayor", "NODE_OPTIONS")),
        ("mayor".to_owned(), "--x".to_owned())
    );
    assert_eq!(says("deacon", "BD_ACTOR"), "deacon");
}

#[test]
fn agents_use_the_account_that_gt_chose_and_none_if_it_cannot_be_read() {
    let town = every_role();
    let accounts = |default: &str| {
        let all = json!({"work": {"email": "a@b.c", "config_dir": "~/.claude-work"}});
        town.file("mayor/accounts.json", &json!({"default": default, "accounts": all}).to_string());
    };
    accounts("work");
    town.set("roles.deacon", "env = { CLAUDE_CONFIG_DIR = '/srv/own' }");
    town.set("sessions.scribe", &format!("command = {}", town.command(&Fake::Ok)));
    town.once().exits(0);
    let account = |object: &str| town.life(object).environ().get("CLAUDE_CONFIG_DIR").cloned();
    let home = town.life("mayor").environ()["HOME"].clone();
    for object in ["mayor", "a/witness", "a/crew/max"] {
        assert_eq!(account(object), Some(format!("{home}/.claude-work")), "{object}");
    }
    assert_eq!(account("deacon").as_deref(), Some("/srv/own"), "a nearer file says so");
    assert_eq!(account("sessions/scribe"), None);

    // Nobody is the default: that is an answer.
    accounts("");
    town.life("a/crew/max").kill();
    town.once().exits(0);
    assert_eq!(account("a/crew/max"), None);
    // gt takes the machine's own account where the default one is gone; that may be somebody else's.
    accounts("gone");
    town.life("mayor").kill();
    town.life("deacon").kill();
    town.once();
    assert_eq!((town.start_count("mayor"), town.start_count("deacon")), (1, 2));
    town.plan().assert_held("mayor", "layer-unreadable");
    town.gtctl(&["why", "mayor"]).says("there is no account `gone`").says("mayor/accounts.json");
    fs::remove_file(town.path("mayor/accounts.json")).unwrap();
    town.gtctl(&["validate"]).exits(6).says("mayor/accounts.json is gone");
}

#[test]
fn agents_are_told_where_the_database_listens_as_gt_finds_it() {
    let town = every_role();
    let told = || {
        town.once();
        let life = town.life("a/witness");
        let env = life.environ();
        life.kill();
        ["GT_DOLT_PORT", "BEADS_DOLT_PORT", "BEADS_DOLT_SERVER_HOST"].map(|name| env.get(name).cloned())
    };
    let says = |port: &str, host: Option<&str>| {
        [Some(port.to_owned()), Some(port.to_owned()), host.map(str::to_owned)]
    };
    assert_eq!(told(), says("3310", None), "daemon.json names it");
    town.file(".dolt-data/config.yaml", "listener:\n  host: 0.0.0.0\n  port: 3311\n");
    assert_eq!(told(), says("3311", None), "the server's own file is nearer");
    let dolt = json!({"host": "100.64.0.5", "port": 3312});
    town.file("mayor/town.json", &json!({"name": "t", "dolt": dolt}).to_string());
    assert_eq!(told(), says("3312", Some("100.64.0.5")), "gt's own file of the town is nearest");
    town.file("mayor/town.json", &json!({"dolt": {"port": "many"}}).to_string());
    town.once();
    town.plan().assert_held("a/witness", "layer-unreadable");
}

#[test]
fn claude_is_shown_the_hooks_that_gt_keeps_above_its_directory() {
    let town = gas_town(&["a"]);
    town.town_toml("[rigs.a.crew.max]\n");
    town.make_dirs(&["a/crew/max"]);
    let fake = Fake::Ok.command(town.root());
    let claude = json!({"provider": "claude", "command": fake[0], "args": []});
    let settings = json!({"default_agent": "mine", "agents": {"mine": claude}});
    town.file("settings/config.json", &settings.to_string());
    for place in ["witness", "crew"] {
        town.file(&format!("a/{place}/.claude/settings.json"), "{}");
    }
    town.once().exits(0);
    for (object, place) in [("a/witness", "witness"), ("a/crew/max", "crew")] {
        let path = town.path(&format!("a/{place}/.claude/settings.json")).display().to_string();
        let argv = town.life(object).argv();
        assert!(argv.windows(2).any(|two| two == ["--settings", &path]), "{object}: {argv:?}");
        assert!(!argv.last().unwrap().contains("Run `gt prime` to"), "its hooks do: {argv:?}");
    }
    // Where they are not, claude would refuse to start; and must be told what they would have told it.
    let argv = town.life("a/refinery").argv();
    assert!(!argv.contains(&"--settings".to_owned()), "{argv:?}");
    assert!(argv.last().unwrap().contains("Run `gt prime` to"), "{argv:?}");
    // A file where the directory should be is no answer.
    fs::remove_dir_all(town.path("a/witness/.claude")).unwrap();
    town.file("a/witness/.claude", "");
    town.plan().assert_held("a/witness", "layer-unreadable");
    town.gtctl(&["why", "a/witness"]).says("a/witness/.claude/settings.json");
    fs::remove_file(town.path("a/witness/.claude")).unwrap();
    // What town.toml spells out is spelled out.
    town.set("roles.witness", &format!("command = {}", town.command(&Fake::Ok)));
    assert_eq!(object(&town, "a/witness")["command"], json!(fake));
}

// --- first words

/// What an agent took, of what was typed into it.
fn took(town: &TestTown, object: &str, what: &str) -> String {
    let file = agents::log_dir(town.root()).join(format!("{}.{what}", object.replace('/', "_")));
    fs::read_to_string(file).unwrap_or_default()
}

/// A Gas Town with one witness, of this kind, whose program is this one.
fn witness_of(kind: &str, fake: &Fake) -> TestTown {
    let town = gas_town(&["a"]);
    town.set("rigs.a", "roles.refinery.enabled = false");
    town.set("roles.witness", &format!("agent = '{kind}'"));
    town.set(&format!("agents.{kind}"), &format!("command = {}", town.command(fake)));
    town
}

/// The beacon of a witness and its task, without the time; fails if that is not a time.
#[track_caller]
fn without_time(words: &str) -> String {
    let (before, rest) = words.split_once(" • ").unwrap_or_else(|| panic!("no beacon: {words:?}"));
    let (time, after) = rest.split_once(" • ").unwrap();
    assert!(jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M", time).is_ok(), "{time}");
    format!("{before} * {after}")
}

const WITNESS: &str = "[GAS TOWN] witness (rig: a) <- deacon * patrol";
const PATROL: &str = "Run `gt prime --hook` and begin patrol.";

#[test]
fn first_words_are_an_argument_of_agents_that_take_one_and_the_same_at_each_start() {
    let town = witness_of("claude", &Fake::Ok);
    let _controller = town.controller();
    town.wait_alive("a/witness");
    let old = town.life("a/witness");
    let words = |life: common::Life| without_time(life.argv().last().unwrap());
    assert_eq!(words(old), format!("{WITNESS}\n\n{PATROL}"));
    let count = old.argv().len();
    old.kill();
    town.wait_replaced("a/witness", old, SOON);
    let new = town.life("a/witness");
    assert_eq!(words(new), format!("{WITNESS}\n\n{PATROL}"));
    assert_eq!(new.argv().len(), count);
    // The time is no part of what it was started from, so it does not drift away from that.
    assert_eq!(object(&town, "a/witness")["words"]["text"].as_str().unwrap().matches("{now}").count(), 1);
    assert_eq!(town.plan().verdict("a/witness")["drifted"], false);
}

#[test]
fn first_words_are_typed_once_when_the_agent_is_ready_and_not_before() {
    let town = witness_of("codex", &Fake::Late(15));
    let controller = town.controller();
    let old = town.wait_alive("a/witness").life().unwrap();
    let lines = || took(&town, "a/witness", "lines");
    town.wait_until("it waits for the prompt", SOON, || town.plan().reason("a/witness") == "nudge-waiting");
    town.gtctl(&["status"]).says("its prompt has not been seen yet");
    town.wait_until("it is told", SOON, || lines().ends_with('\n'));
    assert_eq!(without_time(lines().trim_end()), format!("{WITNESS}  {PATROL}"));
    controller.passes(3);
    assert_eq!(lines().lines().count(), 1);
    assert_eq!(took(&town, "a/witness", "early"), "", "nothing was typed before its prompt");
    // The next life is told as well, once.
    old.kill();
    town.wait_replaced("a/witness", old, SOON);
    town.wait_until("it is told", SOON, || lines().lines().count() == 2);
    controller.passes(3);
    assert_eq!((lines().lines().count(), took(&town, "a/witness", "early").as_str()), (2, ""));
}

#[test]
fn a_controller_that_is_killed_between_start_and_first_words_neither_loses_nor_doubles_them() {
    let town = witness_of("codex", &Fake::Late(20));
    let controller = town.controller();
    town.wait_alive("a/witness");
    controller.kill();
    let controller = town.controller();
    let lines = || took(&town, "a/witness", "lines");
    town.wait_until("it is told", SOON, || lines().ends_with('\n'));
    controller.passes(2);
    controller.kill();
    let controller = town.controller();
    controller.passes(3);
    assert_eq!((town.start_count("a/witness"), lines().lines().count()), (1, 1));
}

#[test]
fn s94_an_agent_that_asks_something_at_its_start_is_waiting_and_gets_no_keys() {
    let town = witness_of("codex", &Fake::Asks);
    town.set("roles.deacon", "enabled = false");
    town.add_session("after", Fake::Ok);
    town.set("sessions.after", "after = ['a/witness']");
    let controller = town.controller();
    town.wait_alive("a/witness");
    town.wait_until("it is seen", SOON, || town.plan().reason("a/witness") == "waiting-for-input");
    town.plan().assert_held("a/witness", "waiting-for-input");
    assert_eq!(town.plan().state("a/witness"), "waiting");
    town.gtctl(&["status"]).says("waiting").says("Do you trust the contents of this directory");
    controller.passes(3);
    let took_any = |what| took(&town, "a/witness", what);
    assert_eq!((took_any("answers").as_str(), took_any("lines").as_str()), ("", ""));
    assert_eq!(town.start_count("sessions/after"), 0, "what needs it waits too");

    // A person answers; then it is told what to do.
    let pane = town.alive("a/witness").unwrap().pane;
    town.tmux(&["send-keys", "-t", &pane, "1", "Enter"]).exits(0);
    town.wait_until("it is told", SOON, || took_any("lines").ends_with('\n'));
    assert_eq!(took_any("answers"), "1\n");
    town.wait_until("it runs", SOON, || town.plan().state("a/witness") == "running");
    town.wait_alive("sessions/after");
}

#[test]
fn s94_so_is_one_that_was_told_by_argument() {
    let town = witness_of("claude", &Fake::Asks);
    let _controller = town.controller();
    town.wait_until("it is seen", SOON, || {
        town.plan().find("a/witness").is_some_and(|one| one["state"] == "waiting")
    });
    assert_eq!(took(&town, "a/witness", "answers"), "");
}

#[test]
fn town_toml_changes_the_first_words_and_turns_them_off() {
    let town = witness_of("claude", &Fake::Ok);
    let words = |address: &str| object(&town, address)["words"].clone();
    let text = |address: &str| {
        without_time(words(address)["text"].as_str().unwrap().replace("{now}", "2026-01-24T10:00").as_str())
    };
    town.set("rigs.a.crew.max", "agent = 'claude'");
    town.make_dirs(&["a/crew/max"]);
    assert!(
        text("a/crew/max")
            .starts_with("[GAS TOWN] crew max (rig: a) <- human * cold-start\n\nCheck your hook")
    );
    town.file("roles/witness.toml", "nudge = 'Look at {rig}, {role}.'\n");
    assert_eq!(text("a/witness"), format!("{WITNESS}\n\nLook at a, witness."));
    town.set("roles.witness", "prompt = 'Go to {rig}.'");
    assert_eq!(text("a/witness"), format!("{WITNESS}\n\nGo to a."));
    town.set("rigs.a.roles.witness", "prompt = ''");
    assert_eq!(words("a/witness"), Value::Null);
    // A change of the words is one that a restart would apply; a change of how to see that it is ready is not.
    town.set("rigs.a.roles.witness", "prompt = 'Go.'");
    town.once().exits(0);
    town.set("agents.claude", "ready-prompt = '$ '");
    assert_eq!(town.plan().verdict("a/witness")["drifted"], false);
    town.set("rigs.a.roles.witness", "prompt = 'Stay.'");
    assert_eq!(town.plan().verdict("a/witness")["drifted"], true);

    // Sessions are told nothing unless somebody says so, and never with gt's beacon.
    town.set("sessions.helper", "agent = 'claude'");
    assert_eq!(words("sessions/helper"), Value::Null);
    town.set("sessions.helper", "prompt = 'Help at {now}.'");
    assert_eq!(words("sessions/helper"), json!({"text": "Help at {now}.", "typed": false}));
}

#[test]
fn town_toml_says_how_a_kind_of_ones_own_is_told_and_known_to_be_ready() {
    let town = TestTown::new();
    for (name, more) in [
        ("argument", "prompt = 'argument'"),
        ("none", "prompt = 'none'"),
        ("shown", "prompt = 'typed'\nready-prompt = '> '"),
        ("hidden", "prompt = 'typed'\nready-prompt = '% '"),
        ("later", "prompt = 'typed'\nready-delay = '1s'"),
        ("never", "prompt = 'typed'\nready-delay = '10m'"),
    ] {
        let command = town.command(&Fake::Prompt);
        for line in format!("command = {command}\n{more}").lines() {
            town.set(&format!("agents.{name}"), line);
        }
        town.set(&format!("sessions.{name}"), &format!("agent = '{name}'"));
        town.set(&format!("sessions.{name}"), "prompt = 'begin'");
    }
    let controller = town.controller();
    let all =
        ["argument", "none", "shown", "hidden", "later", "never"].map(|name| format!("sessions/{name}"));
    town.wait_all_alive(&all.each_ref().map(String::as_str), SOON);
    let lines = |name: &str| took(&town, &format!("sessions/{name}"), "lines");
    for name in ["shown", "later"] {
        town.wait_until(&format!("{name} is told"), SOON, || lines(name) == "begin\n");
    }
    controller.passes(3);
    for name in ["argument", "none", "hidden", "never"] {
        assert_eq!(lines(name), "", "{name}");
    }
    assert_eq!(town.life("sessions/argument").argv().last().map(String::as_str), Some("begin"));
    assert_ne!(town.life("sessions/none").argv().last().map(String::as_str), Some("begin"));
    assert_eq!(town.plan().reason("sessions/never"), "nudge-waiting");
    assert_eq!(town.plan().reason("sessions/hidden"), "nudge-waiting");
    town.set("agents.later", "ready-delay = '11m'");
    town.gtctl(&["validate"]).exits(6).says("ready-delay").says("between 0s and 10m");
}

#[test]
fn reconcile_tells_what_it_started_what_to_do_and_does_not_wait_for_people() {
    let town = witness_of("codex", &Fake::Late(10));
    town.once().exits(0).says("1 started").says("1 nudged");
    assert_eq!(without_time(took(&town, "a/witness", "lines").trim_end()), format!("{WITNESS}  {PATROL}"));

    let town = witness_of("codex", &Fake::Asks);
    let begun = std::time::Instant::now();
    town.once().says("1 started").says("0 nudged");
    assert!(begun.elapsed() < SOON, "only a person can answer");
    assert_eq!(took(&town, "a/witness", "answers"), "");
}
