//! The layer of beads: what the bead of a rig says holds that rig, as any file does.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::graph::Desired;
use super::holds::{Hold, HoldKind, prefix_of};
use crate::model::{Name, Origin, Seen, Why};
use crate::observed::beads::RigLabel;
use crate::observed::beads::rig::rig_bead;
use crate::town::files::TownFiles;

/// What is known of a rig's bead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeadSaid {
    /// The bead's id.
    pub bead: String,
    /// What its labels say: the last good answer, or why there has never been one.
    pub label: Seen<RigLabel>,
    /// Since when they say so.
    pub since: Option<Timestamp>,
    /// Why that is not the newest answer, if it is not, and how old it is: the moment of the last good one.
    pub stale: Option<(Why, Timestamp)>,
}

/// The bead of each rig that has a prefix; without one nobody can say what its bead is called.
pub fn rig_beads(files: &TownFiles) -> BTreeMap<Name, String> {
    let bead = |rig: Name| {
        let id = rig_bead(&prefix_of(files, &rig)?, &rig);
        Some((rig, id))
    };
    files.rig_names().into_iter().filter_map(bead).collect()
}

impl Desired {
    /// The same graph, held by one more layer.
    #[must_use]
    pub fn held_by_beads(mut self, said: &BTreeMap<Name, BeadSaid>) -> Self {
        for object in self.objects.values_mut() {
            let hold = object.address.rig().and_then(|rig| said.get(rig)).and_then(hold);
            if let Some(hold) = hold {
                object.holds.push(hold);
                object.holds.sort_by(|a, b| b.kind.cmp(&a.kind));
            }
        }
        self
    }
}

fn hold(said: &BeadSaid) -> Option<Hold> {
    let kind = match &said.label {
        Seen::Known(RigLabel::Active) => return None,
        Seen::Known(RigLabel::Parked) => HoldKind::Parked,
        Seen::Known(RigLabel::Docked) => HoldKind::Docked,
        Seen::Unknown(why) => HoldKind::Unreadable(why.clone()),
    };
    let since = said.since.map(|since| format!("its label says so since {since:.0}"));
    let stale = said.stale.as_ref().map(|(why, at)| format!("last seen at {at:.0}, then: {why}"));
    let note: Vec<String> = since.into_iter().chain(stale).collect();
    let note = Some(note.join("; ")).filter(|note| !note.is_empty());
    Some(Hold { note, ..Hold::new(kind, Origin::Bead(said.bead.clone())) })
}
