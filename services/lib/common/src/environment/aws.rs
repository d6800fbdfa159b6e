//! What the AWS SDK takes from variables and files and puts into headers and addresses. Blanks and line ends come from
//! files of Windows and from secrets with a newline; the SDK panics on some of them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    config::{ConfigError, invalid},
    files,
    text::invisible,
};

/// What a value may be made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// ASCII that is seen: keys, tokens, addresses.
    Code,
    /// That, too, and of a certain shape.
    Region,
    /// Letters of any language.
    Name,
    /// Whatever is seen, and blanks.
    Text,
}

fn kind_of_variable(name: &str) -> Kind {
    match name {
        "AWS_REGION" | "AWS_DEFAULT_REGION" => Kind::Region,
        "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" => Kind::Name,
        "AWS_ACCESS_KEY_ID"
        | "AWS_SECRET_ACCESS_KEY"
        | "AWS_SESSION_TOKEN"
        | "AWS_ROLE_ARN"
        | "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        | "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        | "AWS_EC2_METADATA_SERVICE_ENDPOINT" => Kind::Code,
        name if name.starts_with("AWS_ENDPOINT_URL") => Kind::Code,
        _ => Kind::Text,
    }
}

fn kind_of_key(key: &str) -> Kind {
    match key {
        "region" => Kind::Region,
        "aws_access_key_id"
        | "aws_secret_access_key"
        | "aws_session_token"
        | "role_arn"
        | "endpoint_url" => Kind::Code,
        "source_profile" => Kind::Name,
        _ => Kind::Text,
    }
}

/// Why a value can't be used, without it.
fn wrong(kind: Kind, value: &str) -> Option<String> {
    let seen = |sign: char| match kind {
        Kind::Code | Kind::Region => sign.is_ascii_graphic(),
        Kind::Name => sign.is_ascii_graphic() || sign.is_alphanumeric(),
        Kind::Text => true,
    };
    let what = match value.chars().find(|sign| !seen(*sign)) {
        Some('\r' | '\n') => Some("a line end".to_owned()),
        Some(' ' | '\t') => Some("a blank".to_owned()),
        Some(sign) => Some(format!(
            "the invisible or foreign character U+{:04X}",
            u32::from(sign)
        )),
        None => invisible(value),
    };
    match what {
        Some(what) => Some(format!("has {what} in it; take it away")),
        // An empty variable is one that isn't set.
        None if kind == Kind::Region && !value.is_empty() && !is_region(value) => {
            Some("is no AWS region; one looks like eu-central-1".to_owned())
        }
        None => None,
    }
}

/// True for what looks like the code of a region, such as us-east-1, us-gov-west-1 and eusc-de-east-1.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some(([first, between @ ..], number)) = parts.split_last().map(|(last, all)| (all, last))
    else {
        return false;
    };
    let letters = |part: &str, least, most| {
        (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    letters(first, 2, 4)
        && (1..=2).contains(&between.len())
        && between.iter().all(|part| letters(part, 2, 12))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0')
}

/// Why this is no name of a profile.
pub fn wrong_profile_name(name: &str) -> Option<String> {
    match name.is_empty() {
        true => Some("is empty".to_owned()),
        false => wrong(Kind::Name, name),
    }
}

/// Refuses what no credential, region or profile has in it.
///
/// # Errors
/// The variable by name; never its value.
pub fn check_variables() -> Result<(), ConfigError> {
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        if name.starts_with("AWS_") {
            check_variable(&name, value)?;
        }
    }
    Ok(())
}

fn check_variable(name: &str, value: OsString) -> Result<(), ConfigError> {
    let Ok(value) = value.into_string() else {
        return Err(invalid(name, "is not UTF-8"));
    };
    match wrong(kind_of_variable(name), &value) {
        Some(why) => Err(invalid(name, why)),
        None => Ok(()),
    }
}

