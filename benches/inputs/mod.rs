//! Inputs of `plan()` without tmux: a town of so many sessions, and what a look at it would have seen.

// A panic is how a measurement says that it measured nothing; each benchmark uses its part.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gtctl::desired::{Desired, desire};
use gtctl::machine::ThisMachine;
use gtctl::model::{BootId, IncarnationId, Marker, PaneId, ProcessId, Seen, SessionId, Stamp};
use gtctl::observed::{Life, Observed, Pane, Place, Server, ServerUp, Session};
use gtctl::town::files::read_all;
use gtctl::town::locate::TownRoot;

/// What happens between two passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Everything lives, and looks as before.
    Nothing,
    /// One agent after the other is dead.
    OneDies,
    /// Everything lives, and looks otherwise than before.
    AllIsNew,
    /// All agents are dead.
    AllDie,
}

/// A town with so many sessions, read from a file in `directory` as gtctl reads it.
pub fn desired(directory: &Path, objects: u32) -> Desired {
    let sessions: String =
        (0..objects).map(|number| format!("[sessions.s{number}]\ncommand = ['agent', '--yes']\n")).collect();
    std::fs::write(directory.join("town.toml"), format!("{sessions}[limits]\nsessions = 10000\n")).unwrap();
    let files = read_all(&ThisMachine::new(), &TownRoot::at(directory).unwrap()).unwrap();
    desire(&files).unwrap()
}

/// What the look number `number` at that town sees.
pub fn look(desired: &Desired, number: u32, between: Between) -> Observed {
    let at = Stamp {
        boot: BootId("boot".to_owned()),
        since_boot: Duration::from_secs(100_000 + u64::from(number)),
        wall: jiff::Timestamp::from_second(1_700_000_000 + i64::from(number)).unwrap(),
    };
    let place = || Place {
        directory: Seen::Known(Some(PathBuf::from("/town"))),
        program: Seen::Known(Some(PathBuf::from("/bin/agent"))),
        path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
    };
    let count = u32::try_from(desired.objects.len()).unwrap();
    let sessions = desired.objects.values().zip(0..).map(|(object, index)| {
        let incarnation = IncarnationId::from_hex(&format!("{index:012x}")).unwrap();
        let marker = Marker {
            town: desired.town.clone(),
            address: object.address.clone(),
            incarnation: incarnation.clone(),
        };
        let pid = 1000 + i32::try_from(index).unwrap();
        let dies = match between {
            Between::OneDies => index == number % count,
            Between::AllDie => true,
            Between::Nothing | Between::AllIsNew => false,
        };
        let life = if dies {
            Life::Gone { exit: None }
        } else {
            Life::Running {
                process: ProcessId { pid, start: 50 },
                lived: Duration::from_secs(5000 + u64::from(number)),
                bare_shell: Seen::Known(false),
            }
        };
        Session {
            id: SessionId(index),
            name: object.recipe.session.clone(),
            attached: if between == Between::AllIsNew { number } else { 0 },
            label: marker.to_string().into(),
            spec: Some(object.spec.clone()),
            panes: vec![Pane {
                id: PaneId(index),
                window: 0,
                pid,
                agent: incarnation.to_string(),
                in_mode: false,
                ending: None,
                screen: None,
                activity: None,
                life: Seen::Known(life),
            }],
            claim: None,
        }
    });
    Observed {
        awake: Duration::from_secs(3600),
        away: None,
        work: BTreeMap::new(),
        gt: None,
        heartbeats: BTreeMap::new(),
        at,
        socket: "/tmp/tmux-1000/town".to_owned(),
        server: Seen::Known(Server::Up(ServerUp {
            id: ProcessId { pid: 100, start: 7 },
            version: "3.4".to_owned(),
            sessions: sessions.collect(),
        })),
        places: desired.objects.keys().map(|address| (address.clone(), place())).collect(),
        past: BTreeMap::new(),
        past_server: None,
        low_memory: None,
        orphans: None,
    }
}
