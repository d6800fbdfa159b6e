//! `query_range` of Prometheus's HTTP API, by POST or GET, with bounds on time and size. Redirects and proxies are not followed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::text::{chain, one_line, root_cause};
use reqwest::{
    ClientBuilder, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
    redirect,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::{
    error::QueryError,
    secrets::Secrets,
    signer::Signer,
    wire::{self, RangeAnswer},
};

/// So much of an error's body is read.
const MOST_ERROR_BYTES: u64 = 64 << 10;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// Until the answer is there, in seconds.
    pub timeout_seconds: u32,
    /// Of an answer, after decompression.
    pub max_body_bytes: u64,
    /// Queries at the same time. Until they are read, the answers of all of them take no more than 8 MiB each, and those of
    /// two of them `max_body_bytes`.
    pub in_flight: usize,
}

/// Larger bodies than this wait for each other, bytes.
const SMALL_BODY: usize = 8 << 20;
/// So many of them are read at the same time.
const LARGE_BODIES: usize = 2;

/// What goes with each query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access<'a> {
    /// For `Authorization: Bearer`.
    pub bearer_token: Option<&'a str>,
    /// `X-Scope-OrgID`, for Mimir and Cortex.
    pub tenant: Option<&'a str>,
    /// Others by name; the values are secrets.
    pub headers: &'a [(String, &'a str)],
    /// Signs each query.
    pub signer: Option<&'a Arc<dyn Signer>>,
}

/// Times `start`, `start + step`, … `end`, seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: i64,
    /// The last.
    pub end: i64,
    /// From one to the next.
    pub step_seconds: u32,
}

/// The HTTP client; one for all queries.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    bounds: Bounds,
    /// What goes with each query, but for what stands in its URL.
    secrets: Secrets,
    signer: Option<Arc<dyn Signer>>,
    /// Addresses at which POST is refused and GET is not.
    only_get: Mutex<BTreeSet<String>>,
    /// Queries in flight.
    queries: Semaphore,
    /// Large bodies in memory.
    large: Semaphore,
}

