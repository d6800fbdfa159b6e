//! Stretches of time in words.

/// "one hour", "90 minutes", "2 days", "1 day 5 minutes".
pub fn span(minutes: f64) -> String {
    let whole = minutes.round().max(0.0) as u64;
    let (size, name) = match whole {
        week if week >= 10_080 => (10_080, "week"),
        day if day >= 1_440 => (1_440, "day"),
        hour if hour >= 60 && (hour % 60 == 0 || hour > 120) => (60, "hour"),
        _ => (1, "minute"),
    };
    let (count, rest) = (whole / size, whole % size);
    let counted = match count {
        1 if rest == 0 => format!("one {name}"),
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    };
    match rest {
        0 => counted,
        rest => format!("{counted} {}", span(rest as f64).replace("one ", "1 ")),
    }
}

/// "one hour".
pub fn duration(minutes: u32) -> String {
    span(f64::from(minutes))
}

/// "the last hour", "the last 2 hours".
pub fn last(minutes: u32) -> String {
    format!("the last {}", without_one(&duration(minutes)))
}

/// "every hour", "every 2 hours".
pub fn every(minutes: u32) -> String {
    format!("every {}", without_one(&duration(minutes)))
}

fn without_one(span: &str) -> &str {
    span.strip_prefix("one ").unwrap_or(span)
}
