//! What people and programs read. Nothing here looks at the world or decides anything.

pub mod changes;
pub mod diagnostics;
pub mod events;
pub mod feed;
pub mod json;
pub mod progress;
pub mod recording;
pub mod replay;
pub mod text;
pub mod words;

#[cfg(test)]
mod tests;
