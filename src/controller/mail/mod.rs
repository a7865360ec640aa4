//! The deacon's mail, read by a controller in the background: when `gt` is asked, and what is done with what it says.
//!
//! One program runs at a time, and no pass waits for it. A letter that asks for something is taken once: what it asks for and that it was taken
//! reach the disk in one write, before anything follows from it. Only then is it deleted. If that fails it is still in the next inbox, and tried again.

pub mod request;
pub mod spawn;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;

use self::request::{Follows, Refused, Standing};
use self::spawn::Spawned;
use super::World;
use super::reconciler::{Pass, Reconciler};
use super::requests;
use crate::desired::HoldKind;
use crate::ledger::{LETTERS_MAX, LetterFate};
use crate::machine::{Disk, Machine};
use crate::model::{Address, Seen, Stamp, Why};
use crate::observed::mail::{Letter, Post};
use crate::plan::State;
use crate::report::events::{Event, Kind};
use crate::town::TownRoot;
use crate::town::files::TownFiles;
use crate::town::files::town_toml::MailTable;

/// After a failure, and while a letter waits for an agent to come up, it is read again this much sooner than after an answer.
const AGAIN: u32 = 10;

/// What `gt` is run for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Errand {
    /// The inbox is to be read.
    Read,
    /// A letter that was taken is to be deleted.
    Delete(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Came {
    /// What is in the inbox.
    Inbox(Seen<Vec<Letter>>),
    /// Whether a letter was deleted.
    Deleted(String, Result<(), Why>),
}

/// The mail, as far as one process knows it.
#[derive(Debug)]
pub struct Mail {
    root: PathBuf,
    table: MailTable,
    /// Where the program is; `None` if no mail is read.
    program: Option<PathBuf>,
    /// What was told of a program that is not there.
    missing: Option<String>,
    /// When the inbox was last read, and whether it could be.
    read: Option<(Stamp, Result<(), Why>)>,
    /// Somebody said that there is something.
    hurried: bool,
    /// Letters that were taken and are still there.
    to_delete: BTreeSet<String>,
    /// Letters of which it was told that they cannot be deleted.
    undeletable: BTreeSet<String>,
    /// Some letters wait for an agent to come up.
    waits_for_agents: bool,
    /// It was told that no more letters can be remembered.
    full: bool,
    under_way: JoinSet<Came>,
}

impl Mail {
    /// Nothing is known yet.
    pub fn new(root: &TownRoot) -> Self {
        Self {
            root: root.path().to_owned(),
            table: MailTable::default(),
            program: None,
            missing: None,
            read: None,
            hurried: false,
            to_delete: BTreeSet::new(),
            undeletable: BTreeSet::new(),
            waits_for_agents: false,
            full: false,
            under_way: JoinSet::new(),
        }
    }

    /// Follows the files. What is to be told of it, if it is news.
    pub fn follow(&mut self, disk: &dyn Disk, files: &TownFiles) -> Option<String> {
        self.table = files.town.as_ref().map(|town| town.toml.mail.clone()).unwrap_or_default();
        if !self.table.enabled.unwrap_or(files.workspace) {
            (self.program, self.missing) = (None, None);
            return None;
        }
        let missing = match disk.find_program(&self.table.program, None, &self.root) {
            (Seen::Known(Some(found)), _) => {
                self.program = Some(found);
                None
            }
            (Seen::Known(None), path) => Some(format!("`{}` is nowhere on {path}", self.table.program)),
            (Seen::Unknown(why), _) => Some(why.to_string()),
        };
        if missing.is_some() {
            self.program = None;
        }
        let before = std::mem::replace(&mut self.missing, missing);
        let news = self.missing.as_ref().filter(|missing| before.as_ref() != Some(missing));
        news.map(|missing| format!("the deacon's mail is not read: {missing}"))
    }

    /// The inbox is to be read at once.
    pub fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Runs `gt` if it is time and it does not run; else, how long until it is time.
    pub fn set_out<M: Machine>(&mut self, machine: &M, now: &Stamp) -> Option<Duration> {
        let program = self.program.clone().filter(|_| self.under_way.is_empty())?;
        let waits = self.waits(now);
        let errand = match self.to_delete.pop_first() {
            Some(id) if !self.hurried => Errand::Delete(id),
            later => {
                self.to_delete.extend(later);
                if !waits.is_zero() {
                    return Some(waits);
                }
                self.hurried = false;
                Errand::Read
            }
        };
        let post = Post {
            machine: machine.clone(),
            program,
            root: self.root.clone(),
            limit: self.table.timeout.get(),
        };
        self.under_way.spawn(async move {
            match errand {
                Errand::Read => Came::Inbox(post.inbox().await),
                Errand::Delete(id) => {
                    let deleted = post.delete(&id).await;
                    Came::Deleted(id, deleted)
                }
            }
        });
        None
    }

    /// How long the inbox need not be read.
    fn waits(&self, now: &Stamp) -> Duration {
        let every = self.table.every.get();
        match &self.read {
            _ if self.hurried => Duration::ZERO,
            None => Duration::ZERO,
            Some((at, Ok(()))) if self.waits_for_agents => (every / AGAIN).saturating_sub(now.since(at)),
            Some((at, Ok(()))) => every.saturating_sub(now.since(at)),
            Some((at, Err(_))) => (every / AGAIN).max(self.table.timeout.get()).saturating_sub(now.since(at)),
        }
    }

    /// Waits for what comes of it; `None` at once if nothing is under way.
    pub async fn came(&mut self) -> Option<Came> {
        match self.under_way.join_next().await? {
            Ok(came) => Some(came),
            Err(error) => Some(Came::Inbox(Seen::unknown(format!("gtctl itself failed: {error}")))),
        }
    }

    /// Takes what came; whether something was asked for.
    pub fn hear<W: World>(&mut self, came: Came, reconciler: &mut Reconciler<W>, pass: &Pass) -> bool {
        let now = reconciler.now();
        let tell = |reconciler: &Reconciler<W>, text: String| {
            reconciler.tell(Event::of_town(now.wall, Kind::Request, text));
        };
        match came {
            Came::Deleted(id, Ok(())) => drop(self.undeletable.remove(&id)),
            Came::Deleted(id, Err(why)) => {
                let text =
                    format!("letter {id} was taken and cannot be deleted, which is tried again: {why}");
                if self.undeletable.insert(id) {
                    tell(reconciler, text);
                }
            }
            Came::Inbox(Seen::Unknown(why)) => {
                let before = self.read.replace((now.clone(), Err(why.clone())));
                if before.is_none_or(|(_, before)| before.as_ref() != Err(&why)) {
                    tell(reconciler, format!("the deacon's mail cannot be read: {why}"));
                }
            }
            Came::Inbox(Seen::Known(letters)) => {
                if let Some((_, Err(_))) = self.read.replace((now.clone(), Ok(()))) {
                    tell(reconciler, "the deacon's mail can be read again".to_owned());
                }
                let taken = follow_all(&letters, reconciler, pass);
                let begun = self.begin_all(&letters, reconciler, pass);
                self.tidy(&letters, reconciler);
                return taken || begun;
            }
        }
        false
    }

    /// Follows the letters that tell of agents which were started; whether something is to be typed.
    fn begin_all<W: World>(
        &mut self,
        letters: &[Letter],
        reconciler: &mut Reconciler<W>,
        pass: &Pass,
    ) -> bool {
        self.waits_for_agents = false;
        let mut begun = false;
        for letter in letters.iter().rev() {
            let known = &reconciler.ledger().letters;
            if known.len() >= LETTERS_MAX {
                break;
            }
            if known.contains_key(&letter.id) {
                continue;
            }
            let Some(spawned) = spawn::read(letter, reconciler.desired().objects.keys()) else { continue };
            match begin(letter, &spawned, reconciler, pass) {
                None => self.waits_for_agents = true,
                Some(typed) => begun |= typed,
            }
        }
        begun
    }

    /// What was taken and is still there is to be deleted, what is long gone forgotten.
    fn tidy<W: World>(&mut self, letters: &[Letter], reconciler: &mut Reconciler<W>) {
        let now = reconciler.now();
        let there: BTreeSet<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
        let over = reconciler.ledger().letters_to_forget(&there, &now);
        if !over.is_empty() {
            // If the disk does not take it, they are forgotten another time.
            let _ = reconciler.ask(|ledger, _| {
                ledger.letters.retain(|id, _| !over.contains(id));
                Ok(())
            });
        }
        let known = &reconciler.ledger().letters;
        let is_taken = |id: &&&str| known.get(**id).is_some_and(|known| known.fate == LetterFate::Taken);
        // One whose word is still to be typed shows that until it is.
        let waits = |id: &str| {
            reconciler.ledger().nudges.iter().any(|nudge| nudge.by.starts_with(&format!("letter {id} ")))
        };
        self.waits_for_agents |= there.iter().filter(is_taken).any(|id| waits(id));
        let is_done = |id: &&&str| is_taken(id) && !waits(id);
        self.to_delete = there.iter().filter(is_done).map(|id| (*id).to_owned()).collect();
        self.undeletable.retain(|id| there.contains(id.as_str()));
        let full = known.len() >= LETTERS_MAX;
        if full && !self.full {
            let text =
                format!("{LETTERS_MAX} letters are remembered, and no more are taken until some are gone");
            reconciler.tell(Event::of_town(now.wall, Kind::Request, text));
        }
        self.full = full;
    }
}

/// Follows the letters of an inbox, the oldest first; whether something was asked for.
fn follow_all<W: World>(letters: &[Letter], reconciler: &mut Reconciler<W>, pass: &Pass) -> bool {
    let mut taken = false;
    // gt lists the newest first.
    for letter in letters.iter().rev() {
        // What cannot be remembered is not taken, or it might be taken twice.
        if reconciler.ledger().letters.len() >= LETTERS_MAX {
            break;
        }
        if reconciler.ledger().letters.contains_key(&letter.id) {
            continue;
        }
        let now = reconciler.now();
        let Some(read) = request::read(letter, reconciler.desired().objects.keys(), now.wall) else {
            continue;
        };
        let follows = match read {
            Err(refused) => Follows::Refused(refused),
            Ok(request) => {
                let by = format!("letter {} of {}", letter.id, request.object);
                request::judge(&request, &standing(&request.object, reconciler, pass), &by)
            }
        };
        match follows {
            Follows::Later => {}
            Follows::Change(change) => taken |= requests::take_letter(reconciler, &letter.id, &change),
            Follows::Refused(Refused { object, why }) => {
                let noted = reconciler
                    .ask(|ledger, now| Ok(ledger.note_letter(&letter.id, LetterFate::Refused, now)));
                if noted == Ok(true) {
                    let text = format!("letter {} asks for something that is not done: {why}", letter.id);
                    reconciler.tell(Event { object, ..Event::of_town(now.wall, Kind::Request, text) });
                }
            }
        }
    }
    taken
}

/// Follows a letter that tells of an agent which was started; whether something is to be typed for it, `None` if it waits.
fn begin<W: World>(
    letter: &Letter,
    spawned: &Spawned,
    reconciler: &mut Reconciler<W>,
    pass: &Pass,
) -> Option<bool> {
    let standing = spawned.object.as_ref().map(|object| standing(object, reconciler, pass));
    let by = format!("letter {} for {}", letter.id, spawned.name);
    let now = reconciler.now();
    match spawn::judge(spawned, standing.as_ref(), now.wall, &by) {
        spawn::Follows::Later => None,
        spawn::Follows::Begin(object, life, change) => {
            let recipe = reconciler.desired().objects.get(&object).map(|object| &object.recipe);
            let ready = recipe.and_then(|recipe| recipe.ready.clone());
            Some(requests::take_letter_and(reconciler, &letter.id, &change, |ledger, now| {
                spawn::wait_until_ready(ledger, &object, &life, ready, now);
            }))
        }
        spawn::Follows::Over(why) => {
            let noted =
                reconciler.ask(|ledger, now| Ok(ledger.note_letter(&letter.id, LetterFate::Taken, now)));
            if noted == Ok(true) {
                let event = Event::of_town(now.wall, Kind::Request, format!("letter {}: {why}", letter.id));
                reconciler.tell(Event { object: spawned.object.clone(), ..event });
            }
            Some(false)
        }
    }
}

/// How the object of a letter stands.
fn standing<'a, W: World>(object: &Address, reconciler: &Reconciler<W>, pass: &'a Pass) -> Standing<'a> {
    let ledger = reconciler.ledger();
    let now = &pass.observed.at;
    let state = pass.plan.of(object).map(|verdict| &verdict.state);
    let lived = match state {
        Some(State::Starting(alive) | State::Running(alive) | State::BareShell(alive)) => Some(alive.lived),
        _ => None,
    };
    let holds = reconciler.desired().objects.get(object).into_iter().flat_map(|object| &object.holds);
    let frozen = holds
        .filter(|hold| hold.is_active(now.wall))
        .any(|hold| matches!(hold.kind, HoldKind::Frozen | HoldKind::Unreadable(_)));
    Standing {
        life: state.and_then(State::life),
        born: lived.and_then(|lived| now.wall.checked_sub(lived).ok()),
        last_seen: ledger.objects.get(object).and_then(|record| Some(record.since.as_ref()?.wall)),
        untouchable: frozen || ledger.in_flight.contains(object),
        stopped: ledger.stopped.contains_key(object),
    }
}

/// Whether the whole town is frozen: then its mail is not read either.
pub fn is_frozen(files: &TownFiles) -> bool {
    files.stops.town != Seen::Known(None) || files.stops.shutdown != Seen::Known(false)
}
