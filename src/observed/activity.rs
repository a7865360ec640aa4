//! When the terminals of agents last showed something new. tmux tells it for a window, to the second.

use super::host::Host;
use super::{Life, Pane, Session, Wants};
use crate::machine::Machine;
use crate::model::{PaneId, ProcessId, Seen};

/// What tmux is asked for.
const FORMAT: &str = "#{pane_id} #{window_activity}";

/// Asks for it, if there is any living agent of which it is wanted.
pub(super) async fn ask(
    host: &Host<impl Machine>,
    sessions: &mut [Session],
    server: ProcessId,
    wants: &Wants,
) {
    if wants.activity.is_empty() {
        return;
    }
    let panes: Vec<&mut Pane> =
        sessions.iter_mut().filter_map(|session| agent_pane(session, wants)).collect();
    if panes.is_empty() {
        return;
    }
    let answer = host.ask_same(server, vec![format!("list-panes -a -F '{FORMAT}'")]).await;
    for pane in panes {
        pane.activity = Some(match &answer {
            Err(why) => Seen::Unknown(why.clone()),
            Ok(text) => match of_pane(text, pane.id) {
                Some(activity) => Seen::Known(activity),
                None => Seen::unknown("tmux did not tell when its terminal last showed something new"),
            },
        });
    }
}

/// The pane of a living agent of which it is wanted.
fn agent_pane<'a>(session: &'a mut Session, wants: &Wants) -> Option<&'a mut Pane> {
    let marker = session.marker()?.clone();
    if marker.town != wants.town || !wants.activity.contains(&marker.address) {
        return None;
    }
    let is_it = |pane: &&mut Pane| {
        pane.agent == marker.incarnation.as_str() && matches!(pane.life, Seen::Known(Life::Running { .. }))
    };
    session.panes.iter_mut().find(is_it)
}

/// Reads the one line of a pane; two that differ tell nothing.
fn of_pane(text: &str, pane: PaneId) -> Option<u64> {
    let begin = format!("{pane} ");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(&begin));
    let activity = lines.next()?;
    // A window that is linked to several sessions is listed in each of them.
    if lines.any(|other| other != activity) {
        return None;
    }
    activity.parse().ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_of_the_very_pane_tells() {
        let text = "%1 100\n%11 200\n%2 \n%3 0\n%4 x\n%5 300\n%5 300\n%6 1\n%6 2\n";
        assert_eq!(of_pane(text, PaneId(1)), Some(100));
        assert_eq!(of_pane(text, PaneId(11)), Some(200));
        assert_eq!(of_pane(text, PaneId(5)), Some(300), "told twice");
        for pane in [2, 3, 4, 6, 7] {
            assert_eq!(of_pane(text, PaneId(pane)), None, "{pane}");
        }
    }
}
