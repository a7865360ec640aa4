//! Which kind of agent an object runs, and who says so: what `town.toml` says of the object, its `defaults`, then gt's settings, in gt's order.

use crate::model::{Address, Position};
use crate::town::files::agents::{AgentSettings, CustomAgent, Layer, SETTINGS_JSON, path_of};
use crate::town::files::town_toml::TownToml;
use crate::town::files::{Starts, TownFiles};

use super::holds::Hold;

/// The kind where nobody says anything, as in gt.
pub const DEFAULT: &str = "claude";

/// A kind of agent, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, where the one who chose it spells it out: `runtime` of a rig's settings.
    pub spelled_out: Option<&'a CustomAgent>,
    /// Who.
    pub by: By<'a>,
}

impl<'a> Choice<'a> {
    fn named(name: &'a str, by: By<'a>) -> Self {
        Self { name, spelled_out: None, by }
    }
}

/// Who chose a kind of agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By<'a> {
    /// This key of `town.toml`.
    TownToml(Vec<&'a str>),
    /// A file of gt's.
    Gt(&'a Position),
    /// Nobody: the built-in default.
    Nobody,
}

/// Chooses; a file of gt's that would have to be asked and cannot be read is a hold.
pub fn choose<'a>(
    files: &'a TownFiles,
    toml: &'a TownToml,
    address: &Address,
    said: Option<&(&'a str, Vec<&'a str>)>,
) -> Result<Choice<'a>, Hold> {
    if let Some((name, path)) = said {
        return Ok(Choice::named(name, By::TownToml(path.clone())));
    }
    if let Some(name) = &toml.defaults.agent {
        return Ok(Choice::named(name, By::TownToml(vec!["defaults", "agent"])));
    }
    let role = address.role().as_str();
    let of_role = |settings: &'a AgentSettings| settings.roles.get(role);
    let of_all = |settings: &'a AgentSettings| settings.agent.as_ref();
    let member = match address {
        Address::Crew(_, name) => {
            let of_member = |settings: &'a AgentSettings| settings.crew.get(name.as_str());
            first(&files.starts, address, of_member)?
        }
        _ => None,
    };
    let of_role = match member {
        Some(said) => Some(said),
        None => first(&files.starts, address, of_role)?,
    };
    if let Some(said) = of_role {
        return Ok(Choice::named(&said.value, By::Gt(&said.at)));
    }
    if let Some(kind) = first(&files.starts, address, |settings| settings.runtime.as_ref())? {
        let name = kind.provider.as_deref().unwrap_or(DEFAULT);
        return Ok(Choice { name, spelled_out: Some(kind), by: By::Gt(&kind.at) });
    }
    Ok(match first(&files.starts, address, of_all)? {
        Some(said) => Choice::named(&said.value, By::Gt(&said.at)),
        None => Choice::named(DEFAULT, By::Nobody),
    })
}

/// How much gt's settings want the role to think; a file that cannot be read is a hold.
pub fn effort<'a>(files: &'a TownFiles, address: &Address) -> Result<Option<&'a str>, Hold> {
    let role = address.role().as_str();
    Ok(first(&files.starts, address, |settings| settings.effort.get(role))?.map(|said| said.value.as_str()))
}

/// What the rig's settings say, or else the town's.
fn first<'a, T>(
    starts: &'a Starts,
    address: &Address,
    says: impl Fn(&'a AgentSettings) -> Option<&'a T>,
) -> Result<Option<&'a T>, Hold> {
    for (layer, file) in layers(starts, address, SETTINGS_JSON) {
        match &layer.settings {
            crate::model::Seen::Known(settings) => {
                if let Some(said) = says(settings) {
                    return Ok(Some(said));
                }
            }
            crate::model::Seen::Unknown(why) => {
                return Err(Hold::unread(why, file));
            }
        }
    }
    Ok(None)
}

/// gt's layers that speak of an object, the nearest first, each with the path of `file` in it.
pub fn layers<'a>(
    starts: &'a Starts,
    address: &Address,
    file: &str,
) -> impl Iterator<Item = (&'a Layer, String)> + use<'a> {
    let of_rig = address.rig().and_then(|rig| Some((starts.rigs.get(rig)?, path_of(Some(rig), file))));
    of_rig.into_iter().chain([(&starts.town, file.to_owned())])
}
