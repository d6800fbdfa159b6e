//! What a decision says and was made from, as it is kept: deflated JSON, a fifth of what it would be.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    decide::record::Stored,
    store::{error::StoreError, sql::documents},
};

/// No document is longer, whatever a damaged one claims, bytes.
const MOST: u64 = 64 * 1_024 * 1_024;

#[derive(Serialize)]
struct Document<V, I, S> {
    verdict: V,
    input: I,
    state: S,
}

/// The column `packed`.
pub(super) fn pack(stored: &Stored) -> Result<Vec<u8>, StoreError> {
    let json = documents::write(&Document {
        verdict: &stored.decision.verdict,
        input: &stored.input,
        state: &stored.state,
    })?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let packed = encoder
        .write_all(json.as_bytes())
        .and_then(|()| encoder.finish());
    packed.map_err(|error| StoreError::Damaged(format!("a document can't be packed: {error}")))
}

/// The part of the column `packed` that `T` asks for by the names of its fields; `None` for a row of before.
pub(super) fn unpack<T: DeserializeOwned>(row: &SqliteRow) -> Result<Option<T>, StoreError> {
    let Some(packed) = row.try_get::<Option<Vec<u8>>, _>("packed")? else {
        return Ok(None);
    };
    let mut json = String::new();
    DeflateDecoder::new(packed.as_slice())
        .take(MOST)
        .read_to_string(&mut json)
        .map_err(|error| {
            StoreError::Damaged(format!("a stored document can't be unpacked: {error}"))
        })?;
    documents::read(&json).map(Some)
}
