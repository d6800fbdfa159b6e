//! Numbers and times as people and programs write them. Pure.

use common::text::one_line;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{error::BadValue, units::TimeUnit};

/// Seconds later than this (the year 5138) are another unit that somebody took for seconds.
const LATEST_SECONDS: f64 = 1e11;
/// How a value that isn't known is written, beside nothing at all.
const UNKNOWN: [&str; 6] = ["null", "none", "na", "n/a", "-", "nil"];

/// A cell that should hold a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Empty, or no finite number: never zero.
    Unknown,
    Plain(f64),
    /// With its sign.
    Percent(f64),
}

/// What `text` says in `column`.
///
/// # Errors
/// It is no number, or may be two.
pub fn number(text: &str, column: &'static str) -> Result<Number, BadValue> {
    if let Ok(number) = text.parse() {
        return Ok(plain(number));
    }
    let bare = text.trim();
    if bare.is_empty() || UNKNOWN.contains(&bare.to_lowercase().as_str()) {
        return Ok(Number::Unknown);
    }
    let (digits, kind): (_, fn(f64) -> Number) = match bare.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), Number::Percent),
        None => (bare, Number::Plain),
    };
    // A comma and a point, or two commas: one of them parts thousands.
    let is_decimal = digits.matches(',').count() == 1 && !digits.contains('.');
    let digits = match is_decimal {
        true => digits.replace(',', "."),
        false => digits.to_owned(),
    };
    match digits.parse() {
        Ok(number) => Ok(finite(number, kind)),
        Err(_) => Err(BadValue::NoNumber {
            column,
            text: one_line(text),
        }),
    }
}

/// A number that was one already.
pub fn plain(number: f64) -> Number {
    finite(number, Number::Plain)
}

fn finite(number: f64, kind: fn(f64) -> Number) -> Number {
    match number.is_finite() {
        true => kind(number),
        false => Number::Unknown,
    }
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Number,
    /// A date and a time of a zone.
    Zoned,
    /// A date and a time that name no zone: taken as UTC.
    Bare,
}

/// Seconds since the Unix epoch, or since a start.
///
/// # Errors
/// It is no time, or not in this unit.
pub fn time(text: &str, unit: TimeUnit) -> Result<(f64, Form), BadValue> {
    if let Ok(number) = text.trim().parse() {
        return Ok((seconds(number, unit)?, Form::Number));
    }
    let bare = text.trim();
    let zoned = bare
        .strip_suffix(" UTC")
        .map_or_else(|| bare.to_owned(), |bare| format!("{bare}Z"));
    if let Ok(time) = zoned.parse::<Timestamp>() {
        return Ok((time.as_duration().as_secs_f64(), Form::Zoned));
    }
    let bare_time = bare.parse::<DateTime>().ok();
    match bare_time.and_then(|time| TimeZone::UTC.to_timestamp(time).ok()) {
        Some(time) => Ok((time.as_duration().as_secs_f64(), Form::Bare)),
        None => Err(BadValue::NoTime {
            text: one_line(text),
        }),
    }
}

/// `number` of this unit in seconds.
///
/// # Errors
/// Which unit it is instead.
pub fn seconds(number: f64, unit: TimeUnit) -> Result<f64, BadValue> {
    let seconds = number / unit.per_second();
    if !number.is_finite() {
        let text = number.to_string();
        return Err(BadValue::NoTime { text });
    }
    if seconds.abs() <= LATEST_SECONDS {
        return Ok(seconds);
    }
    let likely = match number.abs() / LATEST_SECONDS {
        ..=1e3 => TimeUnit::Milliseconds,
        ..=1e6 => TimeUnit::Microseconds,
        _ => TimeUnit::Nanoseconds,
    };
    Err(BadValue::OtherTimeUnit {
        number,
        unit,
        likely,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        use Number::{Percent, Plain, Unknown};
        for (text, expected) in [
            ("12.5", Plain(12.5)),
            (" 7 ", Plain(7.0)),
            ("-1e-3", Plain(-0.001)),
            ("12,5", Plain(12.5)),
            ("0,125", Plain(0.125)),
            ("12.5%", Percent(12.5)),
            ("12,5 %", Percent(12.5)),
            ("", Unknown),
            (" ", Unknown),
            ("NaN", Unknown),
            ("+Inf", Unknown),
            ("null", Unknown),
            ("N/A", Unknown),
            ("-", Unknown),
        ] {
            assert_eq!(number(text, "cpu").unwrap(), expected, "{text:?}");
        }
        for text in ["x", "1,234,5", "1.234,5", "%", "5 5", "12.5%%", "0x1f"] {
            let error = number(text, "cpu").unwrap_err().to_string();
            assert!(error.contains("cpu") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        use Form::{Bare, Zoned};
        for (text, expected) in [
            ("1764000000", (1_764_000_000.0, Form::Number)),
            (" 300.5 ", (300.5, Form::Number)),
            ("2025-11-24T16:00:00Z", (1_764_000_000.0, Zoned)),
            ("2025-11-24 16:00:00 UTC", (1_764_000_000.0, Zoned)),
            ("2025-11-24T17:00:00.25+01:00", (1_764_000_000.25, Zoned)),
            ("2025-11-24 16:00:00+00:00", (1_764_000_000.0, Zoned)),
            ("2025-11-24T16:00:00", (1_764_000_000.0, Bare)),
            ("2025-11-24 16:00:00", (1_764_000_000.0, Bare)),
            ("2025-11-24 16:00", (1_764_000_000.0, Bare)),
            ("2025-11-24", (1_763_942_400.0, Bare)),
        ] {
            assert_eq!(time(text, TimeUnit::Seconds).unwrap(), expected, "{text:?}");
        }
        for text in ["", "soon", "24/11/2025 16:00", "NaN", "2025-13-01", "16:00"] {
            assert!(time(text, TimeUnit::Seconds).is_err(), "{text:?}");
        }
    }

    #[test]
    fn other_units_are_told_by_their_magnitude() {
        use TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (number, unit, likely) in [
            (1.764e12, Seconds, Milliseconds),
            (1.764e15, Seconds, Microseconds),
            (1.764e18, Seconds, Nanoseconds),
            (1.764e15, Milliseconds, Microseconds),
            (1.764e18, Microseconds, Nanoseconds),
        ] {
            let error = seconds(number, unit).unwrap_err().to_string();
            assert!(error.contains(&format!("too large for {}", unit.words())));
            assert!(error.contains(&format!("is it {}?", likely.words())));
            assert!(error.contains(likely.column()), "{error}");
            assert_eq!(seconds(number, likely).unwrap(), 1.764e9);
        }
    }
}
