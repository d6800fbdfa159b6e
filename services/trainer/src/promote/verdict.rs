//! Whether a model may take over. Pure.

use std::{collections::BTreeMap, fmt};

use crate::report::{
    bounds::{self, COVERAGE, WORSE_ALLOWED},
    model::ModelReport,
    rows::Row,
};

/// So much of what speaks against a model is listed for each check.
const MOST_LISTED: usize = 12;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub passed: bool,
    pub text: String,
    /// What speaks against it, one line each.
    pub against: Vec<String>,
}

impl Check {
    fn new(passed: bool, text: String) -> Self {
        Self {
            passed,
            text,
            against: Vec::new(),
        }
    }

    /// Passed when nothing speaks against it.
    fn listing(text: String, against: Vec<String>) -> Self {
        Self {
            passed: against.is_empty(),
            text,
            against,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passed { "ok" } else { "NO" };
        write!(formatter, "  {mark}  {}", self.text)?;
        for line in self.against.iter().take(MOST_LISTED) {
            write!(formatter, "\n        {line}")?;
        }
        match self.against.len().saturating_sub(MOST_LISTED) {
            0 => Ok(()),
            more => write!(formatter, "\n        and {more} more"),
        }
    }
}

/// A loss that models are compared by, and that of the forecast without a model.
struct Loss {
    name: &'static str,
    of: fn(&Row) -> f64,
    naive: fn(&Row) -> f64,
}

const LOSSES: [Loss; 2] = [
    Loss {
        name: "pinball loss",
        of: |row| row.level.pinball + row.peak.pinball,
        naive: |row| row.level.naive_pinball + row.peak.naive_pinball,
    },
    Loss {
        name: "MAE",
        of: |row| row.mae,
        naive: |row| row.persistence_mae,
    },
];

/// Everything that is demanded of `candidate`; all must pass. Without a served model it has to beat the naive forecasts.
pub fn checks(candidate: &ModelReport, served: Option<&ModelReport>) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(served) = served
        && served.sha256 == candidate.sha256
    {
        let text = "the candidate is another model than the one that is served";
        return vec![Check::new(false, text.to_owned())];
    }
    match served {
        Some(served) => {
            let pairs = common_rows(candidate, served);
            let lacking = served.rows.len() - pairs.len();
            checks.push(Check::new(
                lacking == 0 && !pairs.is_empty(),
                format!(
                    "the candidate forecasts the sources and horizons that are served: {} in common, {lacking} lacking",
                    pairs.len()
                ),
            ));
            let new: Vec<Row> = rows_beyond(candidate, served).cloned().collect();
            if !new.is_empty() {
                checks.push(Check::listing(
                    format!(
                        "of {} that are not served: nowhere worse than the naive forecasts by more than 2 %",
                        new.len()
                    ),
                    bounds::worse_than_naive(&new),
                ));
            }
            for loss in &LOSSES {
                checks.push(better(loss, &pairs));
                checks.push(no_source_worse(loss, &pairs));
            }
        }
        None => {
            checks.push(Check::listing(
                "nothing is served yet: nowhere worse than the naive forecasts by more than 2 %"
                    .to_owned(),
                bounds::worse_than_naive(&candidate.rows),
            ));
        }
    }
    checks.extend(calibration(&candidate.rows));
    checks
}

fn common_rows<'a>(candidate: &'a ModelReport, served: &'a ModelReport) -> Vec<(&'a Row, &'a Row)> {
    let rows = candidate.rows.iter();
    rows.filter_map(|row| Some((row, same_row(served, row)?)))
        .collect()
}

/// What `candidate` forecasts and `served` does not.
fn rows_beyond<'a>(
    candidate: &'a ModelReport,
    served: &'a ModelReport,
) -> impl Iterator<Item = &'a Row> {
    let rows = candidate.rows.iter();
    rows.filter(|row| same_row(served, row).is_none())
}

/// The row of the same source and horizon.
fn same_row<'a>(report: &'a ModelReport, row: &Row) -> Option<&'a Row> {
    let mut rows = report.rows.iter();
    rows.find(|other| (&other.source, other.horizon_seconds) == (&row.source, row.horizon_seconds))
}

/// Sources differ in how much there is to lose, so each loss is divided by that of the forecast without a model; then
/// every source and horizon counts alike.
fn better(loss: &Loss, pairs: &[(&Row, &Row)]) -> Check {
    let mean = |of: &dyn Fn(&(&Row, &Row)) -> f64| {
        let shares: Vec<f64> = pairs
            .iter()
            .map(of)
            .filter(|share| share.is_finite())
            .collect();
        shares.iter().sum::<f64>() / shares.len() as f64
    };
    let ours = mean(&|(row, _)| (loss.of)(row) / (loss.naive)(row));
    let theirs = mean(&|(_, row)| (loss.of)(row) / (loss.naive)(row));
    Check::new(
        ours < theirs,
        format!(
            "{}, mean over sources and horizons of its share of the naive forecast's: {ours:.4}, served {theirs:.4}",
            loss.name
        ),
    )
}

fn no_source_worse(loss: &Loss, pairs: &[(&Row, &Row)]) -> Check {
    let mut sums = BTreeMap::<&str, (f64, f64)>::new();
    for (ours, theirs) in pairs {
        let sum = sums.entry(&ours.source).or_default();
        sum.0 += (loss.of)(ours);
        sum.1 += (loss.of)(theirs);
    }
    let worse: Vec<String> = sums
        .iter()
        .filter(|(_, (ours, theirs))| *ours > theirs * (1.0 + WORSE_ALLOWED))
        .map(|(source, (ours, theirs))| {
            format!("{source} by {:.1} %", (ours / theirs - 1.0) * 100.0)
        })
        .collect();
    Check::listing(
        format!(
            "{}: no source worse than served by more than 2 %",
            loss.name
        ),
        worse,
    )
}

