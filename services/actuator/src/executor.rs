//! Carries resizes out: one task each, outside every call, so that nobody's hanging up stops one halfway.
//!
//! The task asks the state machine what to do, writes the intent down, does it, and writes down what came of it.
//! Invariant: no decision about a resize is made here.
//! Invariant: no stop without its intent on the disk; and nothing else waits for the disk once a stop was asked.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use common::clock::SharedClock;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::{
    cloud::{Cloud, CloudError, ErrorKind, Instance, Mutation, Operation},
    config::Config,
    journal::{Journal, Kind, Record, Refused, RefusedType},
    leave::Leave,
    metrics::Metrics,
    monitoring::{self, SetUp},
    preflight::{self, Subject},
    resize::{Action, Breadcrumb, Event, Monitoring, Outcome, Step},
    seal::Seal,
};

/// A stop follows what it was decided on within this time, beside the time in the queue: checks, a tag, and a few tries.
/// It is also more than clocks differ by.
const STOP_FOLLOWS_WITHIN: Duration = Duration::from_secs(900);

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

/// What a step came to: the event for the machine, and a sentence for the journal.
struct Told {
    event: Event,
    detail: String,
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
    pub fn resume(self: &Arc<Self>, mut record: Record) -> oneshot::Receiver<()> {
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
                executor.prepare(&mut record);
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
        if let Some(age) = self.too_old(record, Duration::ZERO) {
            record.machine.never_stop(&format!(
                "the actuator was away for too long: it was asked for {age} s ago (actuator.queue_seconds)"
            ));
        }
        if self.config.dry_run && !record.dry_run {
            record.machine.start_only(
                "the actuator is in dry run by now: nothing is stopped or changed, and what is down starts as it is",
            );
        }
        record.end_step(true, Some("the actuator ended here".to_owned()), now);
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
        // The process's own time: the clock of a simulation may stand still by now.
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
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

    /// Carries a resize out, to its end or until it is time to leave.
    pub async fn run(&self, mut record: Record, mut looked: Option<oneshot::Sender<()>>) {
        self.metrics.active.inc();
        // Nobody waits for a turn to start a machine.
        let _slot = match record.machine.stop_asked() {
            true => None,
            false => self.slot(&mut record).await,
        };
        let mut paged = record.machine.needs_a_person();
        if paged {
            self.metrics.need_a_person.inc();
        }
        let outcome = loop {
            let (action, pause) = record.machine.next();
            if let Action::Finish(outcome) = action {
                break outcome;
            }
            let start = Instant::now();
            let pause = self.jittered(pause, &record);
            if self.leaves_within(pause, &record).await {
                return;
            }
            let step = record.machine.step();
            record.begin_step(&step.to_string(), intent(&action), self.clock.now());
            if action == Action::Preflight && !record.dry_run {
                let mode = self.cloud.credit_mode(&record.request.instance_id).await;
                record.credit_mode = mode.ok().flatten();
            }
            let told = match self.write_intent(&action, &mut record).await {
                Err(refused) => refused,
                Ok(()) => match self.perform_marked(&action, &mut record).await {
                    Some(told) => told,
                    // Shutdown cut it short.
                    None => return,
                },
            };
            let Told { event, detail } = told;
            if let (
                Action::Start,
                Event::Failed {
                    kind: ErrorKind::NotForThisInstance,
                    message,
                },
            ) = (&action, &event)
            {
                record.note_refused(message);
            }
            let failed = matches!(event, Event::Failed { .. } | Event::Refused { .. })
                || event == Event::Monitored(Monitoring::Degraded);
            if !failed
                && !action.mutates()
                && let Some(looked) = looked.take()
            {
                // Nobody may listen any more.
                let _ = looked.send(());
            }
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
            let moved = record.machine.step() != step;
            if moved {
                record.end_step(failed, Some(detail.clone()), self.clock.now());
            } else {
                record.note(detail.clone());
            }
            let pages = record.machine.needs_a_person() && !paged;
            if pages {
                paged = true;
                self.metrics.need_a_person.inc();
                self.metrics.paged.inc();
                tracing::error!(
                    error = record.machine.error().unwrap_or_default(),
                    "the instance is down longer than planned; this goes on until it runs, but a person should look"
                );
            }
            if moved || pages || action.mutates() {
                self.write_result(&mut record, step, &detail).await;
            } else {
                // A look that saw nothing new.
                self.journal.publish(&record);
            }
        };
        if paged {
            self.metrics.need_a_person.dec();
        }
        self.finished(record, outcome).await;
    }

    /// Before a call that changes something.
    ///
    /// # Errors
    /// The call must not be made: what that is for the machine.
    async fn write_intent(&self, action: &Action, record: &mut Record) -> Result<(), Told> {
        if !action.mutates() {
            self.journal.publish(record);
            return Ok(());
        }
        if *action == Action::Stop
            && let Some(reason) = self.too_late_for_a_stop(record)
        {
            return Err(Told {
                detail: reason.clone(),
                event: Event::Refused { reason },
            });
        }
        let needed = action.needs_the_journal();
        let (step, now) = (record.machine.step(), self.clock.now());
        record.machine.intend(now);
        let line = record.line(Kind::Intent, step, &intent(action), now);
        match self.journal.write(record, line, needed).await {
            Err(error) if needed => Err(Told {
                detail: error.to_string(),
                event: Event::Refused {
                    reason: error.to_string(),
                },
            }),
            // The journal has said it; going on from memory is all that can be done for a machine that is down.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A process that stood still for hours, with its host, goes on where it was. What takes a machine back to its old
    /// type is not too late.
    fn too_late_for_a_stop(&self, record: &Record) -> Option<String> {
        let age = self.too_old(record, STOP_FOLLOWS_WITHIN)?;
        (!record.machine.is_rolling_back()).then(|| {
            format!(
                "too late for a stop: it was asked for {age} s ago (actuator.queue_seconds and the time that checks take)"
            )
        })
    }

    /// Its age in seconds, when that is more than `queue_seconds` and `more`, or when it is of the future: of a clock that was
    /// ahead, nobody knows how long ago that was.
    fn too_old(&self, record: &Record, more: Duration) -> Option<i64> {
        let age = self.clock.now().duration_since(record.created_at).as_secs();
        let limit = self.config.queue_seconds.saturating_add(more.as_secs());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        (age > limit || age < -(STOP_FOLLOWS_WITHIN.as_secs() as i64)).then_some(age)
    }

    /// The time in the journal is what tells our stop from another one.
    fn stood_still(&self, record: &Record) -> bool {
        let now = self.clock.now();
        let sent_at = record.machine.under_way_since().unwrap_or(now);
        now.duration_since(sent_at).as_secs() > 60
    }

    /// What a look says of a machine whose resize is too old to stop it: whether it is down for another one's stop.
    fn stopped_by_others(record: &Record, instance: &Instance) -> Option<String> {
        let asked_at = instance.stop_asked_at?;
        record
            .machine
            .stopped_by_others(asked_at, STOP_FOLLOWS_WITHIN)
    }

    async fn write_result(&self, record: &mut Record, step: Step, detail: &str) {
        let line = record.line(Kind::Result, step, detail, self.clock.now());
        // The journal has said it, and writes it later.
        let _ = self.journal.write(record, line, false).await;
    }

    async fn finished(&self, mut record: Record, outcome: Outcome) {
        self.remember(&record).await;
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
        let step = record.machine.step();
        self.write_result(&mut record, step, outcome.name()).await;
    }

    /// What was refused for good is refused by the next pre-flight. The machine runs by now.
    async fn remember(&self, record: &Record) {
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
    async fn leaves_within(&self, pause: Duration, record: &Record) -> bool {
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

    async fn perform_marked(&self, action: &Action, record: &mut Record) -> Option<Told> {
        self.renew_breadcrumb(action, record).await;
        self.perform(action, record).await
    }

    /// `None` when leaving cut it short, which it does only to what can be done again and leaves no machine down.
    async fn perform(&self, action: &Action, record: &Record) -> Option<Told> {
        let instance_id = &record.request.instance_id;
        let told = match action {
            Action::Preflight => return self.until_leaving(self.preflight(record)).await,
            Action::Look => match self.cloud.describe_instance(instance_id).await {
                Ok(instance) => match Self::stopped_by_others(record, &instance) {
                    Some(reason) => Told {
                        detail: reason.clone(),
                        event: Event::StoppedByOthers {
                            instance_type: instance.instance_type,
                            reason,
                        },
                    },
                    None => Told {
                        detail: format!("{} on {}", instance.state, instance.instance_type),
                        event: Event::Seen {
                            state: instance.state,
                            instance_type: instance.instance_type,
                        },
                    },
                },
                Err(error) => failed(error),
            },
            Action::Mark => accepted(self.mark(record).await),
            Action::Unmark => {
                self.restore_credit_mode(record).await;
                accepted(self.cloud.remove_tag(instance_id, Breadcrumb::TAG).await)
            }
            Action::Stop if self.stood_still(record) => failed(CloudError::new(
                Operation::Stop,
                ErrorKind::Throttled,
                "this process stood still between its intent and the call",
            )),
            Action::Stop => accepted(self.cloud.mutate(instance_id, &Mutation::Stop).await),
            Action::Modify(target) => {
                let mutation = Mutation::ModifyType(target.clone());
                accepted(self.cloud.mutate(instance_id, &mutation).await)
            }
            Action::Start => accepted(self.cloud.mutate(instance_id, &Mutation::Start).await),
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
                let set_up = async {
                    let set_up = self.monitor(instance_id).await;
                    Told {
                        event: Event::Monitored(set_up.monitoring),
                        detail: last_line(&set_up.output),
                    }
                };
                return self.until_leaving(set_up).await;
            }
            // The caller has left its loop by then.
            Action::Finish(_) => return None,
        };
        Some(told)
    }

    async fn until_leaving(&self, work: impl Future<Output = Told>) -> Option<Told> {
        tokio::select! {
            told = work => Some(told),
            () = self.leave.once_up.cancelled() => None,
        }
    }

    async fn mark(&self, record: &Record) -> Result<(), CloudError> {
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
    async fn renew_breadcrumb(&self, action: &Action, record: &mut Record) {
        let goes_down = matches!(action, Action::Stop | Action::Modify(_) | Action::Start);
        if !goes_down || !record.machine.take_old_tag() {
            return;
        }
        if let Err(error) = self.mark(record).await {
            tracing::warn!(%error, "the instance's tag could not be renewed");
        }
    }

    async fn preflight(&self, record: &Record) -> Told {
        let request = &record.request;
        let subject = Subject {
            instance_id: &request.instance_id,
            target: &request.target,
            expected: Some(&request.expected),
        };
        let memory = preflight::Memory {
            refused: self.journal.refused().await,
            now: self.clock.now(),
        };
        let report = preflight::run(self.cloud.as_ref(), &self.config, subject, memory).await;
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
                        account: report.account,
                    }
                },
            },
        }
    }

    /// A change of type resets it. What it was is worth no more than a try.
    async fn restore_credit_mode(&self, record: &Record) {
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
}

fn span(record: &Record) -> tracing::Span {
    tracing::info_span!(
        "resize",
        resize_id = record.request.resize_id,
        instance_id = record.request.instance_id
    )
}

fn accepted(answer: Result<(), CloudError>) -> Told {
    match answer {
        Ok(()) => Told {
            event: Event::Done,
            detail: "accepted".to_owned(),
        },
        Err(error) => failed(error),
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
        Action::Mark => "tagging it, so that it is found whatever happens".to_owned(),
        Action::Unmark => "taking the tag off".to_owned(),
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
