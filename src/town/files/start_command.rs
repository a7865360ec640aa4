//! A start command as gt's role files spell it, a line for a shell, taken apart without one: quotes are taken off, `exec` and leading variables
//! are understood, and what only a shell could do is refused (law 13).

/// A program, its arguments, and variables for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartCommand {
    /// `NAME=value` that stood before the program.
    pub env: Vec<(String, String)>,
    /// Program and arguments; at least the program.
    pub argv: Vec<String>,
}

/// The command that stands in each of gt's own role files; it means "the agent of the role".
const GTS_OWN: &[&str] = &["claude", "--dangerously-skip-permissions"];

impl StartCommand {
    /// Whether it is the one of gt's own role files.
    pub fn is_gts_own(&self) -> bool {
        self.env.is_empty() && self.argv == GTS_OWN
    }
}

/// Why a line is no command without a shell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// There is nothing to run.
    #[error("names no program")]
    Empty,
    /// A quote has no end.
    #[error("has a quote without an end")]
    Open,
    /// This means something to a shell alone.
    #[error("needs a shell for `{0}`, and gtctl runs none")]
    Shell(String),
}

/// What a shell does more with than passing it on, outside quotes.
const SPECIAL: &str = "$`;&|<>()*?[]#~!\n";

/// Words that are commands of the shell itself.
const OF_THE_SHELL: &[&str] = &[
    ".", ":", "alias", "case", "cd", "eval", "exec", "export", "for", "if", "set", "source", "trap",
    "ulimit", "umask", "unset", "until", "while", "{",
];

/// Takes a line apart.
pub fn parse_start_command(line: &str) -> Result<StartCommand, BadCommand> {
    let mut words = words(line)?.into_iter().peekable();
    words.next_if(|word| word.text == "exec");
    let mut env = Vec::new();
    while let Some(variable) = words.peek().and_then(Word::variable) {
        env.push(variable);
        words.next();
    }
    let argv: Vec<String> = words.map(|word| word.text).collect();
    match argv.first() {
        None => Err(BadCommand::Empty),
        Some(program) if program.is_empty() => Err(BadCommand::Empty),
        Some(program) if OF_THE_SHELL.contains(&program.as_str()) => Err(BadCommand::Shell(program.clone())),
        Some(_) => Ok(StartCommand { env, argv }),
    }
}

#[derive(Default)]
struct Word {
    text: String,
    /// So many bytes at its start were not quoted.
    bare: usize,
}

impl Word {
    /// `NAME=value`, if a shell would take it for that.
    fn variable(&self) -> Option<(String, String)> {
        let (name, value) = self.text.split_once('=')?;
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name && name.len() < self.bare).then(|| (name.to_owned(), value.to_owned()))
    }
}

fn words(line: &str) -> Result<Vec<Word>, BadCommand> {
    let (mut words, mut word) = (Vec::new(), None::<Word>);
    let mut quoted_before = false;
    let mut letters = line.trim().chars();
    while let Some(letter) = letters.next() {
        if letter == ' ' || letter == '\t' {
            words.extend(word.take());
            quoted_before = false;
            continue;
        }
        let word = word.get_or_insert_default();
        match letter {
            '\'' | '"' => {
                quoted_before = true;
                quoted(&mut letters, letter, &mut word.text)?;
            }
            '\\' => {
                quoted_before = true;
                word.text.push(letters.next().ok_or(BadCommand::Open)?);
            }
            special if SPECIAL.contains(special) => {
                // `a#b` and `a~b` are words like any other.
                if matches!(special, '#' | '~' | '!') && !word.text.is_empty() {
                    word.text.push(special);
                } else {
                    return Err(BadCommand::Shell(special.escape_debug().to_string()));
                }
            }
            other => word.text.push(other),
        }
        if !quoted_before {
            word.bare = word.text.len();
        }
    }
    words.extend(word);
    Ok(words)
}

/// The rest of a quoted part.
fn quoted(letters: &mut std::str::Chars<'_>, quote: char, to: &mut String) -> Result<(), BadCommand> {
    loop {
        match letters.next().ok_or(BadCommand::Open)? {
            letter if letter == quote => return Ok(()),
            letter @ ('$' | '`') if quote == '"' => return Err(BadCommand::Shell(letter.to_string())),
            '\\' if quote == '"' => match letters.next().ok_or(BadCommand::Open)? {
                letter @ ('"' | '\\' | '$' | '`') => to.push(letter),
                other => to.extend(['\\', other]),
            },
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<String> {
        parse_start_command(line).unwrap().argv
    }

    #[test]
    fn a_line_is_taken_apart_as_a_shell_would() {
        assert_eq!(argv("exec claude --model  opus"), ["claude", "--model", "opus"]);
        assert_eq!(
            argv(r#"a 'b c' "d \"e\" \x" f\ g '' h#i --x={rig}"#),
            ["a", "b c", r#"d "e" \x"#, "f g", "", "h#i", "--x={rig}"]
        );
        let with_env = parse_start_command("exec A=1 B='x y' claude C=2").unwrap();
        assert_eq!(with_env.env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x y".to_owned())]);
        assert_eq!(with_env.argv, ["claude", "C=2"]);
        assert_eq!(argv("'A=1' x"), ["A=1", "x"], "a quoted one is a program, as in a shell");
        assert_eq!(argv("env A=1 claude"), ["env", "A=1", "claude"], "env is a program");
    }

    #[test]
    fn law_13_what_needs_a_shell_is_refused() {
        for line in [
            "a && b",
            "a | b",
            "a > f",
            "a $HOME",
            "a `b`",
            "a \"$B\"",
            "a *",
            "cd x",
            "export A=1",
            "a\nb",
            "(a)",
            "~/a",
            "# a",
            "if x",
        ] {
            assert!(matches!(parse_start_command(line), Err(BadCommand::Shell(_))), "{line}");
        }
        assert_eq!(parse_start_command("a 'b"), Err(BadCommand::Open));
        for line in ["", "  ", "exec", "A=1", "''"] {
            assert_eq!(parse_start_command(line), Err(BadCommand::Empty), "{line}");
        }
    }

    #[test]
    fn gts_own_command_means_nothing() {
        assert!(parse_start_command("exec claude --dangerously-skip-permissions").unwrap().is_gts_own());
        assert!(!parse_start_command("exec claude --dangerously-skip-permissions -x").unwrap().is_gts_own());
    }
}
