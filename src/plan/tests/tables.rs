//! Random process tables beside random worlds: the laws on who is started beside whom, and on who is ended. They look at the raw table.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::{Strategy, ValueTree};

use super::builders::{Given, NOW, ROOT, SERVER, address, at, other_town};
use super::raw::{is_frozen, launches};
use super::worlds::{POOL, any_world};
use crate::ledger::Lingering;
use crate::model::{Address, ProcessId, Seen};
use crate::observed::{Above, Claim, Orphan, Terminal};
use crate::plan::{Action, Force, LaunchInto, Quarry};
use crate::town::files::town_toml::OrphansEnd;

/// A process of a table.
#[derive(Debug, Clone)]
struct Entry {
    owner: usize,
    mark: u8,
    life: u8,
    start: u64,
    leads: bool,
    terminal: u8,
    tmux: u8,
    hosts: bool,
    known: Option<(u64, Option<u64>, Option<u64>)>,
}

fn entry() -> impl Strategy<Value = Entry> {
    let who = (0..=POOL.len(), 0..8u8, 0..3u8, 10..40u64);
    let how = (prop::bool::weighted(0.8), 0..5u8, 0..8u8, prop::bool::weighted(0.1));
    let told = |weight| proptest::option::weighted(weight, 0..150u64);
    let known = proptest::option::weighted(0.7, (0..300u64, told(0.4), told(0.2)));
    (who, how, known).prop_map(|((owner, mark, life, start), (leads, terminal, tmux, hosts), known)| Entry {
        owner,
        mark,
        life,
        start,
        leads,
        terminal,
        tmux,
        hosts,
        known,
    })
}

fn orphan(given: &Given, pid: i32, entry: &Entry) -> Orphan {
    let owner = POOL.get(entry.owner).copied().unwrap_or("sessions/unlisted");
    let gtctl = |town: String| Claim {
        gtctl_town: Some(town),
        gtctl_object: Some(owner.to_owned()),
        gtctl_incarnation: Some(format!("0a0a0a0a0a0{}", entry.life)),
        ..Claim::default()
    };
    let claim = match entry.mark {
        0 => Claim::default(),
        1 => gtctl(other_town().to_string()),
        2 => Claim {
            root: Some(ROOT.to_owned()),
            role: Some(owner.to_owned()),
            rig: address(owner).rig().map(ToString::to_string),
            worker: address(owner).worker().map(ToString::to_string),
            ..Claim::default()
        },
        _ => gtctl(given.desired.town.to_string()),
    };
    let above = |server, is_parent| Some(Above { server, is_parent, founded_by: None });
    Orphan {
        process: ProcessId { pid, start: entry.start },
        name: "agent".to_owned(),
        lived: Duration::from_secs(60),
        claim,
        remembered: None,
        leads: entry.leads,
        terminal: match entry.terminal {
            0 => Terminal::Open,
            1 => Terminal::None,
            _ => Terminal::Lost,
        },
        tmux: match entry.tmux {
            0 => above(SERVER, true),
            1 => above(SERVER, false),
            2 => above(ProcessId { pid: 50, start: 5 }, true),
            _ => None,
        },
        hosts: entry.hosts,
    }
}

/// A world with a table, and what is remembered of those in it.
fn worlds() -> impl Strategy<Value = Given> {
    let ends = prop_oneof![Just(OrphansEnd::Agents), Just(OrphansEnd::All), Just(OrphansEnd::Nothing)];
    let seen = prop::bool::weighted(0.9);
    (any_world(), vec(entry(), 0..6), ends, seen).prop_map(|(mut given, entries, end, seen)| {
        given.desired.policy.orphans.end = end;
        let mut lingering: BTreeMap<Address, Vec<Lingering>> = BTreeMap::new();
        let mut orphans = Vec::new();
        for (pid, entry) in (7000..).zip(&entries) {
            let orphan = orphan(&given, pid, entry);
            let owner = address(POOL.get(entry.owner).copied().unwrap_or("sessions/unlisted"));
            if let Some((since, term, kill)) = entry.known {
                let ago = |seconds: u64| Duration::from_secs(NOW - seconds);
                lingering.entry(owner).or_default().push(Lingering {
                    process: orphan.process,
                    boot: at(NOW).boot,
                    // Nobody was told before it was known.
                    since: ago(since + term.unwrap_or_default() + 60 * u64::from(term.is_some())),
                    term: term.map(ago),
                    kill: kill.map(ago),
                    survived: kill.is_some(),
                });
            }
            orphans.push(orphan);
        }
        given.ledger.lingering = lingering;
        given.observed.orphans = Some(if seen { Seen::Known(orphans) } else { Seen::unknown("EACCES") });
        given
    })
}

