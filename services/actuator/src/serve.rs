//! The ways in: serve, and only bring up what is down.

use std::sync::Arc;

use common::{
    clock::SystemClock,
    exposition,
    grpc::{GrpcServer, Wire},
    listen::{BindError, Listeners},
    servers::Servers,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config, connect::connect, deps::Deps, hands::Hands, journal::memory::MemoryStore,
    leave::Leave, recovery::boot::Opened,
};

/// The service's full name, as in health checks.
pub const SERVICE: &str = "autoscaler.actuator.v1.ActuatorService";

/// What a process does in which a part can't run.
pub const WHAT_FOLLOWS: &str =
    "nothing new is begun, machines that are down are brought up, and then this process ends";

/// Binds what the configuration says and serves on AWS until `shutdown`.
///
/// # Errors
/// What [`serve_or_bring_up`] says.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let deps = Deps {
        cloud: connect(&config).await?,
        clock: Arc::new(SystemClock),
    };
    let listeners = Listeners::bind(config.listen, config.metrics_listen).await;
    serve_or_bring_up(config, deps, listeners, shutdown).await
}

/// Serves; where its address is taken, what is down comes up all the same.
///
/// # Errors
/// The address that is taken, or what [`serve`] says.
pub async fn serve_or_bring_up(
    config: Config,
    deps: Deps,
    listeners: Result<Listeners, BindError>,
    leave: impl Into<Leave>,
) -> anyhow::Result<()> {
    match listeners {
        Ok(listeners) => serve(config, deps, listeners, leave).await,
        Err(taken) => {
            tracing::error!("{taken}; {WHAT_FOLLOWS}");
            bring_up(config, deps, leave.into().now).await?;
            Err(taken.into())
        }
    }
}

/// Serves until it is time to leave. At once: within `shutdown_grace_seconds`, and the next start takes up what is
/// unfinished. Once all are up: when no instance is down for a resize any more, which is also what a server that broke
/// leads to.
///
/// # Errors
/// When there is no journal to be had, when it could not be used to the end, or when a server broke.
pub async fn serve(
    config: Config,
    deps: Deps,
    listeners: Listeners,
    leave: impl Into<Leave>,
) -> anyhow::Result<()> {
    let leave = leave.into();
    let dry_run = config.dry_run;
    let mut registry = exposition::registry("actuator");
    let started = Hands::start(config, deps, leave.clone(), &mut registry).await?;
    let Some(hands) = started else {
        return Ok(());
    };
    tracing::info!(dry_run, "the actuator serves");
    let stop = leave.now.child_token();
    let service = hands.service(stop.clone()).into_server();
    let server = GrpcServer::new(SERVICE, hands.is_ready()).with_service(service);
    let mut servers =
        Servers::new(stop.clone()).with("gRPC", server.serve(listeners.grpc, stop.clone()));
    if let Some(listener) = listeners.metrics {
        let exposition = exposition::serve(listener, Arc::new(registry), stop.clone());
        servers = servers.with("metrics", exposition);
    }
    let serving = async {
        let served = servers.run().await;
        leave.once_up.cancel();
        served
    };
    // While connections drain, so that the one grace does not begin when the other has ended.
    let working = async {
        hands.work().await;
        stop.cancel();
    };
    let (served, ()) = tokio::join!(serving, working);
    let degraded = hands.journal_degraded();
    hands.put_down().await;
    served?;
    // The last thing it says is what a person has to mend.
    degraded.map_or(Ok(()), |why| {
        Err(anyhow::anyhow!("it worked without its journal: {why}"))
    })
}

/// The way into an actuator of this process, whose journal is in memory; and its work, which ends after it is time to
/// leave.
///
/// # Errors
/// Never, as far as is known: the journal is empty.
pub async fn in_process(
    config: Config,
    deps: Deps,
    leave: impl Into<Leave>,
) -> anyhow::Result<(Wire, impl Future<Output = ()> + Send)> {
    let leave = leave.into();
    let opened = Opened {
        store: Arc::new(MemoryStore::default()),
        wrong: None,
    };
    let mut registry = exposition::registry("actuator");
    let hands = Hands::over(opened, config, deps, leave.clone(), &mut registry).await?;
    let service = hands.service(leave.now.child_token()).into_server();
    let server = GrpcServer::new(SERVICE, hands.is_ready()).with_service(service);
    let way = server.in_process().await;
    let work = async move {
        hands.work().await;
        hands.put_down().await;
    };
    Ok((way, work))
}

/// Brings up what is down, and ends. Nothing is served, nothing is stopped, and nothing new is begun.
///
/// # Errors
/// When there is no journal to be had.
pub async fn bring_up(
    mut config: Config,
    deps: Deps,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if config.has_no_journal_yet() {
        // None is begun for a process that never served; breadcrumbs are looked for all the same.
        ":memory:".clone_into(&mut config.database);
    }
    // Whatever has not been stopped by now is not stopped any more.
    let leave = Leave::from(shutdown);
    leave.once_up.cancel();
    let mut registry = exposition::registry("actuator");
    if let Some(hands) = Hands::start(config, deps, leave, &mut registry).await? {
        hands.work().await;
        hands.put_down().await;
    }
    Ok(())
}
