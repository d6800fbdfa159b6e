//! What a gRPC call brings along beside its message: trace, deadline, caller.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::extract::ConnectInfo;
use opentelemetry::propagation::{Extractor, Injector};
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::clock::machine;

/// The span of an incoming call, child of the caller's.
pub(crate) fn incoming_span<B>(request: &http::Request<B>) -> tracing::Span {
    let path = request.uri().path();
    // Health probes come every few seconds and are nobody's trace.
    if path.starts_with("/grpc.") {
        return tracing::Span::none();
    }
    let span = tracing::info_span!("rpc", otel.name = path, otel.kind = "server");
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    // It fails when no span exporter is configured: then there is no trace to join.
    let _ = span.set_parent(parent);
    span
}

/// Runs `call` until the caller's deadline; what comes later is of no use to it.
pub(crate) async fn within_deadline<B, F>(
    request: http::Request<B>,
    call: impl FnOnce(http::Request<B>) -> F,
) -> axum::response::Response
where
    F: Future<Output = Result<axum::response::Response, Infallible>>,
{
    let timeout = timeout(request.headers().get("grpc-timeout"));
    let call = call(request);
    let response = match timeout {
        // The code that tonic's own server has for it.
        Some(timeout) => machine()
            .timeout(timeout, call)
            .await
            .unwrap_or_else(|_| Ok(tonic::Status::cancelled("Timeout expired").into_http())),
        None => call.await,
    };
    response.unwrap_or_else(|never| match never {})
}

/// A request with a `grpc-timeout` and the current trace context in its metadata.
pub fn outgoing<T>(message: T, timeout: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Metadata(request.metadata_mut()));
    });
    request
}

/// Where a call comes from; `None` where the server doesn't say.
pub fn caller<T>(request: &tonic::Request<T>) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip())
}

/// What is left of the caller's deadline, as it stood when the request arrived. `None` when it set none.
pub fn deadline<T>(request: &tonic::Request<T>) -> Option<Duration> {
    timeout(request.metadata().as_ref().get("grpc-timeout"))
}

fn timeout(header: Option<&http::HeaderValue>) -> Option<Duration> {
    let value = header?.to_str().ok()?;
    let (amount, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = amount.parse().ok()?;
    // https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "TimeoutUnit"
    Some(match unit {
        "H" => Duration::from_secs(amount.saturating_mul(3_600)),
        "M" => Duration::from_secs(amount.saturating_mul(60)),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (
            MetadataKey::from_bytes(key.as_bytes()),
            MetadataValue::try_from(&value),
        ) {
            self.0.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_they_are_written() {
        for timeout in [
            Duration::from_micros(250),
            Duration::from_millis(1_500),
            Duration::from_secs(40),
        ] {
            let request = outgoing((), timeout);
            assert_eq!(deadline(&request), Some(timeout));
        }
        let mut request = tonic::Request::new(());
        assert_eq!(deadline(&request), None);
        for nonsense in ["", "S", "10", "tenS"] {
            request
                .metadata_mut()
                .insert("grpc-timeout", nonsense.parse().unwrap());
            assert_eq!(deadline(&request), None, "{nonsense:?}");
        }
    }
}
