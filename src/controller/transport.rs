//! How the controller reaches tmux, beside running it: directly, and through a client that stays.

use tokio::sync::mpsc::UnboundedSender;

use crate::desired::Desired;
use crate::machine::{Machine, VERSION_MIN, VERSION_OF_SAFE_CONTROL};
use crate::town::files::town_toml::ControlClient;

/// As the files want it when a controller begins. `changed` hears of what the client hears.
pub fn begin(machine: &impl Machine, desired: &Desired, changed: &UnboundedSender<()>) {
    follow(machine, desired);
    let since = match desired.policy.controller.control_client {
        ControlClient::Auto => VERSION_OF_SAFE_CONTROL,
        ControlClient::Always => VERSION_MIN,
        ControlClient::Never => return,
    };
    machine.keep_client(&desired.town, since, changed.clone());
}

/// As the files want it now. A client that stays is begun or left with the controller alone.
pub fn follow(machine: &impl Machine, desired: &Desired) {
    machine.speak_directly(desired.policy.controller.direct);
}
