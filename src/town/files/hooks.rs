//! gt's hooks: what gt lets agents run at their starts and stops. gt writes them into the settings of each kind of agent.

use std::collections::BTreeSet;
use std::path::Path;

use crate::machine::Disk;
use crate::model::{Name, Role, Seen};

/// Where the members of a role share the settings of claude, relative to the town. gt keeps them above the directories that the agents
/// work in, so that they are in nobody's repository; claude looks in its own directory alone, and must be told.
pub fn claude_settings(rig: &Name, role: Role) -> Option<String> {
    let directory = match role {
        Role::Witness | Role::Refinery | Role::Crew => role.as_str(),
        Role::Polecat => "polecats",
        Role::Mayor | Role::Deacon | Role::Boot | Role::Session => return None,
    };
    Some(format!("{rig}/{directory}/.claude/settings.json"))
}

/// The roles of a rig that have such settings; unknown if that cannot be seen of one. What is wrong with a file that is there claude itself says.
pub fn read_claude_settings(disk: &dyn Disk, root: &Path, rig: &Name) -> Seen<BTreeSet<Role>> {
    let mut found = BTreeSet::new();
    for role in [Role::Witness, Role::Refinery, Role::Crew, Role::Polecat] {
        let Some(path) = claude_settings(rig, role) else { continue };
        match disk.is_there(root, &path) {
            Ok(false) => {}
            Ok(true) => drop(found.insert(role)),
            Err(error) => return Seen::unknown(format!("{path}: {error}")),
        }
    }
    Seen::Known(found)
}
