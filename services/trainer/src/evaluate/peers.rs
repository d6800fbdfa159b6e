//! Forecasts without training that ours has to stand beside, scored at the same origins with the same rules.

mod flair;
mod seasonal;

use std::convert::Infallible;

use clap::ValueEnum;
use forecasting::series::history::History;
use serde::Serialize;

use super::{
    of_each,
    origins::asked,
    scorer::{Scorer, Statement},
};
use crate::{
    data::Source,
    score::{Score, SeriesScore},
};

/// One that needs no training.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// FLAIR: a level and a shape of the period, extrapolated by ridge regression
    Flair,
    /// As now, as yesterday and as last week, mixed by how well each did lately
    Seasonal,
}

impl Peer {
    /// In headings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flair => "flair",
            Self::Seasonal => "seasonal",
        }
    }
}

/// One score for each series and horizon, at every `stride`-th origin.
pub fn evaluate(
    peer: Peer,
    sources: &[Source],
    (horizons, quantiles): (&[u32], &[f64]),
    stride: usize,
) -> Vec<SeriesScore> {
    let scored = of_each(sources, peer.name(), |history| {
        Ok::<_, Infallible>(score(peer, history, (horizons, quantiles), stride))
    });
    let Ok(scores) = scored;
    scores
}

fn score(
    peer: Peer,
    history: &History,
    (horizons, quantiles): (&[u32], &[f64]),
    stride: usize,
) -> Vec<(u32, Score)> {
    let step = history.step_seconds();
    let steps: Vec<usize> = horizons.iter().map(|h| (*h / step) as usize).collect();
    let scorer = |horizon: &u32| Scorer::new(history, *horizon, quantiles);
    let mut scorers: Vec<Scorer<'_>> = horizons.iter().map(scorer).collect();
    let mix = |steps: &usize| seasonal::Mix::new(history, *steps, quantiles);
    let mut mixes: Vec<seasonal::Mix<'_>> = match peer {
        Peer::Flair => Vec::new(),
        Peer::Seasonal => steps.iter().map(mix).collect(),
    };
    for origin in asked(history, stride) {
        let statements: Vec<Statement> = match peer {
            Peer::Flair => flair::forecast(history, origin, &steps, quantiles),
            Peer::Seasonal => mixes.iter_mut().map(|mix| mix.forecast(origin)).collect(),
        };
        for (scorer, statement) in scorers.iter_mut().zip(statements) {
            scorer.score(origin, &statement, &statement);
        }
    }
    let scores = scorers.into_iter().map(Scorer::into_score);
    horizons.iter().copied().zip(scores).collect()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const DAY: usize = 288;

    /// Six days with a daily and an hourly wave.
    fn waves() -> History {
        let value = |step: usize| {
            let day = (step as f64 / DAY as f64 * TAU).sin();
            let hour = (step as f64 / 12.0 * TAU).sin();
            (40.0 + 25.0 * day + 5.0 * hour) as f32
        };
        History::new(300, (0..8 * DAY).map(value).collect())
    }

    #[test]
    fn what_repeats_is_forecast_by_each() {
        let sources = [Source {
            name: "waves".to_owned(),
            series: vec![("a".to_owned(), waves())],
        }];
        let quantiles = [0.05, 0.5, 0.95];
        for peer in [Peer::Flair, Peer::Seasonal] {
            let scores = evaluate(peer, &sources, (&[900, 3_600], &quantiles), 24);
            assert_eq!(scores.len(), 2);
            for found in scores {
                let score = &found.score;
                assert!(score.count > 20, "{peer:?} {}", score.count);
                let persistence = score.naive_errors[0];
                assert!(
                    score.error < 0.6 * persistence,
                    "{peer:?} at {} s: {} against {persistence}",
                    found.horizon_seconds,
                    score.error
                );
                assert!(score.peak.loss() < score.peak.naive_loss(), "{peer:?}");
            }
        }
    }

    #[test]
    fn statements_are_quantiles_in_order_within_capacity() {
        let history = waves();
        let quantiles = [0.05, 0.5, 0.95];
        let steps = [3, 12];
        let mut statements = flair::forecast(&history, 5 * DAY, &steps, &quantiles);
        for steps in steps {
            statements.push(seasonal::Mix::new(&history, steps, &quantiles).forecast(5 * DAY));
        }
        assert_eq!(statements.len(), 4);
        for statement in statements {
            for row in [&statement.level, &statement.peak] {
                assert!(row.is_sorted(), "{row:?}");
                assert!(
                    row.iter().all(|value| (0.0..=100.0).contains(value)),
                    "{row:?}"
                );
            }
        }
        // Of less than it needs it says nothing.
        assert!(flair::forecast(&history, 3, &steps, &quantiles).is_empty());
    }
}
