//! What `start`, `stop` and `restart` share: which objects are meant, asking the controller or acting in its place, and waiting until it is so.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Args;

use super::confirm::confirmed;
use super::context::{Context, object};
use super::controller::{Controller, controller};
use super::exit::Exit;
use super::print;
use crate::controller::once::{Only, Progress, carry_out};
use crate::controller::requests::{Change, apply};
use crate::controller::socket::{self, Answer, Request};
use crate::controller::{Pass, Reconciler};
use crate::desired::{Desired, HoldKind, Object};
use crate::machine::ThisMachine;
use crate::model::{Address, Name, Origin, Period};
use crate::observed::host::Host;
use crate::plan::{Decision, Gate, Options, Step, Verdict};
use crate::report::words;

/// Which objects.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false)]
pub struct Which {
    /// The objects, for example gastown/witness
    #[arg(value_name = "OBJECT")]
    pub objects: Vec<String>,
    /// All objects of this rig
    #[arg(long, value_name = "RIG")]
    pub rig: Option<String>,
    /// All objects of the town
    #[arg(long)]
    pub all: bool,
}

/// How long to wait.
#[derive(Debug, Args)]
pub struct Wait {
    /// Do not wait until it is so
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = Period::parse, conflicts_with = "no_wait")]
    pub timeout: Period,
}

/// How far an object has come.
pub enum Come {
    /// There; what to say of it.
    There(String),
    /// On its way.
    OnItsWay,
    /// It will not come there by itself, if that is still so in a moment; why not.
    Stuck(String),
    /// It will not come there by itself; why not.
    Not(String),
}

/// How long [`Come::Stuck`] is doubted.
const DOUBT: Duration = Duration::from_secs(5);

/// How soon to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Which {
    /// The objects that are meant.
    pub fn of(&self, desired: &Desired) -> Result<Vec<Address>, Exit> {
        // What no file turns on is not there.
        let is_on = |object: &&Object| {
            object.holds.iter().all(|hold| hold.kind != HoldKind::Disabled || hold.origin != Origin::Default)
        };
        let on = || desired.objects.values().filter(is_on).map(|object| object.address.clone());
        if let Some(rig) = &self.rig {
            let of_rig: Vec<Address> =
                on().filter(|address| address.rig().map(Name::as_str) == Some(rig)).collect();
            if of_rig.is_empty() {
                print::error(&format!("there is no rig `{}` in this town", rig.escape_debug()), None);
                return Err(Exit::NotFound);
            }
            return Ok(of_rig);
        }
        if self.all {
            return Ok(on().collect());
        }
        self.objects.iter().map(|text| object(desired, text)).collect()
    }
}

/// Asks for a change, and waits until `come` says of each object that it is there.
///
/// With a controller it is asked; without one the change is made, and what follows from it for these objects is carried out here.
pub async fn make(
    context: &Context,
    change: Change,
    objects: &[Address],
    wait: &Wait,
    come: impl Fn(&Verdict, &Pass) -> Come,
) -> Result<Exit, Exit> {
    match controller(context).await {
        Controller::Running(_) => {
            ask(context, change).await?;
            if wait.no_wait {
                return Ok(Exit::Ok);
            }
            follow(context, objects, wait, &come).await
        }
        Controller::None => act(context, change, objects, wait, &come).await,
        Controller::Silent(_) | Controller::Other(_) | Controller::Unknown(_) => {
            print::error("a process acts on this town and does not answer", Some("`gtctl status` shows it"));
            Err(Exit::Locked)
        }
    }
}

/// Tells the controller.
pub async fn ask(context: &Context, change: Change) -> Result<(), Exit> {
    match socket::ask(&context.root, &Request::Change(change)).await {
        Ok(Some(Answer::Done { .. })) => Ok(()),
        Ok(Some(Answer::Invalid { why })) => {
            print::error(&format!("the controller refused it: {why}"), None);
            Err(Exit::Failed)
        }
        Ok(Some(Answer::Status(_) | Answer::Cost(_) | Answer::Reloaded(_)) | None) => {
            print::error("the controller did not take it", Some("`gtctl status` shows whether it runs"));
            Err(Exit::Failed)
        }
        Err(error) => {
            let hint = "if it had begun with it, it may still be done; `gtctl status` shows it";
            print::error(&format!("the controller did not answer: {error}"), Some(hint));
            Err(Exit::Failed)
        }
    }
}

