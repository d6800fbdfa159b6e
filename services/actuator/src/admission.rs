//! Whether a resize is taken on: what is known, what the instance is, and what the journal and the limits say to it, the
//! last two in one transaction.
//!
//! Invariant: nothing is decided here about a machine that is down; what brings one back never comes this way.

use std::sync::Arc;

use common::clock::SharedClock;

use crate::{
    cloud::{CloudError, Machines},
    config::Config,
    guard::Guard,
    journal::{Admission, Journal, Record, Refusal, Request, StoreError},
    leave::Leave,
    resize::Resize,
};

/// What admitting takes.
pub struct Gate {
    pub cloud: Arc<dyn Machines>,
    pub clock: SharedClock,
    pub config: Arc<Config>,
    pub journal: Arc<Journal>,
    pub guard: Arc<Guard>,
    pub leave: Leave,
}

/// Why a resize is not taken on.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error("the actuator is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("{instance_id} is {found}, not {expected} as the caller believes; describe it again")]
    OtherType {
        instance_id: String,
        found: String,
        expected: String,
    },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for NotAdmitted {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl Gate {
    /// Takes the resize on, or finds the one that was taken on before.
    ///
    /// # Errors
    /// Says what speaks against it.
    pub async fn admit(&self, request: Request) -> Result<Admission, NotAdmitted> {
        // A repeated request is answered from the journal alone: by now the instance may well have the target type.
        if let Some(record) = self.journal.known(&request).await? {
            return Ok(Admission::Known(record));
        }
        if self.leave.has_begun() {
            return Err(NotAdmitted::ShuttingDown);
        }
        self.journal.check().await?;
        let instance = self.cloud.describe_instance(&request.instance_id).await?;
        let busy = self
            .journal
            .list(Some(&request.instance_id), true, 1)
            .await?;
        if busy.is_empty() && instance.instance_type != request.expected {
            return Err(NotAdmitted::OtherType {
                instance_id: request.instance_id,
                found: instance.instance_type,
                expected: request.expected,
            });
        }
        let machine = Resize::new(
            &request.expected,
            &request.target,
            self.config.monitoring.enabled,
            self.config.limits(),
        );
        let dry_run = request.dry_run || self.config.dry_run;
        let now = self.clock.now();
        let record = Record::new(request, dry_run, machine, now);
        Ok(self.guard.admit(record, now).await?)
    }
}
