//! The first half of a tick: what is known about each target.

use std::collections::{BTreeSet, HashMap};

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::{
    bounded::run_all,
    clients::{CallError, Failure},
    convert::Forecast,
    domain::{Instance, Policy, Series, Target, TypeInfo, Unknown},
    engine::Engine,
    hindsight::Tally,
    measures::Trouble,
    metrics::{Measured, matching::Wanted},
    observation::{CurrentType, Known, Rules, observe},
    trails::Tallies,
};

/// Calls to the actuator and to the decision service in flight.
const CONCURRENCY: usize = 16;
/// Forecast batches in flight.
const BATCHES: usize = 4;
/// Series in one forecast call.
const BATCH_SERIES: usize = 100;
/// Points in one forecast call: about 3 MiB of the 4 MiB that a server receives by default.
const BATCH_POINTS: usize = 80_000;
/// About what a point takes in a message.
const BYTES_OF_A_POINT: usize = 32;
/// Names in one ListInstanceTypes call.
const BATCH_TYPES: usize = 100;

/// What is known about one target, and what isn't.
#[derive(Debug)]
pub struct Gathered<'a> {
    pub target: &'a Target,
    pub instance: Option<Instance>,
    pub known: Option<Known>,
    pub forecast: Option<Forecast>,
    pub unknown: Option<Unknown>,
    /// What is missing without making the whole unknown.
    pub notes: Vec<String>,
}

impl<'a> Gathered<'a> {
    fn unknown(target: &'a Target, instance: Option<Instance>, unknown: Unknown) -> Self {
        Self {
            target,
            instance,
            known: None,
            forecast: None,
            unknown: Some(unknown),
            notes: Vec::new(),
        }
    }
}

/// What one tick knows of the fleet.
#[derive(Debug)]
pub struct Gathering<'a> {
    pub targets: Vec<Gathered<'a>>,
    pub policy: Policy,
    /// The described types by name.
    pub types: HashMap<String, TypeInfo>,
}

impl Gathering<'_> {
    /// The described types of a target's ladder, and the one that it has.
    pub fn types_for(&self, gathered: &Gathered<'_>) -> Vec<TypeInfo> {
        let ladder = match gathered.target.ladder.as_slice() {
            [] => &self.policy.ladder,
            ladder => ladder,
        };
        let current = gathered
            .instance
            .as_ref()
            .map(|instance| &instance.instance_type);
        let names: BTreeSet<&String> = ladder.iter().chain(current).collect();
        names
            .into_iter()
            .filter_map(|name| self.types.get(name).cloned())
            .collect()
    }
}

/// Describes, measures and forecasts `targets`. Nothing that fails for one touches another.
pub async fn gather<'a>(
    engine: &Engine,
    targets: &'a [Target],
    deadline: Instant,
) -> Gathering<'a> {
    let now = engine.clock.now();
    let described = describe_and_measure(engine, targets, now, deadline);
    let fleet = engine.metrics.of_the_fleet(targets, now);
    let (described, fleet, policy) = futures::join!(described, fleet, engine.clients.policy());
    let policy = policy.unwrap_or_else(|error| {
        tracing::warn!(%error, "policy not read; types of its ladder are not described");
        Policy::default()
    });
    let types = types(engine, &described, targets, &policy).await;

    let mut gathered: Vec<Gathered<'a>> = described
        .into_iter()
        .map(|(target, described)| {
            let (instance, measured) = match described {
                Ok(described) => described,
                Err(unknown) => return Gathered::unknown(target, unknown.0, unknown.1),
            };
            let measured = match (&fleet, measured) {
                (Some(fleet), _) => fleet.measured(&wanted(target, &instance)),
                (None, Some(measured)) => measured,
                (None, None) => Err("metrics were not read".to_owned()),
            };
            let rules = rules(engine, target, &policy, now);
            let current = types.get(&instance.instance_type).map(|info| CurrentType {
                vcpus: info.vcpus,
                memory_mib: info.memory_mib,
            });
            let known = measured.and_then(|measured| {
                let known = observe(&measured.series, &rules, current)?;
                Ok((known, measured.notes))
            });
            match known {
                Ok((mut known, mut notes)) => {
                    let trails = &engine.trails;
                    known.series.calibration_state =
                        trails.calibration(&target.id, &instance.instance_type, &known.series);
                    // The cause before the consequence.
                    notes.extend(known.notes.iter().cloned());
                    Gathered {
                        target,
                        instance: Some(instance),
                        known: Some(known),
                        forecast: None,
                        unknown: None,
                        notes,
                    }
                }
                Err(why) => Gathered::unknown(target, Some(instance), Unknown::Metrics(why)),
            }
        })
        .collect();
    forecast(engine, &mut gathered, deadline).await;
    look_back(engine, &mut gathered);
    Gathering {
        targets: gathered,
        policy,
        types,
    }
}

type Described = Result<(Instance, Option<Result<Measured, String>>), (Option<Instance>, Unknown)>;

