//! Asking `bd` or `br`: which of them, where, with which arguments, and what its answer means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::issue::{Issue, parse_issues};
use crate::machine::{Call, Disk, Machine, Reply};
use crate::model::{Seen, Why, excerpt, printable};

/// The programs that are looked for, the first that is there is taken. Both know the same words.
pub const PROGRAMS: [&str; 2] = ["bd", "br"];

/// More than this is no answer to anything that gtctl asks: ten thousand issues are a tenth of it.
const OUTPUT_MAX: usize = 32 * 1024 * 1024;

/// So much of a complaint is shown.
const SHOWN: usize = 300;

/// gt follows so many redirects.
const HOPS_MAX: usize = 4;

/// A database of beads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Database {
    /// Where the program runs.
    pub directory: PathBuf,
    /// The directory with the data, for `BEADS_DIR`.
    pub beads: PathBuf,
}

impl Database {
    /// The database that `below` (relative to the town) uses: its `.beads`, or where the file `redirect` in there points to. `Known(None)` if it
    /// has none.
    pub fn of(disk: &dyn Disk, root: &Path, below: &str) -> Seen<Option<Self>> {
        // The town itself is the root without a slash behind it.
        let directory = if below.is_empty() { root.to_owned() } else { root.join(below) };
        let mut beads = directory.join(".beads");
        for hop in 0..=HOPS_MAX {
            match disk.is_directory(&beads) {
                Seen::Known(true) => {}
                Seen::Known(false) if hop == 0 => return Seen::Known(None),
                Seen::Known(false) => {
                    return Seen::unknown(format!("{} does not exist", beads.display()));
                }
                Seen::Unknown(why) => return Seen::Unknown(why),
            }
            let redirect = match disk.read_text(&beads, "redirect") {
                Ok(text) => text,
                Err(error) => return Seen::unknown(format!("{}/redirect: {error}", beads.display())),
            };
            let target = redirect.as_deref().map(str::trim).filter(|target| !target.is_empty());
            let Some(target) = target else { return Seen::Known(Some(Self { directory, beads })) };
            // gt reads it relative to what the `.beads` is in.
            beads = beads.parent().unwrap_or(root).join(target);
        }
        Seen::unknown(format!("{}/.beads redirects more than {HOPS_MAX} times", directory.display()))
    }
}

/// The program to ask: the one that is configured, else the first of [`PROGRAMS`] that is installed; `Known(None)` if none is. A configured
/// one that is not there is unknown: somebody counts on what it would say.
pub fn find(disk: &dyn Disk, configured: Option<&str>, root: &Path) -> Seen<Option<PathBuf>> {
    if let Some(name) = configured {
        return match disk.find_program(name, None, root) {
            (Seen::Known(Some(found)), _) => Seen::Known(Some(found)),
            (Seen::Known(None), path) => Seen::unknown(format!("`{name}` is nowhere on {path}")),
            (Seen::Unknown(why), _) => Seen::Unknown(why),
        };
    }
    for name in PROGRAMS {
        match disk.find_program(name, None, root).0 {
            Seen::Known(None) => {}
            found => return found,
        }
    }
    Seen::Known(None)
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The bead.
    pub bead: String,
    /// Where it is.
    pub database: Database,
}

/// One of the programs on a machine.
#[derive(Debug, Clone)]
pub struct Beads<M> {
    /// The machine.
    pub machine: M,
    /// The program's file.
    pub program: PathBuf,
    /// How long one answer may take.
    pub limit: Duration,
}

impl<M: Machine> Beads<M> {
    /// One bead; `Known(None)` if the program says that there is no such bead.
    pub async fn show(&self, question: &Question) -> Seen<Option<Issue>> {
        let arguments = vec!["show".to_owned(), question.bead.clone(), "--json".to_owned()];
        let answer = self.ask(&question.database, arguments).await;
        let issues = match answer {
            Ok(reply) => shown(&reply, &question.bead),
            Err(why) => return Seen::Unknown(why),
        };
        match issues {
            Ok(issue) => Seen::Known(issue),
            Err(why) => Seen::unknown(format!("{}: {why}", self.name())),
        }
    }

