//! What each target's instance is, and when its last resize ended.

use futures::FutureExt as _;
use jiff::Timestamp;

use super::{
    super::known::{Learned, Unread},
    inputs::Inputs,
};
use crate::{
    bounded::run_all,
    domain::{Instance, InstanceState, Knowledge, Target},
    peers::CallError,
};

/// Instances in one call; the actuator takes no more.
const BATCH_INSTANCES: usize = 200;
/// Such calls in flight.
const BATCHES: usize = 4;
/// Calls to the decision service in flight.
const CONCURRENCY: usize = 16;

/// A target, and its running instance, or all that is known without one.
pub(super) type Described<'a> = (&'a Target, Result<Instance, Knowledge>);

/// The answer to a look at an instance.
enum Look {
    /// It is there.
    Found(Instance),
    /// It can't be described: why.
    Failed(String),
    /// It does not exist.
    Missing,
}

/// Describes the instance of each target, and reads ends of last resizes that are not known yet.
pub(super) async fn describe<'a>(
    inputs: &Inputs<'_>,
    targets: &'a [Target],
) -> (Vec<Described<'a>>, Learned) {
    let looks = targets
        .chunks(BATCH_INSTANCES)
        .map(|batch| look(inputs, batch).boxed())
        .collect();
    let looked = run_all(BATCHES, looks).await.into_iter().flatten();
    let mut learned = Learned::default();
    let mut described: Vec<Described<'a>> = Vec::new();
    for (target, look) in targets.iter().zip(looked) {
        let found = match look {
            Look::Found(instance) => {
                learned.dry_run = Some(instance.dry_run);
                match instance.state {
                    InstanceState::Running => Ok(instance),
                    _ => Err(idle(target, instance)),
                }
            }
            Look::Failed(why) => Err(Knowledge::Nothing { why }),
            Look::Missing => {
                learned.gone.push(target.id.clone());
                let why = format!(
                    "{} does not exist; check its id in scheduler.targets, and the region",
                    target.instance_id
                );
                Err(Knowledge::Nothing { why })
            }
        };
        described.push((target, found));
    }
    let reads = described
        .into_iter()
        .map(|one| read_last_resize(inputs, one).boxed())
        .collect();
    let mut described = Vec::new();
    for (one, last_resize) in run_all(CONCURRENCY, reads).await {
        let target_id = one.0.id.clone();
        match last_resize {
            None => {}
            Some(Ok(at)) => {
                learned.resize_ends.insert(target_id, at);
            }
            Some(Err(error)) => learned.unread.push(Unread::LastResize { target_id, error }),
        }
        described.push(one);
    }
    (described, learned)
}

/// One call for many; answers in their order.
async fn look(inputs: &Inputs<'_>, targets: &[Target]) -> Vec<Look> {
    let ids = targets.iter().map(|target| target.instance_id.clone());
    let call = inputs.peers.actuator.describe_instances(ids.collect());
    let mut found = match inputs.in_time(call).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return failed(targets, &format!("can't be described: {error}")),
        Err(_) => {
            let late =
                "was not described within the time of a tick; see scheduler.tick_timeout_seconds";
            return failed(targets, late);
        }
    };
    let one = |target: &Target| {
        let id = &target.instance_id;
        match found.remove(id) {
            Some(Ok(instance)) => Look::Found(instance),
            Some(Err(error)) => Look::Failed(format!("{id} can't be described: {error}")),
            None => Look::Missing,
        }
    };
    targets.iter().map(one).collect()
}

fn failed(targets: &[Target], why: &str) -> Vec<Look> {
    let one = |target: &Target| Look::Failed(format!("{} {why}", target.instance_id));
    targets.iter().map(one).collect()
}

fn idle(target: &Target, instance: Instance) -> Knowledge {
    let why = format!(
        "{} is {}; only running instances are scaled",
        target.instance_id, instance.state
    );
    Knowledge::Idle { instance, why }
}

/// When the last resize of a running instance ended, unless that is known already.
async fn read_last_resize<'a>(
    inputs: &Inputs<'_>,
    (target, found): Described<'a>,
) -> (Described<'a>, Option<Result<Option<Timestamp>, CallError>>) {
    let instance = match found {
        Ok(instance) if inputs.state.resize_end(&target.id).is_none() => instance,
        found => return ((target, found), None),
    };
    let call = inputs.peers.decision.last_resize(&target.id);
    match inputs.in_time(call).await {
        Ok(read) => ((target, Ok(instance)), Some(read)),
        Err(_) => ((target, Err(late(instance))), None),
    }
}

/// What is known of an instance when there was no time for more.
pub(super) fn late(instance: Instance) -> Knowledge {
    let why = "not read within the time of a tick; see scheduler.tick_timeout_seconds".to_owned();
    Knowledge::Unmeasured { instance, why }
}
