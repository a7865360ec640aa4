//! The first words of each role: gt's beacon, which says who starts whom and why, and then what to do.

use super::agents::Agent;
use super::role_files::RoleSays;
use crate::model::{Address, NOW, Words};
use crate::town::files::TownFiles;
use crate::town::files::town_toml::PromptMode;

/// What an object is told first; `None` if that is nothing.
///
/// gt's words are for roles of a Gas Town, and for agents of which it is known how they take them. A prompt of `town.toml` is for any; where
/// nothing is known of the program, it is typed.
pub fn first(
    files: &TownFiles,
    address: &Address,
    prompt: Option<&str>,
    role: &RoleSays,
    agent: &Agent,
) -> Option<Words> {
    let mode = match agent.prompt {
        None if prompt.is_some() => PromptMode::Typed,
        None => PromptMode::None,
        Some(mode) => mode,
    };
    let typed = match mode {
        PromptMode::Argument => false,
        PromptMode::Typed => true,
        PromptMode::None => return None,
    };
    let is_role = !matches!(address, Address::Session(_));
    let text = match prompt {
        Some("") => return None,
        Some(prompt) => role.fill(prompt),
        None if !is_role || !files.workspace => return None,
        None => {
            let task = role.nudge(files).unwrap_or_else(|| task(address).to_owned());
            // What hooks tell the others, it must ask for.
            if agent.hooks { task } else { format!("Run `gt prime` to initialize your context.\n\n{task}") }
        }
    };
    let text = if is_role && files.workspace { format!("{}\n\n{text}", beacon(address)) } else { text };
    Some(Words { text, typed })
}

/// The line by which gt and people find a session again.
fn beacon(address: &Address) -> String {
    let (sender, topic) = match address {
        Address::Mayor | Address::Crew(..) => ("human", "cold-start"),
        Address::Deacon => ("daemon", "patrol"),
        Address::Boot => ("daemon", "triage"),
        Address::Witness(_) | Address::Refinery(_) => ("deacon", "patrol"),
        Address::Polecat(..) => ("witness", "assigned"),
        Address::Session(_) => ("human", "ready"),
    };
    // Not an address: agents took one for a directory.
    let who = match (address.rig(), address.worker()) {
        (Some(rig), Some(name)) => format!("{} {name} (rig: {rig})", address.role()),
        (Some(rig), None) => format!("{} (rig: {rig})", address.role()),
        (None, _) => address.role().to_string(),
    };
    format!("[GAS TOWN] {who} <- {sender} • {NOW} • {topic}")
}

/// What a role is to do.
fn task(address: &Address) -> &'static str {
    match address {
        Address::Deacon => {
            "I am Deacon. Start patrol: run gt deacon heartbeat, then check gt hook. If no hook, run gt sling mol-deacon-patrol deacon, \
             then execute the hook it creates."
        }
        Address::Boot => "Run `gt boot triage` now.",
        Address::Witness(_) | Address::Refinery(_) => "Run `gt prime --hook` and begin patrol.",
        Address::Polecat(..) => "Work is on your hook. Run `gt prime --hook` and begin work on your hook.",
        Address::Mayor | Address::Crew(..) | Address::Session(_) => {
            "Check your hook and mail, then act on the hook if present:\n\
             1. `gt hook` shows what is hooked to you\n\
             2. `gt mail inbox` shows your mail\n\
             3. Something is hooked: do it now\n\
             4. Nothing is hooked: wait for instructions"
        }
    }
}
