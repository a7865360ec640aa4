//! What recording costs a pass: `cargo bench --bench recording`. Each row is one size of town; the plan's own cost stands beside it.
//!
//! Everything is in memory but the file, which is written to the temporary directory as a controller would.

// A panic is how a measurement says that it measured nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gtctl::desired::{Desired, desire};
use gtctl::ledger::Ledger;
use gtctl::machine::ThisMachine;
use gtctl::model::{BootId, IncarnationId, Marker, PaneId, ProcessId, Seen, SessionId, Stamp};
use gtctl::observed::{Life, Observed, Pane, Place, Server, ServerUp, Session};
use gtctl::plan::{Options, plan};
use gtctl::report::recording::{Inputs, Recorder, read};
use gtctl::town::files::read_all;
use gtctl::town::locate::TownRoot;

/// Passes of each kind.
const PASSES: u32 = 200;

/// What happens between two passes.
#[derive(Clone, Copy)]
enum Between {
    Nothing,
    OneDies,
    AllIsNew,
}

fn main() {
    println!("objects  between two passes  plan() µs  recording µs  bytes a pass  bytes of all");
    for objects in [10, 100, 1000] {
        for (word, between) in
            [("nothing", Between::Nothing), ("one dies", Between::OneDies), ("all is new", Between::AllIsNew)]
        {
            row(objects, word, between);
        }
    }
}

fn row(objects: u32, word: &str, between: Between) {
    let directory = tempfile::tempdir().unwrap();
    let town = directory.path().join("town");
    std::fs::create_dir(&town).unwrap();
    let sessions: String =
        (0..objects).map(|number| format!("[sessions.s{number}]\ncommand = ['agent', '--yes']\n")).collect();
    std::fs::write(town.join("town.toml"), format!("{sessions}[limits]\nsessions = 10000\n")).unwrap();
    let disk = ThisMachine::new();
    let files = read_all(&disk, &TownRoot::at(&town).unwrap()).unwrap();
    let desired = desire(&files).unwrap();
    let recordings = directory.path().join("recordings");
    let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let mut recorder = Recorder::new(recordings.clone(), &town, 1, start, 1 << 30);
    let (mut planning, mut recording) = (Duration::ZERO, Duration::ZERO);
    let ledger = Ledger::default();
    let size = || -> u64 {
        let files = std::fs::read_dir(&recordings).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let mut whole = 0;
    for number in 0..PASSES {
        let observed = look(&desired, number, between);
        let begun = Instant::now();
        let plan = plan(&desired, &observed, &ledger, Options::default(), &observed.at);
        planning += begun.elapsed();
        let inputs =
            Inputs { desired: &desired, observed: &observed, ledger: &ledger, options: Options::default() };
        let begun = Instant::now();
        recorder.pass(&disk, &inputs, &plan);
        // The first one tells all, whatever happens.
        if number > 0 {
            recording += begun.elapsed();
        } else {
            whole = size();
        }
    }
    let mut count = 0;
    read(&disk, &recordings, |_| count += 1).unwrap();
    assert!(count > PASSES, "all passes were recorded");
    let (plan_us, us) =
        (planning.as_micros() / u128::from(PASSES), recording.as_micros() / u128::from(PASSES - 1));
    println!(
        "{objects:>7}  {word:<18}  {plan_us:>9}  {us:>12}  {:>12}  {whole:>12}",
        (size() - whole) / u64::from(PASSES - 1)
    );
}

/// Everything lives; one agent after the other is dead, or has lost its settled look.
fn look(desired: &Desired, number: u32, between: Between) -> Observed {
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
        let dies = matches!(between, Between::OneDies) && index == number % count;
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
            attached: if matches!(between, Between::AllIsNew) { number } else { 0 },
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
