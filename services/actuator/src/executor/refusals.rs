//! Types that EC2 refuses for good.

use super::Executor;
use crate::journal::{Record, Refused, RefusedType};

impl Executor {
    /// What was refused for good is refused by the next pre-flight. The machine runs by now.
    pub(super) async fn remember(&self, record: &Record) {
        let instance_id = &record.request.instance_id;
        for RefusedType {
            instance_type,
            words,
        } in &record.refused
        {
            let instance = self.cloud.describe_instance(instance_id).await;
            let types = self
                .cloud
                .describe_types(std::slice::from_ref(instance_type))
                .await;
            let (Ok(instance), Some(found)) = (instance, types.into_iter().flatten().next()) else {
                tracing::warn!(
                    instance_type,
                    words,
                    "refused for good, and not remembered: AWS did not answer"
                );
                continue;
            };
            // Without a reservation of its own it was the room that lacked.
            if words.contains("ReservationCapacityExceeded")
                && instance.bindings.reservation.is_none()
            {
                continue;
            }
            let refused = Refused::new(&instance, &found, words.clone(), self.clock.now());
            self.metrics.refused_for_good.inc();
            match self.journal.note_refused(&refused).await {
                Ok(true) => {
                    self.metrics.paged.inc();
                    tracing::error!(
                        instance_type,
                        words,
                        "EC2 refuses this type to machines like this one for good; none of them is stopped for it any more: \
                         take it off the ladder, or see `autoscaler refusals`"
                    );
                }
                Ok(false) => tracing::warn!(
                    instance_type,
                    words,
                    "EC2 refuses this instance this type for good; it is not tried again until one of them changes"
                ),
                Err(error) => {
                    tracing::warn!(%error, instance_type, words, "refused for good, and not remembered")
                }
            }
        }
    }
}
