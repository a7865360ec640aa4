//! Desired: from files to a graph of objects.
//!
//! [`desire`] joins the layers: which objects there are ([`build`](self)), what each is started from ([`Recipe`]), what holds it back
//! and who says so ([`Hold`]), and what must be alive before it. Pure: the same files give the same graph, on every machine.

mod agents;
mod beads;
mod build;
mod choice;
mod environment;
mod graph;
mod holds;
mod names;
mod order;
mod paths;
mod polecats;
mod recipes;
mod role_files;
mod weight;
mod words;

pub use agents::agent_programs;
pub use beads::{BeadSaid, rig_beads};
pub use build::desire;
pub use graph::{AgentChoice, Desired, Object, Poke, Policy, Recipe, Watch};
pub use holds::{Hold, HoldKind};
pub use names::{rig_prefix, session_names};
pub use role_files::remarks;
