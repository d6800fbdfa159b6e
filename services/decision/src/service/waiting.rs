//! Decisions that wait for a transaction.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::error::ServiceError;
use crate::decide::{input::Input, record::Decision};

/// Decisions of one transaction. It holds the store for their time: others, such as a report, wait that long.
const MOST: usize = 256;

/// One that waits.
pub(super) struct Waiting {
    pub(super) input: Input,
    pub(super) caller: Option<IpAddr>,
    pub(super) answer: oneshot::Sender<Result<Decision, ServiceError>>,
}

/// Those that wait, and whose turn it is to decide for all of them.
#[derive(Default)]
pub(super) struct Together {
    waiting: Mutex<Vec<Waiting>>,
    pub(super) turn: tokio::sync::Mutex<()>,
    #[cfg(test)]
    pub(super) transactions: std::sync::atomic::AtomicUsize,
}

impl std::fmt::Debug for Together {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Together").finish_non_exhaustive()
    }
}

impl Together {
    pub(super) fn join(&self, waiting: Waiting) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(waiting);
    }

    /// How many there were.
    #[cfg(test)]
    pub(super) fn transactions(&self) -> usize {
        self.transactions.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// The first of those that wait.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = all.len().min(MOST);
        all.drain(..most).collect()
    }
}
