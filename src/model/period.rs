//! Lengths of time as people write them in `town.toml`: `"30s"`, `"15m"`, `"1h 30m"`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, at least zero, written with units. A bare number is refused: nobody can tell seconds from minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Reads `"15m"`, `"1h30m"`, `"250ms"`, `"2 hours"`.
    pub fn parse(text: &str) -> Result<Self, BadPeriod> {
        let bad = || BadPeriod(text.to_owned());
        let span: jiff::Span = text.trim().parse().map_err(|_| bad())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
        // jiff also reads ISO 8601 ("PT15M"); one way to write a thing is enough.
        if text.trim_start().starts_with(['P', 'p', '-', '+']) {
            return Err(bad());
        }
        Duration::try_from(signed).map(Self).map_err(|_| bad())
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// `3d4h`, `15m`, `250ms`: the two largest units that matter.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, millis) = (self.0.as_secs(), self.0.subsec_millis());
        if whole == 0 {
            return if millis == 0 { f.write_str("0s") } else { write!(f, "{millis}ms") };
        }
        let parts =
            [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
        let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
        for (count, unit) in parts.iter().skip(first).take(2).filter(|(count, _)| *count > 0) {
            write!(f, "{count}{unit}")?;
        }
        Ok(())
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        jiff::SignedDuration::try_from(period.0)
            .map(|signed| format!("{signed:#}"))
            .unwrap_or_else(|_| period.to_string())
    }
}

impl TryFrom<String> for Period {
    type Error = BadPeriod;
    fn try_from(text: String) -> Result<Self, BadPeriod> {
        Self::parse(&text)
    }
}

impl schemars::JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time with units, for example \"30s\", \"15m\" or \"1h 30m\".",
        })
    }
}

/// A text that is not a [`Period`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a length of time; write it with units, for example \"30s\", \"15m\" or \"1h 30m\"", .0.escape_debug())]
pub struct BadPeriod(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_with_units_only() {
        assert_eq!(Period::parse("15m"), Ok(Period::seconds(900)));
        assert_eq!(Period::parse("1h30m"), Ok(Period::seconds(5400)));
        assert_eq!(Period::parse("250ms"), Ok(Period::millis(250)));
        assert_eq!(Period::parse("7d"), Ok(Period::seconds(604_800)), "what is printed can be read");
        for bad in ["5", "", "1month", "-1s", "PT15M", "soon", "+3s"] {
            assert!(Period::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_period_prints_its_two_largest_units_and_is_stored_exactly() {
        assert_eq!(Period::seconds(90_061).to_string(), "1d1h");
        assert_eq!(Period::seconds(900).to_string(), "15m");
        assert_eq!(Period::millis(250).to_string(), "250ms");
        for period in [Period::seconds(90_061), Period::millis(1500), Period::seconds(0)] {
            assert_eq!(Period::parse(&String::from(period)), Ok(period));
        }
    }
}
