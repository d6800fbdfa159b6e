//! What each target's instance is and, where each has its own Prometheus, what that measured.

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::{
    bounded::run_all,
    domain::{Instance, Target, Unknown},
    sources::prometheus::Measured,
    tick::engine::Engine,
};

/// Instances in one call; the actuator takes no more.
const BATCH_INSTANCES: usize = 200;
/// Such calls in flight.
const BATCHES: usize = 4;
/// Calls to the decision service in flight.
const CONCURRENCY: usize = 16;

/// A running instance with what its own Prometheus measured, if it has one; or what is unknown.
pub(super) type Described =
    Result<(Instance, Option<Result<Measured, String>>), (Option<Instance>, Unknown)>;

/// Describes the instance of each target and, where each has its own Prometheus, measures it.
pub(super) async fn describe<'a>(
    engine: &Engine,
    targets: &'a [Target],
    now: Timestamp,
    deadline: Instant,
) -> Vec<(&'a Target, Described)> {
    let looks = targets
        .chunks(BATCH_INSTANCES)
        .map(|batch| look(engine, batch, deadline).boxed())
        .collect();
    let looked = run_all(BATCHES, looks).await.into_iter().flatten();
    let measure = |(target, looked): (&'a Target, Result<Instance, Unknown>)| {
        async move {
            let described = match looked {
                Ok(instance) => measure(engine, target, instance, now, deadline).await,
                Err(unknown) => Err((None, unknown)),
            };
            (target, described)
        }
        .boxed()
    };
    let concurrency = match engine.source.is_central() {
        true => CONCURRENCY,
        false => engine.config.prometheus.concurrency as usize,
    };
    run_all(concurrency, looked.map(measure).collect()).await
}

/// One call for many.
async fn look<'a>(
    engine: &Engine,
    targets: &'a [Target],
    deadline: Instant,
) -> Vec<(&'a Target, Result<Instance, Unknown>)> {
    let ids = targets.iter().map(|target| target.instance_id.clone());
    let call = engine.clients.describe_instances(ids.collect());
    let mut found = match timeout_at(deadline, call).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return none(targets, &format!("can't be described: {error}")),
        Err(_) => {
            let late =
                "was not described within the time of a tick; see scheduler.tick_timeout_seconds";
            return none(targets, late);
        }
    };
    let one = |target: &'a Target| {
        let id = &target.instance_id;
        let looked = match found.remove(id) {
            Some(Ok(instance)) => {
                engine.state.note_dry_run(instance.dry_run);
                Ok(instance)
            }
            Some(Err(error)) => Err(format!("{id} can't be described: {error}")),
            None => {
                engine.memories.forget(&target.id);
                Err(format!(
                    "{id} does not exist; check its id in scheduler.targets, and the region"
                ))
            }
        };
        (target, looked.map_err(Unknown::Instance))
    };
    targets.iter().map(one).collect()
}

fn none<'a>(targets: &'a [Target], why: &str) -> Vec<(&'a Target, Result<Instance, Unknown>)> {
    let one = |target: &'a Target| {
        let why = format!("{} {why}", target.instance_id);
        (target, Err(Unknown::Instance(why)))
    };
    targets.iter().map(one).collect()
}

async fn measure(
    engine: &Engine,
    target: &Target,
    instance: Instance,
    now: Timestamp,
    deadline: Instant,
) -> Described {
    if !instance.is_running() {
        let why = format!(
            "{} is {}; only running instances are scaled",
            target.instance_id, instance.state
        );
        return Err((Some(instance), Unknown::Instance(why)));
    }
    let of_its_own = async {
        match engine.source.is_central() {
            true => None,
            false => Some(engine.source.of_one(target, &instance, now).await),
        }
    };
    let reads = futures::future::join(of_its_own, read_last_resize(engine, target));
    let read = timeout_at(deadline, reads).await;
    match read {
        Ok((measured, ())) => Ok((instance, measured)),
        Err(_) => {
            let late = "not read within the time of a tick; see scheduler.tick_timeout_seconds";
            Err((Some(instance), Unknown::Metrics(late.to_owned())))
        }
    }
}

/// When the last resize ended, unless that is known already.
async fn read_last_resize(engine: &Engine, target: &Target) {
    if engine.state.resize_end(&target.id).is_none() {
        match engine.clients.last_resize(&target.id).await {
            Ok(at) => engine.state.note_resize_end(&target.id, at),
            Err(error) => tracing::warn!(%error, target = target.id, "last resize not read"),
        }
    }
}
