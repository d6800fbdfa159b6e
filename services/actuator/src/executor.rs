//! Carries resizes out: one task each, outside every call, so that nobody's hanging up stops one halfway.
//!
//! The task asks the state machine what to do, writes the intent down, does it, and hands back what happened.
//! Invariant: no decision about a resize is made here.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use common::clock::SharedClock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    cloud::{Cloud, CloudError, Mutation},
    config::Config,
    journal::{Journal, Record},
    metrics::Metrics,
    monitoring::{self, SetUp},
    preflight::{self, Subject},
    resize::{Action, Event, Monitoring, Outcome, Step},
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
    shutdown: CancellationToken,
}

/// What a step came to: the event for the machine, and a sentence for the journal.
struct Told {
    event: Event,
    detail: String,
}

impl Executor {
    /// Once `shutdown` is cancelled nothing new is stopped, and what is down is brought back the short way.
    pub fn new(
        cloud: Arc<dyn Cloud>,
        clock: SharedClock,
        config: Arc<Config>,
        journal: Arc<Journal>,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            slots: Semaphore::new(config.max_concurrent),
            tasks: TaskTracker::new(),
            cloud,
            clock,
            config,
            journal,
            metrics,
            shutdown,
        }
    }

    /// Starts a resize that the journal has taken on.
    pub fn launch(self: &Arc<Self>, record: Record) {
        let executor = Arc::clone(self);
        let span = tracing::info_span!(
            "resize",
            resize_id = record.request.resize_id,
            instance_id = record.request.instance_id
        );
        self.tasks
            .spawn(async move { executor.run(record).await }.instrument(span));
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

    /// Waits until every resize has ended, for at most the grace time. Call it once `shutdown` is cancelled.
    pub async fn finish(&self) {
        self.tasks.close();
        let grace = Duration::from_secs(self.config.shutdown_grace_seconds);
        if self.tasks.is_empty() {
            return;
        }
        tracing::info!(
            tasks = self.tasks.len(),
            ?grace,
            "waiting for resizes to reach a safe state"
        );
        // The process's own time: the clock of a simulation may stand still by now.
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            for record in self.journal.list(None, true, 1_000).await {
                tracing::error!(
                    resize_id = record.request.resize_id,
                    instance_id = record.request.instance_id,
                    step = %record.machine.step(),
                    "the grace time is over and this resize has not ended; look at the instance"
                );
            }
        }
    }

    async fn run(&self, mut record: Record) {
        self.metrics.active.inc();
        let _slot = self.slot(&mut record).await;
        let mut paged = false;
        let outcome = loop {
            let (action, pause) = record.machine.next();
            if let Action::Finish(outcome) = action {
                break outcome;
            }
            let start = Instant::now();
            let pause = self.jittered(pause, &record);
            if self.hurries(pause, &mut record).await {
                continue;
            }
            let step = record.machine.step();
            record.begin_step(&step.to_string(), intent(&action), self.clock.now());
            self.journal.save(&record).await;
            let Told { event, detail } = self.perform(&action, &record).await;
            let failed = matches!(event, Event::Failed { .. } | Event::Refused { .. })
                || event == Event::Monitored(Monitoring::Degraded);
            // The wait as it was meant, or as long as it really took with the call.
            let elapsed = pause.max(start.elapsed());
            if let Err(illegal) = record.machine.apply(event, elapsed) {
                // It has not moved, so the next round asks again.
                tracing::error!(%illegal, "the state machine refused an event");
                self.clock
                    .sleep(Duration::from_secs(self.config.poll_seconds))
                    .await;
            }
            if failed {
                tracing::warn!(%step, detail, "a step did not work");
            }
            if record.machine.step() == step {
                record.note(detail);
            } else {
                record.end_step(failed, Some(detail), self.clock.now());
            }
            if record.machine.needs_a_person() && !paged {
                paged = true;
                self.metrics.need_a_person.inc();
                tracing::error!(
                    error = record.machine.error().unwrap_or_default(),
                    "the instance is down longer than planned; this goes on until it runs, but a person should look"
                );
            }
            self.journal.save(&record).await;
        };
        if paged {
            self.metrics.need_a_person.dec();
        }
        self.finished(record, outcome).await;
    }

    async fn finished(&self, mut record: Record, outcome: Outcome) {
        let now = self.clock.now();
        record.end_step(false, None, now);
        record.finished_at = Some(now);
        let seconds = now.duration_since(record.created_at).as_secs_f64();
        self.metrics.active.dec();
        self.metrics.ended(outcome.name(), seconds);
        tracing::info!(
            from = record.request.expected,
            target = record.request.target,
            outcome = outcome.name(),
            runs_on = record.machine.seen_type(),
            seconds,
            error = record.machine.error().unwrap_or_default(),
            reason = record.request.reason,
            "resize ended"
        );
        self.journal.save(&record).await;
    }

    /// A place among the resizes that may change something at once. Without one in time the resize is refused: what it
    /// was decided on is old by then.
    async fn slot(&self, record: &mut Record) -> Option<SemaphorePermit<'_>> {
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
        self.journal.save(record).await;
        let limit = Duration::from_secs(self.config.queue_seconds);
        let (slot, event) = tokio::select! {
            slot = self.slots.acquire() => (slot.ok(), None),
            () = self.shutdown.cancelled() => (None, Some(Event::Hurry)),
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

    /// Waits for `pause`; true when shutdown cut it short and the machine has been told.
    async fn hurries(&self, pause: Duration, record: &mut Record) -> bool {
        if record.machine.is_hurrying() {
            self.clock.sleep(pause).await;
            return false;
        }
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => {}
            () = self.clock.sleep(pause) => return false,
        }
        let _ = record.machine.apply(Event::Hurry, Duration::ZERO);
        true
    }

    async fn perform(&self, action: &Action, record: &Record) -> Told {
        let instance_id = &record.request.instance_id;
        match action {
            Action::Preflight => self.until_shutdown(self.preflight(record)).await,
            Action::Look => match self.cloud.describe_instance(instance_id).await {
                Ok(instance) => Told {
                    detail: format!("{} on {}", instance.state, instance.instance_type),
                    event: Event::Seen {
                        state: instance.state,
                        instance_type: instance.instance_type,
                    },
                },
                Err(error) => failed(error),
            },
            Action::Stop => self.mutate(instance_id, Mutation::Stop).await,
            Action::Modify(target) => {
                self.mutate(instance_id, Mutation::ModifyType(target.clone()))
                    .await
            }
            Action::Start => self.mutate(instance_id, Mutation::Start).await,
            Action::Status => match self.cloud.status(instance_id).await {
                Ok(status) => Told {
                    detail: format!("{}, status checks {:?}", status.state, status.checks)
                        .to_lowercase(),
                    event: Event::Status {
                        state: status.state,
                        checks: status.checks,
                    },
                },
                Err(error) => failed(error),
            },
            Action::Monitor => {
                self.until_shutdown(async {
                    let set_up = self.monitor(instance_id).await;
                    Told {
                        event: Event::Monitored(set_up.monitoring),
                        detail: last_line(&set_up.output),
                    }
                })
                .await
            }
            // The caller has left its loop by then.
            Action::Finish(_) => Told {
                event: Event::Hurry,
                detail: String::new(),
            },
        }
    }

    /// For what changes no machine's state and can be left at any point.
    async fn until_shutdown(&self, work: impl Future<Output = Told>) -> Told {
        tokio::select! {
            told = work => told,
            () = self.shutdown.cancelled() => Told {
                event: Event::Hurry,
                detail: "cut short: the actuator is shutting down".to_owned(),
            },
        }
    }

    async fn preflight(&self, record: &Record) -> Told {
        let request = &record.request;
        let subject = Subject {
            instance_id: &request.instance_id,
            target: &request.target,
            expected: Some(&request.expected),
        };
        let report = preflight::run(self.cloud.as_ref(), &self.config, subject).await;
        match report.obstacle(self.config.unknown_checks) {
            Some(reason) => Told {
                detail: reason.clone(),
                event: Event::Refused { reason },
            },
            None => Told {
                detail: format!("{} checks pass", report.checks.len()),
                event: if record.dry_run {
                    Event::DryRun
                } else {
                    Event::Passed {
                        fallbacks: report.fallbacks,
                    }
                },
            },
        }
    }

    async fn mutate(&self, instance_id: &str, mutation: Mutation) -> Told {
        match self.cloud.mutate(instance_id, &mutation).await {
            Ok(()) => Told {
                event: Event::Done,
                detail: "accepted".to_owned(),
            },
            Err(error) => failed(error),
        }
    }

    async fn monitor(&self, instance_id: &str) -> SetUp {
        let set_up = monitoring::set_up(
            self.cloud.as_ref(),
            &self.clock,
            &self.config.monitoring,
            instance_id,
        )
        .await;
        self.metrics.monitored(match set_up.monitoring {
            Monitoring::Ok => "ok",
            Monitoring::Degraded => "degraded",
            Monitoring::Skipped => "skipped",
        });
        if set_up.monitoring == Monitoring::Degraded {
            tracing::warn!(
                instance_id,
                why = last_line(&set_up.output),
                "monitoring degraded"
            );
        }
        set_up
    }

    /// Up to a fifth longer, so that many resizes that met one outage don't come back in step. Only for pauses before a
    /// call that changes something; looks are cheap.
    fn jittered(&self, pause: Duration, record: &Record) -> Duration {
        let calls = matches!(
            record.machine.step(),
            Step::Stop | Step::Modify | Step::Start
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
}

fn failed(error: CloudError) -> Told {
    let message = error.to_string();
    Told {
        detail: message.clone(),
        event: Event::Failed {
            kind: error.kind,
            message,
        },
    }
}

/// What is about to happen.
fn intent(action: &Action) -> String {
    match action {
        Action::Preflight => "checking whether it may be resized".to_owned(),
        Action::Look => "looking at the instance".to_owned(),
        Action::Stop => "stopping it".to_owned(),
        Action::Modify(target) => format!("changing its type to {target}"),
        Action::Start => "starting it".to_owned(),
        Action::Status => "waiting for its status checks".to_owned(),
        Action::Monitor => "setting monitoring up".to_owned(),
        Action::Finish(outcome) => outcome.name().to_owned(),
    }
}

fn last_line(output: &str) -> String {
    output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}
