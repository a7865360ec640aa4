//! Section H of the scenarios: nothing that is configured reaches a shell, and no secret reaches an eye.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{Fake, Life, SOON, TestTown, agents, proc, run};

/// Texts that mean something to a shell, to tmux's formats, or to tmux's own command parser.
const HOSTILE: [&str; 26] = [
    "a b",
    "$(touch P)",
    "`touch P`",
    "; touch P",
    "touch P;",
    ";",
    "\\;",
    "#(touch P)",
    "#{pane_id}",
    "#[fg=red]",
    "%1",
    "$1",
    "@1",
    "=x",
    "'",
    "\"",
    "\\",
    "{",
    "}",
    "~",
    "$HOME",
    "*",
    "-x",
    "ü",
    "%H:%M",
    "| touch P & touch P > P",
];

/// Fails the test if any of the hostile texts ran as a command.
fn assert_nothing_ran(town: &TestTown) {
    for directory in ["", "town", "town/work", "home", "tmux", "bin"] {
        assert!(
            !town.root().join(directory).join("P").exists(),
            "a configured text ran as a command, in {directory:?}"
        );
    }
}

/// The life of the scribe, once its script has recorded its start.
fn scribe(town: &TestTown) -> Life {
    town.wait_until("it is recorded", SOON, || town.start_count("sessions/scribe") > 0);
    town.life("sessions/scribe")
}

#[test]
fn s109_arguments_arrive_as_they_stand() {
    let town = TestTown::new();
    let script = Fake::Ok.command(town.root());
    let mut argv = script.clone();
    argv.extend(HOSTILE.map(str::to_owned));
    argv.extend(["".to_owned(), "two\nlines".to_owned(), "tab\there".to_owned(), "# no comment".to_owned()]);
    let town = town.session("scribe", Fake::Argv(argv.clone())).started();

    let first = scribe(&town);
    assert_eq!(first.argv()[1..], argv);
    assert_nothing_ran(&town);

    // And when it is started again in its pane.
    first.kill();
    town.wait_until("it is seen dead", SOON, || town.plan().state("sessions/scribe") == "dead");
    town.once().exits(0);
    assert_eq!(town.life("sessions/scribe").argv()[1..], argv);
    assert_nothing_ran(&town);
}

#[test]
fn s109_a_program_without_arguments_is_not_run_by_a_shell() {
    // tmux hands a lone argument to a shell; gtctl must not.
    let town = TestTown::new();
    let plain = &Fake::Ok.command(town.root())[0];
    let hostile = town.root().join("agents/a b;$(touch P)`touch P`#(touch P)'\".sh");
    agents::install(&hostile, &fs::read(plain).expect("read the script"));
    let argv = vec![hostile.display().to_string()];
    let town = town.session("scribe", Fake::Argv(argv.clone())).started();
    assert_eq!(scribe(&town).argv()[1..], argv);
    assert_nothing_ran(&town);
}

#[test]
fn s109_variables_arrive_as_they_stand() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let variables: Vec<String> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, text)| format!("V{number} = {}", toml::Value::String((*text).to_owned())))
        .collect();
    let town = town.with("sessions.scribe", &format!("env = {{ {} }}", variables.join(", "))).started();
    let environ = scribe(&town).environ();
    for (number, text) in HOSTILE.iter().enumerate() {
        assert_eq!(environ.get(&format!("V{number}")).map(String::as_str), Some(*text));
    }
    assert_nothing_ran(&town);
}

#[test]
fn s109_directories_are_what_they_are_called() {
    for name in
        ["a b", "$(touch P)", "`touch P`", "#(touch P)", "#{pane_id}", "x;", "; touch P", "~", "'", "ü", "%H"]
    {
        let town = TestTown::new();
        town.make_dirs(&[name]);
        let directory = format!("directory = {}", toml::Value::String(format!("./{name}")));
        let town = town.session("scribe", Fake::Ok).with("sessions.scribe", &directory).started();
        assert_eq!(scribe(&town).directory(), town.path(name));
        assert_nothing_ran(&town);
    }
}

