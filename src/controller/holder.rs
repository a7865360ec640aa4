//! Who acts on a town, proved: the kernel says who holds the lock, and the holder's own record, or its answer, says what it is. A name or a pid
//! file proves nothing (laws 2 and 3).

use std::time::Duration;

use super::identity::Written;
use super::lock::current_holder;
use super::socket::{self, Answer, Request};
use crate::machine::Machine;
use crate::model::{ProcessId, Seen, Why, excerpt, printable};
use crate::observed::processes;
use crate::town::TownRoot;

/// Who holds the lock of a town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A controller of gtctl.
    Controller(Running),
    /// Somebody else: `gt daemon`, or a gtctl that acts once.
    Other(Other),
}

/// A controller of gtctl, proved to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its process, for as long as it is this one.
    pub process: ProcessId,
    /// The version that runs.
    pub version: String,
    /// Since when it runs.
    pub started: jiff::Timestamp,
    /// How long its process has lived.
    pub lived: Duration,
}

impl Running {
    /// Whether it may not have come to its socket yet.
    pub fn is_young(&self) -> bool {
        self.lived < YOUNG
    }
}

/// A controller that reads large files on a slow disk has opened its socket by then.
const YOUNG: Duration = Duration::from_secs(10);

/// A holder of the lock that is no controller of gtctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its pid.
    pub pid: i32,
    /// Its arguments, for people; none if they cannot be read.
    pub arguments: Vec<String>,
}

/// So many characters of a command line are shown.
const LINE_SHOWN: usize = 200;

impl Other {
    /// What it is, in words. By its arguments, which is good enough to tell people and for nothing else.
    pub fn named(&self) -> String {
        if self.is_gt_daemon() {
            return format!("gt daemon, process {}", self.pid);
        }
        match self.arguments.is_empty() {
            true => format!("process {}", self.pid),
            false => {
                let line = self.arguments.join(" ");
                format!("process {} ({})", self.pid, printable(&excerpt(&line, LINE_SHOWN)))
            }
        }
    }

    /// Whether it looks like gt's own daemon.
    pub fn is_gt_daemon(&self) -> bool {
        let mut words = self.arguments.iter();
        let program = words.next().and_then(|word| word.rsplit('/').next());
        program == Some("gt") && words.any(|word| word == "daemon")
    }
}

/// Who holds the lock now; why, if that cannot be told.
pub async fn holder(machine: &impl Machine, root: &TownRoot) -> Result<Holder, Why> {
    let Some(pid) = current_holder(root).map_err(|error| Why::of(&error))? else {
        return Ok(Holder::Nobody);
    };
    let process = match machine.find(pid) {
        Seen::Known(found) => found.filter(|found| !found.zombie).map(|found| found.id),
        Seen::Unknown(why) => return Err(why),
    };
    // What has ended holds nothing for long; a child that it was about to start has the lock for a moment.
    let Some(process) = process else { return Ok(Holder::Nobody) };
    let lived = || processes::lived(machine, process, machine.now().since_boot);
    if let Some(Written { version, started, .. }) =
        Written::read(machine, root).filter(|written| written.is_of(process, &machine.now().boot))
    {
        return Ok(Holder::Controller(Running { process, version, started, lived: lived() }));
    }
    // A controller that could not write who it is, or wrote it before this was so, can say it.
    if let Ok(Some(Answer::Status(status))) = socket::ask(root, &Request::Status).await
        && i32::try_from(status.pid) == Ok(pid)
        && matches!(machine.find(pid), Seen::Known(Some(found)) if found.id == process)
    {
        return Ok(Holder::Controller(Running {
            process,
            version: status.version,
            started: status.started,
            lived: lived(),
        }));
    }
    let arguments = match machine.arguments(pid) {
        Seen::Known(arguments) => arguments.unwrap_or_default(),
        Seen::Unknown(_) => Vec::new(),
    };
    Ok(Holder::Other(Other { pid, arguments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gts_daemon_is_named_by_its_arguments() {
        let other = |arguments: &[&str]| Other {
            pid: 7,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(other(&["/usr/local/bin/gt", "daemon", "run"]).named(), "gt daemon, process 7");
        assert_eq!(
            other(&["vim", "gt", "daemon", "run"]).named(),
            "process 7 (vim gt daemon run)",
            "an editor is none"
        );
        assert_eq!(other(&["gtctl", "reconcile"]).named(), "process 7 (gtctl reconcile)");
        assert_eq!(other(&[]).named(), "process 7");
    }
}
