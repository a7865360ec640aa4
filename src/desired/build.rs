//! Builds the graph, and finds all errors that only show between its parts.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::agents;
use super::graph::{Desired, Object, Policy};
use super::holds::{self, Hold, HoldKind};
use super::names::session_name;
use super::order;
use super::paths::after_path;
use super::polecats;
use super::recipes::{self, Composed, Settings, UnknownAgent, WatchSettings};
use super::weight::{weight, weight_of_settings};
use crate::model::{Address, Name, Origin, Position, Role, excerpt, some_of};
use crate::observed::tmux::Socket;
use crate::town::closest::closest;
use crate::town::diagnostic::{Diagnostic, Label};
use crate::town::files::polecats::polecats_dir;
use crate::town::files::town_toml::{RestartPolicy, RoleTable, SessionTable, TownToml};
use crate::town::files::{GUESSES_MAX, Town, TownFiles};
use crate::town::source::{Lines, Source};

/// The size of all objects together, in bytes, more or less. One role's environment is copied to each object of the role, so two files
/// of a megabyte could ask for a graph of many gigabytes; a thousand ordinary objects are three megabytes.
const GRAPH_SIZE_MAX: usize = 64 * 1024 * 1024;

/// After so many mistakes the rest is not told: one bad entry of a role is a mistake of each object that has the role.
const ERRORS_MAX: usize = 1000;

/// So much of an entry that is no address is shown.
const ENTRY_SHOWN: usize = 64;

/// Builds the graph of what should run, or tells everything that is wrong with the files at once.
pub fn desire(files: &TownFiles) -> Result<Desired, Vec<Diagnostic>> {
    let default = TownToml::default();
    let toml = files.town.as_ref().map_or(&default, |town| &town.toml);
    let mut build = Build {
        files,
        toml,
        objects: BTreeMap::new(),
        size: 0,
        errors: Vec::new(),
        agents: OnceCell::new(),
        lines: OnceCell::new(),
    };
    build.town_objects();
    for rig in files.rig_names() {
        if build.is_too_large() {
            break;
        }
        build.rig_objects(&rig);
    }
    build.session_objects();
    if build.is_too_large() {
        return Err(vec![too_large()]);
    }
    build.check_needs();
    build.check_cycles();
    build.check_names();
    polecats::hold_namesakes(&mut build.objects);
    if !build.errors.is_empty() {
        return Err(build.errors);
    }
    order::number_waves(&mut build.objects);
    Ok(Desired {
        town: files.root.id(),
        root: files.root.path().to_owned(),
        socket: Socket::new(&toml.town.socket),
        naming: toml.town.naming,
        frozen_rigs: holds::frozen_rigs(files),
        objects: build.objects,
        policy: Policy::from(toml),
    })
}

/// What an object is by default, before any table speaks of it.
struct Shape {
    address: Address,
    enabled: bool,
    restart: RestartPolicy,
    origin: Origin,
}

struct Build<'a> {
    files: &'a TownFiles,
    toml: &'a TownToml,
    objects: BTreeMap<Address, Object>,
    /// The size of the objects so far.
    size: usize,
    errors: Vec<Diagnostic>,
    /// The names of all kinds of agents, made when the first unknown one is met.
    agents: OnceCell<Vec<String>>,
    /// The lines of the files that positions point to.
    lines: OnceCell<Vec<(&'a Source, Lines<'a>)>>,
}

impl<'a> Build<'a> {
    /// The mayor is off by default, as in gt's first era: it costs tokens. The deacon is on where there is a Gas Town, and boot where gt has made a
    /// place for it; elsewhere there is no boot, unless a file speaks of it.
    fn town_objects(&mut self) {
        let roles = &self.toml.roles;
        let workspace = self.files.workspace;
        let has_boot = workspace && self.files.boot;
        let boot = (has_boot || roles.boot != RoleTable::default()).then_some((
            Address::Boot,
            &roles.boot,
            has_boot,
        ));
        let always = [(Address::Mayor, &roles.mayor, false), (Address::Deacon, &roles.deacon, workspace)];
        for (address, table, enabled) in always.into_iter().chain(boot) {
            let mut settings = Settings::default();
            let role = address.role().as_str();
            settings.lay(table, &["roles", role]);
            let said = self.town().and_then(|town| town.positions.of(&["roles", role])).cloned();
            let origin = said.map_or(Origin::Default, Origin::At);
            self.add(Shape { address, enabled, restart: RestartPolicy::Always, origin }, &settings);
        }
    }

