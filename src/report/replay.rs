//! What was decided, held against what would be decided now.

use serde_json::{Value, json};

use super::recording::{Decided, Head, Recorded, Trouble, decided};
use super::words;
use crate::model::{Reason, Stamp};
use crate::plan::Plan;

/// What one pass would decide otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Differences {
    /// Of single objects, in the order of the plan now.
    pub objects: Vec<Difference>,
    /// Of the plan as a whole: `wake`, `refusal`, `unmanaged`, `order`.
    pub plan: Vec<Field>,
}

/// What would be decided otherwise of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which.
    pub address: String,
    /// What was decided; null if nothing was.
    pub recorded: Value,
    /// What is decided now; null if nothing is.
    pub now: Value,
    /// In which fields that differs.
    pub fields: Vec<Field>,
}

/// A field, and what it was and is.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What was recorded.
    pub recorded: Value,
    /// What it is now.
    pub now: Value,
}

impl Differences {
    /// Whether the pass would decide the same.
    pub fn is_none(&self) -> bool {
        self.objects.is_empty() && self.plan.is_empty()
    }
}

/// Holds what was decided against a plan.
pub fn compare(recorded: &Decided, plan: &Plan) -> Differences {
    let (entries, ends) = decided(plan);
    // By way of the text, as the recorded ones went: then equal numbers are equal.
    let now: Vec<Value> = entries.iter().map(through_text).collect();
    let mut differences = Differences::default();
    for one in &now {
        let before = recorded.verdicts.iter().find(|before| address(before) == address(one));
        differences.note(before.unwrap_or(&Value::Null), one);
    }
    for one in &recorded.verdicts {
        if !now.iter().any(|now| address(now) == address(one)) {
            differences.note(one, &Value::Null);
        }
    }
    differences.plan = fields(&recorded.ends, &through_text(&ends));
    let order = |verdicts: &[Value]| verdicts.iter().map(address).map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (order(&recorded.verdicts), order(&now));
    if old != new && differences.objects.iter().all(|one| !one.recorded.is_null() && !one.now.is_null()) {
        differences.plan.push(Field { name: "order".to_owned(), recorded: json!(old), now: json!(new) });
    }
    differences
}

impl Differences {
    fn note(&mut self, recorded: &Value, now: &Value) {
        let fields = fields(recorded, now);
        if fields.is_empty() && recorded.is_null() == now.is_null() {
            return;
        }
        let address = address(if now.is_null() { recorded } else { now }).to_owned();
        self.objects.push(Difference { address, recorded: recorded.clone(), now: now.clone(), fields });
    }
}

fn through_text(value: &impl serde::Serialize) -> Value {
    serde_json::to_string(value).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}

fn address(entry: &Value) -> &str {
    entry.get("address").and_then(Value::as_str).unwrap_or_default()
}

/// The fields that both have and that differ. What only one of them has is a matter of its version and no decision.
fn fields(recorded: &Value, now: &Value) -> Vec<Field> {
    let (Some(old), Some(new)) = (recorded.as_object(), now.as_object()) else { return Vec::new() };
    let differs = |(name, now): (&String, &Value)| {
        let recorded = old.get(name).filter(|recorded| *recorded != now)?;
        Some(Field { name: name.clone(), recorded: recorded.clone(), now: now.clone() })
    };
    new.iter().filter_map(differs).collect()
}

/// What follows from a decision, and differs wherever that does.
const FOLLOWING: &[&str] = &["gate", "into", "cause", "directory", "program", "fence", "text"];

/// The differences of a pass, in words.
pub fn text(differences: &Differences, now: &Stamp) -> String {
    let mut out = String::new();
    for one in &differences.objects {
        let (was, is) = (said(&one.recorded, now), said(&one.now, now));
        out.push_str(&match was == is {
            true => format!("  {}  {was}\n", one.address),
            false => format!("  {}\n    recorded  {was}\n    now       {is}\n", one.address),
        });
        let is_decided = one.fields.iter().any(|field| field.name == "decision");
        let is_told = |name: &str| {
            (was != is && matches!(name, "decision" | "reason")) || (is_decided && FOLLOWING.contains(&name))
        };
        for field in one.fields.iter().filter(|field| !is_told(&field.name)) {
            out.push_str(&format!("    {}: {} -> {}\n", field.name, field.recorded, field.now));
        }
    }
    for field in &differences.plan {
        let moment = |value: &Value| match serde_json::from_value::<Stamp>(value.clone()) {
            Ok(stamp) if field.name == "wake" => words::moment(&stamp, now),
            _ if value.is_null() => "none".to_owned(),
            _ => value.to_string(),
        };
        out.push_str(&format!("  {}: {} -> {}\n", field.name, moment(&field.recorded), moment(&field.now)));
    }
    out
}

/// A decision in words.
fn said(entry: &Value, now: &Stamp) -> String {
    if entry.is_null() {
        return "no verdict".to_owned();
    }
    let word = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let reason = entry.get("reason").cloned().unwrap_or_default();
    // A reason of another version may have no words here.
    let why = serde_json::from_value::<Reason>(reason).map(|reason| words::reason(&reason, now));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} ({}){why}", word("/decision"), word("/reason/code"))
}

/// The differences of a pass as JSON.
pub fn pass_json(number: u64, file: &str, line: usize, pass: &Recorded, differences: &Differences) -> Value {
    let field = |field: &Field| json!({ "field": field.name, "recorded": field.recorded, "now": field.now });
    let object = |one: &Difference| {
        json!({
            "address": one.address,
            "recorded": one.recorded,
            "now": one.now,
            "fields": one.fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
        })
    };
    json!({
        "pass": number,
        "file": file,
        "line": line,
        "at": pass.at().wall,
        "objects": differences.objects.iter().map(object).collect::<Vec<_>>(),
        "plan": differences.plan.iter().map(field).collect::<Vec<_>>(),
    })
}

/// A trouble as JSON.
pub fn trouble_json(trouble: &Trouble) -> Value {
    json!({ "text": trouble.to_string(), "damage": trouble.is_damage() })
}

/// Who recorded, in words.
pub fn head_line(head: &Head) -> String {
    format!("town {}, recorded by gtctl {}", head.town, head.gtctl)
}

/// `1,204 passes, 3 differ.`, and how many of those that were made are not there.
pub fn summary(passes: u64, differ: u64, missing: u64) -> String {
    let what = if passes == 1 { "pass" } else { "passes" };
    let verb = match differ {
        0 => "none differs".to_owned(),
        1 => "1 differs".to_owned(),
        many => format!("{} differ", grouped(many)),
    };
    let gap = match missing {
        0 => String::new(),
        1 => "; 1 is missing".to_owned(),
        many => format!("; {} are missing", grouped(many)),
    };
    format!("{} {what}, {verb}{gap}.", grouped(passes))
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
