//! Builders: a town from real file texts, a world to look at, a memory. `town("[sessions.scribe]").dead("sessions/scribe", None).plan()`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::desired::{Desired, Hold, HoldKind, Watch, desire};
use crate::ledger::{AskedRestart, AskedStop, Beat, Cause, Ledger, Record};
use crate::model::{
    Address, BootId, Evidence, Exit, Incarnation, IncarnationId, Label, Marker, Name, Origin, PaneId,
    ProcessId, Seen, SessionId, Stamp, TownId,
};
use crate::observed::{Claim, Life, Observed, Pane, Place, Server, ServerUp, Session};
use crate::plan::{Options, Plan, plan};
use crate::town::TownRoot;
use crate::town::files::stops::{Stop, Stops};
use crate::town::files::town_toml::parse_town_toml;
use crate::town::files::{DisabledPatrols, Starts, TownFiles};
use crate::town::source::Source;

pub use super::words::{says, steps};

/// Where the town would be, if it were anywhere.
pub const ROOT: &str = "/nowhere/town";
/// The socket that is looked at.
pub const SOCKET: &str = "/nowhere/socket";
/// The tmux server that answers.
pub const SERVER: ProcessId = ProcessId { pid: 100, start: 7 };
/// The tmux server of an earlier time.
pub const OLD_SERVER: ProcessId = ProcessId { pid: 90, start: 3 };
/// The moment of every plan, in seconds since boot.
pub const NOW: u64 = 100_000;
/// An agent that has lived for so long has settled.
pub const SETTLED: Duration = Duration::from_secs(600);
/// One that has not.
pub const YOUNG: Duration = Duration::from_millis(200);

/// The moment that lies so many seconds after boot.
pub fn at(seconds: u64) -> Stamp {
    let wall = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Stamp { boot: BootId("boot".to_owned()), since_boot: Duration::from_secs(seconds), wall }
}

/// An address.
pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// Another town's id.
pub fn other_town() -> TownId {
    TownId::from_hex("ffffffffffff").unwrap()
}

/// Everything that a plan is made from.
#[derive(Debug, Clone)]
pub struct Given {
    pub desired: Desired,
    pub observed: Observed,
    pub ledger: Ledger,
    pub options: Options,
    next: u32,
}

/// The files of a town with this `town.toml`, and no others.
pub fn files(text: &str) -> TownFiles {
    let source = Source { file: "town.toml".to_owned(), text: format!("# a town\n{text}") };
    let town = parse_town_toml(source).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    TownFiles {
        root: TownRoot::imagined(ROOT),
        workspace: false,
        boot: false,
        town: Some(town),
        rigs: None,
        daemon: None,
        disabled_patrols: DisabledPatrols::default(),
        wisps: BTreeMap::new(),
        polecats: BTreeMap::new(),
        stops: Stops { town: Seen::Known(None), rigs: BTreeMap::new(), shutdown: Seen::Known(false) },
        starts: Starts::default(),
        warnings: Vec::new(),
    }
}

/// A stop of the whole town.
pub fn estop() -> Stop {
    Stop { file: "ESTOP".to_owned(), trigger: None, reason: None, since: None }
}

/// A town with this `town.toml`; nothing runs in it, and everything could.
pub fn town(text: &str) -> Given {
    of_files(&files(text))
}

/// A town with these files.
pub fn of_files(files: &TownFiles) -> Given {
    of_desired(desire(files).unwrap_or_else(|wrong| panic!("{wrong:#?}")))
}

