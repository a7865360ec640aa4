//! `gtctl schema`.

use super::exit::Exit;
use super::print;

/// Prints the schema of town.toml.
pub fn run() -> Exit {
    print::json(&crate::town::schema::schema());
    Exit::Ok
}
