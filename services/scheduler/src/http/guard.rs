//! Which browsers may act: none that another site sent.
//!
//! The API has no login; it trusts who can reach its port. A browser on a trusted machine can reach it too, and runs
//! pages of strangers. Three checks keep those out: where the browser says the request comes from, the page's origin,
//! and the name that was used (a stranger's name that resolves to this machine is a rebinding attack).

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::Problem;

/// Names with dots under which the API may be called.
#[derive(Clone, Debug)]
pub struct AllowedHosts(pub std::sync::Arc<[String]>);

/// Answers 403 to what [`check`] refuses.
pub async fn refuse_strangers(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check(request.headers(), &allowed.0).map_err(|why| {
        tracing::warn!(path = request.uri().path(), "request refused: {why}");
        Problem::forbidden(why)
    })?;
    Ok(next.run(request).await)
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
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_| "unreadable Host header")?),
        (Some(_), Some(_)) => return Err("two Host headers"),
    };
    if host.is_some_and(|host| !is_ours(host, allowed)) {
        return Err("foreign Host header; names with dots must be in scheduler.http_hosts");
    }
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
