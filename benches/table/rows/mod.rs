//! The rows of the table, one file for each thing that is done.

pub mod broken;
pub mod edit;
pub mod idle;
pub mod pass;
pub mod planning;
pub mod restart;
pub mod storm;
