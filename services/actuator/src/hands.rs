//! What holds machines: the journal, the guarded cloud, and the resizes under way. It works without a server, for
//! machines that are down come up whether anybody can ask or not.

use std::sync::Arc;

use common::clock::SharedClock;
use prometheus_client::registry::Registry;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    api::grpc::Service,
    cloud::{Cloud, limited::GuardedCloud},
    config::Config,
    deps::Deps,
    executor::Executor,
    guard::Guard,
    journal::{Journal, Store},
    leave::Leave,
    metrics::Metrics,
    recovery::boot::{self, Look, Opened},
    recovery::stranded::Finder,
};

/// The working part of the service.
pub struct Hands {
    config: Arc<Config>,
    clock: SharedClock,
    cloud: Arc<dyn Cloud>,
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    guard: Arc<Guard>,
    executor: Arc<Executor>,
    finder: Finder,
    metrics: Metrics,
    leave: Leave,
    ready: watch::Sender<bool>,
    look: watch::Receiver<Look>,
    readiness: JoinHandle<()>,
    upkeep: Vec<JoinHandle<()>>,
}

impl Hands {
    /// Opens the journal, and takes up what the last process left. `None` when it was time to leave before that.
    ///
    /// # Errors
    /// There is no journal to be had.
    pub async fn start(
        config: Config,
        deps: Deps,
        leave: Leave,
        registry: &mut Registry,
    ) -> anyhow::Result<Option<Self>> {
        let Some(opened) = boot::open(&config, &leave).await? else {
            return Ok(None);
        };
        Self::over(opened, config, deps, leave, registry)
            .await
            .map(Some)
    }

    /// Works with this journal.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn over(
        Opened { store, wrong }: Opened,
        config: Config,
        deps: Deps,
        leave: Leave,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let metrics = Metrics::register(registry, Arc::clone(&deps.clock));
        let journal = Arc::new(
            Journal::new(Arc::clone(&store)).counting_fence_resets(metrics.fence_resets.clone()),
        );
        if let Some(wrong) = wrong {
            journal.degrade(wrong);
        }
        let guard = Arc::new(Guard::new(&config, Arc::clone(&journal)));
        let clock = deps.clock;
        let cloud: Arc<dyn Cloud> = Arc::new(GuardedCloud::new(
            Arc::clone(&guard),
            deps.cloud,
            Arc::clone(&clock),
            &config.limits,
        ));
        let seal = boot::seal(&config).await;
        let unfinished = journal.unfinished().await?;
        metrics
            .unfinished_at_boot
            .set(i64::try_from(unfinished.len()).unwrap_or(i64::MAX));
        let executor = Arc::new(Executor::new(
            Arc::clone(&cloud),
            Arc::clone(&clock),
            Arc::clone(&config),
            Arc::clone(&journal),
            metrics.clone(),
            leave.clone(),
            seal.clone(),
        ));
        let finder = Finder {
            cloud: Arc::clone(&cloud),
            clock: Arc::clone(&clock),
            config: Arc::clone(&config),
            journal: Arc::clone(&journal),
            executor: Arc::clone(&executor),
            metrics: metrics.clone(),
            seal,
        };
        // Before anything can be asked for: a machine may be down.
        let taken_up = unfinished
            .into_iter()
            .map(|record| executor.resume(record))
            .collect();
        let (ready, _) = watch::channel(false);
        let (looking, look) = watch::channel(Look::Awaited);
        let readiness = tokio::spawn(boot::become_ready(
            finder.clone(),
            taken_up,
            leave.clone(),
            ready.clone(),
            looking,
        ));
        metrics.dry_run.set(i64::from(config.dry_run));
        let upkeep = vec![
            tokio::spawn(boot::mind(
                Arc::clone(&journal),
                metrics.clone(),
                ready.clone(),
            )),
            tokio::spawn(boot::look_after(
                Arc::clone(&store),
                Arc::clone(&journal),
                Arc::clone(&clock),
                config.retention_days,
                leave.now.clone(),
            )),
            tokio::spawn(boot::show_standings(
                Arc::clone(&guard),
                metrics.clone(),
                Arc::clone(&clock),
            )),
        ];
        Ok(Self {
            config,
            clock,
            cloud,
            store,
            journal,
            guard,
            executor,
            finder,
            metrics,
            leave,
            ready,
            look,
            readiness,
            upkeep,
        })
    }

    /// Turns true once every instance that may be down has been looked at.
    pub fn is_ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Why the journal can't be used; `None` while it can.
    pub fn journal_degraded(&self) -> Option<Arc<str>> {
        self.journal.degraded()
    }

    /// What answers calls. Its streams end with `shutdown`.
    pub fn service(&self, shutdown: CancellationToken) -> Service {
        Service {
            cloud: Arc::clone(&self.cloud),
            clock: Arc::clone(&self.clock),
            config: Arc::clone(&self.config),
            journal: Arc::clone(&self.journal),
            guard: Arc::clone(&self.guard),
            executor: Arc::clone(&self.executor),
            finder: self.finder.clone(),
            metrics: self.metrics.clone(),
            leave: self.leave.clone(),
            shutdown,
        }
    }

    /// Until it is time to leave, and what is under way has been put down.
    pub async fn work(&self) {
        tokio::select! {
            () = self.leave.now.cancelled() => {}
            () = self.all_up() => {}
        }
        self.readiness.abort();
        self.executor.finish().await;
    }

    /// The end. Nothing is called any more.
    pub async fn put_down(self) {
        for task in self.upkeep {
            task.abort();
        }
        self.store.close().await;
    }

    async fn all_up(&self) {
        self.leave.once_up.cancelled().await;
        self.ready.send_replace(false);
        let down = self.journal.down().len();
        tracing::warn!(
            down,
            "leaving: no resize is taken on and no instance is stopped any more; what is down is brought up first"
        );
        // What no journal knows is brought up, too, if AWS answers at all.
        let mut look = self.look.clone();
        let _ = look.wait_for(|look| *look != Look::Awaited).await;
        self.executor.all_up().await;
        match *self.look.borrow() {
            Look::Done => tracing::info!("no instance is down for a resize any more"),
            Look::Awaited | Look::Failed => tracing::warn!(
                "no instance of the journal is down any more; AWS could not be asked for others"
            ),
        }
    }
}
