//! Peaks over hours against the last week, as text, and judged.

use super::rows::{Row, WeeklyRow};
use crate::score::weekly::QUANTILES;

/// The skill that peaks over hours must have over the median of the week, averaged over sources.
pub const LEAST_SKILL: f64 = 0.05;

/// Means over sources, by horizon.
struct Mean {
    minutes: u32,
    over_median: [f64; 2],
    over_quantile: [f64; 2],
}

fn means(rows: &[Row]) -> Vec<Mean> {
    let mut horizons: Vec<u32> = rows.iter().map(|row| row.horizon_seconds).collect();
    horizons.sort_unstable();
    horizons.dedup();
    let of = |horizon_seconds: u32| {
        let weekly: Vec<&WeeklyRow> = rows
            .iter()
            .filter(|row| row.horizon_seconds == horizon_seconds)
            .filter_map(|row| row.weekly.as_ref())
            .collect();
        let mean = |skills: fn(&WeeklyRow) -> [f64; 2]| {
            [0, 1].map(|at| {
                let sum: f64 = weekly.iter().map(|row| skills(row)[at]).sum();
                sum / weekly.len() as f64
            })
        };
        (!weekly.is_empty()).then(|| Mean {
            minutes: horizon_seconds / 60,
            over_median: mean(|row| row.over_median),
            over_quantile: mean(|row| row.over_quantile),
        })
    };
    horizons.into_iter().filter_map(of).collect()
}

/// Where the mean over sources falls short of [`LEAST_SKILL`], line by line.
pub fn short_of_the_week(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for mean in means(rows) {
        for (q, skill) in QUANTILES.iter().zip(mean.over_median) {
            if skill < LEAST_SKILL || skill.is_nan() {
                lines.push(format!(
                    "at {} min: skill {skill:.3} of the peak's q{:.0} over the median of the last seven days",
                    mean.minutes,
                    q * 100.0
                ));
            }
        }
    }
    lines
}

/// As text; `None` where no row has it.
pub fn text(rows: &[Row]) -> Option<String> {
    let means = means(rows);
    if means.is_empty() {
        return None;
    }
    let mut lines = vec![
        "peaks over hours against those of the last seven days at that time of day: 1 - pinball loss over".to_owned(),
        format!(
            "{:<22} {:>3} {:>7} | {:>15} | {:>15}",
            "source", "min", "n", "their median", "their quantile"
        ),
        format!(
            "{:<34} | {:>7} {:>7} | {:>7} {:>7}",
            "", "q50", "q85", "q50", "q85"
        ),
    ];
    let skills = |[median, high]: [f64; 2]| format!("{median:>7.3} {high:>7.3}");
    for row in rows {
        if let Some(weekly) = &row.weekly {
            lines.push(format!(
                "{:<22} {:>3} {:>7} | {} | {}",
                row.source,
                row.minutes(),
                weekly.forecasts,
                skills(weekly.over_median),
                skills(weekly.over_quantile)
            ));
        }
    }
    for mean in means {
        lines.push(format!(
            "{:<22} {:>3} {:>7} | {} | {}",
            "mean of the lines",
            mean.minutes,
            "",
            skills(mean.over_median),
            skills(mean.over_quantile)
        ));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::testing::model, score::weekly::WeeklyScore};

    #[test]
    fn skills_over_the_week_are_shown_and_judged() {
        let mut rows = model(
            "m",
            &[("a", 900, 1.0), ("a", 10_800, 1.0), ("b", 10_800, 1.0)],
        )
        .rows;
        assert_eq!(text(&rows), None);
        assert_eq!(short_of_the_week(&rows), Vec::<String>::new());
        for (row, loss) in rows.iter_mut().skip(1).zip([[0.8, 1.0], [0.6, 1.0]]) {
            row.weekly = WeeklyRow::new(&WeeklyScore {
                count: 7,
                loss,
                median_loss: [1.0, 1.25],
                quantile_loss: [1.0, 1.0],
            });
        }
        rows[2].weekly.as_mut().unwrap().over_median[1] = -0.4;
        let text = text(&rows).unwrap();
        for expected in [
            "a                      180       7 |   0.200   0.200 |   0.200   0.000",
            "mean of the lines      180         |   0.300  -0.100 |   0.300   0.000",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(
            short_of_the_week(&rows),
            ["at 180 min: skill -0.100 of the peak's q85 over the median of the last seven days"]
        );
    }
}
