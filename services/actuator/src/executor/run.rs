//! One resize from its first step to its end.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Executor, answer::Answer, lines::intent};
use crate::{
    cloud::ErrorKind,
    journal::Record,
    resize::{Action, Event, Monitoring, Outcome},
};

impl Executor {
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
            let begin = self.clock.monotonic();
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
            let answer = match self.write_intent(&action, &mut record).await {
                Err(refused) => refused,
                Ok(()) => match self.perform_marked(&action, &mut record).await {
                    Some(answer) => answer,
                    // Shutdown cut it short.
                    None => return,
                },
            };
            let Answer { event, detail } = answer;
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
            let elapsed = pause.max(self.clock.since(begin));
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
}
