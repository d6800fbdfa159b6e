//! A few series with what would have been forecast for them, hour after hour.

use forecasting::{
    artifact::booster::BoosterError, forecast::Forecaster, series::history::History,
};

use crate::{
    data::Source,
    evaluate::origins::{first_scored, known_at, moves},
};

/// How much of a series is shown, and how much history each forecast has.
const SHOWN_SECONDS: usize = 2 * 86_400;
const HISTORY_SECONDS: u32 = 7 * 86_400;
/// Forecasts that a plot has room for.
pub const MOST_POINTS: usize = 96;
const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];

/// One series.
pub struct Example {
    pub source: String,
    pub series: String,
    pub horizon_seconds: u32,
    /// Oldest first.
    pub points: Vec<Point>,
}

/// A forecast and what came. Percent of capacity; NaN is unknown.
pub struct Point {
    /// Hours before the end of the series.
    pub hours: f64,
    pub actual: f64,
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

/// One series of each source at the longest horizon, as it would have been served, at no more than `most` times.
///
/// # Errors
/// When the model fails.
pub fn examples(
    forecaster: &Forecaster,
    sources: &[Source],
    most: usize,
) -> Result<Vec<Example>, BoosterError> {
    let horizons = &forecaster.artifact().manifest.horizons_seconds;
    let Some(horizon_seconds) = horizons.last().copied() else {
        return Ok(Vec::new());
    };
    let mut examples = Vec::new();
    for source in sources {
        let mut moving = source.series.iter().filter(|(_, history)| moves(history));
        if let Some((id, history)) = moving.next() {
            examples.push(Example {
                source: source.name.clone(),
                series: id.clone(),
                horizon_seconds,
                points: points(forecaster, history, horizon_seconds, most)?,
            });
        }
    }
    Ok(examples)
}

fn points(
    forecaster: &Forecaster,
    history: &History,
    horizon_seconds: u32,
    most: usize,
) -> Result<Vec<Point>, BoosterError> {
    let step = history.step_seconds() as usize;
    let ahead = horizon_seconds as usize / step;
    let end = history.len();
    let first = end
        .saturating_sub(SHOWN_SECONDS / step)
        .max(first_scored(history).min(end))
        .max(ahead);
    let every = (end - first).div_ceil(most).max(1);
    let mut points = Vec::new();
    for target in (first..end).step_by(every) {
        let series = known_at(history, target - ahead, HISTORY_SECONDS);
        let row = match series.cpu.is_empty() {
            true => vec![f64::NAN; 3],
            false => forecaster
                .forecast(&[series], &[horizon_seconds], &QUANTILES)?
                .into_iter()
                .flat_map(|forecast| forecast.horizons)
                .next()
                .map_or(vec![f64::NAN; 3], |horizon| horizon.level),
        };
        points.push(Point {
            hours: -(((end - 1 - target) * step) as f64) / 3_600.0,
            actual: history.observed(target),
            low: row[0],
            median: row[1],
            high: row[2],
        });
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecasting::artifact::{Artifact, Location};

    #[test]
    fn forecasts_stand_beside_what_came_and_know_nothing_of_it() {
        let values: Vec<f32> = (0..600).map(|point| 20.0 + (point % 12) as f32).collect();
        let mut surprised = values.clone();
        surprised[599] = 90.0;
        let forecaster = Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap();
        let shown = |values: Vec<f32>| {
            let sources = [Source {
                name: "made".to_owned(),
                series: vec![
                    ("flat".to_owned(), History::new(300, vec![5.0; 600])),
                    ("saw".to_owned(), History::new(300, values)),
                ],
            }];
            examples(&forecaster, &sources, 8).unwrap()
        };
        let (calm, surprise) = (shown(values), shown(surprised));
        assert_eq!((calm.len(), calm[0].series.as_str()), (1, "saw"));
        let (calm, surprise) = (&calm[0].points, &surprise[0].points);
        assert!((4..=8).contains(&calm.len()), "{}", calm.len());
        for (left, right) in calm.iter().zip(surprise) {
            assert_eq!((left.low, left.high), (right.low, right.high));
            assert!(left.low <= left.median && left.median <= left.high);
        }
        assert!(
            calm.iter()
                .all(|point| (-48.0..=0.0).contains(&point.hours))
        );
    }
}