    fn rig_objects(&mut self, rig: &Name) {
        // The text lives in the files, so that paths of keys can point to it.
        let table = self.toml.rigs.get_key_value(rig.as_str());
        let roles = &self.toml.roles;
        let origin = match self.files.rigs.as_ref().and_then(|rigs| rigs.rigs.get(rig)) {
            Some(entry) => Origin::At(entry.position.clone()),
            None => self.origin(&["rigs", rig.as_str()]),
        };
        let witness =
            (Address::Witness(rig.clone()), &roles.witness, table.map(|(_, table)| &table.roles.witness));
        let refinery =
            (Address::Refinery(rig.clone()), &roles.refinery, table.map(|(_, table)| &table.roles.refinery));
        for (address, general, special) in [witness, refinery] {
            let role = address.role().as_str();
            let mut settings = Settings::default();
            settings.lay(general, &["roles", role]);
            if let (Some(special), Some((name, _))) = (special, table) {
                settings.lay(special, &["rigs", name.as_str(), "roles", role]);
            }
            let shape =
                Shape { address, enabled: true, restart: RestartPolicy::Always, origin: origin.clone() };
            self.add(shape, &settings);
        }
        self.polecat_objects(rig);
        let Some((rig_key, table)) = table else { return };
        for (member, own) in &table.crew {
            if self.is_too_large() {
                return;
            }
            // A bad name has been refused by the file's reader already.
            let Ok(name) = Name::parse(member) else { continue };
            let mut settings = Settings::default();
            settings.lay(&roles.crew, &["roles", "crew"]);
            settings.lay(&table.roles.crew, &["rigs", rig_key.as_str(), "roles", "crew"]);
            settings.lay(own, &["rigs", rig_key.as_str(), "crew", member.as_str()]);
            let origin = self.origin(&["rigs", rig_key, "crew", member]);
            let address = Address::Crew(rig.clone(), name);
            self.add(Shape { address, enabled: true, restart: RestartPolicy::Always, origin }, &settings);
        }
    }

    /// Whatever has a directory is a polecat; whether it should run, its work says.
    fn polecat_objects(&mut self, rig: &Name) {
        let Some(polecats) = self.files.polecats.get(rig) else { return };
        let table = self.toml.rigs.get_key_value(rig.as_str());
        for name in &polecats.names {
            let mut settings = Settings::default();
            settings.lay(&self.toml.roles.polecat, &["roles", "polecat"]);
            if let Some((key, table)) = table {
                settings.lay(&table.roles.polecat, &["rigs", key, "roles", "polecat"]);
            }
            let origin = Origin::File(format!("{}/{name}", polecats_dir(rig)));
            let address = Address::Polecat(rig.clone(), name.clone());
            self.add(Shape { address, enabled: true, restart: RestartPolicy::Always, origin }, &settings);
        }
    }

    fn session_objects(&mut self) {
        for (key, table) in &self.toml.sessions {
            if self.is_too_large() {
                return;
            }
            let Ok(name) = Name::parse(key) else { continue };
            let SessionTable {
                enabled,
                agent,
                command,
                env,
                directory,
                prompt,
                after,
                restart,
                heartbeat,
                stale_after,
                stuck_after,
                grace,
            } = table;
            let path = ["sessions", key.as_str()];
            let with = |name: &'a str| path.iter().copied().chain([name]).collect::<Vec<_>>();
            let settings = Settings {
                enabled: enabled.map(|enabled| (enabled, with("enabled"))),
                agent: agent.as_deref().map(|agent| (agent, with("agent"))),
                command: command.as_deref(),
                env: env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
                directory: directory.as_deref(),
                prompt: prompt.as_deref(),
                after: after.as_deref().map(|after| (after, with("after"))),
                watch: WatchSettings {
                    file: heartbeat.as_deref(),
                    stale_after: *stale_after,
                    stuck_after: *stuck_after,
                    grace: *grace,
                },
                poke: (None, None),
            };
            let origin = self.origin(&path);
            self.add(
                Shape { address: Address::Session(name), enabled: true, restart: *restart, origin },
                &settings,
            );
        }
    }

