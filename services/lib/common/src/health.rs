//! Asks a service how it is, over `grpc.health.v1`.

use std::time::Duration;

use tonic::{
    body::Body,
    client::GrpcService,
    codegen::{Bytes, StdError},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{clock::machine, text::chain_from};

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Health {
    /// It answers calls.
    Serving,
    /// It runs, but isn't ready, or is shutting down.
    NotServing,
    /// It does not answer: why.
    Unreachable(String),
}

impl Health {
    /// Why `who` does not serve, as far as that can be told from outside; `None` when it serves.
    pub fn why_not(&self, who: &str) -> Option<String> {
        match self {
            Self::Serving => None,
            Self::NotServing => Some(format!("{who} runs, but is not ready; its log says why")),
            Self::Unreachable(why) => Some(format!("{who} does not answer: {why}")),
        }
    }
}

/// Asks the server behind `way`, a channel as a rule.
pub async fn check<T>(way: T, timeout: Duration) -> Health
where
    T: GrpcService<Body, Error: Into<StdError>>,
    T::ResponseBody:
        tonic::codegen::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    let mut client = HealthClient::new(way);
    let request = crate::metadata::outgoing(
        HealthCheckRequest {
            service: String::new(),
        },
        timeout,
    );
    // The header binds the server; this binds the wait for a connection.
    match machine().timeout(timeout, client.check(request)).await {
        Ok(Ok(response)) if response.get_ref().status() == ServingStatus::Serving => {
            Health::Serving
        }
        Ok(Ok(_)) => Health::NotServing,
        Ok(Err(status)) => Health::Unreachable(chain_from(
            status.message().to_owned(),
            std::error::Error::source(&status),
        )),
        Err(_) => Health::Unreachable(format!("no answer within {timeout:?}")),
    }
}
