//! What a model has to keep to: never much worse than a forecast without a model, and quantiles that cover what they
//! promise.

use std::ops::RangeInclusive;

use super::rows::{OutputRow, Row};

/// So much worse than what it is compared with is no reason to object.
pub const WORSE_ALLOWED: f64 = 0.02;

/// A quantile, and where the share of outcomes at or below it has to lie.
pub struct Coverage {
    pub quantile: f64,
    pub within: RangeInclusive<f64>,
    /// One source at one horizon outside of this is far off, whatever the average.
    pub never_outside: RangeInclusive<f64>,
}

/// The quantiles that capacity is chosen by.
pub const COVERAGE: [Coverage; 2] = [
    Coverage {
        quantile: 0.9,
        within: 0.88..=0.92,
        never_outside: 0.85..=0.95,
    },
    Coverage {
        quantile: 0.95,
        within: 0.935..=0.965,
        never_outside: 0.90..=0.985,
    },
];

/// The outputs of a row by name.
pub fn outputs(row: &Row) -> [(&'static str, &OutputRow); 2] {
    [("level", &row.level), ("peak", &row.peak)]
}

/// Where the model is worse than a forecast without a model by more than [`WORSE_ALLOWED`], line by line.
pub fn worse_than_naive(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        let mut compared = vec![
            ("MAE", row.mae, row.persistence_mae, "persistence"),
            ("MAE", row.mae, row.best_naive_mae, row.best_naive.name()),
        ];
        // Where persistence is the best, it counts once.
        compared.dedup_by(|later, earlier| later.3 == earlier.3);
        for (name, output) in outputs(row) {
            let what = match name {
                "level" => "pinball of the level",
                _ => "pinball of the peak",
            };
            compared.push((
                what,
                output.pinball,
                output.naive_pinball,
                "the naive reference",
            ));
        }
        for (what, ours, theirs, whose) in compared {
            if ours > theirs * (1.0 + WORSE_ALLOWED) {
                lines.push(format!(
                    "{} at {} min: {what} {ours:.4} is {:.1} % above {theirs:.4} of {whose}",
                    row.source,
                    row.minutes(),
                    (ours / theirs - 1.0) * 100.0
                ));
            }
        }
    }
    lines
}

/// Where coverage lies outside its bounds, line by line.
pub fn coverage_outside(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        for (name, output) in outputs(row) {
            for bound in &COVERAGE {
                let found = output.coverage_at(bound.quantile);
                if !bound.within.contains(&found) {
                    lines.push(format!(
                        "{} at {} min: q{:.0} of the {name} covers {found:.3}",
                        row.source,
                        row.minutes(),
                        bound.quantile * 100.0
                    ));
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::model;

    #[test]
    fn two_percent_are_allowed_and_more_is_named() {
        // Persistence errs by 2, the best naive by 1.6; pinball is mae / 2 against 1.
        for (mae, expected) in [
            (1.0, &[][..]),
            (1.63, &[]),
            (
                1.64,
                &["MAE 1.6400 is 2.5 % above 1.6000 of mean of 12 points"],
            ),
            (
                2.2,
                &[
                    "of persistence",
                    "of mean of 12 points",
                    "pinball of the level 1.1000 is 10.0 % above",
                    "pinball of the peak",
                ],
            ),
        ] {
            let lines = worse_than_naive(&model("m", &[("a", 900, mae)]).rows);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            for (line, words) in lines.iter().zip(expected) {
                assert!(
                    line.starts_with("a at 15 min: ") && line.contains(words),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn coverage_is_checked_for_level_and_peak() {
        let mut rows = model("m", &[("a", 900, 1.0)]).rows;
        assert_eq!(coverage_outside(&rows), Vec::<String>::new());
        rows[0].peak.quantiles[2].coverage = 0.879;
        rows[0].level.quantiles[3].coverage = f64::NAN;
        assert_eq!(
            coverage_outside(&rows),
            [
                "a at 15 min: q95 of the level covers NaN",
                "a at 15 min: q90 of the peak covers 0.879"
            ]
        );
    }
}
