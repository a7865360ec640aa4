//! How agents are started: gt's settings and lists of kinds, role files, start commands, and the screens of agents that start.

use std::collections::BTreeMap;

use gtctl::model::Name;
use gtctl::observed::screen::{self, Screen};
use gtctl::town::files::agents::{AGENTS_JSON, CustomAgent, SETTINGS_JSON, parse_kinds, parse_settings};
use gtctl::town::files::roles::{parse_role, role_file};
use gtctl::town::files::start_command::{BadCommand, parse_start_command};

use super::Verdict;
use super::rules::{self, source, text};

pub const KIND_WORDS: &[&str] = &[
    "\"default_agent\"",
    "\"agent\"",
    "\"role_agents\"",
    "\"crew_agents\"",
    "\"worker_agents\"",
    "\"role_effort\"",
    "\"agents\"",
    "\"runtime\"",
    "\"version\"",
    "\"mine\"",
    "\"claude\"",
    "\"provider\"",
    "\"command\"",
    "\"args\"",
    "\"env\"",
    "\"A\"",
    "\"GTCTL_TOWN\"",
    "\"process_names\"",
    "\"exec_wrapper\"",
    "\"prompt_mode\"",
    "\"none\"",
    "\"tmux\"",
    "\"ready_prompt_prefix\"",
    "\"ready_delay_ms\"",
    "\"\\u0000\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "1",
    "-1",
    "true",
];

pub const ROLE_WORDS: &[&str] = &[
    "[session]\n",
    "[env]\n",
    "[health]\n",
    "pattern = 'gt-{rig}-witness'\n",
    "work_dir = '{town}/{rig}'\n",
    "needs_pre_sync = true\n",
    "start_command = 'exec claude --dangerously-skip-permissions'\n",
    "start_command = 'a | b'\n",
    "nudge = 'go'\n",
    "nugde = 1\n",
    "A = 'b'\n",
    "GTCTL_X = 'b'\n",
    "ping_timeout = '30s'\n",
    "'\\u0000'",
    "env.A = 'x'\n",
    "session = 3\n",
];

pub const COMMAND_WORDS: &[&str] = &[
    "exec ", "A=1 ", "'", "\"", "\\", " ", "\t", "claude", "--x", "{rig}", "$", "|", "&&", "cd ", "#", "\n",
    "=", "é",
];

pub const SCREEN_WORDS: &[&str] = &[
    "gtctl-screen m 0\n",
    "gtctl-screen m 1\n",
    "gtctl-screen-end m\n",
    "gtctl-screen x 0\n",
    "❯ ",
    "❯\u{a0}",
    "❯ 1. Yes",
    "│ ",
    " │",
    "\n",
    "Quick safety check",
    "Bypass Permissions mode",
];

/// Settings of the town, settings of a rig, and a list of kinds: one text, read as each.
pub fn kinds(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let rig = Name::parse("gastown").unwrap();
    let mut understood = false;
    for (file, rig) in [(SETTINGS_JSON.to_owned(), None), (format!("gastown/{SETTINGS_JSON}"), Some(&rig))] {
        match parse_settings(&source(&file, &text), rig) {
            Ok((settings, warnings)) => {
                understood = true;
                let said = settings.agent.iter().chain(settings.roles.values()).chain(settings.crew.values());
                for said in said {
                    assert!(!said.value.is_empty(), "what is empty says nothing");
                    rules::of_position(&said.at, &text);
                    assert!(text.get(said.span.clone()).is_some(), "it points at itself");
                }
                of_kinds(&settings.agents, &text);
                if !warnings.is_empty() {
                    rules::of_diagnostics(&warnings, &[(&file, &text)]);
                }
            }
            Err(found) => rules::of_diagnostics(&found, &[(&file, &text)]),
        }
    }
    match parse_kinds(&source(AGENTS_JSON, &text)) {
        Ok(kinds) => of_kinds(&kinds, &text),
        Err(found) => rules::of_diagnostics(&found, &[(AGENTS_JSON, &text)]),
    }
    Verdict::of(understood)
}

/// What gets as far as an exec can be executed.
fn of_kinds(kinds: &BTreeMap<String, CustomAgent>, text: &str) {
    for kind in kinds.values() {
        rules::of_position(&kind.at, text);
        let words = kind.command.iter().chain(kind.args.iter().flatten()).chain(&kind.wrapper);
        assert!(!words.chain(kind.env.values()).any(|word| word.contains('\0')));
        assert!(kind.env.keys().all(|name| !name.contains('=') && !name.starts_with("GTCTL_")));
    }
}

pub fn role(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let file = role_file("witness");
    match parse_role(&source(&file, &text)) {
        Ok((role, warnings)) => {
            for said in [&role.pattern, &role.work_dir, &role.nudge].into_iter().flatten() {
                assert!(!said.value.is_empty() && !said.value.contains('\0'));
                rules::of_position(&said.at, &text);
                assert!(text.get(said.span.clone()).is_some(), "it points at itself");
            }
            assert!(role.start_command.is_none_or(|said| !said.value.is_gts_own()));
            assert!(!role.env.values().any(|value| value.contains('\0')));
            if !warnings.is_empty() {
                rules::of_diagnostics(&warnings, &[(&file, &text)]);
            }
            Verdict::Understood
        }
        Err(found) => {
            rules::of_diagnostics(&found, &[(&file, &text)]);
            Verdict::Refused
        }
    }
}

/// What a line comes to, written out with quotes, comes to the same.
pub fn start_command(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    match parse_start_command(&text) {
        Ok(command) => {
            assert!(command.argv.first().is_some_and(|program| !program.is_empty()));
            let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
            let variables = command.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
            let line: Vec<String> = variables.chain(command.argv.iter().map(quoted)).collect();
            // A program called `exec` is a program once it is quoted, and `exec` in front of it says so.
            assert_eq!(parse_start_command(&format!("exec {}", line.join(" "))), Ok(command));
            Verdict::Understood
        }
        Err(why) => {
            assert!(
                why != BadCommand::Empty
                    || !text.contains(char::is_alphabetic)
                    || text.contains('=')
                    || text.contains("exec")
            );
            assert!(!why.to_string().contains(char::is_control), "{why} is safe to print");
            Verdict::Refused
        }
    }
}

/// A screen that is cut short is no screen, and a question is never taken for a prompt.
pub fn screens(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let found = screen::parse(&text, "m");
    for (index, rows) in &found {
        assert!(text.contains(&format!("gtctl-screen m {index}\n")) && text.contains("gtctl-screen-end m\n"));
        let seen = screen::read(rows, Some("❯ "));
        let asks = |seen: &Screen| matches!(seen, Screen::Asks(_));
        assert_eq!(asks(&seen), asks(&screen::read(rows, None)), "the prompt does not matter for that");
        assert!(seen != Screen::Ready || rows.iter().any(|row| row.contains('❯')));
    }
    Verdict::of(!found.is_empty())
}
