//! What values of the configuration have to be.

use std::time::Duration;

use common::config::{ConfigError, invalid};

/// Checks that a number of the section lies between two bounds.
///
/// # Errors
/// The key and the bounds.
pub fn within(key: &str, value: u32, least: u32, most: u32) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(
        &format!("scheduler.{key}"),
        format!("is {value}; it must lie between {least} and {most}"),
    ))
}

/// Reads the URL of a server.
///
/// # Errors
/// The key, without the text: it may hold a password.
pub fn base_url(key: &str, text: &str) -> Result<url::Url, ConfigError> {
    let url = url::Url::parse(text).map_err(|error| {
        invalid(
            key,
            format!("is no URL ({error}); it looks like http://host:port"),
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(invalid(
            key,
            "must begin with http:// or https:// and name a host",
        ));
    }
    Ok(url)
}

/// A duration from whole seconds.
pub fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
