//! The user's own town in a simulated world: its files under their own paths, so that labels and recipes are the same, and of each directory and
//! program whether it is there. The real town is read and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::choose::Choices;
use super::disk::File;
use super::machine::SOCKETS;
use super::places::Places;
use super::world::World;
use crate::controller::BEADS_FILE;
use crate::desired::{Desired, HoldKind, Object, Policy};
use crate::machine::{Disk, FILE_SIZE_MAX, ReadError};
use crate::model::{Address, Name, Origin, Role, Seen};
use crate::observed::tmux::Socket;
use crate::observed::{Place, PlaceWanted, places};
use crate::town::TownRoot;
use crate::town::files::ACCOUNTS_JSON;
use crate::town::files::TownFiles;
use crate::town::files::agents::{AGENTS_JSON, path_of};
use crate::town::files::daemon::{DAEMON_JSON, SETTINGS_JSON};
use crate::town::files::dolt::{DOLT_CONFIG, TOWN_JSON};
use crate::town::files::hooks::claude_settings;
use crate::town::files::rigs::RIGS_JSON;
use crate::town::files::roles::{ROLES, role_file};
use crate::town::files::stops::{ESTOP, SHUTDOWN_LOCK};
use crate::town::files::town_toml::{RigState, TOWN_TOML};
use crate::town::set_rig_state;

/// A town that was copied from a real disk.
#[derive(Debug, Clone)]
pub struct CopiedTown {
    original: Arc<Original>,
    /// Objects of which it is known that they do not come up, whatever happens.
    pub lost: Arc<BTreeSet<Address>>,
    /// The files ask for more sessions than the town may have: which of them run depends on who comes first.
    pub crowded: bool,
    /// Whether somebody has stopped the town, who had not before.
    pub estop: bool,
    /// The rigs that somebody has parked since.
    parked: BTreeSet<Name>,
}

/// What was read, once.
#[derive(Debug)]
struct Original {
    root: TownRoot,
    desired: Desired,
    files: BTreeMap<PathBuf, File>,
    directories: BTreeSet<PathBuf>,
    places: Places,
    /// Objects whose directory or program is not there.
    missing: BTreeSet<Address>,
    /// Whether `gt down` is at work.
    shutdown: bool,
    /// The moment, if it matters to the files.
    now: Option<Timestamp>,
}

impl CopiedTown {
    /// Reads what there is of a town whose files are right. With `assume_installed`, every directory and program is taken for there.
    pub fn read(
        disk: &impl Disk,
        files: &TownFiles,
        desired: &Desired,
        now: Timestamp,
        assume_installed: bool,
    ) -> Self {
        let root = files.root.path();
        // Polecats stay out of it: their work is in a database, and nobody gives them any there.
        let mut desired = desired.clone();
        desired.objects.retain(|address, _| address.role() != Role::Polecat);
        let desired = &desired;
        let mut copies: BTreeMap<PathBuf, File> = BTreeMap::new();
        let mut copy = |relative: &str| {
            if let Some(file) = read_file(disk, root, relative) {
                copies.insert(root.join(relative), file);
            }
        };
        [TOWN_TOML, RIGS_JSON, DAEMON_JSON, SETTINGS_JSON, ESTOP].into_iter().for_each(&mut copy);
        [AGENTS_JSON, ACCOUNTS_JSON, TOWN_JSON, DOLT_CONFIG].into_iter().for_each(&mut copy);
        let rigs = files.wisps.keys().map(Some).chain([None]);
        rigs.flat_map(|rig| ROLES.iter().map(move |role| path_of(rig, &role_file(role))))
            .for_each(|path| copy(&path));
        for rig in files.wisps.keys() {
            for file in [SETTINGS_JSON, AGENTS_JSON] {
                copy(&path_of(Some(rig), file));
            }
            let roles = [Role::Witness, Role::Refinery, Role::Crew];
            roles.into_iter().filter_map(|role| claude_settings(rig, role)).for_each(|path| copy(&path));
            copy(&format!(".beads-wisp/config/{rig}.json"));
            copy(&format!("{ESTOP}.{rig}"));
        }
        let mut directories = BTreeSet::from([root.to_owned()]);
        // A rig that is not held by its bead has none there.
        for object in desired.objects.values() {
            let by_bead = object.holds.iter().any(|hold| matches!(hold.origin, Origin::Bead(_)));
            directories.extend(
                object.address.rig().filter(|_| by_bead).map(|rig| root.join(rig.as_str()).join(".beads")),
            );
        }
        if files.workspace {
            directories.insert(root.join("mayor"));
        }
        let (mut known, mut missing) = (Places::default(), BTreeSet::new());
        for (address, wanted) in &desired.wants(BTreeMap::new(), None).places {
            let place = if assume_installed { assumed(wanted, files) } else { places::look_at(disk, wanted) };
            if let Seen::Known(Some(directory)) = &place.directory {
                directories.insert(directory.clone());
            }
            known.take(wanted, &place);
            let is_there = |seen: &Seen<Option<PathBuf>>| matches!(seen, Seen::Known(Some(_)));
            if !is_there(&place.directory) || !is_there(&place.program) {
                missing.insert(address.clone());
            }
        }
        let ends = desired.objects.values().flat_map(|object| &object.holds).any(|hold| hold.until.is_some());
        let original = Original {
            root: files.root.clone(),
            desired: desired.clone(),
            files: copies,
            directories,
            places: known,
            missing,
            shutdown: disk.is_locked(root, SHUTDOWN_LOCK).unwrap_or(false),
            now: ends.then_some(now),
        };
        Self {
            original: Arc::new(original),
            lost: Arc::default(),
            crowded: false,
            estop: false,
            parked: BTreeSet::new(),
        }
    }

