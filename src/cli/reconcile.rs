//! `gtctl reconcile` and `gtctl plan`.

use clap::Args;

use super::context::Context;
use super::exit::Exit;
use super::print;
use super::record::Record;
use crate::act::Outcome;
use crate::controller::once::{Only, Progress, Totals, carry_out};
use crate::controller::{Pass, Reconciler};
use crate::machine::ThisMachine;
use crate::observed::host::Host;
use crate::plan::{Action, Decision, Options, Plan};
use crate::report::{json, text, words};

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only print the plan; no side effects
    #[arg(long, conflicts_with = "record")]
    dry_run: bool,
    #[command(flatten)]
    plan: PlanArguments,
    #[command(flatten)]
    record: Record,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Also stop sessions of this town that no file lists any more
    #[arg(long)]
    prune: bool,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
}

impl PlanArguments {
    /// What the plan is asked to do, and whether the exit code tells if there is something to do.
    pub fn options(&self) -> (Options, bool) {
        (Options { prune: self.prune, ..Options::default() }, self.detailed_exitcode)
    }
}

/// `gtctl reconcile`.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Exit> {
    if arguments.dry_run {
        return plan(context, arguments.plan.options()).await;
    }
    let _lock = context.lock()?;
    let mut reconciler = context.open_and_ask(arguments.plan.options().0).await?;
    reconciler.take_up();
    arguments.record.apply(&mut reconciler);
    let first = reconciler.look_well().await;
    context.check_tmux_of(&first, reconciler.desired().policy.controller.tmux_timeout).await?;
    let nothing = first.plan.steps().next().is_none();
    if !context.is_json() {
        print_plan(context, &reconciler, &first);
    }
    let (totals, last) =
        carry_out(&mut reconciler, first, &Only::All, None, |progress| tell(context, &progress)).await;
    if context.is_json() {
        print::json(
            &serde_json::json!({ "format-version": json::FORMAT_VERSION, "totals": totals, "refusal": last.refusal }),
        );
    } else if !nothing {
        print::out(&totals_line(&totals));
    }
    Ok(exit_of(&totals, &last))
}

/// `gtctl plan`: looks, prints, and leaves no trace.
pub async fn plan(context: &Context, (options, detailed): (Options, bool)) -> Result<Exit, Exit> {
    let reconciler = context.open_and_ask(options).await?;
    let pass = reconciler.look().await;
    context.check_tmux_of(&pass, reconciler.desired().policy.controller.tmux_timeout).await?;
    print_plan(context, &reconciler, &pass);
    Ok(match pass.plan.steps().next() {
        Some(_) if detailed => Exit::Unknown,
        _ if pass.plan.refusal.is_some() => Exit::Refused,
        _ => Exit::Ok,
    })
}

fn print_plan(context: &Context, reconciler: &Reconciler<Host<ThisMachine>>, pass: &Pass) {
    let town = reconciler.root().path().display().to_string();
    if context.is_json() {
        print::json(&json::plan(&pass.plan, &pass.observed, &town));
    } else {
        print::out(&text::plan(&pass.plan, &pass.observed, &town));
    }
}

fn tell(context: &Context, progress: &Progress<'_>) {
    let line = match progress {
        Progress::Waiting { left, until, now } => {
            let until =
                until.map(|until| format!(", the next at {}", words::moment(until, now))).unwrap_or_default();
            format!("still to do: {left} steps{until} ...")
        }
        Progress::Begun(order) => match &order.action {
            Action::Start(_) => format!("{}: starting ...", order.address),
            Action::Restart(_) => format!("{}: restarting ...", order.address),
            Action::Kill(_) => format!("{}: stopping ...", order.address),
            Action::Nudge { .. } => format!("{}: nudging ...", order.address),
            Action::Adopt(_) => format!("{}: adopting ...", order.address),
            Action::Reap(quarry) => {
                format!("{}: ending process {} ...", order.address, quarry.orphan().process)
            }
            Action::Notify { letter, .. } => format!("{}: writing to {} ...", order.address, letter.to),
        },
        Progress::Ended(order, outcome) => match (&order.action, outcome) {
            (Action::Start(_) | Action::Restart(_), Outcome::Done(Some(incarnation))) => {
                format!(
                    "{}: alive, process {}, session {}",
                    order.address, incarnation.process, incarnation.session
                )
            }
            (Action::Kill(_), Outcome::Done(_)) => format!("{}: gone", order.address),
            (Action::Adopt(_), Outcome::Done(_)) => format!("{}: adopted", order.address),
            (Action::Reap(quarry), Outcome::Done(_)) => {
                format!("{}: process {} is gone", order.address, quarry.orphan().process)
            }
            (_, outcome) => format!("{}: {} {outcome}", order.address, order.action.word()),
        },
    };
    if context.is_json() {
        print::note(&line);
    } else {
        print::out(&format!("{line}\n"));
    }
}

fn totals_line(totals: &Totals) -> String {
    let Totals {
        started,
        restarted,
        nudged,
        killed,
        held,
        failed,
        adopted,
        notified,
        skipped,
        interrupted: _,
    } = totals;
    let adopted = if *adopted > 0 { format!("Adopted: {adopted}.\n") } else { String::new() };
    let notified = if *notified > 0 { format!("Letters sent: {notified}.\n") } else { String::new() };
    let skipped =
        if *skipped > 0 { format!("Interrupted: {skipped} steps were not begun.\n") } else { String::new() };
    format!(
        "{adopted}{notified}{skipped}Reconcile complete: {started} started, {restarted} restarted, {nudged} nudged, {killed} killed, {held} held, {failed} failed.\n"
    )
}

fn exit_of(totals: &Totals, last: &Plan) -> Exit {
    let held =
        last.verdicts.iter().any(|verdict| verdict.decision == Decision::Held && !verdict.because.is_wish());
    if totals.skipped > 0 {
        Exit::Interrupted
    } else if totals.failed > 0 {
        Exit::Failed
    } else if let Some(refusal) = &last.refusal {
        print::note(&words::refusal(refusal));
        Exit::Refused
    } else if held {
        Exit::Held
    } else {
        Exit::Ok
    }
}
