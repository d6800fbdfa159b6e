//! `query_range` of Prometheus's HTTP API.

use std::{error::Error as _, time::Duration};

use reqwest::{
    StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
    redirect,
};
use url::Url;

use super::{
    chunks::Chunk,
    wire::{self, NamedSeries, one_line},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A day of a large fleet takes a while.
const TIMEOUT_SECONDS: u64 = 120;
/// After decompression.
const MOST_BYTES: usize = 512 << 20;
/// So much of an error's body is read.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// Why there are no samples. One line each, with the address and no secrets.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    #[error("the URL of Prometheus is not usable: {0}")]
    Url(String),
    #[error("the HTTP client for Prometheus can't be built: {0}")]
    Client(String),
    #[error("Prometheus at {url} can't be reached: {why}; is it running there?")]
    Unreachable { url: String, why: String },
    #[error("Prometheus at {url} did not answer within {TIMEOUT_SECONDS} s; ask for fewer series")]
    Timeout { url: String },
    #[error(
        "Prometheus at {url} redirects to {to}; redirects are not followed, name the final address"
    )]
    Redirect { url: String, to: String },
    #[error("Prometheus at {url} answered {status}{detail}")]
    Status {
        url: String,
        status: StatusCode,
        detail: String,
    },
    #[error("Prometheus at {url} answered with more than {MOST_BYTES} bytes; ask for fewer series")]
    TooLarge { url: String },
    #[error(
        "the server at {url} answered {content_type} instead of JSON; is that address Prometheus, or a login page before it?"
    )]
    NotJson { url: String, content_type: String },
    #[error("the answer of Prometheus at {url} {why}")]
    Answer { url: String, why: String },
    #[error("Prometheus at {url} warns, so that samples may be missing: {warnings}")]
    Warned { url: String, warnings: String },
}

/// One server.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// Connects at the first query.
    ///
    /// # Errors
    /// No URL, a token that is no header, or a TLS set-up that can't be built.
    pub fn new(
        url: &str,
        bearer_token: Option<&str>,
        tenant: Option<&str>,
    ) -> Result<Self, PrometheusError> {
        let base = Url::parse(url).map_err(|error| PrometheusError::Url(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(PrometheusError::Url(
                "it must begin with http:// or https://".into(),
            ));
        }
        let failed = |error: String| PrometheusError::Client(error);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let value = |text: String| {
            let mut value =
                HeaderValue::try_from(text).map_err(|error| failed(error.to_string()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        if let Some(token) = bearer_token {
            headers.insert(AUTHORIZATION, value(format!("Bearer {token}"))?);
        }
        if let Some(tenant) = tenant {
            headers.insert("x-scope-orgid", value(tenant.to_owned())?);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(Duration::from_secs(TIMEOUT_SECONDS))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("cloud-autoscaler/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // No TLS will happen: don't ask for the system's certificates, which small images don't have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| failed(causes(&error)))?;
        Ok(Self { http, base })
    }

    /// The URL without user, password and query.
    pub fn shown(&self) -> String {
        let mut url = self.base.clone();
        // Both fail only for URLs that can't have them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.as_str().trim_end_matches('/').to_owned()
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
    ) -> Result<Vec<NamedSeries>, PrometheusError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", "query_range"]);
        }
        let form = [
            ("query", query.to_owned()),
            ("start", chunk.start.to_string()),
            ("end", chunk.end.to_string()),
            ("step", step_seconds.to_string()),
            ("timeout", format!("{TIMEOUT_SECONDS}s")),
        ];
        let request = self.http.post(url).form(&form);
        let mut response = request.send().await.map_err(|error| self.failure(&error))?;
        let url = self.shown();
        let header = |response: &reqwest::Response, name| {
            let value = response.headers().get(name);
            value.map(|value| one_line(&String::from_utf8_lossy(value.as_bytes())))
        };
        let status = response.status();
        if status.is_redirection() {
            let to = header(&response, LOCATION).unwrap_or_else(|| "an unnamed place".to_owned());
            return Err(PrometheusError::Redirect { url, to });
        }
        if !status.is_success() {
            // The body is a courtesy: without it the status says enough.
            let body = self.body(&mut response, MOST_ERROR_BYTES).await;
            let detail = body.ok().and_then(|body| wire::parse_error(&body));
            let detail = detail.map(|error| format!(": {error}")).unwrap_or_default();
            return Err(PrometheusError::Status {
                url,
                status,
                detail,
            });
        }
        let content_type = header(&response, CONTENT_TYPE).unwrap_or_default();
        if content_type.starts_with("text/html") {
            return Err(PrometheusError::NotJson { url, content_type });
        }
        let body = self.body(&mut response, MOST_BYTES).await?;
        let answer = wire::parse(&body).map_err(|why| PrometheusError::Answer {
            url: url.clone(),
            why,
        })?;
        if !answer.warnings.is_empty() {
            let warnings = answer.warnings.join("; ");
            return Err(PrometheusError::Warned { url, warnings });
        }
        Ok(answer.series)
    }

    /// The body after decompression, as long as it stays below `limit`.
    async fn body(
        &self,
        response: &mut reqwest::Response,
        limit: usize,
    ) -> Result<Vec<u8>, PrometheusError> {
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| self.failure(&error))?
        {
            if body.len() + part.len() > limit {
                return Err(PrometheusError::TooLarge { url: self.shown() });
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn failure(&self, error: &reqwest::Error) -> PrometheusError {
        let url = self.shown();
        if error.is_timeout() && !error.is_connect() {
            return PrometheusError::Timeout { url };
        }
        PrometheusError::Unreachable {
            url,
            why: causes(error),
        }
    }
}

/// The innermost cause of an error: the outer ones repeat the URL, which may hold a password.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    one_line(&last.unwrap_or_else(|| "the connection failed".to_owned()))
}
