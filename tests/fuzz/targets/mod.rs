//! What is parsed, and what must hold of the result beyond "no panic".
//!
//! A target panics if something does not hold. It says whether the input was understood, so that it shows when all inputs of a target end
//! at the same door.

mod answers;
mod files;
mod memory;
mod rules;
mod starts;
mod text;
mod town_talk;
mod world;

/// Whether the parser took an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Understood,
    /// It was refused.
    Refused,
}

impl Verdict {
    fn of(understood: bool) -> Self {
        if understood { Self::Understood } else { Self::Refused }
    }
}

/// Which verdicts a target can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Both.
    Both,
    /// What it runs takes every input.
    Understood,
}

/// A parser under test.
pub struct Target {
    /// Its name; that of its test and of its folder in `tests/corpora`.
    pub name: &'static str,
    /// Judges one input; panics if a rule does not hold.
    pub run: fn(&[u8]) -> Verdict,
    /// Words of its format, for mutants.
    pub words: &'static [&'static str],
    /// Which verdicts it can give.
    pub answers: Answers,
    /// How many mutants `cargo test` runs.
    pub mutants: u64,
}

const fn both(
    name: &'static str,
    run: fn(&[u8]) -> Verdict,
    words: &'static [&'static str],
    mutants: u64,
) -> Target {
    Target { name, run, words, answers: Answers::Both, mutants }
}

const fn total(
    name: &'static str,
    run: fn(&[u8]) -> Verdict,
    words: &'static [&'static str],
    mutants: u64,
) -> Target {
    Target { name, run, words, answers: Answers::Understood, mutants }
}

/// All targets.
pub const ALL: &[Target] = &[
    both("town_toml", files::town_toml, files::TOWN_WORDS, 1000),
    both("edit", files::edit, files::TOWN_WORDS, 1000),
    both("rigs", files::rigs, files::JSON_WORDS, 2000),
    both("daemon", files::daemon, files::JSON_WORDS, 2000),
    both("settings", files::settings, files::JSON_WORDS, 2000),
    both("wisp", files::wisp, files::JSON_WORDS, 2000),
    both("kinds", starts::kinds, starts::KIND_WORDS, 2000),
    both("role", starts::role, starts::ROLE_WORDS, 1000),
    both("start_command", starts::start_command, starts::COMMAND_WORDS, 3000),
    both("screens", starts::screens, starts::SCREEN_WORDS, 2000),
    total("stop", files::stop, files::STOP_WORDS, 2000),
    both("graph", files::graph, files::TOWN_WORDS, 500),
    both("ledger", memory::ledger, memory::LEDGER_WORDS, 1000),
    both("events", memory::events, memory::EVENT_WORDS, 1000),
    both("request", memory::request, memory::REQUEST_WORDS, 2000),
    both("answer", memory::answer, memory::ANSWER_WORDS, 2000),
    both("identity", memory::identity, memory::IDENTITY_WORDS, 2000),
    both("snapshot", answers::snapshot, answers::TMUX_WORDS, 2000),
    both("look", answers::look, answers::TMUX_WORDS, 1000),
    both("environments", answers::environments, answers::TMUX_WORDS, 2000),
    both("made", answers::made, answers::TMUX_WORDS, 1000),
    both("complaint", answers::complaint, answers::TMUX_WORDS, 2000),
    both("version", answers::version, answers::TMUX_WORDS, 3000),
    both("issues", town_talk::issues, town_talk::ISSUE_WORDS, 2000),
    both("inbox", town_talk::inbox, town_talk::INBOX_WORDS, 2000),
    both("gt_events", town_talk::gt_events, town_talk::GT_EVENT_WORDS, 1000),
    both("names", text::names, text::NAME_WORDS, 3000),
    total("quote", text::quote, text::QUOTE_WORDS, 2000),
    total("diagnostics", text::diagnostics, text::QUOTE_WORDS, 1000),
];
