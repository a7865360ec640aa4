//! What a test asks of a town: gtctl's own words, the agents' records, and conditions to wait for.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::proc::Life;
use super::run::try_run;
use super::wait::{SOON, poll};
use super::{Plan, Session, TestTown, agents, guard};

impl TestTown {
    /// What gtctl would do.
    #[track_caller]
    pub fn plan(&self) -> Plan {
        let ran = self.gtctl(&["plan", "-o", "json"]);
        Plan(
            serde_json::from_str(&ran.stdout)
                .unwrap_or_else(|error| panic!("the plan is no JSON: {error}\n{ran}")),
        )
    }

    /// What `gtctl status -o json` says.
    #[track_caller]
    pub fn status(&self) -> Value {
        let ran = self.gtctl(&["status", "-o", "json"]);
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("the status is no JSON: {error}\n{ran}"))
    }

    /// The exit code of `gtctl status`.
    pub fn status_code(&self) -> Option<i32> {
        self.gtctl(&["status"]).code
    }

    /// How often an object's agent was started, by the agents' own records.
    pub fn start_count(&self, object: &str) -> usize {
        self.pids(object).len()
    }

    /// The pids that an object's agents recorded.
    pub fn pids(&self, object: &str) -> Vec<i32> {
        agents::recorded_pids(self.root(), object)
    }

    /// All starts of all agents, in order.
    pub fn start_order(&self) -> Vec<String> {
        agents::start_order(self.root())
    }

    /// Waits until a condition holds; says what was awaited, and how the town stands, if it does not come to hold.
    #[track_caller]
    pub fn wait_until(&self, what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
        let held = poll(deadline, || holds().then_some(()));
        assert!(held.is_some(), "not within {deadline:?}: {what}\n{}", self.diagnosis());
    }

    /// Waits until an object lives.
    #[track_caller]
    pub fn wait_alive(&self, object: &str) -> Session {
        self.wait_until(&format!("{object} lives"), SOON, || self.alive(object).is_some());
        self.alive(object).unwrap_or_else(|| panic!("{object} died at once\n{}", self.diagnosis()))
    }

    /// Waits until gtctl takes these objects for running: they have lived for the settling time.
    #[track_caller]
    pub fn wait_settled(&self, objects: &[&str]) -> Vec<Life> {
        let running = || {
            let plan = self.plan();
            objects
                .iter()
                .all(|object| plan.find(object).is_some_and(|one| one["reason"]["code"] == "running"))
        };
        self.wait_until(&format!("{objects:?} run"), SOON, running);
        self.lives(objects)
    }

    /// Waits until all these objects live, and returns their lives.
    #[track_caller]
    pub fn wait_all_alive(&self, objects: &[&str], deadline: Duration) -> Vec<Life> {
        let all = || objects.iter().all(|object| self.alive(object).is_some());
        self.wait_until(&format!("{objects:?} live"), deadline, all);
        self.lives(objects)
    }

    /// Waits until another process than `old` is the object's agent.
    #[track_caller]
    pub fn wait_replaced(&self, object: &str, old: Life, deadline: Duration) -> Session {
        let successor = || self.alive(object).filter(|new| new.life().is_some_and(|life| life != old));
        self.wait_until(&format!("{object} has a successor"), deadline, || successor().is_some());
        successor().unwrap_or_else(|| panic!("the successor of {object} died at once\n{}", self.diagnosis()))
    }

    /// How the town stands, for the message of a failed test. Never fails itself.
    pub fn diagnosis(&self) -> String {
        let brief = Duration::from_secs(5);
        let mut text = String::new();
        for verb in ["plan", "events"] {
            let ran = try_run(&mut self.gtctl_command(&[verb]), None, &self.scratch(), brief);
            text.push_str(&ran.unwrap_or_else(|ran| ran).to_string());
        }
        let mut panes = guard::tmux(self.socket(), &self.tmux_tmpdir(), self.server_root());
        panes.args(["list-panes", "-a", "-F", "#{session_name} #{pane_pid} dead=#{pane_dead} #{@gtctl}"]);
        text.push_str(
            &try_run(&mut panes, None, &self.scratch(), brief).unwrap_or_else(|ran| ran).to_string(),
        );
        text.push_str(&format!("--- starts\n{}\n", self.start_order().join("\n")));
        for number in 0.. {
            let Ok(log) = fs::read_to_string(self.root().join(format!("controller-{number}.log"))) else {
                break;
            };
            text.push_str(&format!("--- controller {number}\n{log}\n"));
        }
        text
    }
}
