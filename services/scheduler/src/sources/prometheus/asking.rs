//! One metric of many targets, in as many queries as that takes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use common::text::one_line;
use futures::FutureExt as _;
use jiff::Timestamp;
use prometheus_api::{LabelledSeries, Range, RangeAnswer, shown};
use url::Url;

use super::{
    answers::{Answer, Complete, PerChunk},
    chunks::{self, Chunk},
    client::{MetricsError, Prometheus, TooMuch},
    expressions,
    histories::{Histories, Question},
    settings::PrometheusConfig,
};
use crate::{bounded::run_all, sources::source::Unmeasured};

/// Servers and proxies take longer URLs, but not all of them.
const LONGEST_GET: usize = 8_000;
/// Chunks of one metric that are asked for at the same time.
const CHUNKS: usize = 2;
/// A server that answered none of so many queries is not asked any more.
const MOST_UNREACHED: u32 = 5;

/// What is asked of one Prometheus for one tick.
pub struct Asking<'a> {
    prometheus: &'a Prometheus,
    config: &'a PrometheusConfig,
    histories: &'a Histories,
    place: Place<'a>,
    end: i64,
    reached: Mutex<Reached>,
}

/// A server.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its address.
    pub url: &'a Url,
    /// Whose it is, for one machine may have the address of another one tomorrow; empty where it is everybody's.
    pub instance_id: &'a str,
}

/// How far the server could be reached.
#[derive(Debug, Default)]
struct Reached {
    answered: bool,
    unanswered: u32,
    /// The first reason, and whether an answer was too large.
    why: Option<String>,
    was_too_large: bool,
}

impl<'a> Asking<'a> {
    /// Asks for what ends at `end`.
    pub fn new(
        prometheus: &'a Prometheus,
        config: &'a PrometheusConfig,
        histories: &'a Histories,
        place: Place<'a>,
        end: Timestamp,
    ) -> Self {
        Self {
            prometheus,
            config,
            histories,
            place,
            end: end.as_second(),
            reached: Mutex::default(),
        }
    }

    /// Why a query got no answer at all, if one didn't.
    pub fn unreached(&self) -> Option<String> {
        self.with_reached(|reached| reached.why.clone())
    }

    /// Whether an answer was too large.
    pub fn was_too_large(&self) -> bool {
        self.with_reached(|reached| reached.was_too_large)
    }

