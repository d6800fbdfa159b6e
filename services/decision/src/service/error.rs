//! What can keep the service from doing what it is asked.

use std::time::Duration;

use crate::{
    decide::record::OutcomeError,
    fleet::lease::{self, LeaseError},
    store::error::StoreError,
};

/// Why something can't be done. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome contradicts what is stored.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// The lease is somebody else's.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The caller's lease was lost, or is not one of this store.
    #[error(
        "lease epoch {given} is not the one that is held, {held}, so nothing is decided about {target_id}; acquire the lease again"
    )]
    StaleEpoch {
        /// For which target.
        target_id: String,
        /// The caller's.
        given: u64,
        /// The one that counts; 0 while nobody holds the lease.
        held: u64,
    },
    /// No clock can have given it out.
    #[error(
        "{given} is the time in milliseconds of a moment more than {} minutes ahead of this machine's clock; acquire the lease \
         again", lease::TOLERANCE.as_secs() / 60
    )]
    FutureEpoch {
        /// The caller's.
        given: u64,
    },
    /// The configuration sets the policy.
    #[error(
        "the configuration sets the policy, so another one is not applied: change its section `policy`, or set `policy.source: \
         store` there and apply again"
    )]
    PolicyOfTheFile,
    /// A bound that no normal work meets.
    #[error(
        "there are {limit} {what} already, and no more are taken; those that are not needed go by themselves"
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
        /// When it may look different.
        retry_after: Duration,
    },
    /// More decisions than a minute may have.
    #[error(
        "{limit} decisions of this caller within a minute are the most that are stored; see decision.decisions_per_minute"
    )]
    TooFast {
        /// How many.
        limit: u32,
        /// When the minute is over.
        retry_after: Duration,
    },
    /// No such decision; it may have been deleted for its age.
    #[error("there is no decision {0}; it may be older than the retention")]
    NotFound(String),
    /// A hold among others for the same reason.
    #[error(
        "decision {decision_id} held for the same reason as those around it, and is not kept whole: the first of them, \
         {first_id}, and the newest, {newest_id}, can be replayed"
    )]
    NotKeptWhole {
        /// Which decision.
        decision_id: String,
        /// The first of its run.
        first_id: String,
        /// The newest of its run.
        newest_id: String,
    },
    /// No decision about a target, or none that early.
    #[error(
        "nothing is kept that was decided about {0} by then; it may be older than the retention"
    )]
    NothingDecided(String),
    /// Reviews are for targets that are decided about.
    #[error("nothing was ever decided about {0}, so its past is not reviewed")]
    UnknownTarget(String),
    /// It would end before it begins.
    #[error("{0} is not after now, {1}")]
    PauseInThePast(String, String),
}
