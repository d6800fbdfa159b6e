//! Carries resizes out: one task each, outside every call, so that nobody's hanging up stops one halfway.
//!
//! The task asks the state machine what to do, writes the intent down, does it, and writes down what came of it.
//! Invariant: no decision about a resize is made here.
//! Invariant: no stop without its intent on the disk; and nothing else waits for the disk once a stop was asked.

mod age;
mod answer;
mod calls;
mod credits;
mod lines;
mod monitor;
mod refusals;
mod run;
mod tag;
mod turn;

use std::{sync::Arc, time::Duration};

use common::clock::{SharedClock, machine};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{
    cloud::Cloud,
    config::Config,
    journal::{Journal, Record},
    leave::Leave,
    metrics::Metrics,
    monitoring::SetUp,
    seal::Seal,
};

/// Runs resizes.
pub struct Executor {
    cloud: Arc<dyn Cloud>,
    clock: SharedClock,
    config: Arc<Config>,
    journal: Arc<Journal>,
    metrics: Metrics,
    slots: Semaphore,
    tasks: TaskTracker,
    leave: Leave,
    seal: Seal,
}

impl Executor {
    /// Once it is time to leave nothing new is called: the journal has what the next process needs.
    pub fn new(
        cloud: Arc<dyn Cloud>,
        clock: SharedClock,
        config: Arc<Config>,
        journal: Arc<Journal>,
        metrics: Metrics,
        leave: Leave,
        seal: Seal,
    ) -> Self {
        Self {
            slots: Semaphore::new(config.max_concurrent),
            tasks: TaskTracker::new(),
            cloud,
            clock,
            config,
            journal,
            metrics,
            leave,
            seal,
        }
    }

    /// Starts a resize that the journal has taken on.
    pub fn launch(self: &Arc<Self>, record: Record) {
        let executor = Arc::clone(self);
        let span = span(&record);
        self.tasks
            .spawn(async move { executor.run(record, None).await }.instrument(span));
    }

    /// Takes a resize up again that an earlier process left. What is returned ends once the instance has been looked at.
    pub fn resume(self: &Arc<Self>, record: Record) -> oneshot::Receiver<()> {
        self.go_on(record, Self::prepare)
    }

    /// Takes up a resize of which only the breadcrumb was left.
    pub fn bring_back(self: &Arc<Self>, record: Record) {
        // Whoever asked doesn't wait for its first look.
        drop(self.go_on(record, Self::only_start_in_dry_run));
    }

    fn go_on(
        self: &Arc<Self>,
        mut record: Record,
        prepare: fn(&Self, &mut Record),
    ) -> oneshot::Receiver<()> {
        let (looked, is_looked_at) = oneshot::channel();
        let executor = Arc::clone(self);
        let span = span(&record);
        self.metrics.resumed.inc();
        self.tasks.spawn(
            async move {
                tracing::warn!(
                    step = %record.machine.step(),
                    "resize taken up again where the last process left it"
                );
                prepare(&executor, &mut record);
                executor.run(record, Some(looked)).await;
            }
            .instrument(span),
        );
        is_looked_at
    }

    /// What has passed since the last process wrote is not known.
    pub fn prepare(&self, record: &mut Record) {
        let now = self.clock.now();
        record.machine.resume();
        if self.leave.has_begun() {
            record
                .machine
                .never_stop("this process only brings up what is down, and stops nothing");
        } else if let Some(age) = self.too_old(record, Duration::ZERO) {
            record.machine.never_stop(&format!(
                "the actuator was away for too long: it was asked for {age} s ago (actuator.queue_seconds)"
            ));
        }
        self.only_start_in_dry_run(record);
        record.end_step(true, Some("the actuator ended here".to_owned()), now);
    }

    fn only_start_in_dry_run(&self, record: &mut Record) {
        if self.config.dry_run && !record.dry_run {
            record.machine.start_only(
                "the actuator is in dry run by now: nothing is stopped or changed, and what is down starts as it is",
            );
        }
    }

    /// Sets monitoring up on its own, outside the call that asked for it.
    ///
    /// # Errors
    /// When the task is lost, which takes a panic.
    pub async fn set_up_monitoring(
        self: &Arc<Self>,
        instance_id: String,
    ) -> Result<SetUp, tokio::task::JoinError> {
        let executor = Arc::clone(self);
        self.tasks
            .spawn(async move { executor.monitor(&instance_id).await }.in_current_span())
            .await
    }

    /// Waits until no instance is down for a resize. Call it once nothing new is taken on.
    pub async fn all_up(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until every resize has put down what it does, for at most the grace time. Call it when it is time to leave.
    pub async fn finish(&self) {
        self.tasks.close();
        let grace = Duration::from_secs(self.config.shutdown_grace_seconds);
        // The machine's time: the clock of a simulation may stand still by now.
        if machine().timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "calls were under way at the end of the grace time; the next start finds out what became of them"
            );
        }
        if let Err(error) = self.journal.flush().await {
            tracing::error!(%error, "the last state of a resize is not on the disk; its instance's tag tells the rest");
        }
        for record in self.journal.down() {
            tracing::error!(
                resize_id = record.request.resize_id,
                instance_id = record.request.instance_id,
                step = %record.machine.step(),
                "this instance may be down: the next start of the actuator brings it back"
            );
        }
    }
}

fn span(record: &Record) -> tracing::Span {
    tracing::info_span!(
        "resize",
        resize_id = record.request.resize_id,
        instance_id = record.request.instance_id
    )
}
