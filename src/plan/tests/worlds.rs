//! Random worlds: up to six objects, with holds, orders and memories, and sessions of ours, of others, and of nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::builders::{Given, NOW, OLD_SERVER, ROOT, SERVER, SOCKET, address, at, estop, of_desired, town};
use super::employed::employ;
use super::seats::{seat, sit};
use crate::desired::{Desired, Hold, HoldKind, Object, Policy, Recipe};
use crate::ledger::{Cause, Opening, ServerSeen, Start};
use crate::model::{Address, Label, Origin, Period, Ready, Seen, SpecHash, Why};
use crate::observed::{Screen, Server};
use crate::town::files::town_toml::RestartPolicy;

/// What may be asked for; each may need those before it.
pub const POOL: [&str; 7] =
    ["sessions/scribe", "a/witness", "mayor", "a/refinery", "deacon", "a/crew/max", "a/polecats/nux"];

/// An object and what is remembered of it.
#[derive(Debug, Clone)]
struct Wanted {
    index: usize,
    holds: Vec<(u8, Option<i64>)>,
    needs: u8,
    restart: u8,
    place: (u8, u8),
    starts: Vec<u64>,
    not_before: Option<u64>,
    crash_loop: Option<u64>,
    same_spec: bool,
    past: Option<(bool, u8)>,
    in_flight: bool,
    request: u8,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let memory = (
        vec(0..4000u64, 0..7),
        option::weighted(0.2, 0..1000u64),
        option::weighted(0.15, 0..5000u64),
        prop::bool::weighted(0.8),
        option::weighted(0.4, (any::<bool>(), 0..10u8)),
    );
    let asked = (
        0..POOL.len(),
        vec((0..6u8, option::weighted(0.3, -100..100i64)), 0..3),
        any::<u8>(),
        0..3u8,
        (0..12u8, 0..12u8),
    );
    (asked, memory, prop::bool::weighted(0.1), 0..30u8).prop_map(
        |((index, holds, needs, restart, place), memory, in_flight, request)| {
            let (starts, not_before, crash_loop, same_spec, past) = memory;
            // Most objects should be wanted, or nothing but holds would be seen.
            let holds = if needs & 3 == 0 { holds } else { Vec::new() };
            let starts = if needs & 4 == 0 { starts } else { Vec::new() };
            Wanted {
                index,
                holds,
                needs: needs.rotate_left(3),
                restart,
                place,
                starts,
                not_before,
                crash_loop,
                same_spec,
                past,
                in_flight,
                request,
            }
        },
    )
}

/// Any world, and what is asked of it.
pub fn any_world() -> impl Strategy<Value = Given> {
    let limits = (1..9usize, 1..6usize, 1..4usize, 1..6usize);
    let town = (
        0..16u8,
        vec(0..90u64, 0..4),
        prop::bool::weighted(0.08),
        0..16u8,
        prop::bool::weighted(0.3),
        option::weighted(0.25, 0..6u8),
        vec(0..12u8, 9),
        (0..24u8, 0..10u8),
    );
    (vec(wanted(), 0..7), vec(seat(), 0..9), limits, town).prop_map(
        |(wanted, seats, limits, (server, recent, trouble, recorded, prune, rig_hold, screens, work))| {
            let mut given = of_desired(desired(&wanted, limits));
            for seat in &seats {
                given = sit(given, seat);
            }
            for one in &wanted {
                remember(&mut given, one);
            }
            open(&mut given, &screens);
            given.ledger.starts = recent.iter().rev().map(|age| at(NOW - age)).collect();
            given.ledger.starts.sort_by_key(|start| start.since_boot);
            given.ledger.trouble = trouble.then(|| Why::new("disk full"));
            if let Some((socket, past)) = recorded_server(recorded) {
                given.ledger.server =
                    Some(ServerSeen { process: OLD_SERVER, boot: None, socket: socket.to_owned() });
                given.observed.past_server = past;
            }
            if let Some(number) = rig_hold {
                for object in given.desired.objects.values_mut().filter(|one| one.address.rig().is_some()) {
                    object.holds.push(Hold::new(kind(number), Origin::File("of the rig".to_owned())));
                    object.holds.sort_by(|a, b| b.kind.cmp(&a.kind));
                }
            }
            employ(&mut given, work);
            given.options.prune = prune;
            match server {
                0 => given.server(Seen::Known(Server::Down)),
                1 => given.server(Seen::Known(Server::SocketLost { pid: Some(9) })),
                2 => given.server(Seen::unknown("timed out")),
                _ => given,
            }
        },
    )
}

