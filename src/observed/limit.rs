//! What an agent said last: has its account used up what it may? Pure.
//!
//! The agents' own words, as they print them before they end; where they say when it goes on, that is taken.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

/// An account has used up what it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsageLimit {
    /// The words by which that was known.
    pub says: String,
    /// When it goes on, if that was said.
    pub resets: Option<Timestamp>,
}

/// Words that agents print when they have used up what they may, in lower case.
const WORDS: &[&str] = &[
    "usage limit reached",
    "hit your usage limit",
    "hit your limit",
    "-hour limit reached",
    "weekly limit reached",
    "exhausted your daily quota",
];

/// They are among the last rows that are not empty: what stands above them may be anybody's text.
const ROWS_AT_END: usize = 12;

/// No limit lasts longer; whoever says so is misread.
const LONGEST: Duration = Duration::from_secs(8 * 24 * 3600);

/// What the rows of an ended agent's screen say of a limit; `now` is when they are read.
pub fn usage_limit(rows: &[&str], now: &Zoned) -> Option<UsageLimit> {
    let rows: Vec<&str> = rows.iter().map(|row| row.trim()).filter(|row| !row.is_empty()).collect();
    let last = rows.get(rows.len().saturating_sub(ROWS_AT_END)..).unwrap_or_default().join(" ");
    let text = last.to_ascii_lowercase();
    let (at, says) = WORDS.iter().filter_map(|words| Some((text.rfind(words)?, *words))).max()?;
    let rest = text.get(at..).unwrap_or_default();
    // The name of a zone is the only word whose case matters.
    let in_brackets = |part: &str| Some(part.split_once(')')?.0.trim().to_owned());
    let mut names = last.get(at..).unwrap_or_default().split('(').skip(1).filter_map(in_brackets);
    let zone = names.find_map(|name| TimeZone::get(&name).ok());
    let is_soon = |at: &Timestamp| {
        Duration::try_from(at.duration_since(now.timestamp())).is_ok_and(|wait| wait <= LONGEST)
    };
    let resets = resets(rest, &zone.map_or_else(|| now.clone(), |zone| now.with_time_zone(zone)));
    Some(UsageLimit { says: says.to_owned(), resets: resets.filter(is_soon) })
}

/// The moment that a text names: `…|1757000000`, `in 2 hours 5 minutes`, `resets 3pm`, `resets at 15:30`.
fn resets(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Some((_, rest)) = text.split_once('|') {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return Timestamp::from_second(digits.parse().ok()?).ok();
    }
    let words: Vec<&str> = text.split([' ', ',', '·', '∙']).filter(|word| !word.is_empty()).collect();
    let after = |index: usize| words.get(index + 1..).unwrap_or_default();
    if let Some(index) = words.iter().position(|word| *word == "in")
        && let Some(wait) = length(after(index))
    {
        return now.timestamp().checked_add(jiff::SignedDuration::try_from(wait).ok()?).ok();
    }
    let index = words.iter().position(|word| matches!(*word, "reset" | "resets" | "again"))?;
    let mut rest = after(index);
    if let Some(("at", more)) = rest.split_first().map(|(first, more)| (*first, more)) {
        rest = more;
    }
    let time = clock(rest)?;
    let today = now.with().time(time).build().ok()?;
    let then = if today > *now { today } else { today.checked_add(1.day()).ok()? };
    Some(then.timestamp())
}

