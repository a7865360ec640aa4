//! Tells a supervisor that asks for it (systemd: `Type=notify`, `WatchdogSec=`) that the controller is ready, leaves, and still comes round. Without
//! one nothing is done here.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use sd_notify::NotifyState;

use super::heart::Heart;

/// Says that the town is kept: the lock is held, the first look is done.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the controller leaves.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}

/// The thread that tells that the controller comes round; it ends with this.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    /// Begins, if the supervisor wants to hear. The thread speaks for the loop only as long as that is not late: a stuck controller falls silent,
    /// and its supervisor ends it and starts another one (S63).
    pub fn begin(heart: Arc<Heart>) -> Option<Self> {
        let within = sd_notify::watchdog_enabled().filter(|within| !within.is_zero())?;
        let (stop, stopped) = channel();
        let listen = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause(within)) {
                if !heart.status().late {
                    tell(NotifyState::Watchdog);
                }
            }
        };
        match std::thread::Builder::new().name("watchdog".to_owned()).spawn(listen) {
            Ok(_) => Some(Self { _stop: stop }),
            Err(error) => {
                tracing::warn!(%error, "the supervisor will not hear that the controller comes round");
                None
            }
        }
    }
}

/// How often to speak to one who wants to hear something within that time: twice, as systemd advises.
fn pause(within: Duration) -> Duration {
    within / 2
}
