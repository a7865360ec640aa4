//! What gt's role files change about an object: field by field, the rig's before the town's.

use std::collections::BTreeMap;

use super::choice::{self, layers};
use super::graph::Desired;
use super::holds::{self, Hold};
use super::names::DEFAULT_PREFIX;
use crate::model::{Address, Origin, Seen};
use crate::town::diagnostic::Diagnostic;
use crate::town::files::TownFiles;
use crate::town::files::agents::Said;
use crate::town::files::roles::{RoleFile, role_file};
use crate::town::files::start_command::StartCommand;

/// The role files of one object.
pub struct RoleSays {
    address: Address,
    town: String,
    prefix: String,
}

impl RoleSays {
    /// Those of this object.
    pub fn of(files: &TownFiles, address: &Address) -> Self {
        let prefix = address.rig().and_then(|rig| holds::prefix_of(files, rig));
        Self {
            address: address.clone(),
            town: files.root.path().display().to_string(),
            prefix: prefix.map_or_else(|| DEFAULT_PREFIX.to_owned(), |prefix| prefix.to_string()),
        }
    }

    /// The files that are there, the nearest first, each with its path.
    fn files<'a>(&self, files: &'a TownFiles) -> impl Iterator<Item = (&'a Seen<RoleFile>, String)> {
        let role = self.address.role().as_str();
        layers(&files.starts, &self.address, &role_file(role))
            .filter_map(move |(layer, path)| Some((layer.roles.get(role)?, path)))
    }

    fn readable<'a>(&self, files: &'a TownFiles) -> Vec<&'a RoleFile> {
        let known = |(file, _): (&'a Seen<RoleFile>, String)| match file {
            Seen::Known(file) => Some(file),
            Seen::Unknown(_) => None,
        };
        self.files(files).filter_map(known).collect()
    }

    /// A hold, if one of them cannot be read.
    pub fn unread(&self, files: &TownFiles) -> Option<Hold> {
        self.files(files).find_map(|(file, path)| match file {
            Seen::Known(_) => None,
            Seen::Unknown(why) => Some(Hold::unread(why, path)),
        })
    }

    /// The command of its own that replaces claude's.
    pub fn start_command<'a>(&self, files: &'a TownFiles) -> Option<&'a Said<StartCommand>> {
        self.readable(files).into_iter().find_map(|file| file.start_command.as_ref())
    }

    /// The working directory.
    pub fn work_dir(&self, files: &TownFiles) -> Option<String> {
        let said = self.readable(files).into_iter().find_map(|file| file.work_dir.as_ref())?;
        Some(self.fill(&said.value))
    }

    /// The name of its session, as gt's file has it.
    fn pattern<'a>(&self, files: &'a TownFiles) -> Option<&'a Said<String>> {
        self.readable(files).into_iter().find_map(|file| file.pattern.as_ref())
    }

    /// What it is told first.
    pub fn nudge(&self, files: &TownFiles) -> Option<String> {
        let said = self.readable(files).into_iter().find_map(|file| file.nudge.as_ref())?;
        Some(self.fill(&said.value))
    }

    /// Environment variables.
    pub fn env(&self, files: &TownFiles) -> BTreeMap<String, String> {
        // The nearest comes last, and counts.
        let all = self.readable(files).into_iter().rev().flat_map(|file| &file.env);
        all.map(|(name, value)| (name.clone(), self.fill(value))).collect()
    }

    /// Puts in what gt's placeholders stand for.
    pub fn fill(&self, text: &str) -> String {
        let rig = self.address.rig().map_or("", |rig| rig.as_str());
        let name = self.address.worker().map_or("", |name| name.as_str());
        // One pass, so that nothing that was put in is taken for a placeholder.
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let value = after.split_once('}').and_then(|(word, behind)| {
                let value = match word {
                    "town" => &self.town,
                    "rig" => rig,
                    "name" => name,
                    "role" => self.address.role().as_str(),
                    "prefix" => &self.prefix,
                    _ => return None,
                };
                Some((value, behind))
            });
            match value {
                Some((value, behind)) => {
                    filled.push_str(value);
                    rest = behind;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }
}

/// What role files say and gtctl does otherwise: session names of their own, and commands that are for another agent.
pub fn remarks(files: &TownFiles, desired: &Desired) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    for object in desired.objects.values() {
        let says = RoleSays::of(files, &object.address);
        if let Some(pattern) = says.pattern(files)
            && says.fill(&pattern.value) != object.recipe.session
        {
            let title = format!(
                "`session.pattern` names the session of {} `{}`, and gtctl names it `{}`",
                object.address,
                says.fill(&pattern.value),
                object.recipe.session
            );
            let help = "names of sessions follow `town.naming`";
            found.push(Diagnostic::warning(title, pattern.label("")).with_help(help));
        }
        if let Some(start) = says.start_command(files)
            && object.agent.as_ref().is_none_or(|agent| agent.origin != Origin::At(start.at.clone()))
        {
            let agent = object.agent.as_ref().map_or("a command of town.toml", |agent| agent.name.as_str());
            let title = format!("`session.start_command` has no effect on {}", object.address);
            let help =
                format!("it is for {} as gt's settings choose it, and this is {agent}", choice::DEFAULT);
            found.push(Diagnostic::warning(title, start.label("")).with_help(help));
        }
    }
    // One for each file is enough.
    let mut told = std::collections::BTreeSet::new();
    found.retain(|one| {
        let place =
            one.labels.first().map(|label| (label.file.clone(), label.span.clone().map(|span| span.start)));
        told.insert(place)
    });
    found
}
