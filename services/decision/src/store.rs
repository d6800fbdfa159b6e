//! What must survive a restart: decisions, policies, cooldowns, pauses and leases.
//!
//! Invariant: SQL stands below `sql`, nowhere else.

#[cfg(test)]
mod contract;
pub mod error;
pub mod memory;
pub mod sql;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use sizing::review::Review;

use self::error::StoreError;
use crate::{
    decide::{
        guide::Guide,
        input::PendingAction,
        record::{Decision, Stored},
        run::Run,
    },
    fleet::{cooldown::Cooldowns, lease::Lease, outcome::End, pause::Pause, resizes::Resize},
    policy::document::{Policy, Strategy},
};

/// How long one attempt to write waits for another process that holds the store.
pub const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
/// Of the newest calls of ApplyPolicy.
const APPLICATIONS_KEPT: i64 = 100;
/// Runs of a target, the newest, in which a tick is looked for that may be asked about again.
const RUNS_SEARCHED: u32 = 4;
/// Holds of a run beyond which not all are kept whole.
const HOLDS_KEPT_WHOLE: usize = 2;

/// A store that several may hold.
pub type SharedStore = Arc<dyn Store>;

/// The memory of the service. SQLite, or nothing but memory; each passes the same tests.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// A view of one state, until it is dropped.
    ///
    /// # Errors
    /// Nobody can look now.
    async fn read(&self) -> Result<Box<dyn View>, StoreError>;

    /// A transaction; dropped without a commit it changes nothing. There is one at a time.
    ///
    /// # Errors
    /// The store is held by somebody else.
    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Ends what is open.
    async fn close(&self);
}

/// Questions to one state of the store.
#[async_trait]
pub trait View: Send {
    /// One decision; of a hold that is not kept whole, what its run knows of it.
    async fn decision(&mut self, decision_id: &str) -> Result<Option<Decision>, StoreError>;

    /// The decision of a tick for a target. A hold that is not kept whole is found in the target's last [`RUNS_SEARCHED`].
    async fn decision_of_tick(
        &mut self,
        tick_id: &str,
        target_id: &str,
    ) -> Result<Option<Decision>, StoreError>;

    /// One decision with its inputs; `None` for a hold that is not kept whole.
    async fn stored(&mut self, decision_id: &str) -> Result<Option<Stored>, StoreError>;

    /// The run that a hold is one of, and its newest hold.
    async fn run_of(&mut self, decision_id: &str) -> Result<Option<(Run, Decision)>, StoreError>;

    /// The run of a target whose newest hold is the target's newest decision, and that hold.
    async fn open_run(&mut self, target_id: &str) -> Result<Option<(Run, Decision)>, StoreError>;

    /// The id of the decision about a target that was the newest one at a time.
    async fn id_at(&mut self, target_id: &str, at: Timestamp)
    -> Result<Option<String>, StoreError>;

    /// A page of the decisions that are kept whole, newest first: by the order in which they were made, not by their times.
    async fn decisions(&mut self, filter: &Filter) -> Result<Page, StoreError>;

    /// The newest decision of a target whose machine's type was known.
    async fn seen_last(&mut self, target_id: &str) -> Result<Option<Decision>, StoreError>;

    /// The decisions of a target whose actions ended at or after `since`, the newest end first.
    async fn ended_since(
        &mut self,
        target_id: &str,
        since: Timestamp,
    ) -> Result<Vec<Decision>, StoreError>;

    /// The action that has not ended, of this target or of another that names the same instance.
    async fn pending_action(
        &mut self,
        target_id: &str,
        instance_id: &str,
    ) -> Result<Option<PendingAction>, StoreError>;

    /// How many actions have not ended.
    async fn count_pending(&mut self) -> Result<i64, StoreError>;

    /// When the newest decision was made.
    async fn newest_decision_at(&mut self) -> Result<Option<Timestamp>, StoreError>;

    /// The last actions of a target that touched the machine, newest first.
    async fn resizes(&mut self, target_id: &str, limit: u32) -> Result<Vec<Resize>, StoreError>;

    /// How the last resizes of a target ended.
    async fn cooldowns(&mut self, target_id: &str) -> Result<Cooldowns, StoreError>;

    /// What the newest review of a target says.
    async fn guide(&mut self, target_id: &str) -> Result<Option<Guide>, StoreError>;

    /// All of the newest review of a target.
    async fn review(&mut self, target_id: &str) -> Result<Option<Review>, StoreError>;

    /// The targets with a resize that ended after `since`.
    async fn targets_rested_since(&mut self, since: Timestamp) -> Result<Vec<String>, StoreError>;

    /// The strategy of a policy that names none: `threshold` where the store was in use while that was the default.
    async fn default_strategy(&mut self) -> Result<Strategy, StoreError>;

