//! Calls that wait are computed together: the model takes a row for a fraction of what a call costs it.
//!
//! Nobody waits for a batch to fill. Each call brings a task along; the first thread that is free takes its share of what
//! waits by then, and tasks that find nothing left end at once. Answers are, bit for bit, those of a call alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use proto::predictor::v1::ForecastResponse;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::convert::{self, Question};
use forecasting::{artifact::booster::BoosterError, forecast::Forecast};

use crate::{
    metrics::Metrics,
    pool::{Lost, Pool},
    store::Loaded,
};

/// Series computed together, beyond the first call.
const MOST_SERIES: usize = 64;

type Answer = Result<ForecastResponse, BoosterError>;

/// A call that waits.
struct Job {
    question: Question,
    loaded: Arc<Loaded>,
    answer: oneshot::Sender<Answer>,
    /// Held until the work is done or given up.
    _permit: OwnedSemaphorePermit,
}

/// The calls that wait, and the threads that compute them. Clones share both.
#[derive(Clone)]
pub struct Batches {
    waiting: Arc<Mutex<VecDeque<Job>>>,
    pool: Pool,
    metrics: Metrics,
}

impl Batches {
    /// Nothing waits yet.
    pub fn new(pool: Pool, metrics: Metrics) -> Self {
        Self {
            waiting: Arc::default(),
            pool,
            metrics,
        }
    }

    /// Answers `question` with `loaded`, possibly together with others.
    ///
    /// # Errors
    /// The outer when the computation panicked, the inner when the model failed.
    pub async fn answer(
        &self,
        question: Question,
        loaded: Arc<Loaded>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Answer, Lost> {
        let (answer, result) = oneshot::channel();
        self.waiting().push_back(Job {
            question,
            loaded,
            answer,
            _permit: permit,
        });
        let batches = self.clone();
        self.pool.spawn(move || batches.work());
        result.await.map_err(|_| Lost)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let jobs = self.take();
        for group in grouped(jobs) {
            self.compute(group);
        }
    }

    /// This thread's share of what waits. Calls that were given up cost nothing.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting();
        waiting.retain(|job| !job.answer.is_closed());
        let share = waiting.len().div_ceil(self.pool.threads());
        let mut series = 0;
        let count = waiting
            .iter()
            .take(share)
            .take_while(|job| {
                let before = series;
                series += job.question.series.len();
                before == 0 || series <= MOST_SERIES
            })
            .count();
        waiting.drain(..count).collect()
    }

    fn compute(&self, jobs: Vec<Job>) {
        let [first, ..] = jobs.as_slice() else { return };
        let loaded = Arc::clone(&first.loaded);
        let horizons = first.question.horizons_seconds.clone();
        let quantiles = first.question.quantiles.clone();
        let forecaster = &loaded.forecaster;
        if jobs.len() > 1 {
            // Moved together for the call, and apart again after it.
            let mut sizes = Vec::with_capacity(jobs.len());
            let mut series = Vec::new();
            let mut rest = Vec::with_capacity(jobs.len());
            for mut job in jobs {
                let mine = std::mem::take(&mut job.question.series);
                sizes.push(mine.len());
                series.extend(mine);
                rest.push(job);
            }
            let forecasts = forecaster.forecast(&series, &horizons, &quantiles);
            let mut series = series.into_iter();
            for (job, size) in rest.iter_mut().zip(sizes) {
                job.question.series = series.by_ref().take(size).collect();
            }
            match forecasts {
                Ok(forecasts) => {
                    let mut forecasts = forecasts.into_iter();
                    for job in rest {
                        let mine = forecasts.by_ref().take(job.question.series.len()).collect();
                        self.finish(job, Ok(mine));
                    }
                }
                // One of them spoiled it: the others must not pay.
                Err(_) => {
                    for job in rest {
                        self.compute(vec![job]);
                    }
                }
            }
            return;
        }
        for job in jobs {
            let forecasts = forecaster.forecast(&job.question.series, &horizons, &quantiles);
            self.finish(job, forecasts);
        }
    }

    fn finish(&self, job: Job, forecasts: Result<Vec<Forecast>, BoosterError>) {
        let Job {
            question,
            loaded,
            answer,
            _permit,
        } = job;
        let answered = forecasts.and_then(|forecasts| {
            self.metrics.answered(&forecasts);
            let explanations = match question.explain_top {
                0 => Vec::new(),
                top => question
                    .series
                    .iter()
                    .zip(&forecasts)
                    .map(|(series, forecast)| loaded.forecaster.explain(series, forecast, top))
                    .collect::<Result<_, _>>()?,
            };
            Ok(convert::response(
                question,
                forecasts,
                explanations,
                &loaded,
            ))
        });
        // It fails when the caller is gone.
        let _ = answer.send(answered);
    }
}

/// Jobs that can be computed in one call stay together, in order.
fn grouped(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    for job in jobs {
        let fitting = groups.iter_mut().find(|group| {
            group.first().is_some_and(|first| {
                Arc::ptr_eq(&first.loaded, &job.loaded)
                    && first.question.horizons_seconds == job.question.horizons_seconds
                    && first.question.quantiles == job.question.quantiles
            })
        });
        match fitting {
            Some(group) => group.push(job),
            None => groups.push(vec![job]),
        }
    }
    groups
}
