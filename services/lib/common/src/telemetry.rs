//! Logs on stderr, for people or as JSON and never waited for, and spans to an OTLP collector when one is configured.

use std::{
    io::{self, IsTerminal as _, Write as _},
    panic,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    config::{ConfigError, Settings, invalid},
    lines::{self, Lines},
    text::{chain, one_line},
};

const FILTER_KEY: &str = "telemetry.filter";
/// Wins over the key.
const RUST_LOG: &str = "RUST_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// How long the end of the process waits for those who read its lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where logs go once they are set up; panics and last words follow in their order.
static STDERR: OnceLock<Lines> = OnceLock::new();

/// Section `telemetry`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `human` or `json`.
    pub format: LogFormat,
    /// A filter such as `info` or `info,scheduler=debug`. `RUST_LOG` wins over it.
    pub filter: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for a person, coloured on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(transparent)]
    Filter(#[from] ConfigError),
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT is set, but spans can't be exported: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("logs can't be written to stderr: {0}")]
    Stderr(#[from] io::Error),
    #[error("telemetry was set up twice in this process: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Flushes spans and lines when dropped, within a bound; keep it until the end of `main`.
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            // Nothing is left to log to; spans that can't be delivered now are lost either way.
            let _ = provider.shutdown();
        }
        lines::settle_all(LAST_WORDS);
    }
}

/// Sets up logs and spans for the whole process. Call it once, inside the runtime: the exporter needs one.
///
/// # Errors
/// A bad filter, or an endpoint that can't be used.
pub fn init(
    service: &'static str,
    config: &TelemetryConfig,
) -> Result<TelemetryGuard, TelemetryError> {
    set_up(service, config.format, filter(config)?)
}

/// The same with logs as they are by default, whatever the environment says of them: for when it can't be used.
///
/// # Errors
/// An endpoint that can't be used.
pub fn init_plain(service: &'static str) -> Result<TelemetryGuard, TelemetryError> {
    let config = TelemetryConfig::default();
    let filter = filter_of(FILTER_KEY, &config.filter)?;
    set_up(service, config.format, filter)
}

/// Refuses a section `telemetry`, or a `RUST_LOG`, that logs can't be set up with.
///
/// # Errors
/// The key or the variable that is wrong.
pub fn check(settings: &Settings) -> Result<(), ConfigError> {
    filter(&settings.section("telemetry")?)
        .map(drop)
        .map_err(|error| settings.placed(error))
}

fn filter(config: &TelemetryConfig) -> Result<EnvFilter, ConfigError> {
    match std::env::var_os(RUST_LOG).map(std::ffi::OsString::into_string) {
        Some(Ok(text)) if !text.is_empty() => filter_of(RUST_LOG, &text),
        Some(Err(_)) => Err(invalid(RUST_LOG, "is not UTF-8")),
        _ => filter_of(FILTER_KEY, &config.filter),
    }
}

fn filter_of(key: &str, text: &str) -> Result<EnvFilter, ConfigError> {
    // The library takes some of what is wrong for the name of a target, and logs nothing.
    if let Some(directive) = text.split(',').find(|one| is_broken(one)) {
        return Err(invalid(
            key,
            format!(
                "{:?} is no directive; write one like info, or target=debug with one of {}",
                one_line(directive),
                LEVELS.join(", ")
            ),
        ));
    }
    // The model library tells of every matrix.
    EnvFilter::try_new(text)
        .and_then(|filter| Ok(filter.add_directive("xgboost_rs=warn".parse()?)))
        .map_err(|error| invalid(key, chain(&error)))
}

/// Of `level`, `target` and `target=level`. Spans and their fields are the library's to judge.
fn is_broken(directive: &str) -> bool {
    let directive = directive.trim();
    let name = |text: &str| {
        let allowed = |sign: char| sign.is_alphanumeric() || "_:-.".contains(sign);
        !text.is_empty() && text.chars().all(allowed)
    };
    if directive.contains(['[', ']', '{', '}', '"']) {
        let target = directive.split(['[', ']', '{', '}', '"']).next();
        return !target.is_none_or(|target| target.is_empty() || name(target))
            || directive.starts_with([']', '}', '='])
            || directive.matches('[').count() > 1;
    }
    match directive.split_once('=') {
        None => !directive.is_empty() && !name(directive),
        Some((target, level)) => {
            let level = level.to_lowercase();
            !name(target)
                || !(LEVELS.contains(&level.as_str()) || matches!(level.as_bytes(), [b'0'..=b'5']))
        }
    }
}

fn set_up(
    service: &'static str,
    format: LogFormat,
    filter: EnvFilter,
) -> Result<TelemetryGuard, TelemetryError> {
    let stderr = stderr()?;
    panic::set_hook(Box::new(|panic| {
        // The hook of the standard library waits for whoever reads stderr.
        let backtrace = std::backtrace::Backtrace::capture();
        let thread = thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let mut text = format!("thread '{name}' {panic}");
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            text = format!("{text}\n{backtrace}");
        }
        say(&text);
    }));
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr.clone());
    let lines = match format {
        LogFormat::Human => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = match std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Ok(endpoint) if !endpoint.is_empty() => Some(span_exporter(service)?),
        _ => None,
    };
    // Context travels even when this process exports nothing, so that a trace has no holes.
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(spans)
        .try_init()?;
    Ok(TelemetryGuard { provider })
}

fn stderr() -> io::Result<&'static Lines> {
    if let Some(stderr) = STDERR.get() {
        return Ok(stderr);
    }
    let stderr = Lines::to_stream("stderr", io::stderr())?;
    Ok(STDERR.get_or_init(|| stderr))
}

/// A line on stderr, behind the logs where there are logs. It waits for a reader for a second at most, then the line is
/// given up: a program that can't say why it ends must still end.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    if let Some(stderr) = STDERR.get() {
        stderr.push(line.as_bytes());
        return;
    }
    let (done, written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        let _ = io::stderr().write_all(line.as_bytes());
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = written.recv_timeout(LAST_WORDS);
    }
}

fn span_exporter(service: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_filters_something_else_is_refused() {
        for text in [
            "info,actuator=loud",
            "=====[[[",
            "a=b=c",
            "info;debug",
            "info debug",
            "=info",
            "actuator=",
            "actuator=6",
            "[[[",
            "a[b]=loud",
            "info,,=",
        ] {
            let error = filter_of(FILTER_KEY, text)
                .map(drop)
                .unwrap_err()
                .to_string();
            assert!(error.contains("`telemetry.filter`"), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: {error}");
        }
        for text in [
            "info",
            "INFO",
            "off",
            "info,scheduler=debug",
            "info,actuator::aws=TRACE,h2=off",
            "warn,tower_http",
            "actuator=4",
            "[resize]=debug",
            "actuator[resize{id=\"r1\"}]=trace",
            "info,",
        ] {
            assert!(filter_of(FILTER_KEY, text).is_ok(), "{text}");
        }
    }
}
