//! Messages: a header of 16 bytes in the machine's byte order, and what follows it. Pure.

/// The version of tmux's protocol.
const VERSION: u32 = 8;

/// A message is at most so long, its header included: tmux gives up on a longer one.
const MESSAGE_MAX: usize = 16 * 1024;

/// Type, length, version, process.
const HEADER: usize = 16;

/// What fits into one message.
pub const BODY_MAX: usize = MESSAGE_MAX - HEADER;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Say {
    /// What kind of terminal it is in, ended by a zero byte.
    Term = 101,
    /// Its terminal's name, ended by a zero byte.
    TtyName = 102,
    /// A variable of its environment, ended by a zero byte.
    Environ = 105,
    /// That it has said who it is.
    Done = 106,
    /// Its process, 4 bytes.
    ClientPid = 107,
    /// Its working directory, ended by a zero byte.
    Cwd = 108,
    /// What its terminal can do, 4 bytes.
    Features = 109,
    /// How it is to be treated, 8 bytes.
    LongFlags = 111,
    /// The number of words, 4 bytes, and the words, each ended by a zero byte.
    Command = 200,
    /// That it has understood that this is the end.
    Exiting = 205,
    /// The stream's number, 4 bytes, and a part of its input.
    Read = 301,
    /// The stream's number and 0, 4 bytes each: that was all of its input.
    ReadDone = 302,
    /// The stream's number and 0, 4 bytes each: it takes what is written.
    WriteReady = 305,
}

/// What a server says, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It wants the input of this stream.
    ReadOpen { stream: [u8; 4] },
    /// It will write to this stream, which is standard output (1) or standard error (2).
    WriteOpen { stream: [u8; 4], file: i32 },
    /// It writes.
    Write { stream: [u8; 4], bytes: Vec<u8> },
    /// The script is over, with this exit status, and perhaps a reason.
    Exit { code: i32, reason: Vec<u8> },
    /// Nothing that needs an answer.
    Other,
}

/// Why what was received is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The server speaks another version, or ends.
    #[error("the server ends the conversation")]
    Ends,
    /// It makes no sense.
    #[error("the message makes no sense")]
    Malformed,
}

/// Appends a message; `false`, and nothing, if it is too long.
#[must_use]
pub fn say(what: Say, parts: &[&[u8]], to: &mut Vec<u8>) -> bool {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let length = body.saturating_add(HEADER);
    let Some(length) = u32::try_from(length).ok().filter(|_| body <= BODY_MAX) else { return false };
    // Nobody in particular sends it: tmux leaves the process at -1.
    for field in [what as u32, length, VERSION, u32::MAX] {
        to.extend(field.to_ne_bytes());
    }
    parts.iter().for_each(|part| to.extend(*part));
    true
}

/// What was received and not understood yet.
#[derive(Debug, Default)]
pub struct Inbox(Vec<u8>);

