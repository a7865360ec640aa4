//! What was done to the town and what was seen of it, in order; and what whoever hurts it admits to, so that all else can be held
//! against gtctl.
//!
//! Times are seconds since boot, the clock of `/proc`.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::Life;

/// Now.
pub fn now() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// When something was so, for one of several causes at least.
#[derive(Debug, Default)]
pub struct Spans {
    causes: BTreeSet<String>,
    since: Option<f64>,
    past: Vec<(f64, f64)>,
}

impl Spans {
    /// A cause begins.
    pub fn begin(&mut self, cause: &str, at: f64) {
        self.causes.insert(cause.to_owned());
        self.since.get_or_insert(at);
    }

    /// A cause ends; that it had not begun is no matter.
    pub fn end(&mut self, cause: &str, at: f64) {
        self.causes.remove(cause);
        if self.causes.is_empty()
            && let Some(since) = self.since.take()
        {
            self.past.push((since, at));
        }
    }

    /// If it is so, it counts as having begun only now: something that was let through earlier may come to pass this moment.
    pub fn begin_again(&mut self, at: f64) {
        if let Some(since) = self.since.take() {
            self.past.push((since, at));
            self.since = Some(at);
        }
    }

    /// Whether it had been so for `after` seconds at that moment, and still was a little later.
    pub fn covers(&self, at: f64, after: f64) -> bool {
        const SLACK: f64 = 0.1;
        let open = self.since.map(|since| (since, f64::INFINITY));
        self.past.iter().copied().chain(open).any(|(begin, end)| begin + after <= at && at <= end - SLACK)
    }

    /// Whether it was so at that moment or up to `before` seconds earlier.
    pub fn touches(&self, at: f64, before: f64) -> bool {
        let open = self.since.map(|since| (since, f64::INFINITY));
        self.past.iter().copied().chain(open).any(|(begin, end)| begin <= at && at - before <= end)
    }
}

/// Something that runs by hand.
#[derive(Debug, Clone)]
pub struct Hand {
    /// What it is, in words.
    pub what: String,
    /// The object in whose session it is, if it is in one of gtctl's.
    pub inside: Option<String>,
}

/// A process that gtctl started for an object.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The object.
    pub object: String,
    /// The tmux server that it is a child of; `None` if that had gone before the agent was first seen.
    pub server: Option<Life>,
    /// Whether it had a child when it was last seen: a shell without one is what an agent has left behind.
    pub busy: bool,
}

/// The whole story.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// What must not be, and was.
    pub violations: Vec<String>,
    /// Processes that were ended on purpose.
    pub ended: BTreeSet<Life>,
    /// Objects whose agents may end for something that was done, until then.
    pub touched: BTreeMap<String, f64>,
    /// When gtctl could not see tmux.
    pub blind: Spans,
    /// When gtctl could not write its memory.
    pub forgetful: Spans,
    /// When a file that everything hangs on was broken.
    pub broken: Spans,
    /// When the lock was taken away.
    pub unlocked: Spans,
    /// When an object must not be started.
    pub resting: BTreeMap<String, Spans>,
    /// When a rig's file asks for its agents to be stopped, by object.
    pub to_stop: BTreeMap<String, Spans>,
    /// The objects of a mass stop that must be refused, while it is asked for.
    pub mass_stop: BTreeSet<String>,
    /// When what an object's restarts count from began anew; `None` for all objects.
    pub resets: Vec<(f64, Option<String>)>,
    /// Objects whose next start has a clean slate.
    pub edited: BTreeSet<String>,
    /// Sessions and panes made by hand.
    pub hand: BTreeMap<Life, Hand>,
    /// Controllers that run.
    pub controllers: BTreeSet<i32>,
    /// When a controller was last stopped or continued.
    pub controller_paused: f64,
    /// The agents that live, as last seen.
    pub agents: BTreeMap<Life, Agent>,
    /// The tmux servers that live, as last seen.
    pub servers: Vec<Life>,
    /// When tmux servers ended.
    pub servers_ended: Vec<f64>,
    /// Starts: when, of what, which pid.
    pub starts: Vec<(f64, String, i32)>,
    /// Agents that a controller has written into its memory: object and pid.
    pub remembered: BTreeSet<(String, i32)>,
    /// How many agents lived twice for a moment because nobody could know of the first.
    pub unknowable: usize,
    /// How many agents ended because a file asked for it.
    pub stops: usize,
    /// How many looks at `/proc` were made.
    pub looks: usize,
}

impl History {
    /// Notes something.
    pub fn tell(&mut self, what: impl AsRef<str>) {
        self.lines.push(format!("{:10.3} {}", now(), what.as_ref()));
    }

    /// Notes what must not be.
    pub fn violation(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.tell(format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    /// The last lines.
    pub fn tail(&self, count: usize) -> String {
        self.lines[self.lines.len().saturating_sub(count)..].join("\n")
    }

    /// The living agents of an object.
    pub fn living(&self, object: &str) -> Vec<Life> {
        let of_object = |(life, agent): (&Life, &Agent)| (agent.object == object).then_some(*life);
        self.agents.iter().filter_map(of_object).collect()
    }

    /// Lets the agents of an object end for something that is being done, until a little after it.
    pub fn touch(&mut self, object: &str) {
        self.touched.insert(object.to_owned(), now() + 3.0);
    }

    /// What was let through before may come to pass now: a stopped server or controller goes on.
    pub fn something_goes_on(&mut self) {
        let at = now();
        self.blind.begin_again(at);
        self.forgetful.begin_again(at);
        self.resting.values_mut().for_each(|spans| spans.begin_again(at));
    }

    /// How often an object was started in the last `seconds`.
    pub fn recent_starts(&self, object: Option<&str>, seconds: f64) -> usize {
        let since = now() - seconds;
        let is =
            |(at, who, _): &&(f64, String, i32)| *at >= since && object.is_none_or(|object| who == object);
        self.starts.iter().filter(is).count()
    }
}
