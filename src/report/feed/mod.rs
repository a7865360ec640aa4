//! The feed: what people read of gt's events.
//!
//! gt appends a line to `.events.jsonl` for everything it does; [`Curator`] makes the lines of `.feed.jsonl` of these: it leaves out what is
//! only for the records, tells repeats once and bursts together, and puts each into a sentence. A function of lines and of a little that it
//! remembers; reading and writing are done elsewhere.

mod curate;
mod summary;

pub use curate::{Curated, Curator, FeedLine, GtEvent};