#[test]
fn s109_reasons_for_parking_are_only_text() {
    let town = TestTown::new().witness("gastown", Fake::Ok);
    for text in HOSTILE {
        town.gtctl(&["park", "gastown", &format!("--reason={text}")]).exits(0);
        town.gtctl(&["why", "gastown/witness"]).exits(0).says(text);
        town.gtctl(&["unpark", "gastown"]).exits(0);
    }
    assert_nothing_ran(&town);
}

#[test]
fn s110_a_secret_in_an_agents_environment_is_seen_by_nobody_else() {
    let secret = "sk-do-not-tell-4711";
    let town = TestTown::new()
        .session("scribe", Fake::Tell("API_KEY"))
        .with("sessions.scribe", &format!("env = {{ API_KEY = '{secret}' }}"))
        .session("other", Fake::Ok);
    let shim = town.shim();
    let controller = town.controller();
    assert_eq!(scribe(&town).environ().get("API_KEY").map(String::as_str), Some(secret));

    let told = |life: &Life| life.argv().iter().any(|word| word.contains(secret));
    assert!(!proc::processes_of(town.root()).iter().any(told), "in an argv");
    // It prints the secret and ends, and is started again.
    town.wait_until("it has ended and come back", SOON, || town.start_count("sessions/scribe") > 1);
    controller.passes(2);
    assert!(!proc::processes_of(town.root()).iter().any(told), "in an argv");
    let in_call = shim.calls().iter().any(|call| call.args.iter().any(|word| word.contains(secret)));
    assert!(!in_call, "in an argument of tmux");
    for args in [
        &["status"][..],
        &["status", "-o", "json"],
        &["plan"],
        &["plan", "-o", "json"],
        &["events"],
        &["why", "sessions/scribe"],
    ] {
        town.gtctl(args).keeps_quiet_about(secret);
    }
    town.gtctl(&["validate", "--effective"]).keeps_quiet_about(secret);
    assert!(!controller.log().contains(secret), "{}", controller.log());
    for (path, (.., content)) in town.files() {
        let allowed = path == town.path("town.toml");
        assert!(allowed || !String::from_utf8_lossy(&content).contains(secret), "in {}", path.display());
    }
}

#[test]
fn s110_what_gtctl_writes_is_for_its_user_alone_even_under_an_open_umask() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let mut command = Command::new("/bin/sh");
    town.dress(&mut command);
    command.args(["-c", "umask 000; exec \"$@\"", "sh"]);
    let gtctl = town.gtctl_command(&["controller"]);
    command.arg(gtctl.get_program()).args(gtctl.get_args());
    let _controller = town.controller_from(command);
    town.wait_alive("sessions/scribe");

    let mode = |path: &std::path::Path| {
        fs::symlink_metadata(path)
            .map(|meta| meta.permissions().mode() & 0o777)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let written: Vec<_> =
        town.files().into_keys().filter(|path| path.starts_with(town.path("daemon"))).collect();
    assert!(written.len() >= 4, "{written:?}");
    for path in written {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{:o} {}", mode(&path), path.display());
    }
    assert_eq!(mode(&town.path("daemon")), 0o700);
}

#[test]
fn s110_a_plan_under_an_open_umask_leaks_no_file_either() {
    let town = TestTown::new().session("scribe", Fake::Ok);
    let mut command = Command::new("/bin/sh");
    town.dress(&mut command);
    let gtctl = town.gtctl_command(&["reconcile"]);
    command.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(gtctl.get_program()).args(gtctl.get_args());
    run::run(&mut command, None, &town.scratch(), SOON).exits(0);
    for (path, (_, _, _, mode, _)) in town.files() {
        let ours = path.starts_with(town.path("daemon")) && path != town.path("daemon");
        assert!(!ours || mode & 0o077 == 0, "{mode:o} {}", path.display());
    }
}
