//! tmux's command language: words, quotes, escapes, braces, and `;` between commands.
//!
//! Not modelled, and said so: assignments, `%if` and its kin, and `~`.

use std::borrow::Cow;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<'a> {
    /// A plain word, its quotes taken off.
    Text(Cow<'a, str>),
    /// `{ … }`: commands for later.
    Block(Vec<Statement<'a>>),
}

/// One command: its name and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The line that it ends on; commands of one line end together with the first that fails.
    pub line: u32,
    /// Its words; never none.
    pub words: Vec<Word<'a>>,
}

/// Why a text is no script. Nothing of it is run then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub line: u32,
    /// What tmux says.
    pub what: Cow<'static, str>,
    /// What this model does not know, if that is why.
    pub unmodelled: Option<&'static str>,
}

/// Tells the value of a variable of the server's global environment, for `$NAME`.
pub type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Reads a script.
pub fn script<'a>(text: &'a str, variables: Variables<'_>) -> Result<Vec<Statement<'a>>, Mistake> {
    let mut reader = Reader { text, at: 0, line: 1, line_ended: false, at_end: false, variables };
    if text.contains("\\\n") {
        return Err(reader.not_modelled("a line that goes on"));
    }
    reader.statements(false)
}

/// Takes the arguments of a client apart: a `;` at the end of one ends a command, unless it is escaped.
pub fn arguments<'a>(arguments: &[&'a str]) -> Vec<Statement<'a>> {
    let mut statements = Vec::new();
    let mut words = Vec::new();
    for argument in arguments {
        let Some(rest) = argument.strip_suffix(';') else {
            words.push(Word::Text(Cow::Borrowed(*argument)));
            continue;
        };
        if let Some(start) = rest.strip_suffix('\\') {
            words.push(Word::Text(Cow::Owned(format!("{start};"))));
            continue;
        }
        if !rest.is_empty() {
            words.push(Word::Text(Cow::Borrowed(rest)));
        }
        if !words.is_empty() {
            statements.push(Statement { line: 0, words: std::mem::take(&mut words) });
        }
    }
    if !words.is_empty() {
        statements.push(Statement { line: 0, words });
    }
    statements
}

enum Token<'a> {
    LineEnd,
    Semicolon,
    Open,
    Close,
    Word(Cow<'a, str>),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Start,
    None,
    Double,
    Single,
}

struct Reader<'a, 'v> {
    text: &'a str,
    at: usize,
    line: u32,
    /// Whether the last token was a line's end: the line is counted when the next one is read.
    line_ended: bool,
    /// Whether the line's end that closes every text has been given.
    at_end: bool,
    variables: Variables<'v>,
}

