//! A model against scores that somebody else's got on the same data.

use serde::{Deserialize, Serialize};

use super::{
    bounds,
    rows::{Row, find},
};

/// Scores to reach: what `--reference` names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose scores they are.
    pub of: String,
    pub rows: Vec<ReferenceRow>,
}

/// One source at one horizon.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRow {
    pub source: String,
    pub horizon_seconds: u32,
    /// 1 - MAE over that of persistence.
    pub mae_skill: f64,
    /// 1 - pinball loss of the peak's q90 over that of peak-hold with an empirical quantile.
    pub peak_q90_skill: f64,
    /// The same of q95.
    pub peak_q95_skill: f64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whose scores they are.
    pub of: String,
    pub figures: Vec<Figure>,
    /// Mean of ours - theirs over the figures that we have.
    pub mean_difference: f64,
    /// Lines; empty when no source is worse than persistence or the best naive forecast by more than 2 %.
    pub worse_than_naive: Vec<String>,
    /// Lines; empty when coverage is within bounds everywhere.
    pub coverage_outside: Vec<String>,
}

/// One score. `ours` is null when the data has no such source or horizon.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub source: String,
    pub horizon_seconds: u32,
    pub what: &'static str,
    pub ours: f64,
    pub reference: f64,
    pub reached: bool,
}

impl Comparison {
    /// `rows` against `reference`.
    pub fn new(rows: &[Row], reference: &Reference) -> Self {
        let mut figures = Vec::new();
        for wanted in &reference.rows {
            let row = find(rows, &wanted.source, wanted.horizon_seconds);
            let ours = |of: fn(&Row) -> f64| row.map_or(f64::NAN, of);
            for (what, ours, reference) in [
                (
                    "MAE skill",
                    ours(|row| row.skill_persistence),
                    wanted.mae_skill,
                ),
                (
                    "peak q90",
                    ours(|row| row.peak.skill_at(0.9)),
                    wanted.peak_q90_skill,
                ),
                (
                    "peak q95",
                    ours(|row| row.peak.skill_at(0.95)),
                    wanted.peak_q95_skill,
                ),
            ] {
                figures.push(Figure {
                    source: wanted.source.clone(),
                    horizon_seconds: wanted.horizon_seconds,
                    what,
                    ours,
                    reference,
                    reached: ours >= reference,
                });
            }
        }
        let known: Vec<f64> = figures
            .iter()
            .map(|figure| figure.ours - figure.reference)
            .filter(|difference| !difference.is_nan())
            .collect();
        Self {
            of: reference.of.clone(),
            mean_difference: known.iter().sum::<f64>() / known.len() as f64,
            figures,
            worse_than_naive: bounds::worse_than_naive(rows),
            coverage_outside: bounds::coverage_outside(rows),
        }
    }

    /// As text: the figures, then a verdict on each of the three demands with what speaks against it.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("against {}", self.of)];
        let mut heading = format!("{:<22} {:>3}", "source", "min");
        let per_row = self.figures.chunk_by(|left, right| {
            (&left.source, left.horizon_seconds) == (&right.source, right.horizon_seconds)
        });
        for figure in self.figures.iter().take(3) {
            heading.push_str(&format!(
                " | {:>9} {:>9} {:>7}",
                figure.what, "reference", "more"
            ));
        }
        lines.push(heading);
        for row in per_row {
            let mut line = format!("{:<22} {:>3}", row[0].source, row[0].horizon_seconds / 60);
            for Figure {
                ours,
                reference,
                reached,
                ..
            } in row
            {
                let mark = if *reached { ' ' } else { '<' };
                let more = ours - reference;
                line.push_str(&format!(
                    " | {ours:>9.3} {reference:>9.3} {more:>+6.3}{mark}"
                ));
            }
            lines.push(line);
        }
        lines.push(format!(
            "mean of what is more: {:+.3}",
            self.mean_difference
        ));
        lines.push(String::new());
        let below: Vec<String> = self
            .figures
            .iter()
            .filter(|figure| !figure.reached)
            .map(|figure| {
                format!(
                    "{} at {} min: {} {:.3}, reference {:.3}",
                    figure.source,
                    figure.horizon_seconds / 60,
                    figure.what,
                    figure.ours,
                    figure.reference
                )
            })
            .collect();
        let all = self.figures.len();
        let demands = [
            (
                format!("at or above the reference: {} of {all} figures", all - below.len()),
                &below,
            ),
            (
                "no source worse than persistence or the best naive forecast by more than 2 % in MAE or pinball".to_owned(),
                &self.worse_than_naive,
            ),
            (
                "coverage of q90 within 0.88 to 0.92 and of q95 within 0.935 to 0.965, everywhere".to_owned(),
                &self.coverage_outside,
            ),
        ];
        for (demand, against) in demands {
            let verdict = if against.is_empty() {
                "met    "
            } else {
                "NOT MET"
            };
            lines.push(format!("{verdict} {demand}"));
            lines.extend(against.iter().map(|line| format!("          {line}")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::model;

    fn reference(mae_skill: f64) -> Reference {
        let text = format!(
            r#"{{"of": "theirs", "rows": [
                {{"source": "a", "horizon_seconds": 900, "mae_skill": {mae_skill}, "peak_q90_skill": 0.4, "peak_q95_skill": 0.4}}
            ]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_figure_is_compared_and_each_demand_judged() {
        // Skills of 0.5 everywhere.
        let rows = model("m", &[("a", 900, 1.0)]).rows;
        let met = Comparison::new(&rows, &reference(0.5));
        assert!(met.figures.iter().all(|figure| figure.reached), "{met:?}");
        assert!((met.mean_difference - 0.2 / 3.0).abs() < 1e-9);
        assert!(!met.text().contains("NOT MET"), "{}", met.text());

        let missed = Comparison::new(&rows, &reference(0.51)).text();
        for expected in [
            "NOT MET at or above the reference: 2 of 3",
            "a at 15 min: MAE skill 0.500, reference 0.510",
            "-0.010<",
            "met     no source worse",
        ] {
            assert!(missed.contains(expected), "{missed}\nlacks {expected:?}");
        }
    }

    #[test]
    fn what_the_data_lacks_is_not_reached() {
        let none = Comparison::new(&model("m", &[("b", 900, 1.0)]).rows, &reference(0.5));
        assert!(none.figures.iter().all(|figure| !figure.reached));
        assert!(none.text().contains("0 of 3"));
    }

    #[test]
    fn the_committed_reference_is_understood() {
        let text = include_str!("../../../../artifacts/reference.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        assert_eq!(reference.rows.len(), 12);
    }
}
