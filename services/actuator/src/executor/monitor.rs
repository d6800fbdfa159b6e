//! Monitoring, set up once the machine runs again.

use super::Executor;
use crate::{
    monitoring::{self, SetUp},
    resize::Monitoring,
};

impl Executor {
    pub(super) async fn monitor(&self, instance_id: &str) -> SetUp {
        let set_up = monitoring::set_up(
            self.cloud.as_ref(),
            &self.clock,
            &self.config.monitoring,
            instance_id,
        )
        .await;
        self.metrics.monitored(set_up.monitoring.into());
        if set_up.monitoring == Monitoring::Degraded {
            tracing::warn!(
                instance_id,
                why = last_line(&set_up.output),
                "monitoring degraded"
            );
        }
        set_up
    }
}

pub(super) fn last_line(output: &str) -> String {
    output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}
