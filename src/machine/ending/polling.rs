//! Hearing of the end of processes where no descriptor names one: by asking, all together, less and less often.
//!
//! One thread asks for everybody who waits, and there is none while nobody does. Most ends are seen by the cheapest question there is: whether the pid is
//! taken (`kill` with signal 0, less than a microsecond each). That a process has ended and is not collected, or that its pid is somebody else's by now, is
//! seen by looking, which is dearer and done less often.
//!
//! Signals are not sent. Between the last look at a process and the signal it may end and its pid be reused, and no descriptor is there to make that
//! impossible; start times in whole seconds would not even show it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::Signal;
use super::super::processes::{Observe, Portable, portable};
use super::Ending;
use crate::model::{ProcessId, Seen, Why};

/// Asks again and again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Polling;

/// The pause after something has changed: a process has ended, or somebody has begun to wait.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// The pause when nothing changes: so late is the end of a process heard of.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The pause between two looks when nothing changes: so late is the end of one heard of that is not collected, or whose pid was taken at once.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Those that are waited for, and by whom.
#[derive(Default)]
struct Waiting {
    by: BTreeMap<ProcessId, Vec<oneshot::Sender<()>>>,
    /// Whether the thread runs.
    asked_for: bool,
    /// Whether somebody has begun to wait since the thread has last asked.
    has_more: bool,
}

static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { by: BTreeMap::new(), asked_for: false, has_more: false });
static MORE: Condvar = Condvar::new();

fn waiting() -> MutexGuard<'static, Waiting> {
    // What is in it is right after each step, also after one that has panicked.
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When to ask next, and when to look.
struct Rhythm {
    pause: Duration,
    look_pause: Duration,
    look_at: Instant,
}

impl Rhythm {
    fn new(now: Instant) -> Self {
        Self { pause: PAUSE_MIN, look_pause: PAUSE_MIN, look_at: now }
    }

    fn is_time_to_look(&self, now: Instant) -> bool {
        now >= self.look_at
    }

    /// After a round: how long to wait for the next.
    fn next(&mut self, now: Instant, has_looked: bool, has_changed: bool) -> Duration {
        if has_changed {
            *self = Self::new(now);
            return self.pause;
        }
        if has_looked {
            self.look_pause = (self.look_pause * 2).min(LOOK_PAUSE_MAX);
            self.look_at = now + self.look_pause;
        }
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.pause
    }
}

/// Which of these have ended.
fn ended_of(ids: &[ProcessId], look: bool) -> Vec<ProcessId> {
    let (there, gone): (Vec<ProcessId>, Vec<ProcessId>) =
        ids.iter().partition(|id| portable::is_there(id.pid));
    if !look {
        return gone;
    }
    let pids: Vec<i32> = there.iter().map(|id| id.pid).collect();
    let told = portable::find_all(&pids);
    let has_ended = |id: &&ProcessId| match told.get(&id.pid) {
        Some(Seen::Known(found)) => found.is_none_or(|found| found.id != **id || found.zombie),
        Some(Seen::Unknown(_)) | None => false,
    };
    gone.into_iter().chain(there.iter().filter(has_ended).copied()).collect()
}

/// What the thread does: asks, tells who waits, pauses; ends when nobody waits any more.
fn ask() {
    let mut rhythm = Rhythm::new(Instant::now());
    loop {
        let ids: Vec<ProcessId> = {
            let mut waiting = waiting();
            for who in waiting.by.values_mut() {
                who.retain(|one| !one.is_closed());
            }
            waiting.by.retain(|_, who| !who.is_empty());
            if waiting.by.is_empty() {
                waiting.asked_for = false;
                return;
            }
            waiting.by.keys().copied().collect()
        };
        let look = rhythm.is_time_to_look(Instant::now());
        let ended = ended_of(&ids, look);
        let mut waiting = waiting();
        for id in &ended {
            for one in waiting.by.remove(id).into_iter().flatten() {
                // Who has gone away meanwhile needs no answer.
                let _ = one.send(());
            }
        }
        let has_changed = !ended.is_empty() || std::mem::take(&mut waiting.has_more);
        let pause = rhythm.next(Instant::now(), look, has_changed);
        let (mut waiting, _) = MORE
            .wait_timeout_while(waiting, pause, |waiting| !waiting.has_more)
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut waiting.has_more) {
            rhythm = Rhythm::new(Instant::now());
        }
    }
}

impl Ending for Polling {
    async fn end_of(&self, id: ProcessId) {
        while Portable.is_alive(id) != Seen::Known(false) {
            let (tell, told) = oneshot::channel();
            let must_begin = {
                let mut waiting = waiting();
                waiting.by.entry(id).or_default().push(tell);
                waiting.has_more = true;
                !std::mem::replace(&mut waiting.asked_for, true)
            };
            MORE.notify_one();
            if must_begin && thread::Builder::new().name("ends".to_owned()).spawn(ask).is_err() {
                waiting().asked_for = false;
                tokio::time::sleep(PAUSE_MAX).await;
                continue;
            }
            if told.await.is_ok() {
                return;
            }
        }
    }

    fn left_of(&self, ids: &[ProcessId]) -> Vec<ProcessId> {
        let ended = ended_of(ids, true);
        ids.iter().copied().filter(|id| !ended.contains(id)).collect()
    }

    fn signal(&self, id: ProcessId, _: Signal) -> Result<(), Why> {
        match Portable.is_alive(id) {
            Seen::Known(false) => Ok(()),
            Seen::Known(true) => Err(Why::new(
                "this system has no way to signal a process without the danger of hitting another one",
            )),
            Seen::Unknown(why) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_becomes_rare_and_a_change_makes_it_frequent_again() {
        let begun = Instant::now();
        let mut now = begun;
        let mut rhythm = Rhythm::new(now);
        let (mut rounds, mut looks) = (0, 0);
        while now < begun + Duration::from_secs(60) {
            let look = rhythm.is_time_to_look(now);
            rounds += 1;
            looks += usize::from(look);
            now += rhythm.next(now, look, false);
        }
        assert!((600..620).contains(&rounds), "{rounds} rounds a minute");
        assert!((18..30).contains(&looks), "{looks} looks a minute");
        assert_eq!(rhythm.next(now, false, true), PAUSE_MIN);
        assert!(rhythm.is_time_to_look(now), "who has begun to wait is looked at");
    }
}
