//! The ledger: what gtctl remembers between passes. Small, on disk, and never the truth about what runs: that is looked at each time.
//!
//! It holds what cannot be seen: how often an object was started and when it may be again ([`Record`]), which life of it was seen last,
//! which tmux server that was in, what a person approved, and what was asked for ([`AskedStop`] and the like). A start is recorded before it is made ([`Ledger::strike`]), so that a
//! crash between the two costs a restart, never a loop.

mod asked;
mod backoff;
mod beats;
mod deaths;
mod ending;
mod letters;
mod opening;
mod orphans;
mod pokes;
mod polecats;
mod record;
mod store;

pub use asked::{AskedNudge, AskedRestart, AskedStop, KnownLife, NUDGES_WAITING_MAX};
pub use backoff::{Attempt, May, may_start, wait_after};
pub use beats::{Beat, Looked};
pub use deaths::{Death, Deaths, MassDeath};
pub use ending::{Ending, Limited};
pub use letters::{KnownLetter, LETTERS_MAX, LETTERS_REMEMBERED_FOR, LetterFate};
pub use opening::{Opening, WORDS_LAST};
pub use orphans::{Lingering, Over};
pub use pokes::{Poked, Sign};
pub use polecats::{Drain, LetterKind, Polecat, Progress, Told};
pub use record::{Cause, FileSeen, Ledger, MINUTE, Record, Rest, ServerSeen, Start, TrackedChange};
pub use store::{LEDGER_FILE, StoreError, load, save};
