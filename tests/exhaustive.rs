//! Small worlds, explored to the end with stateright: every order of passes, actions and faults, a fault at every turn of an action, a controller that
//! dies before and after every effect, and from every state that can be reached, the way to rest.
//!
//! `GTCTL_STATES` bounds how many states each space may have before it is cut off; the default is what `make test` can bear, `make soak` explores all.
//! Each space says how many states it has and whether it was explored to the end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod exhaustive {
    pub mod space;
    pub mod step;
}

use exhaustive::space::{Fault, Space};
use gtctl::sim::plot::Plot;
use stateright::{Checker, Model};

/// Explores a space and asserts that it is not trivial.
fn explore(name: &str, space: Space, least: usize) {
    let limit: usize = std::env::var("GTCTL_STATES").map_or(4_000, |text| text.parse().unwrap());
    let begun = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let checker = space.checker().threads(threads).target_state_count(limit).spawn_bfs().join();
    let unique = checker.unique_state_count();
    let whole = if checker.state_count() < limit { "explored to the end" } else { "cut off" };
    println!(
        "{name}: {unique} states, {} transitions, {whole}, {:.1} s",
        checker.state_count(),
        begun.elapsed().as_secs_f64()
    );
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let last = path.last_state().clone();
        panic!("{name}: {property}\n{:#?}\n{:?}\n{:?}", path.into_actions(), last.broken, last.never_rests());
    }
    assert!(unique >= least.min(limit), "{name} is trivial: {unique} states");
}

#[test]
fn one_object_and_six_faults() {
    let space = Space::new(Plot::of_sessions(1), 1, 6, &Fault::ALL);
    explore("one_object_and_six_faults", space, 10_000);
}

#[test]
fn three_objects_and_four_faults() {
    let space = Space::new(
        Plot::of_sessions(3),
        1,
        4,
        &[Fault::AgentEnds, Fault::ServerKilled, Fault::ControllerKilled],
    );
    explore("three_objects_and_four_faults", space, 10_000);
}

#[test]
fn two_objects_and_two_controllers_and_three_faults() {
    let space = Space::new(
        Plot::of_sessions(2),
        2,
        3,
        &[Fault::AgentEnds, Fault::SessionKilled, Fault::ServerKilled],
    );
    explore("two_objects_and_two_controllers_and_three_faults", space, 10_000);
}

#[test]
fn five_objects_and_two_faults() {
    let space = Space::new(Plot::of_sessions(5), 1, 2, &[Fault::AgentEnds, Fault::ServerKilled]);
    explore("five_objects_and_two_faults", space, 10_000);
}

#[test]
fn a_rig_that_is_parked_and_a_user_who_takes_names() {
    let space = Space::new(
        Plot::default().and_rigs(1),
        1,
        4,
        &[Fault::Parked, Fault::NameTaken, Fault::LabelRemoved, Fault::StartedByGt, Fault::AgentEnds],
    );
    explore("a_rig_that_is_parked_and_a_user_who_takes_names", space, 10_000);
}