fn table(given: &Given) -> &[Orphan] {
    match &given.observed.orphans {
        Some(Seen::Known(all)) => all,
        _ => &[],
    }
}

fn is_marked(given: &Given, orphan: &Orphan, address: &Address) -> bool {
    orphan.claim.gtctl_town.as_deref() == Some(given.desired.town.as_str())
        && orphan.claim.gtctl_object.as_deref() == Some(address.to_string().as_str())
}

fn reaped(given: &Given) -> Vec<(Address, Quarry)> {
    let plan = given.plan();
    let quarry = |action: &Action| match action {
        Action::Reap(quarry) => Some(quarry.as_ref().clone()),
        _ => None,
    };
    plan.steps()
        .filter_map(|(verdict, step)| Some((verdict.address.clone(), quarry(&step.action)?)))
        .collect()
}

#[test]
fn the_random_tables_lead_to_starts_and_to_every_kind_of_reaping() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut agents, mut others, mut kills, mut starts) = (0, 0, 0, 0);
    for _ in 0..2000 {
        let given = worlds().new_tree(&mut runner).unwrap().current();
        for (_, quarry) in reaped(&given) {
            agents += usize::from(quarry.is_agent());
            others += usize::from(!quarry.is_agent());
            kills += usize::from(quarry.force() == Force::Kill);
        }
        starts += launches(&given.plan()).filter(|(_, into, _)| **into == LaunchInto::NewSession).count();
    }
    assert!(
        [agents, others, kills, starts].iter().all(|count| *count > 5),
        "{agents} {others} {kills} {starts}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_4_nothing_is_started_beside_a_marked_agent_without_a_terminal(given in worlds()) {
        for (verdict, into, _) in launches(&given.plan()) {
            let lives = |orphan: &&Orphan| {
                is_marked(&given, orphan, &verdict.address)
                    && orphan.leads
                    && orphan.terminal == Terminal::Lost
                    && orphan.tmux.is_none()
            };
            prop_assert!(!table(&given).iter().any(|orphan| lives(&orphan)), "{} {into:?}", verdict.address);
        }
    }

    #[test]
    fn law_1_a_table_that_was_not_seen_starts_no_session_and_ends_nobody(given in worlds()) {
        if matches!(given.observed.orphans, Some(Seen::Unknown(_))) {
            prop_assert!(reaped(&given).is_empty());
            for (verdict, into, _) in launches(&given.plan()) {
                let new = matches!(into, LaunchInto::NewSession | LaunchInto::NewWindow(_));
                prop_assert!(!new, "{}", verdict.address);
            }
        }
    }

    #[test]
    fn law_2_and_3_only_what_is_marked_out_of_sight_known_and_due_is_reaped(given in worlds()) {
        let policy = &given.desired.policy.orphans;
        for (address, quarry) in reaped(&given) {
            let orphan = quarry.orphan();
            prop_assert!(table(&given).contains(orphan));
            let is_gts = orphan.claim.gtctl_town.is_none() && orphan.claim.root.as_deref() == Some(ROOT);
            prop_assert!(is_gts || is_marked(&given, orphan, &address), "{orphan:?}");
            prop_assert_ne!(orphan.terminal, Terminal::Open);
            prop_assert!(orphan.tmux.as_ref().is_none_or(|above| above.is_parent && above.server == SERVER));
            match quarry.is_agent() {
                true => prop_assert!(orphan.leads && policy.end != OrphansEnd::Nothing),
                false => prop_assert!(!orphan.hosts && policy.end == OrphansEnd::All),
            }
            let known = given.ledger.lingering[&address].iter().find(|one| one.process == orphan.process);
            let known = known.unwrap();
            let passed = |since: Duration| given.observed.awake - since;
            prop_assert!(passed(known.since) >= policy.grace.get(), "never at first sight");
            let is_due = match quarry.force() {
                Force::Term => known.term.is_none(),
                Force::Kill => known.term.is_some_and(|term| passed(term) >= Duration::from_secs(60)),
            };
            prop_assert!(is_due && known.kill.is_none());
            let object = given.desired.objects.get(&address);
            prop_assert!(object.is_none_or(|object| !is_frozen(object, &given)), "a stop beats it");
            prop_assert!(given.ledger.trouble.is_none() && !given.ledger.in_flight.contains(&address));
        }
    }
}
