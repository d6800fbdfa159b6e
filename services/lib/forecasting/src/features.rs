//! The library of named features: what the model sees of a history at an origin, for a horizon.
//!
//! Names are the contract with manifests: `mean_60m` means the same in every version. Relative features are differences
//! from the last value, divided by the view's scale, so that one model serves idle and busy machines alike. Features
//! whose history is missing are NaN, which the model knows as missing.

mod name;
mod own;
mod view;

pub use name::{Best, Feature, Local, Raw, Recurrence, default_features};
pub use own::{Change, LocalForecast};
pub use view::View;

/// The values of `features` at `view` for a horizon of `horizon_steps`, appended to `row`; `local` is what the series'
/// own model says there.
pub fn append(
    features: &[Feature],
    view: &View<'_>,
    horizon_steps: usize,
    local: &LocalForecast,
    row: &mut Vec<f32>,
) {
    let horizon = view.at_horizon(horizon_steps);
    let now = view.now();
    let relative = |value: f64| (value - now) / view.scale();
    for feature in features {
        let value = match *feature {
            Feature::HorizonMinutes => horizon_steps as f64 * view.step_minutes(),
            Feature::StepMinutes => view.step_minutes(),
            Feature::Now => now,
            Feature::LogScale => view.scale().ln(),
            Feature::StepLag(steps) => relative(view.step_lag(steps as usize)),
            Feature::Lag(minutes) => relative(view.block(view.steps(minutes))),
            Feature::Mean(minutes) => relative(view.mean(minutes)),
            Feature::Deviation(minutes) => view.deviation(minutes) / view.scale(),
            Feature::Highest(minutes) => relative(view.highest(minutes)),
            Feature::Lowest(minutes) => relative(view.lowest(minutes)),
            Feature::Rank(minutes) => view.rank(minutes),
            Feature::Slope(minutes) => view.slope(minutes) / view.scale(),
            Feature::Smoothed(minutes) => relative(view.smoothed(minutes)),
            Feature::HistoryHours => view.hours(),
            Feature::Recurrence { period, what } => match what {
                Recurrence::Value { back, shift } => {
                    relative(horizon.recurrence(period, back, shift))
                }
                Recurrence::Mean(count) => relative(horizon.recurrence_mean(period, count)),
                Recurrence::Change => horizon.recurrence_change(period) / view.scale(),
                Recurrence::Peak(back) => relative(horizon.recurrence_peak(period, back)),
                Recurrence::PeakMean(count) => {
                    relative(horizon.recurrence_peak_mean(period, count))
                }
                Recurrence::Error => horizon.recurrence_error(period),
            },
            Feature::Best(Best::Value) => relative(horizon.best_value()),
            Feature::Best(Best::Peak) => relative(horizon.best_peak()),
            Feature::Best(Best::Error) => horizon.best_error(),
            Feature::Best(Best::PeriodMinutes) => horizon.best_period(),
            Feature::ChangeQuantile(percent) => {
                horizon.change_quantile(f64::from(percent) / 100.0) / view.scale()
            }
            Feature::PeakChangeQuantile(percent) => {
                horizon.peak_change_quantile(f64::from(percent) / 100.0) / view.scale()
            }
            Feature::MeanChange => horizon.mean_change() / view.scale(),
            Feature::Local(Local::Level) => local.change.level,
            Feature::Local(Local::Peak) => local.change.peak,
            Feature::Local(Local::LevelError) => local.error.level,
            Feature::Local(Local::PeakError) => local.error.peak,
            Feature::Raw(raw) => match raw {
                Raw::Lag(minutes) => view.block(view.steps(minutes)),
                Raw::Mean(minutes) => view.mean(minutes),
                Raw::Deviation(minutes) => view.deviation(minutes),
                Raw::Highest(minutes) => view.highest(minutes),
                Raw::Lowest(minutes) => view.lowest(minutes),
            },
        };
        row.push(value as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::history::History;

    /// The value of one feature 15 minutes ahead on a 300 s grid.
    fn value(name: &str, values: &[f32]) -> f32 {
        let history = History::new(300, values.to_vec());
        let view = View::new(&history, history.len() - 1, 0).unwrap();
        let mut row = Vec::new();
        let local = LocalForecast {
            change: Change {
                level: 0.5,
                peak: 0.75,
            },
            error: Change {
                level: 0.25,
                peak: 1.5,
            },
        };
        append(&[name.parse().unwrap()], &view, 3, &local, &mut row);
        row[0]
    }

    #[test]
    fn features_say_what_their_names_say() {
        // An hourly job: every twelfth point is 50, the others 10; the last point is two steps after a job.
        let hourly: Vec<f32> = (0..291)
            .map(|index| if index % 12 == 0 { 50.0 } else { 10.0 })
            .collect();
        let scale = {
            let history = History::new(300, hourly.clone());
            View::new(&history, 290, 0).unwrap().scale() as f32
        };
        for (name, expected) in [
            ("now", 10.0),
            ("horizon_minutes", 15.0),
            ("step_minutes", 5.0),
            ("scale_log", scale.ln()),
            ("lag_10m", 40.0 / scale),
            ("step_lag_2", 40.0 / scale),
            ("step_lag_1", 0.0),
            ("max_15m", 40.0 / scale),
            ("min_60m", 0.0),
            ("cpu_lag_10m", 50.0),
            ("cpu_mean_60m", (50.0 + 11.0 * 10.0) / 12.0),
            // 15 minutes ahead minus an hour: nine steps back, an idle one; ten steps before that is a job.
            ("recur_60m_1", 0.0),
            ("recur_peak_60m_1", 0.0),
            ("recur_error_60m", 0.0),
            ("best_error", 0.0),
            ("rank_1440m", 0.5 * 264.0 / 288.0),
            ("local_level", 0.5),
            ("local_peak", 0.75),
            ("local_level_error", 0.25),
            ("local_peak_error", 1.5),
        ] {
            let got = value(name, &hourly);
            assert!((got - expected).abs() < 1e-3, "{name}: {got} {expected}");
        }
    }

    #[test]
    fn peak_hold_is_raised_by_what_it_missed_by() {
        // As above; a job is in the 15 minutes back to now. One in four quarters of an hour has one after one without.
        let hourly: Vec<f32> = (0..291)
            .map(|index| if index % 12 == 0 { 50.0 } else { 10.0 })
            .collect();
        let history = History::new(300, hourly);
        let ahead = View::new(&history, 290, 0).unwrap().at_horizon(3);
        assert_eq!(ahead.peak_hold(&[0.1, 0.5, 0.9]), [10.0, 50.0, 90.0]);
        let short = History::new(300, vec![1.0, 2.0, 4.0]);
        let ahead = View::new(&short, 2, 0).unwrap().at_horizon(3);
        assert!(ahead.peak_hold(&[0.5])[0].is_nan());
    }

    #[test]
    fn what_reaches_beyond_the_history_is_missing() {
        let short = [1.0, 2.0, 4.0];
        for name in [
            "lag_60m",
            "recur_60m_1",
            "recur_1440m_1",
            "recur_error_60m",
            "best_value",
        ] {
            assert!(value(name, &short).is_nan(), "{name}");
        }
        assert_eq!(value("cpu_mean_60m", &short), 7.0 / 3.0);
    }

    #[test]
    fn every_default_feature_has_a_name_that_reads_back() {
        let features = default_features();
        let mut names: Vec<String> = features.iter().map(ToString::to_string).collect();
        for (feature, name) in features.iter().zip(&names) {
            assert_eq!(name.parse::<Feature>().as_ref(), Ok(feature), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), features.len());
        for unknown in [
            "",
            "mean_60",
            "mean_m",
            "is_anomaly_iso",
            "lag_0m",
            "lag_99999999m",
        ] {
            assert!(unknown.parse::<Feature>().is_err(), "{unknown}");
        }
    }
}
