//! One exchange: says who it is, hands over a script, and gathers what the server writes until it says that the script is over.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message::{BODY_MAX, Inbox, Said, Say, say};
use crate::machine::tmux::{IDENTITY, NOT_FOR_A_SERVER, OUTPUT_SIZE_MAX, Reply, Script, TmuxError};

/// `CLIENT_UTF8`: what is written to it is not made ASCII first. `tmux -u` says the same.
const UTF8: u64 = 0x10000;

/// So much is read at once.
const PIECE: usize = 64 * 1024;

/// What every client of this process says of itself, as `tmux` would with its output in a file: the environment without what tells who somebody else is.
pub fn introduction() -> Vec<u8> {
    let mut said = Vec::new();
    let text = |text: &OsStr| [text.as_bytes(), b"\0"].concat();
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let term = std::env::var_os("TERM").unwrap_or_default();
    let pid = i32::try_from(std::process::id()).unwrap_or_default();
    let mut add = |what, body: &[u8]| {
        // A variable that is too long for a message is left out, as tmux does.
        let _ = say(what, &[body], &mut said);
    };
    add(Say::LongFlags, &UTF8.to_ne_bytes());
    add(Say::Term, &text(&term));
    add(Say::Features, &0_i32.to_ne_bytes());
    add(Say::TtyName, b"\0");
    add(Say::Cwd, &text(cwd.as_os_str()));
    add(Say::ClientPid, &pid.to_ne_bytes());
    for (name, value) in std::env::vars_os() {
        let is_of_another = |one: &&&str| OsStr::new(one) == name.as_os_str();
        if IDENTITY.iter().chain(NOT_FOR_A_SERVER).find(is_of_another).is_none() {
            add(Say::Environ, &[name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
        }
    }
    add(Say::Done, b"");
    said
}

/// Has a script carried out, through a connection that does not block.
///
/// # Errors
/// The connection broke, or the answer made no sense: then it is not known whether the script was carried out.
pub async fn exchange(
    mut server: UnixStream,
    introduction: &[u8],
    script: &Script,
) -> Result<Reply, TmuxError> {
    let lost = |_| TmuxError::Lost;
    let mut first = introduction.to_vec();
    let words = script.arguments();
    let count = i32::try_from(words.len()).unwrap_or_default().to_ne_bytes();
    let words: Vec<u8> = words.iter().flat_map(|word| word.bytes().chain([0])).collect();
    if !say(Say::Command, &[&count, &words], &mut first) {
        return Err(TmuxError::Lost);
    }
    // At once, before anybody else has his turn: the server reads it while gtctl does something else.
    server.write_all(&first).map_err(lost)?;
    let mut server = tokio::net::UnixStream::from_std(server).map_err(lost)?;

    let (mut inbox, mut piece) = (Inbox::default(), vec![0; PIECE]);
    let mut output = Output::default();
    loop {
        let mut answer = Vec::new();
        while let Some(said) = inbox.next().map_err(|_| TmuxError::Lost)? {
            match said {
                Said::ReadOpen { stream } => {
                    for part in script.text().as_bytes().chunks(BODY_MAX - stream.len()) {
                        let _ = say(Say::Read, &[&stream, part], &mut answer);
                    }
                    let _ = say(Say::ReadDone, &[&stream, &[0; 4]], &mut answer);
                }
                Said::WriteOpen { stream, file } => {
                    output.open(stream, file)?;
                    let _ = say(Say::WriteReady, &[&stream, &[0; 4]], &mut answer);
                }
                Said::Write { stream, bytes } => output.write(stream, &bytes)?,
                Said::Exit { code, reason } => {
                    let _ = say(Say::Exiting, &[], &mut answer);
                    // Nothing depends on whether it hears that.
                    let _ = server.write_all(&answer).await;
                    return output.into_reply(code, &reason);
                }
                Said::Other => {}
            }
        }
        server.write_all(&answer).await.map_err(lost)?;
        match server.read(&mut piece).await.map_err(lost)? {
            0 => return Err(TmuxError::Lost),
            length => inbox.add(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// What the server writes.
#[derive(Debug, Default)]
struct Output {
    /// Which stream is which: standard output, standard error.
    streams: [Option<[u8; 4]>; 2],
    written: [Vec<u8>; 2],
}

impl Output {
    fn open(&mut self, stream: [u8; 4], file: i32) -> Result<(), TmuxError> {
        let known = match file {
            1 => self.streams.get_mut(0),
            2 => self.streams.get_mut(1),
            // A file of ours: no script has one written.
            _ => None,
        };
        *known.ok_or(TmuxError::Lost)? = Some(stream);
        Ok(())
    }

    fn write(&mut self, stream: [u8; 4], bytes: &[u8]) -> Result<(), TmuxError> {
        let index = self.streams.iter().position(|known| *known == Some(stream));
        let written = index.and_then(|index| self.written.get_mut(index)).ok_or(TmuxError::Lost)?;
        if written.len().saturating_add(bytes.len()) as u64 > OUTPUT_SIZE_MAX {
            return Err(TmuxError::Lost);
        }
        written.extend(bytes);
        Ok(())
    }

    fn into_reply(self, code: i32, reason: &[u8]) -> Result<Reply, TmuxError> {
        let [stdout, mut stderr] = self.written;
        if !reason.is_empty() {
            stderr.extend(reason);
            stderr.push(b'\n');
        }
        let text = |bytes| String::from_utf8(bytes).map_err(|_| TmuxError::NotText);
        Ok(Reply { code: Some(code), stdout: text(stdout)?, stderr: text(stderr)? })
    }
}
