//! What a control-mode client prints, taken apart line by line: answers, which stand between `%begin` and `%end` or `%error`, and notices, which never
//! stand inside an answer. Pure: bytes in, values out.
//!
//! Each command of a line is answered by a block of its own, and `if-shell` by one more for itself, so blocks cannot be counted (docs/tmux.md). An answer
//! ends at the line that repeats the time, the number and the flags of its beginning: text of an agent's screen that looks like an end is none.

/// A larger answer is none to anything gtctl asks, in bytes.
pub const ANSWER_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Something that the client printed, when it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A command's answer.
    Answer {
        /// Whether the command was read from the client's input. What else is answered is the command that the client was started with.
        own: bool,
        /// Whether tmux refused it; then the text is its complaint.
        refused: bool,
        /// What it printed, with all line ends.
        text: Vec<u8>,
    },
    /// Sessions or windows came, went or changed their names, or somebody came or went: worth a look.
    Change,
    /// The client is about to end.
    Exit,
    /// More text than any answer has.
    TooMuch,
}

/// Notices after which a look may show something new. What agents print, and the titles of windows, are not among them.
const CHANGES: &[&str] = &[
    "%sessions-changed",
    "%session-renamed",
    "%window-close",
    "%unlinked-window-close",
    "%client-session-changed",
    "%client-detached",
];

/// Reads lines; keeps what is said of an answer until it is complete.
#[derive(Debug, Default)]
pub struct Blocks {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Time, number and flags, as the beginning has them.
    id: Vec<u8>,
    text: Vec<u8>,
}

impl Blocks {
    /// Takes one line, without its end.
    pub fn line(&mut self, line: &[u8]) -> Option<Heard> {
        match self.open.take() {
            None => self.outside(line),
            Some(open) => self.inside(open, line),
        }
    }

    fn outside(&mut self, line: &[u8]) -> Option<Heard> {
        if let Some(id) = line.strip_prefix(b"%begin ") {
            self.open = Some(Open { id: id.to_vec(), text: Vec::new() });
            return None;
        }
        let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        if word == b"%exit" {
            return Some(Heard::Exit);
        }
        CHANGES.iter().any(|change| change.as_bytes() == word).then_some(Heard::Change)
    }

    fn inside(&mut self, mut open: Open, line: &[u8]) -> Option<Heard> {
        let ends_it = |with: &[u8]| line.strip_prefix(with) == Some(open.id.as_slice());
        let refused = ends_it(b"%error ");
        if refused || ends_it(b"%end ") {
            let own = open.id.rsplit(|byte| *byte == b' ').next() == Some(b"1");
            return Some(Heard::Answer { own, refused, text: open.text });
        }
        if open.text.len() + line.len() >= ANSWER_SIZE_MAX {
            return Some(Heard::TooMuch);
        }
        open.text.extend_from_slice(line);
        open.text.push(b'\n');
        self.open = Some(open);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Heard> {
        let mut blocks = Blocks::default();
        text.lines().filter_map(|line| blocks.line(line.as_bytes())).collect()
    }

    fn answer(own: bool, refused: bool, text: &str) -> Heard {
        Heard::Answer { own, refused, text: text.as_bytes().to_vec() }
    }

    /// As tmux 3.3a printed it, but for the times.
    #[test]
    fn answers_and_notices_are_told_apart() {
        let printed = "%begin 17 265 0\n%end 17 265 0\n%window-add @1\n%sessions-changed\n%begin 17 273 1\nhello\n%end 17 273 1\n\
                       %begin 17 276 1\nparse error: unknown command: nonsense\n%error 17 276 1\n%window-renamed @1 vim\n%exit\n";
        assert_eq!(
            all(printed),
            [
                answer(false, false, ""),
                Heard::Change,
                answer(true, false, "hello\n"),
                answer(true, true, "parse error: unknown command: nonsense\n"),
                Heard::Exit,
            ]
        );
    }

    #[test]
    fn a_screen_that_shows_an_end_ends_nothing() {
        let printed =
            "%begin 17 5 1\n%end 17 4 1\n%end 17 5 0\n%exit\n%sessions-changed\n %end 17 5 1\n%end 17 5 1\n";
        assert_eq!(
            all(printed),
            [answer(true, false, "%end 17 4 1\n%end 17 5 0\n%exit\n%sessions-changed\n %end 17 5 1\n")]
        );
    }

    #[test]
    fn law_1_an_answer_that_breaks_off_is_none() {
        assert_eq!(all("%begin 17 5 1\nhalf of\n"), []);
    }
}
