//! What people and programs read. Nothing here looks at the world or decides anything.

pub mod diagnostics;