/// Describes each target and, where each has its own Prometheus, measures it.
async fn describe_and_measure<'a>(
    engine: &Engine,
    targets: &'a [Target],
    now: Timestamp,
    deadline: Instant,
) -> Vec<(&'a Target, Described)> {
    let concurrency = if engine.metrics.is_central() {
        CONCURRENCY
    } else {
        engine.config.prometheus.concurrency as usize
    };
    let one = |target: &'a Target| {
        async move {
            let described = match timeout_at(deadline, describe(engine, target, now)).await {
                Ok(described) => described,
                Err(_) => Err((
                    None,
                    Unknown::Metrics(
                        "not read within the time of a tick; see scheduler.tick_timeout_seconds"
                            .to_owned(),
                    ),
                )),
            };
            (target, described)
        }
        .boxed()
    };
    run_all(concurrency, targets.iter().map(one).collect()).await
}

async fn describe(engine: &Engine, target: &Target, now: Timestamp) -> Described {
    let last_resize = async {
        if engine.state.resize_end(&target.id).is_none() {
            match engine.clients.last_resize(&target.id).await {
                Ok(at) => engine.state.note_resize_end(&target.id, at),
                Err(error) => tracing::warn!(%error, target = target.id, "last resize not read"),
            }
        }
    };
    let (instance, ()) = futures::join!(
        engine.clients.describe_instance(&target.instance_id),
        last_resize
    );
    let instance = instance.map_err(|error| {
        if error.failure == Failure::NotFound {
            engine.trails.forget(&target.id);
        }
        (None, Unknown::Instance(not_described(target, &error)))
    })?;
    engine.state.note_dry_run(instance.dry_run);
    if !instance.is_running() {
        let why = format!(
            "{} is {}; only running instances are scaled",
            target.instance_id, instance.state
        );
        return Err((Some(instance), Unknown::Instance(why)));
    }
    let measured = match engine.metrics.is_central() {
        true => None,
        false => Some(engine.metrics.of_one(target, &instance, now).await),
    };
    Ok((instance, measured))
}

fn not_described(target: &Target, error: &CallError) -> String {
    match error.failure {
        Failure::NotFound => format!(
            "{} does not exist ({}); check its id in scheduler.targets, and the region",
            target.instance_id,
            error.message()
        ),
        _ => format!("{} can't be described: {error}", target.instance_id),
    }
}

fn wanted<'a>(target: &'a Target, instance: &'a Instance) -> Wanted<'a> {
    match &target.label {
        Some(label) => Wanted::Label(label),
        None => Wanted::Machine {
            instance_id: &target.instance_id,
            private_ip: &instance.private_ip,
            public_ip: &instance.public_ip,
        },
    }
}

fn rules(engine: &Engine, target: &Target, policy: &Policy, now: Timestamp) -> Rules {
    let prometheus = &engine.config.prometheus;
    Rules {
        now,
        step_seconds: prometheus.step_seconds,
        min_samples: prometheus.min_samples,
        warm_up_seconds: prometheus.warm_up_seconds,
        max_sample_age_seconds: policy.max_sample_age_seconds,
        last_resize: engine.state.resize_end(&target.id).flatten(),
    }
}

/// Descriptions of every type that matters in this tick, from memory where possible.
async fn types(
    engine: &Engine,
    described: &[(&Target, Described)],
    targets: &[Target],
    policy: &Policy,
) -> HashMap<String, TypeInfo> {
    let current = described
        .iter()
        .filter_map(|(_, described)| described.as_ref().ok())
        .map(|(instance, _)| &instance.instance_type);
    let names: BTreeSet<&String> = targets
        .iter()
        .flat_map(|target| &target.ladder)
        .chain(&policy.ladder)
        .chain(current)
        .collect();
    let (_, missing) = engine.state.types(names.iter().copied());
    for batch in missing.chunks(BATCH_TYPES) {
        match engine.clients.list_instance_types(batch).await {
            Ok(types) => engine.state.note_types(types),
            Err(error) => {
                tracing::warn!(%error, "instance types not described; the memory guard can't judge them");
                engine.measures.trouble(Trouble::Instance);
                break;
            }
        }
    }
    let (known, _) = engine.state.types(names);
    known
        .into_iter()
        .map(|info| (info.name.clone(), info))
        .collect()
}

/// A forecast, or why there is none.
type Answer = Result<Forecast, String>;

