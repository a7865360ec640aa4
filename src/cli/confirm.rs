//! Asking the person at the terminal.

use std::io::{BufRead, IsTerminal};

use super::print;

/// Asks at the terminal; without one the answer is no.
pub fn confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    print::note(&format!("{question} Only 'yes' will do:"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// Who asks: the agent that runs this, as gt's variables name it, or the user.
pub fn asker() -> String {
    let named = ["BD_ACTOR", "GT_ROLE", "USER", "LOGNAME"].iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        let plain: String = value.chars().filter(|c| !c.is_control()).take(80).collect();
        (!plain.is_empty()).then_some(plain)
    });
    named.unwrap_or_else(|| "somebody without a name".to_owned())
}
