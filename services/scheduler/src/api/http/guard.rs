//! Which browsers may act: none that another site sent.
//!
//! The API has no login; it trusts who can reach its port. A browser on a trusted machine can reach it too, and runs
//! pages of strangers. Three checks keep those out: where the browser says the request comes from, the page's origin,
//! and the name that was used (a stranger's name that resolves to this machine is a rebinding attack).
//!
//! Over plain http to anything but loopback a browser says nothing of where an image or a frame was asked from. That is
//! why a GET with any mark of a browser never acts, and why a browser's POST must say its origin.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};

use super::problem::Problem;

/// Names with dots under which the API may be called.
#[derive(Clone, Debug)]
pub struct AllowedHosts(pub std::sync::Arc<[String]>);

/// Answers 403 to what [`check`] refuses.
pub async fn refuse_strangers(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    let verdict = check(headers, &allowed.0).and_then(|()| match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => says_its_origin(headers),
    });
    verdict.map_err(|why| refusal(&request, why))?;
    Ok(next.run(request).await)
}

/// For pages that only show: a browser must use a name of ours, scrapes and probes may use any.
pub async fn refuse_rebinding(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if is_browser(request.headers()) {
        own_host(request.headers(), &allowed.0).map_err(|why| refusal(&request, why))?;
    }
    Ok(next.run(request).await)
}

fn refusal(request: &Request, why: &'static str) -> Problem {
    tracing::warn!(path = request.uri().path(), "request refused: {why}");
    Problem::forbidden(why)
}

/// What the documentation page needs, and no more; other answers are no pages.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tells browsers that nothing here is to be framed, embedded, or guessed to be something else.
pub async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// True for a script on this machine: no mark of a browser, and no proxy that stands before somebody else.
pub fn is_local_script(headers: &HeaderMap, extensions: &Extensions) -> bool {
    let from_loopback = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let forwarded = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    from_loopback
        && !is_browser(headers)
        && !forwarded.iter().any(|name| headers.contains_key(*name))
}

/// True when the request has a mark that browsers leave, and that curl and client libraries don't.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let marks = [
        "accept-language",
        "cookie",
        "dnt",
        "origin",
        "purpose",
        "referer",
        "sec-ch-ua",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-gpc",
        "sec-purpose",
        "upgrade-insecure-requests",
        "x-moz",
    ];
    // Every browser of the last twenty-five years calls itself so, whatever it is.
    let agent = |value: &HeaderValue| {
        value.as_bytes().starts_with(b"Mozilla/") || value.as_bytes().starts_with(b"Opera/")
    };
    marks.iter().any(|name| headers.contains_key(*name))
        || headers.get_all(header::USER_AGENT).iter().any(agent)
}

/// A browser that acts has to say which page sent it; [`check`] has judged what it says.
fn says_its_origin(headers: &HeaderMap) -> Result<(), &'static str> {
    let said = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_browser(headers) && !said {
        return Err("a browser's request without an Origin header");
    }
    Ok(())
}

/// Refuses requests that another site made a browser send.
///
/// # Errors
/// Why.
pub fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), &'static str> {
    let mut fetch_site = headers.get_all("sec-fetch-site").iter();
    if fetch_site.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err("cross-site request; open the API itself instead of following a link to it");
    }
    let host = own_host(headers, allowed)?;
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let same_origin = |origin: &[u8]| {
        let origin = std::str::from_utf8(origin).unwrap_or_default();
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        authority.is_some() && authority == host
    };
    if origins.any(|origin| !same_origin(origin.as_bytes())) {
        return Err("foreign Origin header");
    }
    Ok(())
}

/// The name that was used, if it is one of ours. Without a Host header there is none.
fn own_host<'a>(
    headers: &'a HeaderMap,
    allowed: &[String],
) -> Result<Option<&'a str>, &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_| "unreadable Host header")?),
        (Some(_), Some(_)) => return Err("two Host headers"),
    };
    if host.is_some_and(|host| !is_ours(host, allowed)) {
        return Err("foreign Host header; names with dots must be in scheduler.http_hosts");
    }
    Ok(host)
}

