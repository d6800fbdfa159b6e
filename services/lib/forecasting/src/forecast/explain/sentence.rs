//! What a feature says, in words that an operator reads. Pure; it knows features by their names, which are the contract.

/// How to show a value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// What one percent of capacity is in the unit of the series.
    pub per_percent: f64,
}

impl Unit {
    fn word(self) -> &'static str {
        match self.per_percent == 1.0 {
            true => " points",
            false => "",
        }
    }

    /// An amount of percent of capacity, without a sign.
    fn amount(self, percent: f64) -> String {
        format!(
            "{}{}",
            self.number(percent.abs() * self.per_percent),
            self.word()
        )
    }

    fn number(self, value: f64) -> String {
        // A tenth of a percent is what matters.
        match self.per_percent {
            fine if fine < 0.02 => format!("{value:.4}"),
            fine if fine < 0.2 => format!("{value:.3}"),
            _ => format!("{value:.1}"),
        }
    }

    /// A contribution in the unit of the series, with its sign.
    fn signed(self, value: f64) -> String {
        let sign = if value < 0.0 { '-' } else { '+' };
        format!("{sign}{}", self.number(value.abs()))
    }
}

/// Where a forecast stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// What relative features are divided by, percent of capacity.
    pub scale: f64,
    /// Minutes from now to the target time.
    pub horizon_minutes: u32,
    /// How to show values.
    pub unit: Unit,
}

/// "CPU one hour before the target time was 23.0 points above now: +6.1". `value` is the feature's, NaN where missing;
/// `contribution` is in the unit of the series.
pub fn sentence(feature: &str, value: f64, contribution: f64, context: &Context) -> String {
    let said = said(feature, value, context).unwrap_or_else(|| match value.is_nan() {
        true => format!("{feature} is not known"),
        false => format!("{feature} is {value:.3}"),
    });
    format!("{said}: {}", context.unit.signed(contribution))
}

