//! Everything that could be otherwise in a simulated world is a number below another one, and all of them come from here.
//!
//! A run is nothing but its tape of numbers: drawn from a seed, replayed from a list, or shrunk by leaving numbers out and making them
//! smaller. Zero is always the tamest choice, and a tape that has ended goes on with zeros, so every tape is a valid run.

/// The source of all choices of one run, and the tape of those made so far.
#[derive(Debug, Clone)]
pub struct Choices {
    source: Source,
    tape: Vec<u32>,
}

#[derive(Debug, Clone)]
enum Source {
    Random(fastrand::Rng),
    Tape { numbers: Vec<u32>, next: usize },
}

impl Choices {
    /// Choices drawn from a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Random(fastrand::Rng::with_seed(seed)), tape: Vec::new() }
    }

    /// Choices read from a tape.
    pub fn replayed(numbers: Vec<u32>) -> Self {
        Self { source: Source::Tape { numbers, next: 0 }, tape: Vec::new() }
    }

    /// A number below `limit`; 0 if there is only one.
    pub fn below(&mut self, limit: u32) -> u32 {
        if limit < 2 {
            return 0;
        }
        let number = match &mut self.source {
            Source::Random(random) => random.u32(..limit),
            Source::Tape { numbers, next } => {
                *next += 1;
                numbers.get(*next - 1).copied().unwrap_or(0) % limit
            }
        };
        self.tape.push(number);
        number
    }

    /// True once in `times` on average; never if `times` is 0, and false is the tame choice.
    pub fn one_in(&mut self, times: u32) -> bool {
        times > 0 && self.below(times) == times - 1
    }

    /// One of these; the first is the tamest.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(u32::try_from(from.len()).unwrap_or(u32::MAX)) as usize)
    }

    /// The choices made so far.
    pub fn tape(&self) -> &[u32] {
        &self.tape
    }
}

/// How many tries a shrinking may take.
const TRIES_MAX: usize = 600;

/// A shorter and tamer tape for which `fails` still holds. It must hold for `tape`.
pub fn shrink(tape: Vec<u32>, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut best = tape;
    let mut tries = 0;
    let mut better = |best: &mut Vec<u32>, candidate: Vec<u32>| -> bool {
        tries += 1;
        let fails = tries <= TRIES_MAX && candidate != *best && fails(&candidate);
        if fails {
            *best = candidate;
        }
        fails
    };
    loop {
        let before = best.clone();
        let mut length = (best.len() / 2).max(1);
        while length > 0 {
            let mut at = 0;
            while at < best.len() {
                let end = (at + length).min(best.len());
                let without: Vec<u32> =
                    best.iter().enumerate().filter(|(i, _)| *i < at || *i >= end).map(|(_, n)| *n).collect();
                if !better(&mut best, without) {
                    at += length;
                }
            }
            length /= 2;
        }
        for at in 0..best.len() {
            for lower in [0, 1] {
                let mut candidate = best.clone();
                if let Some(number) = candidate.get_mut(at).filter(|number| **number > lower) {
                    *number = lower;
                    better(&mut best, candidate);
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_its_tape() {
        let draw = |choices: &mut Choices| (0..50).map(|limit| choices.below(limit)).collect::<Vec<_>>();
        let mut first = Choices::seeded(7);
        let drawn = draw(&mut first);
        assert_eq!(drawn, draw(&mut Choices::seeded(7)), "the same seed");
        assert_eq!(drawn, draw(&mut Choices::replayed(first.tape().to_vec())), "the same tape");
        assert_ne!(drawn, draw(&mut Choices::seeded(8)), "another seed");
        assert!(draw(&mut Choices::replayed(Vec::new())).iter().all(|number| *number == 0));
    }

    #[test]
    fn a_tape_shrinks_to_what_matters() {
        let tape: Vec<u32> = (0..200).collect();
        let needs = |tape: &[u32]| tape.contains(&42) && tape.iter().filter(|n| **n > 0).count() > 2;
        assert!(needs(&tape));
        let small = shrink(tape, needs);
        assert_eq!(small.len(), 3);
        assert!(small.contains(&42) && small.iter().filter(|n| **n == 1).count() == 2, "{small:?}");
    }
}
