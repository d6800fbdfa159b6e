//! Numbers as people read them.

use jiff::{Timestamp, tz::TimeZone};

/// `90 s`, `15 min`, `2 h`, `2 h 5 min`.
pub fn duration(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, 0) if minutes > 0 => format!("{minutes} min"),
        (0, 0 | 1, _) => format!("{seconds} s"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `2026-03-01T12:00:05Z`: whole seconds, UTC.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `Mon 2026-11-30 08:00 CET`: as the clocks of a zone show it.
pub fn local_time(time: Timestamp, zone: &TimeZone) -> String {
    let local = time.to_zoned_datetime(zone.clone());
    local.strftime("%a %Y-%m-%d %H:%M %Z").to_string()
}

/// Whole seconds from `earlier` to `later`; 0 when it is the other way round.
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.as_second().saturating_sub(earlier.as_second())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (90, "90 s"),
            (150, "2 min 30 s"),
            (900, "15 min"),
            (3_600, "1 h"),
            (7_500, "2 h 5 min"),
            (86_405, "24 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn times_have_whole_seconds() {
        let time_of = Timestamp::from_millisecond(1_500).unwrap();
        assert_eq!(time(time_of), "1970-01-01T00:00:01Z");
        assert_eq!(seconds_between(time_of, Timestamp::UNIX_EPOCH), 0);
    }
}
