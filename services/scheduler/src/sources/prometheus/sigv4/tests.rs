use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use prometheus_api::{Access, Bounds, Client, Range};
use url::Url;

use super::*;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// As RFC 3986 has it, byte by byte.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The signature that a request should have, by AWS's documentation: without its SDK.
fn signature(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8], secret: &str) -> String {
    let authorization = headers["authorization"].to_str().unwrap();
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=")).unwrap();
        rest.split(',').next().unwrap().to_owned()
    };
    let (credential, signed) = (part("Credential"), part("SignedHeaders"));
    let scope: Vec<&str> = credential.split('/').skip(1).collect();
    let mut query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (encoded(&name), encoded(&value)))
            .collect();
    query.sort();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let lines: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", headers[name].to_str().unwrap().trim()))
        .collect();
    let sha = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
    let canonical = format!(
        "{method}\n{}\n{}\n{lines}\n{signed}\n{}",
        uri.path(),
        query.join("&"),
        sha(body)
    );
    let time = headers["x-amz-date"].to_str().unwrap();
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{}\n{}",
        scope.join("/"),
        sha(canonical.as_bytes())
    );
    let first = mac(format!("AWS4{secret}").as_bytes(), scope[0]);
    let key = scope[1..].iter().fold(first, |key, part| mac(&key, part));
    hex(&mac(&key, &text))
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new(KEY_ID, SECRET, token.map(str::to_owned), None, "test")
}

/// The requests of AWS's own test suite for signers, and their signatures.
#[test]
fn published_requests_have_their_published_signatures() {
    let at: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
    for (method, url, form, expected) in [
        // get-vanilla
        (
            Method::GET,
            "https://example.amazonaws.com/",
            None,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        // post-x-www-form-urlencoded
        (
            Method::POST,
            "https://example.amazonaws.com/",
            Some("Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        let mut request = reqwest::Request::new(method.clone(), url.parse().unwrap());
        if let Some(form) = form {
            *request.body_mut() = Some(form.into());
            let kind = "application/x-www-form-urlencoded".parse().unwrap();
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        add(&mut request, credentials(None), "us-east-1", "service", at).unwrap();
        let mut headers = request.headers().clone();
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(
            authorization.ends_with(&format!("Signature={expected}")),
            "{authorization}"
        );
        // And the checker below knows them too.
        headers.insert("host", "example.amazonaws.com".parse().unwrap());
        let uri: Uri = url.parse().unwrap();
        let body = form.unwrap_or_default().as_bytes();
        assert_eq!(signature(&method, &uri, &headers, body, SECRET), expected);
    }
}

/// What Amazon would do, for one secret.
async fn check(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let said = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap());
    let expected = signature(&method, &uri, &headers, &body, SECRET);
    let of_session = headers["x-amz-security-token"].to_str().unwrap();
    let signed = said.unwrap_or_default();
    let whole = [
        "content-type;",
        "host;",
        "x-amz-date;",
        "x-amz-security-token",
    ];
    let covers = whole
        .iter()
        .skip(usize::from(method == Method::GET))
        .all(|name| signed.contains(name));
    let for_aps = signed.contains("/eu-west-1/aps/aws4_request");
    if !signed.ends_with(&expected) || of_session != TOKEN || !covers || !for_aps {
        let body = format!(
            "{{\"message\":\"The request signature we calculated does not match: {of_session}\"}}"
        );
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    if method == Method::POST && uri.path().starts_with("/get") {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    ([("content-type", "application/json")], body).into_response()
}

#[tokio::test]
async fn queries_are_signed_and_a_wrong_key_is_told_without_its_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(check)).await });
    let ask = async |secret: &str, path: &str| {
        let signer = SigV4::new(SigV4Config {
            region: "eu-west-1".to_owned(),
            profile: None,
        });
        let token = Some(TOKEN.to_owned());
        let given = Credentials::new(KEY_ID, secret, token, None, "test");
        signer.kept.lock().await.provider = Some(SharedCredentialsProvider::new(given));
        let bounds = Bounds {
            connect_timeout: std::time::Duration::from_secs(3),
            timeout_seconds: 10,
            max_body_bytes: 1 << 20,
            in_flight: 2,
        };
        let signer: Arc<dyn Signer> = Arc::new(signer);
        let access = Access {
            signer: Some(&signer),
            ..Access::default()
        };
        let client = Client::new(bounds, access, false, |builder| builder).unwrap();
        let range = Range {
            start: 1_700_000_000,
            end: 1_700_003_600,
            step_seconds: 60,
        };
        let url = Url::parse(&format!("{base}{path}")).unwrap();
        let query = r#"a{b=~"x|y z+"} * 100 / 2"#;
        client.query_range(&url, query, range).await
    };
    for path in ["/workspaces/ws-1", "/get/workspaces/ws-1"] {
        let answer = ask(SECRET, path).await.unwrap();
        assert!(answer.series.is_empty());
        let why = ask("another", path).await.unwrap_err().to_string();
        assert!(why.contains("does not match: …"), "{why}");
        assert!(!why.contains(TOKEN));
    }
}

#[tokio::test]
async fn credentials_are_kept_until_they_end() {
    let signer = SigV4::new(SigV4Config {
        region: "eu-west-1".to_owned(),
        profile: None,
    });
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let ends = |minutes| Some(system_time(now + SignedDuration::from_mins(minutes)));
    for (end, minutes) in [(None, 15), (ends(60), 15), (ends(12), 7), (ends(2), -3)] {
        let given = Credentials::new(KEY_ID, SECRET, None, end, "test");
        let mut kept = signer.kept.lock().await;
        kept.provider = Some(SharedCredentialsProvider::new(given));
        kept.credentials = None;
        drop(kept);
        signer.credentials(now).await.unwrap();
        let until = signer.kept.lock().await.credentials.clone().unwrap().1;
        assert_eq!(until, now + SignedDuration::from_mins(minutes));
    }
}
