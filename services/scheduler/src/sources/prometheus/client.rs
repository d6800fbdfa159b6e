//! Queries for the present, to servers that may be asked.

use std::{sync::Arc, time::Duration};

use prometheus_api::{Access, Bounds, Client, QueryError, Range, RangeAnswer, Signer};
use url::Url;

use super::{
    addresses::{self, Blocked, GuardedResolver},
    headers,
    secret::Secret,
    settings::{PrometheusConfig, SigV4Config},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Queries in flight at one server: it works on twenty at a time, and not for us alone.
const MOST_CENTRAL: u32 = 8;

/// The reason that a query has no answer. One line each, with the address, the remedy and no secrets.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("the URL of Prometheus is not usable: {0}")]
    Url(#[from] url::ParseError),
    #[error("Prometheus address {0}")]
    Blocked(#[from] Blocked),
    #[cfg(not(feature = "aws"))]
    #[error(
        "scheduler.prometheus.sigv4 needs a program that was built with AWS: the feature `aws` of its package"
    )]
    WithoutAws,
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

    /// What to ask less of, when that may help.
    pub fn too_much(&self) -> Option<TooMuch> {
        match self {
            Self::Query(QueryError::TooLarge { .. }) => Some(TooMuch::Data),
            Self::Query(QueryError::Status { status, detail, .. }) => match status.as_u16() {
                413 | 414 | 431 => Some(TooMuch::Length),
                // Prometheus and VictoriaMetrics; Mimir.
                422 if [
                    "too many samples",
                    "maxSamplesPerQuery",
                    "exceeded the maximum",
                ]
                .iter()
                .any(|words| detail.contains(words)) =>
                {
                    Some(TooMuch::Data)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn remedy(error: &QueryError) -> &'static str {
    match error {
        QueryError::Unsigned { .. } => "; see scheduler.prometheus.sigv4",
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
            "; see scheduler.prometheus.bearer_token, headers, and sigv4"
        }
        QueryError::Status { status, .. } if matches!(status.as_u16(), 414 | 431) => {
            "; a proxy takes no queries of this length: let POST through, or shorten the expression"
        }
        _ => "",
    }
}

/// What of a query was more than a server takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TooMuch {
    /// The query itself.
    Length,
    /// What it gives.
    Data,
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
            in_flight: match central {
                Some(_) => config.concurrency.min(MOST_CENTRAL),
                None => config.concurrency,
            } as usize,
        };
        // Credentials are for the central server; instances are not to see them.
        let signer = config.sigv4.as_ref().map(signer).transpose()?;
        let named = config.headers.iter();
        let named: Vec<(String, &str)> = named
            .map(|(written, value)| (headers::name(written), value.exposed()))
            .collect();
        let access = match central {
            Some(_) => Access {
                bearer_token: config.bearer_token.as_ref().map(Secret::exposed),
                tenant: config.tenant.as_deref(),
                headers: &named,
                signer: signer.as_ref(),
            },
            None => Access::default(),
        };
        let tls = central.is_some_and(|url| url.scheme() == "https");
        let guarded = |builder: reqwest::ClientBuilder| builder.dns_resolver(GuardedResolver);
        Ok(Self(Client::new(bounds, access, tls, guarded)?))
    }

    /// Runs `query` at `base` over `range`.
    ///
    /// # Errors
    /// Everything that is not a matrix from Prometheus, within the bounds.
    pub async fn query_range(
        &self,
        base: &Url,
        query: &str,
        range: Range,
    ) -> Result<RangeAnswer, MetricsError> {
        addresses::check_url(base)?;
        Ok(self.0.query_range(base, query, range).await?)
    }

    /// Whether queries go into URLs there.
    pub fn goes_by_get(&self, base: &Url) -> bool {
        self.0.goes_by_get(base)
    }
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "without AWS it fails")]
fn signer(config: &SigV4Config) -> Result<Arc<dyn Signer>, MetricsError> {
    Ok(Arc::new(super::sigv4::SigV4::new(config.clone())))
}

#[cfg(not(feature = "aws"))]
fn signer(_: &SigV4Config) -> Result<Arc<dyn Signer>, MetricsError> {
    Err(MetricsError::WithoutAws)
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
