//! The scores of models, side by side.

use anyhow::Context as _;
use forecasting::{
    artifact::{Artifact, Location},
    forecast::Forecaster,
};
use serde::Serialize;

use super::{
    peers::PeerReport,
    reference::Comparison,
    rows::{Row, SeriesRow, pooled, rows},
};
use crate::{
    data::Source,
    evaluate::{self, Caller},
    score::SeriesScore,
};

/// The scores of one or more models on the same series.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order they were named.
    pub models: Vec<ModelReport>,
    /// Those that need no training, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerReport>,
}

/// The scores of one model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// Where it was read from.
    pub model: String,
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// SHA-256 over its files.
    pub sha256: String,
    /// By source and horizon.
    pub rows: Vec<Row>,
    /// By source, series and horizon.
    pub series: Vec<SeriesRow>,
    /// All sources together, by horizon.
    pub pooled: Vec<Row>,
    /// Against the reference, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

impl ModelReport {
    /// Of `artifact`, which was read from `model`.
    pub fn new(model: String, artifact: &Artifact, scores: &[SeriesScore]) -> Self {
        Self {
            model,
            name: artifact.manifest.name.clone(),
            version: artifact.manifest.version.clone(),
            sha256: artifact.sha256.clone(),
            rows: rows(scores),
            series: scores
                .iter()
                .filter(|found| found.score.count > 0)
                .map(SeriesRow::new)
                .collect(),
            pooled: pooled(scores),
            comparison: None,
        }
    }
}

/// Opens the model at `location` and scores it on `sources`.
///
/// # Errors
/// When it is refused or fails.
pub fn score(
    location: &Location,
    sources: &[Source],
    stride: u32,
    caller: Caller,
) -> anyhow::Result<(ModelReport, Forecaster, Vec<SeriesScore>)> {
    let artifact = Artifact::open(location, 1).with_context(|| location.to_string())?;
    let forecaster = Forecaster::new(artifact).with_context(|| location.to_string())?;
    let scores = evaluate::evaluate(&forecaster, sources, stride as usize, caller)?;
    let report = ModelReport::new(location.to_string(), forecaster.artifact(), &scores);
    Ok((report, forecaster, scores))
}

#[cfg(test)]
mod tests {
    use crate::report::testing::model;

    #[test]
    fn rows_are_means_and_skills() {
        let model = model("m", &[("a", 900, 1.0)]);
        let row = &model.rows[0];
        assert_eq!(
            (row.mae, row.persistence_mae, row.best_naive_mae),
            (1.0, 2.0, 1.6)
        );
        assert_eq!((row.skill_persistence, row.skill_best_naive), (0.5, 0.375));
        assert_eq!((row.series, row.series_behind_best_naive), (1, 0));
        assert_eq!((row.peak.pinball, row.peak.pinball_skill), (0.5, 0.5));
        assert_eq!((row.level.width, row.level.naive_width), (10.0, 12.0));
        assert_eq!(row.level.coverage_at(0.95), 0.95);
        assert!(row.level.skill_at(0.33).is_nan());
        let json = serde_json::to_value(&model).unwrap();
        assert_eq!(json["rows"][0]["best_naive"], "mean12");
        assert_eq!(json["series"][0]["peak_q95_skill"], 0.5);
    }
}
