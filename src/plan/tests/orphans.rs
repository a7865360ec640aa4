//! Processes of ours that no session shows: nothing is started beside an agent without a terminal, and it is ended in time; what proves nothing is left
//! alone.

use std::time::Duration;

use super::builders::{Given, NOW, SERVER, address, at, other_town, town};
use crate::desired::HoldKind;
use crate::ledger::{Lingering, Over};
use crate::model::{Exit, IncarnationId, ProcessId, Reason, Seen};
use crate::observed::{Above, Claim, Orphan, Server, Terminal};
use crate::plan::{Action, Decision, Force, LoneKind, State};

const SCRIBE: &str = "sessions/scribe";
const TOWN: &str = "[sessions.scribe]\ncommand = [\"./scribe\"]";
const LIFE: &str = "0a0a0a0a0a0a";

/// An agent of the scribe that lost its terminal, as the table shows it.
fn survivor(given: &Given) -> Orphan {
    Orphan {
        process: ProcessId { pid: 700, start: 60 },
        name: "scribe".to_owned(),
        lived: Duration::from_secs(300),
        claim: Claim {
            gtctl_town: Some(given.desired.town.to_string()),
            gtctl_object: Some(SCRIBE.to_owned()),
            gtctl_incarnation: Some(LIFE.to_owned()),
            ..Claim::default()
        },
        remembered: None,
        leads: true,
        terminal: Terminal::Lost,
        tmux: None,
        hosts: false,
    }
}

/// What such an agent started: younger, and no leader of anything.
fn child(given: &Given) -> Orphan {
    Orphan {
        process: ProcessId { pid: 701, start: 90 },
        leads: false,
        terminal: Terminal::None,
        ..survivor(given)
    }
}

/// The table shows these.
fn table(mut given: Given, orphans: &[Orphan]) -> Given {
    given.observed.orphans = Some(Seen::Known(orphans.to_vec()));
    given
}

/// What is different with it.
type Change = fn(&mut Orphan);

/// A town whose agent lost its terminal, with `change` made to what the table shows of it.
fn changed(text: &str, change: impl FnOnce(&mut Orphan)) -> Given {
    let given = town(text);
    let mut orphan = survivor(&given);
    change(&mut orphan);
    table(given, &[orphan])
}

fn awake(seconds_ago: u64) -> Duration {
    Duration::from_secs(NOW - seconds_ago)
}

/// It has been known for so many seconds, and was told at these times before now.
fn known(mut given: Given, since: u64, term: Option<u64>, kill: Option<u64>) -> Given {
    let Some(Seen::Known(orphans)) = &given.observed.orphans else { panic!("nobody looked") };
    let lingering = |orphan: &Orphan| Lingering {
        process: orphan.process,
        boot: at(NOW).boot,
        since: awake(since),
        term: term.map(awake),
        kill: kill.map(awake),
        survived: kill.is_some(),
    };
    let all = orphans.iter().map(lingering).collect();
    given.ledger.lingering.insert(address(SCRIBE), all);
    given
}

fn force(given: &Given) -> Option<Force> {
    let plan = given.plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    match &verdict.decision {
        Decision::Step(step) => match &step.action {
            Action::Reap(quarry) => Some(quarry.force()),
            _ => None,
        },
        Decision::Nothing | Decision::Held => None,
    }
}

#[test]
fn law_4_nothing_is_started_beside_an_agent_that_lost_its_terminal() {
    assert_eq!(changed(TOWN, |_| ()).says(SCRIBE), "held: detached");
    for given in [town(TOWN).pane_gone(SCRIBE), town(TOWN).dead(SCRIBE, Some(Exit::Code(1)))] {
        let orphan = survivor(&given);
        assert_eq!(table(given, &[orphan]).says(SCRIBE), "held: detached");
    }
    let down = town(TOWN).server(Seen::Known(Server::Down));
    let orphan = survivor(&down);
    assert_eq!(table(down, &[orphan]).says(SCRIBE), "held: detached");
}

