//! Processes that outlived their terminals or their agents, and those that only look like it. The doctor tells of them and ends none.

use super::judge::{Finding, Level};
use crate::controller::{Pass, Reconciler};
use crate::desired::agent_programs;
use crate::machine::{Listed, Machine, ThisMachine};
use crate::model::{Period, ProcessId, Seen, Why};
use crate::observed::host::Host;
use crate::plan::{Lone, LoneKind};

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Orphans {
    /// Processes of the town that no session shows.
    pub lone: Vec<Lone>,
    /// Processes without a terminal that have the name of an agent's program and no mark of any town: anybody's.
    pub alike: Vec<(ProcessId, String)>,
}

/// Searches the process table.
pub async fn gather(machine: &ThisMachine, reconciler: &Reconciler<Host<ThisMachine>>) -> Seen<Orphans> {
    let Pass { observed, plan } = reconciler.look().await;
    match (&observed.orphans, &observed.server) {
        (Some(Seen::Known(_)), _) => {}
        (Some(Seen::Unknown(why)), _) | (None, Seen::Unknown(why)) => return Seen::Unknown(why.clone()),
        (None, Seen::Known(_)) => return Seen::unknown("the tmux server cannot be talked to"),
    }
    machine.all().map(|all| Orphans { lone: plan.lone, alike: alike(machine, all) })
}

fn alike(machine: &ThisMachine, all: Vec<Listed>) -> Vec<(ProcessId, String)> {
    let programs = agent_programs();
    let is_alike =
        |one: &Listed| one.own && !one.may_have_a_terminal() && programs.contains(&one.name.as_str());
    let is_marked = |one: &Listed| match machine.environment(one.id.pid, &["GTCTL_TOWN", "GT_ROOT"]) {
        Seen::Known(Some(marks)) => !marks.is_empty(),
        Seen::Known(None) | Seen::Unknown(_) => true,
    };
    let found = all.into_iter().filter(is_alike).filter(|one| !is_marked(one));
    found.map(|one| (one.id, one.name)).collect()
}

/// What that means.
pub fn judge(found: &Seen<Orphans>) -> Vec<Finding> {
    let check = "orphans";
    let Orphans { lone, alike } = match found {
        Seen::Unknown(Why(why)) => return vec![Finding::new(check, Level::Unknown, why)],
        Seen::Known(found) => found,
    };
    let mut findings: Vec<Finding> = lone.iter().map(|one| finding(check, one)).collect();
    if findings.is_empty() {
        findings.push(Finding::new(check, Level::Ok, "no process of this town runs outside its sessions"));
    }
    if !alike.is_empty() {
        let names: Vec<String> = alike.iter().map(|(process, name)| format!("{process} ({name})")).collect();
        let text = format!(
            "named like an agent, without a terminal and without a mark of any town: {}",
            names.join(", ")
        );
        findings.push(
            Finding::new(check, Level::Note, text)
                .hint("a name proves nothing, so gtctl leaves them alone; you may know whose they are"),
        );
    }
    findings
}

fn finding(check: &'static str, one: &Lone) -> Finding {
    let Lone { address, process, name, lived, kind, is_ended } = one;
    let age = Period::from(std::time::Duration::from_secs(lived.as_secs()));
    let who = format!("process {process} ({name}) of {address}, {age} old,");
    let by_itself = if *is_ended { "gtctl ends it in time; " } else { "" };
    match kind {
        LoneKind::Survivor => {
            Finding::new(check, Level::Note, format!("{who} is an agent that outlived its terminal"))
                .hint(format!("nothing is started beside it; {by_itself}`kill {process}` does at once"))
        }
        LoneKind::Leftover => {
            Finding::new(check, Level::Note, format!("{who} was left behind by an agent that is gone")).hint(
                format!("{by_itself}`kill {process}` ends it; `[orphans] end = \"all\"` has gtctl do so"),
            )
        }
        LoneKind::Elsewhere => {
            Finding::new(check, Level::Wrong, format!("{who} lives in a tmux server that is not the town's"))
                .hint(format!(
                    "nothing is started beside it, and gtctl does not end it; `kill {process}` does"
                ))
        }
    }
}
