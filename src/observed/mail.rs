//! The deacon's mail, asked for through `gt`.
//!
//! `gt mail inbox --json` prints an array of letters, `[]` for none, and in its older versions `null`. Nothing else is an answer: what fails, hangs or
//! makes no sense is unknown with its reason, never "no mail" (law 1).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::machine::{Call, Machine, Reply};
use crate::model::{Seen, Why, excerpt, printable};

/// Whose mail it is: requests are addressed to the deacon.
pub const IDENTITY: &str = "deacon/";

/// More than this is no inbox that anybody reads: ten thousand letters are a part of it.
const OUTPUT_MAX: usize = 16 * 1024 * 1024;

/// gt's ids are a prefix and some letters; a longer one is none.
const ID_LENGTH_MAX: usize = 128;

/// So much of a complaint, or of what is no letter, is shown.
const SHOWN: usize = 200;

/// A letter, as far as gtctl reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id, for example `hq-m1`: `A-Z a-z 0-9 . _ -`, not beginning with `-`, for it becomes an argument.
    pub id: String,
    /// Who wrote it, as gt writes it: `mayor/`, `gastown/witness`, `gastown/nux`.
    pub from: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// When it was written, as it stands there.
    pub timestamp: String,
    /// Whether somebody has read it.
    pub read: bool,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON, or not all of it.
    #[error("the answer is no JSON: {0}")]
    NotJson(String),
    /// It is JSON, and no list of letters.
    #[error("the answer holds {0} where a letter is expected")]
    NotALetter(String),
}

/// What is read of a letter; all else is passed over.
#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    read: Option<bool>,
}

/// Reads an answer whole, or not at all: one letter that makes no sense makes none of the others certain.
pub fn parse_inbox(text: &str) -> Result<Vec<Letter>, Malformed> {
    let value: Value =
        serde_json::from_str(text.trim()).map_err(|error| Malformed::NotJson(error.to_string()))?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.iter().map(one).collect(),
        other => Err(not_a_letter(&other)),
    }
}

fn not_a_letter(value: &Value) -> Malformed {
    Malformed::NotALetter(excerpt(&value.to_string(), SHOWN).escape_debug().to_string())
}

fn one(value: &Value) -> Result<Letter, Malformed> {
    let wire = Wire::deserialize(value).map_err(|_| not_a_letter(value))?;
    if !is_id(&wire.id) {
        return Err(not_a_letter(value));
    }
    Ok(Letter {
        id: wire.id,
        from: wire.from.unwrap_or_default(),
        subject: wire.subject.unwrap_or_default(),
        body: wire.body.unwrap_or_default(),
        timestamp: wire.timestamp.unwrap_or_default(),
        read: wire.read.unwrap_or_default(),
    })
}

/// Whether a text can stand where `gt` expects an id, and is no option there.
fn is_id(text: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_LENGTH_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(may_stand)
}

/// `gt` on a machine.
#[derive(Debug, Clone)]
pub struct Post<M> {
    /// The machine.
    pub machine: M,
    /// The program's file.
    pub program: PathBuf,
    /// The town's root: gt finds the town by where it runs.
    pub root: PathBuf,
    /// How long one answer may take.
    pub limit: Duration,
}

impl<M: Machine> Post<M> {
    /// The letters in the inbox of [`IDENTITY`].
    pub async fn inbox(&self) -> Seen<Vec<Letter>> {
        let reply = match self.ask(&["mail", "inbox", "--identity", IDENTITY, "--json"]).await {
            Ok(reply) => reply,
            Err(why) => return Seen::Unknown(why),
        };
        match answered(&reply).and_then(|text| parse_inbox(text).map_err(|error| error.to_string())) {
            Ok(letters) => Seen::Known(letters),
            Err(why) => Seen::unknown(format!("gt: {why}")),
        }
    }

    /// Deletes a letter; an error may come from one that is gone all the same.
    pub async fn delete(&self, id: &str) -> Result<(), Why> {
        let reply = self.ask(&["mail", "delete", id]).await?;
        match reply.code {
            Some(0) => Ok(()),
            _ => Err(Why::new(format!("gt: {}", ending(&reply)))),
        }
    }