#[test]
fn law_4_nothing_is_started_beside_an_agent_in_another_tmux_server() {
    let elsewhere = |founded_by: Option<&str>| {
        changed(TOWN, |orphan| {
            orphan.terminal = Terminal::Open;
            orphan.tmux = Some(Above {
                server: ProcessId { pid: 50, start: 5 },
                is_parent: true,
                founded_by: founded_by.map(str::to_owned),
            });
        })
    };
    assert_eq!(elsewhere(None).says(SCRIBE), "held: elsewhere");
    assert_eq!(known(elsewhere(None), 500, None, None).says(SCRIBE), "held: elsewhere", "nobody ends it");
    assert_eq!(elsewhere(Some(LIFE)).says(SCRIBE), "start: absent", "an agent's own tmux is no life of it");
}

#[test]
fn a_kill_is_sent_again_until_somebody_has_seen_what_came_of_it() {
    let mut given = known(changed(TOWN, |_| ()), 500, Some(400), Some(300));
    assert_eq!(given.says(SCRIBE), "held: unkillable");
    for one in given.ledger.lingering.values_mut().flatten() {
        one.survived = false;
    }
    assert_eq!(force(&given), Some(Force::Kill), "who was about to send it may have died before that");
}

#[test]
fn law_4_who_is_seen_beside_a_remembered_life_that_goes_on_is_a_duplicate() {
    let beside = |lives| town(TOWN).running(SCRIBE).past(SCRIBE, SERVER, Some(Seen::Known(lives)));
    assert_eq!(beside(true).says(SCRIBE), "held: duplicate");
    assert_eq!(beside(false).says(SCRIBE), "nothing: running");
}

#[test]
fn law_1_a_table_that_cannot_be_read_starts_nothing_and_ends_nobody() {
    let mut given = town(TOWN);
    given.observed.orphans = Some(Seen::unknown("EACCES"));
    assert_eq!(given.says(SCRIBE), "held: unknown");
    let mut dead = town(TOWN).dead(SCRIBE, Some(Exit::Code(1)));
    dead.observed.orphans = Some(Seen::unknown("EACCES"));
    assert_eq!(dead.says(SCRIBE), "restart: exited", "its own dead pane was seen");
}

#[test]
fn law_2_what_proves_nothing_is_no_agent_of_ours() {
    let strangers: [(&str, Change); 6] = [
        ("no mark", |orphan| orphan.claim = Claim::default()),
        ("another town", |orphan| orphan.claim.gtctl_town = Some(other_town().to_string())),
        ("another object", |orphan| orphan.claim.gtctl_object = Some("mayor".to_owned())),
        ("a terminal", |orphan| orphan.terminal = Terminal::Open),
        ("no leader", |orphan| orphan.leads = false),
        ("below another tmux", |orphan| {
            orphan.tmux =
                Some(Above { server: ProcessId { pid: 50, start: 5 }, is_parent: false, founded_by: None });
        }),
    ];
    for (what, change) in strangers {
        let given = known(changed(TOWN, change), 5_000, None, None);
        assert_eq!(given.says(SCRIBE), "start: absent", "{what}");
    }
    let never_had_one = changed(TOWN, |orphan| orphan.terminal = Terminal::None);
    assert_eq!(never_had_one.says(SCRIBE), "start: absent", "a daemon that its agent started");
}

#[test]
fn what_gt_started_is_proven_by_all_of_its_variables() {
    let gts = |role: &str| {
        let mut given = town("[rigs.a]");
        let claim = Claim {
            root: Some(given.desired.root.display().to_string()),
            role: Some(role.to_owned()),
            rig: Some("a".to_owned()),
            ..Claim::default()
        };
        let orphan = Orphan { claim, ..survivor(&given) };
        given.observed.orphans = Some(Seen::Known(vec![orphan]));
        given
    };
    assert_eq!(gts("witness").says("a/witness"), "held: detached");
    assert_eq!(gts("witness").says("a/refinery"), "start: absent");
    assert_eq!(gts("polecat").says("a/witness"), "start: absent");
}

#[test]
fn a_remembered_process_needs_no_mark() {
    let given = town(TOWN).past(SCRIBE, SERVER, Some(Seen::Known(true)));
    let orphan = Orphan {
        process: ProcessId { pid: 500, start: 20 },
        claim: Claim::default(),
        remembered: Some(address(SCRIBE)),
        terminal: Terminal::None,
        ..survivor(&given)
    };
    let given = known(table(given, &[orphan]), 60, None, None);
    assert_eq!(given.says(SCRIBE), "reap: orphaned");
}