/// A town that asks for this.
pub fn of_desired(desired: Desired) -> Given {
    let place = || Place {
        directory: Seen::Known(Some(PathBuf::from(ROOT))),
        program: Seen::Known(Some(PathBuf::from("/bin/agent"))),
        path: "/bin".to_owned(),
    };
    let observed = Observed {
        at: at(NOW),
        awake: Duration::from_secs(NOW),
        away: None,
        work: BTreeMap::new(),
        gt: None,
        heartbeats: BTreeMap::new(),
        socket: SOCKET.to_owned(),
        server: Seen::Known(Server::Up(ServerUp {
            id: SERVER,
            version: "3.4".to_owned(),
            sessions: Vec::new(),
        })),
        places: desired.objects.keys().map(|address| (address.clone(), place())).collect(),
        past: BTreeMap::new(),
        past_server: None,
        low_memory: None,
        orphans: None,
    };
    Given { desired, observed, ledger: Ledger::default(), options: Options::default(), next: 1 }
}

/// A life with its terminal.
pub fn life(pid: i32, lived: Duration, bare_shell: Seen<bool>) -> Life {
    Life::Running { process: ProcessId { pid, start: 50 }, lived, bare_shell }
}

impl Given {
    /// The plan.
    pub fn plan(&self) -> Plan {
        plan(&self.desired, &self.observed, &self.ledger, self.options, &self.observed.at)
    }

    /// What the plan says about an object, in short: `restart: exited`, `held: parked`, `start after mayor: absent`.
    #[track_caller]
    pub fn says(&self, of: &str) -> String {
        says(&self.plan(), of)
    }

    /// The evidence of the verdict on an object.
    #[track_caller]
    pub fn evidence(&self, of: &str) -> Vec<Evidence> {
        self.plan().of(&address(of)).unwrap().evidence.clone()
    }

    /// Asks the same of another moment.
    pub fn now(mut self, seconds: u64) -> Self {
        self.observed.at = at(seconds);
        self.observed.awake = Duration::from_secs(seconds);
        self
    }

    /// With `--prune`.
    pub fn pruning(mut self) -> Self {
        self.options.prune = true;
        self
    }

    /// Holds an object back, whatever its role.
    pub fn hold(mut self, of: &str, kind: HoldKind) -> Self {
        let object = self.desired.objects.get_mut(&address(of)).unwrap();
        object.holds.push(Hold::new(kind, Origin::File("a test".to_owned())));
        object.holds.sort_by(|a, b| b.kind.cmp(&a.kind));
        self
    }

    /// Asks for one more object, made like `like`.
    pub fn object(mut self, of: &str, like: &str) -> Self {
        let mut object = self.desired.objects.get(&address(like)).unwrap().clone();
        object.address = address(of);
        object.recipe.session = of.replace('/', "-");
        object.spec = object.recipe.spec();
        self.observed.places.insert(address(of), self.observed.places.get(&address(like)).unwrap().clone());
        self.desired.objects.insert(address(of), object);
        self
    }

    /// No file asks for it any more.
    pub fn unlisted(mut self, of: &str) -> Self {
        self.desired.objects.remove(&address(of));
        self
    }

    // --- the world

    /// It lives and has settled.
    pub fn running(self, of: &str) -> Self {
        self.living(of, SETTLED, Seen::Known(false))
    }

    /// It lives, but not for long.
    pub fn starting(self, of: &str) -> Self {
        self.living(of, YOUNG, Seen::Known(false))
    }

    /// Only a bare shell is left of it.
    pub fn bare_shell(self, of: &str) -> Self {
        self.living(of, SETTLED, Seen::Known(true))
    }

    /// It lives.
    pub fn living(self, of: &str, lived: Duration, bare_shell: Seen<bool>) -> Self {
        let pid = self.next_pid();
        self.with(of, Seen::Known(life(pid, lived, bare_shell)))
    }

    /// Its process ended in its pane.
    pub fn dead(self, of: &str, exit: Option<Exit>) -> Self {
        self.with(of, Seen::Known(Life::Gone { exit }))
    }

    /// Its terminal closed, its process lives on.
    pub fn detached(self, of: &str) -> Self {
        let process = ProcessId { pid: self.next_pid(), start: 50 };
        self.with(of, Seen::Known(Life::Detached { process }))
    }