    /// All beads that these arguments of `list` select, without gt's limit of 50.
    pub async fn list(&self, database: &Database, filters: &[&str]) -> Seen<Vec<Issue>> {
        let filters = filters.iter().map(|filter| (*filter).to_owned());
        let fixed = ["--json", "--limit=0"].map(str::to_owned);
        let arguments = std::iter::once("list".to_owned()).chain(filters).chain(fixed).collect();
        let reply = match self.ask(database, arguments).await {
            Ok(reply) => reply,
            Err(why) => return Seen::Unknown(why),
        };
        let issues = answered(&reply).and_then(|text| parse_issues(text).map_err(|error| error.to_string()));
        match issues {
            Ok(issues) => Seen::Known(issues),
            Err(why) => Seen::unknown(format!("{}: {why}", self.name())),
        }
    }

    fn name(&self) -> String {
        self.program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    async fn ask(&self, database: &Database, arguments: Vec<String>) -> Result<Reply, Why> {
        let call = Call {
            program: self.program.clone(),
            arguments,
            directory: database.directory.clone(),
            environment: vec![("BEADS_DIR".to_owned(), database.beads.display().to_string())],
            limit: self.limit,
            output_max: OUTPUT_MAX,
        };
        self.machine.run_program(&call).await.map_err(|error| Why::of(&error))
    }
}

/// The text of an answer, or why it is none. Nothing said is no answer: `bd` has ended with 0 and only a complaint.
fn answered(reply: &Reply) -> Result<&str, String> {
    match reply.code {
        Some(0) if !reply.stdout.trim().is_empty() => Ok(&reply.stdout),
        Some(0) if reply.stderr.trim().is_empty() => Err("it said nothing".to_owned()),
        Some(0) => Err(complaint(reply)),
        Some(code) => Err(format!("it ended with {code}: {}", complaint(reply))),
        None => Err(format!("a signal ended it: {}", complaint(reply))),
    }
}

fn complaint(reply: &Reply) -> String {
    let text = [&reply.stderr, &reply.stdout].into_iter().find(|text| !text.trim().is_empty());
    let line = text.map_or("nothing", |text| text.trim());
    printable(&excerpt(line, SHOWN)).into_owned()
}

/// Reads the answer to `show`.
fn shown(reply: &Reply, bead: &str) -> Result<Option<Issue>, String> {
    let text = match answered(reply) {
        Ok(text) => text,
        Err(_) if says_that_there_is_none(reply, bead) => return Ok(None),
        Err(why) => return Err(why),
    };
    let issues = parse_issues(text).map_err(|error| error.to_string())?;
    if issues.is_empty() {
        return Ok(None);
    }
    // A program that guesses what was meant has not answered what was asked.
    match issues.into_iter().find(|issue| issue.id == bead) {
        Some(issue) => Ok(Some(issue)),
        None => Err(format!("it showed another bead than {bead}")),
    }
}

/// Whether it complains that there is no such bead, in a line that names it. `database not found` says something else.
fn says_that_there_is_none(reply: &Reply, bead: &str) -> bool {
    let lines = reply.stderr.lines().chain(reply.stdout.lines());
    let words = ["issue not found", "no issue found", "bead not found", "not found:"];
    lines.map(str::to_ascii_lowercase).any(|line| {
        let names_it = names(&line, &bead.to_ascii_lowercase());
        names_it && (words.iter().any(|word| line.contains(word)) || line.trim_end().ends_with("not found"))
    })
}

/// Whether a line holds this id, and not only one that it begins or ends.
fn names(line: &str, id: &str) -> bool {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/');
    line.match_indices(id).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let mut after = line.get(at + id.len()..).unwrap_or_default().chars();
        let next = after.next();
        // A full stop that ends a sentence is not of the id.
        let ends = match next {
            Some('.') => !after.next().is_some_and(inside),
            next => !next.is_some_and(inside),
        };
        !before.is_some_and(inside) && ends
    })
}