/// The starts of some that sit there are not over, and their screens show something.
fn open(given: &mut Given, screens: &[u8]) {
    let mut openings = BTreeMap::new();
    for (session, screen) in given.sessions().iter_mut().zip(screens) {
        let Some(marker) = session.marker().cloned() else { continue };
        let Some(pane) = session.panes.iter_mut().find(|pane| pane.agent == marker.incarnation.as_str())
        else {
            continue;
        };
        let screen = match screen {
            0 => Some(Seen::Known(Screen::Asks("Quick safety check".to_owned()))),
            1 => Some(Seen::Known(Screen::Ready)),
            2 | 3 => Some(Seen::Known(Screen::Other)),
            4 => Some(Seen::unknown("no answer")),
            5 => None,
            _ => continue,
        };
        let prompt = matches!(screens.first(), Some(0..6)).then(|| "> ".to_owned());
        let ready = Ready { prompt, delay: Period::seconds(10) };
        let opening = Opening { incarnation: marker.incarnation, ready, at: at(NOW - 100) };
        openings.insert(marker.address, opening);
        pane.screen = screen;
    }
    given.ledger.openings = openings;
}

/// The socket of the server that is remembered, and what became of that server.
fn recorded_server(number: u8) -> Option<(&'static str, Option<Seen<bool>>)> {
    match number {
        0 => Some((SOCKET, Some(Seen::Known(true)))),
        1 => Some(("/old", Some(Seen::Known(true)))),
        2 => Some(("/old", Some(Seen::Known(false)))),
        3 => Some(("/old", Some(Seen::unknown("EACCES")))),
        4 => Some(("/old", None)),
        _ => None,
    }
}

fn kind(number: u8) -> HoldKind {
    match number {
        0 => HoldKind::Disabled,
        1 => HoldKind::NoRestart,
        2 => HoldKind::Parked,
        3 => HoldKind::Docked,
        4 => HoldKind::Unreadable(Why::new("torn")),
        _ => HoldKind::Frozen,
    }
}

fn object(of: Address) -> Object {
    let recipe = Recipe {
        session: of.to_string().replace('/', "-"),
        directories: vec![PathBuf::from(ROOT)],
        command: vec!["agent".to_owned(), "--yes".to_owned()],
        env: BTreeMap::new(),
        words: None,
        ready: None,
    };
    Object {
        address: of,
        spec: recipe.spec(),
        agent: None,
        other_name: None,
        recipe,
        after: BTreeSet::new(),
        wave: 0,
        holds: Vec::new(),
        restart: RestartPolicy::Always,
        watch: None,
        poke: None,
        origin: Origin::Default,
    }
}

fn desired(wanted: &[Wanted], (sessions, minute, flight, kills): (usize, usize, usize, usize)) -> Desired {
    let mut policy = Policy::default();
    // Those that sit there have lived for ten minutes.
    policy.polecats.gupp_after = Period::seconds(300);
    policy.limits.sessions = sessions;
    policy.limits.starts_per_minute = minute;
    policy.limits.starts_in_flight = flight;
    policy.limits.kills_per_pass = kills;
    let mut by_index: Vec<&Wanted> = wanted.iter().collect();
    by_index.sort_by_key(|one| one.index);
    by_index.dedup_by_key(|one| one.index);
    let mut objects: BTreeMap<Address, Object> = BTreeMap::new();
    for one in by_index {
        let mut object = object(address(POOL[one.index]));
        object.restart = match one.restart {
            0 => RestartPolicy::Always,
            1 => RestartPolicy::OnFailure,
            _ => RestartPolicy::Never,
        };
        for (number, until) in &one.holds {
            let mut hold = Hold::new(kind(*number), Origin::File("a test".to_owned()));
            hold.until = until
                .map(|offset| at(NOW).wall.checked_add(jiff::SignedDuration::from_secs(offset)).unwrap());
            object.holds.push(hold);
        }
        object.holds.sort_by(|a, b| b.kind.cmp(&a.kind));
        for (index, need) in POOL.iter().enumerate().take(one.index) {
            if let Some(need) = objects.get(&address(need))
                && one.needs & (1 << index) != 0
            {
                object.after.insert(need.address.clone());
                object.wave = object.wave.max(need.wave + 1);
            }
        }
        objects.insert(object.address.clone(), object);
    }
    // The rest comes from a real file, once.
    Desired { objects, policy, ..template() }
}