    /// With what beads have said. Nobody asks for them there, so that it stays in force.
    #[must_use]
    pub fn with_beads(mut self, answers: Vec<u8>) -> Self {
        if let Some(original) = Arc::get_mut(&mut self.original) {
            let file = original.root.gtctl_dir().join(BEADS_FILE);
            original.files.insert(file, File::Bytes(answers));
        }
        self
    }

    /// The town.
    pub fn root(&self) -> &TownRoot {
        &self.original.root
    }

    /// What its files ask for.
    pub fn desired(&self) -> &Desired {
        &self.original.desired
    }

    /// The numbers.
    pub fn policy(&self) -> &Policy {
        &self.desired().policy
    }

    /// Where its tmux socket is in the simulated world.
    pub fn socket(&self) -> PathBuf {
        match &self.desired().socket {
            Socket::Name(name) => Path::new(SOCKETS).join(name),
            Socket::Path(path) => path.clone(),
        }
    }

    /// The files that say what should run; a stop says that by being there.
    pub fn files(&self) -> Vec<PathBuf> {
        let says = |path: &&PathBuf| path.extension().is_some_and(|end| end == "toml" || end == "json");
        self.original.files.keys().filter(says).cloned().collect()
    }

    /// Sets the town up on a machine.
    pub fn found(&self, world: &mut World) {
        let Original { directories, places, shutdown, now, root, .. } = self.original.as_ref();
        directories.iter().for_each(|directory| world.disk.make_directory(directory));
        world.places = places.clone();
        if *shutdown {
            world.disk.put(root.path().join(SHUTDOWN_LOCK), "");
            world.disk.locked.insert(root.path().join(SHUTDOWN_LOCK));
        }
        if let Some(now) = now {
            let ahead: SignedDuration = now.duration_since(world.clock.now().wall);
            world.clock.set_wall(ahead);
        }
        self.write(world);
    }

    /// Writes the files as they were, but for what somebody has stopped and parked since.
    pub fn write(&self, world: &mut World) {
        let root = self.root().path();
        for (path, file) in &self.original.files {
            world.disk.put_file(path, file.clone());
        }
        if self.estop {
            world.disk.put(root.join(ESTOP), "");
        } else if !self.original.files.contains_key(&root.join(ESTOP)) {
            world.disk.remove(&root.join(ESTOP));
        }
        let town_toml = root.join(TOWN_TOML);
        if let Some(File::Bytes(bytes)) = self.original.files.get(&town_toml)
            && let Ok(mut text) = String::from_utf8(bytes.clone())
        {
            for rig in &self.parked {
                text = set_rig_state(&text, rig, RigState::Parked, None, None).unwrap_or(text);
            }
            world.disk.put(town_toml, text);
        }
    }

    /// Whether an object should not be started at that moment.
    pub fn forbids(&self, address: &Address, at: Timestamp) -> bool {
        self.desired().objects.get(address).is_none_or(|object| self.held(object, at).is_some())
    }

    /// Whether an object should live at that moment; `None` if it is to be left as it is.
    pub fn wants(&self, address: &Address, at: Timestamp) -> Option<bool> {
        let object = self.desired().objects.get(address)?;
        match (self.held(object, at), address.role()) {
            (Some(HoldKind::Parked | HoldKind::Docked), Role::Witness | Role::Refinery) => Some(false),
            // Boot is wanted for a moment, when the deacon looks unwell to whoever keeps the town.
            (Some(_), _) | (None, Role::Boot) => None,
            (None, _) => (!self.crowded && !self.lost.contains(address)).then_some(true),
        }
    }

