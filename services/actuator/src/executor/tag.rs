//! The breadcrumb of a resize, as a tag on its instance.

use super::Executor;
use crate::{
    cloud::CloudError,
    journal::Record,
    resize::{Action, Breadcrumb},
};

impl Executor {
    pub(super) async fn mark(&self, record: &Record) -> Result<(), CloudError> {
        let instance_id = &record.request.instance_id;
        let breadcrumb = record.machine.breadcrumb(&record.request.resize_id);
        let value = breadcrumb.to_string();
        let now = self.clock.now();
        let value = self
            .seal
            .seal(&value, record.machine.account(), instance_id, now);
        self.cloud
            .set_tag(instance_id, Breadcrumb::TAG, &value)
            .await
    }

    /// A breadcrumb from before the last start doesn't speak of what comes now. It is worth no more than a try: the machine
    /// is down, or its new type fails.
    pub(super) async fn renew_breadcrumb(&self, action: &Action, record: &mut Record) {
        let goes_down = matches!(action, Action::Stop | Action::Modify(_) | Action::Start);
        if !goes_down || !record.machine.take_old_tag() {
            return;
        }
        if let Err(error) = self.mark(record).await {
            tracing::warn!(%error, "the instance's tag could not be renewed");
        }
    }
}
