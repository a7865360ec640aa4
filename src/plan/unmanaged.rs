//! What is on the server and not managed: reported, never touched. Only `--prune` stops what is ours and no longer listed.

use crate::desired::Desired;
use crate::model::{Evidence, Reason, Seen};
use crate::observed::{Observed, Server, Session};

use super::judge;
use super::presence::{fence_of_unlisted, state_of_unlisted};
use super::types::{Action, Decision, Gate, Options, State, Step, Unmanaged, Verdict};

/// The sessions that no object claims, and the verdicts that `--prune` adds.
pub fn find(
    desired: &Desired,
    observed: &Observed,
    verdicts: &[Verdict],
    options: Options,
) -> (Vec<Unmanaged>, Vec<Verdict>) {
    let Seen::Known(Server::Up(server)) = &observed.server else { return (Vec::new(), Vec::new()) };
    let mut unmanaged = Vec::new();
    let mut pruned = Vec::new();
    for session in &server.sessions {
        let describe = |why: String, ours: bool| Unmanaged {
            session: session.name.clone(),
            id: session.id.to_string(),
            why,
            ours,
        };
        match session.marker() {
            Some(marker) if marker.town != desired.town => {
                unmanaged.push(describe(format!("{} of another town", marker.address), false))
            }
            Some(marker) if desired.objects.contains_key(&marker.address) => {}
            Some(marker) if options.prune => {
                let state = state_of_unlisted(session, server.id, desired);
                let action = Action::Kill(fence_of_unlisted(session, server.id));
                let known = state.word() != "unknown";
                let decision =
                    if known { Decision::Step(Step { action, gate: Gate::Ready }) } else { Decision::Held };
                pruned.push(Verdict {
                    address: marker.address,
                    state,
                    decision,
                    because: Reason::Pruned,
                    evidence: vec![Evidence::now(format!(
                        "session {} carries our marker, and no file lists it",
                        session.name
                    ))],
                    origin: judge::nobody(),
                    note: None,
                    drifted: false,
                });
            }
            Some(marker) => {
                unmanaged.push(describe(format!("{}, which no file lists any more", marker.address), true))
            }
            None if is_to_be_adopted(session, verdicts) => {}
            None => unmanaged.push(describe("not started by gtctl".to_owned(), false)),
        }
    }
    (unmanaged, pruned)
}

/// Whether a session without a label proves to be one of ours all the same.
fn is_to_be_adopted(session: &Session, verdicts: &[Verdict]) -> bool {
    let is_it = |verdict: &Verdict| matches!(&verdict.state, State::Adoptable { fence, .. } if fence.session() == session.id);
    verdicts.iter().any(is_it)
}
