//! Lengths of time as the policy file writes them: `"90s"`, `"5m"`, `"8h"`, `"7d"`; `"off"` or `"never"` where allowed.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
const ALLOWED: &str = "a whole number and a unit: ms, s, m, h or d, such as \"5m\"; at most 100 years";

/// Reads `"5m"`; `None` if it isn't of that form or is over 100 years.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let duration = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*millis)?);
    (duration <= LONGEST).then_some(duration)
}

/// Writes the shortest form that [`parse`] reads back.
pub(crate) fn text(duration: Duration) -> String {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (name, millis) =
        UNITS.into_iter().rev().find(|(_, millis)| whole != 0 && whole % millis == 0).unwrap_or(("s", 1_000));
    format!("{}{name}", whole / millis)
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let typed = String::deserialize(deserializer)?;
    parse(&typed).ok_or_else(|| serde::de::Error::invalid_value(serde::de::Unexpected::Str(&typed), &ALLOWED))
}

macro_rules! optional {
    ($module:ident, $word:literal) => {
        #[doc = concat!("A length of time, or `\"", $word, "\"` for none.")]
        pub(crate) mod $module {
            use super::*;

            const WORD: &str = $word;

            pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&value.map_or_else(|| WORD.to_owned(), text))
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Option<Duration>, D::Error> {
                let typed = String::deserialize(deserializer)?;
                if typed == WORD {
                    return Ok(None);
                }
                parse(&typed).map(Some).ok_or_else(|| {
                    let allowed = format!("\"{WORD}\", or {ALLOWED}");
                    serde::de::Error::invalid_value(serde::de::Unexpected::Str(&typed), &allowed.as_str())
                })
            }
        }
    };
}

optional!(or_never, "never");
optional!(or_off, "off");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written_back() {
        for (typed, millis) in
            [("250ms", 250), ("60s", 60_000), ("5m", 300_000), ("8h", 28_800_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(typed), Some(Duration::from_millis(millis)), "{typed}");
        }
        assert_eq!(text(Duration::from_secs(60)), "1m");
        assert_eq!(text(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(text(Duration::ZERO), "0s");
    }

    #[test]
    fn other_forms_are_refused() {
        for typed in ["", "5", "m", "-1s", "1.5h", "5 m", "5M", "1w", "99999999999999999999s", "36601d", "1h30m"] {
            assert_eq!(parse(typed), None, "{typed}");
        }
    }
}
