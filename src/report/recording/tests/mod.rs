//! What goes into a recording comes out of it, and what does not come out is told.

mod files;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::ledger::Rest;
use crate::model::Seen;
use crate::observed::Server;
use crate::plan::tests::builders::{Given, NOW, address, at, town};
use crate::plan::tests::worlds::any_world;
use crate::report::replay::compare;

const SECRET: &str = "sk-do-not-tell-4711";

/// A town of two.
fn pair() -> Given {
    static PAIR: std::sync::OnceLock<Given> = std::sync::OnceLock::new();
    let text = "[sessions.scribe]\nagent = 'claude'\n[sessions.other]\nagent = 'claude'";
    PAIR.get_or_init(|| town(text)).clone()
}

fn inputs(given: &Given) -> Inputs<'_> {
    Inputs {
        desired: &given.desired,
        observed: &given.observed,
        ledger: &given.ledger,
        options: given.options,
    }
}

fn plan_of(recorded: &Recorded) -> crate::plan::Plan {
    let Inputs { desired, observed, ledger, options } = recorded.inputs();
    crate::plan::plan(desired, observed, ledger, options, recorded.at())
}

/// Gives every object a variable that nobody may see, with which it was started if it was started from its spec; and rests, which never
/// reach the ledger's file, to every other one.
fn with_secrets_and_rests(mut given: Given) -> Given {
    for (object, rests) in given.desired.objects.values_mut().zip([true, false].into_iter().cycle()) {
        object.recipe.env.insert("API_KEY".to_owned(), SECRET.to_owned());
        let before = std::mem::replace(&mut object.spec, object.recipe.spec());
        let started = given.ledger.objects.get_mut(&object.address).and_then(|record| record.spec.as_mut());
        let server = match &mut given.observed.server {
            Seen::Known(Server::Up(server)) => server.sessions.as_mut_slice(),
            _ => &mut [],
        };
        let live = server.iter_mut().filter_map(|session| session.spec.as_mut());
        for spec in live.chain(started).filter(|spec| **spec == before) {
            *spec = object.spec.clone();
        }
        if rests {
            let rest = Rest { until: at(NOW + 1), length: Duration::from_millis(1500) };
            given.ledger.resting.insert(object.address.clone(), rest);
        }
    }
    given
}

/// The same world a little later: everything that lives has lived longer.
fn later(given: &Given, seconds: u64) -> Given {
    let mut given = given.clone().now(NOW + seconds);
    given.observed.awake += Duration::from_secs(seconds);
    if let Seen::Known(Server::Up(server)) = &mut given.observed.server {
        form::age(&mut server.sessions, Duration::from_secs(seconds));
    }
    given
}

/// Worlds as a controller sees them: mostly the one before, a little later or with a session less, sometimes another one altogether.
fn course() -> impl Strategy<Value = Vec<Given>> {
    vec((any_world(), 0..4u64, any::<bool>()), 1..5).prop_map(|worlds| {
        let mut course = Vec::new();
        for (world, seconds, loses) in worlds {
            let world = with_secrets_and_rests(world);
            course.push(world.clone());
            let mut next = later(&world, seconds);
            if loses && let Seen::Known(Server::Up(server)) = &mut next.observed.server {
                server.sessions.pop();
            }
            course.push(next.clone());
            course.push(later(&next, seconds));
        }
        course
    })
}

