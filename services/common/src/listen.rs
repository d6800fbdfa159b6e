//! Where a service listens.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// The sockets of one service, bound by whoever starts it, so that tests can take port 0.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// Prometheus exposition; `None` when it is turned off.
    pub metrics: Option<TcpListener>,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({purpose}): {source}; is another process using the port?")]
pub struct BindError {
    address: SocketAddr,
    purpose: &'static str,
    source: std::io::Error,
}

impl Listeners {
    /// Binds both.
    ///
    /// # Errors
    /// Names the address that is taken.
    pub async fn bind(grpc: SocketAddr, metrics: Option<SocketAddr>) -> Result<Self, BindError> {
        Ok(Self {
            grpc: bind(grpc, "gRPC").await?,
            metrics: match metrics {
                Some(address) => Some(bind(address, "metrics").await?),
                None => None,
            },
        })
    }
}

/// Binds one address.
///
/// # Errors
/// Names the address and what it was for.
pub async fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError {
            address,
            purpose,
            source,
        })
}
