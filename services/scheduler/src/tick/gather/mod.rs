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
    domain::{Instance, Knowledge, Policy, Series, Sizing, Target, TypeInfo},
    samples::{
        observe::{Known, observe},
        rules::{CurrentType, Rules},
        steal, steps,
    },
    sources::{Measured, Reading, Unmeasured},
};
pub use inputs::Inputs;

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
    let types = types::describe(inputs, &names).await.learn(&mut learned);
    let judge = Judge {
        inputs,
        policy: &policy,
        learned: &learned,
        types: &types,
    };
    let measured = measure(&judge, reading.as_ref(), described).await;
    drop(reading);
    let series: Vec<(&str, &Series)> = measured
        .iter()
        .filter_map(|(target, found)| Some((target.id.as_str(), &found.as_ref().ok()?.1.series)))
        .collect();
    let mut answers = forecasts::ask(inputs, &series).await;
    let gathered = |(target, found): (&'a Target, Result<(Instance, Known), Knowledge>)| {
        let (knowledge, notes, advice) = match found {
            Ok((instance, known)) => {
                let answer = answers.remove(&target.id);
                let knowledge = forecasts::add(answer, instance, known.observation, known.series);
                (knowledge, known.notes, known.advice)
            }
            Err(knowledge) => (knowledge, Vec::new(), Vec::new()),
        };
        Gathered {
            target,
            knowledge,
            notes,
            advice,
        }
    };
    let targets = measured.into_iter().map(gathered).collect();
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

/// What the source has of each instance that runs, judged at once: as it came it takes several times the room.
async fn measure<'a>(
    judge: &Judge<'_>,
    reading: &dyn Reading,
    described: Vec<(&'a Target, Result<Instance, Knowledge>)>,
) -> Vec<(&'a Target, Result<(Instance, Known), Knowledge>)> {
    let one = |(target, found): (&'a Target, Result<Instance, Knowledge>)| {
        async move {
            let instance = match found {
                Ok(instance) => instance,
                Err(knowledge) => return (target, Err(knowledge)),
            };
            let Ok(measured) = judge.inputs.in_time(reading.of(target, &instance)).await else {
                return (target, Err(instances::late(instance)));
            };
            let found = match judge.known(target, &instance, measured) {
                Ok(known) => Ok((instance, known)),
                Err(Unmeasured(why)) => Err(Knowledge::Unmeasured { instance, why }),
            };
            (target, found)
        }
        .boxed()
    };
    let work = described.into_iter().map(one).collect();
    run_all(judge.inputs.source.concurrency(), work).await
}

/// What measurements are judged by.
struct Judge<'a> {
    inputs: &'a Inputs<'a>,
    policy: &'a Policy,
    learned: &'a Learned,
    types: &'a HashMap<String, TypeInfo>,
}

impl Judge<'_> {
    fn known(
        &self,
        target: &Target,
        instance: &Instance,
        measured: Result<Measured, Unmeasured>,
    ) -> Result<Known, Unmeasured> {
        let rules = rules(self.inputs, target, self.policy, self.learned);
        let info = self.types.get(&instance.instance_type);
        let current = info.map(|info| CurrentType {
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
        let mut known = observe(&series, &rules, current).map_err(|why| {
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
        if self.policy.sizing != Sizing::Without {
            known.observation.past = steps::past(&known.series);
        }
        let memories = self.inputs.memories;
        known.series.calibration_state =
            memories.calibration(&target.id, &instance.instance_type, &known.series);
        Ok(Known {
            notes,
            advice,
            ..known
        })
    }
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
