//! Session names: one function for all of them, so that no two parts of gtctl can disagree about one.

use std::collections::BTreeMap;

use super::{Desired, holds};
use crate::model::{Address, Name};
use crate::town::files::TownFiles;
use crate::town::files::town_toml::Naming;

/// The prefix of a rig that declares none, as in gt.
pub const DEFAULT_PREFIX: &str = "gt";

/// The name of an object's session. `prefix` is the beads prefix of its rig.
pub fn session_name(address: &Address, naming: Naming, prefix: Option<&Name>) -> String {
    let prefix = prefix.map_or(DEFAULT_PREFIX, Name::as_str);
    let stem = |rig: &Name| match naming {
        Naming::Rig => format!("gt-{rig}"),
        Naming::Prefix => prefix.to_owned(),
    };
    match address {
        Address::Mayor => "hq-mayor".to_owned(),
        Address::Deacon => "hq-deacon".to_owned(),
        Address::Boot => match naming {
            Naming::Rig => "gt-boot".to_owned(),
            Naming::Prefix => "hq-boot".to_owned(),
        },
        Address::Witness(rig) => format!("{}-witness", stem(rig)),
        Address::Refinery(rig) => format!("{}-refinery", stem(rig)),
        Address::Polecat(rig, name) => format!("{}-{name}", stem(rig)),
        Address::Crew(rig, name) => format!("{}-crew-{name}", stem(rig)),
        Address::Session(name) => name.to_string(),
    }
}

/// The prefix of a rig's beads and sessions, as gt has it: that of the files, else [`DEFAULT_PREFIX`].
pub fn rig_prefix(files: &TownFiles, rig: &Name) -> String {
    holds::prefix_of(files, rig).map_or_else(|| DEFAULT_PREFIX.to_owned(), String::from)
}

/// The session names that the objects of a town would have under this naming. Sessions keep the names that they were born with, so what an
/// earlier `naming` made may still run.
pub fn session_names(files: &TownFiles, desired: &Desired, naming: Naming) -> BTreeMap<String, Address> {
    let name = |address: &Address| {
        let prefix = address.rig().and_then(|rig| holds::prefix_of(files, rig));
        session_name(address, naming, prefix.as_ref())
    };
    desired.objects.keys().map(|address| (name(address), address.clone())).collect()
}
