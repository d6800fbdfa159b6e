//! The process's environment: `.env` of the working directory, and variables that must be text.

use std::{ffi::OsString, io::Cursor};

use crate::config::{ConfigError, invalid};

/// Of the working directory only: a file of a folder above is another program's.
const DOTENV: &str = ".env";

/// Variables that the AWS SDK puts into headers and addresses. Blanks and line ends come from files of Windows and from
/// secrets with a newline; the SDK panics on some of them.
const AWS_VARIABLES: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
];

/// Puts what `.env` says into the environment, where a variable is not set already. No character of a value is changed.
///
/// # Errors
/// A file that can't be read, or the line that is no assignment.
pub fn read_dotenv() -> Result<(), ConfigError> {
    let text = match std::fs::read_to_string(DOTENV) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(invalid(DOTENV, error.to_string())),
    };
    // Only the library may set variables here; between single quotes it takes every character as it is.
    let quoted: String = parse(&text)?
        .iter()
        .map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', "'\"'\"'")))
        .collect();
    dotenvy::from_read(Cursor::new(quoted)).map_err(|error| invalid(DOTENV, error.to_string()))
}

/// The assignments of a `.env` file: `export`, quotes around a whole value, and ` #` comments are taken away, and nothing
/// is expanded.
fn parse(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let assignment = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, _)| is_name(name));
        let Some((name, value)) = assignment else {
            let why = format!("line {} is no NAME=value", number + 1);
            return Err(invalid(DOTENV, why));
        };
        found.push((name.to_owned(), unquoted(value).to_owned()));
    }
    Ok(found)
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, after)) = rest.split_once(quote)
            && (after.trim().is_empty() || after.trim_start().starts_with('#'))
        {
            return inner;
        }
    }
    // A comment begins after a blank: `a#b` is a value.
    let comment = value
        .char_indices()
        .find(|&(at, sign)| sign == '#' && (at == 0 || value[..at].ends_with([' ', '\t'])));
    match comment {
        Some((at, _)) => value[..at].trim_end(),
        None => value,
    }
}

/// Refuses what no credential, region or profile has in it.
///
/// # Errors
/// The variable by name; never its value.
pub fn check_aws() -> Result<(), ConfigError> {
    for name in AWS_VARIABLES {
        let value = std::env::var_os(name);
        if let Some(value) = value {
            check_value(name, value)?;
        }
    }
    Ok(())
}

fn check_value(name: &str, value: OsString) -> Result<(), ConfigError> {
    let Ok(value) = value.into_string() else {
        return Err(invalid(name, "is not UTF-8"));
    };
    let what = match value.chars().find(|sign| !is_visible(*sign)) {
        None => return Ok(()),
        Some('\r' | '\n') => "a line end".to_owned(),
        Some(' ' | '\t') => "a blank".to_owned(),
        Some(sign) => format!(
            "the invisible or foreign character U+{:04X}",
            u32::from(sign)
        ),
    };
    Err(invalid(name, format!("has {what} in it; take it away")))
}

/// Keys, tokens, regions, names of profiles and addresses are of these; a profile's name may have letters of any language.
fn is_visible(sign: char) -> bool {
    sign.is_ascii_graphic() || sign.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written() {
        let text = concat!(
            "\u{feff}# the seed's own file\n",
            "DRY_RUN=True  # set to False to act\r\n",
            "AWS_SECRET_ACCESS_KEY=a$HOME/b\\n+c==#d\n",
            "export QUOTED=\"two words # kept\" # a comment\n",
            "SINGLE='it''s'\n",
            "EMPTY=\n",
            "COMMENT_ONLY= # nothing\n",
            " SPACED = x y \n",
        );
        let expected = [
            ("DRY_RUN", "True"),
            ("AWS_SECRET_ACCESS_KEY", "a$HOME/b\\n+c==#d"),
            ("QUOTED", "two words # kept"),
            ("SINGLE", "'it''s'"),
            ("EMPTY", ""),
            ("COMMENT_ONLY", ""),
            ("SPACED", "x y"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), expected);
        for wrong in ["A=1\nnonsense", "1A=2\nB", "A B=1"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(
                error.contains(".env") && error.contains("is no NAME=value"),
                "{error}"
            );
        }
    }

    #[test]
    fn invisible_characters_are_named_by_their_variable() {
        for (value, what) in [
            ("AKIAEXAMPLE\r", "a line end"),
            ("AKIA\n", "a line end"),
            (" AKIA", "a blank"),
            ("AKIA\u{a0}", "U+00A0"),
            ("AKIA\u{200b}", "U+200B"),
            ("\u{feff}AKIA", "U+FEFF"),
        ] {
            let error = check_value("AWS_ACCESS_KEY_ID", value.into())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("AWS_ACCESS_KEY_ID") && error.contains(what),
                "{error}"
            );
            assert!(!error.contains("AKIA"), "{error}");
        }
        for value in [
            "wJalrXUtnFEMI/K7MDENG+bPx=",
            "eu-central-1",
            "http://127.0.0.1:5000",
            "größe",
        ] {
            assert!(check_value("AWS_PROFILE", value.into()).is_ok(), "{value}");
        }
    }
}
