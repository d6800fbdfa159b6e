//! What listens in the place of a service that can't run: health says that it does not serve, everything else says why.

use std::net::SocketAddr;

use axum::{Json, Router, http::StatusCode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{grpc::GrpcServer, listen, listen::Protocol, servers::Servers, serving};

/// Where it would have listened.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub grpc: SocketAddr,
    /// Its HTTP API, where it has one.
    pub http: Option<SocketAddr>,
}

/// Answers for `service` (its full name) until `shutdown`. An address that can't be had is left alone: somebody else
/// answers there.
pub async fn serve(
    service: &'static str,
    addresses: Addresses,
    why: String,
    shutdown: CancellationToken,
) {
    let mut servers = Servers::new(shutdown.clone());
    if let Ok(listener) = listen::bind(addresses.grpc, "gRPC").await {
        let (_, never_ready) = watch::channel(false);
        let server = GrpcServer::new(service, never_ready).refusing(why.clone());
        servers = servers.with("gRPC", server.serve(listener, shutdown.clone()));
    }
    if let Some(address) = addresses.http
        && let Ok(listener) = listen::bind(address, "HTTP").await
    {
        let body = serde_json::json!({ "status": "unavailable", "error": why });
        let app = Router::new()
            .fallback(async move || (StatusCode::SERVICE_UNAVAILABLE, Json(body.clone())));
        let server = serving::serve(Protocol::Http, listener, app, shutdown.clone());
        servers = servers.with("HTTP", server);
    }
    // Nobody misses a stand-in that breaks.
    let _ = servers.run().await;
    shutdown.cancelled().await;
}