fn said(feature: &str, value: f64, context: &Context) -> Option<String> {
    let unit = context.unit;
    let relative = |what: String| match value.is_nan() {
        true => format!("{what} is not known"),
        false => format!("{what} was {}", against_now(value * context.scale, unit)),
    };
    let absolute = |what: String| match value.is_nan() {
        true => format!("{what} is not known"),
        false => format!("{what} was {}", unit.number(value * unit.per_percent)),
    };
    let spread = |what: String| match value.is_nan() {
        true => format!("how much CPU varied {what} is not known"),
        false => format!(
            "CPU varied by {} {what}",
            unit.amount(value * context.scale)
        ),
    };
    let moved = |when: String| match value.is_nan() {
        true => format!("how CPU moved {when} is not known"),
        false => {
            let way = if value < 0.0 { "fell" } else { "rose" };
            format!("CPU {way} by {} {when}", unit.amount(value * context.scale))
        }
    };
    let words: Vec<&str> = feature.split('_').collect();
    Some(match words[..] {
        ["horizon", "minutes"] => format!("the target is {} ahead", span(value)),
        ["step", "minutes"] => format!("samples are {} apart", span(value)),
        ["now"] => format!("CPU is {} now", unit.number(value * unit.per_percent)),
        ["history", "hours"] => format!("the history is {} long", span(value * 60.0)),
        ["scale", "log"] => format!(
            "CPU varied by {} over the last day",
            unit.amount(value.exp())
        ),
        ["step", "lag", "1"] => relative("CPU one sample ago".to_owned()),
        ["step", "lag", steps] => relative(format!("CPU {steps} samples ago")),
        ["lag", time] => relative(format!("CPU {} ago", duration(time)?)),
        ["mean", time] => relative(format!("the mean of {}", last(time)?)),
        ["sd", time] => spread(format!("over {}", last(time)?)),
        ["max", time] => relative(format!("the highest CPU of {}", last(time)?)),
        ["min", time] => relative(format!("the lowest CPU of {}", last(time)?)),
        ["ewma", time] => relative(format!("the smoothed CPU of {}", last(time)?)),
        ["rank", time] if value.is_nan() => {
            format!("how CPU ranks in {} is not known", last(time)?)
        }
        ["rank", time] => format!("CPU now is above {:.0} % of {}", value * 100.0, last(time)?),
        ["slope", time] => moved(format!("an hour over {}", last(time)?)),
        ["recur", "mean", period, count] => relative(format!(
            "the mean at the same point of the last {count} periods of {}",
            duration(period)?
        )),
        ["recur", "change", period] => moved(format!(
            "over the same stretch {} before",
            duration(period)?
        )),
        ["recur", "peak", "mean", period, count] => relative(format!(
            "the mean highest CPU over the same stretch of the last {count} periods of {}",
            duration(period)?
        )),
        ["recur", "peak", period, back] => relative(format!(
            "the highest CPU over the same stretch {} before",
            span(periods_back(period, back, context)?)
        )),
        ["recur", "error", period] if value.is_nan() => {
            format!("how well {} repeats is not known", every(period)?)
        }
        ["recur", "error", period] => format!(
            "repeating {} misses {value:.2} times as much as standing still",
            every(period)?
        ),
        ["recur", period, back] => relative(format!(
            "CPU {} before the target time",
            span(periods_back(period, back, context)?)
        )),
        ["recur", period, back, shift] => {
            let minutes = periods_back(period, back, context)? - shifted(shift)?;
            relative(format!("CPU {} before the target time", span(minutes)))
        }
        ["best", "value"] => {
            relative("CPU at the same point of the machine's own rhythm".to_owned())
        }
        ["best", "peak"] => {
            relative("the highest CPU over the same stretch of the machine's own rhythm".to_owned())
        }
        ["best", "error"] if !value.is_nan() => format!(
            "repeating the machine's own rhythm misses {value:.2} times as much as standing still"
        ),
        ["best", "period"] if !value.is_nan() => {
            format!("the machine's own rhythm is {}", span(value))
        }
        ["best", "error" | "period"] => "the machine has no rhythm of its own".to_owned(),
        ["change", "mean"] => spread(format!("over {} on average", ahead(context))),
        ["change", quantile] => relative_change(percent(quantile)?, "changes", value, context),
        ["peak", "change", quantile] => {
            relative_change(percent(quantile)?, "rises to a peak", value, context)
        }
        ["local", "level" | "peak"] if value.is_nan() => {
            "the machine's own pattern is not known".to_owned()
        }
        ["local", "level"] => format!(
            "by the machine's own pattern CPU will be {}",
            against_now(value * context.scale, unit)
        ),
        ["local", "peak"] => format!(
            "by the machine's own pattern the highest CPU on the way will be {}",
            against_now(value * context.scale, unit)
        ),
        ["local", "level" | "peak", "error"] if value.is_nan() => {
            "how far the machine's own pattern misses is not known".to_owned()
        }
        ["local", "level" | "peak", "error"] => format!(
            "the machine's own pattern missed by {} lately",
            unit.amount(value * context.scale)
        ),
        ["cpu", "lag", time] => absolute(format!("CPU {} ago", duration(time)?)),
        ["cpu", "mean", time] => absolute(format!("the mean of {}", last(time)?)),
        ["cpu", "sd", time] => absolute(format!("the spread of {}", last(time)?)),
        ["cpu", "max", time] => absolute(format!("the highest CPU of {}", last(time)?)),
        ["cpu", "min", time] => absolute(format!("the lowest CPU of {}", last(time)?)),
        _ => return None,
    })
}

fn against_now(percent: f64, unit: Unit) -> String {
    match percent {
        0.0 => "as now".to_owned(),
        above if above > 0.0 => format!("{} above now", unit.amount(above)),
        below => format!("{} below now", unit.amount(below)),
    }
}

fn relative_change(percent: &str, what: &str, value: f64, context: &Context) -> String {
    if value.is_nan() {
        return format!("past {what} over {} are not known", ahead(context));
    }
    let sign = if value < 0.0 { '-' } else { '+' };
    format!(
        "{percent} % of past {what} over {} were at most {sign}{}",
        ahead(context),
        context.unit.amount(value * context.scale)
    )
}

fn ahead(context: &Context) -> String {
    span(f64::from(context.horizon_minutes))
}

/// Minutes from the target back to the `back`-th whole period that lies in the past.
fn periods_back(period: &str, back: &str, context: &Context) -> Option<f64> {
    let (period, back) = (minutes(period)?, back.parse::<u32>().ok()?);
    let skipped = context.horizon_minutes.div_ceil(period.max(1)).max(1) - 1;
    Some(f64::from(period) * f64::from(skipped + back))
}

fn shifted(shift: &str) -> Option<f64> {
    match shift.split_at_checked(1)? {
        ("m", minutes) => Some(-minutes.parse::<f64>().ok()?),
        ("p", minutes) => minutes.parse().ok(),
        _ => None,
    }
}

fn minutes(text: &str) -> Option<u32> {
    text.strip_suffix('m')?.parse().ok()
}

fn percent(text: &str) -> Option<&str> {
    text.strip_prefix('q')
}

fn duration(text: &str) -> Option<String> {
    Some(span(f64::from(minutes(text)?)))
}

