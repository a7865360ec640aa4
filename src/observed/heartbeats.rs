//! Heartbeats: files in which agents say from time to time that they are well.

use jiff::Timestamp;
use serde::Deserialize;

use super::HeartbeatWanted;
use crate::machine::Disk;
use crate::model::{Seen, Why};

/// What gt writes into `deacon/heartbeat.json` and into `.runtime/heartbeats/<session>.json`, as far as it matters.
#[derive(Deserialize)]
struct File {
    timestamp: Timestamp,
}

/// When the file says it was written. gt writes it in place, so half of one can be read: that is unknown, and not old.
pub fn look(disk: &dyn Disk, wanted: &HeartbeatWanted) -> Seen<Option<Timestamp>> {
    match disk.read_text(&wanted.root, &wanted.file) {
        Ok(None) => Seen::Known(None),
        Ok(Some(text)) => match parse(&text) {
            Ok(written) => Seen::Known(Some(written)),
            Err(why) => Seen::unknown(format!("{}: {why}", wanted.file)),
        },
        Err(error) => Seen::unknown(format!("{}: {error}", wanted.file)),
    }
}

/// The moment in a heartbeat: JSON with a `timestamp`, or nothing but one.
pub fn parse(text: &str) -> Result<Timestamp, Why> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map(|file: File| file.timestamp).map_err(|error| Why::of(&error));
    }
    text.parse().map_err(|error: jiff::Error| Why::of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gts_file_and_a_bare_timestamp_are_heartbeats() {
        let of_gt = r#"{"timestamp":"2026-11-20T10:00:00.5+02:00","cycle":7,"last_action":"patrol"}"#;
        assert_eq!(parse(of_gt).unwrap(), "2026-11-20T08:00:00.5Z".parse().unwrap());
        assert_eq!(parse("2026-11-20T08:00:00Z\n").unwrap(), "2026-11-20T08:00:00Z".parse().unwrap());
    }

    #[test]
    fn law_1_a_torn_heartbeat_is_unknown() {
        let whole = r#"{"timestamp":"2026-11-20T10:00:00Z"}"#;
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_err(), "{}", &whole[..cut]);
        }
        for text in ["null", "[]", "{}", r#"{"timestamp":5}"#, "yesterday", "2026-11-20"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
