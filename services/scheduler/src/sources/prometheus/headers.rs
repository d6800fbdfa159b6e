//! Headers of the operator's own, for servers that ask for more than a token. Pure.

use std::collections::{BTreeMap, BTreeSet};

use common::config::{ConfigError, invalid};

use super::secret::Secret;

/// What the client says of each query itself, or what belongs to the connection.
const OURS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// The name as it is sent.
pub fn name(written: &str) -> String {
    written.to_ascii_lowercase().replace('_', "-")
}

/// True for what fits into a header.
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Checks `scheduler.prometheus.headers`; `elsewhere` are names that other keys set, each with its key.
///
/// # Errors
/// The name that is wrong; never a value.
pub fn check(
    headers: &BTreeMap<String, Secret>,
    elsewhere: &[(&str, &str)],
) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    for (written, value) in headers {
        let name = name(written);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
        let other = elsewhere.iter().find(|(other, _)| *other == name);
        let wrong = if name.is_empty() || !name.bytes().all(is_token) {
            "is no name of a header".to_owned()
        } else if OURS.contains(&name.as_str()) {
            "is set by the client itself".to_owned()
        } else if let Some((_, key)) = other {
            format!("contradicts {key}; leave one of them out")
        } else if value.exposed().is_empty() {
            "is empty; leave it out".to_owned()
        } else if !is_printable(value.exposed()) {
            "must be printable ASCII on one line".to_owned()
        } else if !names.insert(name) {
            "stands there twice".to_owned()
        } else {
            continue;
        };
        let key = format!("scheduler.prometheus.headers.{written}");
        return Err(invalid(&key, wrong));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_header_is_said_without_its_value() {
        let of = |name: &str, value: &str| {
            let headers = BTreeMap::from([(name.to_owned(), Secret::from(value))]);
            let said = check(&headers, &[("authorization", "bearer_token")]);
            said.map_err(|error| error.to_string())
        };
        for (name, value, expected) in [
            ("Host", "hunter2", "is set by the client itself"),
            ("Content_Length", "hunter2", "is set by the client itself"),
            ("a b", "hunter2", "no name of a header"),
            ("", "hunter2", "no name of a header"),
            ("Authorization", "hunter2", "contradicts bearer_token"),
            ("token", "", "is empty"),
            ("token", "hunter2\r\nx: y", "printable ASCII"),
            ("token", "hunter2\u{e9}", "printable ASCII"),
        ] {
            let why = of(name, value).unwrap_err();
            assert!(why.contains(expected), "{why:?} lacks {expected:?}");
            assert!(why.contains(&format!("scheduler.prometheus.headers.{name}")));
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert_eq!(of("X-Api-Key", "Bearer a:b"), Ok(()));
        let twice = ["X-A", "x_a"].map(|name| (name.to_owned(), Secret::from("1")));
        assert!(check(&twice.into(), &[]).is_err());
    }
}
