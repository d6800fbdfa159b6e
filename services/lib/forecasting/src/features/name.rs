//! Features and their names.

use std::{fmt, str::FromStr};

/// The furthest that a feature may look back, in minutes: a week and an hour.
const LONGEST_MINUTES: u32 = 7 * 1440 + 60;

/// One feature. Durations are minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `horizon_minutes`
    HorizonMinutes,
    /// `step_minutes`: the grid's step.
    StepMinutes,
    /// `now`: the last value, percent of capacity.
    Now,
    /// `scale_log`: natural logarithm of the view's scale.
    LogScale,
    /// `step_lag_2`: the value that many steps ago, relative.
    StepLag(u32),
    /// `lag_15m`: the five minutes that ended then, relative.
    Lag(u32),
    /// `mean_60m`, relative.
    Mean(u32),
    /// `sd_60m`, divided by the scale.
    Deviation(u32),
    /// `max_60m`, relative.
    Highest(u32),
    /// `min_60m`, relative.
    Lowest(u32),
    /// `rank_1440m`: the share of values below the last one, ties counted half.
    Rank(u32),
    /// `slope_60m`: least squares, per hour, divided by the scale.
    Slope(u32),
    /// `ewma_30m`: exponentially weighted mean with that time constant, relative.
    Smoothed(u32),
    /// `history_hours`: how much history the view has, at most a week.
    HistoryHours,
    /// What happened at the same phase of a period.
    Recurrence {
        /// The period.
        period: u32,
        /// Which aspect.
        what: Recurrence,
    },
    /// Of the candidate period whose recurrence forecast was best over the last day.
    Best(Best),
    /// `change_q90`: a quantile of this history's own changes over the horizon, divided by the scale.
    ChangeQuantile(u32),
    /// `peak_change_q90`: the same for the highest value over the horizon.
    PeakChangeQuantile(u32),
    /// `change_mean`: the mean size of those changes.
    MeanChange,
    /// What the linear model of this series alone says.
    Local(Local),
    /// In percent of capacity, neither centred nor scaled: for models trained elsewhere.
    Raw(Raw),
}

/// Aspects of a recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// `recur_60m_1`: the target's time, that many periods earlier; `recur_60m_1_m5` and `_p5`: five minutes before and
    /// after that.
    Value {
        /// How many periods.
        back: u32,
        /// Minutes.
        shift: i32,
    },
    /// `recur_mean_60m_6`: mean over the last periods.
    Mean(u32),
    /// `recur_change_1440m`: the change over the horizon one period ago, not relative to now.
    Change,
    /// `recur_peak_60m_1`: the highest over the horizon, that many periods earlier.
    Peak(u32),
    /// `recur_peak_mean_1440m_3`: mean of those peaks.
    PeakMean(u32),
    /// `recur_error_60m`: mean error of "as one period ago" over that of "as now", over the last day (three for a day).
    Error,
}

/// Aspects of the best candidate period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// `best_value`
    Value,
    /// `best_peak`
    Peak,
    /// `best_error`
    Error,
    /// `best_period`, minutes
    PeriodMinutes,
}

/// Aspects of the linear model of this series alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// `local_level`: the change at the horizon that it expects, divided by the scale.
    Level,
    /// `local_peak`: the same for the highest value up to the horizon.
    Peak,
    /// `local_level_error`: its recent mean error over that of "as now".
    LevelError,
    /// `local_peak_error`: the same for the highest value.
    PeakError,
}

