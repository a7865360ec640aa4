//! Whoever hurts the town: carries out the faults, notes each before it is made, and undoes what lasts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::run::{Ran, try_run};
use crate::common::{Life, Mode, Shim, TestTown, agents, guard, proc};

use super::controllers::Controllers;
use super::generator::{Fault, Kind, LONG};
use super::history::{History, now};
use super::town::{KEPT, Kept};
use super::watch::{Shared, open};

/// What undoes a fault that lasts.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// The tmux server goes on.
    ContinueServer(Life),
    /// The tmux server gets its socket back.
    Socket(Life),
    /// tmux answers again.
    Answers,
    /// A stopped controller goes on.
    ContinueController(Life),
    /// A controller may run again.
    Controller,
    /// A starved controller is replaced.
    Feed,
    /// `town.toml` is whole.
    TownToml,
    /// `rigs.json` is whole.
    Rigs,
    /// The wisp file of the resting rig is whole.
    Wisp,
    /// This rig works again.
    Unpark(&'static str),
    /// This rig's wisp file goes.
    UnparkByWisp(&'static str),
    /// All rigs work again.
    UnparkAll,
    /// ESTOP goes.
    EmergencyStop,
    /// The ledger can be written.
    Ledger(usize),
    /// Directories are there again.
    Directory,
    /// Programs are there again.
    Program,
    /// A session that has taken a name goes.
    Name(Life),
    /// Not undoing, but doing: while a fault lasts that keeps gtctl from starting anything, an agent of this number ends, with or without
    /// its session.
    Bait(usize, bool),
}

/// When in a long fault the bait is laid: after all that was under way when it began.
const BAIT_AFTER: Duration = Duration::from_millis(2600);

/// How often a kind was asked for, and how often the town was such that it could be done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count {
    /// Done.
    pub done: usize,
    /// Not possible just then.
    pub missed: usize,
}

/// Whoever hurts the town.
pub struct Nemesis<'town> {
    pub(super) town: &'town TestTown,
    pub(super) shared: Shared,
    pub(super) shim: Shim,
    pub(super) controllers: Controllers<'town>,
    pub(super) undo: Vec<(Instant, Undo)>,
    pub(super) number: usize,
    /// Until when a command may reach tmux that gtctl has given up.
    late_until: Instant,
    counts: BTreeMap<Kind, Count>,
}

impl<'town> Nemesis<'town> {
    /// Puts its shim before tmux.
    pub fn new(town: &'town TestTown, shared: Shared) -> Self {
        Self {
            town,
            shim: town.shim(),
            controllers: Controllers::new(town, shared.clone()),
            shared,
            undo: Vec::new(),
            number: 0,
            late_until: Instant::now(),
            counts: BTreeMap::new(),
        }
    }

    /// How often each kind was made.
    pub fn count(&self, kind: Kind) -> Count {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// How many controllers were started.
    pub fn controllers_started(&self) -> usize {
        self.controllers.started
    }

    /// Carries out a fault.
    pub fn hurt(&mut self, fault: Fault) {
        let done = self.carry_out(fault);
        let count = self.counts.entry(fault.kind).or_default();
        if done.is_some() {
            count.done += 1;
        } else {
            count.missed += 1;
            self.history(|history| history.tell(format!("(not possible now: {:?})", fault.kind)));
        }
    }

    /// Undoes what has lasted long enough, and looks after the controllers.
    pub fn tend(&mut self) {
        let due = Instant::now();
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.undo).into_iter().partition(|(at, _)| *at <= due);
        self.undo = later;
        for (_, undo) in now {
            self.undo_now(undo);
        }
        self.controllers.tend();
    }