/// `2 hours 5 minutes`, `2h 5m`; `None` if it does not begin with a length.
fn length(words: &[&str]) -> Option<Duration> {
    let mut total = 0_u64;
    let mut words = words.iter().map(|word| word.trim_end_matches(['.', ')'])).peekable();
    let mut any = false;
    while let Some(word) = words.next() {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = word.split_at_checked(digits)?;
        let Ok(number) = number.parse::<u64>() else { break };
        let unit = if unit.is_empty() { words.next().unwrap_or_default() } else { unit };
        let seconds = match unit.as_bytes().first() {
            Some(b'd') => 24 * 3600,
            Some(b'h') => 3600,
            Some(b'm') => 60,
            Some(b's') => 1,
            _ => break,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        any = true;
        if words.peek() == Some(&"and") {
            words.next();
        }
    }
    any.then(|| Duration::from_secs(total))
}

/// `3pm`, `3:15 pm`, `15:30`.
fn clock(words: &[&str]) -> Option<Time> {
    let first = words.first()?.trim_end_matches(['.', ')']);
    let next = words.get(1).map(|word| word.trim_end_matches(['.', ')']));
    let (digits, half) = match (first.strip_suffix("am"), first.strip_suffix("pm"), next) {
        (Some(digits), ..) => (digits, Some(0)),
        (_, Some(digits), _) => (digits, Some(12)),
        (_, _, Some("am")) => (first, Some(0)),
        (_, _, Some("pm")) => (first, Some(12)),
        _ => (first, None),
    };
    let (hour, minute) = match (digits.split_once(':'), half) {
        (Some((hour, minute)), _) => (hour, minute.parse::<i8>().ok()?),
        (None, Some(_)) => (digits, 0),
        // A bare number is no time of day.
        (None, None) => return None,
    };
    let hour: i8 = hour.parse().ok()?;
    match half {
        Some(_) if !(1..=12).contains(&hour) => None,
        Some(half) => Time::new(hour % 12 + half, minute, 0, 0).ok(),
        None => Time::new(hour, minute, 0, 0).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    fn resets_at(row: &str) -> Option<String> {
        let now = at("2026-11-21T14:00:00[UTC]");
        usage_limit(&["$ agent", row, "Pane is dead (status 1)"], &now)?.resets.map(|at| at.to_string())
    }

    #[test]
    fn s59_the_words_of_the_agents_are_known_and_their_moments() {
        for (row, expected) in [
            ("Claude AI usage limit reached|1795280400", "2026-11-21T17:00:00Z"),
            (
                "Claude usage limit reached. Your limit will reset at 7pm (Asia/Tokyo).",
                "2026-11-22T10:00:00Z",
            ),
            ("5-hour limit reached ∙ resets 3pm", "2026-11-21T15:00:00Z"),
            ("You've hit your limit · resets 2am (Europe/Berlin)", "2026-11-22T01:00:00Z"),
            (
                "You've hit your usage limit. Upgrade to Pro or try again in 2 hours 5 minutes.",
                "2026-11-21T16:05:00Z",
            ),
            ("You've hit your usage limit. Try again in 1 day and 1h.", "2026-11-22T15:00:00Z"),
            ("You've hit your usage limit, try again at 3:14 PM.", "2026-11-21T15:14:00Z"),
            ("You've hit your usage limit, try again at 13:30.", "2026-11-22T13:30:00Z"),
        ] {
            assert_eq!(resets_at(row).as_deref(), Some(expected), "{row}");
        }
    }

    #[test]
    fn s59_a_moment_that_makes_no_sense_is_none_and_the_limit_stays_one() {
        let now = at("2026-11-21T14:00:00[UTC]");
        for row in [
            "usage limit reached",
            "usage limit reached|99999999999",
            "usage limit reached|x",
            "usage limit reached, resets 25:99",
            "usage limit reached, resets 13pm",
            "usage limit reached, try again in 400 days",
            "usage limit reached, try again in 99999999999999999999 days",
            "weekly limit reached, resets oct 9",
        ] {
            let limit = usage_limit(&[row], &now).unwrap_or_else(|| panic!("{row}"));
            assert_eq!(limit.resets, None, "{row}");
        }
    }

    #[test]
    fn other_last_words_are_no_limit_nor_are_words_of_long_ago() {
        let now = at("2026-11-21T14:00:00[UTC]");
        assert_eq!(usage_limit(&["Error: connection refused", "Pane is dead (status 1)"], &now), None);
        let mut rows = vec!["usage limit reached"];
        rows.extend(["working"; ROWS_AT_END]);
        assert_eq!(usage_limit(&rows, &now), None);
        assert_eq!(usage_limit(&[], &now), None);
    }
}