fn calibration(rows: &[Row]) -> Vec<Check> {
    let mut checks = Vec::new();
    for bound in &COVERAGE {
        for output in 0..2 {
            let mut by_source = BTreeMap::<&str, Vec<f64>>::new();
            let mut far_off = Vec::new();
            let mut name = "";
            for row in rows {
                let (output_name, output) = bounds::outputs(row)[output];
                name = output_name;
                let covered = output.coverage_at(bound.quantile);
                by_source.entry(&row.source).or_default().push(covered);
                if !bound.never_outside.contains(&covered) {
                    far_off.push(format!(
                        "{} at {} min {covered:.3}",
                        row.source,
                        row.minutes()
                    ));
                }
            }
            let means: Vec<f64> = by_source
                .values()
                .map(|covered| covered.iter().sum::<f64>() / covered.len() as f64)
                .collect();
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            let quantile = bound.quantile * 100.0;
            checks.push(Check::new(
                bound.within.contains(&mean),
                format!(
                    "q{quantile:.0} of the {name} covers {mean:.3} on average over sources; {} to {} is right",
                    bound.within.start(),
                    bound.within.end()
                ),
            ));
            checks.push(Check::listing(
                format!(
                    "q{quantile:.0} of the {name} nowhere outside {} to {}",
                    bound.never_outside.start(),
                    bound.never_outside.end()
                ),
                far_off,
            ));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::model;

    fn named(sha256: &str, cells: &[(&str, u32, f64)]) -> ModelReport {
        let mut report = model("m", cells);
        report.sha256 = sha256.to_owned();
        report
    }

    fn against(candidate: &ModelReport, served: &ModelReport) -> Vec<String> {
        checks(candidate, Some(served))
            .into_iter()
            .filter(|check| !check.passed)
            .map(|check| check.to_string())
            .collect()
    }

    #[test]
    fn a_better_and_calibrated_model_takes_over() {
        let served = named("old", &[("a", 900, 1.0), ("b", 900, 1.0)]);
        for (cells, expected) in [
            (&[("a", 900, 0.9), ("b", 900, 0.9)][..], &[][..]),
            (&[("a", 900, 0.8), ("b", 900, 1.01)], &[]),
            (
                &[("a", 900, 1.0), ("b", 900, 1.0)],
                &["pinball loss, mean", "MAE, mean"],
            ),
            (
                &[("a", 900, 0.5), ("b", 900, 1.1)],
                &[
                    "pinball loss: no source worse than served by more than 2 %\n        b by 10.0 %",
                    "MAE: no source",
                ],
            ),
            (&[("a", 900, 0.5)], &["1 in common, 1 lacking"]),
            (&[("a", 900, 0.9), ("b", 900, 0.9), ("b", 3_600, 0.9)], &[]),
            (
                &[("a", 900, 0.9), ("b", 900, 0.9), ("b", 3_600, 1.7)],
                &["of 1 that are not served"],
            ),
        ] {
            let lines = against(&named("new", cells), &served);
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            for (line, words) in lines.iter().zip(expected) {
                assert!(line.contains(words), "{line:?} lacks {words:?}");
            }
        }
        let lines = against(&named("old", &[("a", 900, 0.1)]), &served);
        assert_eq!(
            lines,
            ["  NO  the candidate is another model than the one that is served"]
        );
    }

    #[test]
    fn a_better_model_that_is_not_calibrated_does_not() {
        let served = named("old", &[("a", 900, 1.0), ("b", 900, 1.0)]);
        let mut candidate = named("new", &[("a", 900, 0.5), ("b", 900, 0.5)]);
        // One source a little off: the average holds.
        candidate.rows[0].peak.quantiles[2].coverage = 0.87;
        assert_eq!(against(&candidate, &served), Vec::<String>::new());
        // Both: it doesn't.
        candidate.rows[1].peak.quantiles[2].coverage = 0.86;
        let lines = against(&candidate, &served);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("q90 of the peak covers 0.865"),
            "{lines:?}"
        );
        // Far off in one place, right on average.
        candidate.rows[0].peak.quantiles[2].coverage = 0.97;
        candidate.rows[1].peak.quantiles[2].coverage = 0.84;
        let lines = against(&candidate, &served);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].ends_with("\n        a at 15 min 0.970\n        b at 15 min 0.840"),
            "{lines:?}"
        );
        candidate.rows[0].level.quantiles[3].coverage = f64::NAN;
        assert!(
            against(&candidate, &served).len() > 1,
            "unknown is not calibrated"
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let check = Check::listing("x".to_owned(), vec!["y".to_owned(); MOST_LISTED + 3]);
        let text = check.to_string();
        assert!(
            text.starts_with("  NO  x\n        y\n") && text.ends_with("and 3 more"),
            "{text}"
        );
    }

    #[test]
    fn where_nothing_is_served_the_naive_forecasts_must_be_beaten() {
        let failed = |mae| {
            let checks = checks(&named("new", &[("a", 900, mae)]), None);
            checks.iter().filter(|check| !check.passed).count()
        };
        assert_eq!((failed(1.0), failed(1.8)), (0, 1));
    }
}
