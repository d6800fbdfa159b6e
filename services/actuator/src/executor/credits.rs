//! The mode of CPU credits, which a change of type resets.

use super::Executor;
use crate::journal::Record;

impl Executor {
    /// What it was is worth no more than a try.
    pub(super) async fn restore_credit_mode(&self, record: &Record) {
        let instance_id = &record.request.instance_id;
        let (Some(mode), true) = (&record.credit_mode, record.machine.stop_asked()) else {
            return;
        };
        if self.config.dry_run {
            return;
        }
        let restored = match self.cloud.credit_mode(instance_id).await {
            Ok(Some(now)) if now != *mode => self.cloud.set_credit_mode(instance_id, mode).await,
            Ok(_) => return,
            Err(error) => Err(error),
        };
        match restored {
            Ok(()) => tracing::info!(mode, "the credit mode is what it was"),
            Err(error) => tracing::warn!(%error, mode, "the credit mode is not what it was"),
        }
    }
}
