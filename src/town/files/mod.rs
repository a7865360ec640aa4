//! The files.
pub mod town_toml;