/// An address, `localhost`, a name without a dot (no stranger can own one), or a configured name.
fn is_ours(host: &str, allowed: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    };
    let literal = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    if literal.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    plain
        || name.ends_with(".localhost")
        || allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(headers: &[(&'static str, &str)]) -> Result<(), &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&map, &["scaler.example.com".to_owned()])
    }

    #[test]
    fn people_and_scripts_come_in() {
        for headers in [
            &[][..],
            &[("host", "localhost:8000")],
            &[("host", "127.0.0.1:8000"), ("sec-fetch-site", "none")],
            &[("host", "[::1]:8000"), ("origin", "http://[::1]:8000")],
            &[("host", "scheduler:8000")],
            &[
                ("host", "Scaler.example.com"),
                ("origin", "https://Scaler.example.com"),
            ],
            &[
                ("host", "localhost:8000"),
                ("origin", "http://localhost:8000"),
                ("sec-fetch-site", "same-origin"),
            ],
        ] {
            assert_eq!(verdict(headers), Ok(()), "{headers:?}");
        }
    }

    fn marks(headers: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse::<HeaderValue>().unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn a_browser_is_known_by_any_of_its_marks() {
        for script in [
            &[][..],
            &[("user-agent", "curl/8.9.1"), ("accept", "*/*")],
            &[
                ("user-agent", "python-requests/2.32"),
                ("accept-encoding", "gzip, deflate"),
            ],
            &[
                ("user-agent", "Prometheus/3.5.0"),
                ("x-prometheus-scrape-timeout-seconds", "10"),
            ],
        ] {
            assert!(!is_browser(&marks(script)), "{script:?}");
        }
        for browser in [
            &[("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0")][..],
            &[("accept-language", "de")],
            &[("referer", "http://evil.example/")],
            &[("origin", "null")],
            &[("sec-fetch-dest", "image")],
            &[("sec-purpose", "prefetch;prerender")],
            &[("purpose", "prefetch")],
        ] {
            assert!(is_browser(&marks(browser)), "{browser:?}");
        }
    }

    #[test]
    fn only_a_script_on_this_machine_is_local() {
        let from = |peer: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            extensions
        };
        for peer in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_local_script(&marks(&[]), &from(peer)), "{peer}");
        }
        for peer in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "0.0.0.0:1"] {
            assert!(!is_local_script(&marks(&[]), &from(peer)), "{peer}");
        }
        let local = from("127.0.0.1:1");
        for header in [
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("via", "1.1 proxy"),
            ("user-agent", "Mozilla/5.0"),
        ] {
            assert!(!is_local_script(&marks(&[header]), &local), "{header:?}");
        }
        // Who sent it is not known.
        assert!(!is_local_script(&marks(&[]), &Extensions::new()));
    }

    #[test]
    fn a_browser_that_acts_says_where_it_comes_from() {
        assert!(says_its_origin(&marks(&[])).is_ok());
        let mozilla = ("user-agent", "Mozilla/5.0");
        assert!(says_its_origin(&marks(&[mozilla])).is_err());
        assert!(says_its_origin(&marks(&[("referer", "http://evil.example/")])).is_err());
        assert!(says_its_origin(&marks(&[mozilla, ("sec-fetch-site", "same-origin")])).is_ok());
    }

    #[test]
    fn strangers_stay_out() {
        for (headers, word) in [
            (
                &[("host", "localhost:8000"), ("sec-fetch-site", "cross-site")][..],
                "cross-site",
            ),
            // Another port of the same machine is the same site, and somebody else's program.
            (
                &[("host", "localhost:8000"), ("sec-fetch-site", "same-site")],
                "cross-site",
            ),
            (
                &[
                    ("host", "localhost:8000"),
                    ("origin", "http://evil.example"),
                ],
                "Origin",
            ),
            (
                &[
                    ("host", "localhost:8000"),
                    ("origin", "http://localhost:9999"),
                ],
                "Origin",
            ),
            (&[("host", "localhost:8000"), ("origin", "null")], "Origin"),
            (&[("origin", "http://localhost:8000")], "Origin"),
            (&[("host", "evil.example:8000")], "Host"),
            (&[("host", "127.0.0.1.evil.example")], "Host"),
            (&[("host", "localhost.evil.example")], "Host"),
            (&[("host", "")], "Host"),
            (
                &[("host", "localhost"), ("host", "evil.example")],
                "two Host",
            ),
        ] {
            let why = verdict(headers).unwrap_err();
            assert!(why.contains(word), "{headers:?}: {why}");
        }
    }
}
