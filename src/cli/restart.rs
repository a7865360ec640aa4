//! `gtctl restart`.

use std::collections::BTreeMap;

use clap::Args;

use super::change::{Come, Wait, Which, approval, make};
use super::confirm::asker;
use super::context::Context;
use super::exit::Exit;
use super::{print, start};
use crate::controller::Pass;
use crate::controller::requests::Change;
use crate::desired::HoldKind;
use crate::ledger::KnownLife;
use crate::model::{Address, IncarnationId};
use crate::plan::{Options, Verdict};
use crate::report::words;

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Do not ask before stopping more sessions than one pass may
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Ends what lives of these objects and starts it again; what does not live is started.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    let reconciler = context.open_and_ask(Options::default()).await?;
    let objects = arguments.which.of(reconciler.desired())?;
    let before = reconciler.look().await;
    refuse(&before, &objects)?;
    let lives = lives(&before, &objects);
    let old: BTreeMap<Address, IncarnationId> = lives.iter().cloned().collect();
    let restart = |approved| Change::Restart { lives: lives.clone(), by: asker(), approved };
    let approved = approval(context, &restart(Vec::new()), &objects, arguments.yes).await?;
    let dead: Vec<Address> = objects.iter().filter(|address| !old.contains_key(address)).cloned().collect();
    let mut worst = Exit::Ok;
    if !old.is_empty() {
        let alive: Vec<Address> = old.keys().cloned().collect();
        let come = |verdict: &Verdict, pass: &Pass| match verdict.state.life() {
            // The old life does not count as the new one.
            Some(KnownLife::Of(id)) if old.get(&verdict.address) == Some(id) => Come::OnItsWay,
            _ => start::come(verdict, pass),
        };
        worst = make(context, restart(approved), &alive, &arguments.wait, come).await?;
    }
    if !dead.is_empty() {
        let change = Change::Start { objects: dead.clone(), by: asker() };
        let exit = make(context, change, &dead, &arguments.wait, start::come).await?;
        worst = if worst == Exit::Ok { exit } else { worst };
    }
    Ok(worst)
}

/// What cannot be told, and what would not come up again, is not restarted.
fn refuse(pass: &Pass, objects: &[Address]) -> Result<(), Exit> {
    for verdict in objects.iter().filter_map(|address| pass.plan.of(address)) {
        let (address, why) = (&verdict.address, words::reason(&verdict.because, &pass.observed.at));
        // A stop by hand is ended by a restart; what files hold back is not.
        if verdict.wanted.as_ref().is_some_and(|hold| !matches!(hold, HoldKind::Stopped(_))) {
            let hint = words::hint(verdict);
            print::error(&format!("{address} is held back, so it is not restarted: {why}"), hint.as_deref());
            return Err(Exit::Held);
        }
        if verdict.state.life().is_none() {
            let text = format!("whether {address} runs cannot be told, so it is not restarted: {why}");
            print::error(&text, Some("`gtctl why` has the details; try again in a moment"));
            return Err(Exit::Unknown);
        }
    }
    Ok(())
}

/// The lives that these objects have now.
fn lives(pass: &Pass, objects: &[Address]) -> Vec<(Address, IncarnationId)> {
    let life = |address: &Address| match pass.plan.of(address)?.state.life()? {
        KnownLife::Of(id) => Some((address.clone(), id.clone())),
        KnownLife::None => None,
    };
    objects.iter().filter_map(life).collect()
}
