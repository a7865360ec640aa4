//! From words to commands: names are found, flags are taken apart, arguments are counted. tmux does this for a whole script before it runs
//! any of it.

use std::borrow::Cow;

use super::lex::{Statement, Word};
use super::table::{Entry, Verb, find};

/// A command that can be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// Which.
    pub verb: Verb,
    /// Its full name.
    pub name: &'static str,
    /// Commands of one group end together with the first that fails.
    pub group: usize,
    flags: Vec<(u8, Option<Cow<'a, str>>)>,
    /// Its arguments.
    pub values: Vec<Value<'a>>,
}

/// An argument.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// `{ … }`
    Block(Vec<Command<'a>>),
}

/// Why commands cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// In which line of the script.
    pub line: u32,
    /// What tmux says.
    pub what: String,
    /// What this model does not know, if that is why.
    pub unmodelled: Option<String>,
}

/// What makes commands of one line one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    /// Each line is a group of its own.
    ByLine,
    /// All are one.
    One,
}

impl<'a> Command<'a> {
    /// Whether it has a flag.
    pub fn has(&self, flag: u8) -> bool {
        self.flags.iter().any(|(it, _)| *it == flag)
    }

    /// The value of a flag, the last one if it is there more than once.
    pub fn get(&self, flag: u8) -> Option<&str> {
        self.flags.iter().rev().find(|(it, _)| *it == flag)?.1.as_deref()
    }

    /// All values of a flag, in their order.
    pub fn all(&self, flag: u8) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(it, _)| *it == flag).filter_map(|(_, value)| value.as_deref())
    }

    /// An argument that is a text; empty if there is none.
    pub fn text(&self, number: usize) -> &str {
        match self.values.get(number) {
            Some(Value::Text(text)) => text,
            Some(Value::Block(_)) | None => "",
        }
    }

    /// All arguments that are texts.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.values.iter().filter_map(|value| match value {
            Value::Text(text) => Some(text.clone().into_owned()),
            Value::Block(_) => None,
        });
        texts.collect()
    }
}

/// Makes commands of statements, all or none.
pub(super) fn commands<'a>(
    statements: Vec<Statement<'a>>,
    grouping: Grouping,
) -> Result<Vec<Command<'a>>, Unfit> {
    let mut commands = Vec::with_capacity(statements.len());
    let (mut group, mut line) = (0, None);
    for statement in statements {
        if grouping == Grouping::ByLine && line.is_some_and(|line| line != statement.line) {
            group += 1;
        }
        line = Some(statement.line);
        commands.push(command(statement, group, grouping)?);
    }
    Ok(commands)
}

fn command<'a>(statement: Statement<'a>, group: usize, grouping: Grouping) -> Result<Command<'a>, Unfit> {
    let line = statement.line;
    let unfit = |what: String| Unfit { line, what, unmodelled: None };
    let mut values = Vec::with_capacity(statement.words.len());
    for word in statement.words {
        values.push(match word {
            Word::Text(text) => Value::Text(text),
            Word::Block(inner) => Value::Block(commands(inner, grouping)?),
        });
    }
    let Some(Value::Text(name)) = values.first() else { return Err(unfit("no command".to_owned())) };
    let entry = find(name).map_err(unfit)?;
    let Some(verb) = entry.verb else {
        let what = format!("unknown command: {name}");
        return Err(Unfit { line, what, unmodelled: Some(entry.name.to_owned()) });
    };
    let (flags, values) = flags(entry, values).map_err(|what| {
        // tmux 3.3a takes such a flag for one without a value, by an accident of its own (docs/tmux.md).
        let unmodelled = what.ends_with("expects an argument").then(|| what.clone());
        Unfit { unmodelled, ..unfit(format!("command {}: {what}", entry.name)) }
    })?;
    if let Some((flag, _)) = flags.iter().find(|(flag, _)| entry.not_modelled.as_bytes().contains(flag)) {
        let flag = char::from(*flag);
        let what = format!("command {}: unknown flag -{flag}", entry.name);
        return Err(Unfit { line, what, unmodelled: Some(format!("{} -{flag}", entry.name)) });
    }
    check_arguments(entry, &values).map_err(|what| unfit(format!("command {}: {what}", entry.name)))?;
    Ok(Command { verb, name: entry.name, group, flags, values })
}

type Flags<'a> = Vec<(u8, Option<Cow<'a, str>>)>;

