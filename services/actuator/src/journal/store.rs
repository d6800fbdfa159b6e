//! What a store of resizes must do, whatever keeps it.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    admission::{Admission, Refusal},
    error::StoreError,
    record::{Line, Record},
    refused::Refused,
};
use crate::rails::{Objection, Recent};

/// Says what speaks against a resize, given the history and what persons decided ([`Store::decisions`]).
pub type Judge<'a> = dyn Fn(&[Recent], Option<&str>) -> Option<Objection> + Send + Sync + 'a;

/// What a new resize is judged by, inside the transaction that takes it on: nothing comes between the history that is
/// counted and the resize that is added to it.
pub struct Rails<'a> {
    /// How far back the history goes.
    pub since: Timestamp,
    pub judge: &'a Judge<'a>,
}

impl fmt::Debug for Rails<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rails")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// Resizes and their lines. Every call is one transaction, and what it answered is on the disk.
///
/// Invariant: at most one resize of an instance is active, and the fence never falls behind a clock.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Takes a resize on, or says why not. What is known already is not judged again; without `rails`, what brings a
    /// machine back and what changes nothing.
    ///
    /// Only what is taken on, acts, and has a lease moves the fence: a dry run or a refused request must not shut anybody out.
    async fn admit(
        &self,
        record: &Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Result<Admission, Refusal>, StoreError>;

    /// Writes how it stands, and lines that may have been written before.
    async fn write(&self, record: &Record, lines: &[Line]) -> Result<(), StoreError>;

    async fn get(&self, resize_id: &str) -> Result<Option<Record>, StoreError>;

    /// Newest first: of one instance or of all, those that have not ended or all.
    async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// The journal of one resize, oldest first. People read it with their database's own tools; tests read it here.
    #[cfg(test)]
    async fn lines(&self, resize_id: &str) -> Result<Vec<Line>, StoreError>;

    /// Resizes that were no dry run, taken on at or after `since`.
    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError>;

    /// What persons decided, as [`Store::decide`] was given it; `None` when nothing was, or when a file beside the
    /// store has it.
    async fn decisions(&self) -> Result<Option<String>, StoreError>;

    /// True when what persons decide is kept here, because several hosts reach it.
    fn keeps_decisions(&self) -> bool;

    /// Keeps what persons decided.
    async fn decide(&self, document: &str) -> Result<(), StoreError>;

    /// The highest lease epoch under which something was taken on; 0 before the first.
    async fn fence(&self) -> Result<u64, StoreError>;

    /// Remembers a type that EC2 refused for good, over what was remembered of the same instance and type.
    async fn note_refused(&self, refused: &Refused) -> Result<(), StoreError>;

    /// Every refusal that is remembered, the oldest first.
    async fn refused(&self) -> Result<Vec<Refused>, StoreError>;

    /// Forgets refusals: of one instance or all, of one type or all. Returns how many.
    async fn forget_refused(
        &self,
        instance_id: Option<&str>,
        target: Option<&str>,
    ) -> Result<u64, StoreError>;

    /// Forgets resizes that ended before; returns how many.
    async fn forget(&self, ended_before: Timestamp) -> Result<u64, StoreError>;

    /// False once another process has taken the store over.
    async fn is_ours(&self) -> bool {
        true
    }

    /// What happened to it, once what is written here is no longer what the next process will find.
    async fn displaced(&self) -> Option<String> {
        None
    }

    /// Gives it back.
    async fn close(&self) {}
}