#[test]
fn it_is_never_ended_at_first_sight_then_told_then_killed_then_given_up() {
    let given = || changed(TOWN, |_| ());
    assert_eq!(given().says(SCRIBE), "held: detached", "at first sight");
    let table = [
        (59, None, None, None, "held: detached"),
        (60, None, None, Some(Force::Term), "reap: orphaned"),
        (119, Some(59), None, None, "held: detached"),
        (120, Some(60), None, Some(Force::Kill), "reap: orphaned"),
        (121, Some(61), Some(1), None, "held: detached"),
        (180, Some(120), Some(60), None, "held: unkillable"),
    ];
    for (since, term, kill, expected, says) in table {
        let given = known(given(), since, term, kill);
        assert_eq!((force(&given), given.says(SCRIBE).as_str()), (expected, says), "{since} s");
    }
}

#[test]
fn the_next_moment_of_it_wakes_the_controller() {
    let wake = |given: &Given| given.plan().wake.map(|wake| wake.since_boot.as_secs() - NOW);
    let given = || changed(TOWN, |_| ());
    assert_eq!(wake(&given()), Some(60));
    assert_eq!(wake(&known(given(), 20, None, None)), Some(40));
    assert_eq!(wake(&known(given(), 90, Some(30), None)), Some(30));
    assert_eq!(wake(&known(given(), 180, Some(120), Some(60))), None, "it is given up");
}

#[test]
fn law_8_what_is_known_of_another_process_or_boot_counts_for_nothing() {
    let mut other_boot = known(changed(TOWN, |_| ()), 500, None, None);
    other_boot.ledger.lingering.get_mut(&address(SCRIBE)).unwrap()[0].boot.0 = "before".to_owned();
    assert_eq!(other_boot.says(SCRIBE), "held: detached");
    let mut reused = known(changed(TOWN, |_| ()), 500, Some(400), None);
    reused.ledger.lingering.get_mut(&address(SCRIBE)).unwrap()[0].process.start += 1;
    assert_eq!(reused.says(SCRIBE), "held: detached");
    let mut away = known(changed(TOWN, |_| ()), 500, None, None);
    away.observed.away = Some(Duration::from_secs(450));
    assert_eq!(away.says(SCRIBE), "held: detached", "who was away looks anew");
}

#[test]
fn the_keys_of_orphans_decide() {
    let with = |keys: &str| known(changed(&format!("{TOWN}\n[orphans]\n{keys}"), |_| ()), 60, None, None);
    assert_eq!(with("end = 'agents'").says(SCRIBE), "reap: orphaned");
    assert_eq!(with("end = 'all'").says(SCRIBE), "reap: orphaned");
    assert_eq!(with("end = 'nothing'").says(SCRIBE), "held: detached");
    assert_eq!(with("grace = '61s'").says(SCRIBE), "held: detached");
    let left = |keys: &str| {
        let given = town(&format!("{TOWN}\n[orphans]\n{keys}")).running(SCRIBE);
        let orphan = child(&given);
        known(table(given, &[orphan]), 60, None, None).says(SCRIBE)
    };
    assert_eq!(left("end = 'agents'"), "nothing: running");
    assert_eq!(left("end = 'all'"), "reap: leftover");
    assert_eq!(left("end = 'nothing'"), "nothing: running");
}

#[test]
fn what_an_agent_started_is_left_behind_only_if_that_agent_is_gone() {
    let all = || town(&format!("{TOWN}\n[orphans]\nend = 'all'"));
    let own_life = |given: &Given| given.ledger.objects.get(&address(SCRIBE)).cloned();
    let alive = all().running(SCRIBE).edit(|session| {
        session.label = session.label.replace("000000000001", LIFE).into();
        session.panes[0].agent = LIFE.to_owned();
    });
    assert_eq!(own_life(&alive), None);
    let orphan = child(&alive);
    assert_eq!(known(table(alive, &[orphan]), 60, None, None).says(SCRIBE), "nothing: running");
    let given = all();
    let (agent, started) = (survivor(&given), child(&given));
    let both = known(table(given, &[started, agent]), 60, None, None);
    assert_eq!(both.says(SCRIBE), "reap: orphaned", "its agent first, and its family with it");
    let plan = both.plan();
    assert_eq!(plan.lone.iter().map(|one| one.kind).collect::<Vec<_>>(), [LoneKind::Survivor]);
    for protects in
        [|orphan: &mut Orphan| orphan.terminal = Terminal::Open, |orphan: &mut Orphan| orphan.hosts = true]
    {
        let given = all().running(SCRIBE);
        let mut orphan = child(&given);
        protects(&mut orphan);
        assert_eq!(known(table(given, &[orphan]), 60, None, None).says(SCRIBE), "nothing: running");
    }
}

