//! What can be asked of a town: by `gtctl` through the control socket, or of a [`Reconciler`] directly where no controller runs.

use serde::{Deserialize, Serialize};

use super::World;
use super::reconciler::Reconciler;
use crate::ledger::{AskedNudge, AskedRestart, AskedStop, Ledger, LetterFate, NUDGES_WAITING_MAX};
use crate::model::excerpt;
use crate::model::{Address, IncarnationId, Period, Stamp};
use crate::report::events::{Event, Kind};

/// So many letters of a nudge are told.
const TEXT_SHOWN: usize = 60;

/// A request that changes what is remembered. What follows from it, the next pass decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Change {
    /// Stop these, and keep them down until they are started.
    Stop {
        /// Which.
        objects: Vec<Address>,
        /// Who asks.
        by: String,
        /// The lives that may be stopped for it although there are many of them.
        approved: Vec<String>,
    },
    /// Start these, whatever kept them down: a stop, a wait, a crash loop.
    Start {
        /// Which.
        objects: Vec<Address>,
        /// Who asks.
        by: String,
    },
    /// End these lives, and start others in their place.
    Restart {
        /// Which.
        lives: Vec<(Address, IncarnationId)>,
        /// Who asks.
        by: String,
        /// The lives that may be stopped for it although there are many of them.
        approved: Vec<String>,
    },
    /// Type something into this life as soon as that is possible.
    Nudge {
        /// Into which object.
        object: Address,
        /// Into which life.
        incarnation: IncarnationId,
        /// What.
        text: String,
        /// Who asks.
        by: String,
        /// How long it may wait.
        ttl: Period,
    },
    /// Forget the restarts of these objects.
    ResetBackoff {
        /// Which.
        objects: Vec<Address>,
    },
    /// Do not miss a file that was removed on purpose.
    ForgetFile {
        /// Which.
        file: String,
    },
    /// Lift a refusal.
    Approve {
        /// The lives that may be stopped, by their labels.
        lives: Vec<String>,
    },
}

impl Change {
    /// Writes it into the ledger; the objects that it concerned, or why not. Pure.
    pub fn note(&self, ledger: &mut Ledger, now: &Stamp) -> Result<Vec<Address>, String> {
        match self {
            Self::Stop { objects, by, approved } => {
                ledger.approvals.extend(approved.iter().cloned());
                for address in objects {
                    ledger.ask_stop(address, AskedStop { by: by.clone(), at: now.clone() });
                }
                Ok(objects.clone())
            }
            Self::Start { objects, .. } => {
                Ok(objects.iter().filter(|address| ledger.ask_start(address)).cloned().collect())
            }
            Self::Restart { lives, by, approved } => {
                ledger.approvals.extend(approved.iter().cloned());
                for (address, incarnation) in lives {
                    ledger.ask_start(address);
                    let incarnation = incarnation.clone();
                    ledger
                        .ask_restart(address, AskedRestart { incarnation, by: by.clone(), at: now.clone() });
                }
                Ok(lives.iter().map(|(address, _)| address.clone()).collect())
            }
            Self::Nudge { object, incarnation, text, by, ttl } => {
                let taken = ledger.ask_nudge(AskedNudge {
                    address: object.clone(),
                    incarnation: incarnation.clone(),
                    text: text.clone(),
                    by: by.clone(),
                    at: now.clone(),
                    until: now.plus(ttl.get()),
                    begun: false,
                });
                if taken {
                    Ok(vec![object.clone()])
                } else {
                    Err(format!("{NUDGES_WAITING_MAX} nudges wait for {object} already"))
                }
            }
            Self::ResetBackoff { objects } => {
                Ok(objects.iter().filter(|address| ledger.reset(address)).cloned().collect())
            }
            Self::ForgetFile { file } => {
                ledger.files.remove(file);
                Ok(Vec::new())
            }
            Self::Approve { lives } => {
                ledger.approvals.extend(lives.iter().cloned());
                Ok(Vec::new())
            }
        }
    }

    /// The objects that it is about, and what to tell of it; `None` for what only lifts a restraint.
    fn told(&self) -> Option<(Vec<Address>, String)> {
        match self {
            Self::Stop { objects, by, .. } => Some((objects.clone(), format!("stop, asked for by {by}"))),
            Self::Start { objects, by } => Some((objects.clone(), format!("start, asked for by {by}"))),
            Self::Restart { lives, by, .. } => {
                let objects = lives.iter().map(|(address, _)| address.clone()).collect();
                Some((objects, format!("restart, asked for by {by}")))
            }
            Self::Nudge { object, by, text, .. } => Some((
                vec![object.clone()],
                format!("nudge, asked for by {by}: {}", excerpt(text, TEXT_SHOWN)),
            )),
            Self::ResetBackoff { .. } | Self::ForgetFile { .. } | Self::Approve { .. } => None,
        }
    }
}

/// Takes note of a change in a town that is being kept.
pub fn apply<W: World>(reconciler: &mut Reconciler<W>, change: &Change) -> Result<Vec<Address>, String> {
    let noted = reconciler.ask(|ledger, now| change.note(ledger, now));
    tell(reconciler, change, &noted);
    noted
}

/// Takes note of what a letter asks for, and of the letter, with one write of the ledger; false if the disk does not take it, or the letter is known.
/// Then nothing has changed, and the letter can be taken another time.
pub fn take_letter<W: World>(reconciler: &mut Reconciler<W>, id: &str, change: &Change) -> bool {
    take_letter_and(reconciler, id, change, |_, _| {})
}

/// The same, and takes note of something else in the same write.
pub fn take_letter_and<W: World>(
    reconciler: &mut Reconciler<W>,
    id: &str,
    change: &Change,
    note: impl FnOnce(&mut Ledger, &Stamp),
) -> bool {
    let noted = reconciler.ask(|ledger, now| {
        if ledger.note_letter(id, LetterFate::Taken, now) {
            note(ledger, now);
            change.note(ledger, now)
        } else {
            Err(format!("letter {id} is known"))
        }
    });
    if noted.is_ok() {
        tell(reconciler, change, &noted);
    }
    noted.is_ok()
}

/// Tells what was asked for of each object.
fn tell<W: World>(reconciler: &Reconciler<W>, change: &Change, noted: &Result<Vec<Address>, String>) {
    let Some((objects, text)) = change.told() else { return };
    // Whom it was for should see that something was lost (S108).
    let text = match noted {
        Ok(_) => text,
        Err(why) => format!("{text}: refused, {why}"),
    };
    let now = reconciler.now();
    for address in objects {
        let event = Event::of_town(now.wall, Kind::Request, text.clone());
        reconciler.tell(Event { object: Some(address), ..event });
    }
}