/// Adds forecasts. A batch that the predictor refuses is asked for one by one, so that one bad series spoils none other.
async fn forecast(engine: &Engine, gathered: &mut [Gathered<'_>], deadline: Instant) {
    let series: Vec<(&str, &Series)> = gathered
        .iter()
        .filter_map(|one| Some((one.target.id.as_str(), &one.known.as_ref()?.series)))
        .collect();
    let asked = batches(&series);
    let mut work = Vec::new();
    for batch in asked {
        let one = async move {
            match timeout_at(deadline, forecast_batch(engine, batch)).await {
                Ok(answers) => answers,
                Err(_) => {
                    let late =
                        "no forecast within the time of a tick; see scheduler.tick_timeout_seconds";
                    all(batch, late)
                }
            }
        };
        work.push(one.boxed());
    }
    let answers = run_all(BATCHES, work).await;
    let mut answers: HashMap<String, Answer> = answers.into_iter().flatten().collect();
    for one in gathered.iter_mut().filter(|one| one.known.is_some()) {
        match answers.remove(&one.target.id) {
            Some(Ok(forecast)) => one.forecast = Some(forecast),
            Some(Err(why)) => one.unknown = Some(Unknown::Forecast(why)),
            None => {
                let why = "the predictor left this series out of its answer".to_owned();
                one.unknown = Some(Unknown::Forecast(why));
            }
        }
    }
}

/// Compares what was forecast before with what came, and keeps what the next tick needs.
fn look_back(engine: &Engine, gathered: &mut [Gathered<'_>]) {
    let mut tallies = Tallies::new();
    for one in gathered {
        if let (Some(known), Some(instance)) = (&one.known, &one.instance) {
            engine.trails.note(
                &one.target.id,
                &instance.instance_type,
                &known.series,
                one.forecast.as_mut(),
                &mut tallies,
            );
        }
    }
    engine.measures.forecasts.judged(&tallies);
    let (targets, pending) = engine.trails.size();
    let mut all = Tally::default();
    tallies.values().for_each(|tally| all.merge(tally));
    if all.outcomes > 0 {
        let outcomes = all.outcomes as f64;
        tracing::info!(
            outcomes = all.outcomes,
            mae_percent = all.error / outcomes,
            persistence_mae_percent = all.persistence_error / outcomes,
            coverage_q90 = all.level_q90.value(),
            peak_coverage_q90 = all.peak_q90.value(),
            peak_coverage_q95 = all.peak_q95.value(),
            targets,
            pending,
            "forecasts compared with what came"
        );
    }
}

async fn forecast_batch(engine: &Engine, batch: &[(&str, &Series)]) -> Vec<(String, Answer)> {
    match engine.clients.forecast(batch).await {
        Ok(forecasts) => forecasts
            .into_iter()
            .map(|forecast| (forecast.target_id().to_owned(), Ok(forecast)))
            .collect(),
        Err(error) if error.failure == Failure::Invalid && batch.len() > 1 => {
            let mut work = Vec::new();
            for one in batch.chunks(1) {
                work.push(forecast_one(engine, one).boxed());
            }
            run_all(CONCURRENCY, work)
                .await
                .into_iter()
                .flatten()
                .collect()
        }
        Err(error) => all(batch, &error.to_string()),
    }
}

async fn forecast_one(engine: &Engine, one: &[(&str, &Series)]) -> Vec<(String, Answer)> {
    match engine.clients.forecast(one).await {
        Ok(forecasts) => forecasts
            .into_iter()
            .map(|forecast| (forecast.target_id().to_owned(), Ok(forecast)))
            .collect(),
        Err(error) => all(one, &error.to_string()),
    }
}

fn all(batch: &[(&str, &Series)], why: &str) -> Vec<(String, Answer)> {
    batch
        .iter()
        .map(|(target_id, _)| ((*target_id).to_owned(), Err(why.to_owned())))
        .collect()
}

/// Runs of series that fit one call, by number and by size.
fn batches<'a, 'b>(series: &'a [(&'b str, &'b Series)]) -> Vec<&'a [(&'b str, &'b Series)]> {
    let mut batches = Vec::new();
    let mut rest = series;
    while !rest.is_empty() {
        let mut points = 0;
        let fitting = rest
            .iter()
            .take(BATCH_SERIES)
            .take_while(|(_, series)| {
                points += series.timestamps.len();
                points += series.calibration_state.len() / BYTES_OF_A_POINT;
                points <= BATCH_POINTS
            })
            .count();
        let (batch, left) = rest.split_at(fitting.max(1));
        batches.push(batch);
        rest = left;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_number_and_by_size() {
        let of = |points: usize, number: usize| -> Vec<usize> {
            let series = Series {
                timestamps: vec![0; points],
                ..Series::default()
            };
            let all: Vec<(&str, &Series)> = vec![("x", &series); number];
            batches(&all).iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(of(577, 250), [100, 100, 50]);
        assert_eq!(of(2_881, 50), [27, 23]);
        let carried = Series {
            calibration_state: vec![0; 64 * 1024],
            timestamps: vec![0; 577],
            ..Series::default()
        };
        let all: Vec<(&str, &Series)> = vec![("x", &carried); 100];
        let sizes: Vec<usize> = batches(&all).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [30, 30, 30, 10], "states count too");
        // One that is too large alone still goes, alone: the predictor says what it thinks of it.
        assert_eq!(of(BATCH_POINTS + 1, 2), [1, 1]);
        assert!(of(10, 0).is_empty());
    }
}
