//! What a `town.toml` may say, and what is said about one that may not.

use super::*;
use crate::report::diagnostics;
use crate::town::diagnostic::Diagnostic;
use crate::town::source::Source;

fn parse(text: &str) -> Result<Town, Vec<Diagnostic>> {
    parse_town_toml(Source { file: TOWN_TOML.to_owned(), text: text.to_owned() })
}

/// The mistakes as an editor shows them.
fn mistakes(text: &str) -> String {
    match parse(text) {
        Ok(_) => String::new(),
        Err(found) => diagnostics::short(&found, &|_| Some(text.to_owned())),
    }
}

#[test]
fn s69_unknown_keys_are_refused_with_a_place_and_a_suggestion() {
    insta::assert_snapshot!(mistakes("[rigs.gastown]\nroles.refinary = { enabeld = false }\nfoo = 1\n[roles.witness]\nenabeld = false\n[bakoff]\n"), @r#"
    town.toml:2:7: error: unknown key `refinary` (did you mean `refinery`?)
    town.toml:3:1: error: unknown key `foo` (allowed: auto-restart, crew, prefix, reason, roles, state, until)
    town.toml:5:1: error: unknown key `enabeld` (did you mean `enabled`?)
    town.toml:6:2: error: unknown key `bakoff` (did you mean `backoff`?)
    "#);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[town]\nnaming = 'rgi'\nsocket = 'a b'\n[limits]\nsessions = 0\nkills-per-pass = '3'\n[backoff]\nfactor = nan\njitter = 0.9\ninitial = 5\n\
                [rigs.x]\nstate = 3\nauto-restart = 'no'\ncrew = []\n[sessions.s]\nrestart = 'on_failure'\ncommand = 'x'\n";
    insta::assert_snapshot!(mistakes(text), @r#"
    town.toml:2:10: error: unknown value `rgi` for `town.naming` (did you mean `rig`? allowed: rig, prefix)
    town.toml:3:10: error: `a b` names no tmux socket (write a name of A-Z a-z 0-9 _ . - for `tmux -L`, or an absolute path for `tmux -S`)
    town.toml:5:12: error: `limits.sessions` must lie between 1 and 10000
    town.toml:6:18: error: `limits.kills-per-pass` must be a whole number
    town.toml:8:10: error: `backoff.factor` must lie between 1.0 and 10.0
    town.toml:9:10: error: `backoff.jitter` must lie between 0.0 and 0.5
    town.toml:10:11: error: `backoff.initial` must be a length of time between 1s and 1h, with units, such as "30s"
    town.toml:12:9: error: `rigs.x.state` must be one of the words active, parked, docked
    town.toml:13:16: error: `rigs.x.auto-restart` must be true or false
    town.toml:14:8: error: `rigs.x.crew` must be a table
    town.toml:16:11: error: unknown value `on_failure` for `sessions.s.restart` (did you mean `on-failure`? allowed: always, on-failure, never)
    town.toml:17:11: error: `sessions.s.command` must be an array
    "#);
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    let text = "[limits]\nsessions = \"many\"\n";
    let shown = diagnostics::render(&parse(text).unwrap_err(), &|_| Some(text.to_owned()), false);
    insta::assert_snapshot!(shown, @r#"
    error: `limits.sessions` must be a whole number
     --> town.toml:2:12
      |
    2 | sessions = "many"
      |            ^^^^^^ found a string
    "#);
}

#[test]
fn s75_lengths_of_time_out_of_range_are_refused_with_the_range() {
    let text = "[backoff]\ninitial = '0s'\nmax = '1e9 h'\n[crash-loop]\nwindow = '5'\nstable = '-1s'\nprobe-after = '169h'\n\
                [controller]\nresync = '0s'\ndebounce = '1ms'\nsettle = '2m'\nstop-timeout = '11m'\ntmux-timeout = '0ms'\n";
    insta::assert_snapshot!(mistakes(text), @r#"
    town.toml:2:11: error: `backoff.initial` must lie between 1s and 1h (less than a second is a busy loop; after an hour nobody expects a first restart)
    town.toml:3:7: error: `1e9 h` is not a length of time; write it with units, for example "30s", "15m" or "1h 30m"
    town.toml:5:10: error: `5` is not a length of time; write it with units, for example "30s", "15m" or "1h 30m"
    town.toml:6:10: error: `-1s` is not a length of time; write it with units, for example "30s", "15m" or "1h 30m"
    town.toml:7:15: error: `crash-loop.probe-after` must lie between 1m and 168h (a shorter wait is no end of a crash loop)
    town.toml:9:10: error: `controller.resync` must lie between 1s and 1h (it is the net for notices that were lost: not a poll, and not a day's wait)
    town.toml:10:12: error: `controller.debounce` must lie between 10ms and 5s (an editor writes a file in several steps; people wait for the reaction)
    town.toml:11:10: error: `controller.settle` must lie between 100ms and 1m (a program that cannot run fails within milliseconds; a pass waits for it)
    town.toml:12:16: error: `controller.stop-timeout` must lie between 100ms and 10m (an agent needs time to save its work, and a stop must end)
    town.toml:13:16: error: `controller.tmux-timeout` must lie between 100ms and 1m (a busy machine answers late, and a hung server never does)
    "#);
    insta::assert_snapshot!(mistakes("[backoff]\ninitial = '10m'\nmax = '5m'\n"), @r#"town.toml:3:7: error: `backoff.max` (5m) is shorter than `backoff.initial` (10m)"#);
    insta::assert_snapshot!(mistakes("[backoff]\ninitial = '1h'\n"), @r#"town.toml:2:11: error: `backoff.max` (10m) is shorter than `backoff.initial` (1h) (`backoff.max` has its default; set it as well)"#);
    assert_eq!(mistakes("[backoff]\ninitial = '1h'\nmax = '1h'\n[controller]\ndebounce = '10ms'\n"), "");
}

#[test]
fn s76_names_outside_the_allowed_set_are_refused() {
    let long = "x".repeat(300);
    for bad in [
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
        "a\\nb",
        "$(touch P)",
        "ü",
    ] {
        for table in ["rigs", "sessions", "rigs.r.crew"] {
            let text = format!(
                "[{table}.\"{bad}\"]\n{}",
                if table == "sessions" { "agent = 'claude'\n" } else { "" }
            );
            assert_eq!(mistakes(&text).lines().count(), 1, "{text}");
        }
    }
}

#[test]
fn s77_reserved_names_are_refused() {
    insta::assert_snapshot!(mistakes("[rigs.Mayor]\n[rigs.a]\nprefix = 'hq'\n[rigs.b.crew.crew]\n"), @r#"
    town.toml:1:7: error: `Mayor` cannot be the name of a rig: the word means something else in a town (reserved: hq, mayor, deacon, boot, witness, refinery, polecats, crew, sessions, overseer, dog)
    town.toml:3:10: error: `hq` cannot be a prefix: the word means something else in a town (reserved: hq, mayor, deacon, boot, witness, refinery, polecats, crew, sessions, overseer, dog)
    town.toml:4:14: error: `crew` cannot be the name of a crew member: the word means something else in a town (reserved: hq, mayor, deacon, boot, witness, refinery, polecats, crew, sessions, overseer, dog)
    "#);
}

#[test]
fn what_is_started_is_checked() {
    let text = "[agents.a]\ncommand = []\nenv = { GTCTL_X = '', 1A = '', OK = \"\\u0000\" }\n[sessions.a]\n[sessions.b]\ncommand = ['']\nagent = 'x'\n\
                [rigs.r.crew.m]\ndirectory = \"a\\u0000\"\ncommand = ['x', \"\\u0000\"]\n";
    insta::assert_snapshot!(mistakes(text), @r#"
    town.toml:2:11: error: `agents.a.command` names no program (write the program and its arguments, for example ["claude", "--model", "opus"])
    town.toml:3:9: error: `GTCTL_X` is gtctl's own: it marks what gtctl started (use another name)
    town.toml:3:23: error: `1A` cannot name an environment variable (use A-Z a-z 0-9 and _, and do not start with a digit)
    town.toml:3:37: error: `agents.a.env.OK` holds a NUL byte
    town.toml:4:1: error: session `a` has neither `command` nor `agent` (say what to run)
    town.toml:6:11: error: `sessions.b.command` names no program (write the program and its arguments, for example ["claude", "--model", "opus"])
    town.toml:7:1: error: session `b` has both `command` and `agent` (keep one of them)
    town.toml:9:13: error: `rigs.r.crew.m.directory` holds a NUL byte
    "#);
}

#[test]
fn a_moment_needs_its_offset_and_may_be_a_string() {
    let until =
        |text: &str| parse(&format!("[rigs.x]\nuntil = {text}\n")).map(|town| town.toml.rigs["x"].until);
    let expected = "2026-12-01T09:00:00Z".parse().ok();
    for good in [
        "2026-12-01T09:00:00Z",
        "'2026-12-01T09:00:00Z'",
        "2026-12-01 10:00:00+01:00",
        "'2026-12-01T10:00:00+01:00'",
    ] {
        assert_eq!(until(good).unwrap(), expected, "{good}");
    }
    for bad in ["2026-12-01T09:00:00", "2026-12-01", "09:00:00", "'tomorrow'", "3", "true"] {
        assert_eq!(until(bad).unwrap_err().len(), 1, "{bad}");
    }
}

#[test]
fn law_11_an_empty_file_is_being_written_and_a_comment_is_a_decision() {
    for empty in ["", "\n", " \r\n\t", "\u{feff}"] {
        assert_eq!(
            mistakes(empty),
            "town.toml: error: town.toml is empty (to ask for nothing, write a comment into it, or remove the file)\n"
        );
    }
    assert_eq!(parse("# nothing\n").unwrap().toml, TownToml::default());
}

#[test]
fn sockets_are_names_or_absolute_paths() {
    let socket = |text: &str| mistakes(&format!("[town]\nsocket = \"{text}\"\n")).is_empty();
    assert!(["default", "a_B.9-x", "/run/tmux/x y"].iter().all(|good| socket(good)));
    assert!(!["", "a b", "a/b", "-x", "..", "/", "/a\\u0000"].iter().any(|bad| socket(bad)));
}

#[test]
fn what_the_schema_cannot_see_is_still_an_error_with_a_place() {
    insta::assert_snapshot!(mistakes("[limits]\nsessions = 5.0\n[rigs.x]\nreason = 2026-12-01T09:00:00Z\n"), @r#"town.toml:2:12: error: invalid type: floating point `5.0`, expected usize"#);
    insta::assert_snapshot!(mistakes("[rigs.x\n"), @r#"town.toml:1:8: error: not valid TOML: unclosed table, expected `]`"#);
    insta::assert_snapshot!(mistakes("a = 1\na = 2\n"), @r#"town.toml:2:1: error: not valid TOML: duplicate key"#);
}

#[test]
fn s73_a_torn_file_never_panics() {
    let whole = include_str!("../../../../examples/full/town.toml");
    let mut refused = 0;
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        let part = &whole[..end];
        if let Err(found) = parse(part) {
            refused += 1;
            assert!(!diagnostics::render(&found, &|_| Some(part.to_owned()), false).is_empty());
        }
    }
    assert!(refused > whole.len() / 4, "{refused}");
}

#[test]
fn a_hostile_file_is_refused_and_does_not_overflow_the_stack() {
    for text in [
        format!("a = {}", "[".repeat(500_000)),
        format!("a = {}", "{a=".repeat(300_000)),
        "a.".repeat(500_000),
    ] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn a_byte_order_mark_shifts_no_place() {
    let (plain, marked) = (mistakes("foo = 1\n"), mistakes("\u{feff}foo = 1\n"));
    assert!(marked.contains("unknown key `foo`") && plain.starts_with("town.toml:1:1"), "{marked}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "([a-z\\[\\]{}.=\"'#\\n, 0-9é-]|rigs|state|until|sessions|command){0,40}") {
        if let Err(found) = parse(&text) {
            proptest::prop_assert!(!found.is_empty());
            diagnostics::render(&found, &|_| Some(text.clone()), true);
        }
    }
}

#[test]
fn a_key_of_absurd_length_is_refused_in_few_words_and_hides_what_is_below_it() {
    let long = "k".repeat(257);
    let told = mistakes(&format!("[rigs.{long}]\nstate = 3\nfoo = 1\n"));
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.starts_with("town.toml:1:7: error: the key `kkkk") && told.contains("is longer than 256 bytes"),
        "{told}"
    );
    assert!(!told.contains(&long));
    assert!(parse(&format!("[roles.crew.env]\n{} = ''\n", "K".repeat(256))).is_ok());
}

#[test]
fn a_program_to_ask_for_beads_or_mail_has_a_name() {
    insta::assert_snapshot!(mistakes("[beads]\nprogram = ' '\nevery = '1ms'\n[feed]\nmegabytes = 0\nsling-count = 1\n[convoys]\ntimeout = '2h'\n[mail]\nprogram = ''\nevery = '1d'\n"), @r#"
    town.toml:2:11: error: `beads.program` names no program (write a name or a path, or leave it out to take `bd` or `br`)
    town.toml:3:9: error: `beads.every` must lie between 1s and 24h (each answer costs a process; a rig that was docked yesterday should rest today)
    town.toml:5:13: error: `feed.megabytes` must lie between 1 and 1000
    town.toml:6:15: error: `feed.sling-count` must lie between 2 and 1000
    town.toml:8:11: error: `convoys.timeout` must lie between 100ms and 1h (a check may send mail, and must end)
    town.toml:10:11: error: `mail.program` names no program (write a name or a path, or leave it out to take `gt`)
    town.toml:11:9: error: `mail.every` must lie between 1s and 1h (each look costs processes; a letter is good for six hours)
    "#);
}