/// Takes the flags off the words of a command.
fn flags<'a>(entry: &Entry, words: Vec<Value<'a>>) -> Result<(Flags<'a>, Vec<Value<'a>>), String> {
    let mut flags = Vec::new();
    let mut words = words.into_iter().skip(1).peekable();
    while let Some(Value::Text(word)) = words.next_if(is_flags) {
        if word == "--" {
            break;
        }
        for (at, flag) in word.bytes().enumerate().skip(1) {
            let shown = char::from(flag);
            if !flag.is_ascii_alphanumeric() {
                return Err(format!("invalid flag -{shown}"));
            }
            let Some(place) = entry.flags.find(shown) else { return Err(format!("unknown flag -{shown}")) };
            if !entry.flags.get(place + 1..).unwrap_or_default().starts_with(':') {
                flags.push((flag, None));
                continue;
            }
            let value = match word.get(at + 1..) {
                Some(rest) if !rest.is_empty() => Cow::Owned(rest.to_owned()),
                _ => match words.next() {
                    None => return Err(format!("-{shown} expects an argument")),
                    Some(Value::Block(_)) => return Err(format!("-{shown} argument must be a string")),
                    Some(Value::Text(text)) => text,
                },
            };
            flags.push((flag, Some(value)));
            break;
        }
    }
    Ok((flags, words.collect()))
}

fn is_flags(word: &Value<'_>) -> bool {
    matches!(word, Value::Text(text) if text.len() > 1 && text.starts_with('-'))
}

fn check_arguments(entry: &Entry, values: &[Value<'_>]) -> Result<(), String> {
    for (number, value) in values.iter().enumerate() {
        let may_be_block = match entry.verb {
            Some(Verb::IfShell) => number == 1 || number == 2,
            Some(Verb::SetOption | Verb::SetWindowOption) => number == 1,
            _ => false,
        };
        if !may_be_block && matches!(value, Value::Block(_)) {
            return Err(format!("argument {} must be \"string\"", number + 1));
        }
    }
    if values.len() < entry.least {
        return Err(format!("too few arguments (need at least {})", entry.least));
    }
    if values.len() > entry.most {
        return Err(format!("too many arguments (need at most {})", entry.most));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tmux::lex::script;

    fn read(text: &str) -> Result<Vec<Command<'_>>, Unfit> {
        commands(script(text, &|_| None).unwrap(), Grouping::ByLine)
    }

    #[test]
    fn flags_are_taken_apart() {
        let read = read("new -dPs name -x200 -e A=1 -e B=2 -- -x y").unwrap();
        let command = &read[0];
        assert_eq!(command.verb, Verb::NewSession);
        assert!(command.has(b'd') && command.has(b'P') && !command.has(b'y'));
        assert_eq!((command.get(b's'), command.get(b'x')), (Some("name"), Some("200")));
        assert_eq!(command.all(b'e').collect::<Vec<&str>>(), ["A=1", "B=2"]);
        assert_eq!(command.texts(), ["-x", "y"]);
    }

    #[test]
    fn lines_are_groups_and_blocks_have_groups_of_their_own() {
        let read = read("ls ; ls\nif -F 1 { ls ; ls } ; ls").unwrap();
        assert_eq!(read.iter().map(|command| command.group).collect::<Vec<usize>>(), [0, 0, 1, 1]);
        assert!(matches!(&read[2].values[1], Value::Block(inner) if inner.len() == 2));
    }

    #[test]
    fn what_is_wrong_is_said_in_tmux_words() {
        for (text, line, what) in [
            ("ls\nfoo", 2, "unknown command: foo"),
            ("ls -z", 1, "command list-sessions: unknown flag -z"),
            ("ls a", 1, "command list-sessions: too many arguments (need at most 0)"),
            ("if -F 1", 1, "command if-shell: too few arguments (need at least 2)"),
            ("rename { ls }", 1, "command rename-session: argument 1 must be \"string\""),
        ] {
            let unfit = read(text).unwrap_err();
            assert_eq!((unfit.line, unfit.what.as_str(), unfit.unmodelled), (line, what, None), "{text}");
        }
    }

    #[test]
    fn what_is_not_modelled_is_said_so() {
        assert!(read("kill-session -t").unwrap_err().unmodelled.is_some());
        assert_eq!(read("paste-buffer -p").unwrap_err().unmodelled.as_deref(), Some("paste-buffer"));
        assert_eq!(read("new -A").unwrap_err().unmodelled.as_deref(), Some("new-session -A"));
    }
}
