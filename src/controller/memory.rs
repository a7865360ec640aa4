//! The ledger in memory and on disk, kept the same. If the disk does not take it, that is part of it: then nothing is started.

use std::path::PathBuf;

use super::reconciler::Pass;
use crate::ledger::{self, Ledger, ServerSeen};
use crate::machine::Disk;
use crate::model::{Seen, Why};
use crate::observed::Server;

/// The ledger, and whether it is on disk as it is here.
#[derive(Debug, Clone)]
pub struct Memory {
    directory: PathBuf,
    ledger: Ledger,
    /// A ledger that could not be read is never written over.
    readable: bool,
    unsaved: bool,
}

impl Memory {
    /// Reads the ledger. One that cannot be read is an empty one with its trouble: no strikes are guessed from that.
    pub fn open(disk: &dyn Disk, directory: PathBuf) -> Self {
        let (ledger, readable) = match ledger::load(disk, &directory) {
            Ok(ledger) => (ledger, true),
            Err(error) => (Ledger { trouble: Some(Why::of(&error)), ..Ledger::default() }, false),
        };
        Self { directory, ledger, readable, unsaved: false }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger, to change something that need not survive this process.
    pub fn volatile(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The ledger, to change something that must survive: it is written at the next [`Memory::save`].
    pub fn lasting(&mut self) -> &mut Ledger {
        self.unsaved = true;
        &mut self.ledger
    }

    /// Writes the ledger if it has changed, or could not be written the last time; false if the disk does not take it.
    ///
    /// One that could not be read is not written over, but read again: whoever mends it need not end the controller for that.
    pub fn save(&mut self, disk: &dyn Disk) -> bool {
        if !self.readable {
            return self.read_again(disk);
        }
        if !self.unsaved && self.ledger.trouble.is_none() {
            return true;
        }
        match ledger::save(disk, &self.directory, &self.ledger) {
            Ok(()) => {
                self.unsaved = false;
                self.ledger.trouble = None;
                true
            }
            Err(error) => {
                let why = Why::of(&error);
                if self.ledger.trouble.as_ref() != Some(&why) {
                    tracing::error!("{why}; nothing is started until it can be");
                }
                self.ledger.trouble = Some(why);
                false
            }
        }
    }

    /// Forgets a change that the disk did not take; why it did not stays known.
    pub fn take_back(&mut self, before: Ledger) {
        self.ledger = Ledger { trouble: self.ledger.trouble.take(), ..before };
    }

    /// What was learned without a memory is learned again by the next look; only what this process has under way is kept.
    fn read_again(&mut self, disk: &dyn Disk) -> bool {
        match ledger::load(disk, &self.directory) {
            Ok(ledger) => {
                let Ledger { in_flight, resting, .. } = std::mem::take(&mut self.ledger);
                self.ledger = Ledger { in_flight, resting, ..ledger };
                (self.readable, self.unsaved) = (true, false);
                true
            }
            Err(error) => {
                self.ledger.trouble = Some(Why::of(&error));
                false
            }
        }
    }
}

/// The server to remember as the one that the agents are in. While the recorded one lives at another socket, they are still in that one, and
/// forgetting it would double them.
pub fn server_to_remember(pass: &Pass, ledger: &Ledger) -> Option<ServerSeen> {
    let Seen::Known(Server::Up(server)) = &pass.observed.server else { return None };
    let boot = Some(pass.observed.at.boot.clone());
    let seen = ServerSeen { process: server.id, boot, socket: pass.observed.socket.clone() };
    let moved = ledger.server.as_ref().is_some_and(|known| known.socket != seen.socket);
    let old_is_gone = matches!(pass.observed.past_server, Some(Seen::Known(false)));
    (!moved || old_is_gone).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ThisMachine;

    #[test]
    fn s100_a_ledger_that_is_mended_is_read_without_a_new_controller() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(ledger::LEDGER_FILE);
        let mut before = Memory::open(&ThisMachine::new(), directory.path().to_owned());
        before.lasting().approvals.insert("abc".into());
        assert!(before.save(&ThisMachine::new()));
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();

        let mut memory = Memory::open(&ThisMachine::new(), directory.path().to_owned());
        memory.volatile().in_flight.insert(crate::model::Address::Deacon);
        assert!(!memory.save(&ThisMachine::new()) && memory.ledger().trouble.is_some());
        std::fs::write(&file, &whole).unwrap();

        assert!(memory.save(&ThisMachine::new()));
        assert_eq!(memory.ledger().trouble, None);
        assert_eq!(memory.ledger().approvals, before.ledger().approvals);
        assert_eq!(memory.ledger().in_flight.len(), 1, "what is under way stays so");
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
}