impl Client {
    /// Connects at the first query. `tls` says whether any server will be asked over https, and `custom` may set what is
    /// particular to the caller.
    ///
    /// # Errors
    /// [`QueryError::Client`].
    pub fn new(
        bounds: Bounds,
        access: Access<'_>,
        tls: bool,
        custom: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, QueryError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let value = |text: String| {
            let mut value =
                HeaderValue::try_from(text).map_err(|error| QueryError::Client(chain(&error)))?;
            value.set_sensitive(true);
            Ok::<_, QueryError>(value)
        };
        if let Some(token) = access.bearer_token {
            headers.insert(AUTHORIZATION, value(format!("Bearer {token}"))?);
        }
        if let Some(tenant) = access.tenant {
            headers.insert("x-scope-orgid", value(tenant.to_owned())?);
        }
        for (name, text) in access.headers {
            let name = HeaderName::try_from(name.as_str());
            let name = name.map_err(|error| QueryError::Client(chain(&error)))?;
            headers.insert(name, value((*text).to_owned())?);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(bounds.connect_timeout)
            .timeout(Duration::from_secs(bounds.timeout_seconds.into()))
            .redirect(redirect::Policy::none())
            // A proxy from the environment would resolve names out of the caller's sight.
            .no_proxy()
            .user_agent(concat!("cloud-autoscaler/", env!("CARGO_PKG_VERSION")));
        if !tls {
            // Don't ask for the system's certificates, which small images don't have.
            builder = builder.tls_certs_only([]);
        }
        let http = custom(builder)
            .build()
            .map_err(|error| QueryError::Client(innermost(&error)))?;
        Ok(Self {
            http,
            bounds,
            secrets: Secrets::new(
                access
                    .bearer_token
                    .into_iter()
                    .chain(access.headers.iter().map(|(_, value)| *value)),
            ),
            signer: access.signer.cloned(),
            only_get: Mutex::default(),
            queries: Semaphore::new(bounds.in_flight.max(1)),
            large: Semaphore::new(LARGE_BODIES),
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
    ) -> Result<RangeAnswer, QueryError> {
        // It is never closed.
        let _query = self.queries.acquire().await.ok();
        let url = place(base);
        let form = [
            ("query", query.to_owned()),
            ("start", range.start.to_string()),
            ("end", range.end.to_string()),
            ("step", range.step_seconds.to_string()),
            ("timeout", format!("{}s", self.bounds.timeout_seconds)),
        ];
        let mut response = self.ask(base, url, &form).await?;
        let url = shown(base);
        let signed = self.signer.iter().flat_map(|signer| signer.secrets());
        let signed: Vec<String> = signed.collect();
        let secrets = self.secrets.and_of(base);
        let secrets = secrets.and(signed.iter().map(String::as_str));
        let header = |response: &reqwest::Response, name| {
            let value = response.headers().get(name);
            value.map(|value| one_line(&secrets.hide(&String::from_utf8_lossy(value.as_bytes()))))
        };
        let status = response.status();
        if status.is_redirection() {
            let to = header(&response, LOCATION).unwrap_or_else(|| "an unnamed place".to_owned());
            return Err(QueryError::Redirect { url, to });
        }
        // 206 and the like say that a part is missing.
        if status != StatusCode::OK {
            // The body is a courtesy: without it the status says enough.
            let body = self.body(base, &mut response, MOST_ERROR_BYTES).await;
            let said = body
                .ok()
                .and_then(|(body, _)| wire::parse_error(&body, &secrets));
            return Err(QueryError::Status {
                url,
                status,
                detail: detail(base, status, said),
            });
        }
        let content_type = header(&response, CONTENT_TYPE).unwrap_or_default();
        if content_type.starts_with("text/html") {
            return Err(QueryError::NotJson { url, content_type });
        }
        let limit = self.bounds.max_body_bytes;
        let limited = limited(response.headers(), &secrets);
        let (body, _large) = self.body(base, &mut response, limit).await?;
        let mut answer =
            wire::parse(&body, &secrets).map_err(|why| QueryError::Answer { url, why })?;
        answer.warnings.extend(limited);
        Ok(answer)
    }

    /// By POST, for expressions can be longer than URLs may be; by GET where a proxy lets only that through.
    async fn ask(
        &self,
        base: &Url,
        url: Url,
        form: &[(&str, String)],
    ) -> Result<reqwest::Response, QueryError> {
        let post = || self.send(base, self.http.post(url.clone()).form(form));
        let get = || self.send(base, self.http.get(url.clone()).query(form));
        let place = url.as_str();
        if self.takes_only_get().contains(place) {
            let answer = get().await?;
            if !is_too_long(answer.status()) {
                return Ok(answer);
            }
            // The proxy may be another one by now, or only this query too long.
            let second = post().await?;
            if is_refused(second.status()) {
                return Ok(answer);
            }
            if second.status() == StatusCode::OK {
                self.takes_only_get().remove(place);
            }
            return Ok(second);
        }
        let answer = post().await?;
        // As the client library in Go does.
        if !is_refused(answer.status()) {
            return Ok(answer);
        }
        let second = get().await?;
        let status = second.status();
        // A URL that is too long for it shows as well that GET is taken.
        if (status == StatusCode::OK || is_too_long(status))
            && self.takes_only_get().insert(place.to_owned())
        {
            tracing::info!(
                url = shown(base),
                status = %answer.status(),
                "POST is refused there, GET is not: queries go by GET from here on, and long ones may fail"
            );
        }
        Ok(second)
    }

    async fn send(
        &self,
        base: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, QueryError> {
        let failure = |error| self.failure(base, &error);
        let mut request = request.build().map_err(failure)?;
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&mut request).await;
            signed.map_err(|why| QueryError::Unsigned {
                url: shown(base),
                why,
            })?;
        }
        self.http.execute(request).await.map_err(failure)
    }

    /// Whether queries go by GET there by now.
    pub fn goes_by_get(&self, base: &Url) -> bool {
        self.takes_only_get().contains(place(base).as_str())
    }

    fn takes_only_get(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A set is whole whoever panicked.
        self.only_get.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body after decompression, as long as it stays below `limit`; a large one with its place among those.
    async fn body(
        &self,
        base: &Url,
        response: &mut reqwest::Response,
        limit: u64,
    ) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), QueryError> {
        let mut body = Vec::new();
        let mut large = None;
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| self.failure(base, &error))?;
            let Some(chunk) = chunk else {
                return Ok((body, large));
            };
            if (body.len() + chunk.len()) as u64 > limit {
                let url = shown(base);
                return Err(QueryError::TooLarge { url, limit });
            }
            if large.is_none() && body.len() + chunk.len() > SMALL_BODY {
                large = self.large.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn failure(&self, base: &Url, error: &reqwest::Error) -> QueryError {
        let url = shown(base);
        if error.is_timeout() && !error.is_connect() {
            let seconds = self.bounds.timeout_seconds;
            return QueryError::Timeout { url, seconds };
        }
        let why = match innermost(error) {
            // What rustls says of bytes that are no TLS.
            why if base.scheme() == "https" && why.contains("InvalidContentType") => {
                "it does not speak TLS; write http:// instead of https://".to_owned()
            }
            why => why,
        };
        QueryError::Unreachable { url, why }
    }
}

/// Where range queries go.
fn place(base: &Url) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "v1", "query_range"]);
    }
    url
}

