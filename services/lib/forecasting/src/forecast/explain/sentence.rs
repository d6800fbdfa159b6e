//! What a feature says, in words that an operator reads. Pure.

use super::{
    span::{duration, every, last, span},
    unit::Unit,
};
use crate::features::{Best, Feature, Local, Raw, Recurrence};

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
pub fn sentence(feature: Feature, value: f64, contribution: f64, context: &Context) -> String {
    let said = Statement { value, context }.of(feature);
    format!("{said}: {}", context.unit.signed(contribution))
}

/// The value of a feature, to be put into words.
#[derive(Clone, Copy)]
struct Statement<'a> {
    value: f64,
    context: &'a Context,
}

impl Statement<'_> {
    fn of(self, feature: Feature) -> String {
        let Self { value, context } = self;
        let unit = context.unit;
        match feature {
            Feature::HorizonMinutes => format!("the target is {} ahead", span(value)),
            Feature::StepMinutes => format!("samples are {} apart", span(value)),
            Feature::Now => format!("CPU is {} now", unit.value(value)),
            Feature::HistoryHours => format!("the history is {} long", span(value * 60.0)),
            Feature::LogScale => {
                format!(
                    "CPU varied by {} over the last day",
                    unit.amount(value.exp())
                )
            }
            Feature::StepLag(1) => self.relative("CPU one sample ago"),
            Feature::StepLag(steps) => self.relative(&format!("CPU {steps} samples ago")),
            Feature::Lag(time) => self.relative(&format!("CPU {} ago", duration(time))),
            Feature::Mean(time) => self.relative(&format!("the mean of {}", last(time))),
            Feature::Deviation(time) => self.spread(&format!("over {}", last(time))),
            Feature::Highest(time) => self.relative(&format!("the highest CPU of {}", last(time))),
            Feature::Lowest(time) => self.relative(&format!("the lowest CPU of {}", last(time))),
            Feature::Smoothed(time) => {
                self.relative(&format!("the smoothed CPU of {}", last(time)))
            }
            Feature::Rank(time) => self.known(&format!("how CPU ranks in {}", last(time)), || {
                format!("CPU now is above {:.0} % of {}", value * 100.0, last(time))
            }),
            Feature::Slope(time) => self.moved(&format!("an hour over {}", last(time))),
            Feature::Recurrence { period, what } => self.recurrence(period, what),
            Feature::Best(what) => self.best(what),
            Feature::MeanChange => self.spread(&format!("over {} on average", self.ahead())),
            Feature::ChangeQuantile(percent) => self.past(percent, "changes"),
            Feature::PeakChangeQuantile(percent) => self.past(percent, "rises to a peak"),
            Feature::Local(what) => self.local(what),
            Feature::Raw(raw) => self.absolute(&match raw {
                Raw::Lag(time) => format!("CPU {} ago", duration(time)),
                Raw::Mean(time) => format!("the mean of {}", last(time)),
                Raw::Deviation(time) => format!("the spread of {}", last(time)),
                Raw::Highest(time) => format!("the highest CPU of {}", last(time)),
                Raw::Lowest(time) => format!("the lowest CPU of {}", last(time)),
            }),
        }
    }

    fn recurrence(self, period: u32, what: Recurrence) -> String {
        match what {
            Recurrence::Value { back, shift } => {
                let minutes = self.periods_back(period, back) - f64::from(shift);
                self.relative(&format!("CPU {} before the target time", span(minutes)))
            }
            Recurrence::Mean(count) => self.relative(&format!(
                "the mean at the same point of the last {count} periods of {}",
                duration(period)
            )),
            Recurrence::Change => self.moved(&format!(
                "over the same stretch {} before",
                duration(period)
            )),
            Recurrence::Peak(back) => self.relative(&format!(
                "the highest CPU over the same stretch {} before",
                span(self.periods_back(period, back))
            )),
            Recurrence::PeakMean(count) => self.relative(&format!(
                "the mean highest CPU over the same stretch of the last {count} periods of {}",
                duration(period)
            )),
            Recurrence::Error => {
                let every = every(period);
                self.known(&format!("how well {every} repeats"), || {
                    format!("repeating {every} misses {}", self.ratio())
                })
            }
        }
    }

    fn best(self, what: Best) -> String {
        const NONE: &str = "the machine has no rhythm of its own";
        match what {
            Best::Value => self.relative("CPU at the same point of the machine's own rhythm"),
            Best::Peak => {
                self.relative("the highest CPU over the same stretch of the machine's own rhythm")
            }
            Best::Error | Best::PeriodMinutes if self.value.is_nan() => NONE.to_owned(),
            Best::Error => format!("repeating the machine's own rhythm misses {}", self.ratio()),
            Best::PeriodMinutes => format!("the machine's own rhythm is {}", span(self.value)),
        }
    }

    fn local(self, what: Local) -> String {
        let pattern = "the machine's own pattern";
        match what {
            Local::Level => self.known(pattern, || {
                format!("by {pattern} CPU will be {}", self.against_now())
            }),
            Local::Peak => self.known(pattern, || {
                format!(
                    "by {pattern} the highest CPU on the way will be {}",
                    self.against_now()
                )
            }),
            Local::LevelError | Local::PeakError => self
                .known(&format!("how far {pattern} misses"), || {
                    format!("{pattern} missed {} lately", self.ratio())
                }),
        }
    }

    /// `said`, or that `what` is not known.
    fn known(self, what: &str, said: impl FnOnce() -> String) -> String {
        match self.value.is_nan() {
            true => format!("{what} is not known"),
            false => said(),
        }
    }

    fn relative(self, what: &str) -> String {
        self.known(what, || format!("{what} was {}", self.against_now()))
    }

    fn absolute(self, what: &str) -> String {
        self.known(what, || {
            format!("{what} was {}", self.context.unit.value(self.value))
        })
    }

    fn spread(self, when: &str) -> String {
        self.known(&format!("how much CPU varied {when}"), || {
            format!("CPU varied by {} {when}", self.amount())
        })
    }

    fn moved(self, when: &str) -> String {
        self.known(&format!("how CPU moved {when}"), || {
            let way = if self.value < 0.0 { "fell" } else { "rose" };
            format!("CPU {way} by {} {when}", self.amount())
        })
    }

    /// A quantile of this history's own changes.
    fn past(self, percent: u32, what: &str) -> String {
        let ahead = self.ahead();
        if self.value.is_nan() {
            return format!("past {what} over {ahead} are not known");
        }
        let sign = if self.value < 0.0 { '-' } else { '+' };
        format!(
            "{percent} % of past {what} over {ahead} were at most {sign}{}",
            self.amount()
        )
    }

    /// A value that is an error over that of "as now".
    fn ratio(self) -> String {
        format!("{:.2} times as much as standing still", self.value)
    }

    /// A value that is divided by the scale, as an amount.
    fn amount(self) -> String {
        self.context.unit.amount(self.value * self.context.scale)
    }

    fn against_now(self) -> String {
        match self.value * self.context.scale {
            0.0 => "as now".to_owned(),
            above if above > 0.0 => format!("{} above now", self.amount()),
            _ => format!("{} below now", self.amount()),
        }
    }

    fn ahead(self) -> String {
        duration(self.context.horizon_minutes)
    }

    /// Minutes from the target back to the `back`-th whole period that lies in the past.
    fn periods_back(self, period: u32, back: u32) -> f64 {
        let skipped = self.context.horizon_minutes.div_ceil(period.max(1)).max(1) - 1;
        f64::from(period) * f64::from(skipped + back)
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
            (
                "local_level_error",
                0.5,
                "the machine's own pattern missed 0.50 times as much as standing still lately: +6.1",
            ),
            (
                "local_peak_error",
                1.25,
                "the machine's own pattern missed 1.25 times as much as standing still lately: +6.1",
            ),
            (
                "local_peak_error",
                nan,
                "how far the machine's own pattern misses is not known: +6.1",
            ),
            ("cpu_lag_5m", 12.0, "CPU 5 minutes ago was 12.0: +6.1"),
        ] {
            let feature = feature.parse().unwrap();
            assert_eq!(sentence(feature, value, 6.1, &PERCENT), expected);
        }
        // What has no words can't be asked for.
        for unknown in ["brand_new_7", "lag_soon"] {
            assert!(unknown.parse::<Feature>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn vcpus_are_shown_in_vcpus() {
        let context = Context {
            unit: Unit { per_percent: 0.04 },
            ..PERCENT
        };
        assert_eq!(
            sentence(Feature::Lag(15), 1.5, -0.12, &context),
            "CPU 15 minutes ago was 0.240 above now: -0.120"
        );
    }

    #[test]
    fn every_feature_of_the_library_has_words() {
        for feature in crate::features::default_features() {
            for value in [0.5, f64::NAN] {
                let sentence = sentence(feature, value, 6.1, &PERCENT);
                assert!(!sentence.contains('_'), "{feature}: {sentence}");
            }
        }
    }
}
