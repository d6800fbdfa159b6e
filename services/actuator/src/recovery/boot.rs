//! What happens before the service is ready, and beside it: the journal is opened, what the last process left is taken
//! up again, and the journal is looked after.

use std::{sync::Arc, time::Duration};

use common::clock::{SharedClock, machine};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    guard::Guard,
    journal::{Journal, OpenError, SqlStore, Store, shown},
    leave::Leave,
    metrics::Metrics,
    recovery::stranded::{Apply, Finder, Standing},
    seal::Seal,
};

/// Between two tries to become ready.
const RETRY: Duration = Duration::from_secs(15);
/// Between two tries to open a journal that another process holds: while it ends, as a rule.
const HELD_RETRY: Duration = Duration::from_secs(1);
/// Between two tries to reach the server that has the journal.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(5);
/// Between two tries to write what could not be written.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at the limits, for the exposition.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// In rounds of flushing: old resizes are forgotten once an hour.
const FORGET_EVERY: u32 = 720;

/// A journal to work with.
pub struct Opened {
    pub store: Arc<dyn Store>,
    /// Why it only stands in for the one that can't be used.
    pub wrong: Option<String>,
}

/// Opens the journal, once no other process holds it; one in memory, with what can be read of it, when it can't be used.
/// `None` when it was time to leave first, or when it is and whoever holds the journal brings up what is down.
///
/// # Errors
/// There is no memory for one.
pub async fn open(config: &Config, leave: &Leave) -> Result<Option<Opened>, OpenError> {
    let mut said = false;
    loop {
        let opened = match SqlStore::open(&config.database).await {
            Err(OpenError::Unusable(why)) => stand_in(config, why).await,
            Ok(store) => Ok(Opened {
                store: Arc::new(store),
                wrong: None,
            }),
            Err(error) => Err(error),
        };
        let pause = match opened {
            Ok(opened) => {
                if opened.wrong.is_none() {
                    let journal = shown(&config.database);
                    tracing::info!(journal, "the resize journal is open");
                }
                return Ok(Some(opened));
            }
            Err(error @ OpenError::Held(_)) if leave.has_begun() => {
                tracing::warn!("{error}; it brings up what is down, and this one leaves");
                return Ok(None);
            }
            Err(error @ OpenError::Held(_)) => {
                if !said {
                    tracing::warn!("{error}; waiting for it to end");
                    said = true;
                }
                HELD_RETRY
            }
            // The lock that keeps two actuators apart is there, too: another one may be in the middle of a resize.
            Err(error @ OpenError::Unreachable(_)) => {
                if !said {
                    tracing::error!(
                        "{error}; waiting for it, and nothing is started or stopped before"
                    );
                    said = true;
                }
                UNREACHABLE_RETRY
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = leave.now.cancelled() => return Ok(None),
            // A disk, a server, and the process that holds them have the machine's time.
            () = machine().sleep(pause) => {}
        }
    }
}

/// The key of breadcrumbs. Without one none can be verified, and what the journal knows comes up all the same.
pub async fn seal(config: &Config) -> Seal {
    let read = match &config.breadcrumb_key {
        Some(key) => return Seal::with(key),
        None if config.database == ":memory:" => return Seal::fresh(),
        None => Seal::from_file(&config.breadcrumb_key_file).await,
    };
    read.unwrap_or_else(|error| {
        tracing::error!(
            "{error}; with the journal lost, too, nobody would know which instances were stopped here: set \
             actuator.breadcrumb_key, or make actuator.breadcrumb_key_file readable"
        );
        Seal::fresh()
    })
}

async fn stand_in(config: &Config, why: String) -> Result<Opened, OpenError> {
    let (store, salvaged) = SqlStore::stand_in(&config.database).await?;
    let unfinished = salvaged.records.iter();
    let unfinished = unfinished
        .filter(|record| record.finished_at.is_none())
        .count();
    tracing::warn!(
        unfinished,
        unreadable = salvaged.unreadable,
        "what could be read of the journal is worked on from memory"
    );
    Ok(Opened {
        store: Arc::new(store),
        wrong: Some(why),
    })
}

/// Once the journal can't be used: says so where it is seen, and is ready no more.
pub async fn mind(journal: Arc<Journal>, metrics: Metrics, ready: watch::Sender<bool>) {
    let mut degraded = journal.degradation();
    let why = match degraded.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // `journal` holds the sender.
        Err(_) => return,
    };
    metrics.journal_degraded.set(1);
    tracing::error!(
        "no resize is taken on, and no instance is stopped: {why}. Instances that are down are brought up all the same"
    );
    ready.send_replace(false);
}

