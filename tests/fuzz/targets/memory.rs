//! What gtctl itself writes, and what may come back changed: ledger, event log, requests and answers of the socket.

use std::path::Path;

use gtctl::controller::identity::Written;
use gtctl::controller::socket::{Answer, Request};
use gtctl::desired::Policy;
use gtctl::ledger::{LEDGER_FILE, load, may_start, save};
use gtctl::model::{BootId, ProcessId, SpecHash};
use gtctl::report::events::{EVENTS_FILE, Event, EventLog, read};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Verdict;
use super::world::{ROOT, World, moment};

pub const LEDGER_WORDS: &[&str] = &[
    "\"version\": 1,",
    "\"version\": 2,",
    "\"objects\"",
    "\"server\"",
    "\"starts\"",
    "\"files\"",
    "\"approvals\"",
    "\"nudges\"",
    "\"incarnation\"",
    "\"since\"",
    "\"spec\"",
    "\"not-before\"",
    "\"crash-loop\"",
    "\"server-lost\"",
    "\"finished\"",
    "\"cause\"",
    "\"first\"",
    "\"crash\"",
    "\"clean-exit\"",
    "\"probe\"",
    "\"deacon\"",
    "\"gastown/witness\"",
    "\"sessions/x\"",
    "\"boot\"",
    "\"since_boot\"",
    "\"secs\"",
    "\"nanos\"",
    "\"wall\"",
    "\"2026-01-24T10:00:00Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "\"pid\"",
    "\"start\"",
    "\"marker\"",
    "\"0123456789ab.deacon.ba9876543210\"",
    "\"0123456789ab\"",
    "null",
    "{}",
    "[]",
    "18446744073709551615",
    "999999999",
    "1000000000",
];

pub const IDENTITY_WORDS: &[&str] = &[
    "\"process\"",
    "\"pid\"",
    "\"start\"",
    "\"boot\"",
    "\"version\"",
    "\"started\"",
    "\"2026-01-24T10:00:00Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "null",
    "{}",
    "-1",
    "18446744073709551615",
];

pub const EVENT_WORDS: &[&str] = &[
    "\"at\"",
    "\"kind\"",
    "\"step\"",
    "\"outcome\"",
    "\"held\"",
    "\"running\"",
    "\"refusal\"",
    "\"config\"",
    "\"object\"",
    "\"action\"",
    "\"text\"",
    "\"reason\"",
    "\"evidence\"",
    "\"origin\"",
    "\"incarnation\"",
    "\"code\"",
    "\"crashed\"",
    "\"parked\"",
    "\"default\"",
    "{\"file\":\"ESTOP\"}",
    "\"deacon\"",
    "\"2026-01-24T10:00:00Z\"",
    "\n",
    "{",
    "}",
    "null",
    "{\"at\":\"2026-01-24T10:00:00Z\",\"kind\":\"step\",\"text\":\"x\"}\n",
];

pub const REQUEST_WORDS: &[&str] = &[
    "\"verb\"",
    "\"status\"",
    "\"cost\"",
    "\"look\"",
    "\"reset-backoff\"",
    "\"forget-file\"",
    "\"approve\"",
    "\"objects\"",
    "\"file\"",
    "\"lives\"",
    "\"mayor\"",
    "\"gastown/crew/max\"",
    "\"town.toml\"",
    "[]",
    "{\"verb\":\"look\"}",
    "\n",
    ",",
    ":",
    "null",
];

pub const ANSWER_WORDS: &[&str] = &[
    "\"answer\"",
    "\"status\"",
    "\"cost\"",
    "{\"known\":1}",
    "{\"unknown\":\"\"}",
    "\"last\"",
    "\"done\"",
    "\"invalid\"",
    "\"objects\"",
    "\"why\"",
    "\"pid\"",
    "\"version\"",
    "\"started\"",
    "\"passes\"",
    "\"last-pass\"",
    "\"last-pass-ms\"",
    "\"next-look\"",
    "\"config-wrong-since\"",
    "\"config-wrong\"",
    "\"server\"",
    "\"2026-01-24T10:00:00Z\"",
    "null",
    "[]",
    "{}",
    "1.5",
    "\n",
];

pub fn ledger(bytes: &[u8]) -> Verdict {
    let directory = Path::new(ROOT).join("daemon/gtctl");
    let file = format!("daemon/gtctl/{LEDGER_FILE}");
    let load_from = |bytes: &[u8]| load(&World::default().with(&file, bytes), &directory);
    let Ok(ledger) = load_from(bytes) else { return Verdict::Refused };
    let world = World::default();
    save(&world, &directory, &ledger).unwrap();
    assert_eq!(load(&world, &directory).unwrap(), ledger, "what is written reads back");
    let whole = bytes.trim_ascii_end().len();
    let stride = whole.div_ceil(64).max(1);
    for end in (0..whole).rev().step_by(stride) {
        assert!(load_from(&bytes[..end]).is_err(), "the first {end} bytes of a ledger are no ledger");
    }
    let (policy, spec) = (Policy::default(), SpecHash::from_hex("0123456789ab").unwrap());
    for record in ledger.objects.values() {
        may_start(record, &spec, &policy, &moment());
        if let Some(own) = &record.spec {
            may_start(record, own, &policy, &moment());
        }
    }
    let mut later = ledger.clone();
    for address in ledger.objects.keys() {
        later.strike(address, gtctl::ledger::Cause::Crash, &spec, &policy, &moment(), 1.0);
        later.reset(address);
    }
    Verdict::Understood
}

pub fn events(bytes: &[u8]) -> Verdict {
    let directory = Path::new(ROOT).join("daemon/gtctl");
    let file = format!("daemon/gtctl/{EVENTS_FILE}");
    let world = World::default().with(&file, bytes);
    let found = read(&world, &directory).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    assert!(found.len() <= lines, "a line is one event at most");
    let told = EventLog::new(&directory).tail(&world);
    assert!(told.iter().all(|event| found.contains(event)), "the tail is of the log");
    let copy = World::default();
    EventLog::new(&directory).append(&copy, &found).unwrap();
    let again: Vec<Event> = read(&copy, &directory).unwrap();
    if again != found {
        // A fraction of a second may lose its last digit when it is read; then it must stay.
        let third = World::default();
        EventLog::new(&directory).append(&third, &again).unwrap();
        assert_eq!(read(&third, &directory).unwrap(), again, "what is written reads back");
        assert_eq!(again.len(), found.len());
    }
    Verdict::of(!found.is_empty())
}

/// One JSON line that reads back as it was printed.
fn line<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Verdict {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return Verdict::Refused };
    let printed = serde_json::to_string(&value).unwrap();
    assert!(!printed.contains('\n'), "it is one line");
    let again: T = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(again, value, "what is printed reads back");
    Verdict::Understood
}

pub fn request(bytes: &[u8]) -> Verdict {
    line::<Request>(bytes)
}

/// Who a controller says that it is. It speaks for one process of one boot and for no other.
pub fn identity(bytes: &[u8]) -> Verdict {
    let Some(written) = Written::parse(bytes) else { return Verdict::Refused };
    let Written { process, boot, .. } = &written;
    assert!(written.is_of(*process, boot));
    let later = ProcessId { start: process.start.wrapping_add(1), ..*process };
    let other_boot = BootId(format!("{}x", boot.0));
    assert!(!written.is_of(later, boot) && !written.is_of(*process, &other_boot), "nobody else");
    line::<Written>(bytes)
}

pub fn answer(bytes: &[u8]) -> Verdict {
    line::<Answer>(bytes)
}
