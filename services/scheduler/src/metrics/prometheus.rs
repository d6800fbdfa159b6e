//! The client for Prometheus's HTTP API: `query_range` by POST, with bounds on time, size and where it may go.

use std::{error::Error as _, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
    redirect,
};
use url::Url;

use super::{
    guard::{self, Blocked, GuardedResolver},
    wire::{self, RangeAnswer},
};
use crate::{
    config::{PrometheusConfig, seconds},
    text::one_line,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// So much of an error's body is read.
const MOST_ERROR_BYTES: u64 = 64 << 10;

/// Why a query has no answer. One line each, with the address and no secrets.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("the URL of Prometheus is not usable: {0}")]
    Url(#[from] url::ParseError),
    #[error("the HTTP client for Prometheus can't be built: {0}")]
    Client(String),
    #[error("Prometheus address {0}")]
    Blocked(#[from] Blocked),
    #[error(
        "Prometheus at {url} can't be reached: {why}; is it running, and is scheduler.prometheus right?"
    )]
    Unreachable { url: String, why: String },
    #[error(
        "Prometheus at {url} did not answer within {seconds} s; see scheduler.prometheus.timeout_seconds"
    )]
    Timeout { url: String, seconds: u32 },
    #[error(
        "Prometheus at {url} redirects to {to}; redirects are not followed, configure the final address"
    )]
    Redirect { url: String, to: String },
    #[error("Prometheus at {url} answered {status}{detail}")]
    Status {
        url: String,
        status: StatusCode,
        detail: String,
    },
    #[error(
        "Prometheus at {url} answered with more than {limit} bytes; narrow the expression or raise scheduler.prometheus.max_body_bytes"
    )]
    TooLarge { url: String, limit: u64 },
    #[error(
        "the server at {url} answered {content_type} instead of JSON; is that address Prometheus, or a login page before it?"
    )]
    NotJson { url: String, content_type: String },
    #[error("the answer of Prometheus at {url} {why}")]
    Answer { url: String, why: String },
}

/// Which samples a query asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Time of the last sample.
    pub end: Timestamp,
    /// From sample to sample.
    pub step_seconds: u32,
    /// How far back.
    pub window_seconds: u32,
}

/// The HTTP client; one for all queries.
#[derive(Debug)]
pub struct Prometheus {
    http: Client,
    timeout_seconds: u32,
    max_body_bytes: u64,
}

impl Prometheus {
    /// `central` is the one server that all queries go to, when there is one.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: &PrometheusConfig, central: Option<&Url>) -> Result<Self, MetricsError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let value = |text: String| {
            let mut value = HeaderValue::try_from(text)
                .map_err(|error| MetricsError::Client(error.to_string()))?;
            value.set_sensitive(true);
            Ok::<_, MetricsError>(value)
        };
        // Credentials are for the central server; instances are not to see them.
        if central.is_some() {
            if let Some(token) = &config.bearer_token {
                headers.insert(AUTHORIZATION, value(format!("Bearer {token}"))?);
            }
            if let Some(tenant) = &config.tenant {
                headers.insert("x-scope-orgid", value(tenant.clone())?);
            }
        }
        let mut builder = Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(seconds(config.timeout_seconds))
            .redirect(redirect::Policy::none())
            // A proxy from the environment would resolve names out of the guard's sight.
            .no_proxy()
            .dns_resolver(GuardedResolver)
            .user_agent(concat!("cloud-autoscaler/", env!("CARGO_PKG_VERSION")));
        if central.is_none_or(|url| url.scheme() == "http") {
            // No TLS will happen: don't ask for the system's certificates, which small images don't have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .map_err(|error| MetricsError::Client(causes(&error)))?;
        Ok(Self {
            http,
            timeout_seconds: config.timeout_seconds,
            max_body_bytes: config.max_body_bytes,
        })
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
        guard::check_url(base)?;
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", "query_range"]);
        }
        let end = range.end.as_second();
        // The range ends now and begins whole steps earlier, so that its last point is the present.
        let steps = i64::from(range.window_seconds / range.step_seconds);
        let start = end - steps * i64::from(range.step_seconds);
        let form = [
            ("query", query.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("step", range.step_seconds.to_string()),
            ("timeout", format!("{}s", self.timeout_seconds)),
        ];
        let failed = |error: reqwest::Error| self.failure(base, &error);
        let mut response = self
            .http
            .post(url)
            .form(&form)
            .send()
            .await
            .map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let to = response
                .headers()
                .get(LOCATION)
                .map_or("an unnamed place".into(), |to| {
                    String::from_utf8_lossy(to.as_bytes())
                });
            return Err(MetricsError::Redirect {
                url: shown(base),
                to: one_line(&to),
            });
        }
        if !status.is_success() {
            // The body is a courtesy: without it the status says enough.
            let detail = match self.body(base, &mut response, MOST_ERROR_BYTES).await {
                Ok(body) => wire::parse_error(&body).map(|error| format!(": {error}")),
                Err(_) => None,
            };
            return Err(MetricsError::Status {
                url: shown(base),
                status,
                detail: detail.unwrap_or_default(),
            });
        }
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .map(|value| one_line(&String::from_utf8_lossy(value.as_bytes())))
            .unwrap_or_default();
        if content_type.starts_with("text/html") {
            return Err(MetricsError::NotJson {
                url: shown(base),
                content_type,
            });
        }
        let body = self.body(base, &mut response, self.max_body_bytes).await?;
        wire::parse(&body).map_err(|why| MetricsError::Answer {
            url: shown(base),
            why,
        })
    }

    /// The body after decompression, as long as it stays below `limit`.
    async fn body(
        &self,
        base: &Url,
        response: &mut reqwest::Response,
        limit: u64,
    ) -> Result<Vec<u8>, MetricsError> {
        let mut body = Vec::new();
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| self.failure(base, &error))?;
            let Some(chunk) = chunk else { return Ok(body) };
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(MetricsError::TooLarge {
                    url: shown(base),
                    limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn failure(&self, base: &Url, error: &reqwest::Error) -> MetricsError {
        if error.is_timeout() && !error.is_connect() {
            return MetricsError::Timeout {
                url: shown(base),
                seconds: self.timeout_seconds,
            };
        }
        MetricsError::Unreachable {
            url: shown(base),
            why: causes(error),
        }
    }
}

/// Parses and checks a base URL.
///
/// # Errors
/// No URL, or a blocked address.
pub fn base_url(text: &str) -> Result<Url, MetricsError> {
    let url = Url::parse(text)?;
    guard::check_url(&url)?;
    Ok(url)
}

/// The URL without user, password and query.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that can't have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The innermost causes of an error: the outer ones repeat the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    one_line(&last.unwrap_or_else(|| error.to_string()))
}
