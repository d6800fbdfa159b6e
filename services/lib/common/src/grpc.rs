//! One way to serve gRPC and one way to call it.
//!
//! Every server has health and reflection, carries trace context in, and drains within a bound. Every client call
//! carries a deadline and the trace context out.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    service::RoutesBuilder,
    transport::{self, Channel, Endpoint},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{clock::machine, listen::Protocol, serving};

/// Calls that are still running this long after shutdown began are dropped.
const DRAIN: Duration = Duration::from_secs(10);

/// The way to a server: over a connection ([`BoxCloneSyncService::new`] of a channel), or straight into one of this
/// process.
pub type Wire = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, transport::Error>;

/// Why a server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("server reflection can't be built from the descriptors: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("server: {0}")]
    Io(#[from] std::io::Error),
}

/// A gRPC server to be: services are added, then it runs on a listener.
#[derive(Debug)]
pub struct GrpcServer {
    service: &'static str,
    routes: RoutesBuilder,
    ready: watch::Receiver<bool>,
    refusal: Option<String>,
}

impl GrpcServer {
    /// `service` is the full name, such as `autoscaler.predictor.v1.PredictorService`. Health is NOT_SERVING, for it and
    /// for the server as a whole, until `ready` turns true.
    pub fn new(service: &'static str, ready: watch::Receiver<bool>) -> Self {
        Self {
            service,
            routes: RoutesBuilder::default(),
            ready,
            refusal: None,
        }
    }

    /// What it does not know is UNAVAILABLE, with this sentence, and not UNIMPLEMENTED.
    #[must_use]
    pub fn refusing(mut self, why: String) -> Self {
        self.refusal = Some(why);
        self
    }

    /// For a service that is ready as soon as it listens.
    pub fn always_ready(service: &'static str) -> Self {
        // A receiver keeps its last value when the sender is gone.
        let (_, ready) = watch::channel(true);
        Self::new(service, ready)
    }

    /// Adds a generated server beside health and reflection.
    #[must_use]
    pub fn with_service<S>(mut self, server: S) -> Self
    where
        S: tower::Service<
                http::Request<tonic::body::Body>,
                Response: axum::response::IntoResponse,
                Error = std::convert::Infallible,
                Future: Send + 'static,
            > + tonic::server::NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.routes.add_service(server);
        self
    }

    /// The way straight into it, once it is ready: its calls are made without a connection, by whoever waits for them.
    pub async fn in_process(mut self) -> Wire {
        let (reporter, health) = tonic_health::server::health_reporter();
        // Where nobody can change it any more, it stays as it is.
        let _ = self.ready.wait_for(|ready| *ready).await;
        let ready = *self.ready.borrow();
        report(&reporter, self.service, ready).await;
        let routes = self.routes.routes().add_service(health);
        let routes = ServiceExt::<http::Request<Body>>::map_err(routes, |never| match never {});
        BoxCloneSyncService::new(routes)
    }

    /// Serves until `shutdown`, then drains for at most ten seconds.
    ///
    /// # Errors
    /// When the server can't run; never because of a client.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        // Not inside the call: the borrow would be held across the await, and the server could not be spawned.
        let ready = *self.ready.borrow();
        report(&reporter, self.service, ready).await;
        let descriptors = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // The descriptors hold the other services too; only what answers here is listed.
                .with_service_name(self.service)
                .with_service_name("grpc.health.v1.Health")
        };
        let mut app = self
            .routes
            .routes()
            .add_service(health)
            .add_service(descriptors().build_v1()?)
            .add_service(descriptors().build_v1alpha()?)
            .prepare()
            .into_axum_router();
        if let Some(why) = self.refusal {
            app = app.fallback(async move || {
                tonic::Status::unavailable(why.clone()).into_http::<tonic::body::Body>()
            });
        }

        let draining = shutdown.clone();
        let service = self.service;
        let follow_health = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = draining.cancelled() => {
                        report(&reporter, service, false).await;
                        return;
                    }
                    changed = self.ready.changed() => {
                        if changed.is_err() {
                            // Nobody can change it any more: wait for the end.
                            draining.cancelled().await;
                            report(&reporter, service, false).await;
                            return;
                        }
                        let ready = *self.ready.borrow_and_update();
                        report(&reporter, service, ready).await;
                    }
                }
            }
        });
        let serving = serving::serve(Protocol::Grpc, listener, app, shutdown.clone());
        let result = tokio::select! {
            result = serving => result.map_err(ServeError::from),
            () = drained(shutdown) => {
                tracing::warn!(service, "calls were still running after the drain time and were dropped");
                Ok(())
            }
        };
        follow_health.abort();
        result
    }
}

async fn drained(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    machine().sleep(DRAIN).await;
}

async fn report(reporter: &HealthReporter, service: &str, ready: bool) {
    let status = if ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    reporter.set_service_status("", status).await;
    reporter.set_service_status(service, status).await;
}

/// A channel that connects at the first call and again after each loss.
///
/// # Errors
/// When `url` is no URL.
pub fn channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .connect_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .connect_lazy())
}

/// The URL under which something that listens on `address` is reached from this machine.
pub fn local_url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_is_reached_over_loopback() {
        for (address, url) in [
            ("0.0.0.0:50051", "http://127.0.0.1:50051"),
            ("[::]:1", "http://[::1]:1"),
            ("10.1.2.3:7", "http://10.1.2.3:7"),
        ] {
            assert_eq!(local_url(address.parse().unwrap()), url);
        }
    }
}
