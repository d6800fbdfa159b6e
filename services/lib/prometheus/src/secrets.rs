//! Texts that no message may hold: what goes with each query so that it is let in. Servers and proxies repeat what they
//! were sent. Pure.

use std::fmt;

use url::{Url, form_urlencoded};

/// What stands in the place of one.
const HIDDEN: &str = "…";
/// A shorter one is found in the middle of words: it is left out only where it stands alone.
const SHORTEST_INSIDE: usize = 4;
/// A shorter word after `Basic` is prose.
const SHORTEST_CREDENTIAL: usize = 8;

/// The spellings of all credentials, the longest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Of these credentials.
    pub fn new<'a>(credentials: impl IntoIterator<Item = &'a str>) -> Self {
        Self::default().and(credentials)
    }

    /// The same, and what a URL holds: user and password, also as they are sent, and the values of its query.
    pub fn and_of(&self, url: &Url) -> Self {
        let user = decoded(url.username());
        let password = url.password().map(decoded).unwrap_or_default();
        let sent = match (user.as_str(), password.as_str()) {
            ("", "") => String::new(),
            (user, password) => base64(format!("{user}:{password}").as_bytes()),
        };
        let values: Vec<String> = url
            .query_pairs()
            .map(|(_, value)| value.into_owned())
            .collect();
        let own = [url.username(), &user, &password, &sent]
            .into_iter()
            .chain(url.password());
        self.clone()
            .and(own.chain(values.iter().map(String::as_str)))
    }

    /// The same, and these.
    pub fn and<'a>(mut self, credentials: impl IntoIterator<Item = &'a str>) -> Self {
        for credential in credentials {
            // `Bearer abc` and `user:password` hold more than one.
            let parts = credential.split([' ', ':']);
            let parts = parts.filter(|part| part.len() >= SHORTEST_CREDENTIAL);
            for one in std::iter::once(credential).chain(parts) {
                self.0.extend(spellings(one));
            }
        }
        self.0.retain(|secret| !secret.trim().is_empty());
        self.0
            .sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        self.0.dedup();
        self
    }

    /// The text without any of them.
    pub fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if secret.len() >= SHORTEST_INSIDE {
                text = text.replace(secret.as_str(), HIDDEN);
            } else {
                text = without_word(&text, secret);
            }
        }
        without_credentials(&text)
    }
}

/// Without `word` where no letter or digit stands beside it.
fn without_word(text: &str, word: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(word) {
        let (before, after) = (&rest[..begin], &rest[begin + word.len()..]);
        let last = before.chars().next_back().or(kept.chars().next_back());
        let beside = [last, after.chars().next()];
        let alone = !beside.into_iter().flatten().any(char::is_alphanumeric);
        kept.push_str(before);
        kept.push_str(if alone { HIDDEN } else { word });
        rest = after;
    }
    kept + rest
}

/// Without what follows `Basic` and `Bearer`, whoever's it is.
fn without_credentials(text: &str) -> String {
    let mut after_scheme = false;
    let mut kept = String::with_capacity(text.len());
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let is_prose = word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b",.:;".contains(&byte));
        if after_scheme && word.len() >= SHORTEST_CREDENTIAL && !is_prose {
            kept.push_str(HIDDEN);
            kept.push_str(&piece[word.len()..]);
        } else {
            kept.push_str(piece);
        }
        let scheme = word.trim_matches(|sign: char| !sign.is_ascii_alphanumeric());
        after_scheme = !word.is_empty()
            && ["basic", "bearer"]
                .iter()
                .any(|name| scheme.to_ascii_lowercase().ends_with(name));
    }
    kept
}

/// One text as it is written in URLs, JSON, pages, and headers.
fn spellings(text: &str) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let json = serde_json::Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let page = |double: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', double)
            .replace('\'', "&#39;")
    };
    let code = base64(text.as_bytes());
    let bare = code.trim_end_matches('=').to_owned();
    vec![
        text.to_owned(),
        common::text::words(text),
        lower_hex(&form),
        lower_hex(&percent),
        form,
        percent,
        json.replace('/', r"\/"),
        json,
        page("&quot;"),
        page("&#34;"),
        bare.replace('+', "-").replace('/', "_"),
        bare,
        code,
    ]
}

/// `%2f` for `%2F`.
fn lower_hex(text: &str) -> String {
    let mut digits = 0_u8;
    text.chars()
        .map(|sign| {
            if sign == '%' {
                digits = 2;
                return sign;
            }
            let is_digit = digits > 0;
            digits = digits.saturating_sub(u8::from(is_digit));
            if is_digit {
                sign.to_ascii_lowercase()
            } else {
                sign
            }
        })
        .collect()
}

/// Of a part of a URL.
fn decoded(part: &str) -> String {
    let pair = part
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |position: usize| u32::from(group.get(position).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * position)) as usize & 63];
            text.push(if position <= group.len() {
                char::from(sign)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_query_is_in_no_message_however_it_is_written() {
        let url =
            Url::parse("https://oper%40tor:p%C3%A4ss%2F%22w%26rd@p/x?key=k3y-of-url").unwrap();
        let secrets = Secrets::new(["s3cr3t/+token", "Bearer abcdefgh-1"]).and_of(&url);
        for secret in [
            "s3cr3t/+token",
            r"s3cr3t\/+token",
            "s3cr3t%2F%2Btoken",
            "s3cr3t%2f%2btoken",
            "czNjcjN0Lyt0b2tlbg==",
            "czNjcjN0Lyt0b2tlbg",
            "abcdefgh-1",
            "oper@tor",
            "oper%40tor",
            r#"päss/"w&rd"#,
            r#"päss/\"w&rd"#,
            "päss/&quot;w&amp;rd",
            "päss/&#34;w&amp;rd",
            "p%C3%A4ss%2F%22w%26rd",
            "p%c3%a4ss%2f%22w%26rd",
            "b3BlckB0b3I6cMOkc3MvIncmcmQ=",
            "k3y-of-url",
        ] {
            for told in [
                format!("who is {secret}?"),
                format!("x{secret}y"),
                format!("Authorization: Basic {secret}"),
            ] {
                let hidden = secrets.hide(&told);
                assert!(!hidden.contains(secret), "{secret}: {hidden}");
                assert!(hidden.contains('…'), "{hidden}");
            }
        }
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let url = Url::parse("http://me:abc@p").unwrap();
        let secrets = Secrets::new([]).and_of(&url);
        assert_eq!(secrets.hide("abc: me, abcd"), "…: …, abcd");
        assert_eq!(secrets.hide("xabc abc"), "xabc …");
        for text in [
            "Basic authentication needed",
            "Bearer token required.",
            "no org id",
            "",
        ] {
            assert_eq!(secrets.hide(text), text);
            assert_eq!(Secrets::default().hide(text), text);
        }
        assert_eq!(
            Secrets::default().hide("got \"Basic dXNlcjpwYXNz\" here"),
            "got \"Basic … here"
        );
    }
}