/// Refuses the same in the files of the profile that is used: `profile`, or that of the environment. What the files lack
/// is not looked at, nor files that can't be read: the SDK says so.
///
/// # Errors
/// File, profile and key; never the value.
pub fn check_profile_files(profile: Option<&str>) -> Result<(), ConfigError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let profile = profile
        .map(str::to_owned)
        .or_else(|| variable("AWS_PROFILE"))
        .unwrap_or_else(|| "default".to_owned());
    let home = variable("HOME").map(PathBuf::from);
    let file = |name: &str, usual: &str| match (variable(name), &home) {
        (Some(path), Some(home)) => Some(match path.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        }),
        (Some(path), None) => Some(PathBuf::from(path)),
        (None, home) => home.as_ref().map(|home| home.join(usual)),
    };
    for path in [
        file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        file("AWS_CONFIG_FILE", ".aws/config"),
    ] {
        let Some(path) = path else { continue };
        if let Ok(text) = files::read_text(&path) {
            check_profile(&path, &text, &profile)?;
        }
    }
    for name in [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ] {
        let Some(path) = variable(name) else { continue };
        if let Ok(text) = files::read_text(Path::new(&path))
            && let Some(what) = invisible(&text)
        {
            let why = format!("names a file that has {what} in it; take it away");
            return Err(invalid(name, why));
        }
    }
    Ok(())
}

/// Of the profile and of those that it takes its credentials from.
fn check_profile(path: &Path, text: &str, profile: &str) -> Result<(), ConfigError> {
    let values = values(text);
    let mut names = vec![profile.to_owned()];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        next += 1;
        for (_, key, value) in values.iter().filter(|(of, ..)| *of == name) {
            if let Some(why) = wrong(kind_of_key(key), value) {
                return Err(ConfigError::Profile {
                    path: path.to_owned(),
                    profile: name,
                    key: key.clone(),
                    why,
                });
            }
            if key == "source_profile" && !names.contains(value) {
                names.push(value.clone());
            }
        }
    }
    Ok(())
}

