//! What a rig's own bead says of it: `gt rig dock` is a label there, and nothing else.

use serde::{Deserialize, Serialize};

use super::issue::Issue;
use crate::model::Name;

/// What the labels of a rig's bead say. Ordered by strictness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RigLabel {
    /// Nothing.
    #[default]
    Active,
    /// `status:parked`
    Parked,
    /// `status:docked`
    Docked,
}

impl RigLabel {
    /// What a rig's bead says; a rig without one is active. Of two labels the stricter one counts, and the case of letters does not, as in
    /// `gt rig status`.
    pub fn of(bead: Option<&Issue>) -> Self {
        let labels = bead.into_iter().flat_map(|bead| &bead.labels);
        let said = labels.map(|label| match label.to_ascii_lowercase().as_str() {
            "status:docked" => Self::Docked,
            "status:parked" => Self::Parked,
            _ => Self::Active,
        });
        said.max().unwrap_or_default()
    }
}

/// The id of a rig's bead.
pub fn rig_bead(prefix: &Name, rig: &Name) -> String {
    format!("{prefix}-rig-{rig}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::beads::issue::parse_issues;

    fn label(labels: &str) -> RigLabel {
        let text = format!(r#"[{{"id":"gt-rig-gastown","status":"open","labels":[{labels}]}}]"#);
        RigLabel::of(parse_issues(&text).unwrap().first())
    }

    #[test]
    fn the_strictest_label_counts_and_no_bead_says_nothing() {
        assert_eq!(label(r#""gt:rig""#), RigLabel::Active);
        assert_eq!(label(r#""gt:rig","status:parked""#), RigLabel::Parked);
        assert_eq!(label(r#""status:docked","status:parked""#), RigLabel::Docked);
        assert_eq!(label(r#""Status:Docked""#), RigLabel::Docked);
        assert_eq!(label(r#""status:dock""#), RigLabel::Active);
        assert_eq!(RigLabel::of(None), RigLabel::Active);
    }
}