    fn add(&mut self, shape: Shape, settings: &Settings<'a>) {
        self.size += weight_of_settings(settings);
        if self.is_too_large() {
            return;
        }
        let Shape { address, enabled, restart, origin } = shape;
        let prefix = address.rig().and_then(|rig| holds::prefix_of(self.files, rig));
        let naming = self.toml.town.naming;
        let session = session_name(&address, naming, prefix.as_ref());
        let other_name = Some(session_name(&address, naming.other(), prefix.as_ref()));
        let other_name = other_name.filter(|name| *name != session);
        let Composed { recipe, agent, hold } =
            match recipes::recipe(self.files, self.toml, &address, session, settings) {
                Ok(composed) => composed,
                Err(unknown) => return self.unknown_agent(&unknown),
            };
        let mut holds = holds::of_layers(self.files, &address);
        holds.extend(hold);
        match &settings.enabled {
            Some((false, path)) => holds.push(Hold::new(HoldKind::Disabled, self.origin(path))),
            None if !enabled => holds.push(Hold::new(HoldKind::Disabled, Origin::Default)),
            Some((true, _)) | None => {}
        }
        // Strictest first; the order of the layers decides only between equals.
        holds.sort_by(|a, b| b.kind.cmp(&a.kind));
        self.size += weight(&recipe, &holds);
        let after = self.needs(&address, settings);
        let spec = recipe.spec();
        let watch = settings.watch.watch(&address, self.files.workspace);
        let poke = settings.poke();
        self.objects.insert(
            address.clone(),
            Object {
                address,
                recipe,
                spec,
                agent,
                other_name,
                after,
                wave: 0,
                holds,
                restart,
                watch,
                poke,
                origin,
            },
        );
    }

