//! Programs that gtctl runs itself, in a simulated world: each answers what the world says that it answers.

use std::io;
use std::time::Duration;

use super::fate::{Fate, Point};
use super::machine::SimMachine;
use crate::machine::{Call, CallError, Reply};

/// What a program comes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// What it says.
    pub says: Reply,
    /// How long it takes.
    pub takes: Duration,
}

impl SimMachine {
    /// See [`Machine::run_program`](crate::machine::Machine::run_program).
    pub(super) async fn answer(&self, call: &Call) -> Result<Reply, CallError> {
        self.turn().await;
        let name =
            call.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let words: Vec<String> =
            std::iter::once(name.clone()).chain(call.arguments.iter().cloned()).collect();
        let answer = self.shared().world.answers.get(&words).cloned();
        let fate = self.fate(Point::Probe);
        let takes = match (&answer, fate) {
            (_, Fate::Refused(why)) => {
                return Err(CallError::Io { program: name, source: io::Error::other(why) });
            }
            (None, _) => return Err(CallError::NotFound(name)),
            (_, Fate::Dead | Fate::Unapplied | Fate::Lost) => call.limit,
            (Some(answer), _) => answer.takes,
        };
        self.wait(takes.min(call.limit), Vec::new()).await;
        self.turn().await;
        match answer {
            Some(answer) if takes < call.limit => Ok(answer.says),
            _ => Err(CallError::Timeout { program: name, limit: call.limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::machine::{Shared, Wait};
    use crate::sim::world::World;
    use std::path::PathBuf;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// What a program comes to that takes so long and may take so long; time passes whenever somebody waits for it.
    fn run(takes: u64, limit: u64, argument: &str) -> (Result<Reply, CallError>, Duration) {
        let mut world = World::new(2..=99);
        let says = Reply { code: Some(0), stdout: "[]".to_owned(), stderr: String::new() };
        let words = ["bd", "list"].map(str::to_owned).to_vec();
        world.answers.insert(words, Answer { says, takes: Duration::from_secs(takes) });
        let shared = Shared::new(world);
        let machine = SimMachine::new(shared.clone(), 50);
        let call = Call {
            program: PathBuf::from("/bin/bd"),
            arguments: vec![argument.to_owned()],
            directory: PathBuf::from("/"),
            environment: Vec::new(),
            limit: Duration::from_secs(limit),
            output_max: 100,
        };
        let begun = machine.shared().world.clock.since_boot();
        let mut future = pin!(machine.answer(&call));
        for _ in 0..20 {
            if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                let took = machine.shared().world.clock.since_boot() - begun;
                return (answer, took);
            }
            let wait = machine.shared().waiting.clone();
            if let Wait::Until { moment, .. } = wait {
                let mut shared = machine.shared();
                let length = moment.saturating_sub(shared.world.clock.since_boot());
                shared.world.pass(length);
            }
        }
        panic!("it never ends");
    }

    #[test]
    fn a_program_answers_after_its_time_or_not_at_all() {
        let (answer, took) = run(3, 10, "list");
        assert_eq!((answer.unwrap().stdout.as_str(), took), ("[]", Duration::from_secs(3)));
        let (answer, took) = run(30, 10, "list");
        assert!(matches!(answer, Err(CallError::Timeout { .. })));
        assert_eq!(took, Duration::from_secs(10));
        assert!(matches!(run(3, 10, "show").0, Err(CallError::NotFound(_))));
    }
}