/// What is known of instances with a breadcrumb.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// Nothing yet.
    Awaited,
    /// AWS, or the journal, did not answer at the last try.
    Failed,
    /// Each has been seen, and is brought up where that is to be.
    Done,
}

/// Turns `ready` once the cloud can be called, every unfinished resize has been looked at, and every instance with a
/// breadcrumb is accounted for. None of them waits for another: what can be started is started.
pub async fn become_ready(
    finder: Finder,
    unfinished: Vec<oneshot::Receiver<()>>,
    leave: Leave,
    ready: watch::Sender<bool>,
    look: watch::Sender<Look>,
) {
    let mut complaints = Complaints::default();
    while let Err(error) = finder.cloud.ready().await {
        look.send_replace(Look::Failed);
        complaints.say(error.with_remedy());
        finder.clock.sleep(RETRY).await;
    }
    let found = loop {
        match finder.find(Apply::Lost).await {
            Ok(found) => break found,
            Err(error) => complaints.say(format!("instances with a breadcrumb: {error}")),
        }
        look.send_replace(Look::Failed);
        finder.clock.sleep(RETRY).await;
    };
    look.send_replace(Look::Done);
    for stranded in found {
        let instance_id = &stranded.instance.instance_id;
        match stranded.standing {
            Standing::Unverified(why) => {
                finder.metrics.paged.inc();
                tracing::error!(
                    instance_id,
                    state = %stranded.instance.state,
                    "its tag says that it was stopped for a resize, and nothing proves it: {why}. It is left as it is; if this \
                     program stopped it, `autoscaler recover --apply` starts it"
                );
            }
            Standing::Foreign => {
                tracing::warn!(
                    instance_id,
                    "its resize tag was not written by this program"
                );
            }
            Standing::Lost | Standing::UnderWay | Standing::Ended => {}
        }
    }
    for looked_at in unfinished {
        // An error is an end: of the resize, or of the process.
        let _ = looked_at.await;
    }
    if finder.journal.degraded().is_some() {
        tracing::warn!(
            "every instance that may be down has been looked at; not ready, for the journal can't be used"
        );
        return;
    }
    if leave.has_begun() {
        return;
    }
    if complaints.any() {
        tracing::info!("ready after all");
    }
    ready.send_replace(true);
}

/// The same line again and again helps nobody.
#[derive(Default)]
struct Complaints(String);

impl Complaints {
    fn say(&mut self, line: String) {
        if line != self.0 {
            tracing::error!("not ready: {line}");
            self.0 = line;
        }
    }

    fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Keeps the exposition's picture of kill switch, breaker and budgets fresh.
pub async fn show_standings(guard: Arc<Guard>, metrics: Metrics, clock: SharedClock) {
    loop {
        // A journal that can't be read says so where it is needed.
        if let Ok(standings) = guard.standings(clock.now()).await {
            metrics.stand(&standings);
        }
        // Whoever reads the exposition does so in the machine's time.
        machine().sleep(SHOW_EVERY).await;
    }
}

/// Writes late what could not be written in time, forgets what is old, and ends the process when another one has taken
/// the journal over.
pub async fn look_after(
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    clock: SharedClock,
    retention_days: u32,
    shutdown: CancellationToken,
) {
    let retention = jiff::SignedDuration::from_hours(24 * i64::from(retention_days));
    let mut round = 0_u32;
    loop {
        if round.is_multiple_of(FORGET_EVERY) {
            let before = clock.now() - retention;
            match journal.forget(before).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "forgot old resizes"),
                Err(error) => tracing::warn!(%error, "old resizes stay"),
            }
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = machine().sleep(FLUSH_EVERY) => {}
        }
        // What fails has been said when it began to.
        let _ = journal.flush().await;
        // Notes it.
        let _ = journal.check().await;
        if !store.is_ours().await {
            tracing::error!(
                "the hold on the journal is lost; leaving, so that no second actuator acts beside this one"
            );
            shutdown.cancel();
            return;
        }
    }
}
