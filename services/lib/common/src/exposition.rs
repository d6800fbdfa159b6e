//! Prometheus exposition: one registry for each service, served on a port of its own.

use std::{future::Future, sync::Arc};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{clock::SharedClock, lines, listen::Protocol, serving};

/// The media type of the text that [`render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry whose metric names begin with `autoscaler_<service>_`, with the build's version in it.
pub fn registry(service: &str) -> Registry {
    let mut registry = Registry::with_prefix(format!("autoscaler_{service}"));
    let build = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    build
        .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
        .set(1);
    registry.register("build_info", "Version of the running build", build);
    registry.register(
        "log_lines_dropped",
        "Log and decision lines that this process dropped because their reader was too slow or the file could not be written",
        lines::DROPPED.clone(),
    );
    registry
}

/// The registry as OpenMetrics text.
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a String can't fail.
    let _ = encode(&mut text, registry);
    text
}

/// Serves `GET /metrics` until `shutdown`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(metrics))
        .with_state(registry);
    serving::serve(Protocol::Http, listener, app, shutdown).await
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&registry))
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CallLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct MethodLabels {
    method: &'static str,
}

/// Counts and times the calls that a gRPC service answers.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    clock: SharedClock,
    calls: Family<CallLabels, Counter>,
    seconds: Family<MethodLabels, Histogram>,
}

impl CallMetrics {
    /// Registers `grpc_calls_total{method,code}` and `grpc_call_seconds{method}`.
    /// Their time is that of `clock`.
    pub fn register(registry: &mut Registry, clock: SharedClock) -> Self {
        let metrics = Self {
            clock,
            calls: Family::default(),
            // From half a millisecond to half a minute.
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.0005, 2.0, 17))
            }),
        };
        registry.register("grpc_calls", "Calls answered", metrics.calls.clone());
        registry.register(
            "grpc_call_seconds",
            "Time to answer a call, in seconds",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// Runs `call` and records its duration and code under `method`.
    ///
    /// # Errors
    /// Those of `call`.
    pub async fn observe<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, tonic::Status>>,
    ) -> Result<T, tonic::Status> {
        let start = self.clock.monotonic();
        let result = call.await;
        let code = match &result {
            Ok(_) => code_name(tonic::Code::Ok),
            Err(status) => code_name(status.code()),
        };
        self.calls.get_or_create(&CallLabels { method, code }).inc();
        self.seconds
            .get_or_create(&MethodLabels { method })
            .observe(self.clock.since(start).as_secs_f64());
        result
    }
}

/// The names of the gRPC specification.
pub fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn calls_are_counted_by_code() {
        let mut registry = registry("predictor");
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let metrics = CallMetrics::register(&mut registry, Arc::new(clock.clone()));
        let slow = async {
            clock.advance(Duration::from_secs(3));
            Ok(())
        };
        let _ = metrics.observe("Forecast", slow).await;
        let _ = metrics
            .observe("Forecast", async {
                Err::<(), _>(tonic::Status::not_found("no"))
            })
            .await;
        let text = render(&registry);
        for line in [
            r#"autoscaler_predictor_grpc_calls_total{method="Forecast",code="OK"} 1"#,
            r#"autoscaler_predictor_grpc_calls_total{method="Forecast",code="NOT_FOUND"} 1"#,
            r#"autoscaler_predictor_grpc_call_seconds_count{method="Forecast"} 2"#,
            r#"autoscaler_predictor_grpc_call_seconds_sum{method="Forecast"} 3.0"#,
            "autoscaler_predictor_build_info",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
