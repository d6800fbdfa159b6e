//! Decides whether a machine should be resized, remembers what was decided, and explains it.
//!
//! One call walks through the rooms like this: `api` checks and converts a request, `service` opens a transaction, `store`
//! reads what it remembers of the target, `decide` decides, `store` writes the decision, `service` commits.
//!
//! Invariant: nothing here touches a machine.
//! Invariant: `policy`, `fleet`, `decide` and `text` are pure; time is an argument.
//! Invariant: messages stand in `api`, SQL below `store`, nowhere else.

mod api;
mod config;
mod decide;
mod fleet;
mod policy;
mod service;
mod store;
mod text;

use std::{sync::Arc, time::Duration};

use common::{
    clock::SharedClock,
    exposition::{self, CallMetrics},
    listen::Listeners,
    servers::Servers,
    text::chain,
};
use tokio_util::sync::CancellationToken;

pub use crate::{
    api::grpc::Api,
    config::Config,
    decide::{
        input::InstanceType,
        ladder::{Disorder, disorder},
    },
    policy::{
        document::{Policy, Source, Strategy},
        naming::Naming,
    },
};
use crate::{
    service::{Retention, Rules, Service, metrics::Metrics},
    store::{Store as _, memory::MemoryStore, sql::SqlStore},
};

/// Values as the messages that stand for them, for who calls the service.
pub mod messages {
    pub use crate::api::convert::policy::message as policy;
}

/// The pure decision and its values, for who plays recorded days: no service, no store.
pub mod offline {
    pub use crate::{
        decide::{
            guide::Guide,
            input::{
                Basis, Evidence, Forecast, Horizon, Input, Observation, Quantile, State, Unknown,
            },
            verdict::{Action, ReasonCode, Verdict},
            walk::decide,
        },
        fleet::{cooldown::Cooldowns, direction::Direction, outcome::Outcome},
    };
}

const GAUGES_EVERY: Duration = Duration::from_secs(60);
/// In gauge rounds: old decisions go once an hour.
const RETENTION_EVERY: u32 = 60;

/// What the service needs from outside.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Wall time of decisions, and waits of the housekeeping.
    pub clock: SharedClock,
}

/// Opens the store and serves until `shutdown`. `policy` decides until another one is applied over gRPC.
///
/// # Errors
/// A policy that can't be used, a database that is damaged or can't be written, a server that can't run.
pub async fn serve(
    config: Config,
    policy: Policy,
    deps: Deps,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    check(&policy)?;
    let mut registry = exposition::registry("decision");
    let calls = CallMetrics::register(&mut registry, Arc::clone(&deps.clock));
    let metrics = Metrics::register(&mut registry);
    let store = Arc::new(SqlStore::open(&config.database, deps.clock.now()).await?);
    let naming = config.strategy_naming;
    let default = store.read().await?.default_strategy().await?;
    let policy = naming.settle(policy, default);
    let rules = Rules {
        pinned: config.policy_is_pinned,
        decisions_per_minute: config.decisions_per_minute,
    };
    let service = Service::new(store.clone(), deps.clock.clone(), policy, rules, metrics).await?;
    say_which_policy(&service, naming).await?;
    tracing::info!(
        listen = %listeners.grpc.local_addr()?,
        database = %config.database.display(),
        "decision service ready"
    );

    let retention = Retention {
        actions_days: config.retention_days,
        holds_days: config.hold_retention_days,
    };
    let housekeeping = tokio::spawn(keep_house(service.clone(), deps.clock, retention));
    let stop = shutdown.child_token();
    let grpc = api::grpc::server(Api::new(service, calls)).serve(listeners.grpc, stop.clone());
    let mut servers = Servers::new(stop.clone()).with("gRPC", grpc);
    if let Some(listener) = listeners.metrics {
        let exposition = exposition::serve(listener, Arc::new(registry), stop);
        servers = servers.with("metrics", exposition);
    }
    let served = servers.run().await;
    housekeeping.abort();
    store.close().await;
    Ok(served?)
}

/// The service on a store in memory, without a server: for tests and simulations.
///
/// # Errors
/// A policy that can't be used.
pub async fn in_memory(policy: Policy, deps: Deps) -> anyhow::Result<Api> {
    check(&policy)?;
    let rules = Rules {
        pinned: false,
        decisions_per_minute: Config::default().decisions_per_minute,
    };
    let store = Arc::new(MemoryStore::default());
    let mut registry = exposition::registry("decision");
    let metrics = Metrics::register(&mut registry);
    let calls = CallMetrics::register(&mut registry, Arc::clone(&deps.clock));
    let service = Service::new(store, deps.clock, policy, rules, metrics).await?;
    Ok(Api::new(service, calls))
}

fn check(policy: &Policy) -> anyhow::Result<()> {
    match policy.violations().into_iter().next() {
        Some(violation) => {
            anyhow::bail!("policy.{}: {}", violation.field, violation.description)
        }
        None => Ok(()),
    }
}

/// A policy that was applied over gRPC hides the configuration's: say so, or the next edit of the file surprises.
async fn say_which_policy(
    service: &Service,
    naming: Naming,
) -> Result<(), service::error::ServiceError> {
    let in_force = service.policy().await?;
    if in_force.applied_at.is_none()
        && let Some(why) = naming.why_threshold(&in_force.policy)
    {
        tracing::info!("{why}");
    }
    if let Some(at) = service.hidden_policy().await? {
        tracing::warn!(
            version = in_force.version,
            applied_at = %text::time(at),
            "the policy of the configuration is in force; the one that was applied over gRPC is not used: set `policy.source: \
             store` for that"
        );
        return Ok(());
    }
    match in_force.applied_at {
        Some(at) => tracing::warn!(
            version = in_force.version,
            applied_at = %text::time(at),
            "the policy in force was applied over gRPC; the `policy` section of the configuration is not used"
        ),
        None => tracing::info!(
            version = in_force.version,
            strategy = in_force.policy.strategy.name(),
            "the policy of the configuration is in force"
        ),
    }
    Ok(())
}

/// Gauges that change without a call, and deletion of what is older than the retention.
async fn keep_house(service: Service, clock: SharedClock, retention: Retention) {
    let mut round = 0_u32;
    loop {
        clock.sleep(GAUGES_EVERY).await;
        round = round.wrapping_add(1);
        let mut result = service.refresh_gauges().await;
        if round.is_multiple_of(RETENTION_EVERY) && result.is_ok() {
            result = service.delete_old(retention).await.map(|deleted| {
                if deleted > 0 {
                    tracing::info!(
                        deleted,
                        "deleted decisions and reviews older than the retention"
                    );
                }
            });
        }
        if let Err(error) = result {
            service.count_failure(&error);
            tracing::warn!(error = %chain(&error), "housekeeping failed; it is tried again");
        }
    }
}