/// Features as models trained elsewhere know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    /// `cpu_lag_15m`; `cpu_lag_5m` is the last value but one on a 300 s grid
    Lag(u32),
    /// `cpu_mean_60m`
    Mean(u32),
    /// `cpu_sd_60m`
    Deviation(u32),
    /// `cpu_max_60m`
    Highest(u32),
    /// `cpu_min_60m`
    Lowest(u32),
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HorizonMinutes => formatter.write_str("horizon_minutes"),
            Self::StepMinutes => formatter.write_str("step_minutes"),
            Self::Now => formatter.write_str("now"),
            Self::LogScale => formatter.write_str("scale_log"),
            Self::StepLag(steps) => write!(formatter, "step_lag_{steps}"),
            Self::Lag(minutes) => write!(formatter, "lag_{minutes}m"),
            Self::Mean(minutes) => write!(formatter, "mean_{minutes}m"),
            Self::Deviation(minutes) => write!(formatter, "sd_{minutes}m"),
            Self::Highest(minutes) => write!(formatter, "max_{minutes}m"),
            Self::Lowest(minutes) => write!(formatter, "min_{minutes}m"),
            Self::Rank(minutes) => write!(formatter, "rank_{minutes}m"),
            Self::Slope(minutes) => write!(formatter, "slope_{minutes}m"),
            Self::Smoothed(minutes) => write!(formatter, "ewma_{minutes}m"),
            Self::HistoryHours => formatter.write_str("history_hours"),
            Self::Recurrence { period, what } => match what {
                Recurrence::Value { back, shift: 0 } => {
                    write!(formatter, "recur_{period}m_{back}")
                }
                Recurrence::Value { back, shift } => {
                    let sign = if shift < 0 { 'm' } else { 'p' };
                    write!(formatter, "recur_{period}m_{back}_{sign}{}", shift.abs())
                }
                Recurrence::Mean(count) => write!(formatter, "recur_mean_{period}m_{count}"),
                Recurrence::Change => write!(formatter, "recur_change_{period}m"),
                Recurrence::Peak(back) => write!(formatter, "recur_peak_{period}m_{back}"),
                Recurrence::PeakMean(count) => {
                    write!(formatter, "recur_peak_mean_{period}m_{count}")
                }
                Recurrence::Error => write!(formatter, "recur_error_{period}m"),
            },
            Self::Best(Best::Value) => formatter.write_str("best_value"),
            Self::Best(Best::Peak) => formatter.write_str("best_peak"),
            Self::Best(Best::Error) => formatter.write_str("best_error"),
            Self::Best(Best::PeriodMinutes) => formatter.write_str("best_period"),
            Self::ChangeQuantile(percent) => write!(formatter, "change_q{percent}"),
            Self::PeakChangeQuantile(percent) => write!(formatter, "peak_change_q{percent}"),
            Self::MeanChange => formatter.write_str("change_mean"),
            Self::Local(Local::Level) => formatter.write_str("local_level"),
            Self::Local(Local::Peak) => formatter.write_str("local_peak"),
            Self::Local(Local::LevelError) => formatter.write_str("local_level_error"),
            Self::Local(Local::PeakError) => formatter.write_str("local_peak_error"),
            Self::Raw(Raw::Lag(minutes)) => write!(formatter, "cpu_lag_{minutes}m"),
            Self::Raw(Raw::Mean(minutes)) => write!(formatter, "cpu_mean_{minutes}m"),
            Self::Raw(Raw::Deviation(minutes)) => write!(formatter, "cpu_sd_{minutes}m"),
            Self::Raw(Raw::Highest(minutes)) => write!(formatter, "cpu_max_{minutes}m"),
            Self::Raw(Raw::Lowest(minutes)) => write!(formatter, "cpu_min_{minutes}m"),
        }
    }
}

/// A name that the library doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("feature `{0}` is not in the library")]
pub struct UnknownFeature(String);

impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse(name).ok_or_else(|| UnknownFeature(name.to_owned()))
    }
}

fn parse(name: &str) -> Option<Feature> {
    let words: Vec<&str> = name.split('_').collect();
    Some(match words[..] {
        ["horizon", "minutes"] => Feature::HorizonMinutes,
        ["step", "minutes"] => Feature::StepMinutes,
        ["now"] => Feature::Now,
        ["scale", "log"] => Feature::LogScale,
        ["history", "hours"] => Feature::HistoryHours,
        ["step", "lag", steps] => Feature::StepLag(count(steps)?),
        ["lag", minutes] => Feature::Lag(duration(minutes)?),
        ["mean", minutes] => Feature::Mean(duration(minutes)?),
        ["sd", minutes] => Feature::Deviation(duration(minutes)?),
        ["max", minutes] => Feature::Highest(duration(minutes)?),
        ["min", minutes] => Feature::Lowest(duration(minutes)?),
        ["rank", minutes] => Feature::Rank(duration(minutes)?),
        ["slope", minutes] => Feature::Slope(duration(minutes)?),
        ["ewma", minutes] => Feature::Smoothed(duration(minutes)?),
        ["best", "value"] => Feature::Best(Best::Value),
        ["best", "peak"] => Feature::Best(Best::Peak),
        ["best", "error"] => Feature::Best(Best::Error),
        ["best", "period"] => Feature::Best(Best::PeriodMinutes),
        ["change", "mean"] => Feature::MeanChange,
        ["change", percent] => Feature::ChangeQuantile(quantile(percent)?),
        ["peak", "change", percent] => Feature::PeakChangeQuantile(quantile(percent)?),
        ["local", "level"] => Feature::Local(Local::Level),
        ["local", "peak"] => Feature::Local(Local::Peak),
        ["local", "level", "error"] => Feature::Local(Local::LevelError),
        ["local", "peak", "error"] => Feature::Local(Local::PeakError),
        ["cpu", "lag", minutes] => Feature::Raw(Raw::Lag(duration(minutes)?)),
        ["cpu", "mean", minutes] => Feature::Raw(Raw::Mean(duration(minutes)?)),
        ["cpu", "sd", minutes] => Feature::Raw(Raw::Deviation(duration(minutes)?)),
        ["cpu", "max", minutes] => Feature::Raw(Raw::Highest(duration(minutes)?)),
        ["cpu", "min", minutes] => Feature::Raw(Raw::Lowest(duration(minutes)?)),
        ["recur", ref rest @ ..] => recurrence(rest)?,
        _ => return None,
    })
}