    /// The policy of the newest ApplyPolicy.
    async fn applied_policy(&mut self) -> Result<Option<Applied>, StoreError>;

    /// How many policies are kept.
    async fn count_policies(&mut self) -> Result<i64, StoreError>;

    /// The pauses in force at `now` of the fleet and of whatever bears one of two names, the fleet's first.
    async fn pauses_in_force(
        &mut self,
        names: [&str; 2],
        now: Timestamp,
    ) -> Result<Vec<Pause>, StoreError>;

    /// The pauses in force at `now` of everybody whose name comes after `after`, by name; at most `limit`.
    async fn pauses_after(
        &mut self,
        after: Option<&str>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Pause>, StoreError>;

    /// How many pauses are in force at `now`.
    async fn count_pauses(&mut self, now: Timestamp) -> Result<i64, StoreError>;

    /// True for the fleet, a target that was decided about, and an instance that was: those may always be paused.
    async fn is_known(&mut self, name: &str) -> Result<bool, StoreError>;

    /// The lease of a resource.
    async fn lease(&mut self, resource: &str) -> Result<Option<Lease>, StoreError>;

    /// How many pauses bear a name, beside the fleet's, that no decision bears.
    async fn count_unknown_pauses(&mut self) -> Result<i64, StoreError>;

    /// How many leases there are beside the fleet's.
    async fn count_leases(&mut self) -> Result<i64, StoreError>;
}

/// Changes, which are kept together or not at all. It sees its own.
#[async_trait]
pub trait Transaction: View {
    /// Keeps what was changed.
    ///
    /// # Errors
    /// When it can't reach the disk: then nothing was written.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Writes a new decision.
    async fn insert(&mut self, stored: &Stored) -> Result<(), StoreError>;

    /// Writes a hold as the newest of its run. The one that was it before is kept no longer, unless it is the first.
    async fn insert_hold(&mut self, stored: &Stored, run: &Run) -> Result<(), StoreError>;

    /// Records how an action ended.
    async fn end(&mut self, decision_id: &str, end: &End) -> Result<(), StoreError>;

    /// Deletes at most `limit` ended decisions that are kept whole: those to hold from before `holds_before`, a run as old as
    /// its newest; those to act from before `actions_before`. Returns how many.
    async fn delete_old(
        &mut self,
        holds_before: Timestamp,
        actions_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Writes the ends of a target, for each direction that has one.
    async fn set_cooldowns(
        &mut self,
        target_id: &str,
        cooldowns: &Cooldowns,
    ) -> Result<(), StoreError>;

    /// Stores a review of a target; the one before gives way to it.
    async fn set_review(
        &mut self,
        target_id: &str,
        guide: &Guide,
        review: &Review,
    ) -> Result<(), StoreError>;

    /// Deletes at most `limit` reviews from before a time, but none that its target is still decided by: one whose newest
    /// decision was made under `adaptive`. Returns how many.
    async fn delete_old_reviews(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Keeps a policy for as long as decisions refer to it.
    async fn remember_policy(
        &mut self,
        version: &str,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Puts a remembered policy in force.
    async fn apply_policy(&mut self, version: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets what was applied long ago, and the policies that neither a decision nor what is left refers to.
    async fn forget_unused_policies(&mut self) -> Result<(), StoreError>;

    /// Sets a pause; the one that its target had gives way to it.
    async fn set_pause(&mut self, pause: &Pause) -> Result<(), StoreError>;

    /// Takes back every pause of a target, or with an empty id the fleet's. Says whether one was in force.
    async fn resume(&mut self, target_id: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Writes a lease. The epoch in the table never falls, whatever is asked.
    async fn set_lease(&mut self, lease: &Lease) -> Result<(), StoreError>;

    /// Removes a lease, and with it the epoch below which the table would not go.
    async fn forget_lease(&mut self, resource: &str) -> Result<(), StoreError>;

    /// Forgets pauses that have ended.
    async fn forget_ended_pauses(&mut self, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets the leases beside the fleet's that nobody has held since `unused_since`.
    async fn forget_unused_leases(&mut self, unused_since: Timestamp) -> Result<(), StoreError>;
}

/// Which decisions to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one target only.
    pub target_id: Option<String>,
    /// Only those whose action has not ended.
    pub pending_only: bool,
    /// Leaves out Hold.
    pub actions_only: bool,
    /// Only those before this place, as a page before said.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Some decisions, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The decisions.
    pub decisions: Vec<Decision>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<i64>,
}

/// A policy that was applied over gRPC.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Under which it is stored: a later release may compute another one for the same document.
    pub version: String,
    /// The policy.
    pub policy: Policy,
    /// Since when.
    pub at: Timestamp,
}
