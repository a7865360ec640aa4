//! The second half of a round: everything heals, and then the town must come to rest as it is wanted, by itself.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::run::try_run;
use crate::common::{Life, agents, proc, wait};

use super::nemesis::Nemesis;
use super::people::Pane;
use super::town::{KEPT, Kept};

/// How long the town may take to be whole, and again to be at rest: the longest wait of its policy (4 s), a resync (3 s), a stop that
/// is under way (4 s), and a machine with other things to do.
const WHOLE_WITHIN: Duration = Duration::from_secs(25);

/// How much longer if the ceiling of a minute was reached.
const A_MINUTE: Duration = Duration::from_secs(65);

/// How many passes must find nothing to do.
const QUIET_PASSES: usize = 3;

/// How many starts in two minutes may have led into a crash loop, from which only a person leads out again before its time.
const LOOPED: usize = 5;

impl Nemesis<'_> {
    /// Ends every fault and waits until the town is as it is wanted; then looks on while nothing happens.
    pub fn heal(&mut self) {
        self.undo_all();
        self.history(|history| history.tell("--- everything heals"));
        // Those that crash live from their next start on.
        self.town.heal();
        let begun = Instant::now();
        let ceiling_is_near = self.starts_recorded() + KEPT.len() > Kept::STARTS_PER_MINUTE;
        let patience = if ceiling_is_near { WHOLE_WITHIN + A_MINUTE } else { WHOLE_WITHIN };
        self.wait(Duration::from_secs(10), |nemesis| nemesis.answers() && nemesis.panes().is_some());
        self.tidy();
        self.forgive();
        let mut tidied = false;
        let whole = self.wait(patience, |nemesis| {
            // What had been under way when all healed may have left something as well.
            if !tidied && begun.elapsed() > patience / 2 {
                tidied = true;
                nemesis.tidy();
            }
            nemesis.missing().is_empty() && nemesis.answers()
        });
        if !whole {
            let missing = self.missing();
            self.history(|history| {
                history.violation(format!(
                    "L1: not whole within {patience:?} after all has healed: {missing:?}"
                ));
            });
            return;
        }
        let took = begun.elapsed();
        self.history(|history| history.tell(format!("--- whole after {took:?}")));
        let mut changes = String::new();
        let quiet = self.wait(WHOLE_WITHIN, |nemesis| {
            let before = nemesis.fingerprint();
            let passed = nemesis.passes();
            let after = nemesis.fingerprint();
            changes = format!("passes made: {passed}, before: {before:?}, after: {after:?}");
            passed && before == after && nemesis.missing().is_empty()
        });
        if !quiet {
            self.history(|history| history.violation(format!("L1, S8: whole, but not at rest: {changes}")));
        }
        self.leftovers();
        self.privacy();
    }

    /// How many starts gtctl has recorded in the last minute. More than can be seen: a tmux that lies starts nothing.
    fn starts_recorded(&self) -> usize {
        let text = fs::read_to_string(self.town.path("daemon/gtctl/events.jsonl")).unwrap_or_default();
        let since = jiff::Timestamp::now() - Duration::from_secs(60);
        let is_start = |line: &&str| {
            let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { return false };
            let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            word("kind") == "step"
                && matches!(word("action").as_str(), "start" | "restart")
                && word("at").parse::<jiff::Timestamp>().is_ok_and(|at| at >= since)
        };
        text.lines().rev().take(1000).filter(is_start).count()
    }

    /// Agents may crash again.
    pub fn sicken(&self) {
        let _ = fs::remove_file(agents::log_dir(self.town.root()).join("heal"));
        self.history(|history| history.tell("--- a new round"));
    }

    /// Looks after the controllers until it holds.
    fn wait(&mut self, within: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        wait::poll(within, || {
            self.tend();
            let hurt = self.history(|history| !history.violations.is_empty());
            (hurt || holds(self)).then_some(())
        })
        .is_some()
    }

    /// Whether one controller runs, and can be asked. One that had no directory for its socket is started anew, as by a person.
    fn answers(&mut self) -> bool {
        let Some(controller) = self.controllers.only() else { return false };
        let age = controller.life().map_or(0.0, super::watch::age);
        if controller.pass_count().is_some() {
            return true;
        }
        if age > 3.0 {
            self.history(|history| history.tell("a controller that cannot be asked is started anew"));
            self.restart_controller();
        }
        false
    }

    /// Takes away what blocks and is nobody's to take away but a person's: agents that live without their terminal or label, sessions
    /// that have the name of an object and no label, and panes beside an agent.
    fn tidy(&mut self) {
        let Some(panes) = self.panes() else { return };
        let is_of = |life: &Life, pane: &Pane| pane.pid == life.pid && !pane.dead;
        let lost: Vec<Life> = self.history(|history| {
            let agents = history.agents.iter();
            let lost = agents.filter(|(life, agent)| {
                let Some(pane) = panes.iter().find(|pane| is_of(life, pane)) else { return true };
                let adoptable = pane.object.is_empty()
                    && Kept::of(&agent.object).is_some_and(|kept| kept.session == pane.name);
                pane.object != agent.object && !adoptable
            });
            let lost: Vec<Life> = lost.map(|(life, _)| *life).collect();
            history.ended.extend(&lost);
            lost
        });
        for life in lost {
            self.history(|history| {
                history.tell(format!("tidied: agent {} without terminal or label", life.pid))
            });
            life.kill();
        }
        let beside: Vec<Life> = self.history(|history| {
            let beside = history.hand.iter().filter(|(_, hand)| hand.inside.is_some());
            let beside: Vec<Life> = beside.map(|(life, _)| *life).collect();
            history.ended.extend(&beside);
            beside
        });
        beside.iter().for_each(|life| life.kill());
        let agents: BTreeSet<i32> =
            self.history(|history| history.agents.keys().map(|life| life.pid).collect());
        for kept in KEPT {
            let blocks = |pane: &&Pane| {
                pane.object.is_empty() && pane.name == kept.session && !agents.contains(&pane.pid)
            };
            for pane in panes.iter().filter(blocks) {
                self.history(|history| {
                    history.tell(format!("tidied: session {} without label", pane.name));
                    history.touch(kept.object);
                    history.ended.extend(Life::of(pane.pid));
                });
                self.by_hand(&["kill-session", "-t", &pane.session]);
            }
        }
    }

    /// Leads out of their crash loops those that may be in one.
    fn forgive(&mut self) {
        let looped: Vec<&str> = KEPT
            .iter()
            .map(|kept| kept.object)
            .filter(|object| self.history(|history| history.recent_starts(Some(object), 120.0)) >= LOOPED)
            .collect();
        // Two of the agents are plain programs, and record no starts.
        let silent = ["r3/witness", "sessions/version"];
        let objects: Vec<&str> = looped.into_iter().chain(silent).collect();
        let args: Vec<&str> = std::iter::once("reset-backoff").chain(objects.iter().copied()).collect();
        self.history(|history| {
            history.tell(args.join(" "));
            history
                .resets
                .extend(objects.iter().map(|object| (super::history::now(), Some((*object).to_owned()))));
        });
        let mut said = String::new();
        let done = self.wait(Duration::from_secs(10), |nemesis| {
            let mut command = nemesis.town.gtctl_command(&args);
            let ran = try_run(&mut command, None, &nemesis.town.scratch(), Duration::from_secs(10));
            let done = ran.as_ref().is_ok_and(|ran| ran.code == Some(0));
            said = ran.unwrap_or_else(|ran| ran).to_string();
            done
        });
        if !done {
            self.history(|history| history.violation(format!("reset-backoff is not done: {said}")));
        }
    }

    /// The objects that are not as they are wanted, each with what is wrong.
    fn missing(&mut self) -> Vec<String> {
        let Some(panes) = self.panes() else { return vec!["tmux does not answer".to_owned()] };
        let agents = self.history(|history| history.agents.clone());
        let mut missing = Vec::new();
        for kept in KEPT.iter().filter(|kept| kept.must_live()) {
            let of_object = |pane: &&Pane| pane.object == kept.object && pane.is_agent && !pane.dead;
            let living: Vec<&Pane> = panes.iter().filter(of_object).collect();
            let lives = agents.iter().any(|(life, agent)| {
                agent.object == kept.object
                    && living.iter().any(|pane| pane.pid == life.pid)
                    && life.is_alive()
            });
            let inner =
                || agents::recorded_pids(self.town.root(), kept.object).last().copied().and_then(Life::of);
            if living.len() != 1 || !lives {
                missing.push(format!("{}: {} panes, lives: {lives}", kept.object, living.len()));
            } else if kept.leaves_a_shell() && inner().is_none() {
                missing.push(format!("{}: only its shell is left", kept.object));
            }
        }
        missing
    }

    /// All that must not change while nothing is to be done.
    fn fingerprint(&self) -> (BTreeSet<Life>, usize, String, String) {
        let read =
            |file: &str| fs::read_to_string(self.town.path("daemon/gtctl").join(file)).unwrap_or_default();
        let events: Vec<String> = read("events.jsonl").lines().rev().take(2).map(str::to_owned).collect();
        self.history(|history| {
            let lives = history.agents.keys().copied().collect();
            (lives, history.starts.len(), events.join("\n"), read("ledger.json").len().to_string())
        })
    }

    /// Has the controller make some passes.
    fn passes(&mut self) -> bool {
        for _ in 0..QUIET_PASSES {
            let Some(controller) = self.controllers.only() else { return false };
            let before = controller.pass_count();
            controller.signal(Signal::USR1);
            let next =
                wait::poll(Duration::from_secs(5), || (controller.pass_count() > before).then_some(()));
            if next.is_none() || before.is_none() {
                return false;
            }
        }
        true
    }

    /// No client of tmux is left, whoever had started it.
    fn leftovers(&mut self) {
        let clients = || -> Vec<i32> {
            let all = proc::processes_of(self.town.root());
            let is_client = |life: &&Life| matches!(proc::comm(life.pid).as_str(), "tmux: client" | "tmux");
            all.iter().filter(is_client).map(|life| life.pid).collect()
        };
        if wait::poll(Duration::from_secs(5), || clients().is_empty().then_some(())).is_none() {
            let left = clients();
            self.history(|history| history.violation(format!("S9: clients of tmux are left: {left:?}")));
        }
    }

    /// What gtctl writes is for its user alone.
    fn privacy(&self) {
        let directory = self.town.path("daemon/gtctl");
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let mode = metadata.mode() & 0o777;
            if mode & 0o077 != 0 {
                let path = entry.path();
                self.history(|history| {
                    history.violation(format!("S110: {} has mode {mode:o}", path.display()));
                });
            }
        }
    }
}