    /// The kernel says that it is gone, tmux does not yet.
    pub fn ending(self, of: &str) -> Self {
        self.with(of, Seen::Known(Life::Ending))
    }

    /// A session of it whose process could not be looked at.
    pub fn unseen(self, of: &str) -> Self {
        self.with(of, Seen::unknown("EACCES"))
    }

    /// Its session, without the pane that it was started in.
    pub fn pane_gone(self, of: &str) -> Self {
        self.unseen(of).edit(|session| session.panes[0].agent.clear())
    }

    /// A session with its marker and such a life.
    pub fn with(mut self, of: &str, life: Seen<Life>) -> Self {
        let session = self.labelled(of, &self.desired.town.clone(), life);
        self.sessions().push(session);
        self
    }

    /// A session with its name, and nothing of ours about it.
    pub fn named_like(self, of: &str) -> Self {
        self.running(of).edit(|session| {
            session.label = Label::default();
            session.spec = None;
            session.panes[0].agent.clear();
        })
    }

    /// A session with its name and without a label, whose environment says this.
    pub fn claimed(self, of: &str, claim: Seen<Claim>) -> Self {
        self.named_like(of).edit(|session| session.claim = Some(claim))
    }

    /// A session of an object of another town.
    pub fn of_other_town(mut self, of: &str) -> Self {
        let pid = self.next_pid();
        let session = self.labelled(of, &other_town(), Seen::Known(life(pid, SETTLED, Seen::Known(false))));
        self.sessions().push(session);
        self
    }

    /// Changes the session that was added last.
    pub fn edit(mut self, change: impl FnOnce(&mut Session)) -> Self {
        change(self.sessions().last_mut().unwrap());
        self
    }

    /// Somebody looks at the session that was added last.
    pub fn attached(self) -> Self {
        self.edit(|session| session.attached = 1)
    }

    /// The server is not what answers.
    pub fn server(mut self, server: Seen<Server>) -> Self {
        self.observed.server = server;
        self
    }

    /// Changes where an object could be started.
    pub fn place(mut self, of: &str, change: impl FnOnce(&mut Place)) -> Self {
        change(self.observed.places.get_mut(&address(of)).unwrap());
        self
    }

    /// How many sessions were added so far.
    pub fn sessions_count(&self) -> u32 {
        self.next - 1
    }

    fn next_pid(&self) -> i32 {
        i32::try_from(1000 + self.next).unwrap()
    }

    pub fn sessions(&mut self) -> &mut Vec<Session> {
        match &mut self.observed.server {
            Seen::Known(Server::Up(up)) => &mut up.sessions,
            other => panic!("a session in {other:?}"),
        }
    }

    fn labelled(&mut self, of: &str, town: &TownId, life: Seen<Life>) -> Session {
        let number = self.next;
        self.next += 1;
        let of = address(of);
        let object = self.desired.objects.get(&of);
        let incarnation = IncarnationId::from_hex(&format!("{number:012x}")).unwrap();
        let marker = Marker { town: town.clone(), address: of.clone(), incarnation: incarnation.clone() };
        Session {
            id: SessionId(number),
            name: object
                .map_or_else(|| of.to_string().replace('/', "-"), |object| object.recipe.session.clone()),
            attached: 0,
            label: marker.to_string().into(),
            spec: object.map(|object| object.spec.clone()),
            panes: vec![Pane {
                window: 0,
                id: PaneId(number),
                pid: i32::try_from(1000 + number).unwrap(),
                agent: incarnation.to_string(),
                in_mode: false,
                ending: None,
                screen: None,
                activity: None,
                life,
            }],
            claim: None,
        }
    }

    // --- the memory

    /// Changes what is remembered of an object.
    pub fn remember(mut self, of: &str, change: impl FnOnce(&mut Record)) -> Self {
        change(self.ledger.objects.entry(address(of)).or_default());
        self
    }

