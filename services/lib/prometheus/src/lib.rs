//! A client for Prometheus's HTTP API, as far as series are read: range queries with bounds on time and size.
//!
//! Invariant: an answer that lacks something says so, or is an error; no error holds a secret.

mod client;
mod error;
mod secrets;
mod signer;
mod wire;

pub use client::{Access, Bounds, Client, Range, shown};
pub use error::{Malformed, QueryError};
pub use signer::{Signer, Unsigned};
pub use wire::{LabelledSeries, RangeAnswer, Sample};
