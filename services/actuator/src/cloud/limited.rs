//! The cloud behind the guard: every call takes a token of its family, a stop asks the kill switch, and starts that find
//! no room are remembered.

mod account;
mod bucket;
mod commands;
mod machines;
mod metric_store;
mod shortage;
mod state;
mod tab;
mod types;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::clock::SharedClock;

use self::{
    bucket::Bucket,
    shortage::Shortages,
    state::{Family, State},
    tab::Tab,
};
use crate::{
    cloud::{Cloud, CloudError, ErrorKind, Operation, requests},
    config::LimitsConfig,
    guard::Guard,
};

/// A cloud behind a [`Guard`].
pub struct GuardedCloud {
    guard: Arc<Guard>,
    inner: Arc<dyn Cloud>,
    clock: SharedClock,
    /// Tokens that only what brings a machine back may take.
    reserve: f64,
    shortage_memory: Duration,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for GuardedCloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GuardedCloud")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl GuardedCloud {
    pub(crate) fn new(
        guard: Arc<Guard>,
        inner: Arc<dyn Cloud>,
        clock: SharedClock,
        limits: &LimitsConfig,
    ) -> Self {
        let now = clock.now();
        let bucket = |size, per_second| Bucket::new(f64::from(size), per_second, now);
        Self {
            guard,
            inner,
            reserve: f64::from(limits.starts_reserve),
            shortage_memory: Duration::from_secs(limits.shortage_memory_seconds),
            state: Arc::new(Mutex::new(State {
                reads: bucket(limits.read_burst, limits.reads_per_second),
                changes: bucket(limits.change_burst, limits.changes_per_second),
                commands: bucket(limits.change_burst, limits.changes_per_second),
                shortages: Shortages::default(),
                seen: std::collections::HashMap::new(),
            })),
            clock,
        }
    }

    /// Waits for a token, makes the call, and learns from a throttle.
    async fn limited<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, CloudError>> + Send,
    ) -> Result<T, CloudError> {
        let family = Family::from(operation);
        // What brings a machine back: its type and its start.
        let brings_back = matches!(operation, Operation::ModifyType | Operation::Start);
        let reserve = match family {
            Family::Changes if !brings_back => self.reserve,
            _ => 0.0,
        };
        loop {
            let now = self.clock.now();
            let taken = self.state().bucket(family).take(reserve, now);
            match taken {
                Ok(()) => break,
                Err(wait) => self.clock.sleep(wait).await,
            }
        }
        let tab = Tab {
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            family,
            // What is kept for starts is not for what was not asked for.
            reserve: match family {
                Family::Changes => self.reserve,
                Family::Reads | Family::Commands => 0.0,
            },
        };
        let result = requests::metered(Arc::new(tab), call).await;
        if let Err(error) = &result
            && error.kind == ErrorKind::Throttled
        {
            let now = self.clock.now();
            self.state().bucket(family).drain_to(self.reserve, now);
        }
        result
    }

    /// After a start: room or none, for this type in this zone.
    fn learn(&self, instance_id: &str, result: &Result<(), CloudError>) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some((instance_type, zone)) = state.seen.get(instance_id).cloned() else {
            return;
        };
        match result {
            Ok(()) => state.shortages.forget(&instance_type, &zone),
            Err(error) if error.kind == ErrorKind::InsufficientCapacity => {
                state
                    .shortages
                    .note(&instance_type, &zone, now, self.shortage_memory);
            }
            Err(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
