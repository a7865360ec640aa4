//! Random sessions: of ours, of others, of nobody; alive, dead, unseen; under their own name or another one's.

use std::time::Duration;

use proptest::prelude::*;

use super::builders::{Given, SERVER, address, life, other_town};
use super::ownership::gt_claim;
use super::worlds::POOL;
use crate::model::{Address, Exit, Label, Seen};
use crate::observed::{Claim, Life, Server};

/// What a session may be of: the pool, where two of one rig are the likeliest, and what no file lists.
const OWNERS: [&str; 11] = [
    "a/witness",
    "a/refinery",
    "sessions/scribe",
    "a/witness",
    "mayor",
    "a/refinery",
    "deacon",
    "a/crew/max",
    "a/polecats/nux",
    "a/crew/joe",
    "b/witness",
];

/// A session.
#[derive(Debug, Clone)]
pub struct Seat {
    owner: usize,
    label: u8,
    name: u8,
    life: u8,
    attached: u32,
    claim: u8,
    pane: bool,
    remembered: bool,
}

/// Any session.
pub fn seat() -> impl Strategy<Value = Seat> {
    let who = (0..OWNERS.len(), 0..10u8, 0..6u8);
    let how = (0..16u8, prop_oneof![4 => Just(0), 1 => 1..3u32], 0..9u8);
    (who, how, prop::bool::weighted(0.9), prop::bool::weighted(0.3)).prop_map(
        |((owner, label, name), (life, attached, claim), pane, remembered)| Seat {
            owner,
            label,
            name,
            life,
            attached,
            claim,
            pane,
            remembered,
        },
    )
}

fn lives(number: u8, pid: i32) -> Seen<Life> {
    let long = Duration::from_secs(900);
    match number {
        0..=4 => Seen::Known(life(pid, long, Seen::Known(false))),
        5 => Seen::Known(life(pid, Duration::from_millis(300), Seen::Known(false))),
        6 | 14 | 15 => Seen::Known(life(pid, long, Seen::Known(true))),
        7 => Seen::Known(life(pid, long, Seen::unknown("EACCES"))),
        8 => Seen::Known(Life::Detached { process: crate::model::ProcessId { pid, start: 50 } }),
        9 => Seen::Known(Life::Gone { exit: Some(Exit::Code(0)) }),
        10 => Seen::Known(Life::Gone { exit: Some(Exit::Signal(9)) }),
        11 => Seen::Known(Life::Gone { exit: None }),
        12 => Seen::Known(Life::Ending),
        _ => Seen::unknown("EACCES"),
    }
}

fn claim(number: u8, of: &Address, given: &Given) -> Option<Seen<Claim>> {
    let good = gt_claim(
        of.role().as_str(),
        of.rig().map(crate::model::Name::as_str),
        of.worker().map(crate::model::Name::as_str),
    );
    let own = Claim {
        gtctl_town: Some(given.desired.town.to_string()),
        gtctl_object: Some(of.to_string()),
        ..Claim::default()
    };
    match number {
        0 => None,
        1 => Some(Seen::unknown("no answer")),
        2 | 3 => Some(Seen::Known(good)),
        4 => Some(Seen::Known(own)),
        5 => Some(Seen::Known(Claim { root: Some("/elsewhere".to_owned()), ..good })),
        6 => Some(Seen::Known(Claim { role: Some("mayor".to_owned()), ..good })),
        7 => Some(Seen::Known(Claim { gtctl_town: Some(other_town().to_string()), ..own })),
        _ => Some(Seen::Known(Claim::default())),
    }
}

/// Puts a session into a world.
pub fn sit(given: Given, seat: &Seat) -> Given {
    let owner = OWNERS[seat.owner];
    let of = address(owner);
    let given = match seat.label {
        7 => given.of_other_town(owner),
        _ => given.unseen(owner),
    };
    let taken = |given: &Given, name: &str| match &given.observed.server {
        Seen::Known(Server::Up(up)) => up.sessions.iter().rev().skip(1).any(|session| session.name == name),
        _ => false,
    };
    let renamed = format!("renamed-{}", given.sessions_count());
    let default = owner.replace('/', "-");
    let name = match seat.name {
        0 => POOL[seat.owner % POOL.len()].replace('/', "-"),
        1 => renamed.clone(),
        _ => default,
    };
    // tmux gives each name once.
    let name = if taken(&given, &name) { renamed } else { name };
    let claim = claim(seat.claim, &of, &given);
    let mut id = None;
    let given = given.edit(|session| {
        session.name = name;
        session.attached = seat.attached;
        session.panes[0].life = lives(seat.life, session.panes[0].pid);
        match seat.label {
            8 => {
                session.label = Label::default();
                session.claim = claim;
            }
            9 => session.label = "no marker".into(),
            _ => {}
        }
        if !seat.pane {
            session.panes[0].agent.clear();
        }
        id = session
            .marker()
            .cloned()
            .map(|marker| (marker, session.id, session.panes[0].id, session.panes[0].pid));
    });
    match id {
        Some((marker, session, pane, pid)) if seat.remembered && marker.town == given.desired.town => given
            .remember(owner, |record| {
                record.incarnation = Some(crate::model::Incarnation {
                    server: SERVER,
                    session,
                    pane,
                    process: crate::model::ProcessId { pid, start: 50 },
                    marker,
                });
            }),
        _ => given,
    }
}