    /// Undoes everything.
    pub fn undo_all(&mut self) {
        self.undo.retain(|(_, undo)| !matches!(undo, Undo::Bait(..)));
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.undo_now(undo);
        }
        self.controllers.tend();
    }

    pub(super) fn history<T>(&self, change: impl FnOnce(&mut History) -> T) -> T {
        change(&mut open(&self.shared))
    }

    /// Notes what is about to be done.
    pub(super) fn tell(&self, fault: Fault, what: impl AsRef<str>) {
        self.history(|history| history.tell(format!("{:?}: {}", fault.kind, what.as_ref())));
    }

    /// Undoes it when the fault has lasted.
    pub(super) fn later(&mut self, fault: Fault, undo: Undo) {
        self.undo.push((Instant::now() + fault.lasts, undo));
    }

    /// A fault that keeps gtctl from starting anything gets something that it must not start.
    pub(super) fn bait(&mut self, fault: Fault, with_session: bool) {
        if fault.lasts >= Duration::from_millis(LONG as u64) {
            self.undo.push((Instant::now() + BAIT_AFTER, Undo::Bait(fault.target, with_session)));
        }
    }

    fn take_bait(&mut self, target: usize, with_session: bool) {
        let wrapped = |kept: &Kept| kept.leaves_a_shell();
        let kind = if with_session { Kind::KillSession } else { Kind::KillAgent };
        let fault = Fault { kind, target, shade: 0, lasts: Duration::ZERO };
        // One that is dead already is no bait, and one that ignores the hang-up none either.
        let alive: Vec<usize> = (0..KEPT.len())
            .map(|offset| (target + offset) % KEPT.len())
            .filter(|index| !wrapped(&KEPT[*index]) && !KEPT[*index].object.ends_with("deaf"))
            .filter(|index| self.history(|history| !history.living(KEPT[*index].object).is_empty()))
            .collect();
        for target in alive.into_iter().take(2) {
            self.carry_out(Fault { target, ..fault });
        }
    }

    pub(super) fn is_pending(&self, is: impl Fn(&Undo) -> bool) -> bool {
        self.undo.iter().any(|(_, undo)| is(undo))
    }

    /// The real tmux, for things done by hand; `None` if it could not be asked, or did not do it.
    pub(super) fn by_hand(&self, args: &[&str]) -> Option<Ran> {
        let blocked = |undo: &Undo| matches!(undo, Undo::ContinueServer(_) | Undo::Socket(_));
        if self.is_pending(blocked) {
            return None;
        }
        let mut command = guard::tmux(self.town.socket(), &self.town.tmux_tmpdir(), self.town.server_root());
        let ran = try_run(command.args(args), None, &self.town.scratch(), Duration::from_secs(3)).ok()?;
        (ran.code == Some(0)).then_some(ran)
    }

    /// An object, and one of its living agents.
    fn agent(&self, fault: Fault, is: impl Fn(&Kept) -> bool) -> Option<(&'static Kept, Life)> {
        let some: Vec<&Kept> = KEPT.iter().filter(|kept| is(kept)).collect();
        let kept = some[fault.target % some.len()];
        let life = self.history(|history| history.living(kept.object).first().copied())?;
        Some((Kept::of(kept.object)?, life))
    }

    fn server(&self) -> Option<Life> {
        self.history(|history| history.servers.first().copied()).filter(|life| life.is_alive())
    }

    /// Carries it out; `None` if that is not possible now.
    fn carry_out(&mut self, fault: Fault) -> Option<()> {
        match fault.kind {
            Kind::KillAgent => self.end_agent(fault, Signal::KILL),
            Kind::TerminateAgent => self.end_agent(fault, Signal::TERM),
            Kind::KillInside => self.kill_inside(fault),
            Kind::KillAll => self.kill_all(fault),
            Kind::KillServer => self.kill_server(fault),
            Kind::StopServer => self.stop_server(fault),
            Kind::RemoveSocket => self.remove_socket(fault),
            Kind::KillController
            | Kind::TerminateController
            | Kind::StopController
            | Kind::SecondController
            | Kind::SwapControllers
            | Kind::StarveController
            | Kind::RemoveLock => self.hurt_controller(fault),
            Kind::SlowTmux => self.answer(fault, Mode::Delay(Duration::from_millis(200)), true),
            Kind::TooSlowTmux => self.answer(fault, Mode::Delay(Duration::from_millis(1500)), false),
            Kind::FailingTmux => {
                const ERRORS: [&str; 4] = [
                    "server busy",
                    "fork failed: Resource temporarily unavailable",
                    "error connecting to /tmp/tmux-0/x (Permission denied)",
                    "lost server",
                ];
                self.answer(fault, Mode::Fail(1, ERRORS[fault.shade % ERRORS.len()]), false)
            }
            Kind::NonsenseTmux => self.answer(fault, Mode::Nonsense, false),
            Kind::LyingTmux => self.answer(fault, Mode::Lie, false),
            Kind::LyingChanges => self.answer(fault, Mode::LieAboutChanges, false),
            Kind::EmptyLooks => self.answer(fault, Mode::LookEmpty, false),
            Kind::HalfLooks => self.answer(fault, Mode::HalfLooks, true),
            // Less than the mark that a look begins with.
            Kind::CutReplies => self.answer(fault, Mode::CutReplies(fault.shade % 12), false),
            Kind::LostReplies => self.answer(fault, Mode::LoseReply, false),
            Kind::HangingReplies => self.answer(fault, Mode::HangAfter(Duration::from_secs(3)), false),
            // No later than what is under way is waited for.
            Kind::LateChanges => {
                // The client that gtctl has killed would found a second server where the socket is gone; a real one is dead by then.
                if self.is_pending(|undo| matches!(undo, Undo::Socket(_))) {
                    return None;
                }
                self.late_until = Instant::now() + fault.lasts + Duration::from_secs(3);
                self.answer(fault, Mode::LateChanges(Duration::from_millis(1400)), true)
            }
            Kind::BreakTownToml | Kind::BreakRigs | Kind::BreakWisp | Kind::RenameStorm => {
                self.break_file(fault)
            }
            Kind::Park | Kind::ParkByWisp | Kind::ParkAll | Kind::EmergencyStop | Kind::EditSpec => {
                self.wish(fault)
            }
            Kind::HandSession
            | Kind::TakeName
            | Kind::KillSession
            | Kind::RenameSession
            | Kind::SplitPane
            | Kind::KillPane
            | Kind::RemoveLabel => self.by_person(fault),
            Kind::RefuseLedger => self.refuse_ledger(fault),
            Kind::RemoveDirectory | Kind::RemoveProgram => self.remove_place(fault),
        }
    }

    fn end_agent(&mut self, fault: Fault, signal: Signal) -> Option<()> {
        let (kept, life) = self.agent(fault, |_| true)?;
        self.tell(fault, format!("{} is sent {signal:?} as {}", kept.object, life.pid));
        self.history(|history| history.ended.insert(life));
        life.signal(signal);
        Some(())
    }

    /// Ends the agent inside its wrapper, or the program in a script's foreground.
    fn kill_inside(&mut self, fault: Fault) -> Option<()> {
        let (kept, shell) = self.agent(fault, |kept| kept.leaves_a_shell())?;
        let inside =
            agents::recorded_pids(self.town.root(), kept.object).last().copied().and_then(Life::of)?;
        self.tell(fault, format!("{} inside {} of {}", inside.pid, shell.pid, kept.object));
        // What is left is a shell, for gtctl to replace.
        self.history(|history| history.ended.insert(shell));
        inside.kill();
        Some(())
    }

    fn kill_all(&mut self, fault: Fault) -> Option<()> {
        let all = self.history(|history| {
            let all: Vec<Life> = history.agents.keys().copied().collect();
            history.ended.extend(&all);
            all
        });
        self.tell(fault, format!("{} agents at once", all.len()));
        all.iter().for_each(|life| life.kill());
        (!all.is_empty()).then_some(())
    }

    fn kill_server(&mut self, fault: Fault) -> Option<()> {
        let server = self.server()?;
        self.tell(fault, format!("tmux server {}", server.pid));
        self.history(|history| {
            history.ended.insert(server);
            let inside: Vec<Life> = history.hand.keys().copied().collect();
            history.ended.extend(inside);
        });
        server.kill();
        // There is nothing to undo with a server that is gone.
        let of_server =
            |undo: &Undo| matches!(undo, Undo::ContinueServer(_) | Undo::Socket(_) | Undo::Name(_));
        self.undo.retain(|(_, undo)| !of_server(undo));
        self.history(|history| {
            history.blind.end("server", now());
            history.blind.end("socket", now());
        });
        Some(())
    }

    fn stop_server(&mut self, fault: Fault) -> Option<()> {
        let server = self.server()?;
        if self.is_pending(|undo| matches!(undo, Undo::ContinueServer(_))) {
            return None;
        }
        self.tell(fault, format!("tmux server {} for {:?}", server.pid, fault.lasts));
        server.signal(Signal::STOP);
        self.history(|history| history.blind.begin("server", now()));
        self.later(fault, Undo::ContinueServer(server));
        Some(())
    }

    fn remove_socket(&mut self, fault: Fault) -> Option<()> {
        let server = self.server().filter(|_| Instant::now() >= self.late_until)?;
        std::fs::remove_file(self.town.socket_file()).ok()?;
        self.tell(fault, format!("of tmux server {}, for {:?}", server.pid, fault.lasts));
        self.history(|history| history.blind.begin("socket", now()));
        self.later(fault, Undo::Socket(server));
        self.bait(fault, false);
        Some(())
    }

    /// From now on tmux answers so; an earlier way to answer ends.
    fn answer(&mut self, fault: Fault, mode: Mode, can_be_seen: bool) -> Option<()> {
        self.tell(fault, format!("{mode:?} for {:?}", fault.lasts));
        self.undo.retain(|(_, undo)| *undo != Undo::Answers);
        self.shim.mode(mode);
        self.history(|history| {
            if can_be_seen {
                history.blind.end("answers", now());
            } else {
                history.blind.begin("answers", now());
            }
        });
        self.later(fault, Undo::Answers);
        if !can_be_seen {
            self.bait(fault, true);
        }
        Some(())
    }

    fn undo_now(&mut self, undo: Undo) {
        self.history(|history| history.tell(format!("undo: {undo:?}")));
        match undo {
            Undo::ContinueServer(server) => {
                self.history(|history| {
                    history.blind.end("server", now());
                    history.something_goes_on();
                });
                server.signal(Signal::CONT);
            }
            Undo::Socket(server) => {
                self.history(|history| history.blind.end("socket", now()));
                if server.is_alive() {
                    proc::send(server.pid, Signal::USR1);
                }
            }
            Undo::Answers => {
                self.history(|history| history.blind.end("answers", now()));
                self.shim.mode(Mode::Pass);
            }
            Undo::Bait(target, with_session) => self.take_bait(target, with_session),
            Undo::Name(life) => {
                self.history(|history| history.ended.insert(life));
                life.kill();
            }
            Undo::ContinueController(_) | Undo::Controller | Undo::Feed => self.undo_controller(undo),
            Undo::TownToml | Undo::Rigs | Undo::Wisp => self.mend_file(&undo),
            Undo::Unpark(_) | Undo::UnparkByWisp(_) | Undo::UnparkAll | Undo::EmergencyStop => {
                self.withdraw(&undo)
            }
            Undo::Ledger(shade) => self.mend_ledger(shade),
            Undo::Directory | Undo::Program => self.put_back(&undo),
        }
    }
}
