//! `gtctl doctor`: looks for what goes wrong with towns, and says what to do about it. Changes nothing.

mod facts;
mod judge;
mod orphans;
mod servers;
#[cfg(test)]
mod tests;

use serde_json::json;

use super::context::Context;
use super::exit::Exit;
use super::print;
use crate::report::json::FORMAT_VERSION;

use judge::{Finding, Level};

/// Looks, judges, and prints one line for each check, and more where more is wrong.
pub async fn run(context: &Context) -> Result<Exit, Exit> {
    let findings = judge::all(&facts::gather(context).await);
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if context.is_json() {
        print::json(&json!({
            "format-version": FORMAT_VERSION,
            "town": context.root.path(),
            "healthy": worst <= Level::Note,
            "findings": findings,
        }));
    } else {
        findings.iter().for_each(text);
    }
    Ok(match worst {
        Level::Ok | Level::Note => Exit::Ok,
        Level::Unknown => Exit::Unknown,
        Level::Wrong => Exit::Failed,
    })
}

fn text(finding: &Finding) {
    print::out(&format!("{:<8} {:<12} {}\n", finding.level.word(), finding.check, finding.text));
    if let Some(hint) = &finding.hint {
        print::out(&format!("{:<21} {hint}\n", ""));
    }
}