impl<'a> Reader<'a, '_> {
    fn wrong(&self, what: impl Into<Cow<'static, str>>) -> Mistake {
        Mistake { line: self.line, what: what.into(), unmodelled: None }
    }

    fn not_modelled(&self, what: &'static str) -> Mistake {
        Mistake { line: self.line, what: Cow::Borrowed("syntax error"), unmodelled: Some(what) }
    }

    /// Everything up to the end, or to the brace that closes.
    fn statements(&mut self, in_block: bool) -> Result<Vec<Statement<'a>>, Mistake> {
        let mut statements = Vec::new();
        // A line may not begin with `;`, but two of them may follow each other.
        let mut begun = false;
        let mut token = self.token()?;
        loop {
            token = match token {
                Token::End if !in_block => return Ok(statements),
                Token::Close if in_block => return Ok(statements),
                Token::LineEnd => {
                    begun = false;
                    self.token()?
                }
                Token::Semicolon if begun => self.token()?,
                Token::Word(name) => {
                    begun = true;
                    let (statement, next) = self.statement(name)?;
                    statements.push(statement);
                    next
                }
                Token::End | Token::Close | Token::Semicolon | Token::Open => {
                    return Err(self.wrong("syntax error"));
                }
            };
        }
    }

    fn statement(&mut self, name: Cow<'a, str>) -> Result<(Statement<'a>, Token<'a>), Mistake> {
        if is_assignment(&name) {
            return Err(self.not_modelled("an assignment"));
        }
        let mut words = vec![Word::Text(name)];
        loop {
            match self.token()? {
                Token::Word(word) => words.push(Word::Text(word)),
                Token::Open => words.push(Word::Block(self.statements(true)?)),
                next => return Ok((Statement { line: self.line, words }, next)),
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn token(&mut self) -> Result<Token<'a>, Mistake> {
        if std::mem::take(&mut self.line_ended) {
            self.line += 1;
        }
        loop {
            let Some(letter) = self.peek() else {
                return Ok(if std::mem::replace(&mut self.at_end, true) {
                    Token::End
                } else {
                    Token::LineEnd
                });
            };
            match letter {
                ' ' | '\t' => self.at += 1,
                '\n' => {
                    self.at += 1;
                    self.line_ended = true;
                    return Ok(Token::LineEnd);
                }
                ';' | '{' | '}' => {
                    self.at += 1;
                    return Ok(match letter {
                        ';' => Token::Semicolon,
                        '{' => Token::Open,
                        _ => Token::Close,
                    });
                }
                '#' => {
                    let length = self.rest().find('\n');
                    let Some(length) = length else {
                        self.at = self.text.len();
                        continue;
                    };
                    self.at += length + 1;
                    // The line is counted at once here, so a command with a comment behind it ends on the next line.
                    self.line += 1;
                    return Ok(Token::LineEnd);
                }
                '%' => {
                    let rest = self.rest();
                    let word = rest.split([' ', '\t', '\n']).next().unwrap_or(rest);
                    self.at += word.len();
                    if word.bytes().all(|byte| byte == b'%' || byte.is_ascii_digit()) {
                        return Ok(Token::Word(Cow::Borrowed(word)));
                    }
                    return Err(self.not_modelled("a condition"));
                }
                _ => return self.word().map(Token::Word),
            }
        }
    }

    fn word(&mut self) -> Result<Cow<'a, str>, Mistake> {
        let rest = self.rest();
        let ends = |text: &str| text.is_empty() || text.starts_with([' ', '\t', '\n', ';', '}']);
        // Most words are one plain run of letters, or one quoted run.
        if let Some(quoted) = rest.strip_prefix('\'')
            && let Some((inner, after)) = quoted.split_once('\'')
            && ends(after)
            && !inner.contains('\n')
        {
            self.at += inner.len() + 2;
            return Ok(Cow::Borrowed(inner));
        }
        let is_special = |letter: char| "'\"\\~$ \t\n;}".contains(letter);
        let (plain, after) = rest.split_at(rest.find(is_special).unwrap_or(rest.len()));
        if ends(after) && !plain.is_empty() {
            self.at += plain.len();
            return Ok(Cow::Borrowed(plain));
        }
        self.quoted_word().map(Cow::Owned)
    }

    fn quoted_word(&mut self) -> Result<String, Mistake> {
        let mut word = String::new();
        let (mut state, mut last) = (Quotes::None, Quotes::Start);
        while let Some(letter) = self.peek() {
            let quoted = state != Quotes::None;
            match letter {
                ' ' | '\t' | ';' | '}' | '\n' if !quoted => break,
                '\n' => {
                    self.at += 1;
                    word.push('\n');
                    self.skip_indentation();
                    continue;
                }
                '\\' if state != Quotes::Single => {
                    self.at += 1;
                    self.escape(&mut word)?;
                }
                '~' if last != state && state != Quotes::Single => {
                    return Err(self.not_modelled("a home directory"));
                }
                '$' if state != Quotes::Single => {
                    self.at += 1;
                    self.variable(&mut word)?;
                }
                '\'' if matches!(state, Quotes::None | Quotes::Single) => {
                    self.at += 1;
                    state = if quoted { Quotes::None } else { Quotes::Single };
                    continue;
                }
                '"' if matches!(state, Quotes::None | Quotes::Double) => {
                    self.at += 1;
                    state = if quoted { Quotes::None } else { Quotes::Double };
                    continue;
                }
                _ => {
                    self.at += letter.len_utf8();
                    word.push(letter);
                }
            }
            last = state;
        }
        Ok(word)
    }

    /// Behind a line's end in quotes, the indentation of the next line goes, and whole lines of comment.
    fn skip_indentation(&mut self) {
        let rest = self.rest();
        let text = rest.trim_start_matches([' ', '\t']);
        self.at += rest.len() - text.len();
        if let Some(comment) = text.strip_prefix('#')
            && !comment.starts_with([',', '#', '{', '}', ':'])
        {
            // The letter behind the `#` is never its end, not even if it is a line's.
            let first = comment.chars().next().map_or(0, char::len_utf8);
            let tail = comment.get(first..).unwrap_or_default();
            self.at += 1 + first + tail.find('\n').unwrap_or(tail.len());
        }
    }

    fn escape(&mut self, word: &mut String) -> Result<(), Mistake> {
        let Some(letter) = self.next() else { return Err(self.wrong("syntax error")) };
        word.push(match letter {
            '0'..='7' => return self.octal(letter, word),
            'a' => '\x07',
            'b' => '\x08',
            'e' => '\x1b',
            'f' => '\x0c',
            's' => ' ',
            'v' => '\x0b',
            'r' => '\r',
            'n' => '\n',
            't' => '\t',
            'u' | 'U' => return Err(self.not_modelled("a letter by its number")),
            other => other,
        });
        Ok(())
    }

    fn octal(&mut self, first: char, word: &mut String) -> Result<(), Mistake> {
        let digits = self.rest().get(..2).filter(|digits| digits.bytes().all(|b| (b'0'..=b'7').contains(&b)));
        let number = digits.and_then(|digits| u32::from_str_radix(&format!("{first}{digits}"), 8).ok());
        match number {
            Some(number @ 0..=0x7f) => {
                self.at += 2;
                word.extend(char::from_u32(number));
                Ok(())
            }
            Some(0x80..=0xff) => Err(self.not_modelled("a byte by its number")),
            _ => Err(self.wrong("invalid octal escape")),
        }
    }

    fn variable(&mut self, word: &mut String) -> Result<(), Mistake> {
        let rest = self.rest();
        let (name, braces) = match rest.strip_prefix('{') {
            Some(inside) => (inside, true),
            None => (rest, false),
        };
        let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = name.get(..name.find(|letter| !is_of_a_name(letter)).unwrap_or(name.len())).unwrap_or("");
        if braces {
            if rest.get(name.len() + 1..).is_none_or(|tail| !tail.starts_with('}')) {
                return Err(self.wrong("invalid environment variable"));
            }
            self.at += name.len() + 2;
        } else if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            word.push('$');
            return Ok(());
        } else {
            self.at += name.len();
        }
        word.extend((self.variables)(name));
        Ok(())
    }
}

