//! Which features moved a point forecast, and how far: TreeSHAP of the median's model.

mod sentence;
mod span;
mod unit;

use super::{answer::Forecast, forecaster::Forecaster, prepared::Prepared, question::Question};
use crate::{
    artifact::booster::{BoosterError, Rows},
    features,
    series::Series,
};
use sentence::{Context, sentence};
use unit::Unit;

/// How much one feature moved a point forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Name of the feature.
    pub feature: String,
    /// Its value, NaN where missing; relative features in units of the series' spread.
    pub value: f64,
    /// How far it moved the point forecast, in the unit of the series.
    pub contribution: f64,
    /// The same in words.
    pub sentence: String,
}

impl Forecaster {
    /// For each horizon of `forecast`, which this forecaster made of `series`: at most `top` contributions, the strongest
    /// first. None where the model had no say.
    ///
    /// A contribution is the model's SHAP value times the scale of the series and the model's weight; what the gate, the
    /// calibration and the limits add afterwards has no feature to blame.
    ///
    /// # Errors
    /// When the library fails.
    pub fn explain(
        &self,
        series: &Series,
        forecast: &Forecast,
        top: usize,
    ) -> Result<Vec<Vec<Contribution>>, BoosterError> {
        let none = vec![Vec::new(); forecast.horizons.len()];
        if top == 0 {
            return Ok(none);
        }
        let prepared = Prepared::new(series, &self.artifact, &self.targets);
        let mut questions = Vec::new();
        let asked = self.questions(&prepared, &mut questions);
        // The present is the last question of each horizon.
        let mut asked_so_far = 0;
        let mut presents: Vec<&Question<'_>> = Vec::with_capacity(asked.len());
        for asked in &asked {
            asked_so_far += asked.len();
            let present = asked_so_far
                .checked_sub(1)
                .and_then(|last| questions.get(last));
            presents.extend(present.filter(|_| asked.len() > 0));
        }
        let columns = self.features.len();
        let mut values = Vec::with_capacity(forecast.horizons.len() * columns);
        let mut scale = 0.0;
        for horizon in &forecast.horizons {
            let found = presents
                .iter()
                .find(|question| question.horizon_seconds == horizon.horizon_seconds);
            let Some(question) = found else {
                return Ok(none);
            };
            scale = question.view.scale();
            features::append(
                &self.features,
                &question.view,
                question.steps(),
                &question.local,
                &mut values,
            );
        }
        let rows = Rows::new(&values, columns)?;
        let shares = self.artifact.contributions(self.targets.median(), &rows)?;
        let unit = series.capacity / 100.0;
        let names = &self.artifact.manifest.features;
        let explained = forecast
            .horizons
            .iter()
            .zip(values.chunks_exact(columns).zip(shares))
            .map(|(horizon, (values, shares))| {
                let factor = scale * unit * horizon.global_weight;
                let context = Context {
                    scale,
                    horizon_minutes: horizon.horizon_seconds / 60,
                    unit: Unit { per_percent: unit },
                };
                strongest(&shares, top)
                    .into_iter()
                    .filter(|_| factor > 0.0)
                    .map(|index| {
                        let value = f64::from(values[index]);
                        let contribution = f64::from(shares[index]) * factor;
                        Contribution {
                            sentence: sentence(self.features[index], value, contribution, &context),
                            feature: names[index].clone(),
                            value,
                            contribution,
                        }
                    })
                    .collect()
            });
        Ok(explained.collect())
    }
}

/// Positions of the `top` largest shares by size, without those that are zero. The last share is what every forecast of
/// the model has, and belongs to no feature.
fn strongest(shares: &[f32], top: usize) -> Vec<usize> {
    let features = shares.len().saturating_sub(1);
    let mut order: Vec<usize> = (0..features)
        .filter(|index| shares[*index] != 0.0)
        .collect();
    order.sort_by(|left, right| shares[*right].abs().total_cmp(&shares[*left].abs()));
    order.truncate(top);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_come_first_and_the_bias_never() {
        assert_eq!(strongest(&[0.1, -3.0, 0.0, 2.0, 99.0], 10), [1, 3, 0]);
        assert_eq!(strongest(&[0.1, -3.0, 0.0, 2.0, 99.0], 1), [1]);
        assert!(strongest(&[99.0], 5).is_empty());
    }
}
