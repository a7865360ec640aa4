//! What a plan says, in short, to compare with what a test expects.

use super::builders::address;
use crate::plan::{Decision, Gate, Plan};

/// What a plan says about an object, in short.
#[track_caller]
pub fn says(plan: &Plan, of: &str) -> String {
    let verdict = plan.of(&address(of)).unwrap_or_else(|| panic!("no verdict on {of} in {plan:#?}"));
    let code = verdict.because.code();
    match &verdict.decision {
        Decision::Nothing => format!("nothing: {code}"),
        Decision::Held => format!("held: {code}"),
        Decision::Step(step) => {
            let gate = match &step.gate {
                Gate::Ready => String::new(),
                Gate::After(needs) => {
                    format!(" after {}", needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                }
                Gate::Turn => " in turn".to_owned(),
                Gate::MassDeath(until) => format!(" one by one at {}", until.since_boot.as_secs()),
                Gate::NotBefore(until) => format!(" at {}", until.since_boot.as_secs()),
            };
            format!("{}{gate}: {code}", step.action.word())
        }
    }
}

/// The steps of a plan, in short, each with its object.
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.steps()
        .map(|(verdict, _)| format!("{} {}", verdict.address, says(plan, &verdict.address.to_string())))
        .collect()
}