    /// The last `seconds` of a metric, for each chunk, or for all where the expression can't be narrowed.
    pub async fn metric(
        &self,
        expression: &str,
        chunks: &[Chunk<'_>],
        whole: Chunk<'_>,
        seconds: u32,
    ) -> PerChunk {
        let expression = &self.config.in_range(expression);
        let label = &self.config.instance_label;
        let [first, rest @ ..] = chunks else {
            return PerChunk::default();
        };
        if !expressions::can_be_narrowed(expression, label) || self.histories.gives_all(expression)
        {
            let answer = self.answer(expression, whole, seconds).await;
            // It may be because all is too much: the next tick finds out whether that is still so.
            self.histories.set_gives_all(expression, answer.is_ok());
            return PerChunk(vec![answer]);
        }
        let mut answers = vec![self.answer(expression, *first, seconds).await];
        // A server, or an expression, that gives more than it is asked for would give all of it with each chunk.
        if first.targets < whole.targets
            && let Ok(complete) = &answers[0]
            && complete.has_others(first.labels)
        {
            self.histories.set_gives_all(expression, true);
            self.histories
                .forget(&self.question(expression, *first, seconds));
            return PerChunk(vec![self.answer(expression, whole, seconds).await]);
        }
        let work = rest
            .iter()
            .map(|chunk| self.answer(expression, *chunk, seconds).boxed());
        // The client bounds what is in flight; who waits there is past the question whether it is worth it.
        answers.extend(run_all(CHUNKS, work.collect()).await);
        PerChunk(answers)
    }

    /// What is known of a chunk, with what was missing of it.
    async fn answer(&self, expression: &str, chunk: Chunk<'_>, seconds: u32) -> Answer {
        let question = self.question(expression, chunk, seconds);
        let plan = self.histories.plan(&question, chunk.targets, self.end);
        let past = self.read(expression, chunk, plan.missing).await?;
        let mut advice = past.advice;
        let mut history = self.histories.add(&question, past.series, &plan);
        if let Some(present) = plan.present {
            // A history that changes would be copied as long as somebody looks at it.
            drop(history);
            let present = self.read(expression, chunk, present).await?;
            let new = present.advice.into_iter();
            let new: Vec<String> = new.filter(|one| !advice.contains(one)).collect();
            advice.extend(new);
            history = self
                .histories
                .add_present(&question, present.series, self.end);
        }
        Ok(Complete::new(history, advice))
    }

    fn question(&self, expression: &str, chunk: Chunk<'_>, seconds: u32) -> Question {
        let Place { url, instance_id } = self.place;
        Question {
            place: format!("{instance_id}@{url}"),
            query: chunk.query(expression, &self.config.instance_label),
            seconds,
        }
    }

    /// What the server says of these times, in as many queries as that takes.
    async fn read<'c>(
        &self,
        expression: &str,
        chunk: Chunk<'c>,
        whole: Range,
    ) -> Result<RangeAnswer, Unmeasured> {
        let label = &self.config.instance_label;
        let splits = expressions::can_be_narrowed(expression, label);
        let halves = |chunk: Chunk<'c>| chunk.halves().filter(|_| splits);
        let mut joined = Joined::default();
        // The next one last.
        let first = chunks::ranges(whole, chunk.targets);
        let mut left: Vec<(Chunk<'c>, Range)> = first
            .into_iter()
            .rev()
            .map(|range| (chunk, range))
            .collect();
        while let Some((chunk, range)) = left.pop() {
            self.give_up()?;
            let query = chunk.query(expression, label);
            if is_long(&query)
                && self.prometheus.goes_by_get(self.place.url)
                && let Some(halves) = halves(chunk)
            {
                left.extend(halves.into_iter().rev().map(|half| (half, range)));
                continue;
            }
            let error = match self
                .prometheus
                .query_range(self.place.url, &query, range)
                .await
            {
                Ok(answer) => {
                    self.with_reached(|reached| reached.answered = true);
                    self.check(&answer)?;
                    joined.add(answer);
                    continue;
                }
                Err(error) => error,
            };
            let further: Option<Vec<(Chunk<'c>, Range)>> = match error.too_much() {
                Some(TooMuch::Length) => {
                    halves(chunk).map(|halves| halves.map(|half| (half, range)).into())
                }
                Some(TooMuch::Data) => {
                    self.with_reached(|reached| reached.was_too_large = true);
                    let parts = chunks::parts(range, whole);
                    parts.map(|parts| parts.into_iter().map(|part| (chunk, part)).collect())
                }
                None => None,
            };
            let Some(further) = further else {
                self.note(&error);
                return Err(Unmeasured(error.to_string()));
            };
            left.extend(further.into_iter().rev());
        }
        Ok(joined.answer)
    }

    fn note(&self, error: &MetricsError) {
        self.with_reached(|reached| match error.is_out_of_reach() {
            true => {
                reached.unanswered = reached.unanswered.saturating_add(1);
                reached.why.get_or_insert_with(|| error.to_string());
            }
            false => reached.answered = true,
        });
    }

    /// That is how a federated store says that part of the data is missing.
    fn check(&self, answer: &RangeAnswer) -> Result<(), Unmeasured> {
        if answer.warnings.is_empty() {
            return Ok(());
        }
        Err(Unmeasured(format!(
            "Prometheus at {} warns that its answer may be incomplete: {}",
            shown(self.place.url),
            one_line(&answer.warnings.join("; "))
        )))
    }

    fn give_up(&self) -> Result<(), Unmeasured> {
        self.with_reached(|reached| match &reached.why {
            Some(why) if !reached.answered && reached.unanswered >= MOST_UNREACHED => {
                Err(Unmeasured(why.clone()))
            }
            _ => Ok(()),
        })
    }

    fn with_reached<T>(&self, use_it: impl FnOnce(&mut Reached) -> T) -> T {
        // Each change of it is whole whoever panicked.
        use_it(&mut self.reached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a URL with this query is longer than some take.
fn is_long(query: &str) -> bool {
    let encoded: usize = url::form_urlencoded::byte_serialize(query.as_bytes())
        .map(str::len)
        .sum();
    encoded > LONGEST_GET
}

/// Answers to parts of one question.
#[derive(Debug, Default)]
struct Joined {
    answer: RangeAnswer,
    /// Where the series of these labels is, once there are two parts.
    places: HashMap<BTreeMap<String, String>, usize>,
}

impl Joined {
    /// Adds the next part. One that lies later than another has the same series, or more.
    fn add(&mut self, part: RangeAnswer) {
        for one in part.advice {
            if !self.answer.advice.contains(&one) {
                self.answer.advice.push(one);
            }
        }
        let all = &mut self.answer.series;
        if all.is_empty() {
            *all = part.series;
            return;
        }
        if self.places.is_empty() {
            let places = all.iter().enumerate();
            self.places = places
                .map(|(place, series)| (series.labels.clone(), place))
                .collect();
        }
        for LabelledSeries { labels, samples } in part.series {
            match self.places.get(&labels) {
                Some(place) => all[*place].samples.extend(samples),
                None => {
                    self.places.insert(labels.clone(), all.len());
                    all.push(LabelledSeries { labels, samples });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_api::Sample;

    use super::*;

    #[test]
    fn parts_make_the_series_that_they_are_parts_of() {
        let series = |name: &str, times: &[u32]| LabelledSeries {
            labels: [("instance".to_owned(), name.to_owned())].into(),
            samples: times
                .iter()
                .map(|at| Sample {
                    at: f64::from(*at),
                    value: 1.0,
                })
                .collect(),
        };
        let mut joined = Joined::default();
        for part in [
            vec![series("a", &[0, 1]), series("b", &[1])],
            vec![],
            vec![series("b", &[2]), series("c", &[3])],
            vec![series("c", &[4]), series("a", &[5])],
        ] {
            joined.add(RangeAnswer {
                series: part,
                advice: vec!["same".to_owned()],
                ..RangeAnswer::default()
            });
        }
        let expected = [
            series("a", &[0, 1, 5]),
            series("b", &[1, 2]),
            series("c", &[3, 4]),
        ];
        assert_eq!(joined.answer.series, expected);
        assert_eq!(joined.answer.advice, ["same"]);
    }

    #[test]
    fn the_length_that_counts_is_that_in_a_url() {
        assert!(!is_long(&"x".repeat(8_000)));
        assert!(is_long(&"\\".repeat(2_700)));
    }
}
