//! gtctl keeps a Gas Town running the way its files say.
pub mod model;
pub mod report;
pub mod town;
pub mod observed;
