//! What other programs of a town say: the answers of `bd` and `br`, the mail that `gt` lists, and the events that gt writes.

use gtctl::controller::mail::{request, spawn};
use gtctl::model::Address;
use gtctl::observed::beads::{AgentBead, RigLabel, Status, hooked, parse_issues};
use gtctl::observed::mail::parse_inbox;
use gtctl::report::feed::{Curated, Curator};
use gtctl::town::files::town_toml::FeedTable;

use super::Verdict;
use super::rules::text;

pub const ISSUE_WORDS: &[&str] = &[
    "[{\"id\":\"a-1\",\"status\":\"open\"}]",
    "{\"issues\":[",
    "{\"wisps\":[",
    "\"count\":1}",
    "null",
    "[]",
    "\"id\":",
    "\"status\":",
    "\"hooked\"",
    "\"closed\"",
    "\"issue_type\":\"agent\"",
    "\"labels\":[\"gt:agent\",\"status:docked\"]",
    "\"assignee\":\"g/polecats/nux\"",
    "\"hook_bead\":\"gt-abc\"",
    "\"agent_state\":\"working\"",
    "\"description\":\"x\\n\\nagent_state: done\\nhook_bead: null\"",
    "\"updated_at\":\"2026-01-24T10:30:00Z\"",
    "\"error\":{\"code\":\"ISSUE_NOT_FOUND\"}",
];

/// An answer is taken whole or not at all, and what it says of an agent or a rig follows from what it says.
pub fn issues(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let Ok(issues) = parse_issues(&text) else { return Verdict::Refused };
    let whole = text.trim();
    let stride = whole.len().div_ceil(128).max(1);
    for end in (0..whole.len()).rev().step_by(stride).filter(|end| whole.is_char_boundary(*end)) {
        assert!(parse_issues(&whole[..end]).is_err(), "the first {end} bytes of an answer are no answer");
    }
    for issue in &issues {
        let is_agent = issue.kind == "agent" || issue.labels.contains("gt:agent");
        let bead = AgentBead::of(issue);
        assert_eq!(bead.is_some(), is_agent);
        if let Some(bead) = bead {
            assert_eq!(bead.hook, issue.hook_bead, "only the column tells of the hook");
        }
        if RigLabel::of(Some(issue)) != RigLabel::Active {
            assert!(issue.labels.iter().any(|label| label.to_ascii_lowercase().starts_with("status:")));
        }
        if let Some(assignee) = &issue.assignee {
            let assignee = assignee.trim_end_matches('/');
            let hangs = hooked(std::slice::from_ref(issue), assignee).count();
            assert_eq!(hangs == 1, issue.status == Status::Hooked);
        }
    }
    Verdict::Understood
}

pub const INBOX_WORDS: &[&str] = &[
    "[{\"id\":\"hq-m1\",\"from\":\"g/witness\",\"subject\":\"lifecycle:\",\"body\":\"cycle\",\"timestamp\":\"2026-01-24T10:00:00Z\"}]",
    "null",
    "[]",
    "\"id\":\"hq-m2\"",
    "\"id\":\"--all\"",
    "\"from\":\"mayor/\"",
    "\"from\":\"g-crew-max\"",
    "\"from\":\"g/max\"",
    "\"subject\":\"LIFECYCLE: x\"",
    "\"body\":\"{\\\"action\\\":\\\"stop\\\"}\"",
    "\"body\":\"action: restart\"",
    "\"timestamp\":\"2026-01-24T04:00:00Z\"",
    "\"timestamp\":\"9999-12-30T22:00:00Z\"",
    "\"timestamp\":\"-009999-01-02T01:59:59Z\"",
    "\"read\":true",
];

