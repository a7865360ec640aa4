//! Which events are told, and how often.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::summary::summary;
use crate::town::files::town_toml::FeedTable;

/// So many actors are remembered. A town has some hundreds.
const ACTORS_MAX: usize = 1000;

/// One of gt's events.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GtEvent {
    /// When, as it stands there.
    #[serde(default)]
    pub ts: String,
    /// Who wrote it: `gt`.
    #[serde(default)]
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it.
    #[serde(default)]
    pub actor: String,
    /// What belongs to it.
    #[serde(default)]
    pub payload: Option<Map<String, Value>>,
    /// `audit`, `feed` or `both`.
    #[serde(default)]
    pub visibility: String,
}

impl GtEvent {
    /// Reads a line; `None` if it is none of gt's events.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim()).ok()
    }

    /// Whether it tells that somebody has finished work, so that a bead is closed or soon will be.
    pub fn finishes_work(&self) -> bool {
        matches!(self.kind.as_str(), "done" | "merged")
    }
}

/// A line of the feed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedLine {
    /// When, as the event says.
    pub ts: String,
    /// Who wrote the event.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// In words.
    pub summary: String,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Map<String, Value>>,
    /// How many this line stands for, if it is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Curated {
    /// It is told.
    Told(FeedLine),
    /// It is for the records alone.
    Audit,
    /// It was told a moment ago.
    Repeat,
    /// It is no event.
    Malformed,
}

/// Curates, with what it remembers of the last moments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Curator {
    /// When each actor was last told to be done.
    done: BTreeMap<String, Timestamp>,
    /// The last slings of each actor.
    slings: BTreeMap<String, Vec<Timestamp>>,
}

impl Curator {
    /// What becomes of one line. Time is what the events say: how fast they are read changes nothing.
    pub fn curate(&mut self, line: &str, rules: &FeedTable) -> Curated {
        let Some(event) = GtEvent::parse(line) else { return Curated::Malformed };
        if event.visibility == "audit" {
            return Curated::Audit;
        }
        let at = event.ts.parse::<Timestamp>().ok();
        let count = match (event.kind.as_str(), at) {
            ("done", Some(at)) => {
                if self.is_repeat(&event.actor, at, rules.repeat_window.get()) {
                    return Curated::Repeat;
                }
                None
            }
            ("sling", Some(at)) => {
                let count = self.count_sling(&event.actor, at, rules);
                (count >= rules.sling_count).then_some(count)
            }
            _ => None,
        };
        let summary = summary(&event, count);
        let GtEvent { ts, source, kind, actor, payload, visibility: _ } = event;
        Curated::Told(FeedLine { ts, source, kind, actor, summary, payload, count })
    }

    /// Whether this actor was told to be done within the window; if not, it is now.
    fn is_repeat(&mut self, actor: &str, at: Timestamp, window: Duration) -> bool {
        self.done.retain(|_, told| is_within(*told, at, window));
        if self.done.contains_key(actor) {
            return true;
        }
        make_room(&mut self.done, |told| *told);
        self.done.insert(actor.to_owned(), at);
        false
    }

    /// How many slings this actor has made within the window, with this one.
    fn count_sling(&mut self, actor: &str, at: Timestamp, rules: &FeedTable) -> usize {
        let window = rules.sling_window.get();
        self.slings.retain(|_, times| {
            times.retain(|time| is_within(*time, at, window));
            !times.is_empty()
        });
        make_room(&mut self.slings, |times| times.last().copied().unwrap_or_default());
        let times = self.slings.entry(actor.to_owned()).or_default();
        // A burst without end is counted to an end.
        if times.len() < ACTORS_MAX {
            times.push(at);
        }
        times.len()
    }
}

/// Several processes write events, so that they need not be in order.
fn is_within(one: Timestamp, other: Timestamp, window: Duration) -> bool {
    one.duration_since(other).unsigned_abs() < window
}