fn is_refused(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

fn is_too_long(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

/// What is said of an error: the server's own words, and what in the address may be the cause.
fn detail(base: &Url, status: StatusCode, said: Option<String>) -> String {
    let mut detail = said.map(|said| format!(": {said}")).unwrap_or_default();
    let to_https = |line: &str| {
        let line = line.to_ascii_lowercase();
        ["https server", "https port"]
            .iter()
            .any(|words| line.contains(words))
    };
    if base.scheme() == "http" && to_https(&detail) {
        detail.push_str("; it speaks TLS: write https:// instead of http://");
    } else if status == StatusCode::NOT_FOUND
        && let Some(page) = page_in(base)
    {
        detail.push_str(&format!("; the URL is the address before {page}"));
    }
    detail
}

/// The end of an address that was copied from a browser, or from the documentation of the API.
fn page_in(base: &Url) -> Option<&'static str> {
    let path = base.path().trim_end_matches('/');
    let pages = [
        "/api/v1/query_range",
        "/api/v1/query",
        "/api/v1",
        "/api",
        "/classic/graph",
        "/graph",
        "/query",
        "/targets",
        "/alerts",
        "/rules",
        "/config",
        "/status",
        "/metrics",
    ];
    pages.into_iter().find(|page| path.ends_with(page))
}

/// What the headers say of missing data: M3 names the limit that it ran into in `M3-Results-Limited`.
fn limited(headers: &HeaderMap, secrets: &Secrets) -> Option<String> {
    let says_so = |name: &str| {
        ["results-limited", "partial", "incomplete"]
            .iter()
            .any(|word| name.contains(word))
    };
    headers.iter().find_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (says_so(name.as_str()) && wire::is_yes(&value)).then(|| {
            one_line(&format!(
                "the answer is partial ({name}: {})",
                secrets.hide(&value)
            ))
        })
    })
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

/// The innermost cause of an error: the outer ones repeat the URL, which may hold a password.
fn innermost(error: &reqwest::Error) -> String {
    let cause = root_cause(error);
    one_line(&cause.unwrap_or_else(|| "the connection failed".to_owned()))
}

#[cfg(test)]
mod tests {
    use common::clock::machine;

    use super::*;

    #[test]
    fn an_address_of_a_page_is_said_to_be_one() {
        let of = |url: &str, status, said: &str| {
            let said = Some(said.to_owned()).filter(|said| !said.is_empty());
            detail(&Url::parse(url).unwrap(), status, said)
        };
        let absent = StatusCode::NOT_FOUND;
        for (url, expected) in [
            (
                "http://p:9090/graph",
                ": 404 page; the URL is the address before /graph",
            ),
            (
                "http://p:9090/prom/graph/",
                ": 404 page; the URL is the address before /graph",
            ),
            (
                "http://p:9090/api/v1",
                ": 404 page; the URL is the address before /api/v1",
            ),
            ("http://p:9090/prometheus", ": 404 page"),
            ("http://p:9090", ": 404 page"),
        ] {
            assert_eq!(of(url, absent, "404 page"), expected, "{url}");
        }
        let plain = "Client sent an HTTP request to an HTTPS server.";
        let said = of("http://p:9090", StatusCode::BAD_REQUEST, plain);
        assert!(
            said.ends_with("write https:// instead of http://"),
            "{said}"
        );
        assert_eq!(of("http://p:9090/graph", StatusCode::BAD_GATEWAY, ""), "");
    }

    #[test]
    fn headers_say_that_an_answer_is_partial_too() {
        let limited = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(name, HeaderValue::from_static(value));
            super::limited(&headers, &Secrets::default())
        };
        let said = limited("m3-results-limited", "max_fetch_series_limit_applied").unwrap();
        assert!(said.contains("max_fetch_series_limit_applied"), "{said}");
        assert!(limited("x-partial-response", "true").is_some());
        assert_eq!(limited("x-partial-response", "false"), None);
        assert_eq!(limited("x-request-id", "partial"), None);
    }

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_none() {
        let server = testkit::prometheus::Prometheus::start(|query| {
            let bytes = query.query.parse().unwrap();
            testkit::prometheus::json_body(&serde_json::json!({
                "status": "success",
                "other": "x".repeat(bytes),
                "data": {"resultType": "matrix", "result": []},
            }))
        })
        .await;
        let bounds = Bounds {
            connect_timeout: Duration::from_secs(3),
            timeout_seconds: 60,
            max_body_bytes: 64 << 20,
            in_flight: 4,
        };
        let client = Client::new(bounds, Access::default(), false, |builder| builder).unwrap();
        let base = Url::parse(&server.url).unwrap();
        let range = Range {
            start: 0,
            end: 60,
            step_seconds: 60,
        };
        let of = |bytes: &'static str| client.query_range(&base, bytes, range);
        let others = client
            .large
            .acquire_many(LARGE_BODIES as u32)
            .await
            .unwrap();
        let mut large = Box::pin(of("9000000"));
        let limit = Duration::from_millis(500);
        assert!(machine().timeout(limit, &mut large).await.is_err());
        of("1000").await.unwrap();
        drop(others);
        large.await.unwrap();
        assert_eq!(client.large.available_permits(), LARGE_BODIES);
        assert_eq!(client.queries.available_permits(), 4);
    }
}
