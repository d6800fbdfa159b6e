//! A resize as the text that a store keeps.

use super::{format1, record::Record};

/// Of what is written; a higher one was written by a newer version.
pub const FORMAT: i64 = 2;

/// A text that is no resize of this version or an older one.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("it has format {0}, which this version does not know; run the newer version again")]
    Newer(i64),
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
}

/// The text of a resize, in [`FORMAT`].
///
/// # Errors
/// It can't be written as JSON, which takes a bug.
pub fn write(record: &Record) -> Result<String, serde_json::Error> {
    serde_json::to_string(record)
}

/// The resize of a text that was written in `format`.
///
/// # Errors
/// It is damaged, or of a newer version.
pub fn read(format: i64, text: &str) -> Result<Record, Unreadable> {
    match format {
        FORMAT => Ok(serde_json::from_str(text)?),
        newer if newer > FORMAT => Err(Unreadable::Newer(newer)),
        _ => Ok(format1::read(text)?),
    }
}