/// Forgets the actor who was heard of longest ago, if there are too many.
fn make_room<T>(actors: &mut BTreeMap<String, T>, at: impl Fn(&T) -> Timestamp) {
    while actors.len() >= ACTORS_MAX {
        let oldest = actors.iter().min_by_key(|(_, value)| at(value)).map(|(actor, _)| actor.clone());
        let Some(oldest) = oldest else { return };
        actors.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Period;

    /// An event of this second of a minute.
    fn event(second: u64, kind: &str, actor: &str) -> String {
        format!(
            r#"{{"ts":"2026-01-24T18:{:02}:{:02}Z","source":"gt","type":"{kind}","actor":"{actor}","payload":{{"bead":"gt-{second}","target":"x"}},"visibility":"feed"}}"#,
            second / 60,
            second % 60
        )
    }

    fn counts(curator: &mut Curator, rules: &FeedTable, lines: &[String]) -> Vec<Option<usize>> {
        let curated = lines.iter().map(|line| curator.curate(line, rules));
        curated
            .filter_map(|curated| match curated {
                Curated::Told(line) => Some(line.count),
                Curated::Audit | Curated::Repeat | Curated::Malformed => None,
            })
            .collect()
    }

    fn told(rules: &FeedTable, lines: &[String]) -> usize {
        counts(&mut Curator::default(), rules, lines).len()
    }

    #[test]
    fn what_is_for_the_records_is_left_out_and_all_else_is_told() {
        let mut curator = Curator::default();
        let rules = FeedTable::default();
        for (visibility, is_told) in [("audit", false), ("feed", true), ("both", true), ("new", true)] {
            let line = event(0, "hook", "a").replace(r#""feed""#, &format!("\"{visibility}\""));
            let curated = curator.curate(&line, &rules);
            assert_eq!(matches!(curated, Curated::Told(_)), is_told, "{visibility}");
            assert_eq!(matches!(curated, Curated::Audit), !is_told, "{visibility}");
        }
        for line in ["", "x", "[]", "{}", r#"{"type":3}"#, &event(0, "done", "a")[..40]] {
            assert_eq!(curator.curate(line, &rules), Curated::Malformed, "{line}");
        }
    }

    #[test]
    fn a_done_of_the_same_actor_is_told_once_within_the_window() {
        let rules = FeedTable::default();
        let done = |seconds: &[u64]| -> Vec<String> {
            seconds.iter().map(|second| event(*second, "done", "a")).collect()
        };
        assert_eq!(told(&rules, &done(&[0, 0, 9])), 1);
        assert_eq!(told(&rules, &done(&[0, 10])), 2);
        // What is not told does not make the window longer.
        assert_eq!(told(&rules, &done(&[0, 6, 12])), 2);
        assert_eq!(told(&rules, &done(&[9, 3])), 1, "events of several processes need not be in order");
        assert_eq!(told(&rules, &[event(0, "done", "a"), event(1, "done", "b")]), 2);
        assert_eq!(told(&rules, &[event(0, "hook", "a"), event(1, "hook", "a")]), 2);

        let short = FeedTable { repeat_window: Period::seconds(2), ..rules };
        assert_eq!(told(&short, &done(&[0, 1, 2])), 2, "the key matters");
    }

    #[test]
    fn a_burst_of_slings_is_told_with_its_number() {
        let rules = FeedTable::default();
        let sling = |seconds: &[u64]| -> Vec<String> {
            seconds.iter().map(|second| event(*second, "sling", "mayor")).collect()
        };
        let of = |rules: &FeedTable, seconds: &[u64]| counts(&mut Curator::default(), rules, &sling(seconds));
        assert_eq!(of(&rules, &[0, 10, 20, 29]), [None, None, Some(3), Some(4)]);
        assert_eq!(of(&rules, &[0, 15, 30, 45]), [None; 4], "the first one is too long ago");

        let early = FeedTable { sling_count: 2, ..rules.clone() };
        assert_eq!(of(&early, &[0, 10]), [None, Some(2)], "the key matters");
        let short = FeedTable { sling_window: Period::seconds(5), ..rules };
        assert_eq!(of(&short, &[0, 10, 20]), [None; 3], "the key matters");
    }

    #[test]
    fn it_goes_on_where_it_was_written_down() {
        let rules = FeedTable::default();
        let lines: Vec<String> = (0..60)
            .map(|second| {
                event(second, if second % 3 == 0 { "done" } else { "sling" }, ["a", "b"][second as usize % 2])
            })
            .collect();
        let whole = counts(&mut Curator::default(), &rules, &lines);
        for cut in 0..lines.len() {
            let mut curator = Curator::default();
            let mut parts = counts(&mut curator, &rules, &lines[..cut]);
            let written = serde_json::to_string(&curator).unwrap();
            let mut curator: Curator = serde_json::from_str(&written).unwrap();
            parts.extend(counts(&mut curator, &rules, &lines[cut..]));
            assert_eq!(parts, whole, "{cut}");
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let rules = FeedTable::default();
        let mut curator = Curator::default();
        for number in 0..3000 {
            for kind in ["done", "sling"] {
                curator.curate(&event(0, kind, &format!("actor-{number}")), &rules);
                curator.curate(&event(0, kind, "one"), &rules);
            }
        }
        assert!(curator.done.len() <= ACTORS_MAX && curator.slings.len() <= ACTORS_MAX);
        assert!(curator.slings.values().all(|times| times.len() <= ACTORS_MAX));
    }

    #[test]
    fn a_line_of_the_feed_has_gts_form() {
        let Curated::Told(line) =
            Curator::default().curate(&event(7, "done", "g/polecats/nux"), &FeedTable::default())
        else {
            panic!()
        };
        insta::assert_snapshot!(serde_json::to_string(&line).unwrap(), @r#"{"ts":"2026-01-24T18:00:07Z","source":"gt","type":"done","actor":"g/polecats/nux","summary":"g/polecats/nux is done with gt-7","payload":{"bead":"gt-7","target":"x"}}"#);
    }
}
