//! The ledger in memory and on disk, kept the same. If the disk does not take it, that is part of it: then nothing is started.

use std::path::PathBuf;

use crate::ledger::{self, Ledger};
use crate::model::Why;

/// The ledger, and whether it is on disk as it is here.
#[derive(Debug)]
pub struct Memory {
    directory: PathBuf,
    ledger: Ledger,
    /// A ledger that could not be read is never written over.
    readable: bool,
    unsaved: bool,
}

impl Memory {
    /// Reads the ledger. One that cannot be read is an empty one with its trouble: no strikes are guessed from that.
    pub fn open(directory: PathBuf) -> Self {
        let (ledger, readable) = match ledger::load(&directory) {
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
    pub fn save(&mut self) -> bool {
        if !self.readable {
            return false;
        }
        if !self.unsaved && self.ledger.trouble.is_none() {
            return true;
        }
        match ledger::save(&self.directory, &self.ledger) {
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
}