#[test]
fn a_child_that_leads_a_session_of_its_own_is_no_agent_if_the_agent_is_known() {
    let given = || changed(TOWN, |orphan| orphan.process.start = 70);
    assert_eq!(given().says(SCRIBE), "held: detached", "nobody knows better");
    let mut over = given();
    over.ledger.over.push(Over {
        incarnation: IncarnationId::from_hex(LIFE).unwrap(),
        process: ProcessId { pid: 600, start: 55 },
        boot: at(NOW).boot,
    });
    assert_eq!(over.says(SCRIBE), "start: absent");
    let last = given().past(SCRIBE, SERVER, Some(Seen::Known(false))).remember(SCRIBE, |record| {
        record.since = Some(at(NOW - 10));
        record.incarnation.as_mut().unwrap().marker.incarnation = IncarnationId::from_hex(LIFE).unwrap();
    });
    assert_eq!(last.says(SCRIBE), "restart: vanished");
}

#[test]
fn of_several_with_one_mark_the_eldest_is_the_agent() {
    let given = town(TOWN);
    let (elder, mut younger) = (survivor(&given), survivor(&given));
    younger.process = ProcessId { pid: 702, start: 61 };
    let plan = table(given, &[younger.clone(), elder.clone()]).plan();
    assert_eq!(
        plan.of(&address(SCRIBE)).unwrap().state,
        State::Detached { process: elder.process, fence: None }
    );
    younger.process.start = elder.process.start;
    let plan = table(town(TOWN), &[younger, elder]).plan();
    assert_eq!(plan.lone.len(), 2, "of the same tick, both");
    assert!(plan.lone.iter().all(|one| one.kind == LoneKind::Survivor));
}

#[test]
fn holds_beat_it_and_what_is_stopped_is_reaped_as_well() {
    let held = |kind: HoldKind| {
        let given = table(town("[rigs.a]"), &[]).hold("a/witness", kind);
        let mut orphan = survivor(&given);
        orphan.claim.gtctl_object = Some("a/witness".to_owned());
        let mut given = table(given, &[orphan]);
        given.ledger.lingering.insert(
            address("a/witness"),
            vec![Lingering {
                process: ProcessId { pid: 700, start: 60 },
                boot: at(NOW).boot,
                since: awake(100),
                term: None,
                kill: None,
                survived: false,
            }],
        );
        given.says("a/witness")
    };
    assert_eq!(held(HoldKind::Parked), "reap: orphaned");
    assert_eq!(held(HoldKind::Docked), "reap: orphaned");
    assert_eq!(held(HoldKind::Stopped("a test".to_owned())), "reap: orphaned");
    assert_eq!(held(HoldKind::Disabled), "held: disabled");
    assert_eq!(held(HoldKind::NoRestart), "held: no-restart");
    assert_eq!(held(HoldKind::Frozen), "held: frozen");
    let unreadable = HoldKind::Unreadable(crate::model::Why::new("EACCES"));
    assert_eq!(held(unreadable), "held: layer-unreadable");
}

#[test]
fn what_no_file_lists_is_reported_and_only_pruned() {
    let given = || {
        let given = changed(TOWN, |orphan| orphan.claim.gtctl_object = Some("sessions/gone".to_owned()));
        let mut given = known(given, 100, None, None);
        let all = given.ledger.lingering.remove(&address(SCRIBE)).unwrap();
        given.ledger.lingering.insert(address("sessions/gone"), all);
        given
    };
    let plan = given().plan();
    assert_eq!(plan.of(&address("sessions/gone")), None);
    let told: Vec<&str> = plan.unmanaged.iter().map(|one| one.session.as_str()).collect();
    assert_eq!(told, ["process 700"]);
    assert_eq!(given().pruning().says("sessions/gone"), "reap: orphaned");
}

