//! How old a resize is, and what it is too old for.

use std::time::Duration;

use super::Executor;
use crate::journal::Record;

/// A stop follows what it was decided on within this time, beside the time in the queue: checks, a tag, and a few tries.
/// It is also more than clocks differ by.
pub(super) const STOP_FOLLOWS_WITHIN: Duration = Duration::from_secs(900);

impl Executor {
    /// A process that stood still for hours, with its host, goes on where it was. What takes a machine back to its old
    /// type is not too late.
    pub(super) fn too_late_for_a_stop(&self, record: &Record) -> Option<String> {
        let age = self.too_old(record, STOP_FOLLOWS_WITHIN)?;
        (!record.machine.is_rolling_back()).then(|| {
            format!(
                "too late for a stop: it was asked for {age} s ago (actuator.queue_seconds and the time that checks take)"
            )
        })
    }

    /// Its age in seconds, when that is more than `queue_seconds` and `more`, or when it is of the future: of a clock that was
    /// ahead, nobody knows how long ago that was.
    pub(super) fn too_old(&self, record: &Record, more: Duration) -> Option<i64> {
        let age = self.clock.now().duration_since(record.created_at).as_secs();
        let limit = self.config.queue_seconds.saturating_add(more.as_secs());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        (age > limit || age < -(STOP_FOLLOWS_WITHIN.as_secs() as i64)).then_some(age)
    }

    /// The time in the journal is what tells our stop from another one.
    pub(super) fn stood_still(&self, record: &Record) -> bool {
        let now = self.clock.now();
        let sent_at = record.machine.under_way_since().unwrap_or(now);
        now.duration_since(sent_at).as_secs() > 60
    }
}