    async fn ask(&self, arguments: &[&str]) -> Result<Reply, Why> {
        let call = Call {
            program: self.program.clone(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            directory: self.root.clone(),
            environment: Vec::new(),
            limit: self.limit,
            output_max: OUTPUT_MAX,
        };
        self.machine.run_program(&call).await.map_err(|error| Why::of(&error))
    }
}

/// The text of an answer, or why it is none. Nothing said is no answer.
fn answered(reply: &Reply) -> Result<&str, String> {
    match reply.code {
        Some(0) if !reply.stdout.trim().is_empty() => Ok(&reply.stdout),
        Some(0) => Err("it said nothing".to_owned()),
        _ => Err(ending(reply)),
    }
}

fn ending(reply: &Reply) -> String {
    let text = [&reply.stderr, &reply.stdout].into_iter().find(|text| !text.trim().is_empty());
    let said = text.map_or("nothing", |text| text.trim());
    let said = printable(&excerpt(said, SHOWN)).into_owned();
    match reply.code {
        Some(code) => format!("it ended with {code}: {said}"),
        None => format!("a signal ended it: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter as `gt mail inbox --json` prints it.
    const LETTER: &str = r#"[
  {
    "id": "hq-m1",
    "from": "gastown/witness",
    "to": "deacon/",
    "subject": "LIFECYCLE: cycle",
    "body": "{\"action\":\"cycle\"}",
    "timestamp": "2026-01-24T10:00:00Z",
    "read": false,
    "priority": "normal",
    "type": "notification",
    "thread_id": "thread-ab12"
  }
]
"#;

    #[test]
    fn every_form_of_an_inbox_is_read() {
        for none in ["[]", "null\n", "[\n]\n"] {
            assert_eq!(parse_inbox(none), Ok(Vec::new()), "{none}");
        }
        let letter = Letter {
            id: "hq-m1".to_owned(),
            from: "gastown/witness".to_owned(),
            subject: "LIFECYCLE: cycle".to_owned(),
            body: r#"{"action":"cycle"}"#.to_owned(),
            timestamp: "2026-01-24T10:00:00Z".to_owned(),
            read: false,
        };
        assert_eq!(parse_inbox(LETTER), Ok(vec![letter]));
        let bare = parse_inbox(r#"[{"id":"a","body":null,"new":[1]}]"#).unwrap().remove(0);
        assert_eq!((bare.from.as_str(), bare.body.as_str(), bare.read), ("", "", false));
    }

    #[test]
    fn law_1_what_is_no_whole_inbox_is_none_at_every_byte() {
        let whole = LETTER.trim_end();
        for end in 0..whole.len() {
            assert!(parse_inbox(&whole[..end]).is_err(), "{end}");
        }
        for text in [
            "",
            "Error: not in a town",
            "{}",
            r#"{"id":"a"}"#,
            "3",
            "[3]",
            r#"[{"subject":"x"}]"#,
            r#"[{"id":1}]"#,
            r#"[{"id":"a","read":"no"}]"#,
            r#"[{"id":"a"},{}]"#,
        ] {
            assert!(parse_inbox(text).is_err(), "{text}");
        }
    }

    #[test]
    fn law_13_an_id_that_is_an_option_or_more_than_a_word_is_none() {
        let long = "x".repeat(ID_LENGTH_MAX + 1);
        for id in ["", "-x", "--all", "a b", "a/b", "ü", &long] {
            let text = serde_json::json!([{ "id": id }]).to_string();
            assert!(parse_inbox(&text).is_err(), "{id}");
        }
        assert!(parse_inbox(r#"[{"id":"hq-1.a_B"}]"#).is_ok());
    }

    #[test]
    fn nothing_said_and_a_failure_are_no_empty_inbox() {
        let reply =
            |code, stdout: &str| Reply { code, stdout: stdout.to_owned(), stderr: "locked\u{1b}".to_owned() };
        assert_eq!(answered(&reply(Some(0), "[]")), Ok("[]"));
        assert_eq!(answered(&reply(Some(0), " \n")), Err("it said nothing".to_owned()));
        let failed = answered(&reply(Some(1), "[]")).unwrap_err();
        assert_eq!(failed, r"it ended with 1: locked\u{1b}");
        assert!(answered(&reply(None, "[]")).is_err());
    }
}
