//! What becomes of a request that the journal is asked to take on.

use super::{
    error::StoreError,
    record::{Record, Request},
};
use crate::rails::Objection;

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It is new, and taken on: whoever asked must run it.
    New(Record),
    /// It was asked for before; this is how it stands.
    Known(Record),
}

impl Admission {
    /// For a request whose id is taken.
    pub(super) fn of_known(known: Record, request: &Request) -> Result<Self, Refusal> {
        if known.request.asks_the_same(request) {
            Ok(Self::Known(known))
        } else {
            Err(Refusal::OtherContent(request.resize_id.clone()))
        }
    }
}

/// Why a request is not taken on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("resize {0} exists already with another content; take a new id")]
    OtherContent(String),
    #[error("resize {active} of instance {instance_id} is still running; wait for it")]
    Busy { instance_id: String, active: String },
    #[error("lease epoch {given} is stale, {highest} has been seen; acquire the lease again")]
    StaleEpoch { given: u64, highest: u64 },
    #[error("{}", .0.reason)]
    Objection(Objection),
    #[error(transparent)]
    Store(#[from] StoreError),
}
