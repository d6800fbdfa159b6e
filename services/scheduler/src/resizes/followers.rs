//! Follows each resize to its end and reports it. A follower outlives the call that started it; what it leaves at
//! shutdown is picked up from the pending decisions by whoever ticks next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    context::Context,
    domain::{Decision, Ending, EventKind, Outcome, Progress, TargetResult},
    metrics::ErrorKind,
    peers::Failure,
    resizes::settle::{Settled, settle},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A stream that is silent for this long is not trusted any more: the resize is asked for by id.
const SILENCE: Duration = Duration::from_secs(60);

/// The end of a resize for those who wait: `None` until then.
pub type Ends = watch::Receiver<Option<Ending>>;

/// All resizes that this process follows.
#[derive(Clone)]
pub struct Followers {
    context: Context,
    live: Arc<Mutex<HashMap<String, Ends>>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Followers {
    /// Follows nothing yet.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            live: Arc::default(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Ends>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while the resize of this decision is followed here.
    pub fn follows(&self, decision_id: &str) -> bool {
        self.live().contains_key(decision_id)
    }

    /// Follows the resize of `decision` from `progress` on, once.
    pub fn follow(&self, decision: Decision, result: TargetResult, progress: Progress) -> Ends {
        let (sender, ends) = watch::channel(None);
        {
            let mut live = self.live();
            if let Some(ends) = live.get(&decision.id) {
                return ends.clone();
            }
            live.insert(decision.id.clone(), ends.clone());
        }
        self.context.metrics.resize_followed();
        let span = tracing::info_span!(
            "follow_resize",
            target = decision.target_id,
            resize_id = decision.id
        );
        let this = self.clone();
        let work = async move {
            let ended = tokio::select! {
                () = this.shutdown.cancelled() => None,
                ending = this.to_the_end(&decision, result, progress) => Some(ending),
            };
            this.live().remove(&decision.id);
            this.context.metrics.resize_left();
            // Without an ending the dropped sender tells those who wait.
            if ended.is_some() {
                sender.send_replace(ended);
            }
        };
        self.tasks.spawn(work.instrument(span));
        ends
    }

    async fn to_the_end(
        &self,
        decision: &Decision,
        result: TargetResult,
        progress: Progress,
    ) -> Ending {
        let ending = self.until_final(decision, progress).await;
        self.finish(decision, result, &ending).await;
        ending
    }

    /// Reports an ending until it is stored, then tells everybody.
    pub async fn finish(&self, decision: &Decision, result: TargetResult, ending: &Ending) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self
            .context
            .peers
            .decision
            .report_outcome(&decision.id, ending)
            .await
        {
            match error.failure {
                // A dry run is not pending: nobody waits for its end.
                Failure::Refused | Failure::Invalid | Failure::NotFound | Failure::Stale
                    if decision.dry_run =>
                {
                    tracing::debug!(%error, "end of a dry run not stored");
                    break;
                }
                Failure::Refused | Failure::Invalid | Failure::NotFound | Failure::Stale => {
                    tracing::error!(%error, outcome = %ending.outcome, "outcome refused; see `autoscaler explain`");
                    self.context.metrics.error(ErrorKind::Reconcile);
                    break;
                }
                Failure::Taken | Failure::Unsure => {
                    tracing::warn!(%error, outcome = %ending.outcome, "outcome not reported yet; trying again");
                    self.context.metrics.error(ErrorKind::Reconcile);
                }
            }
            self.context.clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if matches!(
            ending.outcome,
            Outcome::Succeeded | Outcome::RolledBack | Outcome::FellBack
        ) {
            self.context
                .state
                .note_resize_end(&decision.target_id, Some(ending.at));
        }
        self.context.metrics.resize_ended(ending.outcome);
        let result = self.context.state.resize_ended(result, ending);
        let message = format!("{} {}", decision.instance_id, ending.detail);
        match ending.outcome {
            Outcome::Succeeded | Outcome::DryRun => {
                tracing::info!(outcome = %ending.outcome, "{message}");
            }
            _ => tracing::warn!(outcome = %ending.outcome, "{message}"),
        }
        self.context
            .events
            .target(EventKind::ResizeFinished, message, &result);
    }

    async fn until_final(&self, decision: &Decision, first: Progress) -> Ending {
        if let Progress::Ended(ending) = first {
            return ending;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(ending) = self.watch(decision).await {
                return ending;
            }
            match settle(&self.context, decision, None).await {
                Ok(Settled::Known(Progress::Ended(ending))) => return ending,
                Ok(Settled::Known(Progress::UnderWay(_))) => {}
                Ok(Settled::Wait(why)) => tracing::warn!("{why}"),
                Err(error) => tracing::warn!(%error, "cannot follow the resize; trying again"),
            }
            self.context.clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The end, if the stream gets that far.
    async fn watch(&self, decision: &Decision) -> Option<Ending> {
        let actuator = &self.context.peers.actuator;
        let mut steps = match actuator.watch_resize(&decision.id).await {
            Ok(steps) => steps,
            Err(error) => {
                tracing::warn!(%error, "cannot watch the resize; asking for it by id");
                return None;
            }
        };
        loop {
            let step = tokio::select! {
                step = steps.next() => step,
                () = self.context.clock.sleep(SILENCE) => return None,
            };
            match step {
                Some(Ok(resize)) => match resize.progress {
                    Progress::Ended(ending) => return Some(ending),
                    Progress::UnderWay(step) => tracing::debug!(phase = %step, "resize goes on"),
                },
                None => return None,
                Some(Err(error)) => {
                    tracing::warn!(%error, "the stream of steps broke; asking for the resize by id");
                    return None;
                }
            }
        }
    }

    /// Stops following. Decisions stay pending.
    pub async fn stop(&self) {
        let left = self.live().len();
        if left > 0 {
            tracing::info!(
                left,
                "resizes go on without this scheduler; the next one reports their end"
            );
        }
        self.cut_off();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all followers at once.
    pub fn cut_off(&self) {
        self.shutdown.cancel();
    }
}
