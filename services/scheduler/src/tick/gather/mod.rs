//! The first half of a tick: what is known about each target.

mod forecasts;
mod instances;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use tokio::time::Instant;

use self::instances::Described;
use crate::{
    domain::{Instance, Policy, Target, TypeInfo, Unknown},
    memory::{hindsight::Tally, targets::Tallies},
    metrics::ErrorKind,
    peers::convert::Forecast,
    samples::observe::{CurrentType, Known, Rules, observe},
    sources::prometheus::matching::Wanted,
    tick::engine::Engine,
};

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
    /// What is worth knowing and no trouble.
    pub advice: Vec<String>,
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
            advice: Vec::new(),
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
    let described = instances::describe(engine, targets, now, deadline);
    let fleet = engine.source.of_the_fleet(targets, now);
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
                // Its CPU options may leave it fewer than its type has.
                vcpus: instance.vcpus.unwrap_or(info.vcpus),
                memory_mib: info.memory_mib,
            });
            let known = measured.and_then(|measured| {
                let known = observe(&measured.series, &rules, current)?;
                Ok((known, measured.notes, measured.advice))
            });
            match known {
                Ok((mut known, mut notes, mut advice)) => {
                    let memories = &engine.memories;
                    known.series.calibration_state =
                        memories.calibration(&target.id, &instance.instance_type, &known.series);
                    // The cause before the consequence.
                    notes.append(&mut known.notes);
                    advice.append(&mut known.advice);
                    Gathered {
                        target,
                        instance: Some(instance),
                        known: Some(known),
                        forecast: None,
                        unknown: None,
                        notes,
                        advice,
                    }
                }
                Err(why) => Gathered::unknown(target, Some(instance), Unknown::Metrics(why)),
            }
        })
        .collect();
    forecasts::add(engine, &mut gathered, deadline).await;
    look_back(engine, &mut gathered);
    Gathering {
        targets: gathered,
        policy,
        types,
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
        cpu_unit: prometheus.cpu_unit,
        memory_unit: prometheus.memory_unit,
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
                engine.metrics.error(ErrorKind::Instance);
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

/// Compares what was forecast before with what came, and keeps what the next tick needs.
fn look_back(engine: &Engine, gathered: &mut [Gathered<'_>]) {
    let mut tallies = Tallies::new();
    for one in gathered {
        if let (Some(known), Some(instance)) = (&one.known, &one.instance) {
            engine.memories.note(
                &one.target.id,
                &instance.instance_type,
                &known.series,
                one.forecast.as_mut(),
                &mut tallies,
            );
        }
    }
    engine.metrics.forecasts.judged(&tallies);
    let (targets, pending) = engine.memories.size();
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