/// An inbox is taken whole or not at all; what it holds can be an argument, and a request is of one who is in the town, and of these hours.
pub fn inbox(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let Ok(letters) = parse_inbox(&text) else { return Verdict::Refused };
    let whole = text.trim();
    let stride = whole.len().div_ceil(128).max(1);
    for end in (0..whole.len()).rev().step_by(stride).filter(|end| whole.is_char_boundary(*end)) {
        assert!(parse_inbox(&whole[..end]).is_err(), "the first {end} bytes of an inbox are none");
    }
    let town: Vec<Address> =
        ["mayor", "g/witness", "g/crew/max", "g/polecats/max"].map(|text| text.parse().unwrap()).to_vec();
    let now: jiff::Timestamp = "2026-01-24T10:00:30Z".parse().unwrap();
    for letter in &letters {
        if let Some(spawned) = spawn::read(letter, town.iter()) {
            assert!(spawned.object.as_ref().is_none_or(|object| object.worker().is_some()), "{spawned:?}");
            assert!(!spawned.name.contains(char::is_control) && spawned.name.len() < 512, "{spawned:?}");
            let follows = spawn::judge(&spawned, None, now, "letter");
            assert!(!matches!(follows, spawn::Follows::Begin(..)), "nobody was seen");
        }
        assert!(!letter.id.is_empty() && !letter.id.starts_with('-'), "{:?}", letter.id);
        assert!(letter.id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'), "{:?}", letter.id);
        match request::read(letter, town.iter(), now) {
            None => {}
            Some(Ok(request)) => {
                assert!(!letter.read && town.contains(&request.object));
                let age = now.duration_since(request.written).as_secs();
                assert!((-1..=6 * 3600).contains(&age), "{age} s");
            }
            Some(Err(refused)) => {
                assert!(
                    !refused.why.contains(char::is_control) && refused.why.len() < 1024,
                    "{:?}",
                    refused.why
                );
            }
        }
    }
    Verdict::Understood
}

pub const GT_EVENT_WORDS: &[&str] = &[
    "{\"ts\":\"2026-01-24T18:00:07Z\",\"source\":\"gt\",\"type\":\"done\",\"actor\":\"a\",\"visibility\":\"feed\"}\n",
    "\"type\":\"sling\"",
    "\"type\":\"mass_death\"",
    "\"type\":\"session_death\"",
    "\"type\":\"mail\"",
    "\"type\":\"merged\"",
    "\"ts\":\"2026-01-24T18:00:09Z\"",
    "\"ts\":\"-009999-01-02T01:59:59Z\"",
    "\"ts\":\"9999-12-30T22:00:00Z\"",
    "\"visibility\":\"audit\"",
    "\"visibility\":\"both\"",
    "\"payload\":{\"bead\":\"gt-1\",\"target\":\"x\",\"reason\":\"y\",\"count\":3}",
    "\"payload\":null",
    "\"actor\":\"\"",
    "\\u001b[31m",
    "\\n",
    "\n",
];

/// Each line becomes at most one line of the feed, which is whole, short in words, and does not command a terminal; what is remembered can be
/// written down between any two.
pub fn gt_events(bytes: &[u8]) -> Verdict {
    let text = text(bytes);
    let rules = FeedTable::default();
    let (mut curator, mut told) = (Curator::default(), 0);
    for line in text.lines() {
        let written = serde_json::to_string(&curator).unwrap();
        let mut again: Curator = serde_json::from_str(&written).unwrap();
        let curated = curator.curate(line, &rules);
        assert_eq!(again.curate(line, &rules), curated, "what is remembered reads back");
        assert_eq!(again, curator);
        let Curated::Told(feed) = curated else { continue };
        told += 1;
        assert!(!feed.summary.is_empty() && !feed.summary.contains(char::is_control), "{:?}", feed.summary);
        assert!(feed.summary.len() <= 16 * 1024, "{} bytes are not read by anybody", feed.summary.len());
        assert!(feed.count.is_none_or(|count| count >= rules.sling_count));
        let line = serde_json::to_string(&feed).unwrap();
        assert!(!line.contains('\n'));
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["summary"].as_str(), Some(feed.summary.as_str()));
    }
    Verdict::of(told > 0)
}