/// "the last hour", "the last 2 hours".
fn last(text: &str) -> Option<String> {
    let span = duration(text)?;
    Some(format!(
        "the last {}",
        span.strip_prefix("one ").unwrap_or(&span)
    ))
}

/// "every hour", "every 2 hours".
fn every(text: &str) -> Option<String> {
    let span = duration(text)?;
    Some(format!(
        "every {}",
        span.strip_prefix("one ").unwrap_or(&span)
    ))
}

/// "one hour", "90 minutes", "2 days", "1 day 5 minutes".
fn span(minutes: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    const PERCENT: Context = Context {
        scale: 4.0,
        horizon_minutes: 15,
        unit: Unit { per_percent: 1.0 },
    };

    #[test]
    fn features_read_as_an_operator_would_say_them() {
        let nan = f64::NAN;
        for (feature, value, expected) in [
            (
                "recur_60m_1",
                5.75,
                "CPU one hour before the target time was 23.0 points above now: +6.1",
            ),
            (
                "recur_60m_2",
                -1.0,
                "CPU 2 hours before the target time was 4.0 points below now: +6.1",
            ),
            (
                "recur_60m_1_m5",
                1.0,
                "CPU 65 minutes before the target time was 4.0 points above now: +6.1",
            ),
            (
                "recur_1440m_1_p5",
                1.0,
                "CPU 23 hours 55 minutes before the target time was 4.0 points above now: +6.1",
            ),
            (
                "recur_10080m_1",
                nan,
                "CPU one week before the target time is not known: +6.1",
            ),
            (
                "recur_10m_1",
                0.0,
                "CPU 20 minutes before the target time was as now: +6.1",
            ),
            (
                "recur_change_1440m",
                -2.0,
                "CPU fell by 8.0 points over the same stretch one day before: +6.1",
            ),
            (
                "recur_peak_60m_1",
                1.0,
                "the highest CPU over the same stretch one hour before was 4.0 points above now: +6.1",
            ),
            (
                "recur_error_60m",
                0.4,
                "repeating every hour misses 0.40 times as much as standing still: +6.1",
            ),
            (
                "lag_15m",
                1.5,
                "CPU 15 minutes ago was 6.0 points above now: +6.1",
            ),
            (
                "step_lag_1",
                1.5,
                "CPU one sample ago was 6.0 points above now: +6.1",
            ),
            (
                "max_1440m",
                2.0,
                "the highest CPU of the last day was 8.0 points above now: +6.1",
            ),
            (
                "mean_180m",
                -0.5,
                "the mean of the last 3 hours was 2.0 points below now: +6.1",
            ),
            (
                "sd_60m",
                0.5,
                "CPU varied by 2.0 points over the last hour: +6.1",
            ),
            (
                "slope_30m",
                3.0,
                "CPU rose by 12.0 points an hour over the last 30 minutes: +6.1",
            ),
            (
                "rank_1440m",
                0.83,
                "CPU now is above 83 % of the last day: +6.1",
            ),
            ("now", 35.2, "CPU is 35.2 now: +6.1"),
            (
                "horizon_minutes",
                15.0,
                "the target is 15 minutes ahead: +6.1",
            ),
            (
                "history_hours",
                47.5,
                "the history is 1 day 23 hours 30 minutes long: +6.1",
            ),
            (
                "best_period",
                30.0,
                "the machine's own rhythm is 30 minutes: +6.1",
            ),
            (
                "best_period",
                nan,
                "the machine has no rhythm of its own: +6.1",
            ),
            (
                "change_q90",
                1.0,
                "90 % of past changes over 15 minutes were at most +4.0 points: +6.1",
            ),
            ("cpu_lag_5m", 12.0, "CPU 5 minutes ago was 12.0: +6.1"),
            ("brand_new_7", 1.5, "brand_new_7 is 1.500: +6.1"),
            ("lag_soon", nan, "lag_soon is not known: +6.1"),
        ] {
            assert_eq!(sentence(feature, value, 6.1, &PERCENT), expected);
        }
    }

    #[test]
    fn vcpus_are_shown_in_vcpus() {
        let context = Context {
            unit: Unit { per_percent: 0.04 },
            ..PERCENT
        };
        assert_eq!(
            sentence("lag_15m", 1.5, -0.12, &context),
            "CPU 15 minutes ago was 0.240 above now: -0.120"
        );
    }

    #[test]
    fn every_feature_of_the_library_has_words() {
        for feature in crate::features::default_features() {
            let name = feature.to_string();
            for value in [0.5, f64::NAN] {
                assert!(said(&name, value, &PERCENT).is_some(), "{name}");
            }
        }
    }
}