fn recurrence(words: &[&str]) -> Option<Feature> {
    let (period, what) = match words {
        ["mean", period, n] => (period, Recurrence::Mean(count(n)?)),
        ["change", period] => (period, Recurrence::Change),
        ["peak", "mean", period, n] => (period, Recurrence::PeakMean(count(n)?)),
        ["peak", period, back] => (period, Recurrence::Peak(count(back)?)),
        ["error", period] => (period, Recurrence::Error),
        [period, back] => (
            period,
            Recurrence::Value {
                back: count(back)?,
                shift: 0,
            },
        ),
        [period, back, shift] => {
            let minutes = |text: &str| text.parse::<u8>().ok().filter(|minutes| *minutes > 0);
            let shift = match shift.strip_prefix('m') {
                Some(before) => -i32::from(minutes(before)?),
                None => i32::from(minutes(shift.strip_prefix('p')?)?),
            };
            let back = count(back)?;
            (period, Recurrence::Value { back, shift })
        }
        _ => return None,
    };
    let period = duration(period)?;
    Some(Feature::Recurrence { period, what })
}

fn duration(text: &str) -> Option<u32> {
    let minutes = text.strip_suffix('m')?.parse().ok()?;
    (1..=LONGEST_MINUTES).contains(&minutes).then_some(minutes)
}

fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| (1..=200).contains(count))
}

fn quantile(text: &str) -> Option<u32> {
    let percent = text.strip_prefix('q')?.parse().ok()?;
    (1..=99).contains(&percent).then_some(percent)
}

/// What `trainer train` gives the model.
pub fn default_features() -> Vec<Feature> {
    use Feature as F;
    let recur = |period, what| F::Recurrence { period, what };
    let value = |period, back, shift| recur(period, Recurrence::Value { back, shift });
    let mut features = vec![
        F::HorizonMinutes,
        F::StepMinutes,
        F::Now,
        F::LogScale,
        F::HistoryHours,
        F::StepLag(1),
        F::StepLag(2),
        F::StepLag(3),
    ];
    features.extend(
        [
            5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 90, 120, 180, 360,
        ]
        .map(F::Lag),
    );
    features.extend([15, 30, 60, 120, 360, 1440, 10_080].map(F::Mean));
    features.extend([15, 30, 60, 180, 720, 10_080].map(F::Deviation));
    features.extend([15, 30, 60, 180, 1440].map(F::Highest));
    features.extend([15, 60, 180, 1440].map(F::Lowest));
    features.extend([F::Rank(180), F::Rank(1440), F::Slope(30), F::Slope(120)]);
    features.extend([F::Smoothed(10), F::Smoothed(30)]);
    features.extend([1, 2, 3, 4].map(|back| value(60, back, 0)));
    features.extend([value(60, 1, -5), value(60, 1, 5)]);
    features.extend([3, 6, 24].map(|n| recur(60, Recurrence::Mean(n))));
    features.extend([1, 2].map(|back| recur(60, Recurrence::Peak(back))));
    features.push(recur(60, Recurrence::PeakMean(6)));
    features.extend([1, 2].map(|back| value(1440, back, 0)));
    features.extend([value(1440, 1, -5), value(1440, 1, 5), value(10_080, 1, 0)]);
    features.push(recur(1440, Recurrence::Mean(6)));
    features.push(recur(1440, Recurrence::Change));
    features.push(recur(10_080, Recurrence::Change));
    features.push(recur(1440, Recurrence::Peak(1)));
    features.push(recur(1440, Recurrence::PeakMean(6)));
    features.extend([60, 1440].map(|period| recur(period, Recurrence::Error)));
    features.extend([Best::Value, Best::Peak, Best::Error, Best::PeriodMinutes].map(F::Best));
    features.extend([10, 50, 90].map(F::ChangeQuantile));
    features.extend([50, 90, 95].map(F::PeakChangeQuantile));
    features.push(F::MeanChange);
    features.extend(
        [
            Local::Level,
            Local::Peak,
            Local::LevelError,
            Local::PeakError,
        ]
        .map(F::Local),
    );
    features
}
