//! Names and addresses: what an object is called, checked once, at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes. tmux takes longer ones, but a session name joins three of them and paths have limits.
pub const NAME_LENGTH_MAX: usize = 64;

/// Names that mean something else in a town and so cannot name a rig, a worker or a session.
pub const RESERVED_NAMES: &[&str] = &[
    "hq", "mayor", "deacon", "boot", "witness", "refinery", "polecats", "crew", "sessions", "overseer", "dog",
];

/// A name of a rig, a worker or a session: one to 64 of `A-Z a-z 0-9 _ -`, not starting with `-`.
///
/// This set is what tmux takes without rewriting, what a path takes without escaping, and what gt itself accepts; so a
/// name is checked here once and never quoted, split or parsed again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// Checks `text` and makes it a name.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = |why| Err(BadName { name: text.to_owned(), why });
        if text.is_empty() {
            return bad("it is empty");
        }
        if text.len() > NAME_LENGTH_MAX {
            return bad("it is longer than 64 characters");
        }
        if text.starts_with('-') {
            return bad("it starts with `-`, which programs read as an option");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return bad("only A-Z a-z 0-9 _ - are allowed");
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name means something else in a town ([`RESERVED_NAMES`]), in any case of letters.
    pub fn is_reserved(&self) -> bool {
        RESERVED_NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(&self.0))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

/// A text that cannot be a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be a name: {why}", name.escape_debug())]
pub struct BadName {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What kind of object it is. Kind is data; it is never read out of a session name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The town's coordinator.
    Mayor,
    /// The town's patrol.
    Deacon,
    /// The deacon's triage.
    Boot,
    /// A rig's overseer of polecats.
    Witness,
    /// A rig's merge queue.
    Refinery,
    /// A worker with a hooked piece of work.
    Polecat,
    /// A long-lived worker of a person.
    Crew,
    /// Any other session that `town.toml` asks for.
    Session,
}

impl Role {
    /// The word for the role, as in `town.toml` and `GT_ROLE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mayor => "mayor",
            Self::Deacon => "deacon",
            Self::Boot => "boot",
            Self::Witness => "witness",
            Self::Refinery => "refinery",
            Self::Polecat => "polecat",
            Self::Crew => "crew",
            Self::Session => "session",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address of an object: `mayor`, `gastown/witness`, `gastown/crew/max`, `sessions/scribe`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `mayor`
    Mayor,
    /// `deacon`
    Deacon,
    /// `boot`
    Boot,
    /// `<rig>/witness`
    Witness(Name),
    /// `<rig>/refinery`
    Refinery(Name),
    /// `<rig>/polecats/<name>`
    Polecat(Name, Name),
    /// `<rig>/crew/<name>`
    Crew(Name, Name),
    /// `sessions/<name>`
    Session(Name),
}

impl Address {
    /// The object's role.
    pub fn role(&self) -> Role {
        match self {
            Self::Mayor => Role::Mayor,
            Self::Deacon => Role::Deacon,
            Self::Boot => Role::Boot,
            Self::Witness(_) => Role::Witness,
            Self::Refinery(_) => Role::Refinery,
            Self::Polecat(..) => Role::Polecat,
            Self::Crew(..) => Role::Crew,
            Self::Session(_) => Role::Session,
        }
    }

    /// The rig it belongs to; `None` for objects of the town.
    pub fn rig(&self) -> Option<&Name> {
        match self {
            Self::Witness(rig) | Self::Refinery(rig) | Self::Polecat(rig, _) | Self::Crew(rig, _) => {
                Some(rig)
            }
            Self::Mayor | Self::Deacon | Self::Boot | Self::Session(_) => None,
        }
    }

    /// The worker's own name; `None` where the role names the object.
    pub fn worker(&self) -> Option<&Name> {
        match self {
            Self::Polecat(_, name) | Self::Crew(_, name) | Self::Session(name) => Some(name),
            Self::Mayor | Self::Deacon | Self::Boot | Self::Witness(_) | Self::Refinery(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mayor => f.write_str("mayor"),
            Self::Deacon => f.write_str("deacon"),
            Self::Boot => f.write_str("boot"),
            Self::Witness(rig) => write!(f, "{rig}/witness"),
            Self::Refinery(rig) => write!(f, "{rig}/refinery"),
            Self::Polecat(rig, name) => write!(f, "{rig}/polecats/{name}"),
            Self::Crew(rig, name) => write!(f, "{rig}/crew/{name}"),
            Self::Session(name) => write!(f, "sessions/{name}"),
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let name = |part: &str| {
            Name::parse(part).map_err(|source| BadAddress::Name { address: text.to_owned(), source })
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["mayor"] => Ok(Self::Mayor),
            ["deacon"] => Ok(Self::Deacon),
            ["boot"] => Ok(Self::Boot),
            ["sessions", one] => Ok(Self::Session(name(one)?)),
            [rig, "witness"] => Ok(Self::Witness(name(rig)?)),
            [rig, "refinery"] => Ok(Self::Refinery(name(rig)?)),
            [rig, "polecats", one] => Ok(Self::Polecat(name(rig)?, name(one)?)),
            [rig, "crew", one] => Ok(Self::Crew(name(rig)?, name(one)?)),
            _ => Err(BadAddress::Form { address: text.to_owned() }),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;
    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

/// A text that is not an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It has none of the forms.
    #[error(
        "`{}` is not an address: expected mayor, deacon, boot, RIG/witness, RIG/refinery, RIG/polecats/NAME, RIG/crew/NAME or sessions/NAME",
        address.escape_debug()
    )]
    Form {
        /// The text.
        address: String,
    },
    /// A part of it is not a name.
    #[error("`{}` is not an address", address.escape_debug())]
    Name {
        /// The text.
        address: String,
        /// What is wrong with the part.
        #[source]
        source: BadName,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s76_names_outside_the_allowed_set_are_refused() {
        let long = "x".repeat(300);
        for bad in [
            "a b",
            "a/b",
            "/x",
            "..",
            "a.b",
            "a:b",
            "-x",
            "=x",
            "%1",
            "$1",
            "@1",
            "",
            &long,
            "a\nb",
            "$(touch P)",
            "`x`",
            "ü",
        ] {
            assert!(Name::parse(bad).is_err(), "{bad:?} must be refused");
        }
        for good in ["a", "A", "gas_town-2", "9"] {
            assert!(Name::parse(good).is_ok(), "{good:?} must be accepted");
        }
    }

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in [
            "mayor",
            "deacon",
            "boot",
            "r/witness",
            "r/refinery",
            "r/polecats/nux",
            "r/crew/max",
            "sessions/s",
        ] {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "x", "r/witness/x", "r/crew", "r//witness", "sessions/a.b"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
