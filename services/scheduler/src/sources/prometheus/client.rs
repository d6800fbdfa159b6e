//! Queries for the present, to servers that may be asked.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_api::{Access, Bounds, Client, QueryError, RangeAnswer};
use url::Url;

use super::{
    addresses::{self, Blocked, GuardedResolver},
    headers,
    secret::Secret,
    settings::PrometheusConfig,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The reason that a query has no answer. One line each, with the address, the remedy and no secrets.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("the URL of Prometheus is not usable: {0}")]
    Url(#[from] url::ParseError),
    #[error("Prometheus address {0}")]
    Blocked(#[from] Blocked),
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Query(#[from] QueryError),
}

impl MetricsError {
    /// No answer at all, rather than one that doesn't do.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(
            self,
            Self::Query(QueryError::Unreachable { .. } | QueryError::Timeout { .. })
        )
    }
}

fn remedy(error: &QueryError) -> &'static str {
    match error {
        QueryError::Unreachable { .. } => "; is it running, and is scheduler.prometheus right?",
        QueryError::Timeout { .. } => "; see scheduler.prometheus.timeout_seconds",
        QueryError::TooLarge { .. } => {
            "; narrow the expression or raise scheduler.prometheus.max_body_bytes"
        }
        // Mimir's and Cortex's words.
        QueryError::Status { detail, .. } if detail.contains("org id") => {
            "; see scheduler.prometheus.tenant"
        }
        QueryError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
            "; see scheduler.prometheus.bearer_token, and headers"
        }
        QueryError::Status { status, .. } if matches!(status.as_u16(), 414 | 431) => {
            "; a proxy takes no queries of this length: let POST through, or shorten the expression"
        }
        _ => "",
    }
}

/// The times that a query asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Time of the last sample.
    pub end: Timestamp,
    /// From sample to sample.
    pub step_seconds: u32,
    /// How far back.
    pub seconds: u32,
}

/// The client for all queries.
#[derive(Debug)]
pub struct Prometheus(Client);

impl Prometheus {
    /// `central` is the one server that all queries go to, when there is one.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: &PrometheusConfig, central: Option<&Url>) -> Result<Self, MetricsError> {
        let bounds = Bounds {
            connect_timeout: CONNECT_TIMEOUT,
            timeout_seconds: config.timeout_seconds,
            max_body_bytes: config.max_body_bytes,
        };
        // Credentials are for the central server; instances are not to see them.
        let named = config.headers.iter();
        let named: Vec<(String, &str)> = named
            .map(|(written, value)| (headers::name(written), value.exposed()))
            .collect();
        let access = match central {
            Some(_) => Access {
                bearer_token: config.bearer_token.as_ref().map(Secret::exposed),
                tenant: config.tenant.as_deref(),
                headers: &named,
            },
            None => Access::default(),
        };
        let tls = central.is_some_and(|url| url.scheme() == "https");
        let guarded = |builder: reqwest::ClientBuilder| builder.dns_resolver(GuardedResolver);
        Ok(Self(Client::new(bounds, access, tls, guarded)?))
    }

    /// Runs `query` at `base` over `window`.
    ///
    /// # Errors
    /// Everything that is not a matrix from Prometheus, within the bounds.
    pub async fn query_range(
        &self,
        base: &Url,
        query: &str,
        window: Window,
    ) -> Result<RangeAnswer, MetricsError> {
        addresses::check_url(base)?;
        let end = window.end.as_second();
        // The range ends now and begins whole steps earlier, so that its last point is the present.
        let steps = i64::from(window.seconds / window.step_seconds);
        let range = prometheus_api::Range {
            start: end - steps * i64::from(window.step_seconds),
            end,
            step_seconds: window.step_seconds,
        };
        Ok(self.0.query_range(base, query, range).await?)
    }
}

/// Parses and checks a base URL.
///
/// # Errors
/// No URL, or a blocked address.
pub fn base_url(text: &str) -> Result<Url, MetricsError> {
    let url = Url::parse(text)?;
    addresses::check_url(&url)?;
    Ok(url)
}
