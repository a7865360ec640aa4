//! gtctl's plan, read from its JSON.

use serde_json::Value;

/// What `gtctl plan -o json` printed.
#[derive(Debug, Clone)]
pub struct Plan(pub Value);

impl Plan {
    /// What it says about an object; fails the test if it says nothing.
    #[track_caller]
    pub fn verdict(&self, object: &str) -> &Value {
        self.find(object).unwrap_or_else(|| panic!("no verdict on {object} in {:#}", self.0))
    }

    /// The same, or `None`.
    pub fn find(&self, object: &str) -> Option<&Value> {
        self.verdicts().iter().find(|verdict| verdict["address"] == object)
    }

    /// All that it says about objects.
    #[track_caller]
    pub fn verdicts(&self) -> &[Value] {
        self.0["verdicts"].as_array().unwrap_or_else(|| panic!("no verdicts in {:#}", self.0))
    }

    /// The decision on an object.
    #[track_caller]
    pub fn decision(&self, object: &str) -> &str {
        text(&self.verdict(object)["decision"])
    }

    /// The state of an object.
    #[track_caller]
    pub fn state(&self, object: &str) -> &str {
        text(&self.verdict(object)["state"])
    }

    /// The code of the reason.
    #[track_caller]
    pub fn reason(&self, object: &str) -> &str {
        text(&self.verdict(object)["reason"]["code"])
    }

    /// One number of the summary.
    #[track_caller]
    pub fn count(&self, what: &str) -> u64 {
        self.0["summary"][what].as_u64().unwrap_or_else(|| panic!("no summary.{what} in {:#}", self.0))
    }

    /// Whether the object is held for this reason.
    #[track_caller]
    pub fn assert_held(&self, object: &str, code: &str) {
        let verdict = self.verdict(object);
        assert_eq!((self.decision(object), self.reason(object)), ("held", code), "{verdict:#}");
    }

    /// The names of the sessions that are not gtctl's.
    pub fn unmanaged(&self) -> Vec<&str> {
        let list = self.0["unmanaged"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|one| text(&one["session"])).collect()
    }

    /// Whether a ceiling refused the plan.
    pub fn is_refused(&self) -> bool {
        !self.0["refusal"].is_null()
    }
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