impl Inbox {
    /// More has come.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// The next message, if it is whole.
    pub fn next(&mut self) -> Result<Option<Said>, Unfit> {
        let Some(header) = self.0.first_chunk::<HEADER>() else { return Ok(None) };
        let field = |at: usize| number(header.get(at..).unwrap_or_default()).unwrap_or_default();
        let (kind, length, version) = (field(0), field(4), field(8));
        if version & 0xff != VERSION {
            return Err(Unfit::Ends);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(HEADER..=MESSAGE_MAX).contains(&length) {
            return Err(Unfit::Malformed);
        }
        let Some(body) = self.0.get(HEADER..length) else { return Ok(None) };
        let said = understand(kind, body);
        self.0.drain(..length);
        said.map(Some)
    }
}

fn understand(kind: u32, body: &[u8]) -> Result<Said, Unfit> {
    let stream = || body.first_chunk::<4>().copied().ok_or(Unfit::Malformed);
    let after = |at: usize| body.get(at..).unwrap_or_default();
    let signed = |at: usize| number(after(at)).map(u32::cast_signed).ok_or(Unfit::Malformed);
    Ok(match kind {
        // MSG_VERSION, MSG_SHUTDOWN
        12 | 210 => return Err(Unfit::Ends),
        // MSG_EXIT; without a status it is 0
        203 if body.is_empty() => Said::Exit { code: 0, reason: Vec::new() },
        203 => {
            let reason = after(4);
            let reason = reason.strip_suffix(b"\0").unwrap_or(reason);
            Said::Exit { code: signed(0)?, reason: reason.to_vec() }
        }
        // MSG_READ_OPEN, MSG_WRITE_OPEN, MSG_WRITE
        300 => Said::ReadOpen { stream: stream()? },
        303 => Said::WriteOpen { stream: stream()?, file: signed(4)? },
        304 => Said::Write { stream: stream()?, bytes: after(4).to_vec() },
        _ => Said::Other,
    })
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A message as a server sends it.
    pub fn heard(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let header = [kind, length, VERSION, u32::MAX].map(u32::to_ne_bytes).concat();
        [&header, body].concat()
    }

    #[test]
    fn messages_are_understood_however_they_are_cut() {
        let stream = 1_i32.to_ne_bytes();
        let all = [
            heard(300, &[&stream[..], &[0; 4], b"-\0"].concat()),
            heard(303, &[&stream[..], &2_i32.to_ne_bytes(), &[0; 4]].concat()),
            heard(304, &[&stream[..], b"text"].concat()),
            heard(306, &stream),
            heard(203, &[&1_i32.to_ne_bytes()[..], b"why\0"].concat()),
        ]
        .concat();
        let expected = [
            Said::ReadOpen { stream },
            Said::WriteOpen { stream, file: 2 },
            Said::Write { stream, bytes: b"text".to_vec() },
            Said::Other,
            Said::Exit { code: 1, reason: b"why".to_vec() },
        ];
        for size in 1..=all.len() {
            let (mut inbox, mut said) = (Inbox::default(), Vec::new());
            for part in all.chunks(size) {
                inbox.add(part);
                while let Some(one) = inbox.next().unwrap() {
                    said.push(one);
                }
            }
            assert_eq!(said, expected, "in parts of {size}");
        }
    }

    #[test]
    fn law_1_what_makes_no_sense_is_no_answer() {
        let first = |bytes: &[u8]| {
            let mut inbox = Inbox::default();
            inbox.add(bytes);
            inbox.next()
        };
        assert_eq!(first(&heard(12, &[])), Err(Unfit::Ends), "another version");
        assert_eq!(first(&heard(210, &[])), Err(Unfit::Ends), "the server ends");
        assert_eq!(first(&heard(304, b"abc")), Err(Unfit::Malformed), "no stream");
        assert_eq!(first(&heard(203, b"ab")), Err(Unfit::Malformed), "half a status");
        let mut other = heard(203, &[]);
        other[8] = 9;
        assert_eq!(first(&other), Err(Unfit::Ends));
        for length in [0_u32, 15, 16 * 1024 + 1, u32::MAX] {
            let mut wrong = heard(203, &[]);
            wrong[4..8].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(first(&wrong), Err(Unfit::Malformed), "{length}");
        }
    }

    #[test]
    fn whatever_comes_is_read_to_its_end_or_refused() {
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut inbox = Inbox::default();
            let kinds = [12, 203, 204, 210, 300, 303, 304, 306, 307, random.u32(..)];
            for _ in 0..random.usize(1..4) {
                let body: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
                let mut message = heard(kinds[random.usize(..kinds.len())], &body);
                if random.bool() {
                    let at = random.usize(..message.len());
                    message[at] = random.u8(..);
                }
                inbox.add(&message[..random.usize(..=message.len())]);
            }
            let mut rounds = 0;
            while let Ok(Some(_)) = inbox.next() {
                rounds += 1;
            }
            assert!(rounds <= 16, "each takes its header off at least");
        }
    }

    #[test]
    fn what_is_too_long_for_tmux_is_not_said() {
        let mut to = Vec::new();
        assert!(say(Say::Cwd, &[&[b'x'; BODY_MAX - 1], b"\0"], &mut to));
        assert_eq!(to.len(), MESSAGE_MAX);
        assert!(!say(Say::Cwd, &[&[b'x'; BODY_MAX], b"\0"], &mut to));
        assert_eq!(to.len(), MESSAGE_MAX);
    }
}
