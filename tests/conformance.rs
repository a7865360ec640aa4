//! The simulated tmux is held against the real one: the same random command text goes to both, and their answers and all that can be seen of
//! them must be equal, but for pids.
//!
//! `GTCTL_STEPS` is the number of steps, `GTCTL_SEED` the first seed. A failure prints the shortest sequence that was found to fail, and the command that
//! repeats it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

mod conformance {
    pub mod moves;
    pub mod pair;
    pub mod sides;
}

use std::time::{Duration, Instant};

use conformance::moves::Mover;
use conformance::pair::{Move, Pair};
use gtctl::sim::choose::Choices;

/// Steps where nobody asks for another number: what `make test` can bear.
const STEPS: u64 = 2_000;

/// Steps of one server; then both begin anew.
const HISTORY: usize = 120;

/// How long a failing sequence is tried shorter.
const SHRINKING: Duration = Duration::from_secs(90);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// How many steps a move is: each line of a script is one.
fn weight(step: &Move) -> u64 {
    match step {
        Move::Script(lines, _) | Move::LoseSocket(lines, _) => u64::try_from(lines.len()).unwrap(),
        _ => 1,
    }
}

/// Moves drawn from a seed and played on both; what was played, whether the real server crashed, or how the two differ.
fn history(seed: u64) -> (Vec<Move>, Result<bool, String>) {
    let mut choices = Choices::seeded(seed);
    let mut pair = Pair::new();
    let mut moves = Vec::new();
    while moves.iter().map(weight).sum::<u64>() < u64::try_from(HISTORY).unwrap() {
        let step = Mover { choices: &mut choices, view: &pair.view }.draw();
        moves.push(step.clone());
        if let Err(how) = pair.play(&step) {
            return (moves, Err(how));
        }
        if pair.crashed {
            break;
        }
    }
    (moves, Ok(pair.crashed))
}

fn replay(moves: &[Move]) -> Result<(), String> {
    let mut pair = Pair::new();
    moves.iter().try_for_each(|step| if pair.crashed { Ok(()) } else { pair.play(step) })
}

/// Scripts as scripts of one line each, where that fails too; then as little as possible of it.
fn shrunk(moves: Vec<Move>, how: String) -> (Vec<Move>, String) {
    let one_by_one = |step: &Move| match step {
        Move::Script(lines, founds) => {
            lines.iter().map(|line| Move::Script(vec![line.clone()], *founds)).collect()
        }
        other => vec![other.clone()],
    };
    let kind = |how: &str| how.lines().next().map(str::to_owned);
    let wanted = kind(&how);
    let apart: Vec<Move> = moves.iter().flat_map(one_by_one).collect();
    let (mut moves, mut how) = match replay(&apart) {
        Err(other) if kind(&other) == wanted => (apart, other),
        _ => (moves, how),
    };
    let begun = Instant::now();
    let mut length = moves.len() / 2;
    while length > 0 && begun.elapsed() < SHRINKING {
        let mut at = 0;
        while at < moves.len() && begun.elapsed() < SHRINKING {
            let end = (at + length).min(moves.len());
            let without = [&moves[..at], &moves[end..]].concat();
            match replay(&without) {
                Err(other) if kind(&other) == wanted => (moves, how) = (without, other),
                _ => at = end,
            }
        }
        length /= 2;
    }
    (moves, how)
}

#[test]
fn the_simulated_tmux_does_what_the_real_one_does() {
    let first = number("GTCTL_SEED", 1);
    let steps = number("GTCTL_STEPS", STEPS);
    let begun = Instant::now();
    let (mut done, mut crashes, mut seed) = (0, 0, first);
    while done < steps {
        let (moves, result) = history(seed);
        crashes += u64::from(result == Ok(true));
        if let Err(how) = result {
            let (moves, how) = shrunk(moves, how);
            let story: Vec<String> = moves.iter().map(|step| format!("  {step}")).collect();
            panic!(
                "seed {seed}: {how}\nafter\n{}\nrepeat: GTCTL_SEED={seed} GTCTL_STEPS=1 cargo test --test conformance",
                story.join("\n")
            );
        }
        done += moves.iter().map(weight).sum::<u64>();
        seed += 1;
    }
    println!(
        "{done} steps, {} servers of which {crashes} crashed, {:.1} s",
        seed - first,
        begun.elapsed().as_secs_f64()
    );
    assert!(crashes * 20 <= seed - first + 40, "where so many servers crash, too little is compared");
}