    fn needs(&mut self, address: &Address, settings: &Settings<'_>) -> BTreeSet<Address> {
        let Some((entries, path)) = &settings.after else { return BTreeSet::new() };
        let mut needs = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            match order::resolve(entry, address) {
                Some(need) if need != Address::Boot => {
                    needs.insert(need);
                }
                _ if self.errors.len() >= ERRORS_MAX => break,
                found => {
                    let index = index.to_string();
                    let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
                    if found.is_some() {
                        let error = self.error(&path, "nothing can wait for boot".to_owned(), "named here");
                        self.wrong(error.with_help("it runs only while the deacon looks unwell"));
                        continue;
                    }
                    let title = format!("`{}` is not an object", excerpt(entry, ENTRY_SHOWN).escape_debug());
                    self.wrong(self.error(&path, title, "not an object").with_help(
                        "write mayor, deacon, witness, refinery, or an address such as gastown/crew/max or sessions/scribe",
                    ));
                }
            }
        }
        needs
    }

    /// Every object that another one needs must exist.
    fn check_needs(&mut self) {
        let needs =
            self.objects.values().flat_map(|object| object.after.iter().map(move |need| (object, need)));
        // A polecat comes and goes, and a file that is right today would be wrong tomorrow.
        let is_there = |need: &Address| self.objects.contains_key(need) && need.role() != Role::Polecat;
        let missing = needs.filter(|(_, need)| !is_there(need));
        let errors: Vec<Diagnostic> = missing
            .take(ERRORS_MAX)
            .map(|(object, need)| {
                let why = if need.role() == Role::Polecat { "comes and goes" } else { "does not exist" };
                let title = format!("{} is to start after {need}, which {why}", object.address);
                self.error(&after_path(self.toml, &object.address), title, "named here")
                    .with_help(format!("the objects of this town are {}", some_of(self.objects.keys())))
            })
            .collect();
        errors.into_iter().for_each(|error| self.wrong(error));
    }

    fn check_cycles(&mut self) {
        let edges = self.objects.iter().map(|(address, object)| (address, &object.after)).collect();
        let mut errors = Vec::new();
        for cycle in order::cycles(&edges).into_iter().take(ERRORS_MAX) {
            let Some(first) = cycle.first() else { continue };
            let title =
                format!("these objects wait for each other: {}", some_of(cycle.iter().chain([first])));
            errors.push(
                self.error(&after_path(self.toml, first), title, "part of the circle")
                    .with_help("remove one of the `after` entries"),
            );
        }
        errors.into_iter().for_each(|error| self.wrong(error));
    }

    /// Two objects must not share a session name; nor names that people cannot tell apart when they say them.
    fn check_names(&mut self) {
        let mut owners: BTreeMap<String, &Object> = BTreeMap::new();
        let mut errors = Vec::new();
        for object in self.objects.values() {
            let key = object.recipe.session.to_ascii_lowercase();
            // A directory is nobody's mistake in a file; such a polecat is held instead.
            if matches!(object.address, Address::Polecat(..)) {
                continue;
            }
            let Some(first) = owners.insert(key, object) else { continue };
            let title = format!(
                "{} and {} would both be the tmux session `{}`",
                first.address, object.address, object.recipe.session
            );
            let mut diagnostic = Diagnostic::error(title, self.label(&object.origin, "this one"));
            diagnostic.labels.push(self.label(&first.origin, "and this one"));
            errors.push(diagnostic.with_help("rename one of them, or give one rig another prefix"));
            if errors.len() >= ERRORS_MAX {
                break;
            }
        }
        errors.into_iter().for_each(|error| self.wrong(error));
    }

    fn unknown_agent(&mut self, unknown: &UnknownAgent<'_>) {
        if self.errors.len() >= ERRORS_MAX {
            return;
        }
        let known = self.agents.get_or_init(|| agents::names(self.files, self.toml));
        let name = excerpt(unknown.name, ENTRY_SHOWN).escape_debug().to_string();
        // Each guess looks at all that is known, and who has so many unknown ones has not misspelt them.
        let near = if self.errors.len() < GUESSES_MAX {
            closest(unknown.name, known.iter().map(String::as_str))
        } else {
            None
        };
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known agents are {}; define others as [agents.{name}]", some_of(known)),
        };
        let error =
            self.error(&unknown.path, format!("there is no agent `{name}`"), "named here").with_help(help);
        if !self.errors.contains(&error) {
            self.wrong(error);
        }
    }

    /// Notes a mistake.
    fn wrong(&mut self, error: Diagnostic) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
    }

    fn is_too_large(&self) -> bool {
        self.size > GRAPH_SIZE_MAX
    }

    fn town(&self) -> Option<&'a Town> {
        self.files.town.as_ref()
    }

    /// The line of town.toml that says this, or the nearest one around it.
    fn origin(&self, path: &[&str]) -> Origin {
        let position: Option<Position> = self.town().and_then(|town| town.positions.nearest(path)).cloned();
        position.map_or(Origin::Default, Origin::At)
    }

    fn span_of(&self, position: &Position) -> Option<std::ops::Range<usize>> {
        let lines = self.lines.get_or_init(|| {
            let rigs = self.files.rigs.as_ref().map(|rigs| &rigs.source);
            let town = self.town().and_then(|town| town.source.as_ref());
            rigs.into_iter().chain(town).map(|source| (source, source.lines())).collect()
        });
        let (source, lines) = lines.iter().find(|(source, _)| source.file == position.file)?;
        let start = lines.offset(position)?;
        let line = source.text.get(start..)?.lines().next()?;
        Some(start..start + line.len())
    }

    fn error(&self, path: &[&str], title: String, label: &str) -> Diagnostic {
        let span = self.town().and_then(|town| town.positions.nearest_span(path));
        Diagnostic::error(title, Label { file: "town.toml".to_owned(), span, text: label.to_owned() })
    }

    fn label(&self, origin: &Origin, text: &str) -> Label {
        let (file, span) = match origin {
            Origin::At(position) => (position.file.clone(), self.span_of(position)),
            Origin::File(file) => (file.clone(), None),
            Origin::Bead(_) | Origin::Request(_) | Origin::Default => ("town.toml".to_owned(), None),
        };
        Label { file, span, text: text.to_owned() }
    }
}

/// The one mistake of a graph that is not built to its end.
fn too_large() -> Diagnostic {
    let title = format!("the files ask for more than {} MiB of objects", GRAPH_SIZE_MAX / 1024 / 1024);
    let help = "the environment, command and `after` of a role are copied to each object of the role; make them smaller";
    Diagnostic::error(title, Label::file("town.toml")).with_help(help)
}
