//! A town on disk.
pub mod files;
