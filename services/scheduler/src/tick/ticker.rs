//! When ticks run: on the clock, on demand, and never two at a time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{clock::machine, health::Health};
use tokio::{sync::watch, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use super::{
    engine::{Engine, TickOutcome},
    lease::{LeaseKeeper, NoLease},
    standing::StandingProbe,
};
use crate::{context::Context, domain::Target};

/// The time between questions to the services whether they are up, before the first tick.
const READY_POLL: Duration = Duration::from_millis(500);
/// The first tick comes after this time at the latest, whether they are up or not.
const READY_PATIENCE: Duration = Duration::from_secs(30);

type Done = watch::Receiver<Option<Arc<TickOutcome>>>;

/// Starts ticks and joins running ones.
pub struct Ticker {
    context: Context,
    engine: Arc<Engine>,
    lease: Arc<LeaseKeeper>,
    standing: StandingProbe,
    /// From the beginning of a tick to that of the next.
    interval: Duration,
    running: Mutex<Option<Running>>,
    shutdown: CancellationToken,
}

#[derive(Clone)]
struct Running {
    /// The targets it covers; `None` means all.
    targets: Option<Arc<HashSet<String>>>,
    done: Done,
    abort: AbortHandle,
}

impl Running {
    fn covers(&self, wanted: &[String]) -> bool {
        match &self.targets {
            None => true,
            Some(_) if wanted.is_empty() => false,
            Some(targets) => wanted.iter().all(|id| targets.contains(id)),
        }
    }

    fn is_over(&self) -> bool {
        // A tick that panicked is over as well: its sender is gone.
        self.done.has_changed().is_err() || self.done.borrow().is_some()
    }
}

/// The reason that a tick has no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTick {
    /// No new ticks.
    #[error("the scheduler is shutting down")]
    ShuttingDown,
    /// A tick ended without a result.
    #[error("the tick was cut off; the log says why, and the next tick settles what it left")]
    CutOff,
}

impl Ticker {
    /// Runs nothing yet; the clock's ticks will begin `interval` apart. After `shutdown` no tick starts.
    pub fn new(
        context: Context,
        engine: Arc<Engine>,
        lease: Arc<LeaseKeeper>,
        standing: StandingProbe,
        interval: Duration,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            context,
            engine,
            lease,
            standing,
            interval,
            running: Mutex::default(),
            shutdown,
        }
    }

    /// From the beginning of a tick to that of the next, while the clock runs.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Runs a tick over `target_ids` (empty means all), or joins the running one when that covers them. Unknown ids are
    /// the caller's to refuse.
    ///
    /// # Errors
    /// At shutdown.
    pub async fn run(&self, target_ids: &[String]) -> Result<Arc<TickOutcome>, NoTick> {
        loop {
            let (mut done, is_mine) = self.join_or_start(target_ids)?;
            let outcome = done.wait_for(Option::is_some).await;
            if !is_mine {
                continue;
            }
            return match outcome {
                Ok(outcome) => outcome.clone().ok_or(NoTick::CutOff),
                Err(_) => Err(NoTick::CutOff),
            };
        }
    }

    /// The end of a tick to wait for, and whether that tick covers `wanted`.
    fn join_or_start(&self, wanted: &[String]) -> Result<(Done, bool), NoTick> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = slot.as_ref().filter(|running| !running.is_over()) {
            return Ok((running.done.clone(), running.covers(wanted)));
        }
        if self.shutdown.is_cancelled() {
            return Err(NoTick::ShuttingDown);
        }
        let (sender, done) = watch::channel(None);
        let engine = Arc::clone(&self.engine);
        let targets: Vec<Target> = self
            .context
            .targets
            .iter()
            .filter(|target| wanted.is_empty() || wanted.contains(&target.id))
            .cloned()
            .collect();
        let covers = (!wanted.is_empty()).then(|| Arc::new(wanted.iter().cloned().collect()));
        // A task of its own: the caller may go away.
        let task = tokio::spawn(async move {
            let outcome = engine.tick(&targets).await;
            sender.send_replace(Some(Arc::new(outcome)));
        });
        *slot = Some(Running {
            targets: covers,
            done: done.clone(),
            abort: task.abort_handle(),
        });
        Ok((done, true))
    }

    /// Waits for the running tick, at most for `grace` of the machine's time, then cuts it off.
    pub async fn finish(&self, grace: Duration) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(mut running) = running.filter(|running| !running.is_over()) else {
            return;
        };
        tracing::info!("finishing the running tick");
        let ended = running.done.wait_for(Option::is_some);
        if machine().timeout(grace, ended).await.is_err() {
            tracing::warn!("the running tick was cut off; the next one settles what it left");
            running.abort.abort();
        }
    }

    /// Ends the running tick where it is.
    pub fn cut_off(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref() {
            running.abort.abort();
        }
    }

    /// Ticks at every interval until shutdown. A tick that takes longer than the interval delays the next one to the
    /// next full interval; missed ones are not caught up with.
    pub async fn run_clock(&self) {
        let clock = &self.context.clock;
        let state = &self.context.state;
        state.set_next_tick(Some(clock.now()));
        self.wait_until_ready().await;
        loop {
            let begin = clock.now();
            // The tick is a task of its own: at shutdown `finish` gives it its time.
            let tick = tokio::select! {
                () = self.shutdown.cancelled() => return,
                tick = self.run(&[]) => tick,
            };
            if let Err(error) = tick {
                tracing::error!(%error, "no tick");
            }
            let now = clock.now();
            let wait = until_next(
                now.duration_since(begin).try_into().unwrap_or_default(),
                self.interval,
            );
            state.set_next_tick(now.saturating_add(wait).ok());
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// Renews the lease between ticks until shutdown, or waits for it on standby.
    pub async fn keep_lease(&self) {
        let clock = &self.context.clock;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = clock.sleep(self.lease.renewal_interval()) => {}
            }
            let lease = self.lease.ensure().await;
            self.context.metrics.lease(lease.is_ok());
            if let Err(NoLease::Unknown(error)) = lease {
                tracing::warn!(%error, "lease not renewed");
            }
            // Between ticks, too, the metrics say what holds resizes back.
            self.standing.ask().await;
        }
    }

    /// A restart of everything brings the services up at about the same time: the first tick waits for the others.
    async fn wait_until_ready(&self) {
        let clock = &self.context.clock;
        let polls = READY_PATIENCE.as_millis() / READY_POLL.as_millis();
        for _ in 0..polls {
            let services = self.context.peers.health().await;
            if services
                .iter()
                .all(|service| service.health == Health::Serving)
                && self.lease.ensure().await.is_ok()
            {
                return;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = clock.sleep(READY_POLL) => {}
            }
        }
        tracing::warn!(
            "not all services are up, or another scheduler holds the lease; ticking anyway"
        );
    }
}

/// From the end of a tick that began `elapsed` ago to the beginning of the next, on the grid that its beginning set.
fn until_next(elapsed: Duration, interval: Duration) -> Duration {
    let over = elapsed.as_nanos() % interval.as_nanos().max(1);
    interval.saturating_sub(Duration::from_nanos(
        u64::try_from(over).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_overran_skips_to_the_next_interval() {
        for (elapsed, wait) in [
            (0, 300),
            (1, 299),
            (299, 1),
            (300, 300),
            (301, 299),
            (905, 295),
        ] {
            assert_eq!(
                until_next(Duration::from_secs(elapsed), Duration::from_secs(300)),
                Duration::from_secs(wait),
                "{elapsed}"
            );
        }
    }
}
