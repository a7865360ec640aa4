//! Towns to try things on: what their files say, in a form that can be changed and written down again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::choose::Choices;
use super::processes::Temper;
use super::world::{Behaviour, World};
use crate::desired::Policy;
use crate::model::{Address, Exit, Role};
use crate::town::TownRoot;
use crate::town::files::town_toml::{TOWN_TOML, parse_town_toml};
use crate::town::source::Source;

/// Where the town is.
pub const ROOT: &str = "/town";

/// The numbers of every random town: small, so that all of them are reached, and large enough to tell them apart.
const POLICY: &str = "
[backoff]
initial = \"5s\"
factor = 2.0
max = \"40s\"
jitter = 0.2

[crash-loop]
count = 3
window = \"5m\"
stable = \"2m\"
probe-after = \"10m\"

[controller]
resync = \"30s\"
settle = \"1s\"
stop-timeout = \"5s\"
tmux-timeout = \"5s\"
";

/// The other limits.
const LIMITS: &str = "starts-per-minute = 6
starts-in-flight = 2
kills-per-pass = 2
";

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It runs until it is told to end.
    Ok,
    /// It ignores the hang-up and TERM.
    Deaf,
    /// It starts a child that has a session of its own.
    Fork,
    /// It ends with 0 after three seconds.
    Exit0,
    /// It ends with 1 after two seconds.
    Crash,
    /// It ends with 1 within the settling time.
    Stillborn,
}

/// All kinds.
pub const KINDS: [Kind; 6] = [Kind::Ok, Kind::Deaf, Kind::Fork, Kind::Exit0, Kind::Crash, Kind::Stillborn];

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Ok => "/bin/ok",
            Self::Deaf => "/bin/deaf",
            Self::Fork => "/bin/fork",
            Self::Exit0 => "/bin/exit0",
            Self::Crash => "/bin/crash",
            Self::Stillborn => "/bin/stillborn",
        }
    }

    fn behaviour(self) -> Behaviour {
        let ordinary = |ends| Behaviour { temper: Temper::Ordinary, ends, forks: false };
        match self {
            Self::Ok => ordinary(None),
            Self::Deaf => Behaviour { temper: Temper::Deaf, ..ordinary(None) },
            Self::Fork => Behaviour { forks: true, ..ordinary(None) },
            Self::Exit0 => ordinary(Some((Duration::from_secs(3), Exit::Code(0)))),
            Self::Crash => ordinary(Some((Duration::from_secs(2), Exit::Code(1)))),
            Self::Stillborn => ordinary(Some((Duration::from_millis(100), Exit::Code(1)))),
        }
    }
}

/// A session of `town.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlotSession {
    /// What its agent does.
    pub kind: Kind,
    /// `restart`
    pub restart: &'static str,
    /// Whether it is turned on.
    pub enabled: bool,
    /// The session that it comes after.
    pub after: Option<usize>,
    /// Changes with its spec.
    pub generation: u32,
}

/// A rig of `town.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlotRig {
    /// What its agents do.
    pub kind: Kind,
    /// `state`
    pub state: &'static str,
}

/// A town, as somebody wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Plot {
    /// `sessions/s0`, `sessions/s1` …
    pub sessions: Vec<PlotSession>,
    /// `r0`, `r1` …
    pub rigs: Vec<PlotRig>,
    /// Whether `ESTOP` is there.
    pub estop: bool,
}

/// The states of a rig.
pub const STATES: [&str; 3] = ["active", "parked", "docked"];

const RESTARTS: [&str; 3] = ["always", "on-failure", "never"];

impl Plot {
    /// Some town with one to four objects or so.
    pub fn random(choices: &mut Choices) -> Self {
        let sessions = choices.below(4);
        let rigs = if sessions == 0 { 1 } else { choices.below(3) };
        let mut plot = Self::default();
        for index in 0..sessions as usize {
            let after = (index > 0 && choices.one_in(3))
                .then(|| choices.below(u32::try_from(index).unwrap_or(1)) as usize);
            plot.sessions.push(PlotSession {
                kind: random_kind(choices),
                restart: choices.pick(&RESTARTS).copied().unwrap_or("always"),
                enabled: !choices.one_in(8),
                after,
                generation: 0,
            });
        }
        for _ in 0..rigs {
            let state = if choices.one_in(4) { choices.pick(&STATES).copied() } else { None };
            plot.rigs.push(PlotRig { kind: random_kind(choices), state: state.unwrap_or("active") });
        }
        plot
    }

    /// A town with so many sessions that run for ever.
    pub fn of_sessions(count: usize) -> Self {
        let session =
            PlotSession { kind: Kind::Ok, restart: "always", enabled: true, after: None, generation: 0 };
        Self { sessions: vec![session; count], ..Self::default() }
    }