    /// It was seen in `server`, as process 500, and `lives` tells what became of that.
    pub fn past(mut self, of: &str, server: ProcessId, lives: Option<Seen<bool>>) -> Self {
        let marker = Marker {
            town: self.desired.town.clone(),
            address: address(of),
            incarnation: IncarnationId::from_hex("abcdefabcdef").unwrap(),
        };
        if let Some(lives) = lives {
            self.observed.past.insert(address(of), lives);
        }
        self.remember(of, |record| {
            record.incarnation = Some(Incarnation {
                server,
                session: SessionId(999),
                pane: PaneId(999),
                process: ProcessId { pid: 500, start: 20 },
                marker,
            });
        })
    }

    /// It was started at these moments: once, and then again after a crash.
    pub fn started_at(mut self, of: &str, moments: &[u64]) -> Self {
        let spec = self.desired.objects.get(&address(of)).unwrap().spec.clone();
        for (index, moment) in moments.iter().enumerate() {
            let cause = if index == 0 { Cause::First } else { Cause::Crash };
            self.ledger.strike(&address(of), cause, &spec, &self.desired.policy, &at(*moment), 0.5);
        }
        self
    }

    /// The life that its session carries is the last that gtctl began.
    pub fn begun(mut self, of: &str) -> Self {
        let life = self.incarnation_of(of);
        self.ledger.begin(&address(of), &life);
        self
    }

    /// An action on it is under way.
    pub fn in_flight(mut self, of: &str) -> Self {
        self.ledger.in_flight.insert(address(of));
        self
    }

    /// The life of it that its session carries, or one that is none.
    pub fn incarnation_of(&self, of: &str) -> IncarnationId {
        let of = address(of);
        let Seen::Known(Server::Up(up)) = &self.observed.server else {
            return IncarnationId::from_hex("abcdefabcdef").unwrap();
        };
        let markers = up.sessions.iter().filter_map(Session::marker);
        let own =
            markers.filter(|marker| marker.address == of).map(|marker| marker.incarnation.clone()).next();
        own.unwrap_or_else(|| IncarnationId::from_hex("abcdefabcdef").unwrap())
    }

    /// Somebody stopped it on purpose.
    pub fn stopped(mut self, of: &str) -> Self {
        let asked = AskedStop { by: "a test".to_owned(), at: at(NOW - 1) };
        self.ledger.stopped.insert(address(of), asked);
        self
    }

    /// Somebody asked for another life of it.
    pub fn restart_asked(mut self, of: &str) -> Self {
        let incarnation = self.incarnation_of(of);
        let asked = AskedRestart { incarnation, by: "a test".to_owned(), at: at(NOW - 1) };
        self.ledger.restarts.insert(address(of), asked);
        self
    }

    /// It is to say that it is well (asked after 100 s, replaced after 300 s, not judged in its first minute), and has not for so many seconds; so
    /// many seconds ago it was asked.
    pub fn silent(mut self, of: &str, seconds: u64, asked: Option<u64>) -> Self {
        let written = at(NOW - 5_000).wall;
        let object = self.desired.objects.get_mut(&address(of)).unwrap();
        object.watch = Some(Watch {
            file: "beat".to_owned(),
            stale_after: Duration::from_secs(100),
            stuck_after: Some(Duration::from_secs(300)),
            grace: Duration::from_secs(60),
        });
        let ago = |seconds| Duration::from_secs(NOW - seconds);
        let incarnation = self.incarnation_of(of);
        let boot = at(NOW).boot;
        let beat = Beat { incarnation, written, boot, since: ago(seconds), asked: asked.map(ago) };
        self.ledger.beats.insert(address(of), beat);
        self.heard(of, Seen::Known(Some(written)))
    }

    /// Its heartbeat is this.
    pub fn heard(mut self, of: &str, heartbeat: Seen<Option<jiff::Timestamp>>) -> Self {
        self.observed.heartbeats.insert(address(of), heartbeat);
        self
    }
}

/// A name.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