fn lines(course: &[Given]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::default();
    (1..)
        .zip(course)
        .map(|(number, given)| encoder.pass(number, &inputs(given), &given.plan()).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_decided_anew_is_what_was_decided(course in course()) {
        let mut decoder = Decoder::default();
        for (given, line) in course.iter().zip(lines(&course)) {
            prop_assert!(!String::from_utf8_lossy(&line).contains(SECRET));
            let decode::Read::Pass(recorded, _) = decoder.line(&line).unwrap() else { panic!("a pass") };
            let plan = plan_of(recorded);
            prop_assert_eq!(&plan, &given.plan());
            prop_assert!(compare(&recorded.decided, &plan).is_none());
            prop_assert_eq!(&recorded.ledger, &given.ledger);
            prop_assert_eq!(&recorded.observed.server, &given.observed.server);
            prop_assert_eq!(&recorded.observed.past, &given.observed.past);
            prop_assert_eq!(&recorded.desired.policy, &given.desired.policy);
        }
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_told(course in course(), cut in any::<prop::sample::Index>()) {
        for line in lines(&course) {
            let end = cut.index(line.len() - 1);
            prop_assert!(Decoder::default().line(&line[..end]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn every_field_of_a_pass_survives_also_where_the_plan_does_not_look() {
    let given = with_secrets_and_rests(pair().running("sessions/scribe"))
        .place("sessions/other", |place| place.program = Seen::Known(None))
        .place("sessions/scribe", |place| place.path.clear())
        .place("mayor", |place| place.path.clear())
        .place("deacon", |place| place.path.clear());
    let mut decoder = Decoder::default();
    let line = &lines(std::slice::from_ref(&given))[0];
    let decode::Read::Pass(recorded, _) = decoder.line(line).unwrap() else { panic!("a pass") };
    assert_eq!(recorded.observed, given.observed);
    assert_eq!(recorded.ledger, given.ledger);
    let mut without_values = given.desired.clone();
    for object in without_values.objects.values_mut() {
        object.recipe.env.values_mut().for_each(String::clear);
    }
    assert_eq!(recorded.desired, without_values);
}

#[test]
fn a_pass_that_sees_nothing_new_is_a_short_line() {
    let given = pair().running("sessions/scribe").running("sessions/other");
    let course = [given.clone(), later(&given, 180), later(&given, 360)];
    let lines = lines(&course);
    assert!(lines[0].len() > 2000, "{}", lines[0].len());
    let keys = |line: &[u8]| -> Vec<String> {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        line["pass"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&lines[1]), ["aged", "at", "number"]);
    assert_eq!(keys(&lines[2]), ["aged", "at", "number"]);
}

#[test]
fn a_pass_tells_of_the_one_session_that_changed_and_not_of_the_others() {
    let names: Vec<String> =
        (0..50).map(|number| format!("[sessions.s{number}]\nagent = 'claude'")).collect();
    let mut given = town(&names.join("\n"));
    for number in 0..50 {
        given = given.running(&format!("sessions/s{number}"));
    }
    let next = later(&given, 1).edit(|session| session.attached = 1);
    let lines = lines(&[given, next]);
    assert!(lines[1].len() * 20 < lines[0].len(), "{} and {}", lines[0].len(), lines[1].len());
}

#[test]
fn a_verdict_that_was_another_is_the_only_difference() {
    let given = pair().running("sessions/scribe");
    let mut decoder = Decoder::default();
    let line = &lines(std::slice::from_ref(&given))[0];
    let decode::Read::Pass(recorded, _) = decoder.line(line).unwrap() else { panic!("a pass") };
    let mut decided = recorded.decided.clone();
    let of = |one: &serde_json::Value| one["address"] == address("sessions/other").to_string();
    let entry = decided.verdicts.iter_mut().find(|one| of(one)).unwrap();
    entry["decision"] = "held".into();
    // A field of another version is no decision.
    entry["colour"] = "blue".into();
    let differences = compare(&decided, &given.plan());
    assert_eq!(differences.objects.len(), 1);
    assert_eq!(differences.objects[0].address, "sessions/other");
    let names: Vec<&str> = differences.objects[0].fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["decision"]);
    assert!(differences.plan.is_empty());

    decided.verdicts.retain(|one| !of(one));
    let differences = compare(&decided, &given.plan());
    assert!(differences.objects[0].recorded.is_null());
    decided.ends["wake"] = serde_json::Value::from("never");
    assert_eq!(compare(&decided, &given.plan()).plan[0].name, "wake");
}