#[test]
fn law_4_those_that_are_reaped_count_as_stopped() {
    let text = "[sessions.a]\ncommand = ['x']\n[sessions.b]\ncommand = ['x']\n[sessions.c]\ncommand = ['x']";
    let mut given = town(text);
    let names = ["sessions/a", "sessions/b", "sessions/c"];
    let mut orphans = Vec::new();
    for (pid, name) in (800..).zip(names) {
        let mut orphan = survivor(&given);
        orphan.process.pid = pid;
        orphan.claim.gtctl_object = Some(name.to_owned());
        let lingering = Lingering {
            process: orphan.process,
            boot: at(NOW).boot,
            since: awake(100),
            term: None,
            kill: None,
            survived: false,
        };
        given.ledger.lingering.insert(address(name), vec![lingering]);
        orphans.push(orphan);
    }
    let mut given = table(given, &orphans);
    assert_eq!(given.says("sessions/a"), "held: mass-stop", "two are the limit where nothing runs");
    let refusal = given.plan().refusal.unwrap();
    assert_eq!(refusal.lives[0], "process 800.60");
    given.ledger.approvals.extend(refusal.lives);
    assert!(names.iter().all(|name| given.says(name) == "reap: orphaned"));
}

/// A session of the scribe that lost its label, as somebody else's start looks too.
fn adoptable() -> Given {
    let given = town(TOWN);
    let claim = survivor(&given).claim;
    given.claimed(SCRIBE, Seen::Known(Claim { gtctl_incarnation: None, ..claim }))
}

#[test]
fn law_4_nothing_is_adopted_beside_an_agent_out_of_sight() {
    assert!(adoptable().plan().search, "a life that was begun and never seen may go on");
    let beside = adoptable();
    let orphan = survivor(&beside);
    assert_eq!(table(beside, &[orphan]).says(SCRIBE), "held: duplicate");
    assert_eq!(table(adoptable(), &[]).says(SCRIBE), "adopt: started-by-gt");
    let mut unseen = adoptable();
    unseen.observed.orphans = Some(Seen::unknown("EACCES"));
    assert_eq!(unseen.says(SCRIBE), "held: unknown");
}

#[test]
fn law_12_the_table_is_searched_only_if_a_start_depends_on_it() {
    let searches = |given: &Given| given.plan().search;
    assert!(searches(&town(TOWN)), "a start into a new session");
    assert!(searches(&town(TOWN).pane_gone(SCRIBE)));
    assert!(searches(&town(TOWN).past(SCRIBE, SERVER, Some(Seen::Known(true)))));
    assert!(!searches(&town(TOWN).running(SCRIBE)), "nothing is due");
    let dead = town(TOWN).dead(SCRIBE, Some(Exit::Code(1)));
    assert!(searches(&dead.clone()), "who knows what was begun since, and where");
    assert!(!searches(&dead.begun(SCRIBE)), "the last to begin is followed in its own pane");
    assert!(!searches(&town(TOWN).hold(SCRIBE, HoldKind::Disabled)));
    assert!(!searches(&town(TOWN).server(Seen::unknown("EAGAIN"))));
    assert!(!searches(&table(town(TOWN), &[])), "it has been");
    let mut lingers = town(TOWN).running(SCRIBE);
    lingers.ledger.track_lingering(&[(address(SCRIBE), SERVER)], &at(NOW).boot, awake(1));
    assert!(searches(&lingers), "somebody is waited for");
    let all = town(&format!("{TOWN}\n[orphans]\nend = 'all'")).dead(SCRIBE, Some(Exit::Code(1)));
    assert!(searches(&all), "what it left behind is ended as well");
}

#[test]
fn each_reaping_says_why_and_by_what_it_was_proven() {
    let given = known(changed(TOWN, |_| ()), 75, None, None);
    let plan = given.plan();
    let verdict = plan.of(&address(SCRIBE)).unwrap();
    assert_eq!(verdict.because, Reason::Orphaned { pid: 700, known: Duration::from_secs(75) });
    let told = verdict.evidence.iter().any(|evidence| evidence.what.contains(LIFE));
    assert!(told, "{:?}", verdict.evidence);
}
