//! The process's environment: `.env` of the working directory or another file of variables, and variables that must be
//! text.

use std::{io::Cursor, path::Path};

use crate::{config::ConfigError, files, text::chain};

pub mod aws;

/// Of the working directory only: a file of a folder above is another program's.
const DOTENV: &str = ".env";

/// Puts what `file`, or else `.env` where there is one, says into the environment, where a variable is not set already. No
/// character of a value is changed.
///
/// # Errors
/// A file that can't be read, or the line that is no assignment.
pub fn read_file(file: Option<&Path>) -> Result<(), ConfigError> {
    let path = file.unwrap_or(Path::new(DOTENV));
    let wrong = |why: String| ConfigError::EnvironmentFile {
        path: path.to_owned(),
        why,
    };
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(wrong(chain(&error))),
    };
    // Only the library may set variables here; between single quotes it takes every character as it is.
    let quoted: String = parse(&text)
        .map_err(|error| wrong(error.to_string()))?
        .iter()
        .map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', "'\"'\"'")))
        .collect();
    dotenvy::from_read(Cursor::new(quoted)).map_err(|error| wrong(chain(&error)))
}

/// Why a line of a `.env` file is none.
#[derive(Debug, thiserror::Error)]
enum NoAssignment {
    #[error("line {line} is no NAME=value")]
    Shape { line: usize },
    #[error("line {line} has the invisible character U+0000 in it")]
    Invisible { line: usize },
    #[error("line {line} says {name} again, and differently")]
    Again { line: usize, name: String },
}

/// The assignments of a `.env` file: `export`, quotes around a whole value, and ` #` comments are taken away, and nothing
/// is expanded.
fn parse(text: &str) -> Result<Vec<(String, String)>, NoAssignment> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
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
            return Err(NoAssignment::Shape { line: number });
        };
        if value.contains('\0') {
            return Err(NoAssignment::Invisible { line: number });
        }
        let value = unquoted(value);
        let twice = |(known, before): &(String, String)| known == name && before != value;
        if found.iter().any(twice) {
            return Err(NoAssignment::Again {
                line: number,
                name: name.to_owned(),
            });
        }
        found.push((name.to_owned(), value.to_owned()));
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
            assert!(error.contains("is no NAME=value"), "{error}");
        }
        assert!(
            parse("A=x\0y")
                .unwrap_err()
                .to_string()
                .contains("line 1 has")
        );
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let error = read_file(Some(Path::new("/nowhere/at.env"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at.env"), "{error}");
        let error = read_file(Some(Path::new("/dev/zero"))).unwrap_err();
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
}
