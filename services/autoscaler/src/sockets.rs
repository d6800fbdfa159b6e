//! The sockets of the four services in one process.

use std::net::{Ipv4Addr, SocketAddr};

use common::listen::{self, BindError, Listeners};
use scheduler::SchedulerListeners;
use tokio::net::TcpListener;

use crate::configuration::Configuration;

/// Where one service listens.
pub struct Bound<L> {
    /// gRPC. Where that is taken it is a free one: who asks there finds nobody, and not somebody else's service.
    pub grpc: SocketAddr,
    pub listeners: Result<L, BindError>,
}

/// The sockets of all four, bound before anything starts.
pub struct Sockets {
    pub predictor: Bound<Listeners>,
    pub decision: Bound<Listeners>,
    pub actuator: Bound<Listeners>,
    pub scheduler: Bound<SchedulerListeners>,
    /// The HTTP API, whether it could be bound or not.
    pub http: SocketAddr,
}

impl Sockets {
    /// Binds what the configuration says.
    pub async fn bind(configuration: &Configuration) -> Self {
        let Configuration {
            predictor,
            decision,
            actuator,
            scheduler,
            ..
        } = configuration;
        let both = async {
            Ok(SchedulerListeners {
                service: Listeners::bind(scheduler.listen, scheduler.metrics_listen).await?,
                http: listen::bind(scheduler.http_listen, "HTTP").await?,
            })
        };
        let both = both.await;
        let http = both.as_ref().ok().map(|bound| &bound.http);
        Self {
            http: address_of(http).unwrap_or(scheduler.http_listen),
            scheduler: bound(both, |listeners| &listeners.service, scheduler.listen).await,
            actuator: plain(actuator.listen, actuator.metrics_listen).await,
            decision: plain(decision.listen, decision.metrics_listen).await,
            predictor: plain(predictor.listen, predictor.metrics_listen).await,
        }
    }

    /// All of them, or none.
    ///
    /// # Errors
    /// The first address that is taken.
    pub fn complete(self) -> Result<Self, BindError> {
        Ok(Self {
            predictor: self.predictor.complete()?,
            decision: self.decision.complete()?,
            actuator: self.actuator.complete()?,
            scheduler: self.scheduler.complete()?,
            http: self.http,
        })
    }
}

impl<L> Bound<L> {
    fn complete(self) -> Result<Self, BindError> {
        Ok(Self {
            grpc: self.grpc,
            listeners: Ok(self.listeners?),
        })
    }
}

async fn plain(grpc: SocketAddr, metrics: Option<SocketAddr>) -> Bound<Listeners> {
    let listeners = Listeners::bind(grpc, metrics).await;
    bound(listeners, |listeners| listeners, grpc).await
}

async fn bound<L>(
    listeners: Result<L, BindError>,
    service: impl FnOnce(&L) -> &Listeners,
    configured: SocketAddr,
) -> Bound<L> {
    let bound = listeners.as_ref().ok();
    let grpc = match address_of(bound.map(|listeners| &service(listeners).grpc)) {
        Some(address) => address,
        None => free(configured).await,
    };
    Bound { grpc, listeners }
}

/// `configured` when nobody listens there, else an address at which nobody does.
async fn free(configured: SocketAddr) -> SocketAddr {
    for address in [configured, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))] {
        let listener = TcpListener::bind(address).await.ok();
        if let Some(address) = address_of(listener.as_ref()) {
            return address;
        }
    }
    configured
}

fn address_of(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener?.local_addr().ok()
}