fn template() -> Desired {
    static TEMPLATE: std::sync::OnceLock<Desired> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| town("").desired).clone()
}

fn remember(given: &mut Given, one: &Wanted) {
    let of = address(POOL[one.index]);
    let place = given.observed.places.get_mut(&of).unwrap();
    match one.place.0 {
        0 => place.directory = Seen::Known(None),
        1 => place.directory = Seen::unknown("EIO"),
        _ => {}
    }
    match one.place.1 {
        0 => place.program = Seen::Known(None),
        1 => place.program = Seen::unknown("EIO"),
        _ => {}
    }
    if one.in_flight {
        given.ledger.in_flight.insert(of.clone());
    }
    *given = match one.request {
        0..=3 => given.clone().nudge(POOL[one.index]),
        4 | 5 => given.clone().restart_asked(POOL[one.index]),
        6 => given.clone().stopped(POOL[one.index]),
        7 => given.clone().silent(POOL[one.index], 200, None),
        8 => given.clone().silent(POOL[one.index], 200, Some(80)),
        9 => given.clone().silent(POOL[one.index], 400, None),
        10 | 11 => given.clone().silent(POOL[one.index], 400, Some(200)),
        12 => given
            .clone()
            .silent(POOL[one.index], 400, Some(200))
            .heard(POOL[one.index], Seen::unknown("torn")),
        _ => given.clone(),
    };
    if let Some((old, _)) = one.past
        && given.ledger.objects.get(&of).is_none_or(|record| record.incarnation.is_none())
    {
        *given = given.clone().past(POOL[one.index], if old { OLD_SERVER } else { SERVER }, None);
    }
    if let Some((_, lives)) = one.past {
        match lives {
            0 => {}
            1 => drop(given.observed.past.insert(of.clone(), Seen::unknown("EACCES"))),
            2 | 3 => drop(given.observed.past.insert(of.clone(), Seen::Known(true))),
            _ => drop(given.observed.past.insert(of.clone(), Seen::Known(false))),
        }
    }
    let spec = given.desired.objects.get(&of).map(|object| object.spec.clone());
    if one.starts.is_empty() {
        return;
    }
    let record = given.ledger.objects.entry(of).or_default();
    let mut ages = one.starts.clone();
    ages.sort_unstable_by(|a, b| b.cmp(a));
    record.starts = ages.iter().map(|age| Start { at: at(NOW - age), cause: Cause::Crash }).collect();
    record.spec = if one.same_spec { spec } else { SpecHash::from_hex("000000000000") };
    record.not_before = one.not_before.map(|offset| at(NOW - 300 + offset));
    record.crash_loop = one.crash_loop.map(|age| at(NOW - age));
}

/// A world in which everything is as the files want it, with strangers in it.
pub fn settled_world() -> impl Strategy<Value = Given> {
    let one = (0..4u8, 0..2u32);
    (vec(one, POOL.len()), 1..=POOL.len(), vec(0..2u8, 0..4)).prop_map(|(how, count, strangers)| {
        let objects = POOL.iter().take(count).map(|of| (address(of), object(address(of)))).collect();
        let mut policy = Policy::default();
        policy.limits.kills_per_pass = 1;
        let mut given = of_desired(Desired { objects, policy, ..template() });
        for (of, (how, attached)) in POOL.iter().zip(how).take(count) {
            given = match how {
                0 => given.hold(of, HoldKind::Disabled),
                1 => given.hold(of, HoldKind::Parked),
                2 if !matches!(*of, "a/witness" | "a/refinery") => {
                    given.running(of).hold(of, HoldKind::NoRestart)
                }
                _ => given.running(of).edit(|session| session.attached = attached),
            };
        }
        for stranger in strangers {
            given = match stranger {
                0 => given.of_other_town("b/witness"),
                _ => given.running("c/witness").edit(|session| session.label = Label::default()),
            };
            let name = format!("stranger-{}", given.sessions_count());
            given = given.edit(|session| session.name = name);
        }
        given
    })
}

/// Freezes every object, as `ESTOP` does.
pub fn frozen(mut given: Given) -> Given {
    let stop = estop();
    for object in given.desired.objects.values_mut() {
        object.holds.insert(0, Hold::new(HoldKind::Frozen, Origin::File(stop.file.clone())));
    }
    given
}
