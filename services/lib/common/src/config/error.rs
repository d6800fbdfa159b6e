//! What can be wrong with the configuration, and what that may hide.

use std::path::PathBuf;

use super::{keys::ENV_PREFIX, place::Place, yaml::Malformed};

/// What is wrong with the configuration, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration file {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("configuration file {path} {source}")]
    Malformed { path: PathBuf, source: Malformed },
    #[error(
        "configuration file {path} nests too deep, or has tens of thousands of lists between brackets"
    )]
    TooDeep { path: PathBuf },
    #[error("environment file {path}: {why}")]
    EnvironmentFile { path: PathBuf, why: String },
    #[error("environment variable `{variable}` is not read; did you mean `{right}`?")]
    NearMiss { variable: String, right: String },
    #[error("profile file {path}: `{key}` of profile `{profile}` {why}")]
    Profile {
        path: PathBuf,
        profile: String,
        key: String,
        why: String,
    },
    #[error("unknown configuration key `{key}`{}", nearest_hint(.nearest))]
    UnknownKey {
        key: String,
        nearest: Option<String>,
    },
    #[error("configuration key `{key}`: {message}")]
    Value { key: String, message: String },
    #[error("{error} ({place})")]
    Placed { error: Box<Self>, place: Place },
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

impl ConfigError {
    /// The key that is wrong, where one is.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Value { key, .. } | Self::UnknownKey { key, .. } => Some(key),
            Self::Placed { error, .. } => error.key(),
            _ => None,
        }
    }

    /// True when it may hide the value of one of these keys: it is about it, about a section around it, or about a key
    /// that looks like it. What can't be read at all may hide anything.
    pub fn concerns(&self, keys: &[&str]) -> bool {
        let (key, nearest) = match self {
            Self::Value { key, .. } => (key.as_str(), None),
            Self::UnknownKey { key, nearest } => (key.as_str(), nearest.as_ref()),
            Self::NearMiss { right, .. } => (right.as_str(), None),
            Self::Placed { error, .. } => return error.concerns(keys),
            Self::EnvironmentFile { .. } | Self::Profile { .. } => return true,
            // What can be read of the file is read by itself, or refused there.
            Self::Read { .. } | Self::Malformed { .. } | Self::TooDeep { .. } => return false,
        };
        let variable = key
            .strip_prefix(ENV_PREFIX)
            .map(|rest| rest.to_lowercase().replace("__", "."));
        let key = variable.as_deref().unwrap_or(key);
        // Where credentials are.
        if key.starts_with("AWS_") {
            return true;
        }
        let parent = key.rsplit_once('.').map_or("", |(parent, _)| parent);
        let meant = nearest.map(|name| format!("{parent}.{name}"));
        let is_about = |about: &str, needed: &str| {
            about == needed
                || needed.starts_with(&format!("{about}."))
                || about.starts_with(&format!("{needed}."))
        };
        keys.iter().any(|needed| {
            is_about(key, needed) || meant.as_deref().is_some_and(|meant| meant == *needed)
        })
    }
}

/// A section's value that its own `validate` refuses.
pub fn invalid(key: &str, message: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        message: message.into(),
    }
}
