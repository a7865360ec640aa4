//! Beads: gt's issues, asked for through `bd` or `br`, whichever there is.
//!
//! [`issue`] is what the two answer, as types; [`agent`] is what gt keeps of an agent there, and [`rig`] what it keeps of a rig; [`program`]
//! asks. Nothing that goes wrong is an answer: it is unknown, with the reason (law 1). That there is no such bead is an answer, and only
//! if the program said so of this very bead.

pub mod agent;
pub mod export;
pub mod issue;
pub mod program;
pub mod rig;

#[cfg(test)]
mod tests;

pub use agent::{AgentBead, AgentState, hooked};
pub use issue::{Issue, Malformed, Status, parse_issues};
pub use program::{Beads, Database, Question, find};
pub use rig::RigLabel;
