//! When a resize may go on: its turn among others, its pauses, and the time to leave.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::sync::SemaphorePermit;

use super::{Executor, answer::Answer};
use crate::{
    journal::Record,
    resize::{Event, Step},
};

impl Executor {
    /// A place among the resizes that may change something at once. Without one in time the resize is refused: what it
    /// was decided on is old by then.
    pub(super) async fn slot(&self, record: &mut Record) -> Option<SemaphorePermit<'_>> {
        if record.dry_run {
            return None;
        }
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        record.begin_step(
            "queue",
            "waiting for other resizes to end".to_owned(),
            self.clock.now(),
        );
        self.journal.publish(record);
        let limit = Duration::from_secs(self.config.queue_seconds);
        let (slot, event) = tokio::select! {
            slot = self.slots.acquire() => (slot.ok(), None),
            // It waits in the journal, and is taken up again if that is soon.
            () = self.leave.once_up.cancelled() => (None, None),
            () = self.clock.sleep(limit) => (None, Some(Event::Refused {
                reason: format!(
                    "{} other resizes did not end within {} s (actuator.max_concurrent, actuator.queue_seconds)",
                    self.config.max_concurrent, self.config.queue_seconds
                ),
            })),
        };
        if let Some(event) = event {
            // Legal: nothing but the queue has happened.
            let _ = record.machine.apply(event, Duration::ZERO);
        }
        record.end_step(slot.is_none(), None, self.clock.now());
        slot
    }

    /// Waits for `pause`; true when it is time to leave. Whose machine may be down goes on for longer than others.
    pub(super) async fn leaves_within(&self, pause: Duration, record: &Record) -> bool {
        let leave = async {
            match record.machine.stop_asked() {
                true => self.leave.now.cancelled().await,
                false => self.leave.once_up.cancelled().await,
            }
        };
        tokio::select! {
            biased;
            () = leave => true,
            () = self.clock.sleep(pause) => false,
        }
    }

    /// Up to a fifth longer, so that many resizes that met one outage don't come back in step. Only for pauses before a
    /// call that changes something; looks are cheap.
    pub(super) fn jittered(&self, pause: Duration, record: &Record) -> Duration {
        let calls = matches!(
            record.machine.step(),
            Step::Mark | Step::Stop | Step::Modify | Step::Start | Step::Confirm | Step::Unmark
        );
        if pause.is_zero() || !calls {
            return pause;
        }
        let mut hasher = DefaultHasher::new();
        record.request.resize_id.hash(&mut hasher);
        record.steps.len().hash(&mut hasher);
        let thousandths = u32::try_from(hasher.finish() % 200).unwrap_or_default();
        pause + pause * thousandths / 1_000
    }

    /// Work that can be done again, and leaves no machine down meanwhile; `None` when leaving cut it short.
    pub(super) async fn until_leaving(&self, work: impl Future<Output = Answer>) -> Option<Answer> {
        tokio::select! {
            answer = work => Some(answer),
            () = self.leave.once_up.cancelled() => None,
        }
    }
}