/// Profile, key and value as the SDK reads them: a line that begins with a blank goes on with the value before it.
fn values(text: &str) -> Vec<(String, String, String)> {
    const BLANK: [char; 2] = [' ', '\t'];
    let mut found: Vec<(String, String, String)> = Vec::new();
    let mut profile = String::new();
    for line in text.lines() {
        if line.trim_matches(BLANK).is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with(BLANK) {
            if let Some((_, _, value)) = found.last_mut() {
                value.push('\n');
                value.push_str(line.trim_matches(BLANK));
            }
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or(name).trim();
            let name = name.strip_prefix("profile").map_or(name, |rest| {
                if rest.starts_with(BLANK) {
                    rest.trim()
                } else {
                    name
                }
            });
            profile = name.to_owned();
            continue;
        }
        let comment = line
            .match_indices(['#', ';'])
            .find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
        let line = comment.map_or(line, |(at, _)| &line[..at]);
        if let Some((key, value)) = line.split_once('=') {
            let key = key.trim_matches(BLANK).to_ascii_lowercase();
            found.push((profile.clone(), key, value.trim_matches(BLANK).to_owned()));
        }
    }
    // Of a value that is empty at first, the lines that follow are settings of their own, such as `s3 =`.
    found.retain(|(_, _, value)| !value.starts_with('\n') || invisible(value).is_some());
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_are_named_by_their_variable() {
        for (name, value, what) in [
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE\r", "a line end"),
            ("AWS_ACCESS_KEY_ID", "AKIA\n", "a line end"),
            ("AWS_SECRET_ACCESS_KEY", " AKIA", "a blank"),
            ("AWS_SESSION_TOKEN", "AKIA\u{a0}", "U+00A0"),
            ("AWS_SESSION_TOKEN", "AKIAé", "U+00E9"),
            ("AWS_ACCESS_KEY_ID", "AKIA\u{200b}", "U+200B"),
            ("AWS_ACCESS_KEY_ID", "\u{feff}AKIA", "U+FEFF"),
            ("AWS_ENDPOINT_URL", "http://AKIA\r", "a line end"),
            ("AWS_ENDPOINT_URL_EC2", "http://AKIA\r", "a line end"),
            ("AWS_ENDPOINT_URL_SSM", "http://AKIA é", "a blank"),
            ("AWS_CONFIG_FILE", "/home/AKIA\r", "carriage return"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/AKIA\u{200b}", "U+200B"),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                "AKIA\r",
                "carriage return",
            ),
            ("AWS_PROFILE", "AKIA\r", "a line end"),
            ("AWS_PROFILE", "AKIA\u{a0}", "U+00A0"),
            ("AWS_REGION", "AKIA\r", "a line end"),
            ("AWS_REGION", "Frankfurt", "is no AWS region"),
            ("AWS_DEFAULT_REGION", "eu-central", "is no AWS region"),
        ] {
            let error = check_variable(name, value.into()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(what), "{error}");
            assert!(!error.contains("AKIA"), "{error}");
        }
        for (name, value) in [
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPx="),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_REGION", ""),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000"),
            ("AWS_PROFILE", "größe"),
            ("AWS_PAGER", "less -R"),
            ("AWS_CONFIG_FILE", "/home/Jörg Müller/config"),
        ] {
            assert!(check_variable(name, value.into()).is_ok(), "{name}={value}");
        }
    }

    #[test]
    fn a_region_has_a_shape() {
        for region in [
            "us-east-1",
            "us-gov-west-1",
            "cn-north-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "ap-southeast-5",
            "mx-central-1",
            "ap-northeast-10",
        ] {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "",
            "-",
            "Frankfurt",
            "frankfurt",
            "eu-central",
            "eu-central-1a",
            "EU-CENTRAL-1",
            "eu_central_1",
            "eu-central-0",
            "eu-central-1-",
            "--1",
            "eu--1",
            "us-east-1\r",
            "us-east-１",
            "us-east-100",
            "a-b-c-d-1",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }

    #[test]
    fn the_profile_in_use_is_checked_as_the_sdk_reads_it() {
        let check = |text: &str, profile: &str| {
            check_profile(Path::new("/x/credentials"), text, profile)
                .map_err(|error| error.to_string())
        };
        for (text, key, what) in [
            (
                "[default]\naws_access_key_id = AKIA\u{200b}\n",
                "aws_access_key_id",
                "U+200B",
            ),
            (
                "[default]\naws_secret_access_key=AKIA\u{a0}\n",
                "aws_secret_access_key",
                "U+00A0",
            ),
            (
                "[default]\nAWS_SESSION_TOKEN=AKIA\rx\n",
                "aws_session_token",
                "a line end",
            ),
            (
                "[default]\naws_session_token=AKIA\r\r\n",
                "aws_session_token",
                "a line end",
            ),
            (
                "[default]\naws_session_token=AKIA\0\n",
                "aws_session_token",
                "U+0000",
            ),
            (
                "[default]\naws_access_key_id=AKIA\n  AKIA\n",
                "aws_access_key_id",
                "a line end",
            ),
            (
                "[profile default]\nregion = Frankfurt\n",
                "region",
                "no AWS region",
            ),
            (
                "[default]\nsource_profile = base\n[base]\naws_access_key_id=AKIAé\n",
                "aws_access_key_id",
                "U+00E9",
            ),
        ] {
            let error = check(text, "default").unwrap_err();
            assert!(
                error.contains("/x/credentials") && error.contains(key) && error.contains(what),
                "{error}"
            );
            assert!(!error.contains("AKIA"), "{error}");
            assert_eq!(check(text, "other"), Ok(()), "{text:?}");
        }
        for text in [
            "[default]\r\naws_access_key_id = AKIA\r\nregion=eu-central-1 # Frankfurt\r\n",
            "[default]\ns3 =\n  max_concurrent_requests = 20\nregion = eu-central-1\n",
            "[default]\ncredential_process = /opt/bin/get --for me\n",
            "[größe]\nregion = eu-central-1\n",
            "no section\n= \n[\n]\n[default",
        ] {
            assert_eq!(check(text, "default"), Ok(()), "{text:?}");
        }
    }

    proptest! {
        /// Whatever a value is: it is refused, or a header can be made of it; and nothing panics.
        #[test]
        fn what_passes_can_be_a_header(value in any::<String>(), dirt in "[ -~\r\n\t\0\u{a0}\u{200b}\u{feff}é]{0,12}") {
            for value in [&value, &dirt] {
                for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_SSM"] {
                    if check_variable(name, value.into()).is_ok() {
                        prop_assert!(http::HeaderValue::from_str(value).is_ok());
                    }
                }
                let text = format!("[default]\naws_session_token = {value}\n");
                if check_profile(Path::new("x"), &text, "default").is_ok() {
                    for (_, _, value) in values(&text) {
                        prop_assert!(http::HeaderValue::from_str(&value).is_ok(), "{:?}", value);
                    }
                }
                let _ = check_profile(Path::new("x"), value, value);
                let _ = super::super::parse(value);
                let _ = is_region(value);
            }
        }
    }
}
