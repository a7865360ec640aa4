//! Recordings: what each pass was made from and what it decided, so that it can be decided anew, elsewhere and later.
//!
//! A recording is a file of JSON lines, one for each pass. [`encode`](Encoder) turns a pass into a line, [`decode`](Decoder) turns lines
//! back into passes; both only compute. [`Recorder`] keeps the files of a directory within a size, [`read`] goes through them. Most passes
//! see what the one before saw, a little later: a line tells only what is new ([`form`]), and now and then one tells all.
//!
//! The values of environment variables are in no line. A plan depends on them through [`Object::spec`](crate::desired::Object), which is.

mod decode;
mod encode;
mod form;
mod read;
mod recorder;

use crate::desired::Desired;
use crate::ledger::Ledger;
use crate::observed::Observed;
use crate::plan::Options;

pub use decode::{Decided, Decoder, Recorded};
pub use encode::{Encoder, decided};
pub use form::Head;
pub use read::{Found, ReadError, Trouble, read};
pub use recorder::{Recorder, SIZE_DEFAULT};

#[cfg(test)]
mod tests;

/// What a plan is made from. Its moment is that of the look.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What the files ask for.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: &'a Observed,
    /// What was remembered.
    pub ledger: &'a Ledger,
    /// What a person asked of it.
    pub options: Options,
}

/// How the name of every recording ends.
const SUFFIX: &str = ".jsonl";

/// Whether a file of this name is a recording: `20261121T105323.123Z-5134-0001.jsonl`. No other file of a directory is ever removed.
fn is_recording(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(SUFFIX) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = stem.split('-');
    let is_time = parts.next().is_some_and(|time| {
        time.len() == "20261121T105323.123Z".len()
            && time.ends_with('Z')
            && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'.' | b'Z'))
    });
    is_time
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}
