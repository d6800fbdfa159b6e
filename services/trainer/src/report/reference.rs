//! A model against scores that somebody else's got on the same data.

use serde::{Deserialize, Serialize};

use super::{
    bounds, reliability,
    rows::{Row, find},
    weekly,
};
use crate::data;

const MAE_SKILL: &str = "MAE skill";

/// Scores to reach: what `--reference` names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose scores they are.
    pub of: String,
    /// The mean of our MAE skills has to be so much above theirs.
    #[serde(default)]
    pub least_mean_more: f64,
    pub rows: Vec<ReferenceRow>,
}

/// One source at one horizon.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRow {
    pub source: String,
    /// The grid that they averaged onto, where it isn't that of the data.
    #[serde(default)]
    pub step_seconds: Option<u32>,
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
    /// Mean of ours - theirs over the MAE skills that we have, and what it has to be.
    pub mean_more: f64,
    pub least_mean_more: f64,
    /// Lines; empty when no source is worse than persistence or the best naive forecast by more than 2 %.
    pub worse_than_naive: Vec<String>,
    /// Lines; empty when coverage, of all sources together, is within bounds at every horizon.
    pub coverage_outside: Vec<String>,
    /// Lines; empty when probabilities come true as often as stated.
    pub unreliable: Vec<String>,
    /// Lines; empty when peaks over hours have skill enough over the median of the last week.
    pub short_of_the_week: Vec<String>,
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

impl ReferenceRow {
    /// The name of the source on their grid.
    pub fn scored_as(&self) -> String {
        match self.step_seconds {
            Some(step_seconds) => data::on_step(&self.source, step_seconds),
            None => self.source.clone(),
        }
    }
}

impl Comparison {
    /// A model's `rows`, and those of all sources together, against `reference`.
    pub fn new(rows: &[Row], pooled: &[Row], reference: &Reference) -> Self {
        let mut figures = Vec::new();
        for wanted in &reference.rows {
            let source = wanted.scored_as();
            let row = find(rows, &source, wanted.horizon_seconds);
            let ours = |of: fn(&Row) -> f64| row.map_or(f64::NAN, of);
            for (what, ours, reference) in [
                (
                    MAE_SKILL,
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
                    source: source.clone(),
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
            .filter(|figure| figure.what == MAE_SKILL)
            .map(|figure| figure.ours - figure.reference)
            .filter(|difference| !difference.is_nan())
            .collect();
        Self {
            of: reference.of.clone(),
            least_mean_more: reference.least_mean_more,
            mean_more: known.iter().sum::<f64>() / known.len() as f64,
            figures,
            worse_than_naive: bounds::worse_than_naive(rows),
            coverage_outside: bounds::coverage_outside(pooled),
            unreliable: reliability::unreliable(pooled),
            short_of_the_week: weekly::short_of_the_week(rows),
        }
    }

    /// What is demanded, and what speaks against it.
    fn demands(&self) -> Vec<(String, Vec<String>)> {
        let short = self.mean_more < self.least_mean_more || self.mean_more.is_nan();
        let mean = format!(
            "the mean MAE skill is {:+.3} above the reference's, at least {:+.3}",
            self.mean_more, self.least_mean_more
        );
        let against_mean = short.then(|| "it is less".to_owned());
        vec![
            (mean, against_mean.into_iter().collect()),
            (
                "no source worse than persistence or the best naive forecast by more than 2 % in MAE or pinball".to_owned(),
                self.worse_than_naive.clone(),
            ),
            (
                "coverage of all sources together: q90 within 0.88 to 0.92, q95 within 0.935 to 0.965".to_owned(),
                self.coverage_outside.clone(),
            ),
            (
                format!("probabilities come true as often as stated, within {}", reliability::LARGEST_ERROR),
                self.unreliable.clone(),
            ),
            (
                format!("peaks over hours have a skill of {} over the median of the last seven days", weekly::LEAST_SKILL),
                self.short_of_the_week.clone(),
            ),
        ]
    }

    /// How many demands are not met.
    pub fn not_met(&self) -> usize {
        let missed = |(_, against): &&(String, Vec<String>)| !against.is_empty();
        self.demands().iter().filter(missed).count()
    }

    /// As text: the figures, then a verdict on each demand with what speaks against it.
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
        lines.push(String::new());
        let reached = self.figures.iter().filter(|figure| figure.reached).count();
        lines.push(format!(
            "at or above the reference: {reached} of {} figures",
            self.figures.len()
        ));
        for (demand, against) in self.demands() {
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
    use crate::report::{model::ModelReport, testing::model};

    fn compared(model: &ModelReport, reference: &Reference) -> Comparison {
        Comparison::new(&model.rows, &model.pooled, reference)
    }

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
        let model = model("m", &[("a", 900, 1.0)]);
        let met = compared(&model, &reference(0.5));
        assert!(met.figures.iter().all(|figure| figure.reached), "{met:?}");
        assert!(met.mean_more.abs() < 1e-9);
        assert_eq!(met.not_met(), 0);
        assert!(!met.text().contains("NOT MET"), "{}", met.text());

        let missed = compared(&model, &reference(0.51));
        assert_eq!(missed.not_met(), 1);
        let missed = missed.text();
        for expected in [
            "at or above the reference: 2 of 3 figures",
            "NOT MET the mean MAE skill is -0.010 above the reference's, at least +0.000",
            "-0.010<",
            "met     no source worse",
        ] {
            assert!(missed.contains(expected), "{missed}\nlacks {expected:?}");
        }
    }

    #[test]
    fn what_the_data_lacks_is_not_reached() {
        let none = compared(&model("m", &[("b", 900, 1.0)]), &reference(0.5));
        assert!(none.figures.iter().all(|figure| !figure.reached));
        assert!(none.text().contains("0 of 3"));
        assert_eq!(none.not_met(), 1);
    }

    #[test]
    fn their_grid_is_compared_with_ours_on_the_same() {
        let mut reference = reference(0.5);
        reference.rows[0].step_seconds = Some(300);
        let of = |source: &str| compared(&model("m", &[(source, 900, 1.0)]), &reference);
        assert!(!of("a").figures[0].reached);
        assert!(of("a at 300 s").figures[0].reached);
    }

    #[test]
    fn the_committed_reference_is_understood() {
        let text = include_str!("../../../../artifacts/reference.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        assert_eq!(reference.rows.len(), 12);
    }
}
