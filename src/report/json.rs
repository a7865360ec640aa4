//! The same as JSON. `format-version` changes when a field goes or means something else; new fields may come at any time.

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::model::{Address, Origin, Stamp};
use crate::observed::Observed;
use crate::plan::{Decision, Gate, Plan, Step, Verdict};

use super::text::wanted_word;
use super::words;

/// The version of all JSON that gtctl prints.
pub const FORMAT_VERSION: u32 = 1;

/// A plan.
pub fn plan(plan: &Plan, observed: &Observed, town: &str) -> Value {
    json!({
        "format-version": FORMAT_VERSION,
        "town": town,
        "at": observed.at.wall,
        "verdicts": plan.verdicts.iter().map(|one| verdict(one, &observed.at)).collect::<Vec<_>>(),
        "unmanaged": plan.unmanaged,
        "orphans": plan.lone,
        "refusal": plan.refusal,
        "summary": plan.counts(),
    })
}

/// A verdict.
pub fn verdict(verdict: &Verdict, now: &Stamp) -> Value {
    let (decision, gate) = match &verdict.decision {
        Decision::Nothing => ("nothing", None),
        Decision::Held => ("held", None),
        Decision::Step(step) => (step.action.word(), Some(gate_word(&step.gate))),
    };
    let gate_text = match &verdict.decision {
        Decision::Step(step) => words::gate(&step.gate, now),
        Decision::Nothing | Decision::Held => None,
    };
    let alive = verdict.state.alive();
    json!({
        "address": verdict.address,
        "wanted": wanted_word(verdict),
        "state": verdict.word(),
        "decision": decision,
        "gate": gate,
        "gate-text": gate_text,
        "after": match &verdict.decision { Decision::Step(Step { gate: Gate::After(needs), .. }) => Some(needs), _ => None },
        "reason": verdict.because,
        "text": words::reason(&verdict.because, now),
        "as-wanted": verdict.is_as_wanted(),
        "unknown": verdict.because.is_unknown(),
        "evidence": verdict.evidence,
        "origin": verdict.origin,
        "origin-text": match &verdict.origin { Origin::Default => None, other => Some(other.to_string()) },
        "note": verdict.note,
        "drifted": verdict.drifted,
        "incarnation": alive.and_then(|alive| alive.incarnation.clone()),
        "session": alive.map(|alive| alive.fence.name()),
        "lived-seconds": alive.map(|alive| alive.lived.as_secs()),
    })
}

/// The objects of a status: verdicts with what the ledger remembers, without those that are off because no file turned them on.
pub fn objects(plan: &Plan, ledger: &Ledger, now: &Stamp, only: Option<&Address>) -> Vec<Value> {
    let is_shown = |one: &&Verdict| match only {
        Some(only) => one.address == *only,
        None => !one.is_off_by_default() || one.state.has_living_process(),
    };
    let with_memory = |one: &Verdict| {
        let mut value = verdict(one, now);
        if let Some(object) = value.as_object_mut() {
            object.insert("restarts".to_owned(), json!(ledger.record(&one.address).restarts()));
        }
        value
    };
    plan.verdicts.iter().filter(is_shown).map(with_memory).collect()
}

fn gate_word(gate: &Gate) -> &'static str {
    match gate {
        Gate::Ready => "ready",
        Gate::After(_) => "after",
        Gate::Turn => "turn",
        Gate::NotBefore(_) => "not-before",
        Gate::MassDeath(_) => "mass-death",
    }
}
