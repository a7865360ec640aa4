//! The same as JSON. `format-version` changes when a field goes or means something else; new fields may come at any time.

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::model::Origin;
use crate::observed::Observed;
use crate::plan::{Decision, Gate, Plan, Verdict};

use super::text::wanted_word;

/// The version of all JSON that gtctl prints.
pub const FORMAT_VERSION: u32 = 1;

/// A plan.
pub fn plan(plan: &Plan, observed: &Observed, town: &str) -> Value {
    json!({
        "format-version": FORMAT_VERSION,
        "town": town,
        "at": observed.at.wall,
        "verdicts": plan.verdicts.iter().map(|v| verdict(v, None)).collect::<Vec<_>>(),
        "unmanaged": plan.unmanaged,
        "refusal": plan.refusal,
        "summary": plan.counts(),
    })
}

/// A verdict; with what the ledger remembers, where that is at hand.
pub fn verdict(verdict: &Verdict, ledger: Option<&Ledger>) -> Value {
    let (decision, gate) = match &verdict.decision {
        Decision::Nothing => ("nothing", None),
        Decision::Held => ("held", None),
        Decision::Step(step) => (step.action.word(), Some(gate_word(&step.gate))),
    };
    let alive = verdict.state.alive();
    let mut value = json!({
        "address": verdict.address,
        "wanted": wanted_word(verdict),
        "state": verdict.state.word(),
        "decision": decision,
        "gate": gate,
        "reason": verdict.because,
        "evidence": verdict.evidence,
        "origin": verdict.origin,
        "origin-text": match &verdict.origin { Origin::Default => None, other => Some(other.to_string()) },
        "note": verdict.note,
        "drifted": verdict.drifted,
        "incarnation": alive.and_then(|alive| alive.incarnation.clone()),
        "session": alive.map(|alive| alive.fence.name()),
    });
    if let (Some(ledger), Some(object)) = (ledger, value.as_object_mut()) {
        object.insert("restarts".to_owned(), json!(ledger.record(&verdict.address).restarts()));
    }
    value
}

fn gate_word(gate: &Gate) -> &'static str {
    match gate {
        Gate::Ready => "ready",
        Gate::After(_) => "after",
        Gate::Turn => "turn",
        Gate::NotBefore(_) => "not-before",
    }
}