/// Whether a word at the place of a command's name is `NAME=VALUE`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|letter: char| letter.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::tmux::quote::word;

    fn words(text: &str) -> Vec<Vec<String>> {
        let texts = |words: Vec<Word<'_>>| -> Vec<String> {
            words
                .into_iter()
                .map(|word| match word {
                    Word::Text(text) => text.into_owned(),
                    Word::Block(inner) => format!("block of {}", inner.len()),
                })
                .collect()
        };
        let value = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let read = script(text, &value).unwrap();
        read.into_iter().map(|statement| texts(statement.words)).collect()
    }

    #[test]
    fn what_gtctl_quotes_arrives_as_it_was() {
        for text in [
            "",
            "a b",
            "it's",
            "a;b",
            "{x}",
            "#{pid}",
            "a\nb\r",
            "\\",
            "\"",
            "$HOME",
            "ü",
            "# no comment",
            "a\n   # b",
        ] {
            assert_eq!(words(&format!("cmd {} ; next", word(text))), [vec!["cmd", text], vec!["next"]]);
        }
    }

    #[test]
    fn words_are_put_together_as_tmux_does() {
        for (text, expected) in [
            (r#"c "a\tb\"c" x"y"'z'"#, vec!["c", "a\tb\"c", "xyz"]),
            (r"c \101\;\ x", vec!["c", "A; x"]),
            (
                "c $HOME/x ${HOME} $3: '$HOME' \"$NOBODY\"",
                vec!["c", "/home/me/x", "/home/me", "$3:", "$HOME", ""],
            ),
            ("c %4 %% a{b", vec!["c", "%4", "%%", "a{b"]),
            ("c 'open", vec!["c", "open"]),
            ("c 'a\n   b' d", vec!["c", "a\nb", "d"]),
            ("c { a ; b } e # f", vec!["c", "block of 2", "e"]),
        ] {
            assert_eq!(words(text), [expected], "{text}");
        }
    }

    #[test]
    fn lines_are_counted() {
        let read = script("a ; b\n\nc {\n d\n} e\n", &|_| None).unwrap();
        assert_eq!(read.iter().map(|statement| statement.line).collect::<Vec<u32>>(), [1, 1, 5]);
    }

    #[test]
    fn what_is_no_script_is_refused_as_a_whole() {
        for (text, line) in
            [("a\n; b", 2), ("a {\n b", 2), ("a }", 1), ("{ a }", 1), ("a \\8 \\9\n b \\7", 2)]
        {
            assert_eq!(script(text, &|_| None).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn a_semicolon_at_the_end_of_an_argument_ends_a_command() {
        let read = arguments(&["a", "x;", "b", r"y\;", ";", ";", "c"]);
        let texts: Vec<usize> = read.iter().map(|statement| statement.words.len()).collect();
        assert_eq!(texts, [2, 2, 1]);
        assert_eq!(read[1].words[1], Word::Text("y;".into()));
    }
}
