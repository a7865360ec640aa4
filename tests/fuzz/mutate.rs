//! Mutants: small changes that keep most of an input valid, made of the words of its format.

/// Chance that repeats: the same seed gives the same numbers (SplitMix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.draw() % end).unwrap_or(0)
    }

    fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// What troubles parsers of any format: edges of numbers, quotes, brackets, strange characters, marks of order and of nothing.
const TROUBLE: &[&str] = &[
    "0",
    "-1",
    "1",
    "127",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e308",
    "1e999",
    "-0.0",
    "0.1",
    "nan",
    "inf",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\u{",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "]]",
    "{}",
    "[]",
    ",",
    ":",
    "=",
    ".",
    "..",
    "#",
    "-",
    "$",
    "%",
    "@",
    "/",
    "//",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\0",
    "\u{feff}",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200d}",
    "\u{202e}",
    "\u{2028}",
    "e\u{301}",
    "ß",
    "İ",
    "ﬁ",
    "界",
    "👩‍👩‍👧",
    "\u{10ffff}",
    "\u{fffd}",
    "true",
    "false",
    "null",
    "\"x\"",
];

/// Names for mutations that say how an input is changed; the numbers are their weights.
const KINDS: &[(Kind, usize)] = &[
    (Kind::InsertWord, 5),
    (Kind::ReplaceToken, 5),
    (Kind::Borrow, 6),
    (Kind::Splice, 3),
    (Kind::CopyLine, 3),
    (Kind::CutLine, 3),
    (Kind::SwapLines, 2),
    (Kind::Trouble, 3),
    (Kind::Repeat, 2),
    (Kind::Truncate, 1),
    (Kind::Endings, 1),
    (Kind::Flip, 1),
];

#[derive(Clone, Copy)]
enum Kind {
    InsertWord,
    ReplaceToken,
    Borrow,
    Splice,
    CopyLine,
    CutLine,
    SwapLines,
    Trouble,
    Repeat,
    Truncate,
    Endings,
    Flip,
}

/// No mutant is longer; `giants` are.
pub const LENGTH_MAX: usize = 8 * 1024;

/// One mutant of some kept input, by one to four changes, most often by one.
pub fn mutant(chance: &mut Chance, kept: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let pick = |chance: &mut Chance| kept.get(chance.below(kept.len())).cloned().unwrap_or_default();
    let mut input = pick(chance);
    let changes = 1 + chance.below(2) * chance.below(4);
    for _ in 0..changes {
        let other = pick(chance);
        input = change(chance, &input, &other, words);
    }
    input.truncate(LENGTH_MAX);
    input
}

/// One change of an input; `other` is there to be spliced in.
pub fn change(chance: &mut Chance, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let total: usize = KINDS.iter().map(|(_, weight)| weight).sum();
    let mut left = chance.below(total);
    let kind = KINDS
        .iter()
        .find(|(_, weight)| {
            left < *weight || {
                left -= weight;
                false
            }
        })
        .map_or(Kind::Flip, |(kind, _)| *kind);
    let word =
        |chance: &mut Chance| if words.is_empty() { chance.one_of(TROUBLE) } else { chance.one_of(words) };
    match kind {
        Kind::InsertWord => {
            let (at, word) = (boundary(chance, input), word(chance));
            replaced(input, at, at, word.as_bytes())
        }
        Kind::ReplaceToken => {
            let (start, end) = token(chance, input);
            let word = if chance.below(3) == 0 { chance.one_of(TROUBLE) } else { word(chance) };
            replaced(input, start, end, word.as_bytes())
        }
        // Something of the same form as what it replaces.
        Kind::Borrow => {
            let (start, end) = token(chance, input);
            let borrowed = (0..8)
                .map(|_| token(chance, other))
                .find(|(from, to)| form(&other[*from..*to]) == form(&input[start..end]));
            let (from, to) = borrowed.unwrap_or((0, 0));
            replaced(input, start, if from == to { start } else { end }, &other[from..to])
        }
        Kind::Splice => {
            let (start, end) = lines(chance, other);
            let at = line_start(chance, input);
            replaced(input, at, at, &other[start..end])
        }
        Kind::CopyLine => {
            let (start, end) = lines(chance, input);
            let at = line_start(chance, input);
            replaced(input, at, at, &input[start..end])
        }
        Kind::CutLine => {
            let (start, end) = lines(chance, input);
            replaced(input, start, end, b"")
        }
        Kind::SwapLines => {
            let (start, end) = lines(chance, input);
            let line = input[start..end].to_vec();
            let without = replaced(input, start, end, b"");
            let at = line_start(chance, &without);
            replaced(&without, at, at, &line)
        }
        Kind::Trouble => {
            let at = chance.below(input.len() + 1);
            replaced(input, at, at, chance.one_of(TROUBLE).as_bytes())
        }
        Kind::Repeat => {
            let (start, end) = token(chance, input);
            let part =
                if chance.below(2) == 0 { &input[start..end] } else { chance.one_of(TROUBLE).as_bytes() };
            let times = [2, 3, 64, 65, 100, 129, 256, 1000][chance.below(8)];
            replaced(input, end, end, &part.repeat(times.min(LENGTH_MAX / part.len().max(1))))
        }
        Kind::Truncate => input[..chance.below(input.len() + 1)].to_vec(),
        Kind::Endings => match chance.below(3) {
            0 => String::from_utf8_lossy(input).replace('\n', "\r\n").into_bytes(),
            1 => [b"\xef\xbb\xbf", input].concat(),
            _ => input.strip_suffix(b"\n").unwrap_or(input).to_vec(),
        },
        Kind::Flip => {
            let mut changed = input.to_vec();
            let at = chance.below(changed.len());
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1 << (chance.draw() % 8);
            }
            changed
        }
    }
}

fn replaced(input: &[u8], start: usize, end: usize, with: &[u8]) -> Vec<u8> {
    [&input[..start], with, &input[end..]].concat()
}

/// What belongs together in all of our formats.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || byte >= 0x80
}

/// What kind of thing a token is, by how it begins.
fn form(token: &[u8]) -> u8 {
    match token.first() {
        Some(byte) if byte.is_ascii_digit() => b'0',
        Some(byte) if is_word(*byte) => b'a',
        Some(byte) => *byte,
        None => 0,
    }
}

/// Where a word starts or ends.
fn boundary(chance: &mut Chance, input: &[u8]) -> usize {
    let mut at = chance.below(input.len() + 1);
    while at > 0 && at < input.len() && is_word(input[at - 1]) && is_word(input[at]) {
        at -= 1;
    }
    at
}

/// A word, a quoted text, or a single other byte.
fn token(chance: &mut Chance, input: &[u8]) -> (usize, usize) {
    let at = chance.below(input.len());
    let Some(first) = input.get(at) else { return (0, 0) };
    let (mut start, mut end) = (at, at + 1);
    if is_word(*first) {
        while start > 0 && is_word(input[start - 1]) {
            start -= 1;
        }
        while end < input.len() && is_word(input[end]) {
            end += 1;
        }
    } else if matches!(first, b'"' | b'\'')
        && let Some(length) = input[end..].iter().position(|byte| byte == first)
    {
        end += length + 1;
    }
    (start, end)
}

fn line_start(chance: &mut Chance, input: &[u8]) -> usize {
    let at = chance.below(input.len() + 1);
    input[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// One to three whole lines.
fn lines(chance: &mut Chance, input: &[u8]) -> (usize, usize) {
    let start = line_start(chance, input);
    let mut end = start;
    for _ in 0..=chance.below(3) {
        end += input[end..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(input.len() - end, |newline| newline + 1);
    }
    (start, end)
}