    /// What holds an object back at that moment, most strictly.
    fn held(&self, object: &Object, at: Timestamp) -> Option<HoldKind> {
        let own = object.holds.iter().filter(|hold| hold.is_active(at)).map(|hold| hold.kind.clone()).max();
        let is_parked = object.address.rig().is_some_and(|rig| self.parked.contains(rig));
        let parked = is_parked.then_some(HoldKind::Parked);
        let stopped = self.estop.then_some(HoldKind::Frozen);
        own.into_iter().chain(parked).chain(stopped).max()
    }

    /// The objects that a file asks for, held or not.
    pub fn objects(&self) -> Vec<Address> {
        self.desired().objects.keys().cloned().collect()
    }

    /// The name of an object's session.
    pub fn name_of(&self, address: &Address) -> String {
        self.desired().objects.get(address).map(|object| object.recipe.session.clone()).unwrap_or_default()
    }

    /// The programs of its agents.
    pub fn programs(&self) -> Vec<String> {
        let programs = self.desired().objects.values().map(|object| object.recipe.program().to_owned());
        programs.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All objects that do not come up, given some of them: those without directory or program, and all that wait for one of them.
    pub fn never_up(&self, mut known: BTreeSet<Address>) -> BTreeSet<Address> {
        known.extend(self.original.missing.iter().cloned());
        loop {
            let waits = |object: &&Object| object.after.iter().any(|need| known.contains(need));
            let objects = self.desired().objects.values();
            let more: Vec<Address> = objects
                .filter(|object| !known.contains(&object.address))
                .filter(waits)
                .map(|object| object.address.clone())
                .collect();
            if more.is_empty() {
                return known;
            }
            known.extend(more);
        }
    }

    /// Somebody parks a rig, or unparks one that was parked here; `None` if `town.toml` is not there or has no such rig that is active.
    pub fn park_or_unpark(&mut self, choices: &mut Choices) -> Option<()> {
        let town_toml = self.original.files.get(&self.root().path().join(TOWN_TOML))?;
        let File::Bytes(bytes) = town_toml else { return None };
        let text = String::from_utf8(bytes.clone()).ok()?;
        let is_active = |rig: &Name| {
            let of_rig = self.desired().objects.values().filter(|object| object.address.rig() == Some(rig));
            let parked = |kind: &HoldKind| matches!(kind, HoldKind::Parked | HoldKind::Docked);
            !of_rig.flat_map(|object| &object.holds).any(|hold| parked(&hold.kind))
        };
        let all: BTreeSet<&Name> =
            self.desired().objects.keys().filter_map(|address| address.rig()).collect();
        let rigs: Vec<Name> = all.into_iter().filter(|rig| is_active(rig)).cloned().collect();
        let rig = choices.pick(&rigs)?.clone();
        if !self.parked.remove(&rig) {
            set_rig_state(&text, &rig, RigState::Parked, None, None).ok()?;
            self.parked.insert(rig);
        }
        Some(())
    }

    /// What was stopped and parked here is so no more.
    pub fn undo(&mut self) {
        self.estop = false;
        self.parked.clear();
    }
}

/// What is at a path of the town.
fn read_file(disk: &impl Disk, root: &Path, relative: &str) -> Option<File> {
    match disk.read_text(root, relative) {
        Ok(Some(text)) => Some(File::Bytes(text.into_bytes())),
        Ok(None) => None,
        Err(ReadError::NotRegular(_)) => Some(File::Directory),
        Err(ReadError::NotUtf8 { .. }) => {
            let bytes = disk.read(&root.join(relative), FILE_SIZE_MAX);
            Some(bytes.map_or_else(|_| File::Forbidden(Vec::new()), File::Bytes))
        }
        Err(_) => Some(File::Forbidden(Vec::new())),
    }
}

/// A place where everything is as wanted, but for a `mayor/` where there is none: it would make the town a workspace, with a deacon.
fn assumed(wanted: &PlaceWanted, files: &TownFiles) -> Place {
    let mayor = files.root.path().join("mayor");
    let makes_a_workspace = |directory: &PathBuf| !files.workspace && *directory == mayor;
    Place {
        directory: Seen::Known(wanted.directories.iter().find(|one| !makes_a_workspace(one)).cloned()),
        program: Seen::Known(Some(PathBuf::from(&wanted.program))),
        path: wanted.path.clone().unwrap_or_default(),
    }
}