    /// With so many rigs beside what there is, each with a witness and a refinery.
    pub fn and_rigs(mut self, count: usize) -> Self {
        self.rigs.extend(vec![PlotRig { kind: Kind::Ok, state: "active" }; count]);
        self
    }

    /// `town.toml`
    pub fn text(&self) -> String {
        // The numbers come first: of a file that breaks off, whoever is listed is listed with them.
        // A large town is allowed to be one.
        let limit = self.sessions.len().max(8);
        let mut text = format!("[town]\nsocket = \"sim\"\n{POLICY}\n[limits]\nsessions = {limit}\n{LIMITS}");
        for (index, session) in self.sessions.iter().enumerate() {
            let PlotSession { kind, restart, enabled, after, generation } = session;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[sessions.s{index}]\ncommand = [\"{}\", \"{generation}\"]\ndirectory = \".\"\nrestart = \"{restart}\"\nenabled = {enabled}\n",
                kind.program()
            );
            if let Some(after) = after {
                let _ = writeln!(text, "after = [\"sessions/s{after}\"]");
            }
        }
        for (index, rig) in self.rigs.iter().enumerate() {
            let PlotRig { kind, state } = rig;
            let role = format!("{{ command = [\"{}\"], directory = \".\" }}", kind.program());
            let _ = write!(
                text,
                "\n[rigs.r{index}]\nstate = \"{state}\"\nprefix = \"p{index}\"\nroles.witness = {role}\nroles.refinery = {role}\n"
            );
        }
        text
    }

    /// The town's directory.
    pub fn root(&self) -> TownRoot {
        TownRoot::imagined(ROOT)
    }

    /// Writes the files into a world that has none of them, and tells it how the programs behave.
    pub fn found(&self, world: &mut World) {
        world.disk.make_directory(self.root().path());
        for kind in KINDS {
            world.tempers.insert(kind.program().to_owned(), kind.behaviour());
        }
        self.write(world);
    }

    /// Writes the files as they should be.
    pub fn write(&self, world: &mut World) {
        let root = self.root();
        world.disk.put(root.path().join(TOWN_TOML), self.text());
        if self.estop {
            world.disk.put(root.path().join("ESTOP"), "");
        } else {
            world.disk.remove(&root.path().join("ESTOP"));
        }
    }

    /// Whether an object should not be started, by what somebody wrote: known here without asking any code that decides.
    pub fn forbids(&self, address: &Address) -> bool {
        if self.estop {
            return true;
        }
        match (address.role(), address.rig()) {
            (Role::Session, _) => {
                let index =
                    address.worker().and_then(|name| name.as_str().strip_prefix('s')?.parse::<usize>().ok());
                index.and_then(|index| self.sessions.get(index)).is_none_or(|session| !session.enabled)
            }
            (_, Some(rig)) => {
                let index = rig.as_str().strip_prefix('r').and_then(|index| index.parse::<usize>().ok());
                index.and_then(|index| self.rigs.get(index)).is_none_or(|rig| rig.state != "active")
            }
            (_, None) => true,
        }
    }

    /// The numbers of the town.
    pub fn policy(&self) -> Policy {
        let source = Source { file: TOWN_TOML.to_owned(), text: self.text() };
        parse_town_toml(source).map(|town| Policy::from(&town.toml)).unwrap_or_default()
    }

    /// Whether an object should live; `None` if it is to be left as it is.
    pub fn wants(&self, address: &Address) -> Option<bool> {
        match (self.estop, address.rig()) {
            (true, _) => None,
            (false, Some(_)) => Some(!self.forbids(address)),
            (false, None) => (!self.forbids(address)).then_some(true),
        }
    }

    /// The programs of its agents.
    pub fn programs(&self) -> Vec<String> {
        let mut programs: Vec<String> = KINDS.iter().map(|kind| kind.program().to_owned()).collect();
        programs.sort();
        programs
    }

    /// The objects that may ever run, each with what its program does.
    pub fn objects(&self) -> BTreeMap<Address, Kind> {
        let sessions =
            self.sessions.iter().enumerate().map(|(i, session)| (format!("sessions/s{i}"), session.kind));
        let rigs =
            self.rigs.iter().enumerate().flat_map(|(i, rig)| {
                [(format!("r{i}/witness"), rig.kind), (format!("r{i}/refinery"), rig.kind)]
            });
        sessions.chain(rigs).filter_map(|(address, kind)| Some((address.parse().ok()?, kind))).collect()
    }
}

fn random_kind(choices: &mut Choices) -> Kind {
    if choices.one_in(3) { choices.pick(&KINDS).copied().unwrap_or(Kind::Ok) } else { Kind::Ok }
}
