//! The first half of a tick, a question without effects: what is known about each target, and what was learned on the way.

mod forecasts;
mod inputs;
mod instances;
mod types;

use std::collections::HashMap;

use async_trait::async_trait;
use futures::FutureExt as _;

use super::known::{Gathered, Gathering, Learned, Unread};
use crate::{
    bounded::run_all,
    domain::{Instance, Knowledge, Observation, Policy, Series, Sizing, Target, TypeInfo},
    samples::{
        observe::observe,
        rules::{CurrentType, Rules},
        steal, steps,
    },
    sources::{Measured, Reading, Unmeasured},
};
pub use inputs::Inputs;

/// A target on the way to what is known of it.
enum Judged {
    /// More can't be known.
    Final(Knowledge),
    /// A forecast can be asked for.
    Measured {
        instance: Instance,
        observation: Observation,
        series: Series,
    },
}

/// Describes, measures and forecasts `targets`. Nothing that fails for one touches another.
pub async fn gather<'a>(inputs: &Inputs<'_>, targets: &'a [Target]) -> Gathering<'a> {
    let (described, reading, policy) = futures::join!(
        instances::describe(inputs, targets),
        inputs.in_time(inputs.source.begin(targets, inputs.now)),
        inputs.peers.decision.policy()
    );
    let reading = reading.unwrap_or_else(|_| Box::new(Late));
    let (described, mut learned) = described;
    let policy = policy.unwrap_or_else(|error| {
        learned.unread.push(Unread::Policy(error));
        Policy::default()
    });
    let names = types::names(&described, targets, &policy);
    let (types, measured) = futures::join!(
        types::describe(inputs, &names),
        measure(inputs, reading.as_ref(), described)
    );
    let types = types.learn(&mut learned);

    let judged = measured.into_iter().map(|(target, found)| {
        let (instance, measured) = match found {
            Ok(found) => found,
            Err(knowledge) => return (target, Judged::Final(knowledge), Vec::new(), Vec::new()),
        };
        let rules = rules(inputs, target, &policy, &learned);
        match judge(measured, &rules, &instance, &types) {
            Ok((mut observation, mut series, notes, advice)) => {
                if policy.sizing != Sizing::Without {
                    observation.past = steps::past(&series);
                }
                let memories = inputs.memories;
                series.calibration_state =
                    memories.calibration(&target.id, &instance.instance_type, &series);
                let judged = Judged::Measured {
                    instance,
                    observation,
                    series,
                };
                (target, judged, notes, advice)
            }
            Err(Unmeasured(why)) => {
                let knowledge = Knowledge::Unmeasured { instance, why };
                (target, Judged::Final(knowledge), Vec::new(), Vec::new())
            }
        }
    });
    let judged: Vec<_> = judged.collect();
    let series: Vec<(&str, &Series)> = judged
        .iter()
        .filter_map(|(target, judged, ..)| match judged {
            Judged::Final(_) => None,
            Judged::Measured { series, .. } => Some((target.id.as_str(), series)),
        })
        .collect();
    let mut answers = forecasts::ask(inputs, &series).await;
    let targets = judged
        .into_iter()
        .map(|(target, judged, notes, advice)| Gathered {
            target,
            knowledge: match judged {
                Judged::Final(knowledge) => knowledge,
                Judged::Measured {
                    instance,
                    observation,
                    series,
                } => forecasts::add(answers.remove(&target.id), instance, observation, series),
            },
            notes,
            advice,
        })
        .collect();
    Gathering {
        targets,
        policy,
        types,
        learned,
    }
}

/// A window that was not read in time.
struct Late;

#[async_trait]
impl Reading for Late {
    async fn of(&self, _: &Target, _: &Instance) -> Result<Measured, Unmeasured> {
        let why = "no metrics within the time of a tick; see scheduler.tick_timeout_seconds";
        Err(Unmeasured(why.to_owned()))
    }
}

/// What the source has of each instance that runs.
async fn measure<'a>(
    inputs: &Inputs<'_>,
    reading: &dyn Reading,
    described: Vec<(&'a Target, Result<Instance, Knowledge>)>,
) -> Vec<(
    &'a Target,
    Result<(Instance, Result<Measured, Unmeasured>), Knowledge>,
)> {
    let one = |(target, found): (&'a Target, Result<Instance, Knowledge>)| {
        async move {
            let instance = match found {
                Ok(instance) => instance,
                Err(knowledge) => return (target, Err(knowledge)),
            };
            match inputs.in_time(reading.of(target, &instance)).await {
                Ok(measured) => (target, Ok((instance, measured))),
                Err(_) => (target, Err(instances::late(instance))),
            }
        }
        .boxed()
    };
    let work = described.into_iter().map(one).collect();
    run_all(inputs.source.concurrency(), work).await
}

type Use = (Observation, Series, Vec<String>, Vec<String>);

fn judge(
    measured: Result<Measured, Unmeasured>,
    rules: &Rules,
    instance: &Instance,
    types: &HashMap<String, TypeInfo>,
) -> Result<Use, Unmeasured> {
    let current = types.get(&instance.instance_type).map(|info| CurrentType {
        // Its CPU options may leave it fewer than its type has.
        vcpus: instance.vcpus.unwrap_or(info.vcpus),
        memory_mib: info.memory_mib,
    });
    let Measured {
        series,
        steal,
        mut notes,
        mut advice,
        doubt,
        is_part,
    } = measured?;
    let mut known = observe(&series, rules, current).map_err(|why| {
        doubt.raise();
        Unmeasured(why.to_string())
    })?;
    known.observation.steal_percent =
        steal::mean_percent(&steal, &series.cpu, known.observation.cpu_percent);
    notes.extend(known.observation.steal_percent.and_then(steal::note));
    if is_part {
        known = known.of_a_part();
    }
    // The cause before the consequence.
    notes.append(&mut known.notes);
    advice.append(&mut known.advice);
    Ok((known.observation, known.series, notes, advice))
}

fn rules(inputs: &Inputs<'_>, target: &Target, policy: &Policy, learned: &Learned) -> Rules {
    let sampling = inputs.source.sampling();
    let remembered = inputs.state.resize_end(&target.id).flatten();
    let read = learned.resize_ends.get(&target.id).copied().flatten();
    Rules {
        now: inputs.now,
        step_seconds: sampling.step_seconds,
        scrape_interval_seconds: sampling.scrape_interval_seconds,
        tick_timeout_seconds: inputs.timeout.as_secs().try_into().unwrap_or(u32::MAX),
        min_samples: sampling.min_samples,
        warm_up_seconds: sampling.warm_up_seconds,
        max_sample_age_seconds: policy.max_sample_age_seconds,
        last_resize: remembered.max(read),
        cpu_unit: sampling.cpu_unit,
        memory_unit: sampling.memory_unit,
    }
}
