//! One Prometheus, asked for days of a fleet.

use std::time::Duration;

use prometheus_api::{Access, Bounds, LabelledSeries, QueryError, Range, shown};
use url::Url;

use super::chunks::Chunk;

const BOUNDS: Bounds = Bounds {
    connect_timeout: Duration::from_secs(5),
    // A day of a large fleet takes a while.
    timeout_seconds: 120,
    max_body_bytes: 512 << 20,
    in_flight: 1,
};

/// Why there are no samples. One line each, with the address, the remedy and no secrets.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    #[error("the URL of Prometheus is not usable: {0}")]
    Url(String),
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Query(#[from] QueryError),
    #[error("Prometheus at {url} warns, so that samples may be missing: {warnings}")]
    Warned { url: String, warnings: String },
}

fn remedy(error: &QueryError) -> &'static str {
    match error {
        QueryError::Unreachable { .. } => "; is it running there?",
        QueryError::Timeout { .. } | QueryError::TooLarge { .. } => "; ask for fewer series",
        _ => "",
    }
}

/// One server.
#[derive(Debug)]
pub struct Client {
    http: prometheus_api::Client,
    base: Url,
}

impl Client {
    /// Connects at the first query.
    ///
    /// # Errors
    /// No URL, a token that is no header, or a TLS set-up that can't be built.
    pub fn new(url: &str, access: Access<'_>) -> Result<Self, PrometheusError> {
        let base = Url::parse(url).map_err(|error| PrometheusError::Url(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(PrometheusError::Url(
                "it must begin with http:// or https://".into(),
            ));
        }
        let tls = base.scheme() == "https";
        let http = prometheus_api::Client::new(BOUNDS, access, tls, |builder| builder)?;
        Ok(Self { http, base })
    }

    /// The URL without user, password and query.
    pub fn shown(&self) -> String {
        shown(&self.base)
    }

    /// The series of `query` at the times of `chunk`.
    ///
    /// # Errors
    /// Everything that is not a complete matrix from Prometheus, within the bounds.
    pub async fn query_range(
        &self,
        query: &str,
        chunk: &Chunk,
        step_seconds: u32,
    ) -> Result<Vec<LabelledSeries>, PrometheusError> {
        let range = Range {
            start: chunk.start,
            end: chunk.end,
            step_seconds,
        };
        let answer = self.http.query_range(&self.base, query, range).await?;
        match answer.warnings.is_empty() {
            true => Ok(answer.series),
            false => Err(PrometheusError::Warned {
                url: self.shown(),
                warnings: answer.warnings.join("; "),
            }),
        }
    }
}
