//! Where `town.toml` says something of an object: the nearest table that does.

use crate::model::Address;
use crate::town::files::town_toml::{RoleTable, TownToml};

/// The key that says what an object comes after, or would.
pub fn after_path<'a>(toml: &'a TownToml, address: &Address) -> Vec<&'a str> {
    let role = address.role().as_str();
    let rig = address.rig().and_then(|rig| toml.rigs.get_key_value(rig.as_str()));
    let said = |table: &RoleTable| table.after.is_some();
    match (address, rig) {
        (Address::Session(name), _) => match toml.sessions.get_key_value(name.as_str()) {
            Some((key, _)) => vec!["sessions", key, "after"],
            None => vec!["sessions"],
        },
        (Address::Crew(_, name), Some((key, table))) => match table.crew.get_key_value(name.as_str()) {
            Some((member, own)) if said(own) => vec!["rigs", key, "crew", member, "after"],
            _ if said(&table.roles.crew) => vec!["rigs", key, "roles", role, "after"],
            _ => vec!["roles", role, "after"],
        },
        (Address::Polecat(..), Some((key, table))) if said(&table.roles.polecat) => {
            vec!["rigs", key, "roles", role, "after"]
        }
        (Address::Witness(_), Some((key, table))) if said(&table.roles.witness) => {
            vec!["rigs", key, "roles", role, "after"]
        }
        (Address::Refinery(_), Some((key, table))) if said(&table.roles.refinery) => {
            vec!["rigs", key, "roles", role, "after"]
        }
        _ => vec!["roles", role, "after"],
    }
}
