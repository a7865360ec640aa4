//! Agents that are well and quiet, and are poked where a file asks for it.

use std::time::Duration;

use super::builders::{Given, NOW, address, at, town};
use crate::desired::{HoldKind, Poke};
use crate::ledger::{Poked, Sign};
use crate::model::{IncarnationId, Seen};
use crate::plan::{Action, Decision, Step};

const MAX: &str = "a/crew/max";
const TOWN: &str = "[rigs.a]\ncrew.max = { command = ['x'], poke = true }";

/// Quiet for so long; the last thing that its terminal showed, it showed at second 1.
fn quiet(seconds: u64) -> Given {
    let mut given = town(TOWN).running(MAX);
    let agent = given.sessions().last_mut().unwrap();
    agent.panes.last_mut().unwrap().activity = Some(Seen::Known(1));
    let incarnation = agent.marker().unwrap().incarnation.clone();
    let poked = Poked {
        incarnation,
        boot: at(NOW).boot,
        sign: Sign::Shown(1),
        since: Duration::from_secs(NOW - seconds),
        count: 0,
        last: None,
        pending: false,
        typed: false,
        answered: false,
    };
    given.ledger.pokes.insert(address(MAX), poked);
    given
}

fn with(mut given: Given, change: impl FnOnce(&mut Poked)) -> Given {
    change(given.ledger.pokes.get_mut(&address(MAX)).unwrap());
    given
}

/// Poked for the first time so long ago.
fn poked(ago: u64) -> Given {
    with(quiet(ago), |poked| {
        (poked.count, poked.last, poked.answered) = (1, Some(Duration::from_secs(NOW - ago)), true);
    })
}

#[test]
fn who_has_been_quiet_for_long_is_poked_with_gts_words() {
    assert_eq!(quiet(299).says(MAX), "nothing: running");
    assert_eq!(quiet(300).says(MAX), "nudge: quiet");
    let plan = quiet(300).plan();
    let Decision::Step(Step { action: Action::Nudge { text, .. }, .. }) =
        &plan.of(&address(MAX)).unwrap().decision
    else {
        panic!("{plan:#?}")
    };
    assert_eq!(text, "HEARTBEAT: check your hook and your mail");
}

#[test]
fn s115_nobody_is_poked_unless_a_file_asks_for_it() {
    let mut given = quiet(100_000);
    given.desired.objects.get_mut(&address(MAX)).unwrap().poke = None;
    assert_eq!(given.says(MAX), "nothing: running");
    assert!(
        town("[rigs.a]\ncrew.max = { command = ['x'] }")
            .desired
            .objects
            .values()
            .all(|object| object.poke.is_none())
    );
    let longer =
        town("[rigs.a]\ncrew.max = { command = ['x'], poke-after = '9m' }\n[roles.crew]\npoke = true");
    let poke = longer.desired.objects[&address(MAX)].poke.clone();
    assert_eq!(poke, Some(Poke { after: Duration::from_secs(540) }), "layers are joined");
}

#[test]
fn a_poke_is_repeated_later_and_not_at_all_while_nothing_shows_that_it_was_taken() {
    assert_eq!(poked(449).says(MAX), "nothing: running");
    assert_eq!(poked(450).says(MAX), "nudge: quiet");
    assert_eq!(with(poked(9_000), |poked| poked.pending = true).says(MAX), "nothing: running");
}

#[test]
fn law_8_the_quiet_of_an_earlier_life_is_none_of_this_one() {
    let other = IncarnationId::from_hex("eeeeeeeeeeee").unwrap();
    assert_eq!(with(quiet(400), |poked| poked.incarnation = other).says(MAX), "nothing: running");
    assert_eq!(with(quiet(400), |poked| poked.sign = Sign::Shown(0)).says(MAX), "nothing: running");
    let mut away = quiet(400);
    away.observed.away = Some(Duration::from_secs(399));
    assert_eq!(away.says(MAX), "nothing: running", "nobody looked");
}

#[test]
fn law_1_who_cannot_be_seen_to_be_quiet_is_not_poked() {
    let mut unknown = quiet(400);
    unknown.sessions().last_mut().unwrap().panes.last_mut().unwrap().activity = Some(Seen::unknown("late"));
    assert_eq!(unknown.says(MAX), "nothing: running");
    assert_eq!(quiet(400).heard(MAX, Seen::unknown("torn")).says(MAX), "nothing: running");
    // Its own file says more than its terminal.
    let told = || quiet(400).heard(MAX, Seen::Known(Some(at(NOW - 10).wall)));
    assert_eq!(told().says(MAX), "nothing: running");
    assert_eq!(
        with(told(), |poked| poked.sign = Sign::Told(at(NOW - 10).wall)).says(MAX),
        "nudge: quiet",
        "and it is as old as the time since it was first seen"
    );
}

#[test]
fn nobody_is_poked_who_is_spoken_to_watched_held_or_asked() {
    assert_eq!(quiet(400).attached().says(MAX), "nothing: running");
    assert_eq!(quiet(400).hold(MAX, HoldKind::NoRestart).says(MAX), "nothing: no-restart");
    assert_eq!(quiet(400).nudge(MAX).says(MAX), "nudge: asked");
    assert_eq!(quiet(400).silent(MAX, 200, Some(10)).says(MAX), "nothing: stale");
}

/// What an idle night costs: an agent that answers each poke with a line and rests again.
#[test]
fn s115_an_idle_night_with_pokes_has_no_more_than_the_waits_allow() {
    let mut given = quiet(0);
    let agent = address(MAX);
    let incarnation = given.ledger.pokes[&agent].incarnation.clone();
    let (begin, mut now, mut shown, mut pokes) = (NOW, NOW, 1, Vec::new());
    while now < begin + 8 * 3600 {
        (given.observed.at, given.observed.awake) = (at(now), Duration::from_secs(now));
        given.sessions().last_mut().unwrap().panes.last_mut().unwrap().activity = Some(Seen::Known(shown));
        let boot = at(now).boot;
        let says = given.says(MAX);
        let (sign, after) = (Sign::Shown(shown), Duration::from_secs(300));
        given.ledger.heed(&agent, &incarnation, sign, &boot, Duration::from_secs(now), after);
        if says == "nudge: quiet" {
            pokes.push(now - begin);
            given.ledger.begin_poke(&agent, Duration::from_secs(now));
            given.ledger.end_poke(&agent, false);
            // It answers at once, and is seen to.
            shown += 1;
        }
        now += 10;
    }
    assert!(pokes.windows(2).all(|pair| pair[1] - pair[0] >= 450), "{pokes:?}");
    assert!(pokes.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= 600), "{pokes:?}");
    assert!((40..=48).contains(&pokes.len()), "{} pokes", pokes.len());
}