/// Looks until all objects are there, or cannot come there, or the time is over.
async fn follow(
    context: &Context,
    objects: &[Address],
    wait: &Wait,
    come: &impl Fn(&Verdict, &Pass) -> Come,
) -> Result<Exit, Exit> {
    let begun = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let pass = context.open_again(Options::default())?.look().await;
        let busy = under_way(context).await;
        let come = |verdict: &Verdict, pass: &Pass| match come(verdict, pass) {
            // A session is gone before all its processes are (law 9); and who does not tell may be busy.
            Come::There(_)
                if busy.as_ref().is_none_or(|busy| busy.contains(&verdict.address.to_string())) =>
            {
                Come::OnItsWay
            }
            come => come,
        };
        if let Some(exit) = tell(objects, &pass, &come, &mut told, &Waited::since(begun, wait)) {
            return Ok(exit);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The objects that the controller is doing something to; `None` if it does not tell.
async fn under_way(context: &Context) -> Option<BTreeSet<String>> {
    let status = match socket::ask(&context.root, &Request::Status).await {
        Ok(Some(Answer::Status(status))) => status,
        // It has ended, so it does nothing.
        Ok(None) => return Some(BTreeSet::new()),
        Ok(Some(_)) | Err(_) => return None,
    };
    let is_busy = |object: &&serde_json::Value| {
        let word = |pointer| object.pointer(pointer).and_then(serde_json::Value::as_str);
        word("/reason/code") == Some("in-flight") || !matches!(word("/decision"), Some("nothing" | "held"))
    };
    let address = |object: &serde_json::Value| Some(object.get("address")?.as_str()?.to_owned());
    Some(status.objects.iter().filter(is_busy).filter_map(address).collect())
}

/// Does in a controller's place what follows from the change, for these objects alone.
async fn act(
    context: &Context,
    change: Change,
    objects: &[Address],
    wait: &Wait,
    come: &impl Fn(&Verdict, &Pass) -> Come,
) -> Result<Exit, Exit> {
    let _lock = context.lock()?;
    let mut reconciler = context.open_and_ask(Options::default()).await?;
    context.check_tmux(reconciler.desired().policy.controller.tmux_timeout).await?;
    reconciler.take_up();
    apply(&mut reconciler, &change).map_err(|why| {
        print::error(&why, None);
        Exit::Failed
    })?;
    let only: BTreeSet<Address> = objects.iter().cloned().collect();
    let begun = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let first = reconciler.look_well().await;
        let (until, named) = (Some(begun + wait.timeout.get()), Only::These(&only));
        let (totals, _) = carry_out(&mut reconciler, first, &named, until, |progress| note(&progress)).await;
        if totals.interrupted {
            return Err(Exit::Interrupted);
        }
        let pass = reconciler.look_well().await;
        if let Some(exit) = tell(
            objects,
            &pass,
            &|verdict: &Verdict, pass: &Pass| alone(verdict, objects).unwrap_or_else(|| come(verdict, pass)),
            &mut told,
            &Waited::since(begun, wait),
        ) {
            return Ok(exit);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// How long it has been waited for.
struct Waited {
    /// Longer than may be.
    over: bool,
    /// Long enough to believe that what is stuck is stuck.
    long: bool,
}

impl Waited {
    fn since(begun: Instant, wait: &Wait) -> Self {
        Self { over: begun.elapsed() >= wait.timeout.get(), long: begun.elapsed() >= DOUBT }
    }
}

/// What comes after something that was not named does not come where no controller starts that.
fn alone(verdict: &Verdict, objects: &[Address]) -> Option<Come> {
    let Decision::Step(Step { gate: Gate::After(needs), .. }) = &verdict.decision else { return None };
    let missing: Vec<Address> = needs.iter().filter(|need| !objects.contains(need)).cloned().collect();
    (!missing.is_empty()).then(|| {
        let missing = words::list(&missing);
        Come::Not(format!("not done: it comes after {missing}, and no controller does that; name it too"))
    })
}

fn note(progress: &Progress<'_>) {
    if let Progress::Ended(order, outcome) = progress
        && !matches!(outcome, crate::act::Outcome::Done(_))
    {
        print::note(&format!("{}: {} {outcome}", order.address, order.action.word()));
    }
}

/// Says of each object once where it has come to; the exit code when there is nothing more to wait for.
fn tell(
    objects: &[Address],
    pass: &Pass,
    come: &impl Fn(&Verdict, &Pass) -> Come,
    told: &mut BTreeSet<Address>,
    waited: &Waited,
) -> Option<Exit> {
    let mut exit = Exit::Ok;
    let mut waiting = false;
    for address in objects {
        let Some(verdict) = pass.plan.of(address) else { continue };
        let line = match come(verdict, pass) {
            Come::There(text) => Some(text),
            Come::Stuck(_) if !waited.long && !waited.over => {
                waiting = true;
                None
            }
            Come::Stuck(text) | Come::Not(text) => {
                exit = Exit::Held;
                Some(text)
            }
            Come::OnItsWay if waited.over => {
                exit = Exit::Failed;
                let why = words::reason(&verdict.because, &pass.observed.at);
                Some(format!("not in time; it is {}: {why}", verdict.word()))
            }
            Come::OnItsWay => {
                waiting = true;
                None
            }
        };
        if let Some(line) = line
            && told.insert(address.clone())
        {
            print::out(&format!("{address}: {line}\n"));
        }
    }
    (!waiting).then_some(exit)
}

/// What a change would stop beyond the ceiling, asked for at the terminal unless `yes`: the lives that may be stopped.
pub async fn approval(
    context: &Context,
    change: &Change,
    objects: &[Address],
    yes: bool,
) -> Result<Vec<String>, Exit> {
    let mut scratch: Reconciler<Host<ThisMachine>> = context.open_and_ask(Options::default()).await?;
    scratch.suppose(|ledger, now| {
        let _ = change.note(ledger, now);
    });
    let Some(refusal) = scratch.look().await.plan.refusal else { return Ok(Vec::new()) };
    // An answer for what was named is none for what else is refused at the moment.
    let named = refusal.stops.iter().all(|stop| objects.contains(stop));
    if named && (yes || confirmed(&format!("This stops {}. Go on?", words::list(&refusal.stops)))) {
        return Ok(refusal.lives);
    }
    print::error(
        &format!(
            "{} would be stopped at once, and no more than {} may be",
            words::list(&refusal.stops),
            refusal.limit
        ),
        Some(if named {
            "if that is meant, say --yes"
        } else {
            "others are to be stopped as well; see `gtctl plan`"
        }),
    );
    Err(Exit::Refused)
}
