//! Threads for computation, apart from those that serve the network.
//!
//! XGBoost keeps buffers for each thread that ever predicted, so the threads are few and the same for ever.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::oneshot;

/// A fixed number of threads.
#[derive(Clone, Debug)]
pub struct Pool(Arc<ThreadPool>);

/// A computation that ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the computation failed; the log says why")]
pub struct Lost;

impl Pool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// When they can't be started.
    pub fn start(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("forecast-{index}"))
            // The panic itself was printed by the hook; without a handler it would end the process.
            .panic_handler(|_| tracing::error!("a computation panicked"))
            .build()?;
        Ok(Self(Arc::new(pool)))
    }

    /// Runs `work` on one of the threads. It runs to its end even when nobody waits for it any more.
    ///
    /// # Errors
    /// When it panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let (answer, result) = oneshot::channel();
        self.spawn(move || {
            // It fails when the caller is gone.
            let _ = answer.send(work());
        });
        result.await.map_err(|_| Lost)
    }

    /// Runs `work` on one of the threads, after what came before it.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.0.spawn_fifo(work);
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_pool_lives_on() {
        let pool = Pool::start(1).unwrap();
        let lost: Result<(), Lost> = pool.run(|| panic!("on purpose")).await;
        assert_eq!(lost, Err(Lost));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
