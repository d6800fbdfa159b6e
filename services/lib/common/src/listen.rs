//! Where a service listens.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::port_holder;

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 with gRPC.
    Grpc,
    /// HTTP/1.
    Http,
}

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
#[error("cannot listen on {address} ({purpose}): {source}; {remedy}")]
pub struct BindError {
    address: SocketAddr,
    purpose: &'static str,
    source: io::Error,
    remedy: String,
}

impl BindError {
    fn new(address: SocketAddr, purpose: &'static str, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => port_holder::describe(address)
                .unwrap_or_else(|| "is another process using the port?".to_owned()),
            io::ErrorKind::AddrNotAvailable => {
                "no interface of this machine has the address; 0.0.0.0 is all of them".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the right to bind them; configure a higher one".to_owned()
            }
            _ => "is the address right?".to_owned(),
        };
        Self {
            address,
            purpose,
            source,
            remedy,
        }
    }
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
        .map_err(|source| BindError::new(address, purpose, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_holds_a_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(address, "gRPC").await.unwrap_err().to_string();
        let start = format!("cannot listen on {address} (gRPC): ");
        assert!(error.starts_with(&start), "{error}");
        let holder = format!("(pid {}) listens there", std::process::id());
        assert!(error.contains(&holder), "{error}");

        let outgoing = tokio::net::TcpStream::connect(address).await.unwrap();
        let own_end = outgoing.local_addr().unwrap();
        let error = bind(own_end, "gRPC").await.unwrap_err().to_string();
        assert!(error.contains("an outgoing connection of "), "{error}");

        let error = bind("192.0.2.1:0".parse().unwrap(), "gRPC")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no interface"), "{error}");
    }
}
